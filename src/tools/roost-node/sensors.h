// tools/roost-node/sensors.h - the board's health as readings.
#ifndef ROOST_TOOLS_ROOST_NODE_SENSORS_H_
#define ROOST_TOOLS_ROOST_NODE_SENSORS_H_

#include <string>

#include "platform/rpi/board_health.h"
#include "roost/platform.h"
#include "tools/roost-node/reading.h"

namespace roost::tools {

// Sets the times of a reading that is taken at this moment.
void Stamp(Platform& platform, Reading& reading);

// Calls `take(Reading)` for each sensor that the board has, all stamped alike. Returns how many had
// a value that no board can have; those are left out.
template <class Take>
int ReadSensors(const BoardHealth& board, Platform& platform, Take take) {
  Reading reading;
  Stamp(platform, reading);
  const auto give = [&](const char* name, const char* unit, std::optional<double> value) {
    if (!value.has_value()) return;
    reading.name = decltype(Reading::name)(name);
    reading.unit = decltype(Reading::unit)(unit);
    reading.value = *value;
    take(reading);
  };
  const BoardReading seen = board.Read();
  give("cpu_temperature", "C", seen.cpu_celsius);
  give("cpu_frequency", "MHz", seen.cpu_mhz);
  give("load_1m", "", seen.load_1m);
  give("memory_available", "MiB", seen.memory_available_mib);
  give("storage_free", "MiB", seen.storage_free_mib);
  if (seen.under_voltage) give("under_voltage", "", *seen.under_voltage ? 1 : 0);
  if (seen.throttling) give("throttled", "bits", seen.throttling->bits);
  return seen.implausible;
}

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_SENSORS_H_
