// core/tuning.cc - other sizes and times, while leases, waiters and opens are under way.

#include "core/checks.h"
#include "core/lane_core.h"

namespace roost::core {

void LaneCore::Tune(int core_size, int limit, bool ages_changed, TimePoint now) {
  if (ages_changed) {
    for (Slot& s : slots_.all()) s.expires_at = ExpiryOf(s, *settings_);
  }
  slots_.Resize(core_size, limit, settings_->linger, /*recalls=*/ages_changed);
  WakeSomeoneIfNeeded(now);
}

}  // namespace roost::core
