#include "base/utf8.h"

#include <algorithm>

namespace roost::internal {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// How many bytes a character takes that begins with `lead`; 0: none begins so.
size_t SizeByLead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

// The least number that needs 1, 2, 3, 4 bytes.
constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};

bool IsLayoutControl(uint32_t number) {
  return number == 0x61c || number == 0x200e || number == 0x200f ||
         (number >= 0x2028 && number <= 0x202e) || (number >= 0x2066 && number <= 0x2069);
}

bool IsRefused(uint32_t number, size_t size, const Utf8Rules& rules) {
  return (rules.refuse_surrogates && number >= 0xd800 && number <= 0xdfff) ||
         (rules.refuse_overlong && number < kLeast[size - 1]) ||
         (rules.refuse_above_10ffff && number > 0x10ffff) ||
         (rules.refuse_c1_controls && number >= 0x80 && number <= 0x9f) ||
         (rules.refuse_layout_controls && IsLayoutControl(number));
}

bool IsAsciiControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// What stands for a character of ASCII that controls.
char ShownAs(char control) { return control >= '\t' && control <= '\r' ? ' ' : '?'; }

}  // namespace

size_t CharacterSize(std::string_view text, const Utf8Rules& rules) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t size = SizeByLead(lead);
  if (size <= 1) return size;
  if (size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return IsRefused(CharacterNumber(text), size, rules) ? 0 : size;
}

uint32_t CharacterNumber(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t size = SizeByLead(lead);
  if (size == 1) return lead;
  uint32_t number = lead & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    number = number << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  return number;
}

bool IsPlainText(std::string_view text, const Utf8Rules& rules) {
  while (!text.empty()) {
    const size_t size = CharacterSize(text, rules);
    if (size == 0 || IsAsciiControl(text.front())) return false;
    text.remove_prefix(size);
  }
  return true;
}

size_t MakePlain(std::span<char> text) {
  size_t plain = 0;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest(text.data() + at, text.size() - at);
    const size_t size = CharacterSize(rest, kPlainUtf8);
    if (size == 0 || IsAsciiControl(rest.front())) {
      // A character by its form is one mark.
      at += std::max<size_t>(CharacterSize(rest, kLaxUtf8), 1);
      text[plain++] = size == 0 ? '?' : ShownAs(rest.front());
    } else {
      for (size_t i = 0; i < size; ++i) text[plain++] = text[at++];
    }
  }
  return plain;
}

std::string PlainText(std::string_view text) {
  std::string plain(text);
  plain.resize(MakePlain(plain));
  return plain;
}

std::string_view CutUtf8(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && IsContinuation(text[size])) --size;
  return text.substr(0, size);
}

}  // namespace roost::internal
