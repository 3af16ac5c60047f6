// core/tuning.cc - other sizes and times, while leases, waiters and opens are under way.

#include "core/checks.h"
#include "core/lane_core.h"

namespace roost::core {

void LaneCore::Tune(int core_size, int limit, bool recycle_changed, TimePoint now) {
  for (Slot& s : slots_.all()) {
    const bool is_open = s.state != SlotState::kEmpty && s.state != SlotState::kBackingOff &&
                         s.state != SlotState::kOpening;
    if (recycle_changed && is_open) s.expires_at = ExpiryOf(s, *settings_);
  }
  slots_.Resize(core_size, limit, settings_->linger);
  WakeSomeoneIfNeeded(now);
}

}  // namespace roost::core
