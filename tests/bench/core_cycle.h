// tests/bench/core_cycle.h - the two compare-and-swaps of a cycle, with the encoding of our idle
// stack, nothing else.
//
// The memory orders and tests are those of the pool's fast path; what is slow is a trap here, as it
// must not be met. Used by one thread.
#ifndef ROOST_TESTS_BENCH_CORE_CYCLE_H_
#define ROOST_TESTS_BENCH_CORE_CYCLE_H_

#include <atomic>
#include <cstdint>

#include "roost/internal/idle_stack.h"

namespace roost::bench {

// Up to seven slots. kCoreSize of them may be idle, the others are overflow.
template <int kCoreSize>
class CoreCycle {
 public:
  using Codec = internal::SlotStack;

  CoreCycle() {
    Codec::Value value = Codec::kEmpty;
    for (uint8_t slot = 0; slot < kCoreSize; ++slot) value = Codec::Push(value, slot);
    value_.store(value, std::memory_order_relaxed);
  }
  uint8_t Take() {
    Codec::Value value = value_.load(std::memory_order_relaxed);
    do {
      if (Codec::HasNone(value)) __builtin_trap();
    } while (!value_.compare_exchange_weak(value, Codec::Pop(value), std::memory_order_acquire,
                                           std::memory_order_relaxed));
    return Codec::Top(value);
  }
  void Give(uint8_t slot) {
    Codec::Value value = value_.load(std::memory_order_relaxed);
    do {
      if (Codec::AtLeast(value, Codec::OfDepth(kCoreSize))) __builtin_trap();  // full, or closed
    } while (!value_.compare_exchange_weak(value, Codec::Push(value, slot),
                                           std::memory_order_release, std::memory_order_relaxed));
  }

 private:
  alignas(64) std::atomic<Codec::Value> value_;
};

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_CORE_CYCLE_H_
