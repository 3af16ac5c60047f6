// include/roost/connection.h - what an application does with a connection that it holds.
//
// A Lease gives out a Connection: `lease->Run(...)`, `lease->Prepare(...)`, `lease->Begin()`. The
// functions are the same for every database. The pool's own functions (close, ping, reset, ...) are
// private: a borrower cannot end a connection behind the pool's back. What a driver overrides is
// described in backend.h.
//
// Threads:  one thread at a time: the holder of the lease
// Blocks:   Prepare, Run, RunScript, Begin and Seal, up to deadline()
// Memory:   a Connection lies in memory of the pool, with its statement cache; no heap of its own
// Errors:   the table of codes in lease.h
// Time:     a cached statement is found by hash: some 10 ns and no call of the database
// Example:
//   absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(50ms));
//   if (!lease.ok()) return lease.status();
//   return (*lease)->Run(kInsert, node, taken, level);
#ifndef ROOST_CONNECTION_H_
#define ROOST_CONNECTION_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/deadline.h"
#include "roost/internal/slot.h"
#include "roost/platform.h"
#include "roost/statement.h"
#include "roost/types.h"

namespace roost {

namespace internal {
struct ConnectionAccess;
}  // namespace internal

// How far an action has come that goes on in steps: see Connection::Advance.
struct Step {
  bool done = false;
  // If not done: go on when this descriptor is ready, or at `at` if nothing happens before.
  DescriptorWait wait{};
  Deadline at = Deadline::Never();
};

// The driver's own handle after Lease::Detach. The caller closes it.
struct NativeHandle {
  void* handle = nullptr;
};

class Connection {
 public:
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- Statements ----

  // The prepared form of `sql`: from the connection's cache, else prepared by the database. The
  // connection owns it. It stays valid until the lease ends, or until more other statements than the
  // cache holds were prepared since. kInvalidArgument: the SQL is wrong. kResourceExhausted: every
  // cached statement is being read at this moment.
  virtual absl::StatusOr<Statement*> Prepare(const Sql& sql) = 0;
  // Prepares, binds `args` to $1, $2, ..., and runs. Rows, if any, are thrown away.
  template <class... Args>
  absl::Status Run(const Sql& sql, const Args&... args) {
    absl::StatusOr<Statement*> statement = PrepareToRun(sql);
    if (!statement.ok()) return statement.status();
    return (*statement)->Run(args...);
  }
  // Runs one or more statements that are not worth keeping, such as a schema, separated by
  // semicolons. Stops at the first error.
  virtual absl::Status RunScript(std::string_view sql) = 0;

  // ---- Transactions ----

  // Begins a transaction. A connection that may write takes the right to write at once; another one
  // reads a stable snapshot. kFailedPrecondition: a transaction is open already.
  absl::StatusOr<Transaction> Begin(Durability durability = Durability::kDefault);
  // Makes everything committed so far survive a power cut. REQUIRES: no open transaction.
  virtual absl::Status Seal() = 0;

  // ---- Bounds, and the driver ----

  // By when statements have to end. Acquire sets it to the lease's deadline.
  Deadline deadline() const { return record_->deadline; }
  void set_deadline(Deadline deadline) { record_->deadline = deadline; }

  // The driver's handle (sqlite3*, PGconn*), for what this interface does not offer. The connection
  // owns it. After this the pool asks the driver for the session's state when the lease ends.
  void* Raw() {
    SetDirty(kDirtyRaw);
    return RawHandle();
  }

 protected:
  // ---- For drivers; see backend.h ----

  Connection() = default;
  virtual ~Connection() = default;

  // Why a connection cannot be lent again without a check. A driver sets them as things happen.
  enum DirtyFlag : uint8_t {
    kDirtyTransaction = 1,   // a transaction is open
    kDirtyReading = 2,       // a statement was started and is not finished
    kDirtyTainted = 4,       // session state was changed (a pragma, a temporary table, SET, ...)
    kDirtyRaw = 8,           // the raw handle was taken
    kDirtyError = 16,        // an error with a fault scope other than kStatement
    kDirtyMaintenance = 32,  // maintenance is wanted before the next user
    kDirtyBegan = 64,        // Begin was called in this lease; by itself no reason for a check
  };
  void SetDirty(DirtyFlag flag) {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags | flag);
  }
  void ClearDirty(DirtyFlag flag) {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags & ~flag);
  }
  bool IsDirty(DirtyFlag flag) const { return (record_->dirty_flags & flag) != 0; }
  // After a reset: nothing is left behind, and no error counts any more.
  void ClearDirtyFlags() {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags & kDirtyBegan);
    fault_scope_ = FaultScope::kStatement;
  }
  // Records what an error concerns. The widest scope since the last reset counts.
  void MarkFailed(FaultScope scope) {
    if (scope > fault_scope_) fault_scope_ = scope;
    if (fault_scope_ != FaultScope::kStatement) SetDirty(kDirtyError);
  }
  FaultScope fault_scope() const { return fault_scope_; }
  // True if nothing was done in this lease that could leave anything behind.
  bool IsPristine() const { return (record_->dirty_flags & ~kDirtyBegan) == 0; }
  // A whole Ping, where the driver has no other; see backend.h.
  virtual absl::StatusOr<Step> BeginPing(Deadline deadline) {
    absl::Status answer = Ping(deadline);
    if (!answer.ok()) return answer;
    return Step{.done = true};
  }
  // A number that differs from lease to lease of this connection. Wraps.
  uint32_t lease() const { return record_->leases.load(std::memory_order_relaxed); }

 private:
  friend struct internal::ConnectionAccess;
  friend class Transaction;

  // ---- For Transaction and Run ----

  virtual absl::Status BeginTransaction(Durability durability) = 0;
  virtual absl::Status CommitTransaction() = 0;
  virtual absl::Status RollbackTransaction() = 0;
  // Prepare, for a statement that is run at once. A driver for which preparing takes a round trip
  // may send it along with the run, which then finds wrong SQL.
  virtual absl::StatusOr<Statement*> PrepareToRun(const Sql& sql) { return Prepare(sql); }
  virtual void* RawHandle() = 0;

  // ---- For the pool; backend.h says what each must do ----

  virtual absl::StatusOr<Step> Advance(TimePoint now) {
    static_cast<void>(now);
    return Step{.done = true};
  }
  virtual SessionState Inspect() = 0;
  virtual absl::Status Reset(Deadline deadline) = 0;
  virtual Liveness Probe() = 0;
  virtual absl::Status Ping(Deadline deadline) = 0;
  virtual absl::Status Maintain(Deadline deadline) = 0;
  virtual bool WantsMaintenance() const { return false; }
  virtual void Close() = 0;
  virtual void Abandon() = 0;
  virtual NativeHandle Detach() = 0;

  FaultScope fault_scope_ = FaultScope::kStatement;
  internal::LeaseRecord own_record_;
  internal::LeaseRecord* record_ = &own_record_;  // in the pool's slot, once a pool has it
};

}  // namespace roost

#endif  // ROOST_CONNECTION_H_
