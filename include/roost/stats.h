// include/roost/stats.h - what a pool is doing and has done: one consistent snapshot.
//
// Threads:  values; Pool::stats() may be called from any thread
// Blocks:   for the pool's lock, which is never held across I/O
// Memory:   about 1 KB, on the caller's stack
// Errors:   none; counters do not wrap in a node's life (64 bits), if the pool is looked at (Tick, stats,
//           a caller that waits) at least once in 4 billion leases of a connection
#ifndef ROOST_STATS_H_
#define ROOST_STATS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "roost/deadline.h"
#include "roost/observer.h"

namespace roost {

// Counts of durations in buckets whose bounds double: bucket 0 counts below 1 us, bucket i below
// 2^i us, the last everything from 2^(kBuckets-2) us (4.2 s) up.
class Histogram {
 public:
  static constexpr int kBuckets = 24;
  // Upper bound of bucket i (exclusive). The last has none: Duration::max().
  static constexpr Duration Bound(int bucket) {
    return bucket >= kBuckets - 1 ? Duration::max()
                                  : std::chrono::microseconds(int64_t{1} << bucket);
  }
  static constexpr int BucketOf(Duration span) {
    const uint64_t us = span.count() <= 0 ? 0 : static_cast<uint64_t>(span.count()) / 1000;
    const int bits = us == 0 ? 0 : 64 - __builtin_clzll(us);
    return bits < kBuckets ? bits : kBuckets - 1;
  }
  void Add(Duration span, uint64_t times = 1) {
    if (times == 0) return;
    counts_[static_cast<size_t>(BucketOf(span))] += times;
    total_ += times;
    sum_ += span * static_cast<int64_t>(times);
    if (span > max_) max_ = span;
  }
  uint64_t count(int bucket) const { return counts_[static_cast<size_t>(bucket)]; }
  uint64_t total() const { return total_; }
  Duration sum() const { return sum_; }
  Duration max() const { return max_; }
  // The smallest bucket bound that `share` (0 to 1) of the spans stay below, but not above max().
  // Zero when there are none.
  Duration Percentile(double share) const;

 private:
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
  Duration sum_{};
  Duration max_{};
};

struct Stats {
  // Shape: constant.
  int pool_size = 0;
  int max_overflow = 0;
  int capacity = 0;  // pool_size + max_overflow

  // Now. idle + in_use + busy <= capacity.
  int open = 0;  // physical connections that exist: idle, in use, being pinged, reset or closed
  int idle = 0;
  int in_use = 0;           // lent
  int busy = 0;             // being opened, pinged, reset or closed by the pool
  int overflow_in_use = 0;  // open connections above pool_size, never below 0
  int waiting = 0;          // callers in line
  Duration longest_hold{};  // of the leases that are out now; see PoolOptions::observer
  bool away = false;        // the last attempts to open failed
  bool paused = false;
  bool closed = false;

  // Since the pool was made.
  int peak_in_use = 0;  // the most at once, each lane for itself
  int peak_waiting = 0;
  uint64_t checkouts = 0;       // leases given
  uint64_t waited = 0;          // of these, after standing in line
  uint64_t handed_off = 0;      // of these, straight from another holder
  uint64_t timeouts = 0;        // refused because the deadline passed
  uint64_t refused_full = 0;    // because the line was full
  uint64_t refused_away = 0;    // because the database is away
  uint64_t refused_closed = 0;  // because the pool is closed, or was inherited by fork
  uint64_t refused_nested = 0;  // because the wait could only have deadlocked
  uint64_t cancelled = 0;
  uint64_t opens = 0;
  uint64_t open_failures = 0;
  uint64_t pings = 0;
  uint64_t ping_failures = 0;
  uint64_t resets = 0;  // that had something to undo
  uint64_t reset_failures = 0;
  uint64_t upkeeps = 0;
  uint64_t recycles = 0;
  uint64_t invalidations = 0;  // connections found unusable
  uint64_t detaches = 0;
  uint64_t leaks = 0;
  std::array<uint64_t, kCloseReasons> closes{};  // by CloseReason

  Histogram wait;  // from the call of Acquire to the lease, for every lease given
  Histogram hold;  // from the lease to its return
};

// How a metric moves.
enum class MetricKind : uint8_t {
  kGauge,      // up and down
  kCounter,    // up, from 0 when the pool was made
  kHistogram,  // spans of time in buckets, which only grow
};

// What one member of Stats means, for programs that show all of them without knowing each.
struct Metric {
  MetricKind kind;
  std::string_view name;  // of the member
  std::string_view unit;  // "s" for spans of time, else what is counted; empty: yes or no
  std::string_view help;  // one sentence
  // What a count above 0 tells an operator, after the number: "3 timed out". Empty: nothing is wrong.
  // Counts with the same text stand side by side and are added up.
  std::string_view trouble = {};
};

namespace internal {

// The members that go up and down: what the pool is, and what it does now.
template <class S>
constexpr void ForEachGauge(S& stats, auto&& add) {
  add("pool_size", stats.pool_size, "connections", "Connections that the pool keeps open");
  add("max_overflow", stats.max_overflow, "connections", "Connections above pool_size at the most");
  add("capacity", stats.capacity, "connections",
      "Connections at the most: pool_size + max_overflow");
  add("open", stats.open, "connections", "Connections that exist");
  add("idle", stats.idle, "connections", "Connections that can be lent at once");
  add("in_use", stats.in_use, "connections", "Connections that are lent");
  add("busy", stats.busy, "connections",
      "Connections that the pool opens, pings, resets or closes");
  add("overflow_in_use", stats.overflow_in_use, "connections", "Open connections above pool_size");
  add("waiting", stats.waiting, "callers", "Callers that wait for a connection");
  add("longest_hold", stats.longest_hold, "s", "Age of the oldest lease that is out");
  add("away", stats.away, "", "Whether the last attempts to open failed");
  add("paused", stats.paused, "", "Whether the pool lends nothing until it is resumed");
  add("closed", stats.closed, "", "Whether the pool is closed");
  add("peak_in_use", stats.peak_in_use, "connections", "Most connections lent at once");
  add("peak_waiting", stats.peak_waiting, "callers", "Most callers that waited at once");
}

// The members that only grow.
template <class S>
constexpr void ForEachCounter(S& stats, auto&& add) {
  add("checkouts", stats.checkouts, "leases", "Leases given");
  add("waited", stats.waited, "leases", "Leases given to callers that had waited");
  add("handed_off", stats.handed_off, "leases", "Leases given straight from another holder");
  add("timeouts", stats.timeouts, "calls", "Acquires whose deadline passed", "timed out");
  add("refused_full", stats.refused_full, "calls", "Acquires refused because the queue was full",
      "refused");
  add("refused_away", stats.refused_away, "calls", "Acquires refused because the database is away",
      "refused");
  add("refused_closed", stats.refused_closed, "calls", "Acquires refused by a closed pool",
      "refused");
  add("refused_nested", stats.refused_nested, "calls",
      "Acquires refused because the wait could only have deadlocked", "refused");
  add("cancelled", stats.cancelled, "calls", "Acquires that the caller cancelled", "refused");
  add("opens", stats.opens, "connections", "Connections opened");
  add("open_failures", stats.open_failures, "opens", "Connections that could not be opened",
      "failed to open");
  add("pings", stats.pings, "pings", "Connections asked whether they are alive");
  add("ping_failures", stats.ping_failures, "pings", "Connections found dead by a ping");
  add("resets", stats.resets, "resets", "Returned connections that had something to undo");
  add("reset_failures", stats.reset_failures, "resets", "Connections that could not be reset");
  add("upkeeps", stats.upkeeps, "rounds", "Maintenance rounds of a connection");
  add("recycles", stats.recycles, "connections", "Connections replaced because of their age");
  add("invalidations", stats.invalidations, "connections", "Connections found unusable");
  add("detaches", stats.detaches, "connections", "Connections taken out of the pool");
  add("leaks", stats.leaks, "leases", "Leases held longer than allowed", "held too long");
  add("closes", stats.closes, "connections", "Connections closed, by reason");
}

template <class S>
constexpr void ForEachHistogram(S& stats, auto&& add) {
  add("wait", stats.wait, "s", "Time from the call of Acquire to the lease");
  add("hold", stats.hold, "s", "Time from the lease to its return");
}

}  // namespace internal

// Calls `visit(metric, member)` for each member of `stats`, in their order. A member is an int, a bool,
// a uint64_t, a Duration, a Histogram, or the counts by CloseReason. A new member of Stats is shown
// everywhere once it has its line above.
// Memory: none. A program that does not call it does not contain it.
template <class S>
requires std::is_same_v<std::remove_const_t<S>, Stats>
constexpr void ForEachMetric(S& stats, auto&& visit) {
  const auto add_to = [&visit](MetricKind kind) {
    return [&visit, kind](std::string_view name, auto& member, std::string_view unit,
                          std::string_view help, std::string_view trouble = {}) {
      visit(Metric{kind, name, unit, help, trouble}, member);
    };
  };
  internal::ForEachGauge(stats, add_to(MetricKind::kGauge));
  internal::ForEachCounter(stats, add_to(MetricKind::kCounter));
  internal::ForEachHistogram(stats, add_to(MetricKind::kHistogram));
}

// The text of SQLAlchemy's pool.status(), verbatim, with this pool's numbers:
// "Pool size: 2  Connections in pool: 1 Current Overflow: -1 Current Checked out connections: 0".
// Writes into `out`, cut to fit, and returns the text there.
std::string_view WriteSqlAlchemyStatus(const Stats& stats, std::span<char> out);

}  // namespace roost

#endif  // ROOST_STATS_H_
