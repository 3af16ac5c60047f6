// Values of MySQL that the others have not, and values that MySQL has not.
#include "backends/mysql/values.h"

#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace roost::mysql {
namespace {

using namespace std::string_view_literals;

MYSQL_TIME Time(unsigned year, unsigned month, unsigned day, unsigned hour = 0, unsigned minute = 0,
                unsigned second = 0, unsigned long micros = 0) {
  MYSQL_TIME time{};
  time.year = year;
  time.month = month;
  time.day = day;
  time.hour = hour;
  time.minute = minute;
  time.second = second;
  time.second_part = micros;
  time.time_type = MYSQL_TIMESTAMP_DATETIME;
  return time;
}

TEST(MysqlMomentTest, IsMicrosecondsInUtc) {
  EXPECT_EQ(ReadMoment(Time(1970, 1, 1)), Micros{0});
  EXPECT_EQ(ReadMoment(Time(2023, 11, 14, 22, 13, 20, 123'456)), Micros{1'700'000'000'123'456});
  EXPECT_EQ(ReadMoment(Time(1969, 12, 31, 23, 59, 59, 999'999)), Micros{-1});
  EXPECT_EQ(ReadMoment(Time(9999, 12, 31, 23, 59, 59, 999'999)), Micros{253'402'300'799'999'999});
}

// Of reports about mysql2, TiDB and ADBC: a date of zeros became an error, 1970, or the year 1.
TEST(MysqlMomentTest, DatesOfZerosAreNoMoments) {
  EXPECT_EQ(ReadMoment(Time(0, 0, 0)), std::nullopt);
  EXPECT_EQ(ReadMoment(Time(1972, 0, 27)), std::nullopt);
  EXPECT_EQ(ReadMoment(Time(1972, 1, 0)), std::nullopt);
  EXPECT_EQ(ReadMoment(Time(2004, 4, 31)), std::nullopt);
  EXPECT_EQ(ReadMoment(Time(2004, 4, 30, 24)), std::nullopt);
}

TEST(MysqlMomentTest, IsWrittenAsTheServerDoes) {
  std::array<char, kTimeText> room;
  EXPECT_EQ(WriteTime(Time(0, 0, 0), room), "0000-00-00 00:00:00");
  EXPECT_EQ(WriteTime(Time(2024, 2, 29, 1, 2, 3, 500'000), room), "2024-02-29 01:02:03.5");
  MYSQL_TIME date = Time(2024, 2, 29);
  date.time_type = MYSQL_TIMESTAMP_DATE;
  EXPECT_EQ(WriteTime(date, room), "2024-02-29");
  MYSQL_TIME span = Time(0, 0, 34, 22, 59, 59);
  span.time_type = MYSQL_TIMESTAMP_TIME;
  span.neg = 1;
  EXPECT_EQ(WriteTime(span, room), "-838:59:59");
}

TEST(MysqlNumberTest, DecimalsAreIntegersWhereTheyAre) {
  EXPECT_EQ(ReadDecimal("42").int64(), 42);
  EXPECT_EQ(ReadDecimal("-9223372036854775808").int64(), INT64_MIN);
  EXPECT_EQ(ReadDecimal("1.50").type(), Value::Type::kDouble);
  EXPECT_EQ(ReadDecimal("1.50").real(), 1.5);
  EXPECT_EQ(ReadDecimal("18446744073709551616").type(), Value::Type::kDouble);
}

TEST(MysqlNumberTest, BitsAreIntegersWhereTheyFit) {
  std::array<char, kTimeText> room;
  EXPECT_EQ(ReadBits("\x05"sv, room).int64(), 5);
  EXPECT_EQ(ReadBits("\x01\x00"sv, room).int64(), 256);
  EXPECT_EQ(ReadBits("\x7f\xff\xff\xff\xff\xff\xff\xff"sv, room).int64(), INT64_MAX);
  const Value most = ReadBits("\xff\xff\xff\xff\xff\xff\xff\xff"sv, room);
  EXPECT_EQ(most.text(), "18446744073709551615");
  EXPECT_EQ(most.unsigned_number(), ~uint64_t{0});
  EXPECT_EQ(ReadBits("\x01\xff\xff\xff\xff\xff\xff\xff\xff"sv, room).type(), Value::Type::kBlob)
      << "no server has so many";
}

TEST(MysqlTextTest, WhatIsNotUtf8IsBytes) {
  EXPECT_EQ(ReadText("Grüße 🐦").type(), Value::Type::kText);
  EXPECT_EQ(ReadText("").type(), Value::Type::kText);
  EXPECT_EQ(ReadText("\xff\xfe"sv).type(), Value::Type::kBlob);
  EXPECT_EQ(ReadText("abc\xc3"sv).type(), Value::Type::kBlob);
  EXPECT_EQ(ReadText("a\0b"sv).type(), Value::Type::kText);
}

TEST(MysqlBindingTest, WhatMySqlHasNotIsRefused) {
  for (const double real : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_EQ(CheckValue(0, Value(real), "SQL").code(), absl::StatusCode::kInvalidArgument);
  }
  const Value too_long{std::chrono::hours::max()};
  EXPECT_EQ(CheckValue(0, too_long, "SQL").code(), absl::StatusCode::kInvalidArgument);
  const std::vector<int64_t> array{1, 2};
  EXPECT_EQ(CheckValue(0, Value(array), "SQL").code(), absl::StatusCode::kInvalidArgument);
  for (const Value& value :
       {Value(), Value(1), Value(1.5), Value("text"), Value(Blob()), Value(~uint64_t{0})}) {
    EXPECT_TRUE(CheckValue(0, value, "SQL").ok());
  }
}

}  // namespace
}  // namespace roost::mysql
