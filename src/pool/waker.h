// pool/waker.h - calls a WakeCallback with no lock held, and never after it was taken away.
#ifndef ROOST_POOL_WAKER_H_
#define ROOST_POOL_WAKER_H_

#include <atomic>
#include <cstdint>

#include "roost/platform.h"
#include "roost/pool.h"

namespace roost::internal {

// A call is announced under the lock that guards the WakeCallback (Announce) and made after it
// (Call). A thread that takes the callback away does so under the same lock, and then waits with
// the lock free until the announced calls have been made (WaitForCalls).
class Waker {
 public:
  explicit Waker(WakeCallback callback = {}) : callback_(callback) {}
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void set_callback(WakeCallback callback) { callback_ = callback; }
  // False: no function is set. True: Call must follow, with what is put into `callback`.
  bool Announce(WakeCallback& callback) {
    if (callback_.function == nullptr) return false;
    callback = callback_;
    // Relaxed: a thread in WaitForCalls took the lock after this, or before it and then took
    // callback_ away.
    announced_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  void Call(const WakeCallback& callback, Platform& platform) {
    callback.function(callback.context);
    // Release: what the callback did is over for a thread that reads 0 in WaitForCalls. From here
    // on this may be destroyed; the wake uses the address alone.
    const std::atomic<uint32_t>* const word = &announced_;
    if (announced_.fetch_sub(1, std::memory_order_release) == 1) platform.Wake(word);
  }
  // Waits until every announced call was made. REQUIRES: not called from a WakeCallback.
  void WaitForCalls(Platform& platform) const {
    for (uint32_t n = announced_.load(std::memory_order_acquire); n != 0;
         n = announced_.load(std::memory_order_acquire)) {
      platform.Wait(announced_, n, Deadline::Never());
    }
  }

 private:
  WakeCallback callback_;
  std::atomic<uint32_t> announced_{0};
};

}  // namespace roost::internal

#endif  // ROOST_POOL_WAKER_H_
