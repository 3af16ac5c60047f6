// include/roost/source_line.h - a place in the source: who acquired a connection.
//
// Threads:  values
// Blocks:   never
// Memory:   16 bytes on a 64-bit machine; the file's name is a literal of the compiler
// Errors:   none
#ifndef ROOST_SOURCE_LINE_H_
#define ROOST_SOURCE_LINE_H_

namespace roost {

// Filled in by the compiler where a default argument says Here().
struct SourceLine {
  const char* file = "";
  int line = 0;
  static constexpr SourceLine Here(const char* file = __builtin_FILE(),
                                   int line = __builtin_LINE()) {
    return {file, line};
  }
};

}  // namespace roost

#endif  // ROOST_SOURCE_LINE_H_
