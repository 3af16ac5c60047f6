// lane_core.cc - the state machine of a lane. See lane_core.h and the table in src/README.md.

#include "core/lane_core.h"

#include <algorithm>

#include "roost/internal/check.h"

namespace roost::core {
namespace {

size_t Index(SlotState state) { return static_cast<size_t>(state); }

}  // namespace

std::string_view Name(SlotState state) {
  switch (state) {
    case SlotState::kEmpty:
      return "empty";
    case SlotState::kOpening:
      return "opening";
    case SlotState::kBackingOff:
      return "backing off";
    case SlotState::kIdle:
      return "idle";
    case SlotState::kPinging:
      return "pinging";
    case SlotState::kLeased:
      return "leased";
    case SlotState::kResetting:
      return "resetting";
    case SlotState::kClosing:
      return "closing";
  }
  return "?";
}

void LaneCore::Init(const LaneSettings& settings, std::span<Slot> slots) {
  settings_ = settings;
  slots_ = slots;
  counts_[Index(SlotState::kEmpty)] = static_cast<int>(slots.size());
}

// ---- One writer of a slot's state, and what follows from it -------------------------------------

void LaneCore::SetState(uint8_t slot, SlotState state) {
  Slot& s = slots_[slot];
  --counts_[Index(s.state)];
  s.state = state;
  ++counts_[Index(state)];
}

// The idle list is ordered by `rested`, the latest on top, so that maintenance does not change who is
// lent next.
void LaneCore::PushIdle(uint8_t slot) {
  SetState(slot, SlotState::kIdle);
  uint8_t above = kNoSlot;
  uint8_t below = idle_top_;
  while (below != kNoSlot && slots_[below].rested > slots_[slot].rested) {
    above = below;
    below = slots_[below].idle_below;
  }
  slots_[slot].idle_above = above;
  slots_[slot].idle_below = below;
  (above == kNoSlot ? idle_top_ : slots_[above].idle_below) = slot;
  if (below != kNoSlot) slots_[below].idle_above = slot;
}

void LaneCore::RemoveIdle(uint8_t slot) {
  Slot& s = slots_[slot];
  (s.idle_above == kNoSlot ? idle_top_ : slots_[s.idle_above].idle_below) = s.idle_below;
  if (s.idle_below != kNoSlot) slots_[s.idle_below].idle_above = s.idle_above;
  s.idle_above = s.idle_below = kNoSlot;
  if (s.lingers) --lingering_;
  s.lingers = false;
}

void LaneCore::Lend(uint8_t slot, uint64_t thread, SourceLine where, TimePoint now) {
  Slot& s = slots_[slot];
  SetState(slot, SlotState::kLeased);
  s.fresh = false;
  s.lent = now;
  s.lent_earlier = s.was_idle = false;
  s.epoch = epoch_;
  s.holder = thread;
  s.where = where;
  s.leak_reported = false;
  ++granted_;
}

void LaneCore::Empty(uint8_t slot) {
  SetState(slot, SlotState::kEmpty);
  Slot& s = slots_[slot];
  s.evict = CloseReason::kNone;
  s.suspect = s.fresh = false;
  s.holder = 0;
}

// ---- What is known of a connection --------------------------------------------------------------

int LaneCore::Live() const {
  return count(SlotState::kIdle) + count(SlotState::kPinging) + count(SlotState::kLeased) +
         count(SlotState::kResetting);
}

int LaneCore::open() const { return Live() + count(SlotState::kClosing); }

int LaneCore::Coming() const {
  return count(SlotState::kOpening) + count(SlotState::kPinging) + count(SlotState::kResetting);
}

CloseReason LaneCore::WhyStale(const Slot& slot, TimePoint now) const {
  if (closed_) return CloseReason::kPoolClosed;
  if (slot.evict != CloseReason::kNone) return slot.evict;
  return now > slot.expires ? CloseReason::kRecycled : CloseReason::kNone;
}

bool LaneCore::NeedsPing(const Slot& slot, TimePoint now) const {
  if (slot.suspect) return true;
  if (slot.fresh) return false;
  switch (settings_.pre_ping) {
    case PrePing::kNever:
      return false;
    case PrePing::kAlways:
      return true;
    case PrePing::kAfterIdle:
      return now - slot.tended >= settings_.ping_after;
  }
  return false;
}

// A look that costs no round trip. Where pings are off (a local file) only after a rest; a
// connection that comes straight from another user is not looked at.
bool LaneCore::NeedsProbe(const Slot& slot, TimePoint now) const {
  if (slot.fresh) return false;
  return settings_.pre_ping != PrePing::kNever || now - slot.looked >= settings_.ping_after;
}

// ---- The happy path -----------------------------------------------------------------------------

bool LaneCore::TryLend(TimePoint now, uint64_t thread, SourceLine where, uint8_t& slot,
                       bool& probe) {
  if (idle_top_ == kNoSlot || paused_) return false;
  Waiter* const next = line_.front() == nullptr ? nullptr : line_.NextToServe();
  if (line_.front() != nullptr && (next == nullptr || !MayBeOvertaken(*next))) return false;
  Slot& s = slots_[idle_top_];
  if (WhyStale(s, now) != CloseReason::kNone || NeedsPing(s, now)) return false;
  slot = idle_top_;
  probe = NeedsProbe(s, now);
  if (probe) s.looked = now;
  if (next != nullptr) ++next->overtaken;
  RemoveIdle(slot);
  Lend(slot, thread, where, now);
  return true;
}

// ---- The word -----------------------------------------------------------------------------------

bool LaneCore::Undisturbed() const {
  if (line_.front() != nullptr || paused_ || closed_) return false;
  for (uint8_t slot = idle_top_; slot != kNoSlot; slot = slots_[slot].idle_below) {
    if (slots_[slot].evict != CloseReason::kNone || slots_[slot].suspect) return false;
  }
  return true;
}

void LaneCore::BeginResync() {
  idle_top_ = kNoSlot;
  lingering_ = 0;
  for (uint8_t slot = 0; slot < Size(); ++slot) {
    Slot& s = slots_[slot];
    s.was_idle = s.state == SlotState::kIdle;
    if (!s.was_idle) continue;
    s.idle_above = s.idle_below = kNoSlot;
    s.lingers = false;
    SetState(slot, SlotState::kLeased);
    ++granted_;
  }
}

void LaneCore::AtRest(uint8_t slot, bool used, TimePoint now) {
  Slot& s = slots_[slot];
  ROOST_CHECK(s.state == SlotState::kLeased, "bug: a slot rests in the word that was never lent");
  ++ended_;
  s.holder = 0;
  if (used || !s.was_idle) {
    // Some time ago. Nothing that is due after a rest comes too early this way.
    s.rested = s.tended = now;
    s.fresh = false;
  }
  PushIdle(slot);
}

void LaneCore::IsLent(uint8_t slot, bool anew, uint64_t thread, SourceLine where, TimePoint now) {
  Slot& s = slots_[slot];
  if (!s.was_idle && !anew) return;
  s.was_idle = false;
  s.fresh = s.leak_reported = false;
  s.lent = now;
  s.lent_earlier = true;
  s.holder = thread;
  s.where = where;
}

void LaneCore::EndResync() { LetLinger(); }

void LaneCore::PutBack(uint8_t slot, TimePoint now) {
  ROOST_CHECK(slots_[slot].state == SlotState::kLeased, "bug: a slot is put back that is not out");
  ++ended_;
  slots_[slot].holder = 0;
  if (settings_.linger == Duration::zero() && count(SlotState::kIdle) >= settings_.kept &&
      slots_[slot].evict == CloseReason::kNone) {
    slots_[slot].evict = CloseReason::kOverflow;  // others came to rest meanwhile
  }
  PushIdle(slot);
  LetLinger();
  Prod(now);
}

// ---- Callers in line ----------------------------------------------------------------------------

Refusal LaneCore::Admit(TimePoint now) const {
  if (closed_) return Refusal::kClosed;
  // Callers that are being served, by an open or a ping of their own, do not stand in anybody's
  // way.
  if (Shortage(line_.length(), Coming()) >= settings_.max_waiters) return Refusal::kFull;
  const bool nothing = Live() == 0 && count(SlotState::kOpening) == 0;
  if (away_ && nothing && now < retry_at_ && settings_.when_away == WhenAway::kRefuse) {
    return Refusal::kAway;
  }
  return Refusal::kNone;
}

void LaneCore::Join(Waiter& waiter) { line_.PushBack(waiter); }

Work LaneCore::WorkFor(Waiter& waiter, TimePoint now) {
  waiter.awake = true;
  if (waiter.outcome != Outcome::kWaiting || paused_) return {};
  EndBackoff(now);
  Work work = TakeIdle(waiter, now);
  if (!work && waiter.outcome == Outcome::kWaiting && Shortage(line_.length(), Coming()) > 0 &&
      MayOpen(now)) {
    if (settings_.open_by == OpenBy::kCaller) {
      work = StartOpen();
    } else {
      housekeeper_wanted_ = true;
    }
  }
  Drive(&waiter, work);
  // Somebody was quicker: it is not sent to look in vain again.
  if (waiter.poked && !work && waiter.outcome == Outcome::kWaiting) {
    waiter.overtaken = static_cast<uint8_t>(settings_.max_overtakes);
  }
  waiter.poked = false;
  Prod(now);
  return work;
}

// Grants idle connections to the front of the line, until one has to be closed or pinged first.
Work LaneCore::TakeIdle(Waiter& asker, TimePoint now) {
  Waiter* next = nullptr;
  while (idle_top_ != kNoSlot && (next = line_.NextToServe()) != nullptr) {
    if (TakeTop(*next, now)) continue;
    const uint8_t slot = idle_top_;
    const CloseReason stale = WhyStale(slots_[slot], now);
    if (stale != CloseReason::kNone) return CloseIdle(slot, stale);
    if (!asker.may_ping || Shortage(line_.length(), Coming()) == 0) return {};
    RemoveIdle(slot);
    return Begin(Act::kPing, slot, SlotState::kPinging);
  }
  return {};
}

TimePoint LaneCore::Sleep(Waiter& waiter, TimePoint deadline) {
  waiter.awake = false;
  waiter.wakes_at = deadline;
  if (count(SlotState::kBackingOff) == 0 || settings_.open_by != OpenBy::kCaller) return deadline;
  // One sleeper that wakes when opening may be tried again is enough.
  for (const Waiter* w = line_.front(); w != nullptr; w = w->next) {
    if (w != &waiter && !w->awake && w->wakes_at <= retry_at_) return deadline;
  }
  waiter.wakes_at = std::min(deadline, retry_at_);
  return waiter.wakes_at;
}

void LaneCore::Leave(Waiter& waiter, TimePoint now) {
  ROOST_CHECK(waiter.outcome == Outcome::kWaiting && !waiter.noticed,
              "bug: a decided waiter left the line");
  line_.Remove(waiter);
  Prod(now);
}

void LaneCore::Cancel(const void* token, TimePoint now) {
  for (Waiter* w = line_.front(); w != nullptr;) {
    Waiter* const next = w->next;
    if (w->cancel == token) Decide(*w, Outcome::kCancelled);
    w = next;
  }
  Prod(now);
}

void LaneCore::Grant(Waiter& waiter, uint8_t slot, TimePoint now, bool handed_off) {
  Lend(slot, waiter.thread, waiter.where, now);
  waiter.slot = slot;
  waiter.handed_off = handed_off;
  Decide(waiter, Outcome::kGranted);
}

void LaneCore::Decide(Waiter& waiter, Outcome outcome) {
  line_.Remove(waiter);
  waiter.outcome = outcome;
  Notify(waiter);
}

void LaneCore::Notify(Waiter& waiter) {
  if (waiter.noticed) return;
  waiter.noticed = true;
  waiter.next_notice = nullptr;
  (last_notice_ != nullptr ? last_notice_->next_notice : first_notice_) = &waiter;
  last_notice_ = &waiter;
}

Waiter* LaneCore::NextNotice() {
  Waiter* const waiter = first_notice_;
  if (waiter == nullptr) return nullptr;
  first_notice_ = waiter->next_notice;
  if (first_notice_ == nullptr) last_notice_ = nullptr;
  waiter->noticed = false;
  return waiter;
}

// Somebody is short of a connection, something could be done about it, and nobody awake will look:
// wakes the first waiter that sleeps. Called after every event that may have left things so.
void LaneCore::Prod(TimePoint now) {
  if (paused_ || closed_ || Shortage(line_.length(), Coming()) == 0) return;
  if (count(SlotState::kIdle) == 0) {
    if (count(SlotState::kEmpty) + count(SlotState::kBackingOff) == 0) return;
    if (settings_.open_by == OpenBy::kHousekeeper) {
      housekeeper_wanted_ = housekeeper_wanted_ || MayOpen(now);
      return;
    }
    if (count(SlotState::kBackingOff) == 0 && !MayOpen(now)) return;
  }
  if (SomebodySeesToIt(now)) return;
  for (Waiter* w = line_.front(); w != nullptr; w = w->next) {
    if (w->awake) continue;
    w->awake = true;
    Notify(*w);
    return;
  }
}

bool LaneCore::SomebodySeesToIt(TimePoint now) const {
  const bool only_later = count(SlotState::kIdle) == 0 && retry_at_ > now;
  for (const Waiter* w = line_.front(); w != nullptr; w = w->next) {
    if (w->awake && !w->driving) return true;
    if (!w->awake && only_later && w->wakes_at <= retry_at_) return true;
  }
  return false;
}

// ---- Work ---------------------------------------------------------------------------------------

Work LaneCore::Begin(Act act, int slot, SlotState state, CloseReason reason) {
  SetState(static_cast<uint8_t>(slot), state);
  return Work{act, static_cast<uint8_t>(slot), reason};
}

Work LaneCore::CloseIdle(uint8_t slot, CloseReason reason) {
  RemoveIdle(slot);
  return Begin(Act::kClose, slot, SlotState::kClosing, reason);
}

bool LaneCore::MayOpen(TimePoint now) const {
  if (closed_ || paused_ || count(SlotState::kEmpty) == 0 || now < retry_at_) return false;
  const bool one_at_a_time = failures_ > 0 || settings_.open_by == OpenBy::kHousekeeper;
  return !one_at_a_time || count(SlotState::kOpening) == 0;
}

Work LaneCore::StartOpen() {
  const auto empty = std::find_if(slots_.begin(), slots_.end(),
                                  [](const Slot& s) { return s.state == SlotState::kEmpty; });
  return Begin(Act::kOpen, static_cast<int>(empty - slots_.begin()), SlotState::kOpening);
}

void LaneCore::Drive(Waiter* driver, const Work& work) {
  if (driver != nullptr) driver->driving = static_cast<bool>(work);
}

Work LaneCore::Done(const Work& work, const WorkResult& result, Waiter* driver, TimePoint now) {
  Drive(driver, {});
  Slot& s = slots_[work.slot];
  Work next;
  switch (work.act) {
    case Act::kNone:
      break;
    case Act::kOpen:
      if (result.ok) {
        next = Opened(work.slot, result, now);
      } else {
        OpenFailed(work.slot, result, driver, now);
      }
      break;
    case Act::kPing:
      if (result.ok) {
        s.suspect = false;
        s.tended = s.looked = now;
        next = Offer(work.slot, now, /*handed_off=*/false);
      } else {
        // What killed this one has probably killed its siblings: they are replaced without asking
        // them.
        if (!result.cut_short) EvictOlder(now, CloseReason::kSuspect);
        next = Begin(Act::kClose, work.slot, SlotState::kClosing, CloseReason::kPingFailed);
      }
      break;
    case Act::kMaintain:
      s.tended = s.looked = now;
      next = result.ok
                 ? Offer(work.slot, now, /*handed_off=*/false)
                 : Begin(Act::kClose, work.slot, SlotState::kClosing, CloseReason::kUpkeepFailed);
      break;
    case Act::kReset:
      next = result.ok
                 ? Offer(work.slot, now, /*handed_off=*/true)
                 : Begin(Act::kClose, work.slot, SlotState::kClosing, CloseReason::kResetFailed);
      break;
    case Act::kClose:
      Empty(work.slot);
      break;
  }
  Drive(driver, next);
  Prod(now);
  return next;
}

Work LaneCore::Opened(uint8_t slot, const WorkResult& result, TimePoint now) {
  failures_ = 0;
  away_ = false;
  retry_at_ = TimePoint::min();
  Slot& s = slots_[slot];
  s.suspect = s.lingers = false;
  s.fresh = true;
  s.born = result.began;
  s.draw = result.random;
  s.expires = settings_.pool_recycle == Duration::zero()
                  ? TimePoint::max()
                  : Later(result.began, RecycleAge(settings_.pool_recycle, result.random));
  s.rested = s.tended = s.looked = now;
  return Offer(slot, now, /*handed_off=*/false);
}

void LaneCore::OpenFailed(uint8_t slot, const WorkResult& result, Waiter* driver, TimePoint now) {
  Empty(slot);
  if (!result.cut_short) NoteFailure(slot, result, now);
  if (result.crowded) GiveRoom();
  if (settings_.when_away == WhenAway::kWait) return;
  // What the server has given us will come back: its callers keep their places.
  if (result.crowded && Live() > 0) return;
  if (driver != nullptr && driver->outcome == Outcome::kWaiting && !TakeTop(*driver, now)) {
    Decide(*driver, Outcome::kOpenError);
  }
  // Another open under way may serve them yet; if it fails, it sends them away.
  const bool nothing = Live() == 0 && count(SlotState::kOpening) == 0;
  while (away_ && nothing && line_.front() != nullptr) {
    Decide(*line_.front(), Outcome::kAway);
  }
}

// The server has no place left: what is open above the kept number goes at its next rest.
void LaneCore::GiveRoom() {
  for (Slot& s : slots_) {
    if (s.state == SlotState::kIdle && s.lingers && s.evict == CloseReason::kNone) {
      s.evict = CloseReason::kOverflow;
    }
  }
}

// Grants `waiter` the idle connection used last, if that can be lent as it is.
bool LaneCore::TakeTop(Waiter& waiter, TimePoint now) {
  if (idle_top_ == kNoSlot || paused_) return false;
  const uint8_t slot = idle_top_;
  if (WhyStale(slots_[slot], now) != CloseReason::kNone || NeedsPing(slots_[slot], now)) {
    return false;
  }
  waiter.probe = NeedsProbe(slots_[slot], now);
  if (waiter.probe) slots_[slot].looked = now;
  RemoveIdle(slot);
  Grant(waiter, slot, now, /*handed_off=*/false);
  return true;
}

void LaneCore::NoteFailure(uint8_t slot, const WorkResult& result, TimePoint now) {
  ++failures_;
  const Duration pause = BackoffPause(failures_, result.permanent, settings_.backoff_min,
                                      settings_.backoff_max, result.random);
  retry_at_ = Later(now, pause);
  away_ = failures_ >= 2 || result.permanent;
  if (pause > Duration::zero() && !closed_) SetState(slot, SlotState::kBackingOff);
  // It has to learn of the pause, even if somebody else found the database away.
  if (settings_.open_by == OpenBy::kHousekeeper) housekeeper_wanted_ = true;
}

void LaneCore::EndBackoff(TimePoint now) {
  if (count(SlotState::kBackingOff) == 0 || now < retry_at_) return;
  for (uint8_t slot = 0; slot < Size(); ++slot) {
    if (slots_[slot].state == SlotState::kBackingOff) Empty(slot);
  }
}

// A connection is free: to the oldest waiter, else to its rest. Returns what has to be done to it
// first.
Work LaneCore::Offer(uint8_t slot, TimePoint now, bool handed_off) {
  Slot& s = slots_[slot];
  const CloseReason stale = WhyStale(s, now);
  if (stale != CloseReason::kNone) {
    return Begin(Act::kClose, slot, SlotState::kClosing, stale);
  }
  Waiter* const next = line_.NextToServe();
  if (next == nullptr || paused_) return Rest(slot);
  if (s.suspect) return Begin(Act::kPing, slot, SlotState::kPinging);
  // One that would have to answer a ping after its rest does not rest.
  if (handed_off && !NeedsPing(s, now) && LeaveIdleFor(*next, slot)) return {};
  Grant(*next, slot, now, handed_off);
  return {};
}

// A connection given to a thread that sleeps is nobody's until that thread runs. So the next caller
// is only told, and a newcomer that runs already may be quicker, at most max_overtakes times. Where
// connections are held for much longer than a thread takes to wake, or nobody knows for how long,
// nothing would be gained; and a loop may take long until it looks.
bool LaneCore::LeaveIdleFor(Waiter& next, uint8_t slot) {
  const bool in_vain = slots_[slot].lent_earlier || HoldsAreLong() || next.by_loop;
  if (in_vain || !MayBeOvertaken(next)) return false;
  // What does not linger is not left open beyond the kept number.
  const bool lingers = settings_.linger > Duration::zero();
  if (!lingers && count(SlotState::kIdle) >= std::max(settings_.kept, 1)) return false;
  PushIdle(slot);
  LetLinger();
  next.poked = true;
  if (next.awake) return true;
  next.awake = true;
  Notify(next);
  return true;
}

Work LaneCore::Rest(uint8_t slot) {
  if (count(SlotState::kIdle) - lingering_ >= settings_.kept) {
    if (settings_.linger == Duration::zero()) {
      return Begin(Act::kClose, slot, SlotState::kClosing, CloseReason::kOverflow);
    }
  }
  PushIdle(slot);
  LetLinger();
  return {};
}

// What is above the kept number at rest lingers: those that have rested longest.
void LaneCore::LetLinger() {
  if (count(SlotState::kIdle) - lingering_ <= settings_.kept) return;
  uint8_t slot = idle_top_;
  for (int depth = 0; depth < settings_.kept; ++depth) slot = slots_[slot].idle_below;
  for (; slot != kNoSlot; slot = slots_[slot].idle_below) {
    Slot& s = slots_[slot];
    if (s.lingers) continue;
    s.lingers = true;
    // From its return: maintenance in between does not prolong it.
    s.linger_until = Later(s.rested, settings_.linger);
    ++lingering_;
  }
}

// ---- Leases -------------------------------------------------------------------------------------

// A long hold weighs as much as two short ones, so that a single one, whose holder was kept from
// running, changes nothing. Of a hold that the word began only a part may be known.
void LaneCore::NoteHold(const Slot& slot, TimePoint now) {
  if (now - slot.lent >= kShortHold) {
    long_holds_ = std::min(long_holds_ + 2, kMostLongHolds);
  } else if (!slot.lent_earlier && long_holds_ > 0) {
    --long_holds_;
  }
}

Work LaneCore::Return(uint8_t slot, ReturnAs as, CloseReason reason, TimePoint now) {
  Slot& s = slots_[slot];
  ROOST_CHECK(s.state == SlotState::kLeased, "a slot was returned that is not leased");
  ++ended_;
  NoteHold(s, now);
  s.rested = s.tended = s.looked = now;
  s.holder = 0;
  Work work;
  const CloseReason stale = WhyStale(s, now);
  if (as == ReturnAs::kBroken) {
    work = Begin(Act::kClose, slot, SlotState::kClosing, reason);
  } else if (stale != CloseReason::kNone) {
    work = Begin(Act::kClose, slot, SlotState::kClosing, stale);
  } else if (as == ReturnAs::kDirty) {
    work = Begin(Act::kReset, slot, SlotState::kResetting);
  } else if (as == ReturnAs::kWantsMaintenance) {
    work = Begin(Act::kMaintain, slot, SlotState::kPinging);
  } else {
    work = Offer(slot, now, /*handed_off=*/true);
  }
  Prod(now);
  return work;
}

void LaneCore::Detach(uint8_t slot, TimePoint now) {
  ROOST_CHECK(slots_[slot].state == SlotState::kLeased, "a slot was detached that is not leased");
  ++ended_;
  Empty(slot);
  Prod(now);
}

}  // namespace roost::core
