// base/utf8.h - the one check of text in UTF-8, and what makes foreign text fit to be shown.
//
// Threads:  any
// Blocks:   never
// Memory:   none, but PlainText() returns a string
#ifndef ROOST_BASE_UTF8_H_
#define ROOST_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace roost::internal {

// What is no character, besides bytes that have no form of one: a byte that begins none (80 to C1,
// F5 and above), or fewer bytes behind it than it announces.
struct Utf8Rules {
  bool refuse_surrogates = true;    // U+D800 to U+DFFF, halves of UTF-16
  bool refuse_overlong = true;      // more bytes than the number needs
  bool refuse_above_10ffff = true;  // numbers that Unicode does not have
  bool refuse_c1_controls = true;   // U+0080 to U+009F
  // What ends a line or turns the order of what is shown: U+061C, U+200E, U+200F, U+2028 to U+202E,
  // U+2066 to U+2069.
  bool refuse_layout_controls = true;
};
// What a name may consist of, and what a terminal and a log may be given.
inline constexpr Utf8Rules kPlainUtf8{};
// By the standard (RFC 3629), which has all these controls.
inline constexpr Utf8Rules kStandardUtf8{.refuse_c1_controls = false,
                                         .refuse_layout_controls = false};
// By the form alone.
inline constexpr Utf8Rules kLaxUtf8{.refuse_surrogates = false,
                                    .refuse_overlong = false,
                                    .refuse_above_10ffff = false,
                                    .refuse_c1_controls = false,
                                    .refuse_layout_controls = false};

// How many bytes the character takes that `text` begins with; 0: it begins with none.
// REQUIRES: !text.empty()
size_t CharacterSize(std::string_view text, const Utf8Rules& rules);

// The number of the character that `text` begins with. REQUIRES: CharacterSize(text, kLaxUtf8) > 0
uint32_t CharacterNumber(std::string_view text);

// Text that every program can show: characters by `rules`, without the control characters of ASCII.
bool IsPlainText(std::string_view text, const Utf8Rules& rules);

// Makes `text` plain, by kPlainUtf8, in its place: white space that controls becomes a blank, any
// other character or byte that is not plain a question mark. Whatever a server, a file or a service
// has written goes through this before it reaches a terminal, a log or systemd. Returns the size,
// which is never more than before.
size_t MakePlain(std::span<char> text);
std::string PlainText(std::string_view text);

// The longest prefix of at most `size` bytes that does not end inside a character.
std::string_view CutUtf8(std::string_view text, size_t size);

}  // namespace roost::internal

#endif  // ROOST_BASE_UTF8_H_
