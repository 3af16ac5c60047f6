// pool/pool_config.h - what a pool is made of. Constant after construction, but for what Tune changes.
#ifndef ROOST_POOL_POOL_CONFIG_H_
#define ROOST_POOL_POOL_CONFIG_H_

#include "pool/live_settings.h"
#include "roost/backend.h"
#include "roost/observer.h"
#include "roost/platform.h"

namespace roost::internal {

struct PoolConfig {
  Backend& backend;
  Platform& platform;
  LiveSettings settings;
  const char* const name;
  std::byte* const connections;   // memory for the connections, by the pool's slot number
  const size_t connection_bytes;  // of each
  StatementObserver* const statement_observer;  // null: none
  AcquireObserver* const acquire_observer;      // null: none
};

}  // namespace roost::internal

#endif  // ROOST_POOL_POOL_CONFIG_H_
