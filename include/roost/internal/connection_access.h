// include/roost/internal/connection_access.h - what the pool calls on a connection.
//
// The holder of a lease has a Connection, too, and must not close one that the pool counts as open.
// So these functions are private in Connection, and this class is their one friend. For src/pool
// and for tests of drivers.
#ifndef ROOST_INTERNAL_CONNECTION_ACCESS_H_
#define ROOST_INTERNAL_CONNECTION_ACCESS_H_

#include <span>

#include "roost/backend.h"

#pragma GCC visibility push(default)
namespace roost::internal {

struct ConnectionAccess {
  // Each does what the function of Connection with the same name does: see backend.h.
  static absl::StatusOr<Step> Advance(Connection& c, TimePoint now) { return c.Advance(now); }
  static SessionState Inspect(Connection& c) { return c.Inspect(); }
  static absl::Status Reset(Connection& c, Deadline deadline) { return c.Reset(deadline); }
  static Liveness Probe(Connection& c) { return c.Probe(); }
  static absl::Status Ping(Connection& c, Deadline deadline) { return c.Ping(deadline); }
  static absl::StatusOr<Step> BeginPing(Connection& c, Deadline deadline) {
    return c.BeginPing(deadline);
  }
  static absl::Status Maintain(Connection& c, Deadline deadline) { return c.Maintain(deadline); }
  static bool WantsMaintenance(const Connection& c) { return c.WantsMaintenance(); }
  static absl::StatusOr<Statement*> PrepareToRun(Connection& c, const Sql& sql) {
    return c.PrepareToRun(sql);
  }
  static absl::Status BeginTransaction(Connection& c, Durability durability) {
    return c.BeginTransaction(durability);
  }
  static absl::Status CommitTransaction(Connection& c) { return c.CommitTransaction(); }
  static absl::Status RollbackTransaction(Connection& c) { return c.RollbackTransaction(); }
  static void* RawHandle(Connection& c) { return c.RawHandle(); }
  static FaultScope fault_scope(const Connection& c) { return c.fault_scope(); }
  static void Close(Connection& c) { c.Close(); }
  static void Abandon(Connection& c) { c.Abandon(); }
  static NativeHandle Detach(Connection& c) { return c.Detach(); }

  // Moves the record of the connection's leases to `place`, which outlives the connection.
  static void KeepRecordIn(Connection& c, LeaseRecord& place) {
    place.deadline = c.record_->deadline;
    place.dirty_flags = c.record_->dirty_flags;
    place.fault_scope = c.record_->fault_scope;
    c.record_ = &place;
  }
  // From here on the connection refuses its use once `forks` has grown. `forks` outlives it.
  static void WatchForks(Connection& c, const std::atomic<uint32_t>& forks) {
    c.forks_ = &forks;
    c.fork_generation_ = forks.load(std::memory_order_relaxed);
  }
  // Makes `outer`, which passes every call on to `c`, one with it: they have the same lease, deadline,
  // dirty flags and fault scope.
  static void Join(Connection& outer, const Connection& c) {
    outer.record_ = c.record_;
    outer.forks_ = c.forks_;
    outer.fork_generation_ = c.fork_generation_;
  }
  // Begins a lease of a connection that is in no pool. Its statements end by `deadline`.
  static void StartLease(Connection& c, Deadline deadline) {
    c.record_->deadline = deadline;
    c.record_->CountLease();
  }
  // Ends a lease. A Transaction that it leaves alive cannot be taken for one of the next lease.
  static void EndLease(Connection& c) { c.ClearDirty(Connection::kDirtyBegan); }
  // True if no dirty flag is set: the connection can be lent again. Does not call the driver.
  static bool IsPristine(const Connection& c) { return c.IsPristine(); }

  // What Rows calls on a statement, for a statement that passes everything on to another.
  static absl::Status ExecuteAll(Statement& statement, const ManyRows& rows) {
    return statement.ExecuteAll(rows);
  }
  static absl::Status StartRows(Statement& s, std::span<const Value> values) {
    return s.Start(values);
  }
  static absl::StatusOr<Step> StartRowsInSteps(Statement& s, std::span<const Value> values) {
    return s.StartInSteps(values);
  }
  static absl::StatusOr<Step> AdvanceRows(Statement& s, TimePoint now) { return s.Advance(now); }
  static absl::StatusOr<bool> StepRows(Statement& s) { return s.Step(); }
  static void FinishRows(Statement& s) { s.Finish(); }
  static Value Column(const Statement& s, int column) { return s.column(column); }

  // Frees the place of a connection that was closed, abandoned or detached.
  static void Destroy(Connection& c) { c.~Connection(); }
  // Closes a connection and frees its place.
  static void CloseAndDestroy(Connection*& c) {
    c->Close();
    c->~Connection();
    c = nullptr;
  }
  // In the child of a fork: forgets a connection, which is still the parent's. Null: nothing to do.
  static void AbandonAndDestroy(Connection*& c) {
    if (c == nullptr) return;
    c->Abandon();
    c->~Connection();
    c = nullptr;
  }
  // Gives the driver's handle away and frees the connection's place.
  static NativeHandle DetachAndDestroy(Connection*& c) {
    const NativeHandle handle = c->Detach();
    c->~Connection();
    c = nullptr;
    return handle;
  }
};

}  // namespace roost::internal
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_CONNECTION_ACCESS_H_
