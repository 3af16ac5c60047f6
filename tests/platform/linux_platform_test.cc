// The promises of roost/platform.h, kept by LinuxPlatform against the real kernel.
#include "platform/linux/linux_platform.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace roost {
namespace {

using namespace std::chrono_literals;

// Longer than any of these tests may take: a wait that is not woken shows as a failure, not as a
// hang.
constexpr Duration kLong = 60s;

class LinuxPlatformTest : public testing::Test {
 protected:
  Deadline In(Duration span) { return Deadline::After(platform.Now(), span); }
  LinuxPlatform platform;
};

TEST_F(LinuxPlatformTest, ClocksNeverGoBack) {
  TimePoint last = platform.Now();
  TimePoint last_coarse = platform.CoarseNow();
  for (int i = 0; i < 10000; ++i) {
    const TimePoint coarse = platform.CoarseNow();
    const TimePoint now = platform.Now();
    ASSERT_GE(now, last);
    ASSERT_GE(coarse, last_coarse);
    last = now;
    last_coarse = coarse;
  }
}

TEST_F(LinuxPlatformTest, CoarseClockIsTheSameClockAndNotAhead) {
  for (int i = 0; i < 1000; ++i) {
    const TimePoint before = platform.Now();
    const TimePoint coarse = platform.CoarseNow();
    const TimePoint after = platform.Now();
    ASSERT_LE(coarse, after);
    ASSERT_LE(before - coarse, 100ms);  // 10 ms a tick at most; the rest is for a busy machine
  }
}

TEST_F(LinuxPlatformTest, UnixMicrosIsTheWallClock) {
  const int64_t seconds = platform.UnixMicros() / 1'000'000;
  EXPECT_NEAR(static_cast<double>(seconds), static_cast<double>(time(nullptr)), 2.0);
}

TEST_F(LinuxPlatformTest, WaitReturnsAtOnceWhenTheWordHoldsSomethingElse) {
  const std::atomic<uint32_t> word{1};
  EXPECT_TRUE(platform.Wait(word, 0, Deadline::Never()));
}

TEST_F(LinuxPlatformTest, WaitIsFalseAtItsDeadlineAndNotBefore) {
  const std::atomic<uint32_t> word{0};
  const Deadline by = In(20ms);
  while (platform.Wait(word, 0, by)) {
  }
  EXPECT_GE(platform.Now(), by.time());
}

TEST_F(LinuxPlatformTest, WaitWithAPassedDeadlineDoesNotWait) {
  const std::atomic<uint32_t> word{0};
  EXPECT_FALSE(platform.Wait(word, 0, Deadline::Past()));
  EXPECT_FALSE(platform.Wait(word, 0, Deadline::At(platform.Now())));
}

TEST_F(LinuxPlatformTest, WakeEndsEveryWaitOnTheWord) {
  std::atomic<uint32_t> word{0};
  std::atomic<int> timed_out{0};
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 4; ++i) {
    sleepers.emplace_back([&] {
      const Deadline by = In(kLong);
      while (word.load() == 0) {
        if (!platform.Wait(word, 0, by)) {
          ++timed_out;
          return;
        }
      }
    });
  }
  word.store(1);
  platform.Wake(&word);
  for (std::thread& sleeper : sleepers) sleeper.join();
  EXPECT_EQ(timed_out, 0);
}

TEST_F(LinuxPlatformTest, WordsPassATurnBackAndForth) {
  std::atomic<uint32_t> turn{0};
  constexpr uint32_t kTurns = 2000;
  const auto play = [&](uint32_t side) {
    while (true) {
      const uint32_t now = turn.load();
      if (now >= kTurns) return true;
      if (now % 2 == side) {
        turn.store(now + 1);
        platform.Wake(&turn);
      } else if (!platform.Wait(turn, now, In(kLong))) {
        return false;
      }
    }
  };
  bool other = false;
  std::thread thread([&] { other = play(1); });
  EXPECT_TRUE(play(0));
  thread.join();
  EXPECT_TRUE(other);
  EXPECT_EQ(turn.load(), kTurns);
}

TEST_F(LinuxPlatformTest, WakeOfAWordThatIsGoneIsHarmless) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  const auto* address = new (page) std::atomic<uint32_t>(0);
  ASSERT_EQ(munmap(page, 4096), 0);
  platform.Wake(address);
}

// Two connected stream sockets.
struct SocketPair {
  SocketPair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end), 0); }
  ~SocketPair() {
    Close(0);
    Close(1);
  }
  void Close(int which) {
    if (end[which] >= 0) close(end[which]);
    end[which] = -1;
  }
  int end[2] = {-1, -1};
};

TEST_F(LinuxPlatformTest, DescriptorThatIsQuietGivesNothingAtTheDeadline) {
  SocketPair pair;
  const Deadline by = In(20ms);
  EXPECT_FALSE(platform.WaitForDescriptor(pair.end[0], {.readable = true}, by).any());
  EXPECT_GE(platform.Now(), by.time());
}

TEST_F(LinuxPlatformTest, DescriptorWithBytesIsReadable) {
  SocketPair pair;
  ASSERT_EQ(write(pair.end[1], "x", 1), 1);
  const IoEvents seen = platform.WaitForDescriptor(pair.end[0], {.readable = true}, In(kLong));
  EXPECT_TRUE(seen.readable);
  EXPECT_FALSE(seen.hung_up);
}

TEST_F(LinuxPlatformTest, OnlyWhatWasWantedIsReported) {
  SocketPair pair;
  ASSERT_EQ(write(pair.end[1], "x", 1), 1);
  const IoEvents seen = platform.WaitForDescriptor(pair.end[0], {.writable = true}, In(kLong));
  EXPECT_TRUE(seen.writable);
  EXPECT_FALSE(seen.readable);
}

TEST_F(LinuxPlatformTest, APassedDeadlineAsksWithoutWaiting) {
  SocketPair pair;
  EXPECT_FALSE(platform.WaitForDescriptor(pair.end[0], {.readable = true}, Deadline::Past()).any());
  ASSERT_EQ(write(pair.end[1], "x", 1), 1);
  EXPECT_TRUE(
      platform.WaitForDescriptor(pair.end[0], {.readable = true}, Deadline::Past()).readable);
}

TEST_F(LinuxPlatformTest, AClosedPeerIsSeenWithoutBeingAskedFor) {
  SocketPair pair;
  pair.Close(1);
  EXPECT_TRUE(platform.WaitForDescriptor(pair.end[0], {}, In(kLong)).hung_up);
}

TEST_F(LinuxPlatformTest, AClosedPeerEndsAWaitThatHasBegun) {
  SocketPair pair;
  std::thread peer([&] { pair.Close(1); });
  EXPECT_TRUE(platform.WaitForDescriptor(pair.end[0], {.readable = true}, In(kLong)).hung_up);
  peer.join();
}

TEST_F(LinuxPlatformTest, ADescriptorThatIsNotOpenIsHungUp) {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  close(fd);
  EXPECT_TRUE(platform.WaitForDescriptor(fd, {.readable = true}, In(kLong)).hung_up);
}

TEST_F(LinuxPlatformTest, RandomNumbersDiffer) {
  std::set<uint32_t> seen;
  for (int i = 0; i < 64; ++i) seen.insert(platform.Random());
  EXPECT_GT(seen.size(), 60u);  // two of 64 alike: once in two million runs
}

TEST_F(LinuxPlatformTest, ThreadsHaveTheirOwnNumbers) {
  const uint64_t mine = platform.ThreadId();
  uint64_t others = 0;
  std::thread([&] { others = platform.ThreadId(); }).join();
  EXPECT_NE(mine, 0u);
  EXPECT_NE(others, 0u);
  EXPECT_NE(mine, others);
  EXPECT_EQ(mine, platform.ThreadId());
}

// Forks; the child's exit status is what `in_child` returns.
int StatusOfChild(auto in_child) {
  const pid_t child = fork();
  if (child == 0) _exit(in_child());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(LinuxPlatformTest, ForkGenerationGrowsByOneInEachGeneration) {
  const uint32_t here = platform.ForkGeneration();
  const int grown = StatusOfChild([&] {
    const uint32_t child = platform.ForkGeneration() - here;
    const int grandchild =
        StatusOfChild([&] { return static_cast<int>(platform.ForkGeneration() - here); });
    return static_cast<int>(child) * 10 + grandchild;
  });
  EXPECT_EQ(grown, 12);
  EXPECT_EQ(platform.ForkGeneration(), here);
}

TEST_F(LinuxPlatformTest, ForksAreCountedOnceHoweverManyPlatformsThereAre) {
  LinuxPlatform another;
  const uint32_t here = another.ForkGeneration();
  EXPECT_EQ(NativePlatform().ForkGeneration(), here);
  EXPECT_EQ(StatusOfChild([&] { return static_cast<int>(another.ForkGeneration() - here); }), 1);
}

TEST(NativePlatformTest, IsOneObject) { EXPECT_EQ(&NativePlatform(), &NativePlatform()); }

}  // namespace
}  // namespace roost
