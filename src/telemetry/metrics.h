// telemetry/metrics.h - a pool's metrics and settings for programs that show all of them: keys,
// percentiles, what an operator should look at.
//
// Threads:  any
// Blocks:   never
// Memory:   none
#ifndef ROOST_TELEMETRY_METRICS_H_
#define ROOST_TELEMETRY_METRICS_H_

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/json_writer.h"
#include "base/percentiles.h"
#include "base/text.h"
#include "roost/settings.h"
#include "roost/stats.h"

namespace roost::telemetry {

// The member's name in JSON: "in_use", and with its unit for spans of time: "longest_hold_s".
using MetricKey = internal::BoundedText<63>;
MetricKey KeyOf(const Metric& metric);

// What is shown of a Histogram.
internal::Percentiles HistogramPercentiles(const Histogram& spans);

// Writes every metric as a member of the object that is open. Histograms are flat (wait_p50_s,
// wait_p99_s, wait_max_s); of the closes and statements only the reasons and
// codes that there were.
void WriteMetrics(internal::JsonWriter& json, const Stats& stats);

// Writes every setting as a member of the object that is open, spans with their unit in the name
// (pool_timeout_s), and the capacity.
void WriteSettings(internal::JsonWriter& json, const PoolSettings& settings);

// Calls `visit(count, text)` for what has gone wrong, as Metric::trouble says it: 3, "timed out".
template <class Visit>
void ForEachTrouble(const Stats& stats, Visit&& visit) {
  uint64_t sum = 0;
  std::string_view text;
  ForEachMetric(stats, [&](const Metric& metric, const auto& count) {
    if constexpr (std::is_same_v<decltype(count), const uint64_t&>) {
      if (metric.trouble != text) {
        if (sum > 0) visit(sum, text);
        sum = 0;
        text = metric.trouble;
      }
      if (!text.empty()) sum += count;
    }
  });
  if (sum > 0) visit(sum, text);
}

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_METRICS_H_
