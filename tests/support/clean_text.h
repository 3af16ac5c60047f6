// tests/support/clean_text.h - whether a text may go to a terminal, a log and a reader of UTF-8.
#ifndef ROOST_TESTS_SUPPORT_CLEAN_TEXT_H_
#define ROOST_TESTS_SUPPORT_CLEAN_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace roost::support {

inline constexpr uint32_t kNoCharacter = 0xffffffff;

// The character at the front of `text`, which is taken off; kNoCharacter: it is no UTF-8
// (RFC 3629). REQUIRES: text is not empty.
inline uint32_t TakeCharacter(std::string_view& text) {
  const auto byte = [&text](size_t at) { return static_cast<unsigned char>(text[at]); };
  const uint32_t first = byte(0);
  const size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || text.size() < size) return kNoCharacter;
  uint32_t character = size == 1 ? first : first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return kNoCharacter;
    character = character << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  if (character < kLeast[size] || character > 0x10ffff || surrogate) return kNoCharacter;
  text.remove_prefix(size);
  return character;
}

// Characters that move a cursor, end a line or turn the direction of text.
inline bool IsControl(uint32_t character) {
  return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
         (character >= 0x2028 && character <= 0x202e) ||
         (character >= 0x2066 && character <= 0x2069);
}

// What is wrong with one line for people; empty: nothing.
inline std::string WhatIsUnclean(std::string_view text, size_t longest = 2048) {
  if (text.size() > longest) return std::to_string(text.size()) + " bytes";
  while (!text.empty()) {
    const uint32_t character = TakeCharacter(text);
    if (character == kNoCharacter) return "bytes that are no UTF-8";
    if (IsControl(character)) return "control character " + std::to_string(character);
  }
  return "";
}

// The first `most` bytes of `text` with a ? for each byte that is not printable ASCII.
inline std::string Cleaned(std::string_view text, size_t most) {
  std::string cleaned(text.substr(0, most));
  for (char& c : cleaned) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return cleaned;
}

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_CLEAN_TEXT_H_
