#include "base/percentiles.h"

#include <algorithm>

#include "base/duration.h"

namespace roost::internal {

Percentiles PercentilesOf(std::vector<Duration> spans) {
  if (spans.empty()) return {};
  std::sort(spans.begin(), spans.end());
  const auto at = [&spans](size_t percent) {
    const size_t rank = (spans.size() * percent + 99) / 100;
    return spans[rank - 1];
  };
  return {.count = spans.size(), .p50 = at(50), .p99 = at(99), .max = spans.back()};
}

void Put(Text& text, const Percentiles& percentiles) {
  text.Add("p50 ", Brief{percentiles.p50}, ", p99 ", Brief{percentiles.p99}, ", max ",
           Brief{percentiles.max});
}

std::string FormatPercentiles(const Percentiles& percentiles) {
  BoundedText<127> text;
  text.Add(percentiles);
  return std::string(static_cast<std::string_view>(text));
}

}  // namespace roost::internal
