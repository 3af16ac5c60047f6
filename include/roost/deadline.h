// include/roost/deadline.h - points in time of the machine's monotonic clock, and deadlines.
//
// Every call of roostpool that can wait takes one absolute Deadline, made once at the edge of the
// program (Pool::In) and passed all the way down: queue, busy wait, connect, statement. Absolute,
// so that a call that tries twice does not wait twice as long. Monotonic, so that a clock step of
// NTP neither cuts nor stretches a wait.
//
// Threads:  values; any thread
// Blocks:   never
// Memory:   8 bytes each
// Errors:   none; arithmetic saturates at Never()
// Example:  roost::Deadline by = roost::Deadline::At(platform.Now() + 50ms);
#ifndef ROOST_DEADLINE_H_
#define ROOST_DEADLINE_H_

#include <chrono>

namespace roost {

// A span of time. Resolution: 1 ns; range: about 292 years.
using Duration = std::chrono::nanoseconds;

// The clock that TimePoint counts on. It has no now() on purpose: only a Platform knows the time,
// so that a test can turn it by hand.
struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

// A moment since an arbitrary start (on Linux: since boot, not counting suspend).
using TimePoint = MonotonicClock::time_point;

// The moment by which a call has to end.
class Deadline {
 public:
  // A deadline that has passed: take what is free now, do not wait.
  constexpr Deadline() = default;
  static constexpr Deadline Past() { return Deadline(TimePoint::min()); }
  // No bound. For tools and tests; a node has little use for it.
  static constexpr Deadline Never() { return Deadline(TimePoint::max()); }
  static constexpr Deadline At(TimePoint at) { return Deadline(at); }
  // `span` after `now`. A negative span gives Past-like behaviour, a huge one Never().
  static constexpr Deadline After(TimePoint now, Duration span) {
    if (span > Duration::zero() && now > TimePoint::max() - span) return Never();
    return Deadline(now + span);
  }

  constexpr TimePoint time() const { return at_; }
  constexpr bool IsNever() const { return at_ == TimePoint::max(); }
  constexpr bool HasPassed(TimePoint now) const { return now >= at_ && !IsNever(); }
  // What is left of it at `now`; zero when it has passed, Duration::max() when it never will.
  constexpr Duration Left(TimePoint now) const {
    if (IsNever()) return Duration::max();
    return now >= at_ ? Duration::zero() : at_ - now;
  }

  friend constexpr bool operator==(Deadline, Deadline) = default;
  friend constexpr auto operator<=>(Deadline, Deadline) = default;

 private:
  explicit constexpr Deadline(TimePoint at) : at_(at) {}
  TimePoint at_ = TimePoint::min();
};

}  // namespace roost

#endif  // ROOST_DEADLINE_H_
