// outbox/pace.h - when and how much: back-off, rows of a batch, bytes a second, bytes a month, time left.
//
// Each class is one decision, without I/O and without a clock of its own.
//
// Threads:  values; one
// Blocks:   never
// Memory:   none
// Errors:   none
#ifndef ROOST_OUTBOX_PACE_H_
#define ROOST_OUTBOX_PACE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "roost/deadline.h"
#include "roost/statement.h"

namespace roost::outbox {

// Random numbers for waits (SplitMix64, https://prng.di.unimi.it/splitmix64.c): the same for the same seed.
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}
  // REQUIRES: lo <= hi
  Duration Between(Duration lo, Duration hi);

 private:
  uint64_t state_;
};

// Waits between attempts at a server that is away.
class BackOff {
 public:
  static constexpr Duration kLongOutage = std::chrono::hours(1);

  BackOff(Duration least, Duration most) : least_(least), most_(most) {}
  // An attempt failed at `now`: how long until the next. `spread`: over how long nodes spread their first ones.
  Duration Failed(TimePoint now, Duration spread, Chance& chance);
  void Succeeded() { failures_ = 0; }

 private:
  const Duration least_;
  const Duration most_;
  int failures_ = 0;
  TimePoint since_{};
};

// Rows of a batch. They double while full batches are quick, and halve when one was too slow or too large.
class BatchSize {
 public:
  static constexpr int kFirst = 100;

  explicit BatchSize(int most)
      : most_(most), ceiling_(most), rows_(most < kFirst ? most : kFirst) {}
  int rows() const { return rows_; }
  void Took(int rows, Duration time, Duration timeout);
  void WasTooSlow() { Shrink(rows_ / 2); }
  // A batch of `rows` was: stays below it until a new connection.
  void WasTooLarge(int rows);
  // A new connection, whose server takes at most `most` rows; 0: it does not say.
  void Restart(uint32_t most);

 private:
  void Shrink(int rows) { rows_ = rows < 1 ? 1 : rows; }

  const int most_;
  int ceiling_;
  int rows_;
};

// A token bucket in bytes. May be overdrawn, because what a call costs is known after it.
class Rate {
 public:
  static constexpr int64_t kBurst = 64 << 10;

  // 0: no bound.
  explicit Rate(int64_t bytes_per_second) : rate_(static_cast<double>(bytes_per_second)) {}
  // When `bytes` may go: `now` or later. REQUIRES: bytes <= kBurst
  TimePoint When(TimePoint now, int64_t bytes);
  void Spend(TimePoint now, uint64_t bytes);

 private:
  void Refill(TimePoint now);

  const double rate_;
  double level_ = static_cast<double>(kBurst);
  bool started_ = false;
  TimePoint last_{};
};

// Bytes of a month.
class Budget {
 public:
  Budget(int64_t bytes, int day) : bytes_(bytes), day_(day) {}
  // What was counted so far, and in which month.
  void Load(uint64_t used, int64_t month) {
    used_ = used;
    month_ = month;
  }
  void Add(uint64_t bytes) { used_ += bytes; }
  // What time it is. A later month begins at nothing; one that is earlier was a wrong clock, and counts on.
  void SetTime(Micros time);
  bool IsOver() const { return bytes_ > 0 && used_ >= static_cast<uint64_t>(bytes_); }
  bool exists() const { return bytes_ > 0; }
  uint64_t used() const { return used_; }
  int64_t month() const { return month_; }
  // Months since the year 0; the month begins at `day`.
  static int64_t MonthOf(Micros time, int day);

 private:
  const int64_t bytes_;
  const int day_;
  uint64_t used_ = 0;
  int64_t month_ = 0;  // 0: not known yet
};

// When nothing will wait, at the rates of the last minute.
class DrainTime {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);

  void Note(TimePoint now, int64_t waiting);
  Duration Left(TimePoint now, int64_t waiting) const;

 private:
  struct Sample {
    TimePoint at{};
    int64_t waiting = 0;
  };
  std::array<Sample, 7> samples_{};
  size_t count_ = 0;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_PACE_H_
