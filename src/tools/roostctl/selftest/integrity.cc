// tools/roostctl/selftest/integrity.cc - whether the node's own database is whole, without
// disturbing a node that runs on it.
//
// How it is opened, and why the node does not notice:
//
//   * Without a log beside it no program has it open: it is read as an immutable file. SQLite then
//     takes no lock and makes no file, so that no log of another owner is left in the node's folder.
//   * With a log it is opened for reading, by another user than the owner without touching the
//     log's index, and takes the place of a reader. Readers of a write-ahead log make no writer wait. A checkpoint that would cut the log back waits 5 ms for readers at
//     the most and then leaves it for later (src/backends/sqlite/write_ahead_log.cc).
//   * Closing makes no checkpoint (NO_CKPT_ON_CLOSE), so that it never takes the write lock.
//   * A database in another mode than the log is not opened: there a reader makes a writer wait.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

namespace fs = std::filesystem;

// Instructions of SQLite's machine between two looks at the clock: 0.1 ms or so.
constexpr int kStepsBetweenLooks = 1000;
// SQLite's file header: bytes 18 and 19 are 2 for a write-ahead log
// (https://www.sqlite.org/fileformat2.html#file_format_version_numbers).
constexpr size_t kHeaderBytes = 100;
constexpr size_t kWriteVersion = 18;
constexpr char kMagic[] = "SQLite format 3";  // with its zero, which a damaged header may lack

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

enum class Kind : uint8_t { kAbsent, kUnreadable, kEmpty, kForeign, kOtherMode, kLog };

// Before SQLite has the file open in this process: closing any descriptor of it drops SQLite's
// locks on it.
Kind KindOf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? Kind::kAbsent : Kind::kUnreadable;
  char header[kHeaderBytes] = {};
  const ssize_t got = read(fd, header, sizeof header);
  close(fd);
  if (got == 0) return Kind::kEmpty;
  if (got < ssize_t{kHeaderBytes}) return Kind::kForeign;
  if (std::memcmp(header, kMagic, sizeof kMagic) != 0) return Kind::kForeign;
  return header[kWriteVersion] == 2 ? Kind::kLog : Kind::kOtherMode;
}

// Also an empty one: a node that has just cut it back.
bool HasLog(const std::string& path) { return access((path + "-wal").c_str(), F_OK) == 0; }

bool IsOwner(const std::string& path) {
  struct stat file {};
  return geteuid() == 0 || (stat(path.c_str(), &file) == 0 && file.st_uid == geteuid());
}

// A path as a URI: the characters that mean something there are escaped.
std::string Uri(const std::string& path, bool immutable) {
  std::string uri = "file://";
  for (const char c : path) {
    const bool special = c == '%' || c == '?' || c == '#';
    uri += special ? Format("%%%02x", static_cast<unsigned>(c)) : std::string(1, c);
  }
  if (immutable) return uri + "?immutable=1";
  return uri + (IsOwner(path) ? "?mode=ro" : "?mode=ro&readonly_shm=1");
}

Database OpenToRead(const std::string& path, bool immutable, int& code) {
  sqlite3* opened = nullptr;
  code = sqlite3_open_v2(Uri(path, immutable).c_str(), &opened,
                         SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
  Database db(opened);
  if (code == SQLITE_OK) {
    code = sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  return db;
}

int StopWhenOver(void* context) { return static_cast<Context*>(context)->IsOver() ? 1 : 0; }

struct Answer {
  int code = SQLITE_OK;
  std::string text;  // of quick_check, or of the error
};

Answer QuickCheck(Context& context, const std::string& path, bool immutable) {
  Answer answer;
  const Database db = OpenToRead(path, immutable, answer.code);
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
  switch (KindOf(path)) {
    case Kind::kAbsent:
      return Skip("there is no database yet: " + path);
    case Kind::kUnreadable:
      return Skip("this user may not read " + path + "; run it as the service's user");
    case Kind::kEmpty:
      return Pass("empty", "quick_check: ok");
    case Kind::kForeign:
      return Fail(path + " is not a SQLite database", "quick_check: ok",
                  "name the node's database with --db; if this is it, it is damaged: move it away");
    case Kind::kOtherMode:
      return Skip(path +
                  " has no write-ahead log, no node has written it; a check could make its "
                  "writer wait");
    case Kind::kLog:
      return CheckLogDatabase(context, path);
  }
  return Skip("");
}

}  // namespace roost::tools::selftest
