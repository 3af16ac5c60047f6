#include "backends/sqlite/handle.h"

#include <sqlite3.h>

#include <algorithm>
#include <charconv>

#include "backends/sqlite/checkpoint_memory.h"
#include "backends/sqlite/classify.h"
#include "backends/sqlite/errors.h"
#include "backends/sqlite/options.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using internal::Concat;

constexpr int kMaxSqlBytes = 16 * 1024;
constexpr int64_t kPageBytes = 4096;

int Flags(const SqliteOptions& options, Access access) {
  // NOMUTEX: the pool lends a connection to one thread at a time.
  const int common = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  // A reader in memory is held back by query_only alone: the VFS shares what the others write.
  if (IsMemory(options)) {
    return common | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI;
  }
  switch (access) {
    case Access::kRead:
      return common | SQLITE_OPEN_READONLY;
    case Access::kWrite:
      return common | SQLITE_OPEN_READWRITE;
    case Access::kCreate:
      return common | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return common;
}

void SetLimits(sqlite3* db, const SqliteOptions& options) {
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, options.max_value_bytes);
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, kMaxSqlBytes);
  sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
}

// Fails when this SQLite does not know a switch: it would be less safe than promised.
absl::Status SetSwitches(sqlite3* db, const SqliteOptions& options) {
  struct Switch {
    int name;
    int value;
  };
  constexpr Switch kSwitches[] = {
      {SQLITE_DBCONFIG_DEFENSIVE, 1}, {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
      {SQLITE_DBCONFIG_DQS_DML, 0},   {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
      {SQLITE_DBCONFIG_DQS_DDL, 0},   {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
  };
  for (const Switch& one : kSwitches) {
    const int code = sqlite3_db_config(db, one.name, one.value, nullptr);
    if (code != SQLITE_OK) return OpenError(db, code, options, "sqlite3_db_config");
  }
  return absl::OkStatus();
}

// Without a heap: connections are opened anew while a node runs. SQLite's own printf is in memory
// in any case, the C library's may not be.
absl::Status SetPragmas(sqlite3* db, const SqliteOptions& options, Access access) {
  const bool full = options.durability == SqliteDurability::kCommit;
  // A log that a pinned reader blew up shrinks to this at its next reset.
  const int64_t log_bytes =
      std::max<int64_t>(4 * options.checkpoint_pages * kPageBytes, int64_t{1} << 20);
  char sql[256];
  sqlite3_snprintf(sizeof sql, sql,
                   "PRAGMA cache_size=-%lld;PRAGMA temp_store=FILE;PRAGMA mmap_size=0;"
                   "PRAGMA synchronous=%s;PRAGMA secure_delete=FAST;PRAGMA journal_size_limit=%lld;"
                   "PRAGMA query_only=%s",
                   static_cast<long long>(options.cache_kib), full ? "FULL" : "NORMAL",
                   static_cast<long long>(log_bytes), access == Access::kRead ? "ON" : "OFF");
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : OpenError(db, code, options, {});
}

// In the fixed block a page is 4096 bytes: each larger one would come from the arena, which the first
// statements would use up.
absl::Status SetPages(sqlite3* db, const SqliteOptions& options) {
  if (options.max_kib == 0 && !HasBoundedMemory()) return absl::OkStatus();
  absl::StatusOr<std::string> text = QueryText(db, options, "PRAGMA page_size");
  if (!text.ok()) return text.status();
  int64_t page_bytes = kPageBytes;
  std::from_chars(text->data(), text->data() + text->size(), page_bytes);
  if (HasBoundedMemory() && page_bytes > kPageBytes) {
    return absl::FailedPreconditionError(
        Concat({internal::PlainText(options.path), " has pages of ", *text,
                " bytes, and those in the memory of SQLite that is fixed have 4096: run PRAGMA "
                "page_size=4096 and VACUUM INTO a new file, or make no SqliteMemory"}));
  }
  if (options.max_kib == 0) return absl::OkStatus();
  const int64_t pages = MaxPages(options, page_bytes);
  char sql[64];
  sqlite3_snprintf(sizeof sql, sql, "PRAGMA max_page_count=%lld", static_cast<long long>(pages));
  return Execute(db, options, sql);
}

absl::Status CheckEncoding(sqlite3* db, const SqliteOptions& options) {
  absl::StatusOr<std::string> encoding = QueryText(db, options, "PRAGMA encoding");
  if (!encoding.ok() || *encoding == "UTF-8") return encoding.status();
  return absl::FailedPreconditionError(Concat(
      {internal::PlainText(options.path), " stores its text as ", internal::PlainText(*encoding),
       "; only UTF-8 is read in place: copy it into a new database"}));
}

// Sets the limits and switches of the session.
absl::Status Harden(sqlite3* db, const SqliteOptions& options) {
  SetLimits(db, options);
  return SetSwitches(db, options);
}

absl::Status Configure(sqlite3* db, const SqliteOptions& options, Access access) {
  absl::Status status = Harden(db, options);
  if (status.ok()) status = SetPragmas(db, options, access);
  if (status.ok()) status = SetPages(db, options);
  if (status.ok()) status = CheckEncoding(db, options);
  return status;
}

}  // namespace

Handle& Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    sqlite3_close(db_);
    db_ = std::exchange(other.db_, nullptr);
  }
  return *this;
}

int64_t MaxPages(const SqliteOptions& options, int64_t page_bytes) {
  if (options.max_kib == 0 || page_bytes <= 0) return 0;
  // Far from the largest number, so that a reserve fits.
  return std::clamp<int64_t>(options.max_kib * 1024 / page_bytes, 1, int64_t{4294900000});
}

void KeepLogAtClose(sqlite3* db, bool keep) {
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

Handle::~Handle() { sqlite3_close(db_); }

absl::Status OpenError(sqlite3* db, int code, const SqliteOptions& options, std::string_view sql) {
  const Finding finding = Classify(
      {.code = code, .system_errno = SystemErrno(db, code), .operation = Operation::kOpen});
  return MakeStatus(finding.code, code,
                    {.sql = sql,
                     .where = options.path,
                     .message = MessageFor(db, code),
                     .advice = finding.advice});
}

absl::Status Execute(sqlite3* db, const SqliteOptions& options, const char* sql) {
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : OpenError(db, code, options, sql);
}

absl::StatusOr<std::string> QueryText(sqlite3* db, const SqliteOptions& options, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  std::string text;
  if (code == SQLITE_ROW) {
    const unsigned char* found = sqlite3_column_text(statement, 0);
    if (found != nullptr) text = reinterpret_cast<const char*>(found);
  }
  // To the end: a pragma that writes commits only there.
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : OpenError(db, code, options, sql);
  sqlite3_finalize(statement);
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<int64_t> QueryInt(sqlite3* db, const SqliteOptions& options, const char* sql) {
  const absl::StatusOr<std::string> text = QueryText(db, options, sql);
  if (!text.ok()) return text.status();
  int64_t number = 0;
  std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

absl::Status SwitchToLog(sqlite3* db, const SqliteOptions& options, DeadlineHandler& handler) {
  while (true) {
    absl::StatusOr<std::string> mode = QueryText(db, options, "PRAGMA journal_mode=WAL");
    // While another process writes, SQLite refuses at once, without asking the busy handler.
    if (!mode.ok() && (SqliteCode(mode.status()) & 0xFF) == SQLITE_BUSY && handler.Pause())
      continue;
    if (!mode.ok() || *mode == "wal") return mode.status();
    return absl::FailedPreconditionError(Concat(
        {internal::PlainText(options.path), " stays in journal mode \"", internal::PlainText(*mode),
         "\": its file system has no shared memory for a write-ahead log"}));
  }
}

absl::StatusOr<Handle> OpenHandle(const std::string& name, const SqliteOptions& options,
                                  Access access, DeadlineHandler& handler) {
  sqlite3* db = nullptr;
  const char* vfs = options.vfs.empty() ? nullptr : options.vfs.c_str();
  const int code = sqlite3_open_v2(name.c_str(), &db, Flags(options, access), vfs);
  Handle handle(db);  // also a handle that could not be opened has to be closed
  if (db == nullptr) return OpenError(nullptr, SQLITE_NOMEM, options, "");
  sqlite3_extended_result_codes(db, 1);
  if (code != SQLITE_OK) return OpenError(db, sqlite3_extended_errcode(db), options, "");
  KeepLogAtClose(db, true);
  handler.Install(db);
  absl::Status status = Configure(db, options, access);
  if (!status.ok()) return status;
  return handle;
}

}  // namespace roost::sqlite
