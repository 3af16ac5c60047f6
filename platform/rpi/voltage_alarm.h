// platform/rpi/voltage_alarm.h - the under-voltage alarm of a Raspberry Pi: the file of the kernel's driver
// raspberrypi-hwmon, which tells by poll() that it has changed. The driver asks the firmware every two seconds.
//
// Threads:  one at a time
// Blocks:   never; Fails makes one system call, none on a machine without the driver
// Memory:   the path, when it changes
// Errors:   none: what is not there says no
#ifndef PLATFORM_RPI_VOLTAGE_ALARM_H_
#define PLATFORM_RPI_VOLTAGE_ALARM_H_

#include <string>

#include "platform/rpi/board_health.h"
#include "platform/rpi/power_source.h"

namespace roost {

class VoltageAlarm final : public PowerSource {
 public:
  // Opens the file that `board` finds, and another one when that has found another. REQUIRES: `board` outlives it.
  explicit VoltageAlarm(const BoardHealth& board);
  ~VoltageAlarm() override;

  bool Fails() override;
  // Nothing is wanted of it: the file can always be read, and a change shows as hung_up.
  DescriptorWait Wait() const override { return {.fd = fd_}; }

 private:
  void Forget();

  const BoardHealth& board_;
  std::string path_;
  int fd_ = -1;
};

}  // namespace roost

#endif  // PLATFORM_RPI_VOLTAGE_ALARM_H_
