// Amounts of memory as people read them.
#include "base/byte_size.h"

#include <gtest/gtest.h>

#include <limits>

namespace roost::internal {
namespace {

TEST(FormatBytesTest, TakesTheLargestUnitThatThereIsOneOf) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1 KiB");
  EXPECT_EQ(FormatBytes(400 * 1024), "400 KiB");
  EXPECT_EQ(FormatBytes(1536 * 1024), "1.5 MiB");
  EXPECT_EQ(FormatBytes(uint64_t{16} << 20), "16 MiB");
  EXPECT_EQ(FormatBytes(uint64_t{4} << 30), "4 GiB");
  EXPECT_EQ(FormatBytes(uint64_t{3} << 40), "3 TiB");
  EXPECT_EQ(FormatBytes(std::numeric_limits<uint64_t>::max()), "16777216 TiB");
}

TEST(FormatBytesTest, HasFourDigits) {
  EXPECT_EQ(FormatBytes(133096), "130 KiB");
  EXPECT_EQ(FormatBytes(26056), "25.45 KiB");
  EXPECT_EQ(FormatBytes(4360), "4.258 KiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1024 KiB");
}

}  // namespace
}  // namespace roost::internal
