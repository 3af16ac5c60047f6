#include "base/utf8.h"

#include <cstdint>

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

bool IsRefused(uint32_t number, size_t size, const Utf8Rules& rules) {
  return (rules.refuse_surrogates && number >= 0xd800 && number <= 0xdfff) ||
         (rules.refuse_overlong && number < kLeast[size - 1]) ||
         (rules.refuse_above_10ffff && number > 0x10ffff) ||
         (rules.refuse_c1_controls && number >= 0x80 && number <= 0x9f);
}

}  // namespace

size_t CharacterSize(std::string_view text, const Utf8Rules& rules) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t size = SizeByLead(lead);
  if (size <= 1) return size;
  if (size > text.size()) return 0;
  uint32_t number = lead & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if (!IsContinuation(text[i])) return 0;
    number = number << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  return IsRefused(number, size, rules) ? 0 : size;
}

bool IsPlainText(std::string_view text, const Utf8Rules& rules) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    const size_t size = CharacterSize(text, rules);
    if (size == 0 || lead < 0x20 || lead == 0x7f) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string_view CutUtf8(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && IsContinuation(text[size])) --size;
  return text.substr(0, size);
}

}  // namespace roost::internal
