// core/hold_times.h - how long the leases of a lane's idle stack are held, of which few are timed.
//
// To time a lease takes the lock and reads the clock at both ends. So where a slot is lent often, a
// draw chooses the leases that are timed, and each of the others counts as the timed one before it in
// the same slot. How many follow a timed lease is drawn when it begins, so that it does not depend on
// how long any of them is held. What a look at the lane finds out by the way (a lease has been out
// since an earlier look) counts, too.
#ifndef ROOST_CORE_HOLD_TIMES_H_
#define ROOST_CORE_HOLD_TIMES_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "roost/deadline.h"
#include "roost/internal/idle_stack.h"
#include "roost/stats.h"

namespace roost::core {

class HoldTimes {
 public:
  // As many leases of a slot are timed as fit into this span one by one, or all.
  static constexpr Duration kEvery = std::chrono::milliseconds(1);
  // Of so many leases one is timed, on the average, where a slot is lent most often.
  static constexpr int64_t kMostMean = 128;

  // A timed lease of `slot` begins, the `leases`-th one. Returns the how-manieth lease from here on is
  // timed next, 1 to 255. `chance`: random bits.
  uint8_t UntilNext(uint8_t slot, uint32_t leases, uint32_t chance, TimePoint now) {
    Slot& s = slots_[slot];
    const int64_t since = leases - s.timed_lease;
    const int64_t elapsed = std::max<int64_t>((now - s.timed_at).count(), 1);
    s.timed_at = now;
    s.timed_lease = leases;
    const int64_t mean = std::clamp<int64_t>(since * kEvery.count() / elapsed, 1, kMostMean);
    return static_cast<uint8_t>(1 + chance % static_cast<uint32_t>(2 * mean - 1));
  }
  // No timed lease of `slot` began for so long that the next one has to be.
  bool IsDue(uint8_t slot, TimePoint now) const { return now - slots_[slot].timed_at >= kEvery; }

  // `leases` more of `slot` began untimed, the last of which may be out.
  void Begin(uint8_t slot, uint32_t leases, Histogram& hold) {
    if (leases == 0) return;
    End(slot, hold);
    hold.Add(slots_[slot].held, leases - 1);
    slots_[slot].is_out = true;
  }
  // The untimed lease is out, for at least `so_far`.
  void See(uint8_t slot, Duration so_far) { slots_[slot].seen = so_far; }
  // The untimed lease, if one was out, has ended.
  void End(uint8_t slot, Histogram& hold) {
    Slot& s = slots_[slot];
    if (s.is_out) hold.Add(std::max(s.held, s.seen));
    s.is_out = false;
    s.seen = {};
  }
  // A lease ends under the lock after `held`; if it is untimed, that is the least. Returns what counts.
  Duration Return(uint8_t slot, Duration held, bool timed) {
    Slot& s = slots_[slot];
    s.is_out = false;
    s.seen = {};
    if (timed) s.held = held;
    return std::max(held, s.held);
  }

 private:
  struct Slot {
    Duration held{};           // of the latest timed lease
    Duration seen{};           // how long the untimed lease that is out has been seen
    TimePoint timed_at;        // when the latest timed lease began
    uint32_t timed_lease = 0;  // its number
    bool is_out = false;       // an untimed lease has not been counted as ended
  };
  std::array<Slot, internal::SlotStack::kMaxSlots> slots_;
};

}  // namespace roost::core

#endif  // ROOST_CORE_HOLD_TIMES_H_
