// tests/stress/lane_test.cc - a lane under load: more threads than slots, so that the idle stack is
// closed and opened all the time, while others mark everything, read the counts, and shut the pool
// down. By counts, not by time.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "tests/stress/stress_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

template <int kSize, int kOverflow, int kOvertakes>
struct Lane : Shape<kSize, kOverflow> {
  static constexpr int kMaxOvertakes = kOvertakes;
};

// What the threads of one run share.
struct Run {
  explicit Run(Pool& p) : pool(p), capacity(p.stats().capacity) {}
  Pool& pool;
  const int capacity;
  Owners owners;
  std::atomic<uint64_t> leases{0};
  std::atomic<uint64_t> refusals{0};
  std::atomic<bool> over{false};
};

absl::StatusOr<Lease> Ask(Pool& pool, Dice& dice) {
  switch (dice.Roll() % 8) {
    case 0:
      return pool.TryAcquire();
    case 1:
    case 2:
    case 3:
    case 4:
      return pool.Acquire(kWrite, pool.In(std::chrono::microseconds(dice.Roll() % 121)));
    default:
      return pool.Acquire(kWrite, Deadline::Never());
  }
}

// Longer where there are many slots: else they would never be short.
void Hold(int capacity, Dice& dice) {
  const uint32_t how = dice.Roll() % 3;
  if (how == 1) Pause(60);
  if (how == 2 || capacity > 4) std::this_thread::sleep_for(20us);
}

// False: the pool is closed.
bool UseOnce(Run& run, Dice& dice) {
  absl::StatusOr<Lease> lease = Ask(run.pool, dice);
  if (lease.status().code() == absl::StatusCode::kFailedPrecondition) return false;
  if (!lease.ok()) {
    EXPECT_EQ(lease.status().code(), absl::StatusCode::kDeadlineExceeded) << lease.status();
    run.refusals.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  run.owners.Take(lease->slot());
  Hold(run.capacity, dice);
  run.owners.Give(lease->slot());
  if (dice.OneIn(32)) lease->Discard();
  lease->Return();
  // A thread that reads this sees what the pool counts at the return, at the latest.
  run.leases.fetch_add(1, std::memory_order_release);
  return true;
}

// Each snapshot closes the idle stack and opens it again.
void CheckCounts(Run& run, int threads) {
  const uint64_t before = run.leases.load(std::memory_order_acquire);
  const Stats stats = run.pool.stats();
  EXPECT_GE(stats.checkouts, before) << "a lease was not counted";
  EXPECT_LE(stats.checkouts, run.leases.load() + static_cast<uint64_t>(threads));
  if (run.pool.settings().hold_times) {
    EXPECT_LE(stats.hold.total(), stats.checkouts);
    // A slot in use may be one whose lease is not recorded yet.
    const uint64_t told = stats.hold.total() + static_cast<uint64_t>(stats.in_use);
    EXPECT_GE(told, stats.checkouts);
    if (run.capacity > internal::SlotStack::kMaxSlots) {
      EXPECT_EQ(told, stats.checkouts);
    }
  }
  EXPECT_LE(stats.in_use + stats.idle, stats.open);
  EXPECT_LE(stats.open, stats.capacity);
  EXPECT_LE(stats.peak_in_use, stats.capacity);
}

// Marks, reads, checks the numbered invariants (one is that no waiter was barged past too often).
void Disturb(Run& run, int threads) {
  Dice dice(99);
  while (!run.over) {
    switch (dice.Roll() % 6) {
      case 0:
        run.pool.InvalidateAll();
        break;
      case 1:
        (void)run.pool.Tick(run.pool.platform().Now());
        break;
      case 2:
        run.pool.Pause();
        run.pool.Resume();
        break;
      case 3: {
        const char* broken = PoolTestPeer::BrokenInvariant(run.pool);
        EXPECT_EQ(broken, nullptr) << broken;
        break;
      }
      default:
        CheckCounts(run, threads);
    }
    std::this_thread::sleep_for(200us);
  }
}

enum class End { kAfterAll, kInMidRun };

template <class P>
void Stress(int threads, End end, int attempts = 6000) {
  ScriptedBackend backend;
  backend.set_logging(false);
  PoolFor<P> pool(backend);
  Run run(pool);
  std::atomic<int> sent_away{0};
  std::thread disturber([&] { Disturb(run, threads); });
  std::thread closer([&] {
    if (end == End::kAfterAll) return;
    const auto half = static_cast<uint64_t>(attempts) / 2;
    while (run.leases + run.refusals < half) std::this_thread::sleep_for(100us);
    EXPECT_TRUE(pool.Close(pool.In(60s)).ok());
  });
  OnThreads(threads, [&](int index) {
    Dice dice(static_cast<uint64_t>(index));
    const int mine = end == End::kInMidRun ? 1 << 30 : attempts / threads;
    for (int i = 0; i < mine; ++i) {
      if (UseOnce(run, dice)) continue;
      ++sent_away;
      break;
    }
  });
  closer.join();
  run.over = true;
  disturber.join();
  EXPECT_EQ(sent_away, end == End::kInMidRun ? threads : 0) << "every caller was woken";
  EXPECT_EQ(run.owners.uses(), run.leases);
  EXPECT_EQ(pool.stats().checkouts, run.leases);
  EXPECT_TRUE(pool.Close(pool.In(60s)).ok());
  ExpectDrained(pool, backend, run.leases);
  const char* broken = PoolTestPeer::BrokenInvariant(pool);
  EXPECT_EQ(broken, nullptr) << broken;
  const Stats stats = pool.stats();
  std::printf("%d+%d, %d threads, %d overtakes: %llu leases, %llu waited, %llu refusals\n",
              P::kPoolSize, P::kMaxOverflow, threads, P::kMaxOvertakes,
              static_cast<unsigned long long>(stats.checkouts),
              static_cast<unsigned long long>(stats.waited),
              static_cast<unsigned long long>(run.refusals.load()));
  if (threads >= 2 * stats.capacity && stats.capacity <= 4) {
    EXPECT_GT(stats.waited, 0u) << "so many threads for so few slots, and no caller had to wait";
  }
}

template <class P>
void BothEnds(int threads) {
  Stress<P>(threads, End::kAfterAll);
  Stress<P>(threads, End::kInMidRun);
}

TEST(LaneStressTest, OneSlotStrict) { BothEnds<Lane<1, 0, 0>>(4); }
TEST(LaneStressTest, OneSlotWithOvertaking) { BothEnds<Lane<1, 0, 16>>(8); }
TEST(LaneStressTest, TwoSlotsOvertakenOnce) { BothEnds<Lane<2, 0, 1>>(5); }
TEST(LaneStressTest, TwoAndOne) { BothEnds<Lane<2, 1, 16>>(8); }
TEST(LaneStressTest, ThreeSlotsStrict) { BothEnds<Lane<3, 0, 0>>(8); }
TEST(LaneStressTest, ThreeSlotsOvertakenOnce) { BothEnds<Lane<3, 0, 1>>(8); }
TEST(LaneStressTest, OneAndThree) { BothEnds<Lane<1, 3, 16>>(8); }
TEST(LaneStressTest, FourSlots) { BothEnds<Lane<4, 0, 16>>(8); }
TEST(LaneStressTest, SevenSlotsAreTheMostOfAnIdleStack) { BothEnds<Lane<7, 0, 1>>(14); }
TEST(LaneStressTest, EightSlotsTakeTheLock) { BothEnds<Lane<8, 0, 16>>(16); }
TEST(LaneStressTest, SixAndTwoTakeTheLockStrict) { BothEnds<Lane<6, 2, 0>>(16); }
TEST(LaneStressTest, SeventyFiveTakeTheLock) { BothEnds<Lane<75, 0, 16>>(80); }

// A connection above pool_size is closed at its return: the idle stack is full before it holds all.
template <int kSize, int kOverflow>
struct ClosesOverflow : Lane<kSize, kOverflow, 16> {
  static constexpr Duration kLinger = 0s;
};
TEST(LaneStressTest, OverflowThatIsClosedAtOnce) { BothEnds<ClosesOverflow<1, 3>>(8); }
TEST(LaneStressTest, OverflowThatIsClosedAtOnceByTheLock) { BothEnds<ClosesOverflow<4, 6>>(16); }

// Connections that are too old, or were idle for too long, are popped and returned unused.
template <int kSize, int kOvertakes>
struct Ages : Lane<kSize, 1, kOvertakes> {
  static constexpr Duration kPoolRecycle = 4ms;
  static constexpr Duration kPingAfter = 50us;
};
TEST(LaneStressTest, ConnectionsThatReturnUnused) { BothEnds<Ages<2, 16>>(8); }
TEST(LaneStressTest, ConnectionsThatReturnUnusedStrict) { BothEnds<Ages<2, 0>>(8); }
TEST(LaneStressTest, ConnectionsThatReturnUnusedByTheLock) { BothEnds<Ages<9, 1>>(16); }

// ---- One race, step by step ---------------------------------------------------------------------

// Runs `action` once, when a thread reads the coarse clock: one that has popped a connection from the
// idle stack and finds that it may be too old.
class Interrupting : public fakes::FakePlatform {
 public:
  void AtCoarseClock(std::function<void()> action) { action_ = std::move(action); }
  TimePoint CoarseNow() override {
    if (action_) std::exchange(action_, nullptr)();
    return FakePlatform::CoarseNow();
  }

 private:
  std::function<void()> action_;
};

struct Old : Lane<1, 0, 16> {
  static constexpr Duration kPoolRecycle = 1s;
};

TEST(LaneRaceTest, AConnectionThatReturnsUnusedToAClosedPoolIsClosed) {
  Interrupting platform;
  ScriptedBackend backend(&platform);
  PoolFor<Old> pool(backend, {.platform = &platform});
  ASSERT_TRUE(pool.Acquire(kWrite, pool.In(1ms)).ok());
  ASSERT_TRUE(pool.Acquire(kWrite, pool.In(1ms)).ok());
  ASSERT_EQ(pool.stats().idle, 1);
  platform.Advance(1h);
  platform.AtCoarseClock([&] { EXPECT_FALSE(pool.Close(Deadline::Past()).ok()) << "one is out"; });
  const absl::Status refused = pool.Acquire(kWrite, pool.In(1ms)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_EQ(pool.stats().open, 0) << "no thread closes it, and Close waits for it";
  EXPECT_EQ(backend.open_now(), 0);
}

// ---- Order of service ---------------------------------------------------------------------------

// One connection, three callers in the wait queue, and a newcomer that never sleeps: the most times
// that it barged past the same first waiter.
template <class P>
int MostOvertakes(int rounds) {
  constexpr int kWaiters = 3;
  ScriptedBackend backend;
  backend.set_logging(false);
  PoolFor<P> pool(backend);
  int most = 0;
  for (int round = 0; round < rounds; ++round) {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(60s));
    EXPECT_TRUE(lease.ok());
    int served = 0;  // guarded by the one connection
    std::vector<std::thread> waiters;
    for (int i = 0; i < kWaiters; ++i) {
      waiters.emplace_back([&pool, &served, i] {
        const absl::StatusOr<Lease> mine = pool.Acquire(kWrite, Deadline::Never());
        EXPECT_TRUE(mine.ok());
        EXPECT_EQ(served++, i) << "in order of arrival";
      });
      while (pool.stats().waiting <= i) std::this_thread::yield();
    }
    lease->Return();
    // The holder of the connection sees every caller that was served before: below kWaiters, one waits.
    for (int passes = 0, front = 0;;) {
      const absl::StatusOr<Lease> passing = pool.TryAcquire();
      if (!passing.ok()) continue;
      if (served == kWaiters) break;
      passes = served == front ? passes + 1 : 1;
      front = served;
      most = std::max(most, passes);
    }
    for (std::thread& waiter : waiters) waiter.join();
  }
  std::printf("passed at most %d times, %d are allowed\n", most, P::kMaxOvertakes);
  return most;
}

TEST(LaneOrderTest, NobodyPassesWhereItIsStrict) {
  EXPECT_EQ((MostOvertakes<Lane<1, 0, 0>>(50)), 0);
}
TEST(LaneOrderTest, TheFrontIsPassedOnceAtMost) {
  EXPECT_LE((MostOvertakes<Lane<1, 0, 1>>(50)), 1);
}
TEST(LaneOrderTest, TheFrontIsPassedSixteenTimesAtMost) {
  int most = 0;
  // On a busy machine it may take many rounds until a newcomer runs before the sleeper.
  for (int i = 0; i < 40 && most == 0; ++i) {
    most = MostOvertakes<Lane<1, 0, 16>>(50);
    EXPECT_LE(most, 16);
  }
  EXPECT_GT(most, 0) << "no newcomer is ever quicker than a sleeper";
}

}  // namespace
}  // namespace roost
