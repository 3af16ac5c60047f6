#include "telemetry/metrics.h"

#include <array>

namespace roost::telemetry {
namespace {

// One kind of member after the other.
class Flat {
 public:
  explicit Flat(internal::JsonWriter& json) : json_(json) {}

  void operator()(const Metric& metric, const Histogram& spans) {
    const internal::Percentiles shown = HistogramPercentiles(spans);
    json_.Member(MetricKey().Add(metric.name, "_p50_s"), shown.p50);
    json_.Member(MetricKey().Add(metric.name, "_p99_s"), shown.p99);
    json_.Member(MetricKey().Add(metric.name, "_max_s"), shown.max);
  }
  void operator()(const Metric& metric, const decltype(Stats::closes)& closes) {
    json_.Name(metric.name);
    json_.BeginObject();
    for (size_t i = 0; i < closes.size(); ++i) {
      if (closes[i] > 0) json_.Member(Name(static_cast<CloseReason>(i)), closes[i]);
    }
    json_.EndObject();
  }
  void operator()(const Metric& metric, const auto& value) { json_.Member(KeyOf(metric), value); }

 private:
  internal::JsonWriter& json_;
};

}  // namespace

MetricKey KeyOf(const Metric& metric) {
  MetricKey key(metric.name);
  if (metric.unit == "s") key.Add("_s");
  return key;
}

internal::Percentiles HistogramPercentiles(const Histogram& spans) {
  return {.count = spans.total(),
          .p50 = spans.Percentile(0.5),
          .p99 = spans.Percentile(0.99),
          .max = spans.max()};
}

void WriteMetrics(internal::JsonWriter& json, const Stats& stats) {
  ForEachMetric(stats, Flat(json));
}

}  // namespace roost::telemetry
