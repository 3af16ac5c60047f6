#include "base/byte_size.h"

#include <iterator>
#include <string_view>

namespace roost::internal {
namespace {

// Each is 1024 of the one before.
constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};

}  // namespace

void Put(Text& text, Bytes bytes) {
  size_t unit = 0;
  uint64_t size = 1;
  while (unit + 1 < std::size(kUnits) && bytes.count / size >= 1024) {
    size *= 1024;
    ++unit;
  }
  text.AddSignificant(bytes.count, size, 4);
  text.Add(" ", kUnits[unit]);
}

std::string FormatBytes(uint64_t bytes) {
  BoundedText<31> text;
  text.Add(Bytes{bytes});
  return std::string(static_cast<std::string_view>(text));
}

}  // namespace roost::internal
