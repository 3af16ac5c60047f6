#include "backends/postgres/statement_name.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>

namespace roost::postgres {
namespace {

static_assert(std::endian::native == std::endian::little);

// All eight hexadecimal digits at once, a byte each: a loop, or std::to_chars, would be a tenth of what
// the run of a small statement costs here.
char* WriteEightDigits(uint32_t number, char* out) {
  uint64_t digits = number;
  digits = (digits | digits << 16) & 0x0000'FFFF'0000'FFFF;
  digits = (digits | digits << 8) & 0x00FF'00FF'00FF'00FF;
  digits = (digits | digits << 4) & 0x0F0F'0F0F'0F0F'0F0F;
  const uint64_t letters = (digits + 0x0606'0606'0606'0606) >> 4 & 0x0101'0101'0101'0101;
  constexpr uint64_t kBeyondDigits = 'a' - '9' - 1;
  const uint64_t text = digits + 0x3030'3030'3030'3030 + letters * kBeyondDigits;
  const uint64_t first_digit_first = __builtin_bswap64(text);
  std::memcpy(out, &first_digit_first, sizeof first_digit_first);
  return out + sizeof first_digit_first;
}

}  // namespace

void StatementName::Write(std::array<char, kSize>& out) const {
  constexpr std::string_view kPrefix = "roost_";
  char* end = std::copy(kPrefix.begin(), kPrefix.end(), out.data());
  end = WriteEightDigits(static_cast<uint32_t>(hash >> 32), end);
  end = WriteEightDigits(static_cast<uint32_t>(hash), end);
  *end++ = '_';
  *std::to_chars(end, out.data() + out.size() - 1, serial, 16).ptr = '\0';
}

}  // namespace roost::postgres
