// Spans of time for people: three digits, the unit that reads best.
#include "base/duration.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

namespace roost::internal {
namespace {

using namespace std::chrono_literals;

TEST(FormatDurationTest, TakesTheUnitThatReadsBest) {
  EXPECT_EQ(FormatDuration(0ns), "0 ns");
  EXPECT_EQ(FormatDuration(999ns), "999 ns");
  EXPECT_EQ(FormatDuration(850us), "850 us");
  EXPECT_EQ(FormatDuration(12500us), "12.5 ms");
  EXPECT_EQ(FormatDuration(3200ms), "3.2 s");
  EXPECT_EQ(FormatDuration(90s), "90 s");
  EXPECT_EQ(FormatDuration(5min), "5 min");
  EXPECT_EQ(FormatDuration(150min), "2.5 h");
  EXPECT_EQ(FormatDuration(72h), "3 d");
}

TEST(BetweenTest, IsTheSpanOrTheLongestThatADurationHolds) {
  EXPECT_EQ(Between(1, 3), 2us);
  EXPECT_EQ(Between(3, 1), -2us);
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  constexpr auto kLongest = std::chrono::duration_cast<std::chrono::microseconds>(Duration::max());
  EXPECT_EQ(Between(kFirst, 1), kLongest);
  EXPECT_EQ(Between(kFirst, kLast), kLongest);
  EXPECT_EQ(Between(0, kLast), kLongest);
  EXPECT_EQ(Between(kLast, kFirst), -kLongest);
  EXPECT_EQ(Between(1, kFirst), -kLongest);
}

TEST(TimeOfDayTest, IsOfTheDayInUtcAlsoBefore1970) {
  const auto text = [](int64_t unix_micros) {
    std::array<char, 16> buffer;
    Text out(buffer);
    out.Add(TimeOfDay{unix_micros});
    return std::string(out.view());
  };
  EXPECT_EQ(text(0), "00:00:00Z");
  EXPECT_EQ(text(1'700'000'000'999'999), "22:13:20Z");
  EXPECT_EQ(text(86'399'999'999), "23:59:59Z");
  EXPECT_EQ(text(-1), "23:59:59Z");
}

TEST(BriefTest, HasThreeDigitsThatStandForSomething) {
  EXPECT_EQ(FormatDuration(0ns), "0 ns");
  EXPECT_EQ(FormatDuration(1234ns), "1.23 us");
  EXPECT_EQ(FormatDuration(12345ns), "12.3 us");
  EXPECT_EQ(FormatDuration(123456ns), "123 us");
  EXPECT_EQ(FormatDuration(1001us), "1 ms") << "no zeros at the end";
  EXPECT_EQ(FormatDuration(1010us), "1.01 ms");
  EXPECT_EQ(FormatDuration(9996us), "10 ms") << "rounded up into one digit more";
  EXPECT_EQ(FormatDuration(999600ns), "1000 us") << "the unit is chosen before rounding";
}

TEST(BriefTest, ALongerUnitBeginsAtTwoOfIt) {
  EXPECT_EQ(FormatDuration(119s), "119 s");
  EXPECT_EQ(FormatDuration(120s), "2 min");
  EXPECT_EQ(FormatDuration(119min), "119 min");
  EXPECT_EQ(FormatDuration(120min), "2 h");
  EXPECT_EQ(FormatDuration(47h), "47 h");
  EXPECT_EQ(FormatDuration(48h), "2 d");
}

TEST(BriefTest, TakesEverySpan) {
  EXPECT_EQ(FormatDuration(-1500ms), "-1.5 s");
  EXPECT_EQ(FormatDuration(Duration::max()), "106752 d");
  EXPECT_EQ(FormatDuration(Duration::min()), "-106752 d");
}

TEST(SecondsTest, TakeEverySpan) {
  BoundedText<40> text;
  text.Add(Seconds{Duration::min(), 9});
  EXPECT_EQ(std::string_view(text), "-9223372036.854775808");
}

TEST(SpokenTest, WhatIsBeforeIsInMicroseconds) {
  BoundedText<40> text;
  text.Add(Spoken{-2ms});
  EXPECT_EQ(std::string_view(text), "-2000 us");
}

TEST(DurationUnitsTest, AreInOrderAndEachBeginsWhereTheOneBeforeEnds) {
  for (size_t i = 1; i < std::size(kDurationUnits); ++i) {
    EXPECT_GT(kDurationUnits[i].length, kDurationUnits[i - 1].length);
    EXPECT_GE(kDurationUnits[i].from, kDurationUnits[i].length);
  }
}

}  // namespace
}  // namespace roost::internal
