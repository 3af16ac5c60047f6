// pool/refusals.h - the statuses that a pool refuses callers with, made once: a copy does not allocate.
// Constant, but for what Tune changes.
#ifndef ROOST_POOL_REFUSALS_H_
#define ROOST_POOL_REFUSALS_H_

#include "absl/status/status.h"
#include "pool/pool_lock.h"
#include "roost/profile.h"

namespace roost::internal {

// Those that name sizes and times in force.
struct LimitRefusals {
  explicit LimitRefusals(const PoolSettings& settings);

  absl::Status timeout_default;   // the setting pool_timeout passed
  absl::Status timeout_deadline;  // the caller's own deadline passed
};

struct Refusals {
  Refusals(const char* pool, const PoolSettings& settings);

  LimitRefusals limits ABSL_GUARDED_BY(kPoolLock);  // Tune replaces them
  absl::Status timeout_paused;                      // a deadline passed while the pool was paused
  absl::Status
      timeout_opening;  // a deadline passed while fewer connections were lent than there may be
  absl::Status nothing_free;  // TryAcquire
  absl::Status dying;         // connection after connection was dead
  absl::Status full;
  absl::Status closed;
  absl::Status forked;
  absl::Status nested;
  absl::Status cancelled;
  absl::Status still_out;   // Close: a lease is out
  absl::Status still_busy;  // Close: none is, but a thread is inside the backend
  absl::Status paused;      // Fill
};

}  // namespace roost::internal

#endif  // ROOST_POOL_REFUSALS_H_
