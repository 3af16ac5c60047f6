// base/utf8.h - the one check of text in UTF-8.
//
// Threads:  any
// Blocks:   never
// Memory:   none
#ifndef ROOST_BASE_UTF8_H_
#define ROOST_BASE_UTF8_H_

#include <cstddef>
#include <string_view>

namespace roost::internal {

// What is no character, besides bytes that have no form of one: a byte that begins none (80 to C1,
// F5 and above), or fewer bytes behind it than it announces.
struct Utf8Rules {
  bool refuse_surrogates = true;    // U+D800 to U+DFFF, halves of UTF-16
  bool refuse_overlong = true;      // more bytes than the number needs
  bool refuse_above_10ffff = true;  // numbers that Unicode does not have
  bool refuse_c1_controls = true;   // U+0080 to U+009F
};
// By the standard (RFC 3629), which has C1 controls.
inline constexpr Utf8Rules kStandardUtf8{.refuse_c1_controls = false};
// By the form alone.
inline constexpr Utf8Rules kLaxUtf8{.refuse_surrogates = false,
                                    .refuse_overlong = false,
                                    .refuse_above_10ffff = false,
                                    .refuse_c1_controls = false};

// How many bytes the character takes that `text` begins with; 0: it begins with none.
// REQUIRES: !text.empty()
size_t CharacterSize(std::string_view text, const Utf8Rules& rules);

// Text that every program can show: characters by `rules`, without the control characters of ASCII.
bool IsPlainText(std::string_view text, const Utf8Rules& rules);

// The longest prefix of at most `size` bytes that does not end inside a character.
std::string_view CutUtf8(std::string_view text, size_t size);

}  // namespace roost::internal

#endif  // ROOST_BASE_UTF8_H_
