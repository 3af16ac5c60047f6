// tests/stress/stress_support.h - what the stress tests share: how long to run, which thread owns
// what, threads.
#ifndef ROOST_TESTS_STRESS_STRESS_SUPPORT_H_
#define ROOST_TESTS_STRESS_STRESS_SUPPORT_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "roost/pool.h"
#include "tests/fakes/scripted_backend.h"

namespace roost {

using namespace std::chrono_literals;  // NOLINT(build/namespaces): tests only
using fakes::Call;
using fakes::Scripted;
using fakes::ScriptedBackend;

// How long one shape is run: ROOST_STRESS_SECONDS, else half a second.
inline std::chrono::duration<double> RunTime() {
  const char* seconds = std::getenv("ROOST_STRESS_SECONDS");
  return std::chrono::duration<double>(seconds != nullptr ? std::atof(seconds) : 0.5);
}

// Acquire and return take the lane without a lock: no ping, no observer. Three slots time no lease.
template <int kSize, int kOverflow = 0>
struct Shape : profiles::Default {
  static constexpr const char* kName = "stress";
  static constexpr int kPoolSize = kSize;
  static constexpr int kMaxOverflow = kOverflow;
  static constexpr int kMaxWaiters = 4096;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr bool kHoldTimes = kSize != 3;
  static constexpr Duration kLinger = 1ms;
  static constexpr int kStatements = 1;
};

// Proves that a slot has one holder at a time, twice over: by an exchange, and by a plain number
// that the thread sanitizer watches.
class Owners {
 public:
  void Take(int slot) {
    Owner& owner = owners_[static_cast<size_t>(slot)];
    EXPECT_FALSE(owner.taken.exchange(true, std::memory_order_relaxed)) << "slot " << slot;
    ++owner.uses;
  }
  void Give(int slot) {
    EXPECT_TRUE(
        owners_[static_cast<size_t>(slot)].taken.exchange(false, std::memory_order_relaxed));
  }
  // REQUIRES: no thread uses the pool.
  uint64_t uses() const {
    uint64_t sum = 0;
    for (const Owner& owner : owners_) sum += owner.uses;
    return sum;
  }

 private:
  struct alignas(64) Owner {
    std::atomic<bool> taken{false};
    uint64_t uses = 0;
  };
  std::array<Owner, 254> owners_;
};

// A small generator, one a thread.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint32_t Roll() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33);
  }
  bool OneIn(uint32_t n) { return Roll() % n == 0; }

 private:
  uint64_t state_;
};

inline void Pause(int times) {
  for (int i = 0; i < times; ++i) asm volatile("" ::: "memory");
}

// Runs `body(index)` on `count` threads until all have returned.
inline void OnThreads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// Nothing is lent, open, waiting or busy, and every lease given was counted.
inline void ExpectDrained(const Pool& pool, const ScriptedBackend& backend, uint64_t leases) {
  const Stats stats = pool.stats();
  EXPECT_EQ(stats.in_use, 0);
  EXPECT_EQ(stats.idle, 0);
  EXPECT_EQ(stats.busy, 0);
  EXPECT_EQ(stats.waiting, 0);
  EXPECT_EQ(stats.open, 0);
  EXPECT_EQ(stats.checkouts, leases);
  EXPECT_EQ(stats.hold.total(), pool.settings().hold_times ? leases : 0);
  EXPECT_EQ(backend.open_now(), 0);
  EXPECT_LE(backend.peak_open(), pool.capacity());
  uint64_t closes = 0;
  for (const uint64_t count : stats.closes) closes += count;
  EXPECT_EQ(stats.opens, closes + stats.detaches);
}

}  // namespace roost

#endif  // ROOST_TESTS_STRESS_STRESS_SUPPORT_H_
