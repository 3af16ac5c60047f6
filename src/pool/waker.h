// waker.h - calls a WakeCallback with no lock held, without outliving whoever is called.
#ifndef ROOST_POOL_WAKER_H_
#define ROOST_POOL_WAKER_H_

#include <atomic>
#include <cstdint>

#include "roost/platform.h"
#include "roost/pool.h"

namespace roost::internal {

// A call is announced under the lock that guards the WakeCallback (Announce) and made after it (Ring).
// Whoever takes the call away does so under the same lock and then waits, with the lock free, until
// the announced ones have been made (Settle).
class Waker {
 public:
  explicit Waker(WakeCallback call = {}) : call_(call) {}
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void set_call(WakeCallback call) { call_ = call; }
  // False: there is nobody to call. True: Ring has to follow, with what is put into `call`.
  bool Announce(WakeCallback& call) {
    if (call_.function == nullptr) return false;
    call = call_;
    // Relaxed: whoever calls Settle holds the lock after this, or before it and then took call_.
    announced_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  void Ring(const WakeCallback& call, Platform& platform) {
    call.function(call.context);
    // Release: what the call did is over for whoever reads 0 in Settle. From here on this may be
    // gone; the wake goes by address alone.
    const std::atomic<uint32_t>* const word = &announced_;
    if (announced_.fetch_sub(1, std::memory_order_release) == 1) platform.Wake(word);
  }
  // Waits until every announced call was made. REQUIRES: not called from a WakeCallback.
  void Settle(Platform& platform) const {
    for (uint32_t n = announced_.load(std::memory_order_acquire); n != 0;
         n = announced_.load(std::memory_order_acquire)) {
      platform.Wait(announced_, n, Deadline::Never());
    }
  }

 private:
  WakeCallback call_;
  std::atomic<uint32_t> announced_{0};
};

}  // namespace roost::internal

#endif  // ROOST_POOL_WAKER_H_
