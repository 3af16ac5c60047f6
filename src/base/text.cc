#include "base/text.h"

#include <algorithm>

#include "base/utf8.h"

namespace roost::internal {
namespace {

// Digits before the point.
int DigitsOf(uint64_t number) {
  int digits = 1;
  for (; number >= 10; number /= 10) ++digits;
  return digits;
}

}  // namespace

void Text::AddText(std::string_view text) {
  if (out_.empty()) return;
  const std::string_view fits = CutUtf8(text, out_.size() - 1 - used_);
  std::copy(fits.begin(), fits.end(), out_.begin() + static_cast<std::ptrdiff_t>(used_));
  used_ += fits.size();
  out_[used_] = '\0';
}

void Text::AddWhole(uint64_t number) {
  std::array<char, 20> digits;
  size_t first = digits.size();
  do {
    digits[--first] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  AddText(std::string_view(digits.data() + first, digits.size() - first));
}

void Text::AddSigned(int64_t number) {
  if (number < 0) AddText("-");
  const auto whole = static_cast<uint64_t>(number);
  AddWhole(number < 0 ? 0 - whole : whole);
}

void Text::AddDecimal(uint64_t amount, uint64_t unit, int decimals, bool trim) {
  uint64_t scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  uint64_t whole = amount / unit;
  uint64_t part = (amount % unit * scale + unit / 2) / unit;
  if (part >= scale) {
    ++whole;
    part -= scale;
  }
  AddWhole(whole);
  if (scale == 1 || (trim && part == 0)) return;
  AddText(".");
  for (; scale > 1 && !(trim && part == 0); part %= scale) {
    scale /= 10;
    AddWhole(part / scale);
  }
}

void Text::AddSignificant(uint64_t amount, uint64_t unit, int digits) {
  AddDecimal(amount, unit, std::max(0, digits - DigitsOf(amount / unit)), /*trim=*/true);
}

std::string Concat(std::initializer_list<std::string_view> pieces) {
  size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  std::string text;
  text.reserve(size);
  for (const std::string_view piece : pieces) text.append(piece);
  return text;
}

std::string Digits(int64_t number) { return std::to_string(number); }

}  // namespace roost::internal
