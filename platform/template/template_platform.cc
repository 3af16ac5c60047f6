#include "platform/template/template_platform.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <random>

#include "roost/internal/check.h"

namespace roost {

// Now: the monotonic clock, in nanoseconds since any fixed moment.
//   must       never go back; run at the rate of real time; not follow steps of the wall clock
//   may        stand still while the machine is suspended
//   watch for  a 32-bit tick counter: widen it, with a lock-free read
TimePoint TemplatePlatform::Now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return TimePoint(std::chrono::duration_cast<Duration>(since));
}

// CoarseNow: the same clock, cheaper.
//   must       count from the same moment as Now(); never be ahead of it; lag by 10 ms at most
//   may        be Now() itself, where that costs less than some 10 ns
TimePoint TemplatePlatform::CoarseNow() { return Now(); }

// UnixMicros: the wall clock, for stamping readings.
//   may        jump, and be wrong until the first synchronisation; nothing is timed by it
int64_t TemplatePlatform::UnixMicros() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
}

// Wait: sleep while `word` holds `value`.
//   must       not sleep when the word holds something else already; not miss a Wake that comes
//   between
//              that look and the sleep; return false only when the deadline has passed; not return
//              false before it; sleep without a bound for Deadline::Never()
//   may        return true early, for no reason
//   watch for  a wait on the wall clock: it is stretched or cut by the first network time
bool TemplatePlatform::Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) {
  Bucket& bucket = BucketOf(&word);
  std::unique_lock<std::mutex> lock(bucket.mu);
  if (word.load() != value) return true;
  if (deadline.IsNever()) {
    bucket.woken.wait(lock);
    return true;
  }
  const auto until = std::chrono::steady_clock::time_point(
      std::max(deadline.time().time_since_epoch(), Duration::zero()));
  return bucket.woken.wait_until(lock, until) == std::cv_status::no_timeout;
}

// Yield: let a thread that is ready run first. Left out here: a hint, and no function of C++ has its
// meaning. Where the machine has a yield to threads of the same priority, call that.

// Wake: end every Wait on `word`.
//   must       not read the word: its memory may be gone
//   may        wake threads that sleep on other words, too
void TemplatePlatform::Wake(const std::atomic<uint32_t>* word) {
  Bucket& bucket = BucketOf(word);
  // A thread between its look at the word and its sleep holds the lock: this waits for it to sleep.
  { const std::lock_guard<std::mutex> lock(bucket.mu); }
  bucket.woken.notify_all();
}

// WaitForDescriptors: sleep until one can be read or written, is hung up, or the deadline passes.
//   must       report a closed peer and a broken descriptor as hung_up without being asked; ask
//              once, without waiting, when the deadline has passed; not set what was not wanted;
//              pass over a descriptor of -1
//   may        be left returning at once where there are no descriptors: only backends that talk
//              to a server, and a housekeeper that opens their connections, call it
void TemplatePlatform::WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) {
  constexpr size_t kMost = 32;
  ROOST_CHECK(waits.size() <= kMost, "WaitForDescriptors: more than 32 descriptors");
#ifndef POLLRDHUP
  constexpr short POLLRDHUP = 0;
#endif
  pollfd watched[kMost];
  for (size_t i = 0; i < waits.size(); ++i) {
    waits[i].seen = {};
    watched[i].fd = waits[i].fd;
    watched[i].events = static_cast<short>(POLLRDHUP | (waits[i].wanted.readable ? POLLIN : 0) |
                                           (waits[i].wanted.writable ? POLLOUT : 0));
    watched[i].revents = 0;
  }
  while (true) {
    const Duration left = deadline.Left(Now());
    const Duration slice = std::min<Duration>(left, std::chrono::hours(1));
    // Rounded up: a wait that ends before its deadline would turn into a busy loop.
    const auto span = std::chrono::ceil<std::chrono::milliseconds>(slice);
    if (poll(watched, static_cast<nfds_t>(waits.size()), static_cast<int>(span.count())) > 0) break;
    if (left == Duration::zero()) return;
  }
  for (size_t i = 0; i < waits.size(); ++i) {
    const short seen = watched[i].revents;
    waits[i].seen = {.readable = waits[i].wanted.readable && (seen & POLLIN) != 0,
                     .writable = waits[i].wanted.writable && (seen & POLLOUT) != 0,
                     .hung_up = (seen & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0};
  }
}

// OpenEvent, SignalEvent, ClearEvent, CloseEvent: a descriptor that another thread makes readable.
//   must       never block in SignalEvent
//   may        be left returning -1 where there are no descriptors
// A datagram socket that is connected to itself serves wherever there are sockets.
int TemplatePlatform::OpenEvent() {
  const int event = socket(AF_INET, SOCK_DGRAM, 0);
  if (event == -1) return -1;
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof here;
  auto* const address = reinterpret_cast<sockaddr*>(&here);
  if (bind(event, address, size) == 0 && getsockname(event, address, &size) == 0 &&
      connect(event, address, size) == 0) {
    return event;
  }
  close(event);
  return -1;
}

void TemplatePlatform::SignalEvent(int event) { send(event, "", 1, MSG_DONTWAIT); }

void TemplatePlatform::ClearEvent(int event) {
  char byte = 0;
  while (recv(event, &byte, 1, MSG_DONTWAIT) > 0) {
  }
}

void TemplatePlatform::CloseEvent(int event) { close(event); }

// Random: 32 bits.
//   must       differ between nodes that were switched on in the same second, and after fork()
//   may        be weak: it spreads retries, it makes no keys
uint32_t TemplatePlatform::Random() {
  std::random_device device;
  return device();
}

// Forks: a count that grows by one in each child of fork(), before the child's own code runs.
//   may        stay 0 where there is no fork()
const std::atomic<uint32_t>& TemplatePlatform::Forks() { return forks_; }

TemplatePlatform::Bucket& TemplatePlatform::BucketOf(const void* address) {
  return buckets_[(reinterpret_cast<uintptr_t>(address) >> 4) % kBuckets];
}

// NativePlatform: the one object that pools use unless they are told otherwise.
//   must       be usable before main and after its end: made at first use, never destroyed
Platform& NativePlatform() {
  alignas(TemplatePlatform) static std::byte memory[sizeof(TemplatePlatform)];
  static Platform* const platform = new (memory) TemplatePlatform;
  return *platform;
}

}  // namespace roost
