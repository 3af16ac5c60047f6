// pool/retry.cc - the pauses between attempts of one transaction.

#include <algorithm>

#include "core/sizing.h"
#include "roost/transaction.h"

namespace roost::internal {

bool RetryPause::Wait(Platform& platform, Deadline deadline) {
  constexpr Duration kFirst = std::chrono::milliseconds(1);
  constexpr int kDoublings = 7;
  constexpr Duration kLongest = std::chrono::milliseconds(100);
  const Duration longest = std::min(kFirst * (1 << std::min(attempts_, kDoublings)), kLongest);
  ++attempts_;
  const Duration pause = longest / 2 + longest / 2 * (platform.Random() % 1024) / 1024;
  const Deadline until = Deadline::After(platform.Now(), pause);
  if (deadline < until) return false;
  const std::atomic<uint32_t> never_woken{0};
  while (platform.Wait(never_woken, 0, until)) {
  }
  return true;
}

}  // namespace roost::internal
