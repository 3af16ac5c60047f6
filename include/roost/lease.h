// include/roost/lease.h - a caller's exclusive, self-returning right to one connection.
//
// Pool::Acquire makes one. The end of the lease (its destructor, Return, or an assignment over it)
// gives the connection back. A lease can be moved but not copied. Hold it no longer than the work
// takes: capacity is small on purpose.
//
// What a status of roostpool means, and the Advice that NextStep gives (next_step.h says what each asks
// for):
//
//   code                 means                                                        advice
//   kOk                  it is done                                                   kOk
//   kAlreadyExists       a unique or primary key is taken: the row is there; kStop    kOk
//                        in a RunAll, a transaction or a script, which are not done
//   kDeadlineExceeded    no connection came free in time, or the statement ran into   kKeep
//                        its deadline
//   kUnknown             the outcome of a commit is unknown                           kKeep
//   kUnavailable         the database is away                                         kRetryLater
//   kAborted             the transaction lost a race                                  kRunAgain
//   kResourceExhausted   the wait queue is full, or a bound on memory or card space   kShed
//                        is reached
//   kFailedPrecondition  pool closed, child after fork, read-only card, a wait that   kStop
//                        could only deadlock
//   kInvalidArgument     the caller's SQL or binding, or a row that a constraint of   kStop
//                        the schema refuses
//   kCancelled           the caller cancelled                                         kStop
//   kNotFound            the file, its directory or the server's database is not      kAlarm
//                        there; kStop of QueryOne: there is no row
//   kPermissionDenied    the file or the server does not let this program in          kAlarm
//   kUnauthenticated     user or password is wrong                                    kAlarm
//   kDataLoss            the database is damaged                                      kAlarm
//   kInternal            a bug, of roostpool or of the database                       kAlarm
//
// Threads:  one thread at a time; moving the lease to another thread is allowed (see ReleaseThread)
// Blocks:   the end of a lease, for a reset of what its user left behind on the connection, at most
//           the profile's kResetTimeout; for maintenance that the connection asks for, at most
//           kPingTimeout; and while a connection that is not kept is closed
// Memory:   24 bytes on a 64-bit machine; no heap
// Errors:   none; use after return aborts with a sentence. A Statement* or Connection& that is used after
//           it is not looked at
// Time:     the end of a lease that left nothing behind, and whose connection is kept, is one
//           compare-and-swap, or a short critical section: see pool.h
// Example:
//   absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(50ms));
//   if (!lease.ok()) return lease.status();
//   return lease->Run(kInsert, node, taken, level);
#ifndef ROOST_LEASE_H_
#define ROOST_LEASE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/connection.h"
#include "roost/internal/check.h"
#include "roost/internal/idle_stack.h"
#include "roost/source_line.h"

#pragma GCC visibility push(default)
namespace roost {

class Pool;

namespace internal {
struct LeaseAccess;
}  // namespace internal

// The holder of a lease is the thread that uses its connection. The pool must outlive the lease.
class [[nodiscard]] Lease {
 public:
  // A lease that holds nothing.
  Lease() = default;
  // Takes the connection of `other`, which then holds nothing.
  Lease(Lease&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)), lane_(other.lane_) {}
  // The same; gives back first what this lease holds.
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      Return();
      slot_ = std::exchange(other.slot_, nullptr);
      lane_ = other.lane_;
    }
    return *this;
  }
  // Gives the connection back, as Return does.
  ROOST_HOT ~Lease() { Return(); }

  // ---- The connection ----

  // True if the lease holds a connection.
  explicit operator bool() const { return slot_ != nullptr; }
  // The connection; the pool owns it. Valid until the lease ends or is moved from. REQUIRES: the
  // lease holds a connection, else the program aborts with a sentence.
  Connection* operator->() const {
    ROOST_CHECK(slot_ != nullptr, "a lease was used after it was returned or moved from");
    return slot_->connection;
  }
  Connection& operator*() const { return *operator->(); }
  // These six call the function of Connection with the same name. They stand here, too, so that
  // `lease->Prepare(...)` can be written for an absl::StatusOr<Lease>, whose arrow leads to the
  // Lease and not to the Connection. REQUIRES: the lease holds a connection.
  absl::StatusOr<Statement*> Prepare(const Sql& sql) const { return (*this)->Prepare(sql); }
  template <class... Args>
  absl::Status Run(const Sql& sql, const Args&... args) const {
    return (*this)->Run(sql, args...);
  }
  template <size_t kMaxRows = 500, size_t kMaxBytes = size_t{64} << 10, class Range>
  absl::Status RunAll(const Sql& sql, const Range& rows) const {
    return (*this)->template RunAll<kMaxRows, kMaxBytes>(sql, rows);
  }
  absl::Status RunScript(std::string_view sql) const { return (*this)->RunScript(sql); }
  absl::StatusOr<Transaction> Begin(Durability durability = Durability::kDefault) const {
    return (*this)->Begin(durability);
  }
  absl::Status Seal() const { return (*this)->Seal(); }
  // The number of the connection's slot in the pool, 0 to capacity - 1; -1: the lease holds
  // nothing. For logs: a slot keeps its number, but its connection may be replaced.
  int slot() const { return slot_ == nullptr ? -1 : lane_->first + slot_->number; }

  // ---- Ending the lease ----

  // Gives the connection back now. A clean connection goes to the oldest waiter or becomes idle. A
  // dirty one is reset first, for at most the profile's kResetTimeout, and one that asks for
  // maintenance gets it before it is lent again (Connection::WantsMaintenance). A broken one, and one
  // that is to be replaced, is closed. All of that happens in this thread. A lease that holds nothing
  // does nothing.
  ROOST_HOT void Return() {
    internal::SlotHead* const slot = std::exchange(slot_, nullptr);
    if (slot == nullptr) return;
    // No dirty flag is set: the holder left nothing behind, so neither the driver nor the server is
    // asked.
    if (slot->dirty_flags != 0 || !lane_->idle.TryPush(*slot)) ReturnSlowly(*lane_, *slot);
  }
  // Gives the connection back to be closed and not lent again (CloseReason::kDiscarded), because
  // the caller knows that it is no good. Closes it in this thread. A lease that holds nothing does
  // nothing.
  void Discard();
  // Takes the connection out of the pool. The slot is free for a new connection; the caller owns
  // the driver's handle and has to close it. In a child of fork() the handle is null, because the
  // connection is the parent's. REQUIRES: the lease holds a connection, else the program aborts.
  NativeHandle Detach();

  // Call before giving the lease to another thread. Otherwise the next Acquire of the thread that
  // acquired this lease may be refused as a wait that can only deadlock (kNestedCheck in profile.h).
  // The lease itself stays as it is. A lease that holds nothing does nothing.
  void ReleaseThread();

 private:
  friend class Pool;
  friend struct internal::LeaseAccess;
  // A lease of `slot` of `lane`, which this thread took from the idle stack or from the core.
  ROOST_HOT Lease(internal::LaneHead& lane, internal::SlotHead& slot, Deadline deadline)
      : slot_(&slot), lane_(&lane) {
    slot.deadline = deadline;
  }
  // It is not told the address of the Lease, so that the compiler may keep the Lease in registers.
  static void ReturnSlowly(internal::LaneHead& lane, internal::SlotHead& slot);

  // Null: the lease holds nothing.
  internal::SlotHead* slot_ = nullptr;
  // Keeps g++ from storing both pointers as one vector, which takes longer than two stores:
  // tests/bench/counts.py shows it.
  [[maybe_unused]] int store_order_pad_;
  // The lane of the slot. A copy beside the slot, so that a return has one load less.
  internal::LaneHead* lane_ = nullptr;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_LEASE_H_
