// include/roost/platform.h - what roostpool needs of the machine: time, waits, chance.
//
// A port implements this one class; platform/README.md is the form to fill in and
// platform/template/ the file to copy. Tests use a fake whose clock is turned by hand. An
// application that runs on Linux never names it: pools use NativePlatform() unless told otherwise.
//
// Threads:  every function may be called from every thread at once
// Blocks:   Wait and WaitForDescriptors, up to their deadline; the others never
// Memory:   none
// Errors:   none of the functions fails; see each
#ifndef ROOST_PLATFORM_H_
#define ROOST_PLATFORM_H_

#include <atomic>
#include <cstdint>
#include <span>

#include "roost/deadline.h"

namespace roost {

// What to wait for on a descriptor, and what was seen.
struct IoEvents {
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  // peer closed, or error; always watched, never has to be asked for
  constexpr bool any() const { return readable || writable || hung_up; }
};

// One descriptor to wait for. fd -1: none; it is passed over.
struct DescriptorWait {
  int fd = -1;
  IoEvents wanted{};
  IoEvents seen{};  // filled in by the wait
};

class Platform {
 public:
  Platform() = default;
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;
  virtual ~Platform() = default;

  // The monotonic clock, exact. Never goes back. Cost on Linux: 20 to 50 ns.
  virtual TimePoint Now() = 0;
  // The same clock, at most one scheduler tick (10 ms) behind Now(). Cost on Linux: 5 to 10 ns.
  virtual TimePoint CoarseNow() = 0;
  // How long the machine has been suspended since its start, in all; Now() stood still meanwhile,
  // and servers may have given up on us. Zero where it cannot be told.
  virtual Duration Suspended() { return Duration::zero(); }
  // Microseconds since 1970 UTC by the wall clock, which may jump. Only for stamping readings.
  virtual int64_t UnixMicros() = 0;

  // Lets a thread that is ready run on this processor first, if there is one of the same priority.
  // A hint; may do nothing. Costs a system call where it does something.
  virtual void Yield() {}
  // Sleeps while `word` holds `value`, until somebody calls Wake with its address, or `deadline`.
  // May return early for no reason: the caller looks at the word again. Returns false only when the
  // deadline passed.
  virtual bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) = 0;
  // Wakes every thread that sleeps on `word`. The word itself is not read, so that it may be gone
  // by now (a node on a stack that has been left).
  virtual void Wake(const std::atomic<uint32_t>* word) = 0;

  // Waits until one of the descriptors is ready for what it is wanted for, or hung up, or the
  // deadline passes (then nothing is seen). A deadline that has passed asks without waiting.
  virtual void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) = 0;
  IoEvents WaitForDescriptor(int fd, IoEvents wanted, Deadline deadline) {
    DescriptorWait wait{.fd = fd, .wanted = wanted};
    WaitForDescriptors({&wait, 1}, deadline);
    return wait.seen;
  }

  // An event is a descriptor that becomes readable when it is signalled, for a thread that waits for
  // descriptors and for other threads at once. Ringing never blocks; an event rung twice is as good
  // as rung once. -1: no more descriptors, or a platform without them.
  virtual int OpenEvent() = 0;
  virtual void SignalEvent(int event) = 0;
  virtual void ClearEvent(int event) = 0;  // no longer readable, until it is signalled again
  virtual void CloseEvent(int event) = 0;

  // 32 random bits; good enough to spread load, not to make keys.
  virtual uint32_t Random() = 0;
  // A count that grows by one in every child of fork(), before the child's own code runs, so that a
  // pool notices that it was inherited. Asked for once, looked at with every Acquire. Lives as long
  // as the platform.
  virtual const std::atomic<uint32_t>& Forks() = 0;
};

// The platform roostpool was built for. It keeps no state but the count of forks.
Platform& NativePlatform();

}  // namespace roost

#endif  // ROOST_PLATFORM_H_
