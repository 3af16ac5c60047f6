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
      {"U+061C, which turns the order", "\xd8\x9c", {0, 2, 2}},
      {"U+061D", "\xd8\x9d", {2, 2, 2}},
      {"U+200D, which joins", "\xe2\x80\x8d", {3, 3, 3}},
      {"U+200E", "\xe2\x80\x8e", {0, 3, 3}},
      {"U+200F", "\xe2\x80\x8f", {0, 3, 3}},
      {"U+2027", "\xe2\x80\xa7", {3, 3, 3}},
      {"U+2028, the end of a line", "\xe2\x80\xa8", {0, 3, 3}},
      {"U+202E, from right to left", "\xe2\x80\xae", {0, 3, 3}},
      {"U+202F", "\xe2\x80\xaf", {3, 3, 3}},
      {"U+2066", "\xe2\x81\xa6", {0, 3, 3}},
      {"U+2069", "\xe2\x81\xa9", {0, 3, 3}},
      {"U+206A", "\xe2\x81\xaa", {3, 3, 3}},
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

TEST(Utf8Test, PlainTextTakesWhatATerminalWouldObey) {
  const struct {
    const char* what;
    std::string text;
    std::string plain;
  } cases[] = {
      {"text", "temp\xc3\xa9rature 21 \xc2\xb0", "temp\xc3\xa9rature 21 \xc2\xb0"},
      {"a forged line", "x\nNov 29 sshd: Accepted", "x Nov 29 sshd: Accepted"},
      {"a line written over", "a\rb\tc", "a b c"},
      {"escape sequences", "\x1b[31mred\x1b]0;t\x07", "?[31mred?]0;t?"},
      {"delete and NUL", std::string("\x7f\0.", 3), "??."},
      {"C1: CSI",
       "\xc2\x9b"
       "31m",
       "?31m"},
      {"an order from right to left",
       "\xe2\x80\xae"
       "cod",
       "?cod"},
      {"a line's end of Unicode",
       "a\xe2\x80\xa8"
       "b",
       "a?b"},
      {"half of a pair",
       "\xed\xa0\x80"
       "a",
       "?a"},
      {"an overlong slash",
       "\xe0\x80\xaf"
       "a",
       "?a"},
      {"beyond Unicode",
       "\xf4\x90\x80\x80"
       "a",
       "?a"},
      {"no UTF-8",
       "\xff\x9b"
       "a",
       "??a"},
      {"cut in a character", "a\xe2\x82", "a??"},
  };
  for (const auto& [what, text, plain] : cases) {
    EXPECT_EQ(PlainText(text), plain) << what;
    EXPECT_TRUE(IsPlainText(PlainText(text), kPlainUtf8)) << what;
  }
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
