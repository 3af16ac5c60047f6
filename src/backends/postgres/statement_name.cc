#include "backends/postgres/statement_name.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace roost::postgres {

void StatementName::Write(std::array<char, kSize>& out) const {
  constexpr std::string_view kPrefix = "roost_";
  char* end = std::copy(kPrefix.begin(), kPrefix.end(), out.data());
  end = std::to_chars(end, out.data() + out.size(), hash, 16).ptr;
  *end++ = '_';
  *std::to_chars(end, out.data() + out.size() - 1, serial, 16).ptr = '\0';
}

}  // namespace roost::postgres
