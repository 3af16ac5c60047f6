// core_cycle.h - the two compare-and-swaps of a cycle, with the codecs of our lanes, nothing else.
//
// The memory orders and tests are those of the pool's fast path; what is slow is a trap here, as it
// must not be met. Used by one thread.
#ifndef ROOST_TESTS_BENCH_CORE_CYCLE_H_
#define ROOST_TESTS_BENCH_CORE_CYCLE_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "roost/internal/idle_word.h"

namespace roost::bench {

// Up to seven slots: the stack is in the word. kKept of them may rest, the others are overflow.
template <int kKept>
class InWordCore {
 public:
  using Codec = internal::InWord;

  InWordCore() {
    Codec::Word word = Codec::kEmpty;
    for (uint8_t slot = 0; slot < kKept; ++slot) word = Codec::Push(word, slot);
    word_.store(word, std::memory_order_relaxed);
  }
  uint8_t Take() {
    Codec::Word word = word_.load(std::memory_order_relaxed);
    do {
      if (Codec::HasNone(word)) __builtin_trap();
    } while (!word_.compare_exchange_weak(word, Codec::Pop(word), std::memory_order_acquire,
                                          std::memory_order_relaxed));
    return Codec::Top(word);
  }
  void Give(uint8_t slot) {
    Codec::Word word = word_.load(std::memory_order_relaxed);
    do {
      if (Codec::AtLeast(word, Codec::OfDepth(kKept))) __builtin_trap();  // full, or closed
    } while (!word_.compare_exchange_weak(word, Codec::Push(word, slot), std::memory_order_release,
                                          std::memory_order_relaxed));
  }

 private:
  alignas(64) std::atomic<Codec::Word> word_;
};

// More: the word has the top, and each slot knows the one below it.
template <int kKept, int kOverflow>
class LinkedCore {
 public:
  using Codec = internal::Linked;

  LinkedCore() {
    Codec::Word word = Codec::kEmpty;
    for (uint8_t slot = 0; slot < kKept; ++slot) {
      below_[slot].store(Codec::Below(word), std::memory_order_relaxed);
      word = Codec::Push(word, slot);
    }
    word_.store(word, std::memory_order_relaxed);
  }
  uint8_t Take() {
    Codec::Word word = word_.load(std::memory_order_acquire);
    Codec::Word popped;
    do {
      if (Codec::HasNone(word)) __builtin_trap();
      popped = Codec::Pop(word, below_[Codec::Top(word)].load(std::memory_order_relaxed));
    } while (!word_.compare_exchange_weak(word, popped, std::memory_order_acquire,
                                          std::memory_order_acquire));
    return Codec::Top(word);
  }
  void Give(uint8_t slot) {
    Codec::Word word = word_.load(std::memory_order_relaxed);
    do {
      if (Codec::AtLeast(word, Codec::OfDepth(kKept))) __builtin_trap();
      below_[slot].store(Codec::Below(word), std::memory_order_relaxed);
    } while (!word_.compare_exchange_weak(word, Codec::Push(word, slot), std::memory_order_release,
                                          std::memory_order_relaxed));
  }

 private:
  alignas(64) std::atomic<Codec::Word> word_;
  std::array<std::atomic<uint8_t>, kKept + kOverflow> below_{};
};

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_CORE_CYCLE_H_
