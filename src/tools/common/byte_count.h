// tools/common/byte_count.h - amounts of storage as people write them in arguments: 64M, 1G, 131072.
#ifndef ROOST_TOOLS_COMMON_BYTE_COUNT_H_
#define ROOST_TOOLS_COMMON_BYTE_COUNT_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace roost::tools {

// "131072", "128K", "1.5G", "64MiB", "64MB" as bytes; each unit is 1024 of the one before, with or without
// "iB" or "B" behind it, and in either case. Never negative, at most 2^62. kInvalidArgument with a sentence that says what is
// wrong and what would be right.
absl::StatusOr<int64_t> ParseByteCount(std::string_view text);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_BYTE_COUNT_H_
