#include "tools/roost-node/sensors.h"

namespace roost::tools {

void Stamp(Platform& platform, Reading& reading) {
  reading.boot_us = BootMicros();
  reading.wall_us = platform.UnixMicros();
  reading.synced = WallClockIsSynchronised();
}

}  // namespace roost::tools
