// core/hold_history.h - whether leases are held for longer than a sleeping thread takes to wake.
#ifndef ROOST_CORE_HOLD_HISTORY_H_
#define ROOST_CORE_HOLD_HISTORY_H_

#include <algorithm>

#include "core/slot.h"

namespace roost::core {

// A hold that is not much longer than a sleeping thread takes to run: 30 to 100 us on a Raspberry
// Pi.
inline constexpr Duration kShortHold = std::chrono::microseconds(200);

// A long hold weighs as much as two short ones, so that a single long one, whose holder was kept
// from running, changes nothing.
class HoldHistory {
 public:
  void Record(const Slot& slot, TimePoint now) {
    if (now - slot.leased_at >= kShortHold) {
      score_ = std::min(score_ + 2, kMostLong);
    } else if (!slot.leased_at_is_upper_bound && score_ > 0) {
      --score_;  // not where only a part of the hold is known
    }
  }
  // More than every third of the latest holds was long.
  bool AreLong() const { return score_ > kMostLong / 2; }
  int score() const { return score_; }

 private:
  static constexpr int kMostLong = 4;
  int score_ = 0;  // 0 to kMostLong
};

}  // namespace roost::core

#endif  // ROOST_CORE_HOLD_HISTORY_H_
