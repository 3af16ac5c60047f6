// base/backoff.h - pauses between tries that fail one after the other.
//
// Threads:  any
// Blocks:   never
// Memory:   none
#ifndef ROOST_BASE_BACKOFF_H_
#define ROOST_BASE_BACKOFF_H_

#include "roost/deadline.h"

namespace roost::internal {

// The pause that follows `pause`: twice as long, from `least` (after none) to `most`.
constexpr Duration NextPause(Duration pause, Duration least, Duration most) {
  if (pause < least / 2) return least;
  return pause > most / 2 ? most : 2 * pause;
}

}  // namespace roost::internal

#endif  // ROOST_BASE_BACKOFF_H_
