// tools/roost-node/watchdog.h - when roost-node may say that it is alive.
//
// The rule, told to operators by --help and by the unit file:
//
//   The watchdog is fed at the end of a turn of the node's loop, if the readings that were due for
//   sealing got an answer from the database within kSealBound: sealed, or refused.
//
// So systemd restarts a node whose loop hangs (a call that does not return) or runs idle (turns,
// but what is due is never tried). It does not restart one that has nothing to seal, nor one whose
// database refuses: a new process would meet the same full or read-only card and would have lost
// the readings that this one keeps in memory; the refusal shows in STATUS and in the status file.
// The remote database has no say: it may be away for weeks.
//
// Threads:  one
// Blocks:   never; time is told, not asked
// Memory:   some 40 bytes
// Errors:   none
#ifndef ROOST_TOOLS_ROOST_NODE_WATCHDOG_H_
#define ROOST_TOOLS_ROOST_NODE_WATCHDOG_H_

#include <cstdint>

#include "roost/deadline.h"

namespace roost::tools {

// How far sealing has come.
struct SealProgress {
  // When the oldest reading that waits should have been sealed. max: nothing waits.
  TimePoint due = TimePoint::max();
  // When the database last answered an attempt.
  TimePoint answered = TimePoint::min();
};

class Watchdog {
 public:
  // Longer than the longest pause between two attempts and an attempt together.
  static constexpr Duration kSealBound = std::chrono::seconds(15);

  // `period`: of WATCHDOG_USEC; zero: there is no watchdog, no feed is ever due.
  explicit Watchdog(Duration period) : period_(period) {}

  // A turn has ended: whether to feed now, and then to call Fed if that went well. A turn that comes
  // anyway feeds from a quarter of the period on, so that a node seldom wakes up for a feed alone; the
  // loop has to turn after half of it.
  bool ShouldFeed(TimePoint now, const SealProgress& progress);
  // What was due is not being sealed: feeding stops until it is.
  static bool IsStalled(TimePoint now, const SealProgress& progress);
  void Fed(TimePoint now);

  // When the loop has to turn again for the next feed; max: never.
  TimePoint next() const { return period_ > Duration::zero() ? next_ : TimePoint::max(); }
  Duration period() const { return period_; }
  uint64_t feeds() const { return feeds_; }

 private:
  // After a feed that was withheld or did not get through.
  static constexpr Duration kLookAgain = std::chrono::seconds(1);

  const Duration period_;
  TimePoint from_ = TimePoint::min();  // when the next feed may come
  TimePoint next_ = TimePoint::min();  // and when it has to
  uint64_t feeds_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_WATCHDOG_H_
