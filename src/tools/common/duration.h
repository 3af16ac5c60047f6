// src/tools/common/duration.h - spans of time as people write them: 50ms, 2s, 5m, 1h.
#ifndef SRC_TOOLS_COMMON_DURATION_H_
#define SRC_TOOLS_COMMON_DURATION_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "roost/deadline.h"

namespace roost::tools {

// "50ms", "1.5s", "5m", "1h", "2d", "100us", "10ns" as a span; never negative. kInvalidArgument
// with a sentence that says what is wrong and what would be right.
absl::StatusOr<Duration> ParseDuration(std::string_view text);

// A span with its unit and three digits or so: "850 us", "12.5 ms", "3.2 s", "5 min", "2.5 h".
std::string FormatDuration(Duration span);

// The same in seconds, for JSON.
constexpr double Seconds(Duration span) { return std::chrono::duration<double>(span).count(); }

}  // namespace roost::tools

#endif  // SRC_TOOLS_COMMON_DURATION_H_
