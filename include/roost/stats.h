// include/roost/stats.h - what a pool is doing and has done: one consistent snapshot.
//
// A program reads the members, or goes through all of them with ForEachMetric, which gives each its
// name, unit and meaning: for a status file, a dashboard, an exporter.
//
// What the numbers tell:
//
//   numbers                              mean
//   peak_in_use stays below pool_size    the pool is larger than it has to be
//   waited near checkouts, wait.max()    the pool is too small, or leases are held too long; see
//     near the deadlines                 hold and leaks
//   timeouts, refused_full               callers went without a connection; timeouts_away and
//                                        timeouts_opening say how many of them no size would help
//   refused_away, open_failures, away    the database cannot be reached; Pool::Report has its error
//   ping_failures, invalidations         connections die while they exist: the server or the link
//                                        ends them; see closes
//   create                               what a new connection costs: a caller that waited stood in
//                                        line for wait less that
//   resets                               users leave transactions or session state behind
//   refused_nested                       a thread asks for a second connection while it holds one
//   closes of kOverflow near opens       a burst opens and closes connections: set kLinger
//   leaks                                a lease is held for ever, or longer than kLeakAfter allows
//   statements by code, slow_statements  what the database refuses, and what it takes long for; empty
//                                        without the profile's kWatchStatements
//
// Threads:  values; Pool::stats() may be called from any thread
// Blocks:   Pool::stats() for the pool's lock, which is never held across I/O; the rest never
// Memory:   some 1.6 KB, on the caller's stack
// Errors:   none; counters have 64 bits and do not wrap in a node's life, as long as Tick, stats or
//           a caller that waits locks the lane at least once in 4 billion leases of a slot
// Example:
//   const roost::Stats stats = pool.stats();
//   roost::ForEachMetric(stats, [](const roost::Metric& metric, const auto& member) {
//     if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(member)>>) {
//       Show(metric.name, metric.unit, static_cast<uint64_t>(member));
//     }
//   });
#ifndef ROOST_STATS_H_
#define ROOST_STATS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "roost/deadline.h"
#include "roost/observer.h"
#include "roost/source_line.h"
#include "roost/types.h"

#pragma GCC visibility push(default)
namespace roost {

// Counts of durations in buckets whose bounds double: bucket 0 counts those of up to 1 us, bucket i
// those of more than 2^(i-1) us and up to 2^i us, the last one everything above 2^(kBuckets-2) us
// (67 s). A bound counts in its own bucket, as Prometheus' `le` asks.
// Memory: 248 bytes.
class Histogram {
 public:
  // How many there are.
  static constexpr int kBuckets = 28;
  // The upper bound of a bucket (inclusive). The last bucket has none: Duration::max(). REQUIRES:
  // 0 <= bucket.
  static constexpr Duration Bound(int bucket) {
    return bucket >= kBuckets - 1 ? Duration::max()
                                  : std::chrono::microseconds(int64_t{1} << bucket);
  }
  // The bucket that counts `span`, 0 to kBuckets - 1. A negative span counts as 0.
  static constexpr int BucketOf(Duration span) {
    const uint64_t us = span.count() <= 0 ? 0 : static_cast<uint64_t>(span.count() - 1) / 1000;
    const int bits = us == 0 ? 0 : 64 - __builtin_clzll(us);
    return bits < kBuckets ? bits : kBuckets - 1;
  }
  // Counts `span`, `times` times.
  void Add(Duration span, uint64_t times = 1) {
    if (times == 0) return;
    counts_[static_cast<size_t>(BucketOf(span))] += times;
    total_ += times;
    sum_ += span * static_cast<int64_t>(times);
    if (span > max_) max_ = span;
  }
  // How many spans were counted in `bucket`. REQUIRES: 0 <= bucket < kBuckets.
  uint64_t count(int bucket) const { return counts_[static_cast<size_t>(bucket)]; }
  // How many spans were counted; their sum; the longest of them.
  uint64_t total() const { return total_; }
  Duration sum() const { return sum_; }
  Duration max() const { return max_; }
  // The smallest bucket bound that `share` (0 to 1) of the spans do not exceed, but at most max(). So
  // the answer is at most twice the true percentile, or 1 us; from 67 s up it is max(). Zero when
  // nothing was counted.
  Duration Percentile(double share) const;

 private:
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
  Duration sum_{};
  Duration max_{};
};

// How many codes an absl::Status may have.
inline constexpr int kStatusCodes = 17;
// The name of a code for metrics and logs: "ok", "deadline_exceeded", ... A literal.
std::string_view Name(absl::StatusCode code);

// What a pool is, does now, and has done since it was made. All members are of one moment: the pool
// copies them under its lock, so that idle + in_use + busy == open + those being opened.
struct Stats {
  // ---- Shape in force: Pool::Tune alone changes it ----

  // Connections that the pool keeps open once they were needed.
  int pool_size = 0;
  // Connections above pool_size at the most.
  int max_overflow = 0;
  // pool_size + max_overflow.
  int capacity = 0;

  // ---- Now: idle + in_use + busy <= capacity, once what Pool::Tune made surplus has come back ----

  // Physical connections that exist: idle, in use, being pinged, reset or closed.
  int open = 0;
  // Connections that can be lent at once.
  int idle = 0;
  // Connections that are lent.
  int in_use = 0;
  // Connections that the pool opens, checks, pings, resets or closes.
  int busy = 0;
  // Open connections above pool_size, never below 0.
  int overflow_in_use = 0;
  // Callers in the wait queue.
  int waiting = 0;
  // Age of the oldest lease that is out. For a lease of the idle stack it is counted from the first
  // check of the lane: see PoolOptions::observer.
  Duration longest_hold{};
  // The last two attempts to open failed in some lane, or one failed with an error that needs a
  // person.
  bool away = false;
  // Pool::Pause was called, and Resume was not.
  bool paused = false;
  // Pool::Close was called, or this is the child of a fork().
  bool closed = false;

  // ---- Since the pool was made ----

  // Most connections lent at once, each lane for itself, added up.
  int peak_in_use = 0;
  // Most callers that waited at once.
  int peak_waiting = 0;
  // Leases given.
  uint64_t checkouts = 0;
  // Of the checkouts, those given to callers that had slept in the wait queue.
  uint64_t waited = 0;
  // Of the checkouts, those that went straight from one holder to the next.
  uint64_t handed_off = 0;
  // Acquires refused because the deadline passed in the wait queue, and TryAcquires that found
  // nothing.
  uint64_t timeouts = 0;
  // Of the timeouts, those in a lane without a connection, while its opens failed.
  uint64_t timeouts_away = 0;
  // Of the timeouts, those in a lane with fewer connections lent than it may have: it was opening,
  // checking or closing some, or was paused. The rest stood behind a pool that was fully lent.
  uint64_t timeouts_opening = 0;
  // Acquires refused because the wait queue was full.
  uint64_t refused_full = 0;
  // Acquires refused because the database is away: the open for this caller failed or took too
  // long, opening pauses, or connection after connection was found dead.
  uint64_t refused_away = 0;
  // Acquires refused because the pool is closed.
  uint64_t refused_closed = 0;
  // Acquires refused because the wait could only have deadlocked.
  uint64_t refused_nested = 0;
  // Acquires that their caller cancelled, by a CancelToken or by PendingAcquire::Cancel.
  uint64_t cancelled = 0;
  // Connections opened.
  uint64_t opens = 0;
  // Opens that failed.
  uint64_t open_failures = 0;
  // Round trips made to prove a connection.
  uint64_t pings = 0;
  // Of the pings, those that failed.
  uint64_t ping_failures = 0;
  // Resets of returned connections that had something to undo.
  uint64_t resets = 0;
  // Of the resets, those that failed.
  uint64_t reset_failures = 0;
  // Maintenance rounds of one connection.
  uint64_t upkeeps = 0;
  // Connections closed because of their age.
  uint64_t recycles = 0;
  // Connections found unusable: by their user, an error, a ping, a reset or maintenance.
  uint64_t invalidations = 0;
  // Connections that users took out of the pool.
  uint64_t detaches = 0;
  // Leases reported because they were held longer than kLeakAfter.
  uint64_t leaks = 0;
  // Statements that took as long as the profile's kSlowStatement, or longer.
  uint64_t slow_statements = 0;
  // Connections closed, by CloseReason.
  std::array<uint64_t, kCloseReasons> closes{};
  // Statements that ended, by absl::StatusCode. All zero without the profile's kWatchStatements, and
  // so are slow_statements and statement_time.
  std::array<uint64_t, kStatusCodes> statements{};

  // From the call of Acquire to the lease, for every lease given. A lease of the idle stack counts
  // as zero.
  Histogram wait;
  // From the lease to its return, for every lease that ended. Exact where every lease is timed. In a
  // lane that lends without a lock it is an estimate where a slot is lent more than a thousand times a
  // second: a lease that was not timed counts as the timed one before it in its slot, or as long as
  // Tick, stats and callers that waited have seen it. Empty without the profile's kHoldTimes, which
  // says which leases are timed.
  Histogram hold;
  // From the begin of an open to its end, for every connection opened.
  Histogram create;
  // StatementEvent::took.
  Histogram statement_time;
};

// ---- Details: what Pool::Inspect tells beside Stats ----

// One slot of the pool.
struct SlotDetails {
  // The pool's number of it, as in Event.
  int slot = -1;
  // The lane it belongs to.
  Role role = Role::kAny;
  // "empty", "opening", "backing off", "idle", "pinging", "leased", "resetting", "closing": a literal.
  std::string_view state{};
  // How long ago the open of its connection began. Zero: the slot is empty, or its open runs.
  Duration age{};
  // How long ago the last use of an idle connection ended. Zero: it is not idle.
  Duration rested{};
  // How long it is lent, and to which line. Zero and no line: it is not lent.
  Duration held{};
  SourceLine where{};
  // The lease may be older than `held`: see PoolOptions::observer.
  bool held_at_least = false;
  // Leases that the slot has given, of all its connections. Wraps at 2^32.
  uint32_t uses = 0;
};

// One caller that waits.
struct WaiterDetails {
  // The lane it waits for.
  Role role = Role::kAny;
  // Since when, and the line that acquires.
  Duration since{};
  SourceLine where{};
};

// One lane.
struct LaneDetails {
  // The most bytes of last_error that are kept.
  static constexpr size_t kMostError = 160;

  // What it lends: connections that write, that read, or that do both.
  Role role = Role::kAny;
  // As in Stats, of this lane.
  int open = 0;
  int idle = 0;
  int in_use = 0;
  int busy = 0;
  int waiting = 0;
  // How long its oldest waiter waits. Zero with an empty queue.
  Duration oldest_wait{};
  // As in Stats, of this lane. While it is away: since when, and in how long the next open is due.
  bool away = false;
  Duration away_for{};
  Duration next_try_in{};
  // Of the latest open that failed: its code, how long ago it was, and its text, cut to fit. kOk: no open
  // has failed.
  absl::StatusCode error_code = absl::StatusCode::kOk;
  Duration error_ago{};
  std::array<char, kMostError> error{};
  size_t error_size = 0;
  std::string_view last_error() const { return {error.data(), error_size}; }
};

// What Pool::Inspect fills in. All of it is of one moment.
struct PoolDetails {
  // As Pool::stats says.
  Stats stats;
  // Each lane; the first `lane_count` are filled in.
  std::array<LaneDetails, 2> lanes{};
  size_t lane_count = 0;
  // How many of the caller's records were filled in.
  size_t slot_count = 0;
  size_t waiter_count = 0;
};

// How a metric moves.
enum class MetricKind : uint8_t {
  // Up and down.
  kGauge,
  // Only up, from 0 when the pool was made.
  kCounter,
  // Spans of time in buckets, whose counts only grow.
  kHistogram,
};

// What one member of Stats means, for programs that show all of them without knowing each. The
// texts are literals.
struct Metric {
  // How it moves.
  MetricKind kind;
  // The member's name in Stats.
  std::string_view name;
  // "s" for spans of time, else what is counted. Empty: the member is a yes or no.
  std::string_view unit;
  // One sentence for people, without a full stop.
  std::string_view help;
  // What a count above 0 tells an operator, to be written after the number: "3 timed out". Empty:
  // nothing is wrong. Counts with the same text stand side by side and are added up.
  std::string_view trouble = {};
};

// ---- Figures beside Stats: of a backend (Backend::AddFigures), of a program (StatusSource) ----

// One of them. Its texts are literals.
struct Figure {
  // As of a member of Stats. A unit "bytes" is part of the name. A unit "state" says that one of the
  // metric's parts is 1 and the others are 0: the status of a program names that one.
  Metric metric;
  // What it belongs to: "sqlite", "statement_cache", "node". Those of one group are shown together.
  std::string_view group{};
  // Which part of the metric it is: "outcome" and "sealed". Empty: the metric has no parts. The parts
  // of one metric stand together.
  std::string_view label{};
  std::string_view part{};
  // Its value: in nanoseconds where the unit is "s".
  int64_t value = 0;
  // In place of the value where the kind is kHistogram. Valid as long as what added it.
  const Histogram* spans = nullptr;
};

// A list of them, in place.
// Memory: some 11 KB.
class Figures {
 public:
  // How many fit.
  static constexpr size_t kMost = 84;
  // Adds `figure`; beyond kMost it is left out.
  void Add(const Figure& figure) {
    if (count_ < figures_.size()) figures_[count_++] = figure;
  }
  // Those that were added, in their order. Valid as long as this.
  std::span<const Figure> all() const { return std::span(figures_).first(count_); }

 private:
  std::array<Figure, kMost> figures_{};
  size_t count_ = 0;
};

namespace internal {

// The members that go up and down: what the pool is, and what it does now. `add` takes the name,
// the member, the unit, the help, and maybe the trouble of a Metric.
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

// The members that only grow. As above.
template <class S>
constexpr void ForEachCounter(S& stats, auto&& add) {
  add("checkouts", stats.checkouts, "leases", "Leases given");
  add("waited", stats.waited, "leases", "Leases given to callers that had waited");
  add("handed_off", stats.handed_off, "leases", "Leases given straight from another holder");
  add("timeouts", stats.timeouts, "calls", "Acquires whose deadline passed", "timed out");
  add("timeouts_away", stats.timeouts_away, "calls",
      "Of the timeouts, those while no connection could be opened");
  add("timeouts_opening", stats.timeouts_opening, "calls",
      "Of the timeouts, those while connections were opened, checked or closed");
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
  add("slow_statements", stats.slow_statements, "statements",
      "Statements that took as long as kSlowStatement, or longer", "slow statements");
  add("closes", stats.closes, "connections", "Connections closed, by reason");
  add("statements", stats.statements, "statements", "Statements that ended, by code");
}

// The members that are histograms. As above.
template <class S>
constexpr void ForEachHistogram(S& stats, auto&& add) {
  add("wait", stats.wait, "s", "Time from the call of Acquire to the lease");
  add("hold", stats.hold, "s", "Time from the lease to its return");
  add("create", stats.create, "s", "Time from the begin of an open to the connection");
  add("statement_time", stats.statement_time, "s",
      "Time of a statement inside the database's calls");
}

}  // namespace internal

// Calls `visit(metric, member)` for each member of `stats`, in their order. A member is an int, a
// bool, a uint64_t, a Duration, a Histogram, or an array of counts by CloseReason or by
// absl::StatusCode. A new member of
// Stats appears in every output once it has its line above. `stats` may be constant or not; a
// visitor may write members of one that is not. No heap. A program that does not call this function
// does not contain it.
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

// Writes the text of SQLAlchemy's pool.status() with this pool's numbers into `out`, cut to fit,
// and returns the text there:
//   Pool size: 2  Connections in pool: 1 Current Overflow: -1 Current Checked out connections: 0
// As in SQLAlchemy, the overflow counts from -pool_size. Allocates nothing.
std::string_view WriteSqlAlchemyStatus(const Stats& stats, std::span<char> out);

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_STATS_H_
