// lane_upkeep.cc - what changes for all of a lane at once, and the chores of its housekeeper.

#include <algorithm>

#include "core/lane_core.h"

namespace roost::core {

// ---- The state of the world ---------------------------------------------------------------------

void LaneCore::SuspectOlder(TimePoint moment) {
  ++epoch_;
  for (Slot& s : slots_) {
    const bool exists = s.state != SlotState::kEmpty && s.state != SlotState::kOpening &&
                        s.state != SlotState::kBackingOff && s.state != SlotState::kClosing;
    if (exists && s.born <= moment) s.suspect = true;
  }
}

void LaneCore::EvictOlder(TimePoint moment, CloseReason reason) {
  ++epoch_;
  for (Slot& s : slots_) {
    const bool exists = s.state == SlotState::kIdle || s.state == SlotState::kPinging ||
                        s.state == SlotState::kLeased || s.state == SlotState::kResetting;
    if (exists && s.born <= moment && s.evict == CloseReason::kNone) s.evict = reason;
  }
}

void LaneCore::EvictAll(CloseReason reason) {
  ++epoch_;
  for (Slot& s : slots_) {
    const bool none = s.state == SlotState::kEmpty || s.state == SlotState::kBackingOff;
    if (!none && s.evict == CloseReason::kNone) s.evict = reason;
  }
}

void LaneCore::Resume(TimePoint now) {
  paused_ = false;
  // Everybody in line that can be served at once is; the rest looks again.
  Waiter* next = nullptr;
  while ((next = line_.NextToServe()) != nullptr && TakeTop(*next, now)) {
  }
  Prod(now);
}

void LaneCore::Close(TimePoint now) {
  closed_ = true;
  retry_at_ = now;
  EndBackoff(now);
  while (line_.front() != nullptr) Decide(*line_.front(), Outcome::kClosed);
}

// ---- Housekeeping -------------------------------------------------------------------------------

Work LaneCore::NextChore(TimePoint now) {
  EndBackoff(now);
  for (uint8_t slot = 0; slot < Size(); ++slot) {
    const Work work = ChoreOf(slot, now);
    if (work) return work;
  }
  // While the database is away the housekeeper asks for it even if nobody waits, so that the next
  // caller finds it back.
  const bool wanted = Shortage(line_.length(), Coming()) > 0 || away_;
  if (settings_.open_by == OpenBy::kHousekeeper && wanted && MayOpen(now)) return StartOpen();
  Prod(now);
  return {};
}

// Up to a tenth is taken off, so that connections opened together do not speak together.
Duration LaneCore::KeepAliveAge(const Slot& slot) const {
  return settings_.keep_alive - TenthOf(settings_.keep_alive, slot.draw);
}

Work LaneCore::ChoreOf(uint8_t slot, TimePoint now) {
  Slot& s = slots_[slot];
  if (s.state != SlotState::kIdle) return {};
  const CloseReason stale = WhyStale(s, now);
  if (stale != CloseReason::kNone) return CloseIdle(slot, stale);
  if (s.lingers && now >= s.linger_until) {
    if (count(SlotState::kIdle) - lingering_ >= settings_.kept) {
      return CloseIdle(slot, CloseReason::kLingered);
    }
    s.lingers = false;  // a kept place has become free: it takes that
    --lingering_;
  }
  if (settings_.idle_limit > Duration::zero() && now - s.rested >= settings_.idle_limit) {
    return CloseIdle(slot, CloseReason::kIdle);
  }
  if (settings_.keep_alive > Duration::zero() && now - s.tended >= KeepAliveAge(s)) {
    RemoveIdle(slot);
    return Begin(Act::kMaintain, slot, SlotState::kPinging);
  }
  return {};
}

TimePoint LaneCore::NextDue() const {
  TimePoint due = TimePoint::max();
  for (const Slot& s : slots_) {
    if (s.state != SlotState::kIdle) continue;
    if (s.evict != CloseReason::kNone) return TimePoint::min();
    due = std::min(due, Later(s.expires, Duration(1)));
    if (s.lingers) due = std::min(due, s.linger_until);
    if (settings_.idle_limit > Duration::zero()) {
      due = std::min(due, Later(s.rested, settings_.idle_limit));
    }
    if (settings_.keep_alive > Duration::zero()) {
      due = std::min(due, Later(s.tended, KeepAliveAge(s)));
    }
  }
  const bool wanted = Shortage(line_.length(), Coming()) > 0 || away_;
  if (settings_.open_by == OpenBy::kHousekeeper && wanted && !closed_ && !paused_ &&
      count(SlotState::kEmpty) + count(SlotState::kBackingOff) > 0 &&
      count(SlotState::kOpening) == 0) {
    due = std::min(due, retry_at_);
  }
  return due;
}

Work LaneCore::NextFill(int target, TimePoint now) {
  EndBackoff(now);
  if (Live() + count(SlotState::kOpening) >= target || !MayOpen(now)) return {};
  return StartOpen();
}

Work LaneCore::NextEvicted() {
  for (uint8_t slot = 0; slot < Size(); ++slot) {
    const Slot& s = slots_[slot];
    if (s.state != SlotState::kIdle) continue;
    if (closed_) return CloseIdle(slot, CloseReason::kPoolClosed);
    if (s.evict != CloseReason::kNone) return CloseIdle(slot, s.evict);
  }
  return {};
}

bool LaneCore::TakeHousekeeperWanted() {
  const bool wanted = housekeeper_wanted_;
  housekeeper_wanted_ = false;
  return wanted;
}

}  // namespace roost::core
