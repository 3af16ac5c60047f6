// src/tools/roost-node/pool_status.h - what the status file says of pools, moments and memory.
#ifndef SRC_TOOLS_ROOST_NODE_POOL_STATUS_H_
#define SRC_TOOLS_ROOST_NODE_POOL_STATUS_H_

#include <cstdint>

#include "roost/pool.h"
#include "src/tools/common/status_file.h"

namespace roost::tools {

PoolStatus StatusOf(const Pool& pool);

// `at` as microseconds since boot, when it is `now` on the pools' clock. The two clocks differ by
// the time that the machine was suspended.
int64_t BootMicrosAt(TimePoint now, TimePoint at);

// Of this process, by the kernel's account; zeros where it does not tell.
MemoryStatus MemoryOfThisProcess();

}  // namespace roost::tools

#endif  // SRC_TOOLS_ROOST_NODE_POOL_STATUS_H_
