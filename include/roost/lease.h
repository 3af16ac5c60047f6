// include/roost/lease.h - a caller's exclusive, self-returning right to one connection.
//
// Pool::Acquire gives one; its end (destructor, Return, or being assigned over) gives the
// connection back. It cannot be copied. Keep it as short as the work: capacity is small on purpose.
//
// What a status of roostpool asks the caller to do:
//
//   code                 means                                          do
//   kDeadlineExceeded    none came free in time, or the statement       keep the data, try at the
//                        ran into its deadline                          next reading
//   kResourceExhausted   the line of waiters is full, or a bound on     shed load now
//                        memory or card space is reached
//   kUnavailable         the database is away                           keep the data, retry later
//   kAborted             the transaction lost a race                    run the whole transaction
//                                                                       again
//   kDataLoss            the database is damaged                        alarm
//   kUnknown             the outcome of a commit is unknown             retry if it is idempotent
//   kFailedPrecondition  pool closed, child after fork, read-only       stop asking, read the
//                        card, a wait that could only deadlock          message
//   kInvalidArgument     the caller's SQL or binding, or a row that     fix the program
//                        a constraint of the schema refuses
//   kAlreadyExists       a unique or primary key is taken               the row is there: go on
//   kCancelled           the caller cancelled                           nothing
//
// Threads:  one thread at a time; moving it to another is allowed (see ReleaseThread)
// Blocks:   its end may reset or close the connection when its user left something behind
// Memory:   24 bytes; no heap
// Errors:   none; use after return aborts with a sentence
// Example:
//   absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(50ms));
//   if (!lease.ok()) return lease.status();
//   return lease->Run(kInsert, node, taken, level);
#ifndef ROOST_LEASE_H_
#define ROOST_LEASE_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/connection.h"
#include "roost/internal/check.h"
#include "roost/internal/idle_stack.h"
#include "roost/source_line.h"

namespace roost {

class Pool;

namespace internal {
struct LeaseAccess;
}  // namespace internal

class [[nodiscard]] Lease {
 public:
  // Holds nothing.
  Lease() = default;
  Lease(Lease&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)), lane_(other.lane_) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      Return();
      slot_ = std::exchange(other.slot_, nullptr);
      lane_ = other.lane_;
    }
    return *this;
  }
  ROOST_HOT ~Lease() { Return(); }

  explicit operator bool() const { return slot_ != nullptr; }
  // REQUIRES: holds a connection.
  Connection* operator->() const {
    ROOST_CHECK(slot_ != nullptr, "a lease was used after it was returned or moved from");
    return slot_->connection;
  }
  Connection& operator*() const { return *operator->(); }
  // What an application asks of its connection; see Connection. Here, so that it reads
  // `lease->Prepare` for a Lease and for an absl::StatusOr<Lease>. REQUIRES: holds a connection.
  absl::StatusOr<Statement*> Prepare(const Sql& sql) const { return (*this)->Prepare(sql); }
  template <class... Args>
  absl::Status Run(const Sql& sql, const Args&... args) const {
    return (*this)->Run(sql, args...);
  }
  absl::Status RunScript(std::string_view sql) const { return (*this)->RunScript(sql); }
  absl::StatusOr<Transaction> Begin(Durability durability = Durability::kDefault) const {
    return (*this)->Begin(durability);
  }
  absl::Status Seal() const { return (*this)->Seal(); }
  // Which slot of the pool it is, 0 to capacity - 1; -1: it holds nothing. For logs.
  int slot() const { return slot_ == nullptr ? -1 : lane_->first + slot_->number; }

  // Gives the connection back now; does nothing when it holds none. Clean: hands it to the oldest
  // waiter or rests it. Dirty: resets it first, for at most the pool's reset time-out.
  ROOST_HOT void Return() {
    internal::SlotHead* const slot = std::exchange(slot_, nullptr);
    if (slot == nullptr) return;
    // Nothing was done that could leave anything behind: neither the driver nor the server is asked.
    if (slot->dirty_flags != 0 || !lane_->idle.TryPush(*slot)) ReturnSlowly(*lane_, *slot);
  }
  // Gives it back to be closed, not lent again: its user knows that it is no good.
  void Discard();
  // Takes the connection out of the pool: the slot is free for a new one, the driver's handle is
  // the caller's to close. REQUIRES: holds a connection.
  NativeHandle Detach();

  // Says that the thread that acquired this lease no longer stands for it (it was given to
  // another). Without it, a second Acquire of that thread may be taken for a wait that can only
  // deadlock.
  void ReleaseThread();

 private:
  friend class Pool;
  friend struct internal::LeaseAccess;
  // A slot of `lane`, which was taken for this thread.
  ROOST_HOT Lease(internal::LaneHead& lane, internal::SlotHead& slot, Deadline deadline)
      : slot_(&slot), lane_(&lane) {
    slot.deadline = deadline;
  }
  // Not told where the lease is: so the compiler may keep it in registers.
  static void ReturnSlowly(internal::LaneHead& lane, internal::SlotHead& slot);

  internal::SlotHead* slot_ = nullptr;  // null: holds nothing
  // Keeps g++ from storing both pointers as one vector, which takes longer than two stores:
  // tests/bench/counts.py shows it.
  [[maybe_unused]] int store_order_pad_;
  internal::LaneHead* lane_ =
      nullptr;  // of the slot; kept here, so that a return has one load less
};

}  // namespace roost

#endif  // ROOST_LEASE_H_
