// tests/bench/plain_pools.h - the pools that people write themselves, as yardsticks for ours.
//
// BargingPool: one mutex, one condition; the first thread at the lock takes what is free.
// FifoPool: one mutex, a condition for each waiter, hand-off in order of arrival.
//
// With kDuties they do what a pool of ours does in each cycle: an invalidated or aged connection is
// found, uses and checkouts are counted, the peak is kept. Without, they only lend numbers.
#ifndef ROOST_TESTS_BENCH_PLAIN_POOLS_H_
#define ROOST_TESTS_BENCH_PLAIN_POOLS_H_

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace roost::bench {

using SteadyTime = std::chrono::steady_clock::time_point;

inline constexpr int kLate = -1;             // in place of a slot: none came free by the deadline
inline constexpr int kMaxPlainSlots = 8;     // of one pool
inline constexpr int kMaxPlainWaiters = 64;  // REQUIRES: no more threads

// What has to be done for a slot beside lending it.
template <bool kDuties>
class SlotDuties {
 public:
  // At take, by the new holder. The deadline stands for the clock, as in our pool: a connection
  // that is young enough at the deadline is young enough now.
  void Begin(int slot, SteadyTime deadline) {
    if constexpr (kDuties) {
      Slot& mine = slots_[static_cast<size_t>(slot)];
      if (mine.generation != generation_.load(std::memory_order_relaxed) ||
          mine.expires_at <= deadline) {
        Renew(mine);
      }
      mine.uses.store(mine.uses.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  // Under the pool's lock.
  void Count(int in_use) {
    if constexpr (kDuties) {
      ++checkouts_;
      if (in_use > peak_) peak_ = in_use;
    }
  }

 private:
  struct Slot {
    uint32_t generation = 0;
    SteadyTime expires_at{};
    std::atomic<uint64_t> uses{0};
  };

  [[gnu::noinline]] void Renew(Slot& slot) {
    slot.generation = generation_.load(std::memory_order_relaxed);
    slot.expires_at = std::chrono::steady_clock::now() + std::chrono::hours(1);
  }

  std::atomic<uint32_t> generation_{1};
  std::array<Slot, kMaxPlainSlots> slots_{};
  uint64_t checkouts_ = 0;
  int peak_ = 0;
};

template <bool kDuties>
class BargingPool {
 public:
  explicit BargingPool(int slots) : slots_(slots), idle_(slots) {
    for (int i = 0; i < slots; ++i) stack_[static_cast<size_t>(i)] = i;
  }

  // A slot, or kLate.
  int Take(SteadyTime deadline) {
    int slot;
    {
      std::unique_lock lock(mutex_);
      if (!some_free_.wait_until(lock, deadline, [this] { return idle_ > 0; })) return kLate;
      slot = stack_[static_cast<size_t>(--idle_)];
      duties_.Count(slots_ - idle_);
    }
    duties_.Begin(slot, deadline);
    return slot;
  }
  void Give(int slot) {
    {
      const std::lock_guard lock(mutex_);
      stack_[static_cast<size_t>(idle_++)] = slot;
    }
    some_free_.notify_one();
  }

 private:
  const int slots_;
  std::mutex mutex_;
  std::condition_variable some_free_;
  std::array<int, kMaxPlainSlots> stack_{};
  int idle_;
  SlotDuties<kDuties> duties_;
};

template <bool kDuties>
class FifoPool {
 public:
  explicit FifoPool(int slots) : slots_(slots), idle_(slots) {
    for (int i = 0; i < slots; ++i) stack_[static_cast<size_t>(i)] = i;
    for (size_t i = 0; i < waiters_.size(); ++i) unused_[i] = &waiters_[i];
  }

  int Take(SteadyTime deadline) {
    int slot;
    {
      std::unique_lock lock(mutex_);
      slot = idle_ > 0 ? stack_[static_cast<size_t>(--idle_)] : Wait(lock, deadline);
      if (slot == kLate) return kLate;
      duties_.Count(slots_ - idle_);
    }
    duties_.Begin(slot, deadline);
    return slot;
  }
  void Give(int slot) {
    Waiter* oldest;
    {
      const std::lock_guard lock(mutex_);
      oldest = first_;
      if (oldest == nullptr) {
        stack_[static_cast<size_t>(idle_++)] = slot;
        return;
      }
      Unlink(*oldest);
      oldest->slot = slot;
    }
    // With the lock free, or the one who wakes would run into it. The waiter belongs to the pool,
    // so that a late call wakes a thread for nothing, at worst.
    oldest->granted.notify_one();
  }

 private:
  struct Waiter {
    std::condition_variable granted;
    int slot = kLate;
    Waiter* next = nullptr;
    Waiter* prev = nullptr;
  };

  int Wait(std::unique_lock<std::mutex>& lock, SteadyTime deadline) {
    Waiter& me = *unused_[static_cast<size_t>(--unused_count_)];
    me.slot = kLate;
    me.next = nullptr;
    me.prev = last_;
    (last_ != nullptr ? last_->next : first_) = &me;
    last_ = &me;
    me.granted.wait_until(lock, deadline, [&me] { return me.slot != kLate; });
    if (me.slot == kLate) Unlink(me);
    unused_[static_cast<size_t>(unused_count_++)] = &me;
    return me.slot;
  }
  void Unlink(Waiter& waiter) {
    (waiter.prev != nullptr ? waiter.prev->next : first_) = waiter.next;
    (waiter.next != nullptr ? waiter.next->prev : last_) = waiter.prev;
  }

  const int slots_;
  std::mutex mutex_;
  std::array<int, kMaxPlainSlots> stack_{};
  int idle_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  std::array<Waiter, kMaxPlainWaiters> waiters_{};
  std::array<Waiter*, kMaxPlainWaiters> unused_{};
  int unused_count_ = kMaxPlainWaiters;
  SlotDuties<kDuties> duties_;
};

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_PLAIN_POOLS_H_
