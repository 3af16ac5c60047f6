// tools/roostctl/selftest/run.h - runs checks one after the other, each for a bounded time.
//
// Threads:  one at a time for a check, besides the caller's
// Blocks:   up to kRunLimit
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_RUN_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_RUN_H_

#include <functional>
#include <optional>
#include <vector>

#include "tools/roostctl/selftest/check.h"

namespace roost::tools::selftest {

// The whole run. What has not begun by then is skipped.
inline constexpr Duration kRunLimit = std::chrono::seconds(55);
// What a check is given beyond its limit, to come back by itself.
inline constexpr Duration kGrace = std::chrono::seconds(1);

struct Run {
  std::vector<Finding> findings;
  Duration took{};
  int signal = 0;            // that ended it early; 0: none
  bool left_behind = false;  // a thread still hangs: leave the program with _exit

  int Count(Verdict verdict) const;
};

// Calls `on_finding` with each finding as it comes. SIGINT, SIGTERM and SIGHUP end the run.
// `quick` leaves out slow checks. REQUIRES: what `setup` and `platform` name outlives the program.
Run RunChecks(std::span<const Check* const> checks, const Setup& setup, Platform& platform,
              bool quick, const std::function<void(const Finding&)>& on_finding);

}  // namespace roost::tools::selftest

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_RUN_H_
