// The promises of roost/platform.h, against whatever port is linked: a port has to pass this
// program.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>
#include <set>
#include <thread>
#include <vector>

#include "roost/platform.h"

namespace roost {
namespace {

using namespace std::chrono_literals;

// Longer than any of these tests may take: a wait that is not woken shows as a failure, not as a
// hang.
constexpr Duration kLong = 60s;

class PlatformContractTest : public testing::Test {
 protected:
  Deadline In(Duration span) { return Deadline::After(platform.Now(), span); }
  Platform& platform = NativePlatform();
};

TEST_F(PlatformContractTest, ClocksNeverGoBack) {
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

TEST_F(PlatformContractTest, CoarseClockIsTheSameClockAndNotAhead) {
  for (int i = 0; i < 1000; ++i) {
    const TimePoint before = platform.Now();
    const TimePoint coarse = platform.CoarseNow();
    const TimePoint after = platform.Now();
    ASSERT_LE(coarse, after);
    ASSERT_LE(before - coarse, 100ms);  // 10 ms a tick at most; the rest is for a busy machine
  }
}

TEST_F(PlatformContractTest, UnixMicrosIsTheWallClock) {
  const int64_t seconds = platform.UnixMicros() / 1'000'000;
  EXPECT_NEAR(static_cast<double>(seconds), static_cast<double>(std::time(nullptr)), 2.0);
}

TEST_F(PlatformContractTest, WaitReturnsAtOnceWhenTheWordHoldsSomethingElse) {
  const std::atomic<uint32_t> word{1};
  EXPECT_TRUE(platform.Wait(word, 0, Deadline::Never()));
}

TEST_F(PlatformContractTest, WaitIsFalseAtItsDeadlineAndNotBefore) {
  const std::atomic<uint32_t> word{0};
  const Deadline by = In(20ms);
  while (platform.Wait(word, 0, by)) {
  }
  EXPECT_GE(platform.Now(), by.time());
}

// Five seconds are for a busy machine.
TEST_F(PlatformContractTest, WaitsEndSoonAfterTheirDeadline) {
  const std::atomic<uint32_t> word{0};
  const Deadline by = In(20ms);
  while (platform.Wait(word, 0, by)) {
  }
  EXPECT_LT(platform.Now(), by.time() + 5s);
  const Deadline later = In(20ms);
  platform.WaitForDescriptors({}, later);
  EXPECT_GE(platform.Now(), later.time());
  EXPECT_LT(platform.Now(), later.time() + 5s);
}

TEST_F(PlatformContractTest, WaitWithAPassedDeadlineDoesNotWait) {
  const std::atomic<uint32_t> word{0};
  EXPECT_FALSE(platform.Wait(word, 0, Deadline::Past()));
  EXPECT_FALSE(platform.Wait(word, 0, Deadline::At(platform.Now())));
}

TEST_F(PlatformContractTest, WakeEndsEveryWaitOnTheWord) {
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

TEST_F(PlatformContractTest, WordsPassATurnBackAndForth) {
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

TEST_F(PlatformContractTest, DescriptorThatIsQuietGivesNothingAtTheDeadline) {
  SocketPair pair;
  const Deadline by = In(20ms);
  EXPECT_FALSE(platform.WaitForDescriptor(pair.end[0], {.readable = true}, by).any());
  EXPECT_GE(platform.Now(), by.time());
  DescriptorWait again{.fd = pair.end[0], .wanted = {.readable = true}, .seen = {.hung_up = true}};
  platform.WaitForDescriptors({&again, 1}, Deadline::Past());
  EXPECT_FALSE(again.seen.any()) << "what an earlier wait saw is forgotten";
}

TEST_F(PlatformContractTest, DescriptorWithBytesIsReadable) {
  SocketPair pair;
  ASSERT_EQ(write(pair.end[1], "x", 1), 1);
  const IoEvents seen = platform.WaitForDescriptor(pair.end[0], {.readable = true}, In(kLong));
  EXPECT_TRUE(seen.readable);
  EXPECT_FALSE(seen.hung_up);
}

TEST_F(PlatformContractTest, OnlyWhatWasWantedIsReported) {
  SocketPair pair;
  ASSERT_EQ(write(pair.end[1], "x", 1), 1);
  const IoEvents seen = platform.WaitForDescriptor(pair.end[0], {.writable = true}, In(kLong));
  EXPECT_TRUE(seen.writable);
  EXPECT_FALSE(seen.readable);
}

TEST_F(PlatformContractTest, APassedDeadlineAsksWithoutWaiting) {
  SocketPair pair;
  EXPECT_FALSE(platform.WaitForDescriptor(pair.end[0], {.readable = true}, Deadline::Past()).any());
  ASSERT_EQ(write(pair.end[1], "x", 1), 1);
  EXPECT_TRUE(
      platform.WaitForDescriptor(pair.end[0], {.readable = true}, Deadline::Past()).readable);
}

TEST_F(PlatformContractTest, AClosedPeerIsSeenWithoutBeingAskedFor) {
  SocketPair pair;
  pair.Close(1);
  EXPECT_TRUE(platform.WaitForDescriptor(pair.end[0], {}, In(kLong)).hung_up);
}

TEST_F(PlatformContractTest, AClosedPeerEndsAWaitThatHasBegun) {
  SocketPair pair;
  std::thread peer([&] { pair.Close(1); });
  EXPECT_TRUE(platform.WaitForDescriptor(pair.end[0], {.readable = true}, In(kLong)).hung_up);
  peer.join();
}

TEST_F(PlatformContractTest, ADescriptorThatIsNotOpenIsHungUp) {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  close(fd);
  EXPECT_TRUE(platform.WaitForDescriptor(fd, {.readable = true}, In(kLong)).hung_up);
}

TEST_F(PlatformContractTest, TimeInSuspendNeverShrinks) {
  Duration last = platform.Suspended();
  EXPECT_GE(last, Duration::zero());
  for (int i = 0; i < 100; ++i) {
    const Duration next = platform.Suspended();
    EXPECT_GE(next + 1s, last) << "the two clocks are not read at the same moment";
    last = next;
  }
}

TEST_F(PlatformContractTest, OneOfSeveralDescriptorsEndsTheWait) {
  SocketPair quiet;
  SocketPair loud;
  ASSERT_EQ(write(loud.end[1], "x", 1), 1);
  std::array<DescriptorWait, 3> waits{
      DescriptorWait{.fd = quiet.end[0], .wanted = {.readable = true}}, DescriptorWait{},
      DescriptorWait{.fd = loud.end[0], .wanted = {.readable = true}}};
  waits[0].seen.hung_up = true;  // what an earlier wait saw is forgotten
  platform.WaitForDescriptors(waits, In(kLong));
  EXPECT_FALSE(waits[0].seen.any());
  EXPECT_FALSE(waits[1].seen.any());
  EXPECT_TRUE(waits[2].seen.readable);
}

TEST_F(PlatformContractTest, ABellIsReadableFromItsRingingUntilItIsQuieted) {
  const int event = platform.OpenEvent();
  ASSERT_GE(event, 0);
  const auto is_rung = [&] {
    return platform.WaitForDescriptor(event, {.readable = true}, Deadline::Past()).readable;
  };
  EXPECT_FALSE(is_rung());
  platform.SignalEvent(event);
  platform.SignalEvent(event);
  EXPECT_TRUE(is_rung());
  platform.ClearEvent(event);
  EXPECT_FALSE(is_rung());
  std::thread waker([&] { platform.SignalEvent(event); });
  EXPECT_TRUE(platform.WaitForDescriptor(event, {.readable = true}, In(kLong)).readable);
  waker.join();
  platform.CloseEvent(event);
}

TEST_F(PlatformContractTest, RandomNumbersDiffer) {
  std::set<uint32_t> seen;
  for (int i = 0; i < 64; ++i) seen.insert(platform.Random());
  EXPECT_GT(seen.size(), 60u);  // two of 64 alike: once in two million runs
}

TEST_F(PlatformContractTest, ForksAreCountedInOnePlace) {
  EXPECT_EQ(&platform.Forks(), &platform.Forks());
}

TEST(NativePlatformTest, IsOneObject) { EXPECT_EQ(&NativePlatform(), &NativePlatform()); }

}  // namespace
}  // namespace roost
