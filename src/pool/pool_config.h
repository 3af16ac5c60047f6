// pool/pool_config.h - what of a pool is constant after construction.
#ifndef ROOST_POOL_POOL_CONFIG_H_
#define ROOST_POOL_POOL_CONFIG_H_

#include "roost/backend.h"
#include "roost/observer.h"
#include "roost/platform.h"
#include "roost/profile.h"

namespace roost::internal {

struct PoolConfig {
  Backend& backend;
  Platform& platform;
  const PoolSettings settings;
  const char* const name;
  std::byte* const connections;   // memory for the connections, by the pool's slot number
  const size_t connection_bytes;  // of each
  StatementObserver* const statement_observer;  // null: none
};

}  // namespace roost::internal

#endif  // ROOST_POOL_POOL_CONFIG_H_
