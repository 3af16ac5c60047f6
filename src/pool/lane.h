// pool/lane.h - START HERE for how a connection is lent: one lane of a pool, and the guard that locks it.
//
// A lane is a set of slots whose connections serve the same intent: a SQLite pool has a writer lane
// and a reader lane, a PostgreSQL pool has one. Each lane joins three things:
//
//   idle stack   lends and takes back idle connections without the lock (roost/internal/idle_stack.h)
//   core         decides everything else under the lock: waiting, opening, closing (core/lane_core.h)
//   slots        one record for each connection; the idle stack and the core share them
//
// An acquire that finds a usable slot on the idle stack is one compare-and-swap. Every other
// acquire, and every other use of the lane, makes a LaneGuard. (Who writes only a counter, or a slot
// that it has taken, takes the lock alone and leaves the stack as it is.)
//
//   lock; close the idle stack; tell the core what the stack did meanwhile (SlotTable::Reconcile)
//   ... the core decides, as if there were no stack ...
//   collect the waiters to wake; open the stack, if LaneCore::FastPathAllowed; unlock; wake
//
// So while a caller waits, the stack stays closed, and every return comes to the lock and meets the
// waiter there.
#ifndef ROOST_POOL_LANE_H_
#define ROOST_POOL_LANE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "core/hold_times.h"
#include "core/lane_core.h"
#include "pool/pool_config.h"
#include "pool/recorder.h"
#include "pool/wake_list.h"
#include "roost/internal/idle_stack.h"

namespace roost::internal {

// A caller in the wait queue: the core's node, and the futex word on which its thread sleeps.
struct PoolWaiter : core::Waiter {
  static constexpr uint32_t kNothing = 0;  // sleep on
  static constexpr uint32_t kRecheck = 1;  // take the lock and ask the core again
  // The outcome stands; no other thread touches this node from here on.
  static constexpr uint32_t kDecided = 2;

  // Set (release) under the lock, kDecided as the last access to the node. Read (acquire) by its
  // owner, which thereby sees the outcome without the lock.
  std::atomic<uint32_t> word{kNothing};
  // The loop to call when the word is set. Null: a thread sleeps on the word. Constant while it
  // waits.
  Waker* waker = nullptr;
  // Its thread sleeps, or its loop waits for a call: who tells it something wakes it. Under the lock.
  bool must_be_woken = false;
  bool has_slept = false;  // its owner's alone
};

// What went wrong with the opens of a lane.
struct OpenErrors {
  absl::Status last;     // OK: no open has failed
  absl::Status told;     // the same with when it is tried again; OK: nobody has to wait for that
  TimePoint failed_at;   // of `last`
  TimePoint away_since;  // the first failure in a row

  // What a caller is refused with while nothing is tried.
  const absl::Status& refusal() const { return told.ok() ? last : told; }
};

class Lane : public LaneHead {
 public:
  // `slots` outlives this. `first_slot`: the pool's number of slots[0].
  void Init(const PoolConfig& config, Recorder& recorder, PoolState& owner, Role role,
            int core_size, std::span<core::Slot> slots, int first_slot);

  // ---- Constant ----

  Role role() const { return role_; }
  // Numbers in events and reports count over all lanes of a pool.
  int NumberOf(uint8_t slot) const { return first + slot; }
  int NumberOf(const SlotHead& slot) const { return first + slot.number; }

  // ---- Without the lock ----

  // True if the idle stack may be open at times. It may change by Tune.
  bool fast_path_enabled() const { return fast_path_enabled_.load(std::memory_order_relaxed); }
  // Belongs to the holder of the slot, or to the thread that performs an action on it.
  Connection*& ConnectionIn(uint8_t slot) { return slots_[slot].connection; }
  core::Slot& slot(uint8_t slot) { return slots_[slot]; }
  std::byte* MemoryOf(uint8_t slot) const {
    return config_->connections + static_cast<size_t>(NumberOf(slot)) * config_->connection_bytes;
  }
  // What an event tells of the connection in `slot`, to the same holder or thread: its age, and for
  // RestedSubjectOf how long ago its last use ended.
  EventSubject SubjectOf(const core::Slot& s, TimePoint now) const {
    return {.slot = NumberOf(s), .age = now - s.opened_at};
  }
  EventSubject RestedSubjectOf(const core::Slot& s, TimePoint now) const {
    return {.slot = NumberOf(s), .age = now - s.opened_at, .idle = now - s.idle_since};
  }
  // True if this thread may own a lease.
  bool MayBeOwner(uintptr_t thread) const;
  // True if the lease that begins of `slot`, which this thread took from the idle stack, is to be timed.
  bool IsTimedNext(const SlotHead& slot) const {
    return times_leases_ && slot.IsTimedNext(slot.LeasesSoFar());
  }
  // True if the coarse clock and the epoch allow lending `slot`, which this thread took from the
  // idle stack.
  bool IsCurrentByClock(const SlotHead& slot) const;
  // In the child of a fork: forgets the connections, which are still the parent's.
  void AbandonConnections();

  // ---- Under the lock, with the idle stack closed ----

  core::LaneCore& core() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) { return core_; }
  const core::LaneCore& core() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) { return core_; }
  OpenErrors& errors() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) { return errors_; }
  int peak() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) { return peak_; }
  void RecordPeak(int leases) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
    if (leases > peak_) peak_ = leases;
  }
  // What the thread of `waiter` has to do now; see LaneCore::NextFor. Called by that thread.
  core::Action NextFor(PoolWaiter& waiter, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // True if `waiter`, whose thread is inside an open that takes long, needs it no longer: it is decided,
  // or `may_take` and an idle connection was free for it. Called by that thread.
  bool NeedsNoOpen(PoolWaiter& waiter, bool may_take, TimePoint now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // The core lent `slot`: prepares its record for the return.
  void PrepareReturn(uint8_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // This thread took `slot` from the stack, which was open until now: times the lease that begins.
  void BeginTimed(SlotHead& slot, SourceLine where, TimePoint now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // The same, but it may not be lent as it is: see LaneCore::ReturnUnused.
  void ReturnUnused(uint8_t slot, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // How long a lease of `slot` that ends now was held, for Stats::hold. Called once for each.
  Duration HeldAtReturn(uint8_t slot, Duration held) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // Counts the leases of `slot` that the idle stack gave since the last count. True: there were
  // some. Right if there were fewer than 2^32.
  bool CountFastLeases(uint8_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // Tells the core about every lease that the idle stack gave since the last count, also of slots
  // that were taken from the stack before it was closed and recorded after that.
  void ReportFastLeases(TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  LeaseInfo InfoOf(uint8_t slot, TimePoint now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
    const core::Slot& s = slots_[slot];
    return {now - s.leased_at, s.where(), s.leak_reported};
  }
  // Works out until when, and up to which deadline, `slot` may be lent without a check.
  void PrepareToLend(uint8_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // Sets the word of every waiter that the core notified to kDecided or kRecheck, and puts those that
  // sleep into `wakes`.
  void Notify(WakeList& wakes, Waker& housekeeper) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

  // The settings have changed, of which these are the lane's sizes. See LaneCore::Tune.
  void Tune(int core_size, int limit, bool ages_changed, TimePoint now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

  // ---- For LaneGuard ----

  // Takes the idle slots off the open stack, and tells the core which were lent meanwhile
  // (SlotTable::Reconcile).
  void CloseFastPath() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // Records the peak. Puts the idle slots onto the stack, if LaneCore::FastPathAllowed.
  void OpenFastPath() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

 private:
  // The lease of `slot` began at leased_at: chooses the next one that is timed. The slot of this one
  // comes back to the core, which then knows how long it was held.
  void ChooseNextTimed(core::Slot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // A look at `now` met `slot` leased as before.
  void SeeHeld(const core::Slot& slot, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

  const PoolConfig* config_ = nullptr;
  Recorder* recorder_ = nullptr;
  Role role_ = Role::kAny;
  // No observer has to be told of a lease, and the stack can hold every slot. Constant.
  bool has_stack_ = false;
  bool times_leases_ = false;  // has_stack_, and the profile wants hold times; constant
  // Besides, no clock has to be read for a lease. Written under the lock. Relaxed: whether the stack
  // is open decides.
  std::atomic<bool> fast_path_enabled_{false};
  std::span<core::Slot> slots_;
  core::LaneCore core_ ABSL_GUARDED_BY(kPoolLock);
  OpenErrors errors_ ABSL_GUARDED_BY(kPoolLock);
  bool fast_path_open_ ABSL_GUARDED_BY(kPoolLock) = false;
  int peak_ ABSL_GUARDED_BY(kPoolLock) = 0;  // most leases at once
  // SlotHead::leases of each slot, as far as they are counted.
  std::array<uint32_t, SlotStack::kMaxSlots> leases_seen_ ABSL_GUARDED_BY(kPoolLock){};
  core::HoldTimes holds_ ABSL_GUARDED_BY(kPoolLock);  // where times_leases_
  TimePoint looked_at_ ABSL_GUARDED_BY(kPoolLock);    // when the stack was last closed
};

// The lanes of a pool, and their lock.
class Lanes {
 public:
  Lanes(const PoolConfig& config, Recorder& recorder, PoolState& owner, std::span<core::Slot> slots,
        WakeCallback on_work);

  Lane& For(Intent intent) { return lanes_[intent == Intent::kRead ? reader_ : 0]; }
  // The lane of this slot of the pool.
  Lane& OfSlot(int slot) { return lanes_[slot < lanes_[1].first ? 0 : 1]; }
  uint8_t LocalOf(int slot) { return static_cast<uint8_t>(slot - OfSlot(slot).first); }
  // One or two.
  std::span<Lane> all() { return std::span(lanes_).first(count_); }
  // True if this thread may own a lease of one of them.
  bool MayBeOwner(uintptr_t thread) const;

  Mutex& mu() const { return mu_; }
  Platform& platform() const { return config_.platform; }
  Waker& housekeeper() { return housekeeper_; }

  // ---- Under the lock ----

  int waiting() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  int leased() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // How many connections there may be, by the settings in force.
  int limit() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  bool is_closed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
    return lanes_[0].core().closed();
  }
  bool is_drained() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // What an error says about the connections that exist.
  void MarkSiblings(FaultScope scope, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // The settings have changed.
  void Tune(bool ages_changed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // Of a closed pool: wakes the thread that waits until every slot is empty, when that is so.
  void WakeCloserIfDrained(WakeList& wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

  // Grows when the last slot of a closed pool was emptied.
  const std::atomic<uint32_t>& drained() const { return drained_; }

 private:
  const PoolConfig& config_;
  mutable Mutex mu_;
  std::array<Lane, 2> lanes_;
  size_t count_ = 1;
  size_t reader_ = 0;  // index of the lane for Intent::kRead
  Waker housekeeper_;  // set and announced under the lock
  std::atomic<uint32_t> drained_{0};
};

// Takes the lock, and one lane or both into the core's hands. At its end it tells the waiters, opens
// the idle stacks that may be open, releases the lock, and wakes. A guard of one lane leaves the
// other lane's stack open.
class ABSL_SCOPED_LOCKABLE LaneGuard {
 public:
  // `deferred`: takes the wakes, for a caller that has to do something before WakeList::WakeAll.
  LaneGuard(Lanes& lanes, Lane& lane, WakeList* deferred = nullptr)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(kPoolLock);
  // Both lanes.
  explicit LaneGuard(Lanes& lanes, WakeList* deferred = nullptr)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(kPoolLock);
  ~LaneGuard() ABSL_UNLOCK_FUNCTION();
  LaneGuard(const LaneGuard&) = delete;
  LaneGuard& operator=(const LaneGuard&) = delete;

  // The other lane, too, from here on.
  void TakeBoth() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // Tells the waiters that the core has notified so far.
  void NotifyWaiters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  WakeList& wakes() { return *wakes_; }

 private:
  void Lock() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void Unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS;

  Lanes& lanes_;
  std::span<Lane> held_;
  WakeList own_;
  WakeList* const wakes_;
};

inline core::Action Lane::NextFor(PoolWaiter& waiter, TimePoint now) {
  // Decided while its thread was busy elsewhere, or by the action that it has just reported: the word
  // says so, or will at the end of the guard.
  if (waiter.outcome != core::Outcome::kWaiting) return {};
  waiter.must_be_woken = false;
  waiter.word.store(PoolWaiter::kNothing, std::memory_order_relaxed);
  const core::Action action = core_.NextFor(waiter, now);
  if (!action && waiter.outcome == core::Outcome::kWaiting) {
    waiter.must_be_woken = waiter.has_slept = true;
  }
  return action;
}

inline LaneGuard::LaneGuard(Lanes& lanes, Lane& lane, WakeList* deferred)
    : lanes_(lanes),
      held_(&lane, 1),
      own_(lanes.platform()),
      wakes_(deferred != nullptr ? deferred : &own_) {
  Lock();
}

inline LaneGuard::LaneGuard(Lanes& lanes, WakeList* deferred)
    : lanes_(lanes),
      held_(lanes.all()),
      own_(lanes.platform()),
      wakes_(deferred != nullptr ? deferred : &own_) {
  Lock();
}

inline LaneGuard::~LaneGuard() {
  Unlock();
  own_.WakeAll();
}

inline void LaneGuard::Lock() {
  lanes_.mu().Lock();
  for (Lane& lane : held_) lane.CloseFastPath();
}

inline void LaneGuard::Unlock() {
  for (Lane& lane : held_) {
    lane.Notify(*wakes_, lanes_.housekeeper());
    lane.OpenFastPath();
  }
  lanes_.mu().Unlock();
}

inline void LaneGuard::TakeBoth() {
  held_ = lanes_.all();
  for (Lane& lane : held_) lane.CloseFastPath();
}

inline void LaneGuard::NotifyWaiters() {
  for (Lane& lane : held_) lane.Notify(*wakes_, lanes_.housekeeper());
}

}  // namespace roost::internal

#endif  // ROOST_POOL_LANE_H_
