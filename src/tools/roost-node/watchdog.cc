#include "tools/roost-node/watchdog.h"

#include <algorithm>

namespace roost::tools {

bool Watchdog::ShouldFeed(TimePoint now, const SealProgress& progress) {
  if (period_ <= Duration::zero() || now < from_) return false;
  from_ = next_ = now + kLookAgain;
  return !IsStalled(now, progress);
}

bool Watchdog::IsStalled(TimePoint now, const SealProgress& progress) {
  const TimePoint since = std::max(progress.due, progress.answered);
  return now > since && now - since > kSealBound;
}

void Watchdog::Fed(TimePoint now) {
  from_ = now + period_ / 4;
  next_ = now + period_ / 2;
  ++feeds_;
}

}  // namespace roost::tools
