// tools/roostctl/selftest/integrity.cc - whether the node's own database is whole, without
// disturbing a node that runs on it.
//
// node_file.h says how it is opened, and why the node does not notice.
#include <sqlite3.h>

#include <filesystem>

#include "tools/common/text.h"
#include "tools/roostctl/node_file.h"
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

namespace fs = std::filesystem;

// Instructions of SQLite's machine between two looks at the clock: 0.1 ms or so.
constexpr int kStepsBetweenLooks = 1000;
int StopWhenOver(void* context) { return static_cast<Context*>(context)->IsOver() ? 1 : 0; }

struct Answer {
  int code = SQLITE_OK;
  std::string text;  // of quick_check, or of the error
};

Answer QuickCheck(Context& context, const std::string& path, bool immutable) {
  Answer answer;
  const NodeFile db = OpenToRead(path, immutable, answer.code);
  if (answer.code != SQLITE_OK) return {answer.code, sqlite3_errstr(answer.code)};
  sqlite3_progress_handler(db.get(), kStepsBetweenLooks, StopWhenOver, &context);
  sqlite3_stmt* statement = nullptr;
  answer.code = sqlite3_prepare_v2(db.get(), "PRAGMA quick_check(1)", -1, &statement, nullptr);
  if (answer.code == SQLITE_OK) answer.code = sqlite3_step(statement);
  if (answer.code == SQLITE_ROW) {
    answer = {SQLITE_OK, reinterpret_cast<const char*>(sqlite3_column_text(statement, 0))};
  } else {
    answer.text = sqlite3_errmsg(db.get());
  }
  sqlite3_finalize(statement);
  return answer;
}

bool IsBusy(int code) { return (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED; }

bool IsNoRight(int code) {
  return (code & 0xFF) == SQLITE_CANTOPEN || (code & 0xFF) == SQLITE_READONLY ||
         (code & 0xFF) == SQLITE_PERM;
}

Result Judge(const Answer& answer, uint64_t bytes, const std::string& took) {
  const std::string size = FormatBytes(bytes);
  const char* bound = "quick_check: ok";
  if (answer.code == SQLITE_OK && answer.text == "ok") {
    return Pass("ok, " + size + " in " + took, bound);
  }
  if (answer.code == SQLITE_INTERRUPT) {
    return Warn("not done in " + took + " with " + size, bound,
                "the database is too large for the time; no damage was seen so far: stop the node "
                "and run sqlite3 FILE 'PRAGMA quick_check'");
  }
  if (IsBusy(answer.code)) return Skip("the node holds the database alone at this moment");
  if (IsNoRight(answer.code)) {
    return Skip(answer.text + ": this user may not read it; run it as the service's user");
  }
  return Fail(answer.text, bound,
              "the database is damaged: stop the node, move it away together with its -wal and "
              "-shm, save what sqlite3 .recover finds, replace the card");
}

Result CheckLogDatabase(Context& context, const std::string& path) {
  const TimePoint start = context.Now();
  const bool immutable = !HasLog(path);
  Answer answer = QuickCheck(context, path, immutable);
  // A node that started meanwhile has written pages under the eyes of a reader without locks.
  const bool started = immutable && HasLog(path);
  if (started && answer.text != "ok") answer = QuickCheck(context, path, false);
  std::error_code ignored;
  const uint64_t bytes = fs::file_size(path, ignored);
  const Duration took = context.Now() - start;
  return Judge(answer, bytes, FormatDuration(took))
      .With("bytes", bytes)
      .With("took_s", InSeconds(took))
      .With("answer", answer.text);
}

}  // namespace

Result CheckCardIntegrity(Context& context) {
  const std::string& path = context.setup.db;
  switch (FileKindOf(path)) {
    case FileKind::kAbsent:
      return Skip("there is no database yet: " + path);
    case FileKind::kUnreadable:
      return Skip("this user may not read " + path + "; run it as the service's user");
    case FileKind::kEmpty:
      return Pass("empty", "quick_check: ok");
    case FileKind::kForeign:
      return Fail(path + " is not a SQLite database", "quick_check: ok",
                  "name the node's database with --db; if this is it, it is damaged: move it away");
    case FileKind::kOtherMode:
      return Skip(path +
                  " has no write-ahead log, no node has written it; a check could make its "
                  "writer wait");
    case FileKind::kLog:
      return CheckLogDatabase(context, path);
  }
  return Skip("");
}

}  // namespace roost::tools::selftest
