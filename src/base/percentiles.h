// base/percentiles.h - what is told of many spans of time: the usual one, a long one, the
// longest.
//
// Threads:  any
// Blocks:   never
// Memory:   the spans that are handed over; the string of FormatPercentiles
#ifndef ROOST_BASE_PERCENTILES_H_
#define ROOST_BASE_PERCENTILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"
#include "roost/deadline.h"

namespace roost::internal {

struct Percentiles {
  uint64_t count = 0;
  Duration p50{};
  Duration p99{};
  Duration max{};
};

// By nearest rank: each is one of the spans. All zero when there are none.
Percentiles PercentilesOf(std::vector<Duration> spans);

// As a piece of a Text: "p50 12 us, p99 80 us, max 1.2 ms".
void Put(Text& text, const Percentiles& percentiles);
// The same as a string.
std::string FormatPercentiles(const Percentiles& percentiles);

}  // namespace roost::internal

#endif  // ROOST_BASE_PERCENTILES_H_
