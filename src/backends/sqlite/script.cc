#include "backends/sqlite/script.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "backends/sqlite/authorizer.h"
#include "backends/sqlite/classify.h"
#include "backends/sqlite/errors.h"
#include "backends/sqlite/existing_file.h"
#include "backends/sqlite/handle.h"
#include "backends/sqlite/options.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using internal::Concat;
using internal::Digits;

// A script while it runs. What it may do: what SQL may do at a connection, inside of one transaction.
class Script {
 public:
  // `name`: what messages call it.
  Script(sqlite3* db, const SqliteOptions& options, std::string name, std::string_view sql,
         bool is_migration)
      : db_(db),
        options_(options),
        name_(std::move(name)),
        text_(sql),
        is_migration_(is_migration) {
    sqlite3_set_authorizer(db_, &OnAuthorize, this);
  }
  ~Script() { sqlite3_set_authorizer(db_, nullptr, nullptr); }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  absl::Status Run();
  // A row or a table may have gone that another table refers to.
  bool changes_rows() const { return changes_rows_; }

 private:
  static int OnAuthorize(void* self, int action, const char* first, const char* second,
                         const char* database, const char* trigger);
  // `begin`: of the statement; `at`: what is wrong in it.
  absl::Status Fail(int code, const char* begin, const char* at) const;
  absl::Status RunOne(sqlite3_stmt* statement, const char* at) const;

  sqlite3* const db_;
  const SqliteOptions& options_;
  const std::string name_;
  const std::string text_;
  const bool is_migration_;
  std::string_view refusal_{};
  bool changes_rows_ = false;
};

bool SetsForeignKeys(int action, const char* pragma, const char* value) {
  return action == SQLITE_PRAGMA && value != nullptr &&
         sqlite3_stricmp(pragma, "foreign_keys") == 0;
}

int Script::OnAuthorize(void* self, int action, const char* first, const char* second, const char*,
                        const char*) {
  Script& script = *static_cast<Script*>(self);
  const Permit permit = Authorize(action, first, second, IsMarked(script.options_));
  // A new table or index writes into SQLite's own tables alone.
  const bool of_rows = permit.rows != RowChange::kNone && first != nullptr &&
                       !std::string_view(first).starts_with("sqlite_");
  script.changes_rows_ = script.changes_rows_ || of_rows || action == SQLITE_ALTER_TABLE;
  if (permit.bounds_transaction) {
    script.refusal_ =
        "it is run in one transaction already: leave BEGIN, COMMIT and ROLLBACK out of it";
  } else if (script.is_migration_ && SetsForeignKeys(action, first, second)) {
    script.refusal_ =
        "SQLite ignores it in a transaction. Foreign keys are off in a migration, and checked at "
        "its end: leave it out";
  } else if (!permit.allowed) {
    script.refusal_ = permit.reason;
  } else {
    return SQLITE_OK;
  }
  return SQLITE_DENY;
}

absl::Status Script::Fail(int code, const char* begin, const char* at) const {
  const Finding finding = Classify(
      {.code = code, .system_errno = SystemErrno(db_, code), .operation = Operation::kOpen});
  const bool refused = code == SQLITE_AUTH && !refusal_.empty();
  // A key that is taken says of a statement that the row is there, of a script that it is wrong.
  const bool is_wrong = refused || finding.code == absl::StatusCode::kAlreadyExists;
  const auto line = 1 + std::count(text_.c_str(), at, '\n');
  const std::string where =
      Concat({internal::PlainText(options_.path), ", ", name_, ", line ", Digits(line)});
  std::string_view advice = refused ? std::string_view() : finding.advice;
  if (finding.code == absl::StatusCode::kDeadlineExceeded) {
    advice =
        "it did not end by the deadline of the acquire that opened the database: run "
        "SqliteBackend::Prepare at the start, with a later one";
  }
  return MakeStatus(is_wrong ? absl::StatusCode::kInvalidArgument : finding.code, code,
                    {.sql = begin,
                     .where = where,
                     .message = refused ? refusal_ : MessageFor(db_, code),
                     .advice = advice});
}

absl::Status Script::RunOne(sqlite3_stmt* statement, const char* at) const {
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : Fail(code, at, at);
  sqlite3_finalize(statement);
  return status;
}

absl::Status Script::Run() {
  absl::Status status;
  for (const char* at = SkipToStatement(text_.c_str()); status.ok() && *at != '\0';
       at = SkipToStatement(at)) {
    sqlite3_stmt* statement = nullptr;
    const char* next = nullptr;
    const int code = sqlite3_prepare_v2(db_, at, -1, &statement, &next);
    if (code != SQLITE_OK) {
      return Fail(code, at, at + std::max(0, sqlite3_error_offset(db_)));
    }
    if (statement != nullptr) status = RunOne(statement, at);
    at = next;
  }
  return status;
}

absl::Status RollBack(sqlite3* db, const SqliteOptions& options, const absl::Status& status) {
  if (!status.ok() && sqlite3_get_autocommit(db) == 0) {
    Execute(db, options, "ROLLBACK").IgnoreError();
  }
  return status;
}

absl::Status Mark(sqlite3* db, const SqliteOptions& options, int32_t version) {
  if (options.application_id == 0) {
    return Execute(db, options, Concat({"PRAGMA user_version=", Digits(version)}).c_str());
  }
  return Execute(db, options,
                 Concat({"PRAGMA application_id=", Digits(options.application_id),
                         ";PRAGMA user_version=", Digits(version)})
                     .c_str());
}

absl::Status CheckForeignKeys(sqlite3* db, const SqliteOptions& options, int32_t version) {
  const absl::StatusOr<std::string> missing = QueryText(
      db, options,
      "SELECT 'row ' || ifnull(rowid, '') || ' of \"' || \"table\" || '\" without its row of \"' "
      "|| \"parent\" || '\"' FROM pragma_foreign_key_check LIMIT 1");
  if (!missing.ok() || missing->empty()) return missing.status();
  return absl::InvalidArgumentError(
      Concat({internal::PlainText(options.path), ", migration ", Digits(version),
              ": it would leave ", internal::PlainText(*missing),
              ", and was undone; PRAGMA foreign_key_check tells whether one lacked it before"}));
}

// One migration: whole, with its number, or not at all.
absl::Status RunMigration(sqlite3* db, const SqliteOptions& options, const Migration& migration) {
  absl::Status status = Execute(db, options, "BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  // Asked with the lock held: another process may have been faster.
  const absl::StatusOr<int64_t> version = QueryInt(db, options, "PRAGMA user_version");
  status = version.status();
  if (status.ok() && *version < migration.version) {
    bool changes_rows = false;
    {
      Script script(db, options, Concat({"migration ", Digits(migration.version)}), migration.sql,
                    true);
      status = script.Run();
      changes_rows = script.changes_rows();
    }
    if (status.ok() && changes_rows) status = CheckForeignKeys(db, options, migration.version);
    if (status.ok()) status = Mark(db, options, migration.version);
  }
  if (status.ok()) status = Execute(db, options, "COMMIT");
  return RollBack(db, options, status);
}

// While one lives, no table takes its children's rows with it where it is made anew. (The pragma is
// ignored inside of a transaction.)
class WithoutForeignKeys {
 public:
  explicit WithoutForeignKeys(sqlite3* db) : db_(db) { Set(0); }
  ~WithoutForeignKeys() { Set(1); }
  WithoutForeignKeys(const WithoutForeignKeys&) = delete;
  WithoutForeignKeys& operator=(const WithoutForeignKeys&) = delete;

 private:
  void Set(int on) { sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_FKEY, on, nullptr); }
  sqlite3* const db_;
};

}  // namespace

const char* SkipToStatement(const char* at) {
  while (true) {
    at += std::strspn(at, " \t\r\n\f;");
    if (at[0] == '-' && at[1] == '-') {
      at += std::strcspn(at, "\n");
    } else if (at[0] == '/' && at[1] == '*') {
      const char* const end = std::strstr(at + 2, "*/");
      at = end == nullptr ? at + std::strlen(at) : end + 2;
    } else {
      return at;
    }
  }
}

absl::Status RunSchema(sqlite3* db, const SqliteOptions& options) {
  if (options.schema.empty()) return absl::OkStatus();
  absl::Status status = Execute(db, options, "BEGIN IMMEDIATE");
  if (status.ok())
    status = Script(db, options, "SqliteOptions::schema", options.schema, false).Run();
  if (status.ok()) status = MarkOwner(db, options);
  if (status.ok()) status = Execute(db, options, "COMMIT");
  return RollBack(db, options, status);
}

absl::Status Migrate(sqlite3* db, const SqliteOptions& options) {
  const absl::StatusOr<int64_t> version = QueryInt(db, options, "PRAGMA user_version");
  if (!version.ok() || *version >= LatestVersion(options)) return version.status();
  const WithoutForeignKeys without(db);
  for (const Migration& migration : options.migrations) {
    if (*version >= migration.version) continue;
    absl::Status status = RunMigration(db, options, migration);
    if (!status.ok()) return status;
  }
  // A later version of the program may have come in between.
  return CheckVersion(db, options);
}

}  // namespace roost::sqlite
