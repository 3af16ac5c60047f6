// From the server's text to a value, and moments both ways.
#include "backends/postgres/values.h"

#include <cmath>
#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

using Type = Value::Type;

TEST(ValuesTest, NumbersAndTruthAreReadByTheirType) {
  EXPECT_EQ(ReadColumn(kInt2, "-32768").int64(), -32768);
  EXPECT_EQ(ReadColumn(kInt4, "2147483647").int64(), 2147483647);
  EXPECT_EQ(ReadColumn(kInt8, "-9223372036854775808").int64(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(ReadColumn(kOid, "4294967295").int64(), 4294967295);
  EXPECT_EQ(ReadColumn(kFloat4, "0.1").real(), 0.1);
  EXPECT_EQ(ReadColumn(kFloat8, "1.7976931348623157e+308").real(),
            std::numeric_limits<double>::max());
  EXPECT_TRUE(std::isinf(ReadColumn(kFloat8, "-Infinity").real()));
  EXPECT_TRUE(std::isnan(ReadColumn(kNumeric, "NaN").real()));
  EXPECT_EQ(ReadColumn(kNumeric, "12345678.875").real(), 12345678.875);
  EXPECT_TRUE(ReadColumn(kBool, "t").is_boolean());
  EXPECT_EQ(ReadColumn(kBool, "t").int64(), 1);
  EXPECT_EQ(ReadColumn(kBool, "f").int64(), 0);
}

TEST(ValuesTest, AWholeNumericThatFitsIsAnInteger) {
  EXPECT_EQ(ReadColumn(kNumeric, "9223372036854775807").int64(), INT64_MAX);
  EXPECT_EQ(ReadColumn(kNumeric, "-9223372036854775808").int64(), INT64_MIN);
  EXPECT_EQ(ReadColumn(kNumeric, "0").type(), Type::kInt64);
  EXPECT_EQ(ReadColumn(kNumeric, "9223372036854775808").type(), Type::kDouble);
  EXPECT_EQ(ReadColumn(kNumeric, "3.0").type(), Type::kDouble);
}

TEST(ValuesTest, AMomentOutOfBoundsIsTextAndNotAnother) {
  for (const std::string_view text :
       {"0000-01-01 00:00:00+00", "9223372036854775807-01-01 00:00:00+00",
        "4715-01-01 00:00:00+00 BC", "2024-01-01 9223372036854775807:00:00", "2024-01-01 00:60:00",
        "2024-01-01 00:00:61", "2024-01-01 00:00:00+99", "2024-01-01 00:00:00+9223372036854775807",
        "2024-01-01 00:00:00-00:9223372036854775807"}) {
    EXPECT_EQ(ReadMoment(text), std::nullopt) << text;
  }
}

TEST(ValuesTest, NoMomentIsWrittenAsInfinity) {
  std::array<std::byte, 8> binary{};
  constexpr int64_t k2000 = 946'684'800'000'000;
  EXPECT_FALSE(WriteMoment(Micros{INT64_MIN + k2000}, binary));
  EXPECT_TRUE(WriteMoment(Micros{INT64_MIN + k2000 + 1}, binary));
}

TEST(ValuesTest, WhatIsNotKnownOrCannotBeReadIsText) {
  EXPECT_EQ(ReadColumn(2950, "a-uuid").text(), "a-uuid");
  EXPECT_EQ(ReadColumn(kText, "").type(), Type::kText);
  EXPECT_EQ(ReadColumn(kTimestamptz, "infinity").type(), Type::kText);
  EXPECT_EQ(ReadColumn(kTimestamptz, "Tue 14 Nov 22:13:20 2023").type(), Type::kText);
  EXPECT_EQ(ReadColumn(kInt8, "12x").type(), Type::kText);
  EXPECT_EQ(ReadColumn(kNumeric, "").type(), Type::kText);
}

struct Moment {
  std::string_view text;
  int64_t micros;
};

TEST(ValuesTest, MomentsAreReadInEveryOffset) {
  constexpr Moment kMoments[] = {
      {"1970-01-01 00:00:00+00", 0},
      {"1970-01-01 00:00:00", 0},
      {"2023-11-14 22:13:20.123456+00", 1'700'000'000'123'456},
      {"2023-11-15 03:43:20.123456+05:30", 1'700'000'000'123'456},
      {"2023-11-14 14:13:20.123456-08", 1'700'000'000'123'456},
      {"2023-11-14 22:13:20.5+00", 1'700'000'000'500'000},
      {"1969-12-31 23:59:59.999999+00", -1},
      {"2024-02-29 00:00:00+00", 1'709'164'800'000'000},
      {"1900-01-01 00:19:32+00:19:32", -2'208'988'800'000'000},
      {"0001-01-01 00:00:00+00", -62'135'596'800'000'000},
      {"0001-12-31 00:00:00+00 BC", -62'135'683'200'000'000},
      {"4713-01-01 00:00:00+00 BC", -210'863'520'000'000'000},
  };
  for (const Moment& moment : kMoments) {
    const std::optional<Micros> read = ReadMoment(moment.text);
    ASSERT_TRUE(read.has_value()) << moment.text;
    EXPECT_EQ(read->count, moment.micros) << moment.text;
  }
}

TEST(ValuesTest, WhatIsNoMomentIsRefused) {
  for (const std::string_view text :
       {"", "294276-12-31 23:59:59.999999+00", "infinity", "-infinity", "2023-11-14",
        "2023-11-14 22:13", "2023-11-14 22:13:20 x", "14/11/2023 22:13:20", "2023-13-14 22:13:20",
        "2023-11-14 22:13:20.+00", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20+",
        "99999999999999999999-01-01 00:00:00"}) {
    EXPECT_FALSE(ReadMoment(text).has_value()) << text;
  }
}

TEST(ValuesTest, MomentsAreWrittenSince2000) {
  std::array<std::byte, 8> out;
  ASSERT_TRUE(WriteMoment(Micros{946'684'800'000'001}, out));
  EXPECT_EQ(out, (std::array<std::byte, 8>{{{}, {}, {}, {}, {}, {}, {}, std::byte{1}}}));
  ASSERT_TRUE(WriteMoment(Micros{946'684'799'999'999}, out));
  for (const std::byte byte : out) EXPECT_EQ(byte, std::byte{0xFF});
  EXPECT_FALSE(WriteMoment(Micros{std::numeric_limits<int64_t>::min()}, out));
}

TEST(ValuesTest, BytesAreDecodedInPlaceAndCanBeReadTwice) {
  std::string text = "\\x00fFA0";
  ASSERT_TRUE(DecodeHex(text));
  for (int i = 0; i < 2; ++i) {
    const Blob blob = ReadColumn(kBytea, text).blob();
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(blob.data()), blob.size()),
              std::string_view("\0\xFF\xA0", 3));
  }
  std::string nothing = "\\x";
  ASSERT_TRUE(DecodeHex(nothing));
  EXPECT_EQ(ReadColumn(kBytea, nothing).type(), Type::kBlob);
  EXPECT_TRUE(ReadColumn(kBytea, nothing).blob().empty());
}

TEST(ValuesTest, BytesInAnotherFormAreNotGuessed) {
  for (const char* const text : {"abc\\000", "", "\\xzz"}) {
    std::string copy(text);
    EXPECT_FALSE(DecodeHex(copy)) << text;
  }
}

}  // namespace
}  // namespace roost::postgres
