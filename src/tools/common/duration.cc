#include "tools/common/duration.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "base/duration.h"

namespace roost::tools {
namespace {

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
  std::string_view name = text.substr(digits);
  name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
  if (name.empty()) return Wrong(text, "has no unit");
  for (const internal::DurationUnit& unit : internal::kDurationUnits) {
    if (name != unit.written) continue;
    const double nanos = number * static_cast<double>(unit.length.count());
    if (nanos > 9.2e18) return Wrong(text, "is longer than 292 years");
    return Duration(std::llround(nanos));
  }
  return Wrong(text, "has an unknown unit (\"" + std::string(name) + "\")");
}

}  // namespace roost::tools
