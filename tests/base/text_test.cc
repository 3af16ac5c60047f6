// Text in a buffer of a fixed size: cut to fit, rounded as people expect.
#include "base/text.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/duration.h"

namespace roost::internal {
namespace {

using namespace std::chrono_literals;

template <class... Pieces>
std::string Written(const Pieces&... pieces) {
  std::array<char, 128> buffer;
  Text text(buffer);
  text.Add(pieces...);
  return std::string(text.view());
}

TEST(TextTest, PiecesStandOneAfterTheOther) {
  EXPECT_EQ(Written("slot ", 3, " of ", std::string_view("pool"), ""), "slot 3 of pool");
}

TEST(TextTest, NumbersAreWholeToTheirEnds) {
  EXPECT_EQ(Written(0, " ", -7), "0 -7");
  EXPECT_EQ(Written(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Written(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
}

TEST(TextTest, SecondsAreRoundedToTheDigitsAskedFor) {
  EXPECT_EQ(Written(Seconds{30s}), "30.00");
  EXPECT_EQ(Written(Seconds{1994999us}), "1.99");
  EXPECT_EQ(Written(Seconds{1995ms}), "2.00");
  EXPECT_EQ(Written(Seconds{-1500ms}), "-1.50");
  EXPECT_EQ(Written(Seconds{1000042us, 6}), "1.000042");
  EXPECT_EQ(Written(Seconds{1500ms, 0}), "2");
  EXPECT_EQ(Written(Seconds{Duration::max(), 9}), "9223372036.854775807");
}

TEST(TextTest, ASpanIsSpokenInItsOwnUnit) {
  EXPECT_EQ(Written(Spoken{0ns}), "0 us");
  EXPECT_EQ(Written(Spoken{849600ns}), "850 us");
  EXPECT_EQ(Written(Spoken{12340us}), "12.3 ms");
  EXPECT_EQ(Written(Spoken{1236ms}), "1.24 s");
  EXPECT_EQ(Written(Spoken{119990ms}), "119.99 s");
  EXPECT_EQ(Written(Spoken{200900ms}), "3 min 20 s");
}

TEST(TextTest, WhatDoesNotFitIsCutAndEndsInAZero) {
  std::array<char, 8> buffer;
  buffer.fill('#');
  Text text(std::span<char>(buffer).first(6));
  text.Add("abc", 12345);
  EXPECT_EQ(text.view(), "abc12");
  EXPECT_EQ(buffer[5], '\0');
  EXPECT_EQ(buffer[6], '#');
  text.Add("more", 1, Seconds{1s}, Spoken{1s});
  EXPECT_EQ(text.view(), "abc12");
}

TEST(TextTest, NoRoomAtAllIsNoneTouched) {
  Text nothing{std::span<char>()};
  nothing.Add("abc", 1);
  EXPECT_EQ(nothing.view(), "");
}

TEST(TextTest, IsCutBetweenTwoCharacters) {
  std::array<char, 5> buffer;
  Text text(buffer);
  text.Add("ab", "\xe2\x82\xac");  // the euro takes three bytes, two are left
  EXPECT_EQ(text.view(), "ab");
}

TEST(TextTest, ACharacterIsNoNumber) {
  EXPECT_EQ(Written('7', int8_t{7}, ' ', uint8_t{65}), "77 65");
}

TEST(BoundedTextTest, OwnsWhatItIsMadeOf) {
  BoundedText<8> text("away");
  EXPECT_EQ(text.Add(" for ", 7), text);
  EXPECT_EQ(std::string_view(text), "away for");
  const BoundedText<8> copy = text;
  text.clear();
  EXPECT_TRUE(text.empty());
  EXPECT_STREQ(text.c_str(), "");
  EXPECT_STREQ(copy.c_str(), "away for");
  EXPECT_EQ(std::string_view(BoundedText<4>().Add("abc\xc3\xa9")), "abc");
}

TEST(ConcatTest, PutsThePiecesTogether) {
  EXPECT_EQ(Concat({"a ", std::string("b"), "", Digits(-7)}), "a b-7");
}

}  // namespace
}  // namespace roost::internal
