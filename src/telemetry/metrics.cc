#include "telemetry/metrics.h"

#include <array>
#include <span>
#include <type_traits>

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
    Counts<CloseReason>(metric, closes);
  }
  void operator()(const Metric& metric, const decltype(Stats::statements)& statements) {
    Counts<absl::StatusCode>(metric, statements);
  }
  void operator()(const Metric& metric, const auto& value) { json_.Member(KeyOf(metric), value); }

 private:
  // Those that there were, by the names of `E`.
  template <class E>
  void Counts(const Metric& metric, std::span<const uint64_t> counts) {
    json_.Name(metric.name);
    json_.BeginObject();
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > 0) json_.Member(Name(static_cast<E>(i)), counts[i]);
    }
    json_.EndObject();
  }

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

void WriteSettings(internal::JsonWriter& json, const PoolSettings& settings) {
  ForEachSetting(settings, [&json]<class T>(const Setting& setting, const T& member) {
    MetricKey key(setting.name);
    if (setting.unit == "s") key.Add("_s");
    if constexpr (std::is_enum_v<T>) {
      json.Member(key, Name(member));
    } else {
      json.Member(key, member);
    }
  });
  json.Member("capacity", settings.capacity());
}

}  // namespace roost::telemetry
