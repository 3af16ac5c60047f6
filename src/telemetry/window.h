// telemetry/window.h - what a pool did in the last one to two minutes, beside what it did since its start.
//
// Two copies of the counters, the younger one taken kTurn after the older one. What happened since the
// older one is the window. The copies are taken when somebody looks or an event comes: a program that
// sleeps is not woken for them, and its window is longer.
//
// Threads:  one at a time
// Blocks:   never
// Memory:   1 KB
#ifndef ROOST_TELEMETRY_WINDOW_H_
#define ROOST_TELEMETRY_WINDOW_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "roost/stats.h"

namespace roost::telemetry {

inline constexpr size_t kWindowCounters = 12;

// The counters that a window has. `visit(name, count)`.
constexpr void ForEachWindowCounter(const Stats& stats, auto&& visit) {
  visit("checkouts", stats.checkouts);
  visit("waited", stats.waited);
  visit("handed_off", stats.handed_off);
  visit("timeouts", stats.timeouts);
  visit("timeouts_away", stats.timeouts_away);
  visit("timeouts_opening", stats.timeouts_opening);
  visit("refused", stats.refused_full + stats.refused_away + stats.refused_closed +
                       stats.refused_nested + stats.cancelled);
  visit("opens", stats.opens);
  visit("open_failures", stats.open_failures);
  visit("ping_failures", stats.ping_failures);
  visit("invalidations", stats.invalidations);
  visit("leaks", stats.leaks);
}

// The buckets of a histogram, as differences of them.
class WindowHistogram {
 public:
  WindowHistogram(const Histogram& now, const std::array<uint32_t, Histogram::kBuckets>& before) {
    for (int i = 0; i < Histogram::kBuckets; ++i) {
      const auto index = static_cast<size_t>(i);
      counts_[index] = static_cast<uint32_t>(now.count(i)) - before[index];
      total_ += counts_[index];
    }
    longest_ = now.max();
  }
  uint64_t total() const { return total_; }
  uint32_t count(int bucket) const { return counts_[static_cast<size_t>(bucket)]; }
  // The smallest bound that `share` of the spans do not exceed; never above the longest span of all time.
  Duration Percentile(double share) const {
    uint64_t below = 0;
    for (int i = 0; i < Histogram::kBuckets && total_ > 0; ++i) {
      below += count(i);
      if (below > 0 && static_cast<double>(below) >= share * static_cast<double>(total_)) {
        return std::min(Histogram::Bound(i), longest_);
      }
    }
    return Duration::zero();
  }

 private:
  std::array<uint32_t, Histogram::kBuckets> counts_{};
  uint64_t total_ = 0;
  Duration longest_{};
};

class Window {
 public:
  static constexpr Duration kTurn = std::chrono::minutes(1);

  // The window begins.
  void Begin(TimePoint now, const Stats& stats) {
    younger_.Take(now, stats);
    older_ = younger_;
  }
  bool IsDue(TimePoint now) const { return now - younger_.at >= kTurn; }
  void Turn(TimePoint now, const Stats& stats) {
    older_ = younger_;
    younger_.Take(now, stats);
  }
  Duration Span(TimePoint now) const { return now - older_.at; }
  // `visit(name, count)` with what was counted in the window.
  void ForEach(const Stats& stats, auto&& visit) const {
    size_t i = 0;
    ForEachWindowCounter(
        stats, [&](const char* name, uint64_t count) { visit(name, count - older_.counts[i++]); });
  }
  WindowHistogram Wait(const Stats& stats) const { return {stats.wait, older_.wait}; }
  WindowHistogram Hold(const Stats& stats) const { return {stats.hold, older_.hold}; }
  WindowHistogram Create(const Stats& stats) const { return {stats.create, older_.create}; }

 private:
  using Buckets = std::array<uint32_t, Histogram::kBuckets>;
  struct Copy {
    TimePoint at{};
    std::array<uint64_t, kWindowCounters> counts{};
    Buckets wait{};
    Buckets hold{};
    Buckets create{};

    void Take(TimePoint now, const Stats& stats) {
      at = now;
      size_t i = 0;
      ForEachWindowCounter(stats, [&](const char*, uint64_t count) { counts[i++] = count; });
      for (int b = 0; b < Histogram::kBuckets; ++b) {
        const auto bucket = static_cast<size_t>(b);
        wait[bucket] = static_cast<uint32_t>(stats.wait.count(b));
        hold[bucket] = static_cast<uint32_t>(stats.hold.count(b));
        create[bucket] = static_cast<uint32_t>(stats.create.count(b));
      }
    }
  };
  Copy younger_;
  Copy older_;
};

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_WINDOW_H_
