// What only the Linux port promises: the clock is the kernel's monotonic one, no call blocks or allocates,
// forks are counted, and waking needs no memory behind the address.
#include "platform/linux/linux_platform.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <new>

#include "tests/support/counting_allocator.h"

// Counts the waits of the platform, which is linked in here. Where the headers are asked for it, they
// call the other name.
namespace {
std::atomic<int> polls{0};
int CountedPoll(pollfd* watched, nfds_t count, const timespec* span, const sigset_t* mask) {
  polls.fetch_add(1);
  return static_cast<int>(syscall(SYS_ppoll, watched, count, span, mask, sizeof(uint64_t)));
}
}  // namespace
extern "C" int ppoll(pollfd* watched, nfds_t count, const timespec* span, const sigset_t* mask) {
  return CountedPoll(watched, count, span, mask);
}
extern "C" int __ppoll_chk(pollfd* watched, nfds_t count, const timespec* span,
                           const sigset_t* mask, size_t) {
  return CountedPoll(watched, count, span, mask);
}

namespace roost {
namespace {

class LinuxPlatformTest : public testing::Test {
 protected:
  LinuxPlatform platform;
};

TEST_F(LinuxPlatformTest, NowIsTheClockThatNobodySets) {
  const auto monotonic = [] {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
  };
  const TimePoint before = monotonic();
  const TimePoint now = platform.Now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, monotonic());
}

TEST_F(LinuxPlatformTest, NoFunctionAllocates) {
  std::array<DescriptorWait, 32> waits;
  const std::atomic<uint32_t> word{0};
  const support::AllocationCount count;
  platform.Now();
  platform.CoarseNow();
  platform.Suspended();
  platform.UnixMicros();
  platform.Yield();
  platform.Wait(word, 0, Deadline::Past());
  platform.Wake(&word);
  platform.WaitForDescriptors(waits, Deadline::Past());
  const int event = platform.OpenEvent();
  platform.SignalEvent(event);
  platform.ClearEvent(event);
  platform.CloseEvent(event);
  platform.Random();
  platform.Forks();
  EXPECT_EQ(count.this_thread(), 0u);
}

// A node sleeps here: each further look is a wake-up of the board's processor.
TEST_F(LinuxPlatformTest, AWaitThatEndsAtItsDeadlineAsksOnce) {
  const int event = platform.OpenEvent();
  const Deadline deadline = Deadline::After(platform.Now(), std::chrono::milliseconds(2));
  const int before = polls.load();
  EXPECT_FALSE(platform.WaitForDescriptor(event, {.readable = true}, deadline).any());
  EXPECT_EQ(polls.load() - before, 1);
  EXPECT_TRUE(deadline.HasPassed(platform.Now()));
  platform.CloseEvent(event);
}

TEST_F(LinuxPlatformTest, SignallingAnEventThatIsFullDoesNotBlock) {
  const int event = platform.OpenEvent();
  const uint64_t most = ~uint64_t{1};
  ASSERT_EQ(write(event, &most, sizeof most), ssize_t{sizeof most});
  ASSERT_NE(fcntl(event, F_GETFL) & O_NONBLOCK, 0) << "the next call would hang";
  platform.SignalEvent(event);
  EXPECT_TRUE(platform.WaitForDescriptor(event, {.readable = true}, Deadline::Past()).readable);
  platform.CloseEvent(event);
}

TEST_F(LinuxPlatformTest, WakeOfAWordThatIsGoneIsHarmless) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  const auto* address = new (page) std::atomic<uint32_t>(0);
  ASSERT_EQ(munmap(page, 4096), 0);
  platform.Wake(address);
}

// Forks; the child's exit status is what `in_child` returns.
int StatusOfChild(auto in_child) {
  const pid_t child = fork();
  if (child == 0) _exit(in_child());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(LinuxPlatformTest, ForksGrowByOneInEachGeneration) {
  const uint32_t here = platform.Forks().load();
  const int grown = StatusOfChild([&] {
    const uint32_t child = platform.Forks().load() - here;
    const int grandchild =
        StatusOfChild([&] { return static_cast<int>(platform.Forks().load() - here); });
    return static_cast<int>(child) * 10 + grandchild;
  });
  EXPECT_EQ(grown, 12);
  EXPECT_EQ(platform.Forks().load(), here);
}

TEST_F(LinuxPlatformTest, ForksAreCountedOnceHoweverManyPlatformsThereAre) {
  LinuxPlatform another;
  const uint32_t here = another.Forks().load();
  EXPECT_EQ(NativePlatform().Forks().load(), here);
  EXPECT_EQ(StatusOfChild([&] { return static_cast<int>(another.Forks().load() - here); }), 1);
}

}  // namespace
}  // namespace roost
