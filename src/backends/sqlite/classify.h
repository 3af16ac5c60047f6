// backends/sqlite/classify.h - what each result code of SQLite means. Pure.
//
// It answers for the caller and for the connection.
#ifndef ROOST_BACKENDS_SQLITE_CLASSIFY_H_
#define ROOST_BACKENDS_SQLITE_CLASSIFY_H_

#include <cstdint>
#include <string_view>

#include "backends/common/error.h"

namespace roost::sqlite {

// What was being done when the code came.
enum class Operation : uint8_t {
  kOpen,
  kStatement,
  kBegin,
  kCommit,  // COMMIT, or a writing statement that is a transaction of its own
  kSync,    // seal and checkpoint
};

struct Evidence {
  int code = 0;  // extended
  int system_errno = 0;
  Operation operation = Operation::kStatement;
  bool in_transaction = false;  // before the operation
  bool may_write = true;        // the connection was opened to write
  bool gave_up = false;         // the busy handler waited until the deadline
};

using backends::Finding;

// A code that is in no table is judged by its primary code, and an unknown primary code is
// kInternal with a dead connection. REQUIRES: evidence.code is an error.
Finding Classify(const Evidence& evidence);

// The card did not confirm a sync: what was written before may be lost, and a second sync may
// succeed without it.
bool LacksSync(int code);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_CLASSIFY_H_
