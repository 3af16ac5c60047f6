// outbox/key.h - the name of a row, which no other row ever has.
//
// Threads:  values
// Blocks:   never
// Memory:   16 bytes
// Errors:   none
#ifndef ROOST_OUTBOX_KEY_H_
#define ROOST_OUTBOX_KEY_H_

#include <cstdint>

namespace roost::outbox {

// `seq` orders the rows of a table. A power cut can take the latest rows, and their numbers are
// then given out again; so each run of a program has an `epoch` of its own, a random number.
struct Key {
  int64_t epoch = 0;
  int64_t seq = 0;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_KEY_H_
