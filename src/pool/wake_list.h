// pool/wake_list.h - the threads and loops to wake after the lock is released.
#ifndef ROOST_POOL_WAKE_LIST_H_
#define ROOST_POOL_WAKE_LIST_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "pool/waker.h"

namespace roost::internal {

class WakeList {
 public:
  explicit WakeList(Platform& platform) : platform_(platform) {}
  WakeList(const WakeList&) = delete;
  WakeList& operator=(const WakeList&) = delete;

  // One thread or loop to wake.
  struct Target {
    const std::atomic<uint32_t>* word = nullptr;  // a sleeping thread's; may be destroyed meanwhile
    Waker* waker = nullptr;                       // a loop's
    WakeCallback callback{};                      // that the waker announced
  };
  // The target of a waiter, which may destroy `word` and `waker` once it is told its outcome: ask
  // before that, Add after it. Empty: the waiter's loop wants no call.
  static std::optional<Target> TargetOf(const std::atomic<uint32_t>& word, Waker* waker) {
    Target target{.word = &word, .waker = waker};
    if (waker != nullptr && !waker->Announce(target.callback)) return std::nullopt;
    return target;
  }

  void Add(const Target& target) {
    if (count_ < kMost) {
      targets_[count_++] = target;
    } else {
      Wake(target);
    }
  }
  // Threads that sleep on this futex word.
  void Add(const std::atomic<uint32_t>& word) { Add(Target{.word = &word}); }
  // A loop, if it wants to be called.
  void Add(Waker& waker) {
    Target target{.waker = &waker};
    if (waker.Announce(target.callback)) Add(target);
  }
  // With the lock free. Those above kMost, which only a change for the whole queue can cause (Close,
  // Resume, Cancel, a database that goes away), were woken by Add.
  void WakeAll() {
    for (size_t i = 0; i < count_; ++i) Wake(targets_[i]);
    count_ = 0;
  }

 private:
  static constexpr size_t kMost = 8;

  void Wake(const Target& target) {
    if (target.waker != nullptr) {
      target.waker->Call(target.callback, platform_);
    } else {
      platform_.Wake(target.word);
    }
  }

  Platform& platform_;
  std::array<Target, kMost> targets_;  // the first count_ are set
  size_t count_ = 0;
};

}  // namespace roost::internal

#endif  // ROOST_POOL_WAKE_LIST_H_
