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

// The connection that an event is about. See Event.
struct EventSubject {
  int slot = -1;  // the pool's number; -1: none
  Duration age{};
  Duration idle{};
};

// The counters change under the pool's lock, in the critical section that changes what they count,
// so that a snapshot is one. The events are told with the lock free.
class Recorder {
 public:
  Recorder(const char* pool, const PoolSettings& settings, Observer* observer);

  // True if there is an observer: each event must be told.
  bool watched() const { return observer_ != nullptr; }
  // True if it wants checkouts and checkins, too.
  bool watches_leases() const { return watches_leases_; }

  // ---- Under the pool's lock ----

  // The sizes in force.
  void TakeShape(const PoolSettings& settings) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
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
  Histogram& hold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) { return stats_.hold; }
  void CountStatement(absl::StatusCode code, Duration took, bool slow)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
    const auto index = static_cast<size_t>(code);
    ++stats_.statements[index < stats_.statements.size() ? index : kUnknownCode];
    stats_.statement_time.Add(took);
    if (slow) ++stats_.slow_statements;
  }
  void CountAction(const core::Action& action, bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

  // ---- With the lock free ----

  void Emit(EventKind kind, const EventSubject& subject, TimePoint at) {
    Tell(Make(kind, subject, at));
  }
  void EmitCheckout(const EventSubject& subject, Duration waited, SourceLine where, TimePoint at);
  void EmitCheckin(const EventSubject& subject, const LeaseInfo& lease, TimePoint at);
  // A refusal without a wait (kRefused), or after `waited` (kTimeout, kRefused).
  void EmitRefusal(EventKind kind, const absl::Status& refusal, Duration waited, SourceLine where,
                   TimePoint at);
  // kInvalidate, kSoftInvalidate, kClose.
  void EmitWithReason(EventKind kind, const EventSubject& subject, CloseReason reason, TimePoint at,
                      const absl::Status* status = nullptr);
  void EmitConnectFailed(const EventSubject& subject, const absl::Status& error, Duration next_try,
                         TimePoint at);
  void EmitConnected(const EventSubject& subject, TimePoint at);
  void EmitLeak(const EventSubject& subject, Duration held, SourceLine where, TimePoint at);
  void EmitLateTick(Duration late, TimePoint at);

 private:
  static constexpr auto kUnknownCode = static_cast<size_t>(absl::StatusCode::kUnknown);

  Event Make(EventKind kind, const EventSubject& subject, TimePoint at) const {
    return Event{.kind = kind,
                 .slot = subject.slot,
                 .pool = name_,
                 .at = at,
                 .age = subject.age,
                 .idle = subject.idle};
  }
  void Tell(const Event& event) {
    if (observer_ != nullptr) observer_->OnEvent(event);
  }

  const char* const name_;
  EchoObserver echo_;
  Observer* const observer_;  // null: none
  const bool watches_leases_;
  const bool hold_times_;
  std::atomic<bool> connected_before_{false};
  Stats stats_ ABSL_GUARDED_BY(kPoolLock);
};

}  // namespace roost::internal

#endif  // ROOST_POOL_RECORDER_H_
