// tools/roost-node/pool_status.h - what the status file says of pools, moments and memory.
//
// Memory:   none when the status was filled before: its texts keep their room
#ifndef ROOST_TOOLS_ROOST_NODE_POOL_STATUS_H_
#define ROOST_TOOLS_ROOST_NODE_POOL_STATUS_H_

#include <cstdint>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "roost/sqlite_memory.h"
#include "telemetry/node_status.h"

namespace roost::tools {

void ToStatus(const Pool& pool, telemetry::PoolStatus& status);

// Zeros unless the pool's backend is a SqliteBackend.
SqliteFileStats FileStatsOf(const Pool& pool);
void ToStatus(const SqliteFileStats& stats, telemetry::SqliteFileStatus& status);
// `memory`: null when it was not asked for.
void ToStatus(const SqliteMemory* memory, telemetry::SqliteMemoryStatus& status);

// Of this process, by the kernel's account; zeros where it does not tell.
void ToStatus(telemetry::MemoryStatus& status);

// `at` as microseconds since boot, when it is `now` on the pools' clock. The two clocks differ by
// the time that the machine was suspended.
int64_t BootMicrosAt(TimePoint now, TimePoint at);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_POOL_STATUS_H_
