#include "platform/rpi/voltage_alarm.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace roost {

VoltageAlarm::VoltageAlarm(const BoardHealth& board) : board_(board) {}

VoltageAlarm::~VoltageAlarm() { Forget(); }

void VoltageAlarm::Forget() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

bool VoltageAlarm::Fails() {
  if (path_ != board_.voltage_alarm()) {
    Forget();
    path_ = board_.voltage_alarm();
  }
  if (path_.empty()) return false;
  // Also a driver that was loaded again under its old number.
  if (fd_ < 0) fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) return false;
  // From the beginning, which is what makes poll() wait for the next change.
  char value = '0';
  if (pread(fd_, &value, 1, 0) != 1) {
    // The driver is gone. Its descriptor would be ready for ever.
    Forget();
    return false;
  }
  return value == '1';
}

}  // namespace roost
