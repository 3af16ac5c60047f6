// backends/sqlite/connection.h - one handle of SQLite in a slot of the pool.
//
// The dirty flags that make IsPristine() right come from the driver's own answers: after each
// statement sqlite3_get_autocommit says whether a transaction is open, and the authorizer, which
// SQLite asks when it prepares, says what a statement leaves behind in the session.
#ifndef ROOST_BACKENDS_SQLITE_CONNECTION_H_
#define ROOST_BACKENDS_SQLITE_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/session.h"
#include "backends/sqlite/authorizer.h"
#include "backends/sqlite/classify.h"
#include "backends/sqlite/deadline_handler.h"
#include "backends/sqlite/handle.h"
#include "backends/sqlite/late_look.h"
#include "backends/sqlite/open_files.h"
#include "backends/sqlite/own_statements.h"
#include "backends/sqlite/statement.h"
#include "backends/sqlite/write_ahead_log.h"
#include "roost/sqlite.h"
#include "statements/statement_cache.h"

struct sqlite3;
struct sqlite3_stmt;

namespace roost::sqlite {

// Aligned so that the statement cache can begin where the object ends.
class alignas(std::max_align_t) SqliteConnection final : public backends::Session {
 public:
  // Bytes of memory for a connection with a cache of `statements`.
  static size_t BytesFor(int statements);

  // REQUIRES: request.memory holds BytesFor(request.memory.statements) bytes, and this is
  // constructed at its beginning; the backend outlives this.
  SqliteConnection(SqliteBackend& backend, const OpenRequest& request);
  ~SqliteConnection() override;

  // Opens `name` and makes it ready. On error the object holds nothing.
  absl::Status Open(const std::string& name, Deadline deadline);

  // ---- For the holder of a lease ----
  absl::StatusOr<Statement*> Prepare(const Sql& sql) override;
  absl::Status RunScript(std::string_view sql) override;
  absl::Status Seal() override;

  // ---- For the pool ----
  SessionState Inspect() override;
  absl::Status Reset(Deadline deadline) override;
  Liveness Probe() override;
  absl::Status Ping(Deadline deadline) override;
  absl::Status Maintain(Deadline deadline) override;
  bool WantsMaintenance() const override { return IsDirty(kDirtyMaintenance); }
  void Close() override;
  void Abandon() override;
  NativeHandle Detach() override;

  // ---- For SqliteStatement ----
  // Whether something may be started: the connection is sound and the lease's deadline has not
  // passed.
  absl::Status Ready();
  // Whether the transaction that the caller believes in is still open, and no sync has failed.
  // Always so while IsPristine().
  absl::Status CheckSound();
  // Before a statement that is a transaction of its own (`writes`: it may write) or begins one: cuts a
  // log at its bound. kResourceExhausted: a reader pins it, and the statement writes.
  absl::Status MakeRoom(bool writes);
  // Once for each run: whether it is its lease's first. Such a run, if it only reads, is begun
  // without asking the clock, which would take as long as the acquire; SQLite asks it before it
  // waits, and after each thousand of its steps.
  bool BeginsLease() { return std::exchange(last_lease_, lease()) != lease(); }
  // Before each step: the deadline may have been moved.
  void Continue() { deadline_handler_.SetDeadline(deadline()); }
  bool InTransaction() const;
  // After anything that may begin or end a transaction.
  void RecordTransaction() { Session::RecordTransaction(InTransaction()); }
  void Taint(Trace trace);
  sqlite3* db() const { return db_; }
  // Around a statement that only deletes: pages beyond max_kib, which it may need to free others.
  void LendReserve(bool lend);
  // The status for `code`; draws its consequences for this connection.
  absl::Status Fail(int code, Operation operation, bool in_transaction, std::string_view sql);

 private:
  friend class SqliteStatement;  // a RunAll is a transaction; late_look_
  absl::Status BeginTransaction(Durability durability) override;
  absl::Status CommitTransaction() override;
  absl::Status RollbackTransaction() override;
  void* RawHandle() override { return db_; }

  absl::Status CheckMode();
  // Hooks that SQLite calls with `self`.
  static int OnAuthorize(void* self, int action, const char* first, const char* second,
                         const char* database, const char* trigger);
  static int OnLog(void* self, sqlite3* db, const char* database, int pages);
  static int OnCommit(void* self);

  absl::StatusOr<Statement*> PrepareOther(const Sql& sql);
  absl::StatusOr<SqliteStatement*> PrepareNew(const Sql& sql);
  // `zero`: 1 where a zero follows `sql`.
  absl::StatusOr<sqlite3_stmt*> PrepareOne(std::string_view sql, unsigned flags,
                                           std::string_view* rest, size_t zero = 0);
  // Runs the statement that `script` begins with. `rest`: what follows it; `place` grows by where in it an
  // error is.
  absl::Status RunOne(std::string_view script, std::string_view& rest, size_t& place);
  // Resets what was left running; finalizes statements that are not ours.
  void EndStatements();

  absl::Status Checkpoint(Deadline deadline);
  // Whether the log may become longer; what pins it, if not.
  absl::Status CheckLog();
  absl::Status SyncLog(Operation operation);
  // Whether the names still lead to the open files; an error closes every connection.
  absl::Status CheckFiles();
  void LeaveFiles();

  // Constant after Open.
  SqliteBackend& backend_;
  const bool writes_;  // may write

  sqlite3* db_ = nullptr;
  OwnStatements own_;
  WriteAheadLog log_;
  StatementCache<SqliteStatement> cache_;
  OpenFiles files_;
  DeadlineHandler deadline_handler_;
  LateLook late_look_;

  uint32_t last_lease_ = 0;  // in which a statement was started
  // Of the statement that is being prepared: it begins or ends a transaction; what it does to rows.
  bool bounds_transaction_ = false;
  RowChange rows_ = RowChange::kNone;
  bool lends_reserve_ = false;
  int64_t max_pages_ = 0;          // of the database, as max_kib has it; 0: no bound
  bool trusted_ = false;           // SQL of our own: the authorizer lets everything pass
  Trace trace_ = Trace::kNothing;  // of the statement that is being prepared
  Trace taint_ = Trace::kNothing;  // of the session
  const char* refusal_ = nullptr;  // why the authorizer refused
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_CONNECTION_H_
