// tests/pool/tuning_test.cc - settings that change while the pool works.
#include <gtest/gtest.h>

#include <array>

#include "roost/housekeeper.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

class TuningTest : public PoolTest {
 protected:
  // No observer: leases go by the idle stack where the settings allow it.
  PoolOptions Unobserved() { return {.name = "main", .platform = &platform}; }
  static std::string Refusal(Pool& pool, const Tuning& wish) {
    const absl::Status status = pool.Tune(wish);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
  void TearDown() override {
    EXPECT_EQ(broken_, nullptr);
    PoolTest::TearDown();
  }
  void Check(Pool& pool) {
    if (broken_ == nullptr) broken_ = PoolTestPeer::BrokenInvariant(pool);
  }

 private:
  const char* broken_ = nullptr;
};

// ---- Smaller sizes ----

TEST_F(TuningTest, ALentConnectionAboveTheSizesIsClosedWhenItComesBack) {
  for (const bool observed : {true, false}) {
    PoolFor<Plain<2, 1>> pool(backend, observed ? Options() : Unobserved());
    Lease a = Take(pool), b = Take(pool), c = Take(pool);
    ASSERT_TRUE(pool.Tune({.pool_size = 1, .max_overflow = 0}).ok());
    EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .in_use = 3}));
    EXPECT_TRUE(a->RunScript("SET x").ok()) << "still usable until it is given back";
    b.Return();
    EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .in_use = 2}));
    c.Return();
    EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1}));
    Check(pool);
    a.Return();
    EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1})) << "one stays";
    EXPECT_EQ(ClosesOf(pool, CloseReason::kOverflow), 2u);
  }
}

// As golang/go#9453: a pool that is always busy has to shrink, too.
TEST_F(TuningTest, ASurplusConnectionIsClosedAlsoWhileCallersWait) {
  PoolFor<Plain<3>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  Caller first(platform, pool), second(platform, pool);
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  a.Return();
  b.Return();
  platform.Run();
  EXPECT_TRUE(first.waiting());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1, .waiting = 2}));
  c.Return();
  ServeInOrder(first, second);
  EXPECT_EQ(backend.count(Call::kOpen), 3) << "nothing is opened anew above the sizes";
  Check(pool);
}

// As in pgbouncer/pgbouncer#709: idle ones go first.
TEST_F(TuningTest, IdleConnectionsAboveTheSizesAreClosedAtOnceThoseUsedLongestAgoFirst) {
  PoolFor<Plain<3>> pool(backend, Unobserved());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  const int latest = SerialOf(b);
  a.Return();
  platform.Advance(1s);
  pool.Tick(Now());  // by which the pool learns when they came back
  c.Return();
  platform.Advance(1s);
  pool.Tick(Now());
  b.Return();
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_THAT(backend.serials(Call::kClose), ElementsAre(1, 3));
  Lease kept = Take(pool);
  EXPECT_EQ(SerialOf(kept), latest);
}

TEST_F(TuningTest, AnIdleConnectionIsClosedBeforeALentOneIsMissed) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease lent = Take(pool);
  Take(pool).Return();
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1}));
  lent.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

// As bikeshedder/deadpool#380: an open counts from its beginning.
TEST_F(TuningTest, AnOpenUnderWayThatIsSurplusIsClosedWhenItEnds) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller caller(platform, pool);
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  server.Open();
  platform.Run();
  EXPECT_TRUE(caller.waiting());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1, .waiting = 1}));
  Check(pool);
  held.Return();
  platform.Run();
  EXPECT_TRUE(caller.served()) << "no caller is forgotten";
}

TEST_F(TuningTest, ASurplusConnectionThatComesBackDirtyIsNotReset) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  Scripted(a).MakeDirty();
  a.Return();
  EXPECT_EQ(backend.count(Call::kReset), 0);
  EXPECT_EQ(backend.count(Call::kClose), 1);
  b.Return();
}

// The idle stack does not know the sizes in force.
TEST_F(TuningTest, WithFewerKeptTheIdleStackKeepsNoMore) {
  PoolFor<Plain<3>> pool(backend, Unobserved());
  ASSERT_TRUE(pool.Tune({.pool_size = 1, .max_overflow = 2}).ok());
  for (int i = 0; i < 3; ++i) {
    Lease a = Take(pool), b = Take(pool), c = Take(pool);
    a.Return();
    b.Return();
    c.Return();
    EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
    Check(pool);
  }
  const int reads = platform.clock_reads();
  const Deadline by = Deadline::At(Now() + 1s);
  Must(pool.Acquire(kWrite, by)).Return();
  EXPECT_EQ(platform.clock_reads(), reads + 1) << "without the lock, once nothing is surplus";
}

struct Lingering : Plain<1, 2> {
  static constexpr Duration kLinger = 10s;
};

TEST_F(TuningTest, WhatLingersIsClosedWhenNothingMayLingerAnyMore) {
  PoolFor<Lingering> pool(backend, Unobserved());
  { Lease a = Take(pool), b = Take(pool), c = Take(pool); }
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = 3}));
  ASSERT_TRUE(pool.Tune({.linger = 0s}).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  { Lease a = Take(pool), b = Take(pool); }
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  ASSERT_TRUE(pool.Tune({.linger = 5s}).ok());
  { Lease a = Take(pool), b = Take(pool); }
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 2}));
  Check(pool);
}

// ---- Larger sizes ----

// As threadly/threadly#54 and DataDog/saluki#1925.
TEST_F(TuningTest, EveryCallerThatWaitsIsServedWhenThePoolGrows) {
  PoolFor<Plain<4>> pool(backend, Options());
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  Lease held = Take(pool);
  Caller a(platform, pool), b(platform, pool), c(platform, pool), d(platform, pool);
  ASSERT_TRUE(a.waiting() && b.waiting() && c.waiting() && d.waiting());
  ASSERT_TRUE(pool.Tune({.pool_size = 4}).ok());
  platform.Run();
  EXPECT_TRUE(a.served() && b.served() && c.served());
  EXPECT_TRUE(d.waiting()) << "four connections, and five callers";
  held.Return();
  platform.Run();
  EXPECT_TRUE(d.served());
  Check(pool);
}

struct OpenedByTick : Plain<3> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};

TEST_F(TuningTest, TheHousekeeperOpensForThoseThatWaitWhenThePoolGrows) {
  int calls = 0;
  PoolOptions options = Options();
  options.on_work = {.function = [](void* count) { ++*static_cast<int*>(count); },
                     .context = &calls};
  PoolFor<OpenedByTick> pool(backend, options);
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  ASSERT_TRUE(pool.Fill(1, pool.In(1s)).ok());
  Lease held = Take(pool);
  Caller a(platform, pool), b(platform, pool);
  Tick(pool);
  platform.Run();
  EXPECT_EQ(backend.count(Call::kOpen), 1) << "no more than one may be";
  calls = 0;
  ASSERT_TRUE(pool.Tune({.pool_size = 3}).ok());
  EXPECT_GT(calls, 0);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(a.served() && b.served());
}

TEST_F(TuningTest, OverflowThatThePoolSizeTakesInStaysOpen) {
  PoolFor<Plain<2, 1>> pool(backend, Unobserved());
  ASSERT_TRUE(pool.Tune({.pool_size = 3, .max_overflow = 0}).ok()) << "both at once, in no order";
  { Lease a = Take(pool), b = Take(pool), c = Take(pool); }
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = 3}));
  EXPECT_TRUE(pool.Fill(3, pool.In(1s)).ok());
  { Lease a = Take(pool), b = Take(pool), c = Take(pool); }
  EXPECT_EQ(backend.count(Call::kOpen), 3);
  Check(pool);
}

TEST_F(TuningTest, FillOpensNoMoreThanThePoolSizeInForce) {
  PoolFor<Plain<3>> pool(backend, Options());
  ASSERT_TRUE(pool.Tune({.pool_size = 2}).ok());
  EXPECT_TRUE(pool.Fill(3, pool.In(1s)).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 2}));
}

TEST_F(TuningTest, APausedPoolTakesNewSizesAndLendsByThemWhenItGoesOn) {
  PoolFor<Plain<2>> pool(backend, Options());
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  pool.Pause();
  Caller a(platform, pool), b(platform, pool);
  ASSERT_TRUE(pool.Tune({.pool_size = 2}).ok());
  platform.Run();
  EXPECT_EQ(backend.count(Call::kOpen), 0);
  pool.Resume();
  platform.Run();
  EXPECT_TRUE(a.served() && b.served());
}

// ---- What is refused ----

TEST_F(TuningTest, ARefusalNamesTheSettingItsValueAndTheLimit) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  EXPECT_EQ(pool.capacity(), 3);
  EXPECT_EQ(Refusal(pool, {.pool_size = 4}),
            "pool 'main': pool_size 4 and max_overflow 1 make 5 connections, and there is memory "
            "for 3 (profile plain); lower one of the two, or build with a larger profile");
  EXPECT_EQ(Refusal(pool, {.pool_size = 0}),
            "pool 'main': pool_size 0 is below 1: a pool of none serves no caller; to lend nothing "
            "for a while, call Pause");
  EXPECT_EQ(Refusal(pool, {.max_overflow = -1}),
            "pool 'main': max_overflow -1 is below 0; unlimited overflow does not exist");
  EXPECT_EQ(Refusal(pool, {.pool_timeout = 0s}),
            "pool 'main': pool_timeout 0 s is not above 0: to wait for nothing call TryAcquire");
  EXPECT_EQ(Refusal(pool, {.pool_recycle = -1s}),
            "pool 'main': pool_recycle -1.00 s is below 0; 0 switches it off");
  EXPECT_EQ(
      Refusal(pool, {.keep_alive = 20s, .idle_limit = 10s}),
      "pool 'main': keep_alive 20.00 s is not below idle_limit 10.00 s: every connection would be "
      "closed before its first maintenance");
  EXPECT_EQ(
      Refusal(pool, {.pool_recycle = 5s, .idle_limit = 10s}),
      "pool 'main': idle_limit 10.00 s is above pool_recycle 5.00 s: recycling would always come "
      "first");
  EXPECT_EQ(Refusal(pool, {.backoff_min = 40s}),
            "pool 'main': backoff_min 40.00 s is above backoff_max 30.00 s");
  EXPECT_THAT(Refusal(pool, {.pool_size = 2147483647, .max_overflow = 2147483647}),
              HasSubstr("make 4294967294 connections"));
}

// As HikariCP's #1259 and #1014: a value that cannot be is neither ignored nor made to fit.
TEST_F(TuningTest, AWishThatCannotBeMetChangesNothing) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  const PoolSettings before = pool.settings();
  EXPECT_FALSE(
      pool.Tune({.pool_size = 1, .pool_timeout = 1s, .pre_ping = PrePing::kAlways, .linger = -1s})
          .ok());
  EXPECT_EQ(pool.settings().pool_size, before.pool_size);
  EXPECT_EQ(pool.settings().pool_timeout, before.pool_timeout);
  EXPECT_EQ(pool.settings().pre_ping, before.pre_ping);
  EXPECT_EQ(events.count(EventKind::kTuned), 0);
}

TEST_F(TuningTest, WhatIsLeftOutStays) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  EXPECT_EQ(pool.settings().pool_size, 1);
  EXPECT_EQ(pool.settings().max_overflow, 1) << "one does not follow the other";
  EXPECT_EQ(pool.settings().pool_timeout, 30s);
  ASSERT_TRUE(pool.Tune({.pool_timeout = 2s}).ok());
  EXPECT_EQ(pool.settings().pool_size, 1);
  const Stats stats = pool.stats();
  EXPECT_EQ(stats.pool_size, 1);
  EXPECT_EQ(stats.max_overflow, 1);
  EXPECT_EQ(stats.capacity, 2);
  EXPECT_EQ(pool.capacity(), 3) << "what is compiled in";
}

TEST_F(TuningTest, APoolOfAWriterAndReadersKeepsOneToReadWith) {
  ScriptedBackend lanes(&platform, LanePlan::kWriterAndReaders);
  PoolFor<Plain<3, 1>> pool(lanes, Options());
  EXPECT_EQ(Refusal(pool, {.pool_size = 1}),
            "pool 'main': pool_size 1 is below 2: one connection writes, and one has to be kept to "
            "read with");
  ASSERT_TRUE(pool.Tune({.pool_size = 2, .max_overflow = 0}).ok());
  Lease writer = Take(pool, kWrite), reader = Take(pool, kRead);
  EXPECT_EQ(pool.Acquire(kRead, Deadline::Past()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(pool.Tune({.pool_size = 3, .max_overflow = 1}).ok());
  Lease more = Take(pool, kRead), most = Take(pool, kRead);
  EXPECT_EQ(lanes.peak_open(), 4);
  Check(pool);
}

TEST_F(TuningTest, AClosedPoolAndAForkedChildRefuse) {
  PoolFor<Plain<2>> pool(backend, Options());
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(pool.Tune({.pool_size = 1}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.Tune({.pool_size = 9}).code(), absl::StatusCode::kFailedPrecondition);
  PoolFor<Plain<2>> parents(backend, Options());
  platform.Fork();
  EXPECT_EQ(parents.Tune({.pool_size = 1}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(parents.settings().pool_size, 2);
}

// ---- Times ----

// As HikariCP's TestMBean.testMBeanConnectionTimeoutChange.
TEST_F(TuningTest, ANewTimeOutCountsForAcquiresThatBeginAfterIt) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller before(platform, pool, Caller::ByProfile());
  ASSERT_TRUE(pool.Tune({.pool_timeout = 2s}).ok());
  const TimePoint start = Now();
  const absl::Status refused = pool.Acquire().status();
  EXPECT_EQ(Now() - start, 2s);
  EXPECT_EQ(std::string(refused.message()),
            "QueuePool limit of size 1 overflow 0 reached, connection timed out, timeout 2.00");
  EXPECT_TRUE(before.waiting()) << "a wait keeps its deadline";
  std::array<char, 300> buffer;
  EXPECT_THAT(std::string(pool.Explain(refused, 2s, buffer)),
              HasSubstr("QueuePool limit of size 1 overflow 0 reached"));
  held.Return();
  platform.Run();
  EXPECT_TRUE(before.served());
}

TEST_F(TuningTest, ARefusalNamesTheSizesInForce) {
  PoolFor<Plain<2, 1>> pool(backend, Unobserved());
  ASSERT_TRUE(pool.Tune({.pool_size = 1, .max_overflow = 0}).ok());
  Lease held = Take(pool);
  EXPECT_EQ(std::string(pool.Acquire(kWrite, pool.In(1s)).status().message()),
            "QueuePool limit of size 1 overflow 0 reached, connection timed out at the caller's "
            "deadline");
}

TEST_F(TuningTest, ANewAgeCountsForConnectionsThatExist) {
  PoolFor<Plain<2>> pool(backend, Unobserved());
  Lease lent = Take(pool);
  Take(pool).Return();
  platform.Advance(100s);
  EXPECT_EQ(Tick(pool), TimePoint::max()) << "nothing falls due";
  ASSERT_TRUE(pool.Tune({.pool_recycle = 50s}).ok());
  Tick(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1})) << "the idle one";
  lent.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{})) << "the lent one, at its return";
  EXPECT_EQ(pool.stats().recycles, 2u);
  Take(pool).Return();
  ASSERT_TRUE(pool.Tune({.pool_recycle = 0s}).ok());
  platform.Advance(1000s);
  Tick(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1})) << "never again";
}

// As golang/go#45993, #49408 and apache/tomcat#140: the loop is called when the value is in force.
TEST_F(TuningTest, TheLoopIsCalledBecauseSomethingMayBeDueEarlier) {
  struct Loop {
    Pool* pool = nullptr;
    int calls = 0;
    Duration idle_limit{};
  } loop;
  PoolOptions options = Unobserved();
  options.on_work = {.function = [](void* context) { ++static_cast<Loop*>(context)->calls; },
                     .context = &loop};
  PoolFor<Plain<1>> pool(backend, options);
  Take(pool).Return();
  EXPECT_EQ(Tick(pool), TimePoint::max());
  ASSERT_EQ(loop.calls, 0);
  ASSERT_TRUE(pool.Tune({.idle_limit = 10s}).ok());
  EXPECT_EQ(loop.calls, 1);
  EXPECT_EQ(Tick(pool), Now() + 10s);
  platform.Advance(10s);
  Tick(pool);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kIdle), 1u);
  ASSERT_TRUE(pool.Tune({.idle_limit = 10s}).ok());
  EXPECT_EQ(loop.calls, 1) << "nothing has changed";
}

TEST_F(TuningTest, MaintenanceAndLeakReportsFollow) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Take(pool).Return();
  platform.Advance(100s);
  Tick(pool);
  EXPECT_EQ(pool.stats().leaks, 0u);
  ASSERT_TRUE(pool.Tune({.keep_alive = 30s, .leak_after = 60s}).ok());
  Tick(pool);
  EXPECT_EQ(backend.count(Call::kMaintain), 1);
  EXPECT_EQ(pool.stats().leaks, 1u);
}

TEST_F(TuningTest, PingsFollowAndTheIdleStackOpensAndCloses) {
  PoolFor<Plain<2>> pool(backend, Unobserved());
  Take(pool).Return();
  const auto reads_of_a_lease = [&] {
    const Deadline by = Deadline::At(Now() + 1s);
    const int reads = platform.clock_reads();
    Must(pool.Acquire(kWrite, by)).Return();
    return platform.clock_reads() - reads;
  };
  EXPECT_EQ(reads_of_a_lease(), 0);
  Lease lent = Take(pool);
  ASSERT_TRUE(pool.Tune({.pre_ping = PrePing::kAlways}).ok());
  lent.Return();
  EXPECT_GT(reads_of_a_lease(), 0);
  EXPECT_EQ(backend.count(Call::kPing), 1);
  ASSERT_TRUE(pool.Tune({.pre_ping = PrePing::kNever}).ok());
  EXPECT_EQ(reads_of_a_lease(), 0);
  EXPECT_EQ(backend.count(Call::kPing), 1);
  EXPECT_EQ(pool.stats().checkouts, 5u) << "each is counted, whichever way it went";
  Check(pool);
}

struct Pinged : Plain<2> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
};

TEST_F(TuningTest, AProfileWithPingsLendsWithoutTheLockOncePingsAreOff) {
  PoolFor<Pinged> pool(backend, Unobserved());
  Lease a = Take(pool), b = Take(pool);
  ASSERT_TRUE(pool.Tune({.pre_ping = PrePing::kNever}).ok());
  a.Return();
  b.Return();
  const Deadline by = Deadline::At(Now() + 1s);
  const int reads = platform.clock_reads();
  for (int i = 0; i < 10; ++i) Must(pool.Acquire(kWrite, by)).Return();
  EXPECT_EQ(platform.clock_reads(), reads);
  EXPECT_EQ(pool.stats().checkouts, 12u);
  EXPECT_EQ(pool.stats().peak_in_use, 2);
  Check(pool);
}

// What was worked out for a lent slot by the former settings does not lend it unchecked.
TEST_F(TuningTest, ALentConnectionIsCheckedByTheNewPeriod) {
  PoolFor<Plain<1>> pool(backend, Unobserved());
  Lease lent = Take(pool);
  ASSERT_TRUE(pool.Tune({.ping_after = 1s}).ok());
  lent.Return();
  platform.Advance(2s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kProbe), 1);
}

TEST_F(TuningTest, OpensAndPingsHaveTheNewTimeOuts) {
  PoolFor<Pinged> pool(backend, Options());
  ASSERT_TRUE(pool.Tune({.open_timeout = 3s, .ping_timeout = 700ms, .reset_timeout = 800ms}).ok());
  const TimePoint start = Now();
  Lease lease = Must(pool.Acquire(kWrite, Deadline::Never()));
  Scripted(lease).MakeDirty();
  lease.Return();
  Must(pool.Acquire(kWrite, Deadline::Never())).Return();
  const auto deadline_of = [this](Call call) {
    for (const CallInfo& info : backend.log()) {
      if (info.call == call) return info.deadline;
    }
    return Deadline::Past();
  };
  EXPECT_EQ(deadline_of(Call::kOpen), Deadline::At(start + 3s));
  EXPECT_EQ(deadline_of(Call::kPing), Deadline::At(start + 700ms));
  EXPECT_EQ(deadline_of(Call::kReset), Deadline::At(start + 800ms));
}

TEST_F(TuningTest, PausesBetweenAttemptsFollow) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.FailAlways(Call::kOpen, Gone());
  ASSERT_TRUE(pool.Tune({.backoff_min = 50s, .backoff_max = 60s}).ok());
  EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1s)).ok());
  EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1s)).ok());
  EXPECT_GE(events.last(EventKind::kConnectFailed).span, 25s);
  backend.FailNever(Call::kOpen);
}

// ---- Events ----

TEST_F(TuningTest, TheObserverHearsOfAChangeBeforeOfTheConnectionsThatItCloses) {
  PoolFor<Plain<2>> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  events.Clear();
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  EXPECT_THAT(events.names(), ElementsAre("tuned", "close(overflow)"));
  events.Clear();
  ASSERT_TRUE(pool.Tune({.pool_size = 1, .max_overflow = 0}).ok());
  ASSERT_TRUE(pool.Tune({}).ok());
  EXPECT_THAT(events.names(), IsEmpty()) << "nothing has changed";
}

// Grows the pool when a caller went without a connection.
class Grower : public Observer {
 public:
  void OnEvent(const Event& event) override {
    if (event.kind == EventKind::kTimeout) status = pool->Tune({.pool_size = 2});
  }
  Pool* pool = nullptr;
  absl::Status status = absl::UnknownError("not called");
};

TEST_F(TuningTest, AnObserverMayCallIt) {
  Grower grower;
  PoolFor<Plain<2>> pool(backend, {.name = "main", .observer = &grower, .platform = &platform});
  grower.pool = &pool;
  ASSERT_TRUE(pool.Tune({.pool_size = 1}).ok());
  Lease held = Take(pool);
  EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1s)).ok());
  EXPECT_TRUE(grower.status.ok()) << grower.status;
  EXPECT_TRUE(pool.Acquire(kWrite, pool.In(1s)).ok());
}

// A lane above seven slots has no idle stack.
TEST_F(TuningTest, ALargeLaneShrinksAndGrows) {
  PoolFor<Plain<9, 2>> pool(backend, Unobserved());
  for (const int size : {9, 3, 7, 1, 9}) {
    ASSERT_TRUE(pool.Tune({.pool_size = size}).ok());
    std::vector<Lease> all;
    for (int i = 0; i < size + 2; ++i) all.push_back(Take(pool));
    EXPECT_FALSE(pool.Acquire(kWrite, Deadline::Past()).ok());
    all.clear();
    EXPECT_EQ(CountsOf(pool), (Counts{.open = size, .idle = size}));
    Check(pool);
  }
}

}  // namespace
}  // namespace roost
