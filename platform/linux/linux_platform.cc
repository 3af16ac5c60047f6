#include "platform/linux/linux_platform.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <limits>
#include <new>

#include "roost/internal/check.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE 0x0004
#endif

namespace roost {
namespace {

constexpr int64_t kNanos = 1'000'000'000;

// What the futex call of a 64-bit kernel interface reads, whatever time_t is in this C library.
struct KernelTime {
  int64_t seconds;
  int64_t nanos;
};

// The one variable of the process. Forking is an event of the whole process, and a child can learn
// of it in no other way that costs nothing when nobody asks.
std::atomic<uint32_t> fork_generation{0};

TimePoint Read(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return TimePoint(Duration(int64_t{t.tv_sec} * kNanos + t.tv_nsec));
}

// A futex accepts no moment before zero; such a deadline has passed in any case.
KernelTime ToKernelTime(Deadline deadline) {
  const int64_t nanos = std::max<int64_t>(deadline.time().time_since_epoch().count(), 0);
  return {nanos / kNanos, nanos % kNanos};
}

// The kernel compares and sleeps; the word is never written through this pointer.
uint32_t* Address(const std::atomic<uint32_t>* word) {
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
  static_assert(std::atomic<uint32_t>::is_always_lock_free);
  return reinterpret_cast<uint32_t*>(const_cast<std::atomic<uint32_t>*>(word));
}

// FUTEX_WAIT_BITSET, unlike FUTEX_WAIT, takes an absolute moment of CLOCK_MONOTONIC.
constexpr int kWait = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
constexpr int kWake = FUTEX_WAKE | FUTEX_PRIVATE_FLAG;

long FutexWaitNative(uint32_t* address, uint32_t value, const KernelTime* until) {
  timespec native{};
  if (until != nullptr) {
    using Seconds = decltype(native.tv_sec);
    constexpr int64_t kLatest = std::numeric_limits<Seconds>::max();
    native.tv_sec = static_cast<Seconds>(std::min(until->seconds, kLatest));
    native.tv_nsec = static_cast<decltype(native.tv_nsec)>(until->nanos);
  }
  return syscall(SYS_futex, address, kWait, value, until != nullptr ? &native : nullptr, nullptr,
                 FUTEX_BITSET_MATCH_ANY);
}

long FutexWait(uint32_t* address, uint32_t value, const KernelTime* until) {
#ifdef SYS_futex_time64  // 32-bit machines; kernels before 5.1 do not know it
  const long result =
      syscall(SYS_futex_time64, address, kWait, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
  if (result == 0 || errno != ENOSYS) return result;
#endif
  return FutexWaitNative(address, value, until);
}

// ppoll takes a span. A day at a time keeps it inside every time_t.
constexpr Duration kLongestPoll = std::chrono::hours(24);
timespec PollSpan(Duration left) {
  const int64_t nanos = std::min(left, kLongestPoll).count();
  timespec span{};
  span.tv_sec = static_cast<decltype(span.tv_sec)>(nanos / kNanos);
  span.tv_nsec = static_cast<decltype(span.tv_nsec)>(nanos % kNanos);
  return span;
}

// Spreads the bits of `x`: the finalizer of splitmix64 (https://prng.di.unimi.it/splitmix64.c).
uint32_t Scramble(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>((x ^ (x >> 31)) >> 16);
}

}  // namespace

LinuxPlatform::LinuxPlatform() {
  static const int registered = pthread_atfork(
      nullptr, nullptr, [] { fork_generation.fetch_add(1, std::memory_order_relaxed); });
  ROOST_CHECK(registered == 0, "pthread_atfork failed; a pool could not notice a fork");
}

TimePoint LinuxPlatform::Now() { return Read(CLOCK_MONOTONIC); }

TimePoint LinuxPlatform::CoarseNow() { return Read(CLOCK_MONOTONIC_COARSE); }

// The clock that runs on while the machine is suspended, less the one that does not. Read in this
// order the difference is too small, by nanoseconds, rather than too large.
Duration LinuxPlatform::Suspended() {
  const TimePoint boot = Read(CLOCK_BOOTTIME);
  return std::max(boot - Read(CLOCK_MONOTONIC), Duration::zero());
}

int64_t LinuxPlatform::UnixMicros() {
  return Read(CLOCK_REALTIME).time_since_epoch() / std::chrono::microseconds(1);
}

void LinuxPlatform::Yield() { sched_yield(); }

bool LinuxPlatform::Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) {
  const KernelTime until = ToKernelTime(deadline);
  const long result = FutexWait(Address(&word), value, deadline.IsNever() ? nullptr : &until);
  return result == 0 || errno != ETIMEDOUT;
}

void LinuxPlatform::Wake(const std::atomic<uint32_t>* word) {
  syscall(SYS_futex, Address(word), kWake, INT_MAX, nullptr, nullptr, 0);
}

void LinuxPlatform::WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) {
  constexpr size_t kMost = 32;
  ROOST_CHECK(waits.size() <= kMost, "WaitForDescriptors: more than 32 descriptors");
  pollfd watched[kMost];
  for (size_t i = 0; i < waits.size(); ++i) {
    waits[i].seen = {};
    watched[i].fd = waits[i].fd;  // poll passes over a negative one
    watched[i].events = static_cast<short>(POLLRDHUP | (waits[i].wanted.readable ? POLLIN : 0) |
                                           (waits[i].wanted.writable ? POLLOUT : 0));
    watched[i].revents = 0;
  }
  while (true) {
    const Duration left = deadline.Left(Now());
    const timespec span = PollSpan(left);
    const int found = ppoll(watched, waits.size(), &span, nullptr);
    if (found > 0) break;
    // 0: the whole span has passed, by the clock of Now. Less than 0: a signal, or no memory.
    if (found == 0 && left <= kLongestPoll) return;
    if (left == Duration::zero()) return;
  }
  for (size_t i = 0; i < waits.size(); ++i) {
    const short seen = watched[i].revents;
    waits[i].seen = {.readable = waits[i].wanted.readable && (seen & POLLIN) != 0,
                     .writable = waits[i].wanted.writable && (seen & POLLOUT) != 0,
                     .hung_up = (seen & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0};
  }
}

int LinuxPlatform::OpenEvent() { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void LinuxPlatform::SignalEvent(int event) {
  const uint64_t once = 1;
  // Fails only when it has been rung 2^64 - 2 times and nobody looked: then it is readable.
  [[maybe_unused]] const ssize_t written = write(event, &once, sizeof once);
}

void LinuxPlatform::ClearEvent(int event) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = read(event, &count, sizeof count);
}

void LinuxPlatform::CloseEvent(int event) { close(event); }

// No generator is kept: a child of fork would go on with its parent's numbers. It is called when a
// connection is opened or recycled, so one system call is cheap enough.
uint32_t LinuxPlatform::Random() {
  uint32_t bits = 0;
  for (const unsigned flags : {unsigned{GRND_INSECURE}, unsigned{GRND_NONBLOCK}}) {
    if (getrandom(&bits, sizeof bits, flags) == ssize_t{sizeof bits}) return bits;
  }
  // Early in the boot of an old kernel: the clock, the process and the thread differ between nodes.
  const auto now = static_cast<uint64_t>(Now().time_since_epoch().count());
  thread_local char mark;
  const auto thread = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&mark));
  return Scramble(now ^ (thread << 20) ^ (static_cast<uint64_t>(getpid()) << 40));
}

const std::atomic<uint32_t>& LinuxPlatform::Forks() { return fork_generation; }

Platform& NativePlatform() {
  // Never destroyed: a pool that outlives main may still ask for the time.
  alignas(LinuxPlatform) static std::byte memory[sizeof(LinuxPlatform)];
  static Platform* const platform = new (memory) LinuxPlatform;
  return *platform;
}

}  // namespace roost
