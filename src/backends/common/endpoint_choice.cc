#include "backends/common/endpoint_choice.h"

namespace roost::backends {

using internal::MutexLock;

void EndpointChoice::SetCount(int count) {
  MutexLock lock(mu_);
  count_ = count;
  first_ %= count;
}

int EndpointChoice::Choose() {
  MutexLock lock(mu_);
  return first_;
}

void EndpointChoice::LeaveLocked(int endpoint) {
  if (first_ == endpoint) first_ = (first_ + 1) % count_;
}

void EndpointChoice::Failed(int endpoint) {
  MutexLock lock(mu_);
  ++failures_;
  LeaveLocked(endpoint);
}

void EndpointChoice::Succeeded(int endpoint, bool second_best) {
  MutexLock lock(mu_);
  if (!second_best) failures_ = 0;
  first_ = endpoint;
}

void EndpointChoice::Leave(int endpoint) {
  MutexLock lock(mu_);
  LeaveLocked(endpoint);
}

bool EndpointChoice::TakesSecondBest() {
  MutexLock lock(mu_);
  return failures_ >= count_ - 1;
}

}  // namespace roost::backends
