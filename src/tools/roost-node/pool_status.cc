#include "src/tools/roost-node/pool_status.h"

#include <fstream>
#include <string>

#include "platform/rpi/board_health.h"

namespace roost::tools {

PoolStatus StatusOf(const Pool& pool) {
  PoolStatus status{.name = std::string(pool.name()),
                    .backend = std::string(pool.backend().kind()),
                    .target = std::string(pool.backend().target()),
                    .profile = pool.settings().profile,
                    .stats = pool.stats()};
  status.wait = SummaryOf(status.stats.wait);
  status.hold = SummaryOf(status.stats.hold);
  return status;
}

int64_t BootMicrosAt(TimePoint now, TimePoint at) {
  return BootMicros() + (at - now) / std::chrono::microseconds(1);
}

MemoryStatus MemoryOfThisProcess() {
  MemoryStatus memory;
  std::ifstream file("/proc/self/status");
  for (std::string name; file >> name;) {
    if (name == "VmRSS:") file >> memory.rss_kib;
    if (name == "VmHWM:") file >> memory.peak_rss_kib;
    file.ignore(256, '\n');
  }
  return memory;
}

}  // namespace roost::tools
