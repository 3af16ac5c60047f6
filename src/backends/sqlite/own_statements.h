// backends/sqlite/own_statements.h - the statements that a connection runs for itself.
#ifndef ROOST_BACKENDS_SQLITE_OWN_STATEMENTS_H_
#define ROOST_BACKENDS_SQLITE_OWN_STATEMENTS_H_

#include "absl/status/status.h"
#include "backends/sqlite/deadline_handler.h"
#include "roost/sqlite.h"

struct sqlite3;
struct sqlite3_stmt;

namespace roost::sqlite {

class OwnStatements {
 public:
  // `writes`: begin() takes the write lock. An error is one of opening; Finalize is still to be
  // called.
  absl::Status Prepare(sqlite3* db, bool writes, const SqliteOptions& options);
  void Finalize();
  // Forgets them without freeing them: after fork.
  void Forget();

  sqlite3_stmt* begin() const { return begin_; }
  sqlite3_stmt* commit() const { return commit_; }
  sqlite3_stmt* rollback() const { return rollback_; }
  // Reads one page of the schema.
  sqlite3_stmt* ping() const { return ping_; }
  bool Has(const sqlite3_stmt* statement) const;

  // Pages of the database, with what the open transaction adds. REQUIRES: prepared to write.
  int64_t CountPages() const;

  // Runs one to its end; SQLite's code.
  static int Run(sqlite3_stmt* statement);
  // The same; the deadline of `handler` ends the wait for a lock, and cuts nothing that is begun.
  static int RunWhole(sqlite3_stmt* statement, DeadlineHandler& handler);

 private:
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* rollback_ = nullptr;
  sqlite3_stmt* ping_ = nullptr;
  sqlite3_stmt* pages_ = nullptr;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_OWN_STATEMENTS_H_
