// core/invariants.cc - the numbered invariants of lane_core.h as code.

#include "core/lane_core.h"

namespace roost::core {
namespace {

int Length(const WaitQueue& queue) {
  int length = 0;
  for (const Waiter* w = queue.front(); w != nullptr; w = w->next) ++length;
  return length;
}

}  // namespace

const char* LaneCore::CheckInvariants() const {
  if (const char* broken = slots_.CheckInvariants()) return broken;
  if (Shortage() > 0 && slots_.count(SlotState::kIdle) > 0 && !paused_ && !queue_.HasAwake()) {
    return "(3) a caller waits beside an idle slot and no waiter is about to take it";
  }
  const int full = slots_.size();
  if (queue_.length() > settings_->max_waiters + full) return "(4) the wait queue is too long";
  if (queue_.length() > 0 && slots_.count(SlotState::kEmpty) == full && !paused_ &&
      !queue_.HasAwake() && settings_->open_by == OpenBy::kCaller) {
    return "(5) a caller waits and nothing is under way";
  }
  for (const Waiter* w = queue_.front(); w != nullptr; w = w->next) {
    if (w->barged > settings_->max_overtakes) return "(8) a waiter was barged past too often";
  }
  if (Length(queue_) != queue_.length()) return "(7) the queue's length differs from a recount";
  return nullptr;
}

}  // namespace roost::core
