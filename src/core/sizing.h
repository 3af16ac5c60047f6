// core/sizing.h - the pool's arithmetic as free functions of numbers. No state, no clock, no chance of
// its own.
#ifndef ROOST_CORE_SIZING_H_
#define ROOST_CORE_SIZING_H_

#include <algorithm>
#include <cstdint>

#include "roost/deadline.h"
#include "roost/types.h"

namespace roost::core {

// How the slots of a pool are divided into lanes.
struct LaneSplit {
  int lanes = 1;
  int core_size[2] = {0, 0};
  int overflow[2] = {0, 0};
  Role role[2] = {Role::kAny, Role::kReader};
};

// One lane for a backend whose connections are alike, and for a pool of a single slot; else one
// writer, pool_size - 1 readers that stay open, and max_overflow overflow readers.
constexpr LaneSplit SplitLanes(LanePlan plan, int pool_size, int max_overflow) {
  LaneSplit split;
  if (plan == LanePlan::kOne || pool_size + max_overflow == 1) {
    split.core_size[0] = pool_size;
    split.overflow[0] = max_overflow;
    return split;
  }
  split.lanes = 2;
  split.core_size[0] = 1;
  split.role[0] = Role::kWriter;
  split.core_size[1] = pool_size - 1;
  split.overflow[1] = max_overflow;
  return split;
}

// A tenth of `span` at most, in proportion to `random` (0: nothing, 2^32-1: the tenth).
constexpr Duration TenthOf(Duration span, uint32_t random) {
  // Divided first and without a sign, so that no product overflows for any span.
  // REQUIRES: span >= 0.
  constexpr uint64_t kAll = 4294967295;
  const auto tenth = static_cast<uint64_t>(span.count()) / 10;
  return Duration(static_cast<int64_t>(tenth / kAll * random + tenth % kAll * random / kAll));
}

// The age above which a connection is recycled: pool_recycle less up to a tenth of it, so that
// connections opened together do not die together. REQUIRES: recycle > 0.
constexpr Duration RecycleAge(Duration recycle, uint32_t random) {
  return recycle - TenthOf(recycle, random);
}

// How long nothing is opened after the `failures`-th failed open in a row: nothing after the first,
// then `min`, doubling up to `max`; of which between half and all, in proportion to `random` (0:
// all of it), so that nodes do not come back in step. An error that needs a person waits the
// longest at once.
constexpr Duration BackoffPause(int failures, bool permanent, Duration min, Duration max,
                                uint32_t random) {
  if (failures < 2 && !permanent) return Duration::zero();
  Duration pause = permanent ? max : min;
  for (int i = 2; i < failures && pause < max; ++i) {
    pause = pause > max / 2 ? max : pause * 2;
  }
  return pause - 5 * TenthOf(pause, random);
}

// `span` after `moment`; the end of time where it would overflow.
constexpr TimePoint Later(TimePoint moment, Duration span) {
  return Deadline::After(moment, span).time();
}

// How many more connections callers need than are on their way to them.
constexpr int Shortage(int waiting, int coming) { return std::max(0, waiting - coming); }

}  // namespace roost::core

#endif  // ROOST_CORE_SIZING_H_
