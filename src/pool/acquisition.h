// pool/acquisition.h - one acquire, from its first check to its lease or its refusal.
#ifndef ROOST_POOL_ACQUISITION_H_
#define ROOST_POOL_ACQUISITION_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "pool/pool_parts.h"
#include "roost/pool.h"

namespace roost::internal {

// A thread loops: while (!acquisition.Step()) acquisition.Sleep(). An event loop calls Step when its
// Waker is called or wakes_at() comes. Belongs to one thread. No heap.
class Acquisition {
 public:
  // `waker`: of an event loop, which does not wait for a server; null: a thread waits in Sleep.
  Acquisition(PoolParts& pool, const AcquireOptions& options, Waker* waker = nullptr);
  // A result that was not taken ends with this object.
  ~Acquisition();
  Acquisition(const Acquisition&) = delete;
  Acquisition& operator=(const Acquisition&) = delete;

  // Goes on as far as it can without waiting for another holder; performs the lane's actions on the
  // way. True: the result is there.
  bool Step();
  // Sleeps until a Step may have something to do. REQUIRES: Step returned false.
  void Sleep();
  // Whether a Step may have something to do. REQUIRES: Step returned false.
  bool IsDue(TimePoint now) const {
    return waiter_->word.load(std::memory_order_acquire) != PoolWaiter::kNothing ||
           now >= waiter_->wakes_at;
  }
  TimePoint wakes_at() const { return waiter_->wakes_at; }
  // Leaves the wait queue, and gives back a connection that was granted.
  void Cancel();
  // Ends every wait with `token` in all pools but `but`, which are those of the acquires that have it.
  static void CancelElsewhere(CancelToken& token, const PoolParts& but);
  // REQUIRES: Step returned true.
  absl::StatusOr<Lease> TakeResult() { return *std::move(result_); }

 private:
  bool may_wait() const { return waker_ == nullptr; }
  // Acquire: pairs with the release in Lane::Notify, the last access of another thread.
  bool IsDecided() const {
    return waiter_->word.load(std::memory_order_acquire) == PoolWaiter::kDecided;
  }
  bool IsCancelled() const { return cancel_ != nullptr && cancel_->cancelled(); }
  // The thread that answers for the lease; 0: none.
  uint64_t Owner() const { return may_wait() ? NumberThisThread() : 0; }
  AcquireEvent TracedEvent(TimePoint at) const;
  void EndTrace(const absl::Status& status);
  void Begin();
  void Continue();
  bool LendAtOnce(TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  absl::Status RefuseNewcomer(LaneGuard& guard, TimePoint now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  bool CouldOnlyDeadlock(LaneGuard& guard, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  void Enqueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  void Perform(core::Action action);
  void Settle();
  void SettleGranted();
  void SettleRefused();
  absl::Status CountRefusal(EventKind& kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  void RefuseDying();
  void Refuse(absl::Status refusal) { result_.emplace(std::move(refusal)); }

  PoolParts& pool_;
  Lane& lane_;
  const TimePoint since_;
  const Deadline deadline_;
  const bool own_deadline_;  // the caller's, not the profile's pool_timeout
  bool queued_ = false;      // in the wait queue, or decided and not settled
  int attempts_ = 0;
  int ahead_ = 0;  // callers, when it entered the queue; 0 after its first sleep
  const SourceLine where_;
  const uint64_t context_;
  uint64_t span_ = 0;
  bool traced_ = false;  // the end is still to be told
  bool waited_ = false;
  const Intent intent_;
  CancelToken* const cancel_;
  Waker* const waker_;
  // Its place in the token's list, which the token's lock guards.
  Acquisition* next_with_token_ = nullptr;
  Acquisition* prev_with_token_ = nullptr;
  absl::Status open_error_;
  std::optional<PoolWaiter> waiter_;
  std::optional<absl::StatusOr<Lease>> result_;
};

// Checks a leased connection that was idle. False: it was dead, and the slot was given back.
// `deadline`: for a round trip.
bool ProvesAlive(PoolParts& pool, Lane& lane, core::Slot& slot, Deadline deadline);

}  // namespace roost::internal

#endif  // ROOST_POOL_ACQUISITION_H_
