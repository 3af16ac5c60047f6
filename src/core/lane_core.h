// core/lane_core.h - decides for one lane: which caller gets which connection, and what to do next.
//
// Pure: it is told the time, calls nothing, and holds no lock. An event goes in, an Action comes
// out. The thread that got the Action performs it while the pool's lock is free, and reports it
// with OnActionDone. Waiters that are decided, or that should check again, are collected in the
// wait queue as notifications, which the pool delivers.
//
// Invariants, checked by CheckInvariants(); numbered as in src/README.md:
//  (1) Slots that are not empty are at most core_size + overflow.
//  (2) Idle slots that do not linger are at most core_size.
//  (3) No caller waits beside an idle slot, unless the lane is paused, or enough connections are on
//      their way, or some waiter is awake and about to take it.
//  (4) Waiters are at most max_waiters, besides those for whom connections are on their way.
//  (5) While a caller waits, some slot is not empty, or a waiter is awake, or the housekeeper is
//      wanted, or the lane is paused.
//  (6) A leased slot was granted to exactly one lease: leases begun less leases ended is the number
//      of leased slots.
//  (7) Every count equals a recount.
//  (8) While a waiter is the first servable one, newcomers barge past it at most max_overtakes
//      times.
//  (9) While more connections exist or are being opened than the limit in force, besides those that
//      are idle and marked for closing, every idle one is marked.
#ifndef ROOST_CORE_LANE_CORE_H_
#define ROOST_CORE_LANE_CORE_H_

#include <cstdint>
#include <span>

#include "core/action.h"
#include "core/availability.h"
#include "core/hold_history.h"
#include "core/slot_table.h"
#include "core/wait_queue.h"
#include "roost/profile.h"

namespace roost::core {

class LaneCore {
 public:
  // `core_size` of the connections stay open; the rest of `slots` is overflow. REQUIRES: both
  // references outlive this; `settings` changes before a call of Tune alone. (A test copies a lane
  // and puts it back into the same place.)
  void Init(const PoolSettings& settings, int core_size, std::span<Slot> slots);

  // ---- While no caller has to wait ----

  // Lends the idle slot used last, if it needs neither a ping nor to be replaced, and no caller
  // waits or the first servable one may be barged past once more. False: use the wait queue.
  // `probe`: set if the connection was idle long enough to need a liveness check.
  bool TryLend(TimePoint now, uint64_t thread, SourceLine where, uint8_t& slot, bool& probe);
  // True if no idle slot is marked for closing or pinging, and no caller waits: the idle stack may be
  // open. The taker checks the age.
  bool FastPathAllowed() const;
  // A slot that a caller took from the idle stack comes back, because it may not be lent as it is.
  void ReturnUnused(uint8_t slot, TimePoint now);

  // ---- Callers that wait ----

  // Whether a caller may enter the wait queue: by queue().Enqueue.
  Refusal Admit(TimePoint now) const;
  // What the thread of `waiter` has to do now: an action. None: the waiter is decided, its deadline
  // included, or sleeps until `wakes_at`.
  Action NextFor(Waiter& waiter, TimePoint now);
  // The first part of NextFor. Grants what can be granted on the way. `may_open`:
  // the thread may be told to open a connection. REQUIRES: the waiter is in the queue or decided.
  Action ActionFor(Waiter& waiter, TimePoint now, bool may_open = true);
  // The waiter's thread goes to sleep. Returns when it should wake without a notification, at the
  // latest.
  TimePoint Sleep(Waiter& waiter, TimePoint deadline);
  // The thread of `waiter` is inside an open that takes long: grants it an idle connection instead, if
  // no other waiter can use that. The open then fails as cut short. REQUIRES: undecided.
  bool TakeInstead(Waiter& waiter, TimePoint now);
  // The waiter gives up. REQUIRES: undecided.
  void Remove(Waiter& waiter, TimePoint now);
  // Ends the wait of every waiter with this token.
  void Cancel(const void* token, TimePoint now);

  // ---- Actions ----

  // Reports an Action. `performer`: the waiter whose thread performed it; null: none. Returns what
  // must follow at once on the same slot; none: ask NextFor for the performer.
  Action OnActionDone(const Action& action, const ActionResult& result, Waiter* performer,
                      TimePoint now);

  // ---- Leases ----

  // The lease ends. `reason`: why the connection is broken. Returns what the returning thread has
  // to do.
  Action Return(uint8_t slot, ReturnAs as, CloseReason reason, TimePoint now);
  // The connection was taken away; the slot is empty.
  void Detach(uint8_t slot, TimePoint now);

  // ---- The whole lane ----

  void Pause() { paused_ = true; }
  void Resume(TimePoint now);
  // Lends nothing from here on, and ends every wait.
  void Close(TimePoint now);
  // The settings have changed. `core_size` of at most `limit` connections stay open from here on.
  // Idle ones that are surplus are marked for closing; lent and unfinished ones are closed when they
  // come back. Wakes a waiter, if one more may be opened. `ages_changed`: pool_recycle or ping_after
  // is another, also for connections that exist. REQUIRES: core_size <= limit <= slots().size().
  void Tune(int core_size, int limit, bool ages_changed, TimePoint now);

  // ---- Maintenance (maintenance.cc) ----

  // The next thing that is due at `now`, if any.
  Action NextMaintenance(TimePoint now);
  // When the next maintenance is due, of what exists already; max(): never.
  TimePoint NextDue() const;
  // Opens towards `target` connections (Pool::Fill).
  Action NextFill(int target, TimePoint now);
  // Closes the idle connections that are marked, one at a time (after EvictAll and Close).
  Action NextEvicted();

  // ---- Reading ----

  const SlotTable& slots() const { return slots_; }
  SlotTable& slots() { return slots_; }
  const WaitQueue& queue() const { return queue_; }
  WaitQueue& queue() { return queue_; }
  const Availability& availability() const { return availability_; }
  const HoldHistory& holds() const { return holds_; }
  bool paused() const { return paused_; }
  bool closed() const { return closed_; }

  // Null, or a sentence that begins with the number of the invariant that does not hold.
  const char* CheckInvariants() const;

 private:
  // kNone: it may be lent. (Of the idle ones, those that are surplus are marked already.)
  CloseReason WhyToClose(const Slot& slot, TimePoint now) const;
  bool MayOpen(TimePoint now) const;
  // How many more connections waiters need than are on their way.
  int Shortage() const { return core::Shortage(queue_.length(), slots_.coming()); }
  Action TakeIdle(Waiter& asker, TimePoint now);
  bool TakeTop(Waiter& waiter, TimePoint now);
  void Grant(Waiter& waiter, uint8_t slot, TimePoint now, bool handed_off);
  Action Dispatch(uint8_t slot, TimePoint now, bool handed_off);
  bool OfferWithoutHandOff(Waiter& next, uint8_t slot);
  Action MakeIdle(uint8_t slot);
  Action OnOpened(uint8_t slot, const ActionResult& result, TimePoint now);
  void OnOpenFailed(uint8_t slot, const ActionResult& result, Waiter* performer, TimePoint now);
  Action MaintenanceOf(uint8_t slot, TimePoint now);
  void EndBackoff(TimePoint now);
  void WakeSomeoneIfNeeded(TimePoint now);

  const PoolSettings* settings_ = nullptr;
  SlotTable slots_;
  WaitQueue queue_;
  Availability availability_;
  HoldHistory holds_;
  bool paused_ = false;
  bool closed_ = false;
};

}  // namespace roost::core

#endif  // ROOST_CORE_LANE_CORE_H_
