// tools/common/duration.h - spans of time as people write them in arguments: 50ms, 2s, 5m, 1h.
#ifndef ROOST_TOOLS_COMMON_DURATION_H_
#define ROOST_TOOLS_COMMON_DURATION_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "roost/deadline.h"

namespace roost::tools {

// "50ms", "50 ms", "1.5s", "5m", "1h", "2d", "100us", "10ns" as a span; never negative. kInvalidArgument
// with a sentence that says what is wrong and what would be right.
absl::StatusOr<Duration> ParseDuration(std::string_view text);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_DURATION_H_
