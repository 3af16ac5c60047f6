// pool/tuning.h - Pool::Tune: which values it takes, and how they come into force.
#ifndef ROOST_POOL_TUNING_H_
#define ROOST_POOL_TUNING_H_

#include "absl/status/status.h"
#include "pool/pool_parts.h"
#include "roost/profile.h"

namespace roost::internal {

class Tuner {
 public:
  explicit Tuner(PoolParts& pool) : pool_(pool) {}

  // See Pool::Tune and Pool::settings.
  absl::Status Tune(const Tuning& wish);
  PoolSettings settings() const;

 private:
  bool PutInForce(const PoolSettings& wished, uint32_t turn);

  PoolParts& pool_;
  uint32_t tunes_ ABSL_GUARDED_BY(kPoolLock) = 0;  // changes so far
};

}  // namespace roost::internal

#endif  // ROOST_POOL_TUNING_H_
