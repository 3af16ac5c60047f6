// include/roost/connection.h - what an application does with a connection that it holds.
//
// A Lease leads to its Connection: `lease->Run(...)`, `lease->Prepare(...)`, `lease->Begin()`. The
// functions are the same for every database. The functions that the pool needs (close, ping, reset,
// ...) are private, so that the holder of a lease cannot close a connection that the pool counts as
// open. backend.h describes what a driver overrides.
//
// Threads:  one thread at a time: the holder of the lease
// Blocks:   Prepare, Run, RunAll, RunScript, Begin, Seal and Raw, up to deadline(); the others never
// Memory:   a Connection lies in memory of the pool, with its statement cache; what the driver
//           allocates for itself is the driver's
// Errors:   the table of codes in lease.h; an error of the database keeps the database's message
// Time:     a cached statement is found by its hash, in some 10 ns, without a call of the database
// Example:
//   absl::StatusOr<roost::Transaction> batch = lease->Begin(roost::Durability::kSealed);
//   if (!batch.ok()) return batch.status();
//   for (const Reading& r : readings) {
//     absl::Status stored = lease->Run(kInsert, r.node, r.taken, r.level);
//     if (!stored.ok()) return stored;
//   }
//   return batch->Commit();
#ifndef ROOST_CONNECTION_H_
#define ROOST_CONNECTION_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/deadline.h"
#include "roost/internal/slot.h"
#include "roost/platform.h"
#include "roost/statement.h"
#include "roost/types.h"

#pragma GCC visibility push(default)
namespace roost {

namespace internal {
struct ConnectionAccess;
}  // namespace internal

// The driver's own handle after Lease::Detach. The caller owns it and closes it.
struct NativeHandle {
  // sqlite3* or PGconn*. Null: there is none.
  void* handle = nullptr;
};

// An open connection to a database. Applications borrow it through a Lease and never own one.
//
// A transaction, and the rows of a query, must end before the lease does. What a holder leaves
// behind does not reach the next one: the pool finds it at the return and undoes it there, or closes
// the connection.
class Connection {
 public:
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- Statements ----

  // Returns the prepared form of `sql`, from the connection's cache or from the database. The
  // connection owns the statement. It stays valid until the lease ends, or until as many other
  // statements were prepared as the cache holds (kStatements). Blocks only if the statement is
  // not cached, while the database prepares it. kInvalidArgument: the SQL is wrong.
  // kResourceExhausted: every cached statement is being read at this moment.
  virtual absl::StatusOr<Statement*> Prepare(const Sql& sql) = 0;
  // Prepares `sql`, binds `args` to $1, $2, ..., and runs the statement to its end. Rows, if any,
  // are thrown away. REQUIRES: text and blobs in `args` stay valid during the call.
  template <class... Args>
  absl::Status Run(const Sql& sql, const Args&... args) {
    absl::StatusOr<Statement*> statement = PrepareToRun(sql);
    if (!statement.ok()) return statement.status();
    return (*statement)->Run(args...);
  }
  // Text alone stops the build with a sentence.
  template <std::convertible_to<std::string_view> Text, class... Args>
  absl::Status Run(const Text&, const Args&...) {
    static_assert(
        internal::kNever<Text>,
        "Connection::Run takes SQL as a roost::Sql: constexpr roost::Sql kInsert{\"INSERT ...\"}");
    return absl::OkStatus();
  }
  // Prepares `sql` and runs it once for each of `rows`, in few round trips: see Statement::RunAll.
  template <size_t kMaxRows = 500, size_t kMaxBytes = size_t{64} << 10, class Range>
  absl::Status RunAll(const Sql& sql, const Range& rows) {
    absl::StatusOr<Statement*> statement = PrepareToRun(sql);
    if (!statement.ok()) return statement.status();
    return (*statement)->template RunAll<kMaxRows, kMaxBytes>(rows);
  }
  // Runs the statements of `sql`, which are separated by semicolons, without keeping them in the
  // cache: for a schema. Stops at the first error and returns it, with the line of the script and the
  // beginning of the statement. On MySQL it is "line 3 or later" behind a CALL and the like, which give
  // as many answers as they want.
  virtual absl::Status RunScript(std::string_view sql) = 0;

  // ---- Transactions ----

  // Begins a transaction, which lives as long as the returned object; `durability` says what its
  // commit promises. A SQLite connection that may write takes the right to write here, and waits
  // for it up to deadline(). A reader's statements see one stable snapshot. kFailedPrecondition: a
  // transaction is open already.
  absl::StatusOr<Transaction> Begin(Durability durability = Durability::kDefault);
  // Makes everything committed so far survive a power cut: SQLite syncs its log, PostgreSQL writes
  // one record synchronously where synchronous_commit is off. kFailedPrecondition: a transaction is
  // open.
  virtual absl::Status Seal() = 0;

  // ---- Notes, bounds, and the driver ----

  // A number that the holders of this connection leave for each other: 0 until one does, and 0 again where the
  // pool has opened another connection in its place. For what is to be done once a session.
  uint32_t note() const { return note_; }
  void set_note(uint32_t note) { note_ = note; }

  // The moment by which every statement of this lease has to end. Acquire sets it to the deadline
  // that it was given.
  Deadline deadline() const { return record_->deadline; }
  // Moves that moment, for what is called after this.
  void set_deadline(Deadline deadline) { record_->deadline = deadline; }

  // Returns the driver's handle (sqlite3*, PGconn*), for what this interface does not offer. The
  // connection owns it; the caller must not close it. After this the pool asks the driver for the
  // session's state when the lease ends. Inside of a Transaction PostgreSQL and MySQL are asked, in one
  // round trip here and one at the commit, whether it is still the same one.
  void* Raw() {
    SetDirty(kDirtyRaw);
    return RawHandle();
  }

 protected:
  // ---- For drivers; see backend.h ----

  Connection() = default;
  virtual ~Connection() = default;

  // Why a connection must be checked before it is lent again. A driver sets and clears the flags
  // while the lease lasts; a return with no flag set asks neither the driver nor the server.
  enum DirtyFlag : uint8_t {
    // A transaction is open.
    kDirtyTransaction = 1,
    // A statement was started and is not finished.
    kDirtyReading = 2,
    // The session's state was changed: a pragma, a temporary table, SET.
    kDirtyTainted = 4,
    // The raw handle was taken.
    kDirtyRaw = 8,
    // An error had a fault scope other than kStatement.
    kDirtyError = 16,
    // The connection wants maintenance before it is lent again.
    kDirtyMaintenance = 32,
    // Begin was called in this lease. By itself no reason for a check.
    kDirtyBegan = 64,
  };
  void SetDirty(DirtyFlag flag) {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags | flag);
  }
  void ClearDirty(DirtyFlag flag) {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags & ~flag);
  }
  bool IsDirty(DirtyFlag flag) const { return (record_->dirty_flags & flag) != 0; }
  // Call after a reset: clears every flag but kDirtyBegan, and the fault scope.
  void ClearDirtyFlags() {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags & kDirtyBegan);
    record_->fault_scope = FaultScope::kStatement;
  }
  // Records which connections an error concerns. The widest scope since the last reset counts.
  void MarkFailed(FaultScope scope) {
    if (scope > record_->fault_scope) record_->fault_scope = scope;
    if (record_->fault_scope != FaultScope::kStatement) SetDirty(kDirtyError);
  }
  // The widest scope of an error since the last reset.
  FaultScope fault_scope() const { return record_->fault_scope; }
  // True if no flag but kDirtyBegan is set: the connection can be lent again without a check.
  bool IsPristine() const { return (record_->dirty_flags & ~kDirtyBegan) == 0; }
  // Begins a ping without waiting; Advance continues it. The default is a whole Ping, which waits.
  virtual absl::StatusOr<Step> BeginPing(Deadline deadline) {
    absl::Status answer = Ping(deadline);
    if (!answer.ok()) return answer;
    return Step{.done = true};
  }
  // True in a child of fork(), while the session is the parent's: nothing may be sent on it, read from
  // it or ended. For a connection of a pool.
  bool IsForked() const { return forks_->load(std::memory_order_relaxed) != fork_generation_; }
  // kFailedPrecondition: the error of every call then.
  static absl::Status UsedAfterFork();
  // The number of this lease among the leases of the slot. Wraps at 2^32.
  uint32_t lease() const { return record_->leases.load(std::memory_order_relaxed); }

 private:
  friend struct internal::ConnectionAccess;
  friend class Transaction;

  // ---- For Transaction and Run ----

  // Begin calls it when no transaction is open. May put the BEGIN off until the next statement.
  virtual absl::Status BeginTransaction(Durability durability) = 0;
  // After an error the transaction is rolled back by RollbackTransaction.
  virtual absl::Status CommitTransaction() = 0;
  // May be called when the database has ended the transaction already.
  virtual absl::Status RollbackTransaction() = 0;
  // Prepares a statement that is run at once. A driver for which preparing takes a round trip may
  // send it together with the run; wrong SQL then shows as an error of the run.
  virtual absl::StatusOr<Statement*> PrepareToRun(const Sql& sql) { return Prepare(sql); }
  // The handle that Raw gives out.
  virtual void* RawHandle() = 0;

  // ---- For the pool; backend.h says what each must do, and what the pool does after an error ----

  // Continues what Open or BeginPing began. Does not wait. The default is for a driver whose Open
  // and Ping need no steps.
  virtual absl::StatusOr<Step> Advance(TimePoint now) {
    static_cast<void>(now);
    return Step{.done = true};
  }
  // Asks the driver what the last user left behind. No round trip.
  virtual SessionState Inspect() = 0;
  // Undoes that. Blocks up to `deadline`.
  virtual absl::Status Reset(Deadline deadline) = 0;
  // Says what is known without a round trip. Does not wait.
  virtual Liveness Probe() = 0;
  // Proves the connection by a round trip. Blocks up to `deadline`.
  virtual absl::Status Ping(Deadline deadline) = 0;
  // Checkpoints, gives memory back, keeps the link alive. Blocks up to `deadline`.
  virtual absl::Status Maintain(Deadline deadline) = 0;
  // True if Maintain is wanted before the next lease. No I/O.
  virtual bool WantsMaintenance() const { return false; }
  // Ends the connection at the database. The pool then calls the destructor.
  virtual void Close() = 0;
  // Forgets the driver's handle, in the child of a fork(). The pool then calls the destructor.
  virtual void Abandon() = 0;
  // Gives the driver's handle away. The pool then calls the destructor, and not Close.
  virtual NativeHandle Detach() = 0;

  // For a connection outside of a pool.
  internal::LeaseRecord own_record_;
  // Deadline, dirty flags and count of leases. Lies in the pool's slot once a pool has the
  // connection, so that an acquire and a return need not follow a pointer.
  internal::LeaseRecord* record_ = &own_record_;
  // Platform::Forks, and what it was when the connection was opened.
  inline static constinit const std::atomic<uint32_t> kNoForks{0};
  const std::atomic<uint32_t>* forks_ = &kNoForks;
  uint32_t fork_generation_ = 0;
  uint32_t note_ = 0;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_CONNECTION_H_
