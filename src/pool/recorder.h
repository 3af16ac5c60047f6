// pool/recorder.h - counts what the pool does, and tells the observer.
#ifndef ROOST_POOL_RECORDER_H_
#define ROOST_POOL_RECORDER_H_

#include <atomic>

#include "core/action.h"
#include "pool/pool_lock.h"
#include "roost/observer.h"
#include "roost/profile.h"
#include "roost/stats.h"

namespace roost::internal {

// What is known about a lease at its end.
struct LeaseInfo {
  Duration held{};
  SourceLine where;
  bool leak_reported = false;
};

// The counters change under the pool's lock, in the critical section that changes what they count,
// so that a snapshot is one. The events are told with the lock free.
class Recorder {
 public:
  Recorder(const char* pool, const PoolSettings& settings, Observer* observer);

  // True if there is an observer: each event must be told.
  bool watched() const { return observer_ != nullptr; }

  // ---- Under the pool's lock ----

  Stats& counts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) { return stats_; }
  void CountCheckout(Duration wait, bool waited, bool handed_off)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // Leases that the idle stack gave.
  void CountFastCheckouts(uint32_t leases) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
    stats_.checkouts += leases;
    stats_.wait.Add(Duration::zero(), leases);
  }
  void CountReturn(const LeaseInfo& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
    if (hold_times_) stats_.hold.Add(lease.held);
  }
  void CountAction(const core::Action& action, bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

  // ---- With the lock free; `slot` is the pool's number of it, -1: none ----

  void Emit(EventKind kind, int slot, TimePoint at) { Tell(Make(kind, slot, at)); }
  void EmitCheckout(int slot, Duration waited, SourceLine where, TimePoint at);
  void EmitCheckin(int slot, const LeaseInfo& lease, TimePoint at);
  // A refusal without a wait (kRefused), or after `waited` (kTimeout, kRefused).
  void EmitRefusal(EventKind kind, const absl::Status& refusal, Duration waited, SourceLine where,
                   TimePoint at);
  // kInvalidate, kSoftInvalidate, kClose.
  void EmitWithReason(EventKind kind, int slot, CloseReason reason, TimePoint at,
                      const absl::Status* status = nullptr);
  void EmitConnectFailed(int slot, const absl::Status& error, Duration next_try, TimePoint at);
  void EmitConnected(int slot, TimePoint at);
  void EmitLeak(int slot, Duration held, SourceLine where, TimePoint at);
  void EmitLateTick(Duration late, TimePoint at);

 private:
  Event Make(EventKind kind, int slot, TimePoint at) const {
    return Event{.kind = kind, .slot = slot, .pool = name_, .at = at};
  }
  void Tell(const Event& event) {
    if (observer_ != nullptr) observer_->OnEvent(event);
  }

  const char* const name_;
  EchoObserver echo_;
  Observer* const observer_;  // null: none
  const bool hold_times_;
  std::atomic<bool> connected_before_{false};
  Stats stats_ ABSL_GUARDED_BY(kPoolLock);
};

}  // namespace roost::internal

#endif  // ROOST_POOL_RECORDER_H_
