// tests/pool/housekeeper_test.cc - the housekeeper: its loop on a clock turned by hand, and its
// thread.
#include "roost/housekeeper.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using HousekeeperTest = PoolTest;

struct Remote : Plain<2> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr Duration kKeepAlive = 60s;
  static constexpr Duration kBackoffMin = 1s;
  static constexpr Duration kBackoffMax = 8s;
};

struct Local : Plain<1, 1> {
  static constexpr Duration kLinger = 10s;
};

TEST_F(HousekeeperTest, OpensAsSoonAsACallerNeedsAConnection) {
  PoolFor<Remote> pool(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  Actor thread(platform, [&] { keeper.Run(); });
  EXPECT_TRUE(thread.waiting());
  const TimePoint start = Now();
  Lease lease = Must(pool.Acquire(kWrite, pool.In(1s)));
  EXPECT_EQ(Now(), start) << "the pool woke it";
  lease.Return();
  keeper.Stop();
  platform.Run();
  EXPECT_TRUE(thread.ended());
}

TEST_F(HousekeeperTest, LooksAfterEachPoolWhenItIsDue) {
  ScriptedBackend other(&platform);
  PoolFor<Remote> remote(backend, Options());
  PoolFor<Local> local(other, Options());
  Housekeeper keeper(&platform);
  keeper.Add(remote);
  keeper.Add(local);
  Actor thread(platform, [&] { keeper.Run(); });
  Must(remote.Acquire(kWrite, remote.In(1s))).Return();
  { Lease a = Take(local), b = Take(local); }
  // A pool does not wake the housekeeper for a connection that becomes idle, because that one is due
  // a whole period later.
  for (int i = 0; i < 30; ++i) {
    platform.Advance(1s);
    platform.Run();
  }
  EXPECT_EQ(other.open_now(), 1) << "the overflow connection has lingered long enough";
  EXPECT_EQ(backend.count(Call::kMaintain), 0);
  for (int i = 0; i < 60; ++i) {
    platform.Advance(1s);
    platform.Run();
  }
  EXPECT_EQ(backend.count(Call::kMaintain), 1);
  keeper.Stop();
  platform.Run();
}

TEST_F(HousekeeperTest, BringsThePoolBackAfterAnOutageWhileNobodyAsks) {
  PoolFor<Remote> pool(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  Actor thread(platform, [&] { keeper.Run(); });
  backend.StopServer(Gone());
  EXPECT_THAT(std::string(pool.Acquire(kWrite, pool.In(1s)).status().message()),
              ::testing::StartsWith("connection refused"));
  for (int i = 0; i < 20; ++i) {
    platform.Advance(1s);
    platform.Run();
  }
  EXPECT_THAT(std::string(pool.Acquire(kWrite, pool.In(1s)).status().message()),
              ::testing::StartsWith("connection refused; the next try is within "));
  const int tries = backend.count(Call::kOpen);
  EXPECT_GE(tries, 3);
  EXPECT_LE(tries, 10) << "with growing pauses";
  backend.StartServer();
  for (int i = 0; i < 9; ++i) {
    platform.Advance(1s);
    platform.Run();
  }
  Lease lease = Must(pool.Acquire(kWrite, Deadline::Past()));
  lease.Return();
  keeper.Stop();
  platform.Run();
}

TEST_F(HousekeeperTest, SleepsWhileNothingIsDue) {
  PoolFor<Plain<2>> pool(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  Actor thread(platform, [&] { keeper.Run(); });
  const int waits = platform.waits();
  for (int i = 0; i < 100; ++i) {
    Take(pool).Return();
    platform.Advance(1h);
    platform.Run();
  }
  EXPECT_EQ(platform.waits(), waits) << "nothing falls due in this pool, ever";
  keeper.Stop();
  platform.Run();
}

struct WatchesLeaks : Plain<2> {
  static constexpr Duration kLeakAfter = 60s;
};

TEST_F(HousekeeperTest, SleepsForTheShortestPeriodWhileNothingIsDue) {
  PoolFor<WatchesLeaks> pool(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  Actor thread(platform, [&] { keeper.Run(); });
  const int waits = platform.waits();
  for (int i = 0; i < 600; ++i) {
    platform.Advance(1s);
    platform.Run();
  }
  EXPECT_EQ(platform.waits() - waits, 10);
  keeper.Stop();
  platform.Run();
}

TEST_F(HousekeeperTest, WakeDoesNotWaitForATickUnderWay) {
  PoolFor<Remote> pool(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  Gate gate(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) gate.Pass();
  });
  Actor thread(platform, [&] { keeper.Run(); });
  Caller caller(platform, pool, pool.In(10s));
  platform.Run();
  ASSERT_EQ(pool.stats().busy, 1) << "the housekeeper opens";
  const int waits = platform.waits();
  keeper.Wake();
  EXPECT_EQ(platform.waits(), waits);
  gate.Open();
  platform.Run();
  caller.Return();
  keeper.Stop();
}

// A descriptor only where a server is waited for, and only until Stop.
TEST_F(HousekeeperTest, HasADescriptorFromTheFirstPoolThatNeedsOneToStop) {
  PoolFor<Local> local(backend, Options());
  PoolFor<Remote> first(backend, Options()), second(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(local);
  EXPECT_EQ(platform.open_bells(), 0);
  keeper.Add(first);
  keeper.Add(second);
  EXPECT_EQ(platform.open_bells(), 1);
  keeper.Stop();
  EXPECT_EQ(platform.open_bells(), 0);
}

TEST_F(HousekeeperTest, AddWaitsForACallOfThePoolsOwnCallback) {
  struct Loop {
    explicit Loop(FakePlatform& platform) : gate(platform) {}
    Gate gate;
    bool left = false;
  } loop(platform);
  PoolOptions options = Options();
  options.on_work = {.function =
                         [](void* context) {
                           Loop& self = *static_cast<Loop*>(context);
                           self.gate.Pass();
                           self.left = true;
                         },
                     .context = &loop};
  PoolFor<Remote> pool(backend, options);
  Caller caller(platform, pool, pool.In(10s));
  EXPECT_TRUE(caller.waiting()) << "inside the callback";
  platform.WhileWaiting([&] { loop.gate.Open(); });
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  EXPECT_TRUE(loop.left);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(HousekeeperTest, ItsThreadServesCallersAndStopsTwice) {
  ScriptedBackend remote;  // on the real clock
  PoolFor<Remote> pool(remote);
  Housekeeper keeper;
  keeper.Add(pool);
  keeper.Start();
  Must(pool.Acquire(kWrite, pool.In(30s))).Return();
  keeper.Stop();
  keeper.Stop();
  EXPECT_EQ(remote.count(Call::kOpen), 1);
}

TEST_F(HousekeeperTest, ItsThreadHasTheSignalMaskOfTheCallerOfStart) {
  ScriptedBackend remote;  // on the real clock
  PoolFor<Remote> pool(remote);
  std::atomic<bool> blocked = false;
  remote.set_hook([&](const CallInfo& info) {
    if (info.call != Call::kOpen) return;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    blocked = sigismember(&mask, SIGUSR2) == 1;
  });
  sigset_t block, before;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &block, &before);
  Housekeeper keeper;
  keeper.Add(pool);
  keeper.Start();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  Must(pool.Acquire(kWrite, pool.In(30s))).Return();
  keeper.Stop();
  EXPECT_TRUE(blocked);
}

TEST_F(HousekeeperTest, APoolMayLiveOnAfterItsHousekeeper) {
  PoolFor<Remote> pool(backend, Options());
  {
    Housekeeper keeper(&platform);
    keeper.Add(pool);
  }
  Caller caller(platform, pool);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.served());
}

}  // namespace
}  // namespace roost
