// What is a character of UTF-8, by the standard and by the form alone.
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace roost::internal {
namespace {

constexpr Utf8Rules kStrict{};

// The sizes by the strict rules, by the standard, by the form alone.
struct Sizes {
  size_t strict;
  size_t standard;
  size_t lax;
};

TEST(Utf8Test, EachRuleRefusesItsOwnAndNothingElse) {
  const struct {
    const char* what;
    std::string text;
    Sizes is;
  } cases[] = {
      {"ASCII", "A", {1, 1, 1}},
      {"NUL", std::string(1, '\0'), {1, 1, 1}},
      {"U+0080, the first C1 control", "\xc2\x80", {0, 2, 2}},
      {"U+009F, the last C1 control", "\xc2\x9f", {0, 2, 2}},
      {"U+00A0", "\xc2\xa0", {2, 2, 2}},
      {"U+07FF", "\xdf\xbf", {2, 2, 2}},
      {"U+07FF in three bytes", "\xe0\x9f\xbf", {0, 0, 3}},
      {"U+0800", "\xe0\xa0\x80", {3, 3, 3}},
      {"U+D7FF", "\xed\x9f\xbf", {3, 3, 3}},
      {"U+D800, the first surrogate", "\xed\xa0\x80", {0, 0, 3}},
      {"U+DFFF, the last surrogate", "\xed\xbf\xbf", {0, 0, 3}},
      {"U+E000", "\xee\x80\x80", {3, 3, 3}},
      {"U+FFFF in four bytes", "\xf0\x8f\xbf\xbf", {0, 0, 4}},
      {"U+10000", "\xf0\x90\x80\x80", {4, 4, 4}},
      {"U+10FFFF", "\xf4\x8f\xbf\xbf", {4, 4, 4}},
      {"110000", "\xf4\x90\x80\x80", {0, 0, 4}},
      // No form of a character, whatever the rules.
      {"a byte that only continues", "\x80", {0, 0, 0}},
      {"C0", "\xc0\xaf", {0, 0, 0}},
      {"C1", "\xc1\xbf", {0, 0, 0}},
      {"F5", "\xf5\x80\x80\x80", {0, 0, 0}},
      {"FF", "\xff", {0, 0, 0}},
      {"cut after the first byte", "\xc3", {0, 0, 0}},
      {"cut after the second", "\xe2\x82", {0, 0, 0}},
      {"ASCII where a byte has to continue",
       "\xe2\x82"
       "a",
       {0, 0, 0}},
      {"a lead where a byte has to continue", "\xc3\xc3", {0, 0, 0}},
  };
  for (const auto& [what, text, is] : cases) {
    EXPECT_EQ(CharacterSize(text, kStrict), is.strict) << what;
    EXPECT_EQ(CharacterSize(text, kStandardUtf8), is.standard) << what;
    EXPECT_EQ(CharacterSize(text, kLaxUtf8), is.lax) << what;
    EXPECT_EQ(CharacterSize(text + "more", kStrict), is.strict) << what;
  }
}

TEST(Utf8Test, KnowsEveryCharacterOfUnicode) {
  for (uint32_t number = 0; number <= 0x10ffff; ++number) {
    std::string text;
    if (number < 0x80) {
      text = {static_cast<char>(number)};
    } else if (number < 0x800) {
      text = {static_cast<char>(0xc0 | number >> 6), static_cast<char>(0x80 | (number & 0x3f))};
    } else if (number < 0x10000) {
      text = {static_cast<char>(0xe0 | number >> 12),
              static_cast<char>(0x80 | (number >> 6 & 0x3f)),
              static_cast<char>(0x80 | (number & 0x3f))};
    } else {
      text = {static_cast<char>(0xf0 | number >> 18),
              static_cast<char>(0x80 | (number >> 12 & 0x3f)),
              static_cast<char>(0x80 | (number >> 6 & 0x3f)),
              static_cast<char>(0x80 | (number & 0x3f))};
    }
    const bool surrogate = number >= 0xd800 && number <= 0xdfff;
    ASSERT_EQ(CharacterSize(text, kStandardUtf8), surrogate ? 0 : text.size()) << number;
    ASSERT_EQ(CharacterSize(text, kLaxUtf8), text.size()) << number;
  }
}

TEST(Utf8Test, PlainTextHasNoControlCharacters) {
  for (const Utf8Rules& rules : {kStrict, kStandardUtf8, kLaxUtf8}) {
    EXPECT_TRUE(IsPlainText("", rules));
    EXPECT_TRUE(
        IsPlainText("temp\xc3\xa9rature 21 \xc2\xb0"
                    "C \xf0\x9f\x8c\xa1",
                    rules));
    EXPECT_FALSE(IsPlainText("tab\t", rules));
    EXPECT_FALSE(IsPlainText("delete\x7f", rules));
    EXPECT_FALSE(IsPlainText(std::string_view("nul\0", 4), rules));
    EXPECT_FALSE(IsPlainText("good until \xff", rules));
  }
  EXPECT_FALSE(IsPlainText("next line\xc2\x85", kStrict));
  EXPECT_TRUE(IsPlainText("next line\xc2\x85", kStandardUtf8));
  EXPECT_TRUE(IsPlainText("half of a pair \xed\xa0\x80", kLaxUtf8));
}

TEST(Utf8Test, IsCutBetweenCharacters) {
  const std::string_view text =
      "a\xe2\x82\xac"
      "b";  // a, euro, b
  EXPECT_EQ(CutUtf8(text, 5), text);
  EXPECT_EQ(CutUtf8(text, 9), text);
  EXPECT_EQ(CutUtf8(text, 4), "a\xe2\x82\xac");
  EXPECT_EQ(CutUtf8(text, 3), "a");
  EXPECT_EQ(CutUtf8(text, 2), "a");
  EXPECT_EQ(CutUtf8(text, 0), "");
  EXPECT_EQ(CutUtf8("\x80\x80\x80", 2), "") << "no character begins there";
}

}  // namespace
}  // namespace roost::internal
