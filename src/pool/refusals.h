// pool/refusals.h - the statuses that a pool refuses callers with, made once: a copy does not allocate.
// Constant, but for what Tune changes.
#ifndef ROOST_POOL_REFUSALS_H_
#define ROOST_POOL_REFUSALS_H_

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "pool/pool_lock.h"
#include "roost/profile.h"
#include "roost/types.h"

namespace roost::internal {

// Stands between what has happened and what to do, where Pool::Explain has the numbers.
inline constexpr std::string_view kSeeExplain = "; Pool::Explain says to whom and since when: ";

// Those that name sizes and times in force.
struct LimitRefusals {
  // The same time-out told twice.
  struct TimeOut {
    absl::Status by_setting;   // the setting pool_timeout passed
    absl::Status by_deadline;  // the caller's own deadline passed
  };
  explicit LimitRefusals(const PoolSettings& settings);
  const TimeOut& OfLane(Role role) const { return role == Role::kWriter ? writer : readers; }

  TimeOut all;      // every connection that may be is lent
  TimeOut writer;   // the writer is, and not every reader
  TimeOut readers;  // every reader is, and the writer may not be
};

struct Refusals {
  Refusals(const char* pool, const PoolSettings& settings);

  // Tune replaces them. Apart: a pool that is a static takes no memory of the program for them.
  std::unique_ptr<const LimitRefusals> limits ABSL_GUARDED_BY(kPoolLock);
  absl::Status timeout_paused;  // a deadline passed while the pool was paused
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
