#include "backends/sqlite/own_statements.h"

#include <sqlite3.h>

#include <string_view>

#include "backends/sqlite/handle.h"

namespace roost::sqlite {

absl::Status OwnStatements::Prepare(sqlite3* db, bool writes, const SqliteOptions& options) {
  struct Own {
    sqlite3_stmt** statement;
    std::string_view sql;
  };
  const Own kOwn[] = {{&begin_, writes ? "BEGIN IMMEDIATE" : "BEGIN"},
                      {&commit_, "COMMIT"},
                      {&rollback_, "ROLLBACK"},
                      {&ping_, "SELECT 1 FROM sqlite_schema LIMIT 1"},
                      {&pages_, "PRAGMA page_count"}};
  for (const Own& own : kOwn) {
    if (own.statement == &pages_ && !writes) continue;
    const int code = sqlite3_prepare_v3(db, own.sql.data(), static_cast<int>(own.sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, own.statement, nullptr);
    if (code != SQLITE_OK) return OpenError(db, code, options, own.sql);
  }
  return absl::OkStatus();
}

void OwnStatements::Finalize() {
  for (sqlite3_stmt* const own : {begin_, commit_, rollback_, ping_, pages_}) sqlite3_finalize(own);
  Forget();
}

void OwnStatements::Forget() { begin_ = commit_ = rollback_ = ping_ = pages_ = nullptr; }

bool OwnStatements::Has(const sqlite3_stmt* statement) const {
  return statement == begin_ || statement == commit_ || statement == rollback_ ||
         statement == ping_ || statement == pages_;
}

int64_t OwnStatements::CountPages() const {
  const int64_t pages =
      sqlite3_step(pages_) == SQLITE_ROW ? sqlite3_column_int64(pages_, 0) : int64_t{0};
  sqlite3_reset(pages_);
  return pages;
}

int OwnStatements::Run(sqlite3_stmt* statement) {
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  sqlite3_reset(statement);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

int OwnStatements::RunWhole(sqlite3_stmt* statement, DeadlineHandler& handler) {
  const DeadlineHandler::Uninterruptible uninterruptible(handler);
  return Run(statement);
}

}  // namespace roost::sqlite
