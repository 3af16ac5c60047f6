// include/roost/platform.h - what roostpool needs of the machine: time, waits, random numbers.
//
// A port implements this one class; platform/README.md is the form to fill in, platform/template/
// the file to copy, and tests/platform/platform_contract_test.cc the test to pass. Tests use a fake
// whose clock is turned by hand. An application on Linux never names the class: pools use
// NativePlatform() unless they are told otherwise.
//
// Threads:  every function may be called by every thread, by several at once
// Blocks:   Wait and WaitForDescriptors, up to their deadline; the others never
// Memory:   none
// Errors:   no function fails, but OpenEvent may answer -1
#ifndef ROOST_PLATFORM_H_
#define ROOST_PLATFORM_H_

#include <atomic>
#include <cstdint>
#include <span>

#include "roost/deadline.h"

#pragma GCC visibility push(default)
namespace roost {

// What to wait for on a descriptor, or what was seen on it.
struct IoEvents {
  // A read, a write would not wait.
  bool readable = false;
  bool writable = false;
  // The peer closed, or there is an error, or the descriptor is not open. Always watched, whether
  // it was asked for or not.
  bool hung_up = false;
  constexpr bool any() const { return readable || writable || hung_up; }
};

// One descriptor to wait for.
struct DescriptorWait {
  // -1: none; the entry is skipped.
  int fd = -1;
  IoEvents wanted{};
  // The wait fills it in: what was wanted, and hung_up.
  IoEvents seen{};
};

// How far an open, a ping or a query that runs in steps has come: the answer of Connection::Advance and
// of PendingQuery.
struct Step {
  // True: the action has ended well.
  bool done = false;
  // If not done: the descriptor that the next step waits for; fd -1: none.
  DescriptorWait wait{};
  // If not done: when the next step is due even if the descriptor is not ready.
  Deadline at = Deadline::Never();
};

// The program owns a Platform; it outlives every pool that uses it.
class Platform {
 public:
  Platform() = default;
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;
  virtual ~Platform() = default;

  // ---- Time ----

  // The monotonic clock, exact. Never goes back, and follows no step of the wall clock. Cost on
  // Linux: 20 to 50 ns.
  virtual TimePoint Now() = 0;
  // The same clock, at most one scheduler tick (10 ms) behind Now() and never ahead of it. Cost on
  // Linux: 5 to 10 ns.
  virtual TimePoint CoarseNow() = 0;
  // How long the machine was suspended since its start, in all. Now() stands still meanwhile, and
  // servers may give up sessions. Zero where the machine cannot tell.
  virtual Duration Suspended() { return Duration::zero(); }
  // Microseconds since 1970 UTC by the wall clock, which may jump. For stamping readings; nothing
  // is timed by it.
  virtual int64_t UnixMicros() = 0;

  // ---- Threads ----

  // Lets another thread of the same priority that is ready run on this processor first. A hint; may
  // do nothing. Costs a system call where it does something.
  virtual void Yield() {}
  // Sleeps while `word` holds `value`, until another thread calls Wake with its address or
  // `deadline` passes. Does not sleep when the word holds another value already, and misses no Wake
  // between that check and the sleep. May return true early, for no reason: the caller checks the
  // word again. Returns false only when the deadline has passed.
  virtual bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) = 0;
  // Wakes every thread that sleeps on `word`. Does not read the word: its memory may be gone
  // already, because a waiter's node lies on the waiter's stack.
  virtual void Wake(const std::atomic<uint32_t>* word) = 0;

  // ---- Descriptors ----

  // Waits until at least one of the descriptors is ready for what is wanted of it, or hung up, or
  // the deadline passes; then nothing is seen. A deadline that has passed asks without waiting.
  // REQUIRES: at most 32 descriptors.
  virtual void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) = 0;
  // The same for one descriptor. Returns what was seen.
  IoEvents WaitForDescriptor(int fd, IoEvents wanted, Deadline deadline) {
    DescriptorWait wait{.fd = fd, .wanted = wanted};
    WaitForDescriptors({&wait, 1}, deadline);
    return wait.seen;
  }

  // An event is a descriptor that becomes readable when it is signalled, so that one wait can be
  // ended by a socket and by another thread. Opens one, which the caller owns. -1: no descriptor is
  // left, or the platform has none.
  virtual int OpenEvent() = 0;
  // Makes the event readable. Never blocks. Signalling twice is the same as once.
  virtual void SignalEvent(int event) = 0;
  // Makes the event unreadable until it is signalled again.
  virtual void ClearEvent(int event) = 0;
  virtual void CloseEvent(int event) = 0;

  // ---- Chance, and the process ----

  // 32 random bits. They differ between nodes that start in the same second, and between a parent
  // and its child. Good enough to spread load, not to make keys.
  virtual uint32_t Random() = 0;
  // A count that grows by one in every child of fork(), before the child's own code runs, so that a
  // pool notices that it was inherited. A pool asks for it once and reads it at every Acquire.
  // Lives as long as the platform. Constant where there is no fork().
  virtual const std::atomic<uint32_t>& Forks() = 0;
};

// The platform that roostpool was built for. One object, made at the first call and never
// destroyed. On Linux it keeps no state but the count of forks.
Platform& NativePlatform();

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_PLATFORM_H_
