// include/roost/source_line.h - a place in the source: the line that acquired a connection.
//
// It stands for std::source_location, which clang 14 does not have with the C++ library of Debian
// 12.
//
// Threads:  values; any thread
// Blocks:   never
// Memory:   16 bytes on a 64-bit machine; the file's name is a literal of the compiler
// Errors:   none
#ifndef ROOST_SOURCE_LINE_H_
#define ROOST_SOURCE_LINE_H_

#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost {

// A file and a line. As the default argument `SourceLine where = SourceLine::Here()` of a function,
// it is the line that calls the function.
struct SourceLine {
  // The file as the compiler was told of it. Never null; "" when unknown. Lives for ever.
  const char* file = "";
  // Counted from 1; 0: unknown.
  int line = 0;
  // The line of the call. The compiler fills in both arguments.
  static constexpr SourceLine Here(const char* file = __builtin_FILE(),
                                   int line = __builtin_LINE()) {
    return {file, line};
  }
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_SOURCE_LINE_H_
