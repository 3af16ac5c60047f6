#include "tools/common/byte_count.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <string>

namespace roost::tools {
namespace {

constexpr std::string_view kUnits = "KMGT";
constexpr double kMost = 4611686018427387904.0;  // 2^62

absl::Status Wrong(std::string_view text, std::string_view why) {
  std::string message = "\"" + std::string(text) + "\" " + std::string(why);
  message += "; write a number of bytes, with K, M, G or T behind it: 131072, 64M, 1.5G";
  return absl::InvalidArgumentError(message);
}

// How many bytes the unit has; 0: it is none.
double UnitOf(std::string_view name) {
  if (name.empty() || name == "B") return 1;
  const size_t power =
      kUnits.find(static_cast<char>(std::toupper(static_cast<unsigned char>(name.front()))));
  if (power == std::string_view::npos) return 0;
  name.remove_prefix(1);
  if (!name.empty() && name != "B" && name != "iB") return 0;
  return std::ldexp(1.0, 10 * (static_cast<int>(power) + 1));
}

}  // namespace

absl::StatusOr<int64_t> ParseByteCount(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number)) {
    return Wrong(text, "is not an amount of bytes: it has to begin with a number");
  }
  if (number < 0) return Wrong(text, "is negative");
  const std::string_view name = text.substr(static_cast<size_t>(end - text.data()));
  const double unit = UnitOf(name);
  if (unit == 0) return Wrong(text, "has an unknown unit (\"" + std::string(name) + "\")");
  if (number * unit > kMost) return Wrong(text, "is more than 2^62 bytes");
  return std::llround(number * unit);
}

}  // namespace roost::tools
