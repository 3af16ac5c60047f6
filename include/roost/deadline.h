// include/roost/deadline.h - points in time of the machine's monotonic clock, and deadlines.
//
// One absolute Deadline bounds Acquire, Fill, Close, and the statements of a lease. The program makes
// it once, at its edge (Pool::In), and passes it all the way down: wait queue, busy wait, connect,
// statement. It is absolute, so that a call that tries twice does not wait twice as long. It is
// monotonic, so that a clock step of NTP neither cuts nor stretches a wait. A call that its deadline
// ends says kDeadlineExceeded, or what it knows beyond that (kUnavailable: the database is away;
// kUnknown: a commit may be done), as soon after the deadline as the kernel runs the thread.
//
// Threads:  values; any thread
// Blocks:   never
// Memory:   8 bytes each
// Errors:   none; arithmetic saturates at Never()
// Example:  roost::Deadline by = roost::Deadline::At(platform.Now() + 50ms);
#ifndef ROOST_DEADLINE_H_
#define ROOST_DEADLINE_H_

#include <chrono>

#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost {

// A span of time. Resolution: 1 ns; range: about 292 years in both directions.
using Duration = std::chrono::nanoseconds;

// The clock that TimePoint counts on. It has no now() on purpose: only a Platform tells the time,
// so that a test can turn the clock by hand.
struct MonotonicClock {
  // What std::chrono wants of a clock.
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

// A moment, counted from an arbitrary start (on Linux: from the boot, not counting suspend).
// Moments of one machine can be compared; they mean nothing on another machine or after the next
// boot.
using TimePoint = MonotonicClock::time_point;

// The moment by which a call has to end. A value of 8 bytes; copy it. An earlier deadline compares
// less than a later one, so that std::min gives the one that counts.
class Deadline {
 public:
  // A deadline that has passed: the call takes what is free now and does not wait.
  constexpr Deadline() = default;
  static constexpr Deadline Past() { return Deadline(TimePoint::min()); }
  // No bound. For tools and tests; a node has little use for it.
  static constexpr Deadline Never() { return Deadline(TimePoint::max()); }
  // The moment `at`.
  static constexpr Deadline At(TimePoint at) { return Deadline(at); }
  // `span` after `now`. A negative span gives a deadline that has passed, a span beyond the range
  // gives Never().
  static constexpr Deadline After(TimePoint now, Duration span) {
    if (span > Duration::zero() && now > TimePoint::max() - span) return Never();
    return Deadline(now + span);
  }

  // The moment. TimePoint::max() for Never().
  constexpr TimePoint time() const { return at_; }
  constexpr bool IsNever() const { return at_ == TimePoint::max(); }
  // True at the deadline itself and after it. Never() does not pass.
  constexpr bool HasPassed(TimePoint now) const { return now >= at_ && !IsNever(); }
  // The time that is left at `now`: zero when the deadline has passed, Duration::max() for Never().
  constexpr Duration Left(TimePoint now) const {
    if (IsNever()) return Duration::max();
    return now >= at_ ? Duration::zero() : at_ - now;
  }

  // Ordered by their moments.
  friend constexpr bool operator==(Deadline, Deadline) = default;
  friend constexpr auto operator<=>(Deadline, Deadline) = default;

 private:
  explicit constexpr Deadline(TimePoint at) : at_(at) {}
  TimePoint at_ = TimePoint::min();
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_DEADLINE_H_
