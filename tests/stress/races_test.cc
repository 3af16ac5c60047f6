// tests/stress/races_test.cc - the races that bit other pools, with real threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "roost/async.h"
#include "roost/housekeeper.h"
#include "tests/stress/stress_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

template <int kSize, int kOverflow>
void NeverAboveTheLimit() {
  ScriptedBackend backend;
  backend.set_hook([](const fakes::CallInfo& info) {
    if (info.call == Call::kOpen) std::this_thread::sleep_for(5ms);
  });
  PoolFor<Shape<kSize, kOverflow>> pool(backend);
  OnThreads(40, [&](int) {
    for (int i = 0; i < 10; ++i) {
      absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(60s));
      ASSERT_TRUE(lease.ok()) << lease.status();
      EXPECT_LE(pool.stats().overflow_in_use, kOverflow);
      std::this_thread::sleep_for(500us);
    }
  });
  EXPECT_LE(backend.peak_open(), kSize + kOverflow);
  EXPECT_TRUE(pool.Close(pool.In(60s)).ok());
  ExpectDrained(pool, backend, 400);
}

// As SQLAlchemy's QueuePoolTest.test_no_overflow and test_max_overflow.
TEST(RacesTest, SlowOpensNeverExceedTheLimitWithoutOverflow) { NeverAboveTheLimit<3, 0>(); }
TEST(RacesTest, SlowOpensNeverExceedTheLimitWithOverflow) { NeverAboveTheLimit<3, 5>(); }

// As puddle's TestPoolAcquireDoesNotCreatesResourceWhenItWouldExceedMaxSize.
TEST(RacesTest, AHundredThreadsOpenOneConnectionOnce) {
  ScriptedBackend backend;
  PoolFor<Shape<1>> pool(backend);
  OnThreads(100, [&](int) {
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(pool.Acquire(kWrite, pool.In(60s)).ok());
    }
  });
  EXPECT_EQ(backend.count(Call::kOpen), 1);
  EXPECT_EQ(pool.stats().checkouts, 10'000u);
}

// As deadpool's managed.rs, concurrent.
TEST(RacesTest, AHundredTasksThatEachAddOneMakeAHundred) {
  ScriptedBackend backend;
  PoolFor<Shape<3>> pool(backend);
  std::array<int, 3> numbers{};
  OnThreads(100, [&](int) {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(60s));
    ASSERT_TRUE(lease.ok());
    ++numbers[static_cast<size_t>(lease->slot())];
  });
  EXPECT_EQ(numbers[0] + numbers[1] + numbers[2], 100);
}

// As SQLAlchemy's QueuePoolTest.test_timeout_race.
struct Short : Shape<2, 1> {
  static constexpr Duration kPoolTimeout = 30ms;
};
TEST(RacesTest, NoTimeOutComesEarly) {
  ScriptedBackend backend;
  PoolFor<Short> pool(backend);
  Platform& platform = pool.platform();
  std::atomic<int> timeouts{0};
  OnThreads(10, [&](int) {
    const TimePoint start = platform.Now();
    absl::StatusOr<Lease> lease = pool.Acquire();
    if (lease.ok()) {
      std::this_thread::sleep_for(45ms);
      return;
    }
    EXPECT_EQ(lease.status().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_GE(platform.Now() - start, 30ms);
    ++timeouts;
  });
  EXPECT_GT(timeouts, 0);
}

// As bb8's test_lots_of_waiters: 25,000 waits by as many threads as a small machine can have.
TEST(RacesTest, ManyWaitersAreAllServed) {
  ScriptedBackend backend;
  PoolFor<Shape<3>> pool(backend);
  std::atomic<int> served{0};
  OnThreads(250, [&](int) {
    for (int i = 0; i < 100; ++i) {
      served += pool.Acquire(kWrite, pool.In(60s)).ok() ? 1 : 0;
    }
  });
  EXPECT_EQ(served, 25'000);
}

// As HikariCP's ConnectionRaceConditionTest.testRaceCondition: a return races a caller that enters
// the wait queue.
TEST(RacesTest, DiscardingEveryConnectionLosesNoWaiter) {
  ScriptedBackend backend;
  backend.set_logging(false);
  PoolFor<Shape<1>> pool(backend);
  OnThreads(2, [&](int) {
    for (int i = 0; i < 10'000; ++i) {
      absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(60s));
      ASSERT_TRUE(lease.ok()) << lease.status();
      lease->Discard();
    }
  });
  EXPECT_EQ(pool.stats().checkouts, 20'000u);
  EXPECT_EQ(backend.peak_open(), 1);
}

// sqlalchemy#7679: no caller starves. The bound is loose, because other programs share the machine.
TEST(RacesTest, FourThreadsShareThreeConnectionsFairly) {
  ScriptedBackend backend;
  PoolFor<Shape<3>> pool(backend);
  std::array<std::atomic<uint64_t>, 4> takes{};
  const auto end = std::chrono::steady_clock::now() + 2 * RunTime();
  OnThreads(4, [&](int index) {
    while (std::chrono::steady_clock::now() < end) {
      absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(60s));
      ASSERT_TRUE(lease.ok());
      std::this_thread::sleep_for(200us);
      ++takes[static_cast<size_t>(index)];
    }
  });
  const auto [least, most] = std::minmax_element(takes.begin(), takes.end());
  std::printf("takes: least %llu, most %llu; longest wait %lld us\n",
              static_cast<unsigned long long>(least->load()),
              static_cast<unsigned long long>(most->load()),
              static_cast<long long>(pool.stats().wait.max().count() / 1000));
  EXPECT_GT(least->load(), most->load() / 2);
  EXPECT_EQ(pool.stats().timeouts, 0u);
}

TEST(RacesTest, CancelWakesEverybodyWhoWaitsWithItsToken) {
  ScriptedBackend backend;
  PoolFor<Shape<1>> pool(backend);
  for (int round = 0; round < 50; ++round) {
    absl::StatusOr<Lease> held = pool.Acquire(kWrite, pool.In(60s));
    ASSERT_TRUE(held.ok());
    CancelToken token;
    std::atomic<int> cancelled{0};
    std::thread canceller([&] {
      while (pool.stats().waiting < round % 8) std::this_thread::yield();
      pool.Cancel(token);
    });
    OnThreads(8, [&](int) {
      const absl::Status status =
          pool.Acquire({.deadline = Deadline::Never(), .cancel = &token}).status();
      cancelled += status.code() == absl::StatusCode::kCancelled ? 1 : 0;
    });
    canceller.join();
    EXPECT_EQ(cancelled, 8);
  }
  EXPECT_EQ(pool.stats().cancelled, 400u);
}

// Everything that can be done to a pool is done at once, by several threads.
struct Busy : Shape<3, 1> {
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
  static constexpr Duration kPingAfter = 100us;
  static constexpr Duration kPoolRecycle = 5ms;
  static constexpr Duration kKeepAlive = 1ms;
  static constexpr Duration kIdleLimit = 4ms;
  static constexpr Duration kLeakAfter = 1ms;
  static constexpr Duration kBackoffMin = 100us;
  static constexpr Duration kBackoffMax = 1ms;
};
struct BusyHousekeeper : Busy {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
};

void Disturb(Pool& pool, ScriptedBackend& backend, std::atomic<bool>& stop, int seed) {
  Dice dice(static_cast<uint64_t>(seed));
  std::array<char, 1024> buffer;
  while (!stop) {
    switch (dice.Roll() % 7) {
      case 0:
        pool.InvalidateAll();
        break;
      case 1:
        pool.Pause();
        pool.Resume();
        break;
      case 2:
        (void)pool.Tick(pool.platform().Now());
        break;
      case 3:
        backend.RestartServer();
        break;
      case 4:
        backend.FailNext(Call::kOpen, absl::UnavailableError("for a moment"));
        break;
      case 5:
        (void)pool.Report(buffer);
        break;
      default:
        (void)pool.Fill(1, pool.In(1ms));
    }
    std::this_thread::sleep_for(100us);
  }
}

template <class P>
void Disturbed() {
  ScriptedBackend backend;
  backend.set_logging(false);
  Owners owners;
  std::atomic<uint64_t> leases{0};
  std::atomic<bool> stop{false};
  PoolFor<P> pool(backend);
  Housekeeper keeper;
  keeper.Add(pool);
  keeper.Start();
  std::thread one([&] { Disturb(pool, backend, stop, 1); });
  std::thread two([&] { Disturb(pool, backend, stop, 2); });
  const auto end = std::chrono::steady_clock::now() + 2 * RunTime();
  OnThreads(6, [&](int) {
    while (std::chrono::steady_clock::now() < end) {
      absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(5ms));
      if (!lease.ok()) continue;
      owners.Take(lease->slot());
      (void)(*lease)->RunScript("SET x");
      owners.Give(lease->slot());
      ++leases;
    }
  });
  stop = true;
  one.join();
  two.join();
  const char* broken = PoolTestPeer::BrokenInvariant(pool);
  EXPECT_EQ(broken, nullptr) << broken;
  // It serves its whole capacity when the trouble is over.
  backend.FailNever(Call::kOpen);
  {
    std::vector<Lease> all;
    for (int i = 0; i < P::kPoolSize + P::kMaxOverflow; ++i) {
      const Deadline by = pool.In(60s);
      absl::StatusOr<Lease> lease = pool.Acquire(kWrite, by);
      // Refused at once while the pause after the last trouble goes on: ask until it is over.
      while (absl::IsUnavailable(lease.status()) && !by.HasPassed(pool.platform().Now())) {
        lease = pool.Acquire(kWrite, by);
      }
      ASSERT_TRUE(lease.ok()) << lease.status();
      all.push_back(*std::move(lease));
      ++leases;
    }
  }
  keeper.Stop();
  EXPECT_TRUE(pool.Close(pool.In(60s)).ok());
  ExpectDrained(pool, backend, leases);
  EXPECT_GT(leases, 100u);
}

TEST(RacesTest, EverythingAtOnceWhereCallersOpen) { Disturbed<Busy>(); }
TEST(RacesTest, EverythingAtOnceWhereTheHousekeeperOpens) { Disturbed<BusyHousekeeper>(); }

// Close against acquire, return and the pool's own end, many times over.
TEST(RacesTest, PoolsAreClosedWhileTheyAreUsed) {
  for (int round = 0; round < 200; ++round) {
    ScriptedBackend backend;
    backend.set_logging(false);
    auto pool = std::make_unique<PoolFor<Shape<1, 1>>>(backend);
    std::atomic<int> started{0};
    std::thread closer([&] {
      while (started < 4) std::this_thread::yield();
      EXPECT_TRUE(pool->Close(pool->In(60s)).ok());
    });
    OnThreads(4, [&](int) {
      ++started;
      while (pool->Acquire(kWrite, Deadline::Never()).ok()) {
      }
    });
    closer.join();
    EXPECT_EQ(backend.open_now(), 0);
  }
}

// Threads, a loop, and a housekeeper that opens in steps share one line of callers.
struct RemoteShape : Shape<2, 1> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr Duration kLinger = 1ms;
};
TEST(RacesTest, ALoopAndThreadsAreServedWhileConnectionsOpenInSteps) {
  ScriptedBackend backend;
  backend.set_logging(false);
  backend.GoInSteps(1);
  backend.Answer(1 << 30);  // the server is quick: what is raced is the hand-over of steps
  PoolFor<RemoteShape> pool(backend);
  Housekeeper keeper;
  keeper.Add(pool);
  keeper.Start();
  constexpr int kEach = 200;
  OnThreads(4, [&](int thread) {
    if (thread > 0) {
      for (int i = 0; i < kEach; ++i) EXPECT_TRUE(pool.Acquire(kWrite, pool.In(60s)).ok());
      return;
    }
    std::atomic<uint32_t> rung{0};
    AcquireQueue queue({.function =
                            [](void* word) {
                              static_cast<std::atomic<uint32_t>*>(word)->store(1);
                              NativePlatform().Wake(static_cast<std::atomic<uint32_t>*>(word));
                            },
                        .context = &rung});
    for (int i = 0; i < kEach; ++i) {
      PendingAcquire pending;
      bool done = pending.Start(
          queue, pool, {.deadline = pool.In(60s)}, [](void* d) { *static_cast<bool*>(d) = true; },
          &done);
      while (!done) {
        NativePlatform().Wait(rung, 0, pool.In(60s));
        rung.store(0);
        queue.Run(pool.platform().Now());
      }
      EXPECT_TRUE(pending.Take().ok());
    }
  });
  keeper.Stop();
  EXPECT_TRUE(pool.Close(pool.In(60s)).ok());
  ExpectDrained(pool, backend, 4 * kEach);
}

}  // namespace
}  // namespace roost
