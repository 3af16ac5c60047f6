// tests/bench/floor.h - what a cycle cannot do without, and what it can: atomics, locks, clocks.
#ifndef ROOST_TESTS_BENCH_FLOOR_H_
#define ROOST_TESTS_BENCH_FLOOR_H_

#include <benchmark/benchmark.h>
#include <pthread.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace roost::bench {

// The least that can lend and take back one of several things safely: look, then claim, twice.
// Every ratio of the report is to this.
class Floor {
 public:
  static constexpr const char* kName = "floor";
  static constexpr const char* kNote = "2 x (load + compare-and-swap) on one cache line";
  void Cycle() {
    Replace(1, std::memory_order_acquire);
    Replace(-1, std::memory_order_release);
  }

 private:
  void Replace(int64_t by, std::memory_order order) {
    int64_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(word, word + by, order, std::memory_order_relaxed)) {
    }
  }
  alignas(64) std::atomic<int64_t> word_{3};
};

class TwoAtomics {
 public:
  static constexpr const char* kName = "2 atomics";
  static constexpr const char* kNote = "fetch_add, fetch_sub";
  void Cycle() {
    word_.fetch_sub(1, std::memory_order_acquire);
    word_.fetch_add(1, std::memory_order_release);
  }

 private:
  alignas(64) std::atomic<int64_t> word_{3};
};

class MutexPair {
 public:
  static constexpr const char* kName = "mutex pair";
  static constexpr const char* kNote = "std::mutex: lock, unlock";
  void Cycle() {
    const std::lock_guard lock(mutex_);
    benchmark::ClobberMemory();
  }

 private:
  std::mutex mutex_;
};

class PriorityMutexPair {
 public:
  static constexpr const char* kName = "PI mutex pair";
  static constexpr const char* kNote = "pthread mutex with priority inheritance: lock, unlock";
  PriorityMutexPair() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  ~PriorityMutexPair() { pthread_mutex_destroy(&mutex_); }
  PriorityMutexPair(const PriorityMutexPair&) = delete;
  PriorityMutexPair& operator=(const PriorityMutexPair&) = delete;
  void Cycle() {
    pthread_mutex_lock(&mutex_);
    benchmark::ClobberMemory();
    pthread_mutex_unlock(&mutex_);
  }

 private:
  pthread_mutex_t mutex_;
};

template <clockid_t kClock>
struct ClockRead {
  static constexpr const char* kName =
      kClock == CLOCK_MONOTONIC ? "CLOCK_MONOTONIC" : "CLOCK_MONOTONIC_COARSE";
  static constexpr const char* kNote =
      "one read; valgrind has no vDSO, so instructions and calls are the kernel's way in";
  void Cycle() {
    timespec now;
    clock_gettime(kClock, &now);
    benchmark::DoNotOptimize(now);
  }
};

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_FLOOR_H_
