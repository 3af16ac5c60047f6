// platform/linux/linux_platform.h - roost::Platform on Linux: clock_gettime, futex, ppoll,
// getrandom.
//
// One object without state serves the whole process; NativePlatform() gives it. Programs that wrap
// the platform (a test that turns the clock) may derive from this class.
//
// Threads:  every function may be called from every thread at once
// Blocks:   Wait and WaitForDescriptors, up to their deadline
// Memory:   none
// Errors:   none; what the kernel refuses shows as an early return, see platform.h
#ifndef PLATFORM_LINUX_LINUX_PLATFORM_H_
#define PLATFORM_LINUX_LINUX_PLATFORM_H_

#include "roost/platform.h"

namespace roost {

class LinuxPlatform : public Platform {
 public:
  // Has the count of forks begin, once in a process.
  LinuxPlatform();

  TimePoint Now() override;
  TimePoint CoarseNow() override;
  Duration Suspended() override;
  int64_t UnixMicros() override;
  void Yield() override;
  bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) override;
  void Wake(const std::atomic<uint32_t>* word) override;
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override;
  int OpenEvent() override;
  void SignalEvent(int event) override;
  void ClearEvent(int event) override;
  void CloseEvent(int event) override;
  uint32_t Random() override;
  const std::atomic<uint32_t>& Forks() override;
};

}  // namespace roost

#endif  // PLATFORM_LINUX_LINUX_PLATFORM_H_
