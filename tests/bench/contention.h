// tests/bench/contention.h - many threads on one pool: how much gets done, how long callers wait,
// which are left out.
//
// A run is short. To compare pools, repeat runs in turn (A B C A B C ...), throw away those during
// which others used the processors (Contention::foreign), and take medians: see bench.py.
#ifndef ROOST_TESTS_BENCH_CONTENTION_H_
#define ROOST_TESTS_BENCH_CONTENTION_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace roost::bench {

using Nanos = int64_t;

// CLOCK_MONOTONIC.
Nanos Now();

// Spans of time in buckets a sixteenth wide, so that a percentile is right to 6 %.
class Waits {
 public:
  void Add(Nanos span);
  void Add(const Waits& other);
  // The bound that `share` (0 to 1) of the spans do not exceed. Zero when there are none.
  Nanos Percentile(double share) const;
  Nanos max() const { return max_; }

 private:
  static constexpr int kFine = 16;
  static constexpr int kBuckets = 64 * kFine;
  static size_t BucketOf(Nanos span);
  static Nanos UpperBound(size_t bucket);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
  Nanos max_ = 0;
};

// What a holder does with its connection.
enum class Hold : uint8_t {
  kNone,
  kCpu20us,    // computes: SQLite
  kSleep20us,  // waits: a database over the network
  kSleep500us,
};

struct Shape {
  int threads = 4;
  Hold hold = Hold::kNone;
  std::chrono::milliseconds run{400};
  bool timed = true;  // with a clock read before and after each take
};

struct Contention {
  double seconds = 0;
  std::vector<uint64_t> takes;  // of each thread
  Waits waits;                  // empty when the run was not timed
  double foreign = 0;           // share of all processors' time that others used meanwhile

  uint64_t cycles() const;
  double MinOverMax() const;
  // Jain's index of the takes: 1 when all threads got the same.
  double Jain() const;
};

// Does what `hold` says. The work of kCpu20us is an amount, measured at its first use, not a time
// on the clock: a holder that was interrupted has not worked meanwhile.
void Work(Hold hold);

// One thread's part of a run.
class Turn {
 public:
  struct Seen {
    uint64_t takes = 0;
    Waits waits;
  };

  Turn(const Shape& shape, const std::atomic<bool>& stop) : shape_(shape), stop_(stop) {}

  bool goes_on() const { return !stop_.load(std::memory_order_relaxed); }
  // Takes, works, gives.
  template <class Pool>
  void Cycle(Pool& pool) {
    const Nanos asked = shape_.timed ? Now() : 0;
    typename Pool::Lease lease = pool.Take();
    if (shape_.timed) seen_.waits.Add(Now() - asked);
    Work(shape_.hold);
    pool.Give(std::move(lease));
    ++seen_.takes;
  }
  const Seen& seen() const { return seen_; }

 private:
  const Shape shape_;
  const std::atomic<bool>& stop_;
  Seen seen_;
};

// Runs `body` in shape.threads threads until shape.run is over.
Contention RunThreads(const Shape& shape, const std::function<void(Turn&)>& body);

template <class Pool>
Contention Contend(Pool& pool, const Shape& shape) {
  return RunThreads(shape, [&pool](Turn& turn) {
    while (turn.goes_on()) turn.Cycle(pool);
  });
}

// Measures the share of all processors' time that others use while it lives.
class ForeignUse {
 public:
  ForeignUse();
  double share() const;

 private:
  struct Reading {
    double busy = 0;  // seconds, all processors, all processes
    double all = 0;   // busy and idle
    double own = 0;
  };
  static Reading Read();
  const Reading start_;
};

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_CONTENTION_H_
