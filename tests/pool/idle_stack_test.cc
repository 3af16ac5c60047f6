// tests/pool/idle_stack_test.cc - what a lane's idle stack lends and takes back without the lock:
// the same promises as with the lock, and the core learns of all of it.

#include "roost/async.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

// No observer: else the idle stacks stay closed.
class UnobservedTest : public PoolTest {
 protected:
  PoolOptions Options() { return {.name = "main", .platform = &platform}; }
};
using IdleStackTest = UnobservedTest;

// The same promises with an idle stack, and in a lane of too many slots for one.
struct Small : Plain<2, 1> {
  static constexpr Duration kLinger = 5s;
};
struct Large : Plain<9, 2> {
  static constexpr Duration kLinger = 5s;
};

template <class P>
class IdleConnectionsTest : public UnobservedTest {};
using Profiles = ::testing::Types<Small, Large>;
class ProfileNames {
 public:
  template <class P>
  static std::string GetName(int) {
    return P::kPoolSize <= 7 ? "IdleStack" : "Lock";
  }
};
TYPED_TEST_SUITE(IdleConnectionsTest, Profiles, ProfileNames);

TYPED_TEST(IdleConnectionsTest, TheOneUsedLastIsLentFirst) {
  PoolFor<TypeParam> pool(this->backend, this->Options());
  Lease a = this->Take(pool), b = this->Take(pool);
  const int first = a.slot(), second = b.slot();
  b.Return();
  a.Return();
  Lease next = this->Take(pool);
  EXPECT_EQ(next.slot(), first);
  Lease after = this->Take(pool);
  EXPECT_EQ(after.slot(), second);
  EXPECT_EQ(this->backend.count(Call::kOpen), 2);
}

// Else who takes it next counts as that thread until it has written its own number.
TEST_F(IdleStackTest, NobodyHoldsWhatRests) {
  PoolFor<Small> pool(backend, Options());
  Take(pool).Return();
  EXPECT_EQ(PoolTestPeer::OwnerAtRest(pool), 0u);
  Take(pool).Return();
  EXPECT_EQ(PoolTestPeer::OwnerAtRest(pool), 0u);
}

TYPED_TEST(IdleConnectionsTest, EveryLeaseIsCounted) {
  PoolFor<TypeParam> pool(this->backend, this->Options());
  Lease kept = this->Take(pool);
  for (int i = 0; i < 300; ++i) this->Take(pool).Return();
  const Stats stats = pool.stats();
  EXPECT_EQ(stats.checkouts, 301u);
  EXPECT_EQ(stats.wait.total(), 301u);
  EXPECT_EQ(stats.wait.max(), 0s);
  EXPECT_EQ(stats.waited, 0u);
  EXPECT_EQ(stats.peak_in_use, 2);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 1, .in_use = 1}));
  EXPECT_EQ(PoolTestPeer::BrokenInvariant(pool), nullptr);
}

TYPED_TEST(IdleConnectionsTest, TheMostAtOnceIsNoted) {
  PoolFor<TypeParam> pool(this->backend, this->Options());
  ASSERT_TRUE(pool.Fill(2, pool.In(1s)).ok());
  this->Take(pool).Return();
  EXPECT_EQ(pool.stats().peak_in_use, 1);
  this->Take(pool).Return();
  {
    Lease a = this->Take(pool), b = this->Take(pool);
    EXPECT_EQ(a.slot() + b.slot(), 1);
  }
  EXPECT_EQ(pool.stats().peak_in_use, 2);
  EXPECT_EQ(this->backend.count(Call::kOpen), 2);
}

TYPED_TEST(IdleConnectionsTest, InvalidatedConnectionsAreNotLentAgain) {
  PoolFor<TypeParam> pool(this->backend, this->Options());
  Lease lent = this->Take(pool);
  this->Take(pool).Return();
  pool.InvalidateAll();
  EXPECT_EQ(this->backend.count(Call::kClose), 1) << "the idle one";
  lent.Return();
  EXPECT_EQ(this->backend.count(Call::kClose), 2) << "the lent one, at its return";
  this->Take(pool).Return();
  EXPECT_EQ(this->backend.count(Call::kOpen), 3);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kInvalidated), 2u);
}

TYPED_TEST(IdleConnectionsTest, WaitersAndTheIdleStackDoNotMix) {
  PoolFor<TypeParam> pool(this->backend, this->Options());
  std::vector<Lease> all;
  for (int i = 0; i < pool.settings().capacity(); ++i) all.push_back(this->Take(pool));
  Caller waiter(this->platform, pool);
  ASSERT_TRUE(waiter.waiting());
  all[0].Return();
  EXPECT_FALSE(pool.TryAcquire().ok()) << "it is the waiter's";
  this->platform.Run();
  EXPECT_TRUE(waiter.served());
  waiter.Return();
  EXPECT_TRUE(pool.TryAcquire().ok()) << "no caller waits any more";
  EXPECT_EQ(PoolTestPeer::BrokenInvariant(pool), nullptr);
}

TYPED_TEST(IdleConnectionsTest, APausedOrClosedPoolLendsNothing) {
  PoolFor<TypeParam> pool(this->backend, this->Options());
  Lease lent = this->Take(pool);
  this->Take(pool).Return();
  pool.Pause();
  EXPECT_FALSE(pool.TryAcquire().ok());
  lent.Return();
  EXPECT_FALSE(pool.TryAcquire().ok());
  pool.Resume();
  EXPECT_TRUE(pool.TryAcquire().ok());
  Lease out = this->Take(pool);
  EXPECT_FALSE(pool.Close(Deadline::Past()).ok());
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kFailedPrecondition);
  out.Return();
  EXPECT_TRUE(pool.Close(Deadline::Past()).ok());
  EXPECT_EQ(pool.stats().open, 0);
}

TYPED_TEST(IdleConnectionsTest, WhatIsAboveTheKeptNumberLingersWithoutBeingInTheWay) {
  PoolFor<TypeParam> pool(this->backend, this->Options());
  {
    std::vector<Lease> all;
    for (int i = 0; i < pool.settings().capacity(); ++i) all.push_back(this->Take(pool));
  }
  const int size = pool.settings().pool_size, capacity = pool.settings().capacity();
  EXPECT_EQ(pool.stats().idle, capacity);
  for (int i = 0; i < 3; ++i) {
    this->platform.Advance(4s);
    this->Take(pool).Return();
    pool.Tick(this->platform.Now());
  }
  EXPECT_EQ(pool.stats().idle, size) << "those that were not taken have lingered";
  EXPECT_EQ(ClosesOf(pool, CloseReason::kLingered), static_cast<uint64_t>(capacity - size));
}

// ---- Age ----------------------------------------------------------------------------------------

template <int kSize>
struct AgingOf : Plain<kSize> {
  static constexpr Duration kPoolRecycle = 100s;
  static constexpr Duration kPingAfter = 30s;
};

using Aging = AgingOf<1>;
using TwoAging = AgingOf<2>;

TEST_F(IdleStackTest, AnOldConnectionIsReplacedWhateverTheDeadlineSays) {
  for (const Duration patience : {Duration(-1s), Duration(1ms), Duration(1s), Duration(1h)}) {
    PoolFor<Aging> pool(backend, Options());
    Take(pool).Return();
    platform.Advance(101s);
    EXPECT_TRUE(pool.Acquire(kWrite, Deadline::At(platform.Now() + patience)).ok());
    EXPECT_EQ(pool.stats().recycles, 1u) << patience.count();
  }
  PoolFor<Aging> pool(backend, Options());
  Take(pool).Return();
  platform.Advance(101s);
  EXPECT_TRUE(pool.Acquire(kWrite, Deadline::Past()).ok());
  EXPECT_TRUE(pool.Acquire(kWrite, Deadline::Never()).ok());
  EXPECT_TRUE(pool.Acquire().ok());
  EXPECT_EQ(pool.stats().recycles, 1u);
}

TEST_F(IdleStackTest, AYoungConnectionIsLentWithoutAClock) {
  PoolFor<Aging> one(backend, Options());
  PoolFor<AgingOf<7>> seven(backend, Options());
  for (Pool* const pool : std::initializer_list<Pool*>{&one, &seven}) {
    Take(*pool).Return();
    Take(*pool).Return();
    const int reads = platform.clock_reads();
    const Deadline by = Deadline::At(platform.Now() + 1s);
    const int own = platform.clock_reads() - reads;
    for (int i = 0; i < 10; ++i) Must(pool->Acquire(kWrite, by)).Return();
    EXPECT_EQ(platform.clock_reads() - reads, own) << pool->settings().pool_size;
  }
}

TEST_F(IdleStackTest, ALeaseByTheProfilesTimeOutEndsUpToATickEarlyAndNeverLate) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  for (const Duration lag : {Duration(0ms), Duration(3ms), Duration(10ms)}) {
    platform.set_coarse_lag(lag);
    const Deadline latest = pool.In(pool.settings().pool_timeout);
    Lease lease = Must(pool.Acquire());
    EXPECT_LE(lease->deadline(), latest);
    EXPECT_GE(lease->deadline().time(), latest.time() - 10ms);
  }
}

// Counts the readings of the exact clock.
class ExactClock : public FakePlatform {
 public:
  TimePoint Now() override {
    ++reads;
    return FakePlatform::Now();
  }
  TimePoint CoarseNow() override { return FakePlatform::Now(); }
  int reads = 0;
};

TEST_F(IdleStackTest, WithoutADeadlineTheCoarseClockIsReadAlone) {
  ExactClock clock;
  PoolFor<Aging> pool(backend, {.name = "main", .platform = &clock});
  Take(pool).Return();
  const int reads = clock.reads;
  for (int i = 0; i < 10; ++i) Must(pool.Acquire()).Return();
  for (int i = 0; i < 10; ++i) Must(pool.Acquire(kWrite, Deadline::Never())).Return();
  EXPECT_EQ(clock.reads, reads);
}

TEST_F(IdleStackTest, TheFileIsLookedAtWhenTheLastLookIsLongAgo) {
  PoolFor<Aging> pool(backend, Options());
  Take(pool).Return();
  platform.Advance(29s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kProbe), 0);
  platform.Advance(2s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kProbe), 1);
  platform.Advance(29s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kProbe), 1);
}

struct CheckedAlways : Plain<1> {
  static constexpr Duration kPingAfter = 0s;
};

TEST_F(IdleStackTest, WithoutAPingAfterEveryLeaseIsChecked) {
  PoolFor<CheckedAlways> pool(backend, Options());
  for (int checks = 0; checks < 4; ++checks) {
    const int reads = platform.clock_reads();
    Take(pool).Return();
    EXPECT_EQ(backend.count(Call::kProbe), checks);
    EXPECT_GT(platform.clock_reads(), reads + 1) << "by the lock";
  }
}

struct Tended : Plain<1> {
  static constexpr Duration kKeepAlive = 30s;
};

TEST_F(IdleStackTest, OneThatIsInUseAllTheTimeIsNotTended) {
  PoolFor<Tended> pool(backend, Options());
  Take(pool).Return();
  for (int i = 0; i < 4; ++i) {
    platform.Advance(20s);
    Take(pool).Return();
    pool.Tick(platform.Now());
  }
  EXPECT_EQ(backend.count(Call::kMaintain), 0);
  platform.Advance(30s);
  pool.Tick(platform.Now());
  EXPECT_EQ(backend.count(Call::kMaintain), 1);
}

TEST_F(IdleStackTest, AConnectionThatIsReplacedIsNoPeak) {
  PoolFor<TwoAging> pool(backend, Options());
  ASSERT_TRUE(pool.Fill(2, pool.In(1s)).ok());
  platform.Advance(101s);
  Take(pool).Return();
  Take(pool).Return();
  Take(pool).Return();
  EXPECT_EQ(pool.stats().peak_in_use, 1);
}

// ---- Holders ------------------------------------------------------------------------------------

TEST_F(IdleStackTest, AHolderIsNamedWithTheLeastTimeItCanHaveHeld) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  Lease lease = Take(pool);
  std::array<char, 1024> buffer;
  EXPECT_THAT(std::string(pool.Report(buffer)), HasSubstr("pool_test_support.h"));
  platform.Advance(2s);
  EXPECT_THAT(std::string(pool.Report(buffer)), HasSubstr("for at least 2.00 s"));
  EXPECT_EQ(pool.stats().longest_hold, 2s);
}

struct Watched : Plain<1> {
  static constexpr Duration kLeakAfter = 10s;
};

TEST_F(IdleStackTest, ALeakIsReportedOnceItWasSeenLongEnough) {
  PoolFor<Watched> pool(backend, Options());
  Take(pool).Return();
  for (int i = 0; i < 5; ++i) {
    Take(pool).Return();
    platform.Advance(9s);
    pool.Tick(platform.Now());
  }
  EXPECT_EQ(pool.stats().leaks, 0u) << "lent anew each time";
  Lease leaked = Take(pool);
  pool.Tick(platform.Now());
  platform.Advance(11s);
  pool.Tick(platform.Now());
  EXPECT_EQ(pool.stats().leaks, 1u);
}

struct Checked : Plain<1> {
  static constexpr bool kNestedCheck = true;
};

TEST_F(IdleStackTest, AWaitThatCouldOnlyDeadlockIsSeenThroughTheWord) {
  PoolFor<Checked> pool(backend, Options());
  Take(pool).Return();
  Lease mine = Take(pool);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  mine.ReleaseThread();
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status().code(), absl::StatusCode::kDeadlineExceeded);
}

// ---- Barging ------------------------------------------------------------------------------------

template <int kTimes>
struct Overtaken : Plain<1> {
  static constexpr int kMaxOvertakes = kTimes;
};

TEST_F(IdleStackTest, ANewcomerMayPassTheNextInLineABoundedNumberOfTimes) {
  PoolFor<Overtaken<2>> pool(backend, Options());
  Lease held = Take(pool);
  Caller waiter(platform, pool);
  ASSERT_TRUE(waiter.waiting());
  for (int i = 0; i < 2; ++i) {
    held.Return();  // the waiter is told, but its thread does not run yet
    held = Must(pool.TryAcquire());
  }
  held.Return();
  EXPECT_FALSE(pool.TryAcquire().ok()) << "not a third time";
  platform.Run();
  EXPECT_TRUE(waiter.served());
  EXPECT_EQ(PoolTestPeer::BrokenInvariant(pool), nullptr);
}

// Each of these holds is the end of a wait of one caller, who holds next. Whether a newcomer could
// have passed that caller at the end of the last one.
bool CouldBePassed(FakePlatform& platform, Pool& pool, std::initializer_list<Duration> holds) {
  Lease held = *pool.Acquire(kWrite, pool.In(1s));
  bool passed = false;
  for (const Duration& hold : holds) {
    Caller waiter(platform, pool);
    platform.Advance(hold);
    held.Return();
    if (&hold == holds.end() - 1) passed = pool.TryAcquire().ok();
    platform.Run();
    held = waiter.Take();
  }
  return passed;
}

TEST_F(IdleStackTest, NobodyIsOvertakenWhereHoldsAreLong) {
  PoolFor<Overtaken<16>> pool(backend, Options());
  EXPECT_FALSE(CouldBePassed(platform, pool, {1ms, 1ms, 1ms}));
}

TEST_F(IdleStackTest, NobodyIsOvertakenWhereHalfOfTheHoldsAreLong) {
  PoolFor<Overtaken<16>> pool(backend, Options());
  EXPECT_FALSE(CouldBePassed(platform, pool, {1ms, 1us, 1ms, 1us, 1ms, 1us, 1ms, 1us}));
}

TEST_F(IdleStackTest, OneLongHoldAmongShortOnesChangesNothing) {
  PoolFor<Overtaken<16>> pool(backend, Options());
  EXPECT_TRUE(CouldBePassed(platform, pool, {1us, 1us, 1ms}));
  EXPECT_TRUE(CouldBePassed(platform, pool, {1us, 1us}));
}

TEST_F(IdleStackTest, AfterLongHoldsShortOnesLetNewcomersPassAgain) {
  PoolFor<Overtaken<16>> pool(backend, Options());
  EXPECT_FALSE(CouldBePassed(platform, pool, {1ms, 1ms, 1ms, 1us}));
  EXPECT_TRUE(CouldBePassed(platform, pool, {1us, 1us}));
}

// Lent by the idle stack, at a moment that was not recorded.
TEST_F(IdleStackTest, NobodyIsOvertakenAfterAHoldOfUnknownLength) {
  PoolFor<Overtaken<16>> pool(backend, Options());
  Take(pool).Return();
  Lease held = Take(pool);
  Caller waiter(platform, pool);
  held.Return();
  EXPECT_FALSE(pool.TryAcquire().ok()) << "handed over";
  platform.Run();
  EXPECT_TRUE(waiter.served());
}

TEST_F(IdleStackTest, ALoopIsNotOvertaken) {
  PoolFor<Overtaken<16>> pool(backend, Options());
  Lease held = Take(pool);
  AcquireQueue queue({}, &platform);
  PendingAcquire pending;
  ASSERT_FALSE(pending.Start(
      queue, pool, {.deadline = pool.In(1s)}, [](void*) {}, nullptr));
  held.Return();
  EXPECT_FALSE(pool.TryAcquire().ok()) << "it is the loop's, whenever that comes by";
  pending.Cancel();
  EXPECT_TRUE(pool.TryAcquire().ok());
}

TEST_F(IdleStackTest, OneThatFoundNothingIsHandedTheNext) {
  PoolFor<Overtaken<16>> pool(backend, Options());
  Lease held = Take(pool);
  Caller waiter(platform, pool);
  held.Return();
  held = Must(pool.TryAcquire());
  platform.Run();
  EXPECT_TRUE(waiter.waiting()) << "it looked in vain";
  held.Return();
  EXPECT_FALSE(pool.TryAcquire().ok()) << "it is the waiter's, though its thread sleeps";
  platform.Run();
  EXPECT_TRUE(waiter.served());
  EXPECT_EQ(pool.stats().handed_off, 1u);
}

struct TwoOvertaken : Plain<2> {
  static constexpr int kMaxOvertakes = 16;
};

TEST_F(IdleStackTest, MoreThanOneMayLieIdleForOneThatWasTold) {
  PoolFor<TwoOvertaken> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  Caller first(platform, pool), second(platform, pool);
  a.Return();
  b.Return();
  EXPECT_EQ(pool.stats().idle, 2);
  platform.Run();
  EXPECT_TRUE(first.served());
  EXPECT_TRUE(second.served());
  EXPECT_EQ(PoolTestPeer::BrokenInvariant(pool), nullptr);
}

struct OneAndOverflow : Plain<1, 1> {
  static constexpr int kMaxOvertakes = 16;
  static constexpr Duration kLinger = 0s;
};

TEST_F(IdleStackTest, OverflowThatDoesNotLingerIsNotLeftIdleForOneThatWasTold) {
  PoolFor<OneAndOverflow> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  Caller waiter(platform, pool);
  a.Return();
  b.Return();  // handed over
  platform.Run();
  EXPECT_TRUE(waiter.served());
  EXPECT_EQ(pool.stats().idle, 1);
  waiter.Return();
  EXPECT_EQ(pool.stats().open, 1);
  EXPECT_EQ(backend.count(Call::kClose), 1);
}

TEST_F(IdleStackTest, OneThatLeavesPassesWhatLiesIdleOn) {
  PoolFor<Overtaken<1>> pool(backend, Options());
  Lease held = Take(pool);
  CancelToken token;
  Caller first(platform, pool, {.deadline = Deadline::Never(), .cancel = &token});
  Caller second(platform, pool);
  held.Return();
  pool.Cancel(token);
  platform.Run();
  EXPECT_FALSE(first.served());
  EXPECT_TRUE(second.served());
}

}  // namespace
}  // namespace roost
