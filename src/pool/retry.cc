// pool/retry.cc - the pauses between attempts of one transaction.

#include "core/sizing.h"
#include "roost/transaction.h"

namespace roost::internal {

bool RetryPause::Wait(Platform& platform, Deadline deadline) {
  constexpr Duration kFirst = std::chrono::milliseconds(1);
  constexpr Duration kLongest = std::chrono::milliseconds(100);
  ++attempts_;
  // The first failed open is not paused for, the first lost race is.
  const Duration pause =
      core::BackoffPause(attempts_ + 1, /*permanent=*/false, kFirst, kLongest, platform.Random());
  const Deadline until = Deadline::After(platform.Now(), pause);
  if (deadline < until) return false;
  const std::atomic<uint32_t> never_woken{0};
  while (platform.Wait(never_woken, 0, until)) {
  }
  return true;
}

}  // namespace roost::internal
