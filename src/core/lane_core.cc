// core/lane_core.cc - the state machine of a lane. See lane_core.h and the table in src/README.md.

#include "core/lane_core.h"

#include <algorithm>
#include <optional>

#include "core/checks.h"
#include "roost/internal/check.h"

namespace roost::core {

void LaneCore::Init(const PoolSettings& settings, int core_size, std::span<Slot> slots) {
  settings_ = &settings;
  slots_.Init(slots, core_size, settings.linger);
}

// ---- While no caller has to wait ----------------------------------------------------------------

namespace {

// A newcomer may take a connection before `waiter`.
bool MayBargePast(const Waiter& waiter, const PoolSettings& settings) {
  return waiter.barged < settings.max_overtakes;
}

// No connection exists that could come back, and none is being opened.
bool IsEmptyHanded(const SlotTable& slots) {
  return slots.live() == 0 && slots.count(SlotState::kOpening) == 0;
}

}  // namespace

CloseReason LaneCore::WhyToClose(const Slot& slot, TimePoint now) const {
  if (closed_) return CloseReason::kPoolClosed;
  if (slot.evict_reason != CloseReason::kNone) return slot.evict_reason;
  if (slot.state != SlotState::kIdle && slots_.has_surplus()) return CloseReason::kOverflow;
  // A fresh connection is lent once, however long its open took: else a pool_recycle below that
  // would open and close in a circle.
  return !slot.fresh && now > slot.expires_at ? CloseReason::kRecycled : CloseReason::kNone;
}

bool LaneCore::TryLend(TimePoint now, uint64_t thread, SourceLine where, uint8_t& slot,
                       bool& probe) {
  if (slots_.idle_top() == kNoSlot || paused_) return false;
  Waiter* const next = queue_.FirstServable();
  if (next == nullptr ? queue_.front() != nullptr : !MayBargePast(*next, *settings_)) return false;
  Slot& s = slots_[slots_.idle_top()];
  if (WhyToClose(s, now) != CloseReason::kNone || NeedsPing(s, *settings_, now)) return false;
  slot = slots_.idle_top();
  probe = NeedsProbe(s, *settings_, now);
  if (probe) s.verified_at = now;
  if (next != nullptr) ++next->barged;
  slots_.Lease(slot, thread, where, now);
  return true;
}

bool LaneCore::FastPathAllowed() const {
  return queue_.front() == nullptr && !paused_ && !closed_ && !slots_.HasMarkedIdle() &&
         slots_.StackKeepsWithinSizes();
}

void LaneCore::ReturnUnused(uint8_t slot, TimePoint now) {
  slots_.EndLease(slot);
  Slot& s = slots_[slot];
  const bool is_overflow =
      settings_->linger == Duration::zero() && slots_.count(SlotState::kIdle) >= slots_.core_size();
  if ((is_overflow || slots_.has_surplus()) && s.evict_reason == CloseReason::kNone) {
    s.evict_reason = CloseReason::kOverflow;  // others became idle, or the lane has become smaller
  }
  slots_.MakeIdle(slot);
  WakeSomeoneIfNeeded(now);
}

// ---- Callers that wait --------------------------------------------------------------------------

Refusal LaneCore::Admit(TimePoint now) const {
  if (closed_) return Refusal::kClosed;
  // Callers that are being served, by an open or a ping of their own, take no place from others.
  if (Shortage() >= settings_->max_waiters) return Refusal::kFull;
  if (availability_.is_away() && IsEmptyHanded(slots_) && now < availability_.retry_at() &&
      settings_->when_away == WhenAway::kRefuse) {
    return Refusal::kAway;
  }
  return Refusal::kNone;
}

Action LaneCore::NextFor(Waiter& waiter, TimePoint now) {
  const bool late = waiter.deadline <= now;
  waiter.may_ping = !late;
  // A late caller may open once, for what can be had without waiting for another holder. After that
  // it takes what is idle, and opens no more.
  const Action action = ActionFor(waiter, now, /*may_open=*/!(late && waiter.has_opened));
  if (action || waiter.outcome != Outcome::kWaiting) return action;
  if (!late) {
    Sleep(waiter, waiter.deadline);
    return {};
  }
  queue_.Decide(waiter, Outcome::kTimedOut);
  WakeSomeoneIfNeeded(now);
  return {};
}

Action LaneCore::ActionFor(Waiter& waiter, TimePoint now, bool may_open) {
  waiter.awake = true;
  if (waiter.outcome != Outcome::kWaiting || paused_) return {};
  EndBackoff(now);
  Action action = TakeIdle(waiter, now);
  if (!action && may_open && waiter.outcome == Outcome::kWaiting && Shortage() > 0 &&
      MayOpen(now)) {
    if (settings_->open_by == OpenBy::kCaller) {
      action = slots_.BeginOpen();
    } else {
      queue_.NotifyHousekeeper();
    }
  }
  waiter.performing = static_cast<bool>(action);
  // A newcomer took the idle connection. Hand the next one to this waiter directly.
  if (waiter.woken_to_recheck && !action && waiter.outcome == Outcome::kWaiting) {
    waiter.barged = static_cast<uint8_t>(settings_->max_overtakes);
  }
  waiter.woken_to_recheck = false;
  WakeSomeoneIfNeeded(now);
  return action;
}

// Grants idle connections to servable waiters. What must be closed or pinged first: `asker`'s action.
Action LaneCore::TakeIdle(Waiter& asker, TimePoint now) {
  Waiter* next = nullptr;
  while (slots_.idle_top() != kNoSlot && (next = queue_.FirstServable()) != nullptr) {
    if (TakeTop(*next, now)) continue;
    const uint8_t slot = slots_.idle_top();
    const CloseReason stale = WhyToClose(slots_[slot], now);
    if (stale != CloseReason::kNone) {
      return slots_.BeginOnIdle(ActionKind::kClose, slot, stale);
    }
    if (!asker.may_ping || Shortage() == 0) return {};
    return slots_.BeginOnIdle(ActionKind::kPing, slot);
  }
  return {};
}

// Grants `waiter` the idle connection used last, if that can be lent as it is.
bool LaneCore::TakeTop(Waiter& waiter, TimePoint now) {
  const uint8_t slot = slots_.idle_top();
  if (slot == kNoSlot || paused_) return false;
  Slot& s = slots_[slot];
  if (WhyToClose(s, now) != CloseReason::kNone || NeedsPing(s, *settings_, now)) return false;
  waiter.probe = NeedsProbe(s, *settings_, now);
  if (waiter.probe) s.verified_at = now;
  Grant(waiter, slot, now, /*handed_off=*/false);
  return true;
}

bool LaneCore::TakeInstead(Waiter& w, TimePoint now) {
  return queue_.FirstServable() == nullptr && TakeTop(w, now);
}

void LaneCore::Grant(Waiter& waiter, uint8_t slot, TimePoint now, bool handed_off) {
  slots_.Lease(slot, waiter.thread, waiter.where, now);
  waiter.slot = slot;
  waiter.handed_off = handed_off;
  queue_.Decide(waiter, Outcome::kGranted);
}

TimePoint LaneCore::Sleep(Waiter& waiter, TimePoint deadline) {
  waiter.awake = false;
  waiter.wakes_at = deadline;
  if (slots_.count(SlotState::kBackingOff) == 0 || settings_->open_by != OpenBy::kCaller) {
    return deadline;
  }
  // One sleeper that wakes when opening may be tried again is enough.
  const TimePoint retry_at = availability_.retry_at();
  for (const Waiter* w = queue_.front(); w != nullptr; w = w->next) {
    if (w != &waiter && !w->awake && w->wakes_at <= retry_at) return deadline;
  }
  waiter.wakes_at = std::min(deadline, retry_at);
  return waiter.wakes_at;
}

void LaneCore::Remove(Waiter& waiter, TimePoint now) {
  ROOST_CHECK(waiter.outcome == Outcome::kWaiting && !waiter.notified,
              "bug: a decided waiter left the wait queue");
  queue_.Remove(waiter);
  WakeSomeoneIfNeeded(now);
}

void LaneCore::Cancel(const void* token, TimePoint now) {
  for (Waiter* w = queue_.front(); w != nullptr;) {
    Waiter* const next = w->next;
    if (w->cancel == token) queue_.Decide(*w, Outcome::kCancelled);
    w = next;
  }
  WakeSomeoneIfNeeded(now);
}

// A waiter is short of a connection, something could be done about it, and no awake waiter will
// check: wakes the first one that sleeps. Called after every event that may have left things so.
void LaneCore::WakeSomeoneIfNeeded(TimePoint now) {
  if (paused_ || closed_ || Shortage() == 0) return;
  if (slots_.count(SlotState::kIdle) == 0) {
    if (!HasRoom(slots_)) return;
    if (settings_->open_by == OpenBy::kHousekeeper) {
      if (MayOpen(now)) queue_.NotifyHousekeeper();
      return;
    }
    if (slots_.count(SlotState::kBackingOff) == 0 && !MayOpen(now)) return;
  }
  std::optional<TimePoint> by;
  const TimePoint retry_at = availability_.retry_at();
  if (slots_.count(SlotState::kIdle) == 0 && retry_at > now) by = retry_at;
  if (!queue_.SomeoneWillCheck(by)) queue_.WakeFirstSleeper();
}

// ---- Opening ------------------------------------------------------------------------------------

bool LaneCore::MayOpen(TimePoint now) const {
  if (closed_ || paused_ || now < availability_.retry_at()) return false;
  if (slots_.count(SlotState::kEmpty) == 0 || !HasRoom(slots_)) return false;
  return slots_.count(SlotState::kOpening) < MostOpens(*settings_, availability_.failures());
}

Action LaneCore::OnOpened(uint8_t slot, const ActionResult& result, TimePoint now) {
  availability_.RecordSuccess();
  Slot& s = slots_[slot];
  s.suspect = s.lingers = false;
  s.fresh = true;
  s.opened_at = result.began_at;
  s.jitter_seed = static_cast<uint16_t>(result.random >> 16);
  s.expires_at = ExpiryOf(s, *settings_);
  s.idle_since = s.maintained_at = s.verified_at = now;
  return Dispatch(slot, now, /*handed_off=*/false);
}

void LaneCore::OnOpenFailed(uint8_t slot, const ActionResult& result, Waiter* performer,
                            TimePoint now) {
  slots_.Clear(slot);
  if (!result.cut_short) {
    const Duration pause = availability_.RecordFailure(result, *settings_, now);
    if (pause > Duration::zero() && !closed_) slots_.BackOff(slot);
    // The housekeeper must learn about the pause, even if another caller found the database away.
    if (settings_->open_by == OpenBy::kHousekeeper) queue_.NotifyHousekeeper();
  }
  // The server has no place left: overflow that is idle makes room.
  if (result.crowded) slots_.EvictLingering();
  if (settings_->when_away == WhenAway::kWait) return;
  // Connections that the server has given us will come back: their callers keep their places.
  if (result.crowded && slots_.live() > 0) return;
  if (performer != nullptr && performer->outcome == Outcome::kWaiting &&
      !TakeTop(*performer, now)) {
    queue_.Decide(*performer, Outcome::kOpenError);
  }
  // Another open under way may serve the waiters yet; if it fails, it sends them away.
  const bool send_away = availability_.is_away() && IsEmptyHanded(slots_);
  while (send_away && queue_.front() != nullptr) queue_.Decide(*queue_.front(), Outcome::kAway);
}

void LaneCore::EndBackoff(TimePoint now) {
  if (now >= availability_.retry_at()) slots_.ClearBackingOff();
}

// ---- Actions ------------------------------------------------------------------------------------

Action LaneCore::OnActionDone(const Action& action, const ActionResult& result, Waiter* performer,
                              TimePoint now) {
  if (performer != nullptr) performer->performing = false;
  Slot& s = slots_[action.slot];
  Action next;
  switch (action.kind) {
    case ActionKind::kNone:
      break;
    case ActionKind::kOpen:
      if (result.ok) {
        next = OnOpened(action.slot, result, now);
      } else {
        OnOpenFailed(action.slot, result, performer, now);
      }
      break;
    case ActionKind::kPing:
      if (result.ok) {
        s.suspect = false;
        s.maintained_at = s.verified_at = now;
        next = Dispatch(action.slot, now, /*handed_off=*/false);
      } else {
        // What killed it has probably killed its siblings: they are replaced without a ping.
        if (!result.cut_short) slots_.EvictOlder(now, CloseReason::kSuspect);
        next = slots_.Begin(ActionKind::kClose, action.slot, CloseReason::kPingFailed);
      }
      break;
    case ActionKind::kMaintain:
      s.maintained_at = s.verified_at = now;
      next = result.ok ? Dispatch(action.slot, now, /*handed_off=*/false)
                       : slots_.Begin(ActionKind::kClose, action.slot, CloseReason::kUpkeepFailed);
      break;
    case ActionKind::kReset:
      next = result.wants_maintenance ? slots_.Begin(ActionKind::kMaintain, action.slot)
             : result.ok              ? Dispatch(action.slot, now, /*handed_off=*/true)
                         : slots_.Begin(ActionKind::kClose, action.slot, CloseReason::kResetFailed);
      break;
    case ActionKind::kClose:
      slots_.Clear(action.slot);
      break;
  }
  if (performer != nullptr) performer->performing = static_cast<bool>(next);
  WakeSomeoneIfNeeded(now);
  return next;
}

// A connection is free: grants it to the oldest waiter, else makes it idle. Returns what has to be
// done to the connection first.
Action LaneCore::Dispatch(uint8_t slot, TimePoint now, bool handed_off) {
  Slot& s = slots_[slot];
  const CloseReason stale = WhyToClose(s, now);
  if (stale != CloseReason::kNone) return slots_.Begin(ActionKind::kClose, slot, stale);
  Waiter* const next = queue_.FirstServable();
  if (next == nullptr || paused_) return MakeIdle(slot);
  if (s.suspect) return slots_.Begin(ActionKind::kPing, slot);
  // A connection that would have to answer a ping after an idle period does not become idle.
  const bool may_be_idle = handed_off && !NeedsPing(s, *settings_, now);
  if (may_be_idle && OfferWithoutHandOff(*next, slot)) return {};
  Grant(*next, slot, now, handed_off);
  return {};
}

// Handing a connection to a sleeping thread leaves it unused until that thread is scheduled. So the
// next waiter is only told, and a newcomer that runs already may barge past it, at most
// max_overtakes times. Nothing is gained where connections are held for much longer than a thread
// takes to wake, or for an unknown time, or where an event loop may take long until it checks.
bool LaneCore::OfferWithoutHandOff(Waiter& next, uint8_t slot) {
  const bool gains = !slots_[slot].leased_at_is_upper_bound && !holds_.AreLong() && !next.by_loop;
  if (!gains || !MayBargePast(next, *settings_)) return false;
  // What does not linger is not left open above core_size.
  const bool lingers = settings_->linger > Duration::zero();
  const int most_idle = std::max(slots_.core_size(), 1);
  if (!lingers && slots_.count(SlotState::kIdle) >= most_idle) return false;
  slots_.MakeIdle(slot);
  next.woken_to_recheck = true;
  if (next.awake) return true;
  next.awake = true;
  queue_.Notify(next);
  return true;
}

Action LaneCore::MakeIdle(uint8_t slot) {
  if (settings_->linger == Duration::zero() && slots_.idle_to_keep() >= slots_.core_size()) {
    return slots_.Begin(ActionKind::kClose, slot, CloseReason::kOverflow);
  }
  slots_.MakeIdle(slot);
  return {};
}

// ---- Leases -------------------------------------------------------------------------------------

Action LaneCore::Return(uint8_t slot, ReturnAs as, CloseReason reason, TimePoint now) {
  slots_.EndLease(slot);
  Slot& s = slots_[slot];
  holds_.Record(s, now);
  s.idle_since = s.maintained_at = s.verified_at = now;
  Action action;
  const CloseReason stale = WhyToClose(s, now);
  if (as == ReturnAs::kBroken) {
    action = slots_.Begin(ActionKind::kClose, slot, reason);
  } else if (stale != CloseReason::kNone) {
    action = slots_.Begin(ActionKind::kClose, slot, stale);
  } else if (as == ReturnAs::kDirty) {
    action = slots_.Begin(ActionKind::kReset, slot);
  } else if (as == ReturnAs::kWantsMaintenance) {
    action = slots_.Begin(ActionKind::kMaintain, slot);
  } else {
    action = Dispatch(slot, now, /*handed_off=*/true);
  }
  WakeSomeoneIfNeeded(now);
  return action;
}

void LaneCore::Detach(uint8_t slot, TimePoint now) {
  slots_.EndLease(slot);
  slots_.Clear(slot);
  WakeSomeoneIfNeeded(now);
}

// ---- The whole lane -----------------------------------------------------------------------------

void LaneCore::Resume(TimePoint now) {
  paused_ = false;
  // Every waiter that can be served at once is; the others check again.
  Waiter* next = nullptr;
  while ((next = queue_.FirstServable()) != nullptr && TakeTop(*next, now)) {
  }
  WakeSomeoneIfNeeded(now);
}

void LaneCore::Close(TimePoint now) {
  closed_ = true;
  availability_.EndPause(now);
  EndBackoff(now);
  while (queue_.front() != nullptr) queue_.Decide(*queue_.front(), Outcome::kClosed);
}

}  // namespace roost::core
