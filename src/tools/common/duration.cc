#include "src/tools/common/duration.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace roost::tools {
namespace {

struct Unit {
  std::string_view name;
  double nanos;
};
constexpr Unit kUnits[] = {{"ns", 1},       {"us", 1e3},   {"ms", 1e6},       {"s", 1e9},
                           {"m", 60 * 1e9}, {"h", 3600e9}, {"d", 24 * 3600e9}};

absl::Status Wrong(std::string_view text, std::string_view why) {
  std::string message = "\"" + std::string(text) + "\" " + std::string(why);
  message += "; write a number and a unit: 50ms, 2s, 5m, 1h";
  return absl::InvalidArgumentError(message);
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(std::string_view text) {
  if (text.empty()) return Wrong(text, "is not a span of time");
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number)) {
    return Wrong(text, "is not a span of time: it has to begin with a number");
  }
  if (number < 0) return Wrong(text, "is negative");
  const auto digits = static_cast<size_t>(end - text.data());
  const std::string_view name = text.substr(digits);
  if (name.empty()) return Wrong(text, "has no unit");
  for (const Unit& unit : kUnits) {
    if (name != unit.name) continue;
    const double nanos = number * unit.nanos;
    if (nanos > 9.2e18) return Wrong(text, "is longer than 292 years");
    return Duration(std::llround(nanos));
  }
  return Wrong(text, "has an unknown unit (\"" + std::string(name) + "\")");
}

std::string FormatDuration(Duration span) {
  const double nanos = static_cast<double>(span.count());
  struct Step {
    double below;
    double unit;
    const char* name;
  };
  constexpr Step kSteps[] = {{1e3, 1, "ns"},       {1e6, 1e3, "us"},      {1e9, 1e6, "ms"},
                             {120e9, 1e9, "s"},    {7200e9, 60e9, "min"}, {172800e9, 3600e9, "h"},
                             {1e300, 86400e9, "d"}};
  for (const Step& step : kSteps) {
    if (std::abs(nanos) >= step.below) continue;
    char out[32];
    std::snprintf(out, sizeof out, "%.3g %s", nanos / step.unit, step.name);
    return out;
  }
  return "";
}

}  // namespace roost::tools
