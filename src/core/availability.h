// core/availability.h - whether the database can be opened, as far as the last attempts told.
#ifndef ROOST_CORE_AVAILABILITY_H_
#define ROOST_CORE_AVAILABILITY_H_

#include "core/action.h"
#include "core/sizing.h"
#include "roost/profile.h"

namespace roost::core {

class Availability {
 public:
  // Failed opens in a row.
  int failures() const { return failures_; }
  // The last attempts failed: callers may be refused.
  bool is_away() const { return away_; }
  // Nothing is opened before this moment.
  TimePoint retry_at() const { return retry_at_; }

  void RecordSuccess() { *this = {}; }
  // Returns the pause until the next attempt.
  Duration RecordFailure(const ActionResult& result, const PoolSettings& settings, TimePoint now) {
    ++failures_;
    const Duration pause = BackoffPause(failures_, result.permanent, settings.backoff_min,
                                        settings.backoff_max, result.random);
    retry_at_ = Later(now, pause);
    away_ = failures_ >= 2 || result.permanent;
    return pause;
  }
  // The lane closes: nothing waits for the pause.
  void EndPause(TimePoint now) { retry_at_ = now; }

 private:
  int failures_ = 0;
  bool away_ = false;
  TimePoint retry_at_ = TimePoint::min();
};

}  // namespace roost::core

#endif  // ROOST_CORE_AVAILABILITY_H_
