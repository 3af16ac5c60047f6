// backends/common/endpoint_choice.h - which of several hosts the next attempt to connect goes to.
//
// Threads:  any
// Blocks:   never
// Memory:   its own size
// Errors:   none
#ifndef ROOST_BACKENDS_COMMON_ENDPOINT_CHOICE_H_
#define ROOST_BACKENDS_COMMON_ENDPOINT_CHOICE_H_

#include "absl/base/thread_annotations.h"
#include "roost/internal/mutex.h"

namespace roost::backends {

class EndpointChoice {
 public:
  // How many hosts there are, by their numbers from 0. REQUIRES: count > 0.
  void SetCount(int count);
  // To the last good one, after a failure to the one after it.
  int Choose();
  void Failed(int endpoint);
  // `second_best`: it is not what would be preferred.
  void Succeeded(int endpoint, bool second_best = false);
  // It is a server that is not what was asked for: the next attempt begins elsewhere.
  void Leave(int endpoint);
  // A server that is not what would be preferred will do: all have been tried since the last one that was.
  bool TakesSecondBest();

 private:
  void LeaveLocked(int endpoint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  internal::Mutex mu_;
  int count_ ABSL_GUARDED_BY(mu_) = 1;
  int first_ ABSL_GUARDED_BY(mu_) = 0;
  int failures_ ABSL_GUARDED_BY(mu_) = 0;  // in a row
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_ENDPOINT_CHOICE_H_
