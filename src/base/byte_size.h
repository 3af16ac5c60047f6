// base/byte_size.h - amounts of memory and storage for people.
//
// Threads:  any
// Blocks:   never
// Memory:   none; FormatBytes returns a string that needs no heap
#ifndef ROOST_BASE_BYTE_SIZE_H_
#define ROOST_BASE_BYTE_SIZE_H_

#include <cstdint>
#include <string>

#include "base/text.h"

namespace roost::internal {

// A piece of a Text, in the largest unit that there is one of: "512 B", "12.41 MiB".
struct Bytes {
  uint64_t count;
};
void Put(Text& text, Bytes bytes);

// The same as a string.
std::string FormatBytes(uint64_t bytes);

}  // namespace roost::internal

#endif  // ROOST_BASE_BYTE_SIZE_H_
