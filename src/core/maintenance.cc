// core/maintenance.cc - what falls due beside callers: recycling, lingering, keep-alive, opening ahead.

#include <algorithm>

#include "core/checks.h"
#include "core/lane_core.h"

namespace roost::core {
namespace {

// The housekeeper has a reason to open. While the database is away it tries even if no caller
// waits, so that the next caller finds it back.
bool HousekeeperMayOpen(const PoolSettings& settings, int shortage, bool is_away) {
  return settings.open_by == OpenBy::kHousekeeper && (shortage > 0 || is_away);
}

}  // namespace

Action LaneCore::NextMaintenance(TimePoint now) {
  EndBackoff(now);
  for (uint8_t slot = 0; slot < slots_.size(); ++slot) {
    const Action action = MaintenanceOf(slot, now);
    if (action) return action;
  }
  if (HousekeeperMayOpen(*settings_, Shortage(), availability_.is_away()) && MayOpen(now))
    return slots_.BeginOpen();
  WakeSomeoneIfNeeded(now);
  return {};
}

Action LaneCore::MaintenanceOf(uint8_t slot, TimePoint now) {
  const Slot& s = slots_[slot];
  if (s.state != SlotState::kIdle) return {};
  const CloseReason stale = WhyToClose(s, now);
  if (stale != CloseReason::kNone) return slots_.BeginOnIdle(ActionKind::kClose, slot, stale);
  if (s.lingers && now >= s.linger_until) {
    if (slots_.resting() >= slots_.core_size()) {
      return slots_.BeginOnIdle(ActionKind::kClose, slot, CloseReason::kLingered);
    }
    slots_.StopLingering(slot);
  }
  if (settings_->idle_limit > Duration::zero() && now - s.idle_since >= settings_->idle_limit) {
    return slots_.BeginOnIdle(ActionKind::kClose, slot, CloseReason::kIdle);
  }
  if (settings_->keep_alive > Duration::zero() &&
      now - s.maintained_at >= KeepAliveAge(s, *settings_)) {
    return slots_.BeginOnIdle(ActionKind::kMaintain, slot);
  }
  return {};
}

TimePoint LaneCore::NextDue() const {
  TimePoint due = TimePoint::max();
  for (const Slot& s : slots_.all()) {
    if (s.state != SlotState::kIdle) continue;
    if (s.evict_reason != CloseReason::kNone) return TimePoint::min();
    due = std::min(due, Later(s.expires_at, Duration(1)));
    if (s.lingers) due = std::min(due, s.linger_until);
    if (settings_->idle_limit > Duration::zero()) {
      due = std::min(due, Later(s.idle_since, settings_->idle_limit));
    }
    if (settings_->keep_alive > Duration::zero()) {
      due = std::min(due, Later(s.maintained_at, KeepAliveAge(s, *settings_)));
    }
  }
  if (HousekeeperMayOpen(*settings_, Shortage(), availability_.is_away()) && !closed_ && !paused_ &&
      HasRoom(slots_) &&
      slots_.count(SlotState::kOpening) < MostOpens(*settings_, availability_.failures())) {
    due = std::min(due, availability_.retry_at());
  }
  return due;
}

Action LaneCore::NextFill(int target, TimePoint now) {
  EndBackoff(now);
  if (slots_.live() + slots_.count(SlotState::kOpening) >= target || !MayOpen(now)) return {};
  return slots_.BeginOpen();
}

Action LaneCore::NextEvicted() {
  for (uint8_t slot = 0; slot < slots_.size(); ++slot) {
    const Slot& s = slots_[slot];
    if (s.state != SlotState::kIdle) continue;
    const CloseReason reason = closed_ ? CloseReason::kPoolClosed : s.evict_reason;
    if (reason != CloseReason::kNone) return slots_.BeginOnIdle(ActionKind::kClose, slot, reason);
  }
  return {};
}

}  // namespace roost::core
