// tests/pool/rest_test.cc - idle connections: pre-ping, suspicion, recycling, the idle limit,
// maintenance.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using RestTest = PoolTest;

struct Pinged : Plain<3> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr Duration kPingTimeout = 200ms;
};

struct Rested : Plain<3> {
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
  static constexpr Duration kPingAfter = 30s;
};

template <int kSeconds>
struct Recycled : Plain<3> {
  static constexpr Duration kPoolRecycle = std::chrono::seconds(kSeconds);
};

// Three connections, opened in this order and idle.
void OpenThree(Pool& pool) {
  Lease a = Must(pool.Acquire()), b = Must(pool.Acquire()), c = Must(pool.Acquire());
}

// ---- Pre-ping ----

// As SQLAlchemy's PrePingMockTest.test_ping_not_on_first_connect.
TEST_F(RestTest, AFreshConnectionIsNotPingedAndLaterOnesAre) {
  PoolFor<Pinged> pool(backend, Options());
  for (int pings = 0; pings <= 2; ++pings) {
    Take(pool).Return();
    EXPECT_EQ(backend.count(Call::kPing), pings);
  }
  EXPECT_EQ(backend.count(Call::kOpen), 1);
  EXPECT_EQ(pool.stats().pings, 2u);
}

// It may be long ago that it was opened.
TEST_F(RestTest, AConnectionOpenedAheadIsPingedBeforeItsFirstUse) {
  PoolFor<Pinged> pool(backend, Options());
  ASSERT_TRUE(pool.Fill(1, pool.In(1s)).ok());
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 1);
}

// As SQLAlchemy's PrePingMockTest.test_ping_not_on_reconnect.
TEST_F(RestTest, TheReplacementOfAnInvalidatedConnectionIsNotPinged) {
  PoolFor<Pinged> pool(backend, Options());
  Lease lease = Take(pool);
  const int slot = lease.slot();
  lease.Discard();
  Lease next = Take(pool);
  EXPECT_EQ(next.slot(), slot);
  EXPECT_EQ(SerialOf(next), 2);
  EXPECT_EQ(backend.count(Call::kPing), 0);
}

// As SQLAlchemy's PrePingMockTest.test_connect_across_restart.
TEST_F(RestTest, ARestartedServerIsNoticedByThePingAndTheCallerServed) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  backend.RestartServer();
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
  EXPECT_EQ(pool.stats().ping_failures, 1u);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kPingFailed), 1u);
}

// As SQLAlchemy's PrePingMockTest.test_raise_db_is_stopped.
TEST_F(RestTest, AStoppedServerGivesTheErrorOfTheOpen) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  backend.StopServer(Gone());
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), Gone());
  EXPECT_EQ(CountsOf(pool), (Counts{}));
}

// As SQLAlchemy's PrePingMockTest.test_waits_til_exec_wo_ping_db_is_stopped.
TEST_F(RestTest, WithoutPingTheDeadConnectionIsLentAndTheStatementFails) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  backend.RestartServer();
  Lease lease = Take(pool);
  EXPECT_EQ(lease->RunScript("SET x").code(), absl::StatusCode::kUnavailable);
  lease.Return();
  EXPECT_EQ(ClosesOf(pool, CloseReason::kBroken), 1u);
  Lease next = Take(pool);
  EXPECT_TRUE(next->RunScript("SET x").ok());
}

// SQLAlchemy raises an error that is no disconnect. Here the connection is closed, whatever its
// ping fails of, and the caller gets another.
TEST_F(RestTest, APingThatFailsOfAnythingIsAPingThatFailed) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  backend.FailNext(Call::kPing, absl::InternalError("syntax error in SELECT 1"));
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
}

// As measured on SQLAlchemy: the first ping that fails invalidates every older connection.
TEST_F(RestTest, OnePingFindsThreeDeadConnections) {
  PoolFor<Pinged> pool(backend, Options());
  OpenThree(pool);
  Lease held = Take(pool);
  const int pings = backend.count(Call::kPing);
  const int held_serial = SerialOf(held);
  platform.Advance(1s);
  backend.RestartServer();
  Lease first = Take(pool), second = Take(pool);
  EXPECT_GT(SerialOf(first), 3);
  EXPECT_GT(SerialOf(second), 3);
  EXPECT_EQ(SerialOf(held), held_serial) << "the held one is not touched";
  EXPECT_EQ(backend.open_now(), 3);
  held.Return();
  Lease third = Take(pool);
  EXPECT_GT(SerialOf(third), 3);
  EXPECT_EQ(backend.count(Call::kPing), pings + 1) << "exactly one ping in all";
  EXPECT_EQ(ClosesOf(pool, CloseReason::kPingFailed), 1u);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kSuspect), 2u);
}

// As r2d2's test_issue_2_unlocked_during_is_valid.
TEST_F(RestTest, APingThatHangsHoldsUpNobodyElse) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kPing) server.Pass();
  });
  Caller pinging(platform, pool);
  EXPECT_TRUE(pinging.waiting());
  EXPECT_EQ(pool.stats().busy, 1);
  Lease other = Take(pool);
  other.Return();
  server.Open();
  platform.Run();
  EXPECT_TRUE(pinging.served());
}

// As pgxpool's TestPoolAcquirePingTimeout.
TEST_F(RestTest, APingThatTakesTooLongReplacesTheConnection) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  backend.Takes(Call::kPing, 500ms);
  const TimePoint start = Now();
  Lease lease = Must(pool.Acquire(kWrite, pool.In(10s)));
  EXPECT_EQ(SerialOf(lease), 2);
  EXPECT_EQ(Now(), start + 200ms);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1}));
}

TEST_F(RestTest, APingThatTheCallersDeadlineCutCondemnsNobodyElse) {
  PoolFor<Pinged> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(1s);
  backend.Takes(Call::kPing, 100ms);
  const TimePoint start = Now();
  (void)pool.Acquire(kWrite, pool.In(50ms));
  EXPECT_EQ(Now(), start + 50ms);
  EXPECT_EQ(backend.log()[2].deadline, Deadline::At(start + 50ms));
  EXPECT_EQ(backend.count(Call::kClose), 1);
  backend.Takes(Call::kPing, 0ms);
  Lease x = Take(pool), y = Take(pool), z = Take(pool);
  EXPECT_EQ(backend.count(Call::kClose), 1)
      << "one answer that was not waited for says nothing about the other connection";
}

// As bb8's test_retry.
TEST_F(RestTest, OneFailedPingDoesNotStopTwoCallers) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  backend.FailNext(Call::kPing, Gone());
  Lease first = Take(pool), second = Take(pool);
}

TEST_F(RestTest, ManyDeadConnectionsAreReplacedWithinOneAcquire) {
  PoolFor<Pinged> pool(backend, Options());
  OpenThree(pool);
  backend.FailAlways(Call::kPing, Gone());
  Lease lease = Take(pool);
  EXPECT_GT(SerialOf(lease), 3);
}

// As pgxpool's TestPoolAcquireChecksIdleConnsWithShouldPing.
TEST_F(RestTest, PingsOnlyWhatHasRestedLongAndLooksAtTheOthersForNothing) {
  PoolFor<Rested> pool(backend, Options());
  Take(pool).Return();
  platform.Advance(30s - 1ms);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 0);
  EXPECT_EQ(backend.count(Call::kProbe), 1);
  platform.Advance(30s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 1);
}

TEST_F(RestTest, AProbeThatSeesADeadConnectionReplacesIt) {
  PoolFor<Rested> pool(backend, Options());
  backend.set_probe(Liveness::kAlive, Liveness::kDead);
  Take(pool).Return();
  platform.Advance(1s);
  backend.RestartServer();
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
  EXPECT_EQ(backend.count(Call::kPing), 0);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kPingFailed), 1u);
}

TEST_F(RestTest, AProbeThatCannotTellIsFollowedByAPing) {
  PoolFor<Rested> pool(backend, Options());
  backend.set_probe(Liveness::kUnknown, Liveness::kUnknown);
  Take(pool).Return();
  platform.Advance(1s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 1);
  backend.RestartServer();
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
}

TEST_F(RestTest, TryAcquireNeverPings) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.count(Call::kPing), 0);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(RestTest, AWaiterIsHandedAConnectionWithoutAPing) {
  PoolFor<Pinged> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  Caller waiter(platform, pool);
  a.Return();
  platform.Run();
  EXPECT_TRUE(waiter.served());
  EXPECT_EQ(backend.count(Call::kPing), 0) << "it was in use a moment ago";
}

// ---- Suspicion ----

TEST_F(RestTest, AnErrorThatKillsAllOlderOnesClosesThemAtTheirNextRest) {
  PoolFor<Plain<3>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  b.Return();
  platform.Advance(1s);
  Scripted(c).Fail(FaultScope::kAllOlder);
  c.Return();
  Lease next = Take(pool);
  EXPECT_GT(SerialOf(next), 3);
  a.Return();
  EXPECT_EQ(ClosesOf(pool, CloseReason::kBroken), 1u);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kSuspect), 2u);
  EXPECT_EQ(backend.count(Call::kPing), 0);
}

TEST_F(RestTest, AnErrorThatKillsAllOlderOnesClosesIdleOnesAtOnceAndLentOnesAtTheirReturn) {
  PoolFor<Plain<3>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  b.Return();
  platform.Advance(1s);
  Scripted(c).Fail(FaultScope::kAllOlder);
  c.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1}));
  a.Return();
  EXPECT_EQ(CountsOf(pool), Counts{});
  EXPECT_EQ(ClosesOf(pool, CloseReason::kSuspect), 2u);
}

// The error is of the lease's end, and not of the lease.
TEST_F(RestTest, AFailedResetOrMaintenanceReachesTheOthersToo) {
  for (const Call call : {Call::kReset, Call::kMaintain}) {
    PoolFor<Plain<2>> pool(backend, Options());
    { Lease a = Take(pool), b = Take(pool); }
    platform.Advance(1s);
    Lease one = Take(pool);
    if (call == Call::kReset) {
      Scripted(one).MakeDirty();
    } else {
      Scripted(one).Touch();
      Scripted(one).WantMaintenance();
    }
    backend.FailNext(call, absl::DataLossError("not synced"));
    backend.set_scope_of_failed_call(FaultScope::kAllOlder);
    one.Return();
    EXPECT_EQ(CountsOf(pool), Counts{});
  }
}

TEST_F(RestTest, AnErrorThatMakesOlderOnesSuspectHasThemPingedBeforeUse) {
  PoolFor<Plain<3>> pool(backend, Options());
  OpenThree(pool);
  platform.Advance(1s);
  Lease c = Take(pool);
  Scripted(c).Fail(FaultScope::kConnectionSuspectOlder);
  c.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 2}));
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 1) << "even with PrePing::kNever";
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 1) << "it has proved itself";
}

TEST_F(RestTest, TryAcquireDoesNotLendASuspect) {
  PoolFor<Plain<2>> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(1s);
  Lease b = Take(pool);
  Scripted(b).Fail(FaultScope::kConnectionSuspectOlder);
  b.Return();
  EXPECT_FALSE(pool.TryAcquire().ok());
}

TEST_F(RestTest, AnErrorOfOneConnectionLeavesTheOthersAlone) {
  PoolFor<Plain<2>> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(1s);
  Lease one = Take(pool);
  Scripted(one).Fail(FaultScope::kConnection);
  one.Return();
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 0);
  EXPECT_EQ(backend.count(Call::kOpen), 2);
}

TEST_F(RestTest, ConnectionsOpenedAfterTheErrorAreTrusted) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease old = Take(pool);
  platform.Advance(1s);
  Lease dead = Take(pool);
  Scripted(dead).Fail(FaultScope::kAllOlder);
  dead.Return();
  platform.Advance(1s);
  Take(pool).Return();
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 3);
  EXPECT_EQ(backend.count(Call::kPing), 0);
}

// ---- Recycling ----

// As SQLAlchemy's QueuePoolTest.test_recycle.
TEST_F(RestTest, RecyclesWhatIsStrictlyOlderThanTheAge) {
  PoolFor<Recycled<30>> pool(backend, Options());
  const TimePoint opened = Now();
  Take(pool).Return();
  platform.Advance(1s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 1);
  platform.AdvanceTo(opened + 30s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 1) << "exactly as old is not older";
  platform.AdvanceTo(opened + 35s);
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kRecycled), 1u);
  EXPECT_EQ(pool.stats().recycles, 1u);
  EXPECT_EQ(events.count(EventKind::kRecycle), 1);
}

// As pgxpool's TestConnReleaseChecksMaxConnLifetime.
TEST_F(RestTest, WhatGrewTooOldWhileItWasLentIsClosedAtItsReturn) {
  PoolFor<Recycled<30>> pool(backend, Options());
  Lease lease = Take(pool);
  platform.Advance(31s);
  lease.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kRecycled), 1u);
}

TEST_F(RestTest, WhatGrewTooOldIsReplacedForTheWaiterToo) {
  PoolFor<Recycled<30>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  Caller waiter(platform, pool);
  platform.Advance(31s);
  a.Return();
  platform.Run();
  Lease lease = waiter.Take();
  EXPECT_EQ(SerialOf(lease), 4);
}

// As pgxpool's TestPoolAcquireUnlimitedLifetimeDoesNotExpire.
TEST_F(RestTest, WithoutAnAgeAConnectionLivesForEver) {
  PoolFor<Plain<1>> pool(backend, Options());
  for (int i = 0; i < 5; ++i) {
    Take(pool).Return();
    platform.Advance(24h * 365);
    Tick(pool);
  }
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

// As HikariCP's TestConnections.testMaxLifetime.
TEST_F(RestTest, ReplacingAnOldConnectionKeepsTheCount) {
  PoolFor<Recycled<1>> pool(backend, Options());
  Take(pool).Return();
  Take(pool).Return();
  platform.Advance(2s);
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
  lease.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(RestTest, TheAgeIsDrawnUpToATenthShorter) {
  PoolFor<Recycled<100>> pool(backend, Options());
  platform.push_random(0xffffffff);
  const TimePoint opened = Now();
  Take(pool).Return();
  platform.AdvanceTo(opened + 90s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 1);
  platform.AdvanceTo(opened + 90s + 1ms);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 2);
}

// The age counts from the beginning of the open, as the server counts it.
TEST_F(RestTest, TheAgeCountsFromTheBeginningOfTheOpen) {
  PoolFor<Recycled<30>> pool(backend, Options());
  backend.Takes(Call::kOpen, 5s);
  Must(pool.Acquire()).Return();
  backend.Takes(Call::kOpen, 0s);
  platform.Advance(26s);
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
}

// As bb8's test_max_lifetime.
TEST_F(RestTest, TickRecyclesIdleConnectionsAndLeavesLentOnesUntilTheyComeBack) {
  PoolFor<Recycled<30>> pool(backend, Options());
  Lease held = Take(pool);
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(31s);
  Tick(pool);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kRecycled), 2u);
  EXPECT_EQ(CountsOf(pool).in_use, 1);
  held.Return();
  EXPECT_EQ(ClosesOf(pool, CloseReason::kRecycled), 3u);
}

TEST_F(RestTest, TickAsksToBeCalledWhenAConnectionHasGrownTooOld) {
  PoolFor<Recycled<30>> pool(backend, Options());
  const TimePoint opened = Now();
  Take(pool).Return();
  int ticks = 0;
  while (ClosesOf(pool, CloseReason::kRecycled) == 0) {
    const TimePoint due = Tick(pool);
    if (ClosesOf(pool, CloseReason::kRecycled) != 0) break;
    ASSERT_GT(due, Now());
    ASSERT_LE(++ticks, 4);
    platform.AdvanceTo(due);
  }
  EXPECT_EQ(Now(), opened + 30s + 1ns);
}

// Steps of the wall clock change nothing: SQLAlchemy recycles a connection of 0 s after a step of
// +2 h.
TEST_F(RestTest, AStepOfTheWallClockRecyclesNothing) {
  PoolFor<Recycled<3600>> pool(backend, Options());
  Take(pool).Return();
  platform.set_unix_micros(platform.UnixMicros() + 7'200'000'000);
  Take(pool).Return();
  platform.set_unix_micros(0);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

// ---- Idle limit and maintenance ----

struct Impatient : Plain<3> {
  static constexpr Duration kIdleLimit = 60s;
  static constexpr Duration kKeepAlive = 20s;
};

// As HikariCP's BasicPoolTest.testIdleTimeout.
TEST_F(RestTest, TickClosesWhatHasRestedLongerThanTheIdleLimit) {
  PoolFor<Impatient> pool(backend, Options());
  OpenThree(pool);
  platform.Advance(40s);
  Take(pool).Return();
  platform.Advance(20s);
  Tick(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kIdle), 2u);
}

// As HikariCP's BasicPoolTest.testIdleTimeout2.
TEST_F(RestTest, WithoutAnIdleLimitNothingIsClosed) {
  PoolFor<Plain<3>> pool(backend, Options());
  OpenThree(pool);
  platform.Advance(24h);
  EXPECT_EQ(Tick(pool), TimePoint::max());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = 3}));
}

TEST_F(RestTest, WithoutAKeepAliveNothingIsMaintained) {
  PoolFor<Plain<3>> pool(backend, Options());
  OpenThree(pool);
  platform.Advance(24h);
  Tick(pool);
  EXPECT_EQ(backend.count(Call::kMaintain), 0);
}

// As HikariCP's TestConnections.testKeepalive.
TEST_F(RestTest, TickDoesTheUpkeepOfRestingConnections) {
  PoolFor<Impatient> pool(backend, Options());
  Take(pool).Return();
  const TimePoint returned = Now();
  EXPECT_EQ(Tick(pool), returned + 20s);
  EXPECT_EQ(backend.count(Call::kMaintain), 0);
  platform.AdvanceTo(returned + 20s);
  EXPECT_EQ(Tick(pool), returned + 40s);
  EXPECT_EQ(backend.count(Call::kMaintain), 1);
  EXPECT_EQ(pool.stats().upkeeps, 1u);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(RestTest, AConnectionThatDiesInItsUpkeepIsClosedBeforeAnyoneGetsIt) {
  PoolFor<Impatient> pool(backend, Options());
  Take(pool).Return();
  backend.RestartServer();
  platform.Advance(20s);
  Tick(pool);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kUpkeepFailed), 1u);
  Lease lease = Take(pool);
  EXPECT_TRUE(lease->RunScript("SET x").ok());
}

// As puddle's TestResourceLastUsageTimeTracking.
TEST_F(RestTest, UpkeepIsNoUse) {
  PoolFor<Impatient> pool(backend, Options());
  Take(pool).Return();
  for (int i = 0; i < 2; ++i) {
    platform.Advance(20s);
    Tick(pool);
  }
  EXPECT_EQ(pool.stats().checkouts, 1u);
  platform.Advance(20s);
  Tick(pool);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kIdle), 1u) << "maintenance did not prolong its idle time";
}

TEST_F(RestTest, AConnectionThatWantsUpkeepGetsItBeforeItIsLentAgain) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Scripted(lease).WantMaintenance();
  Scripted(lease).Touch();
  lease.Return();
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kMaintain), 1);
}

TEST_F(RestTest, OneThatComesBackDirtyAndWantsUpkeepGetsItAfterItsReset) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Caller waiter(platform, pool);
  Scripted(lease).MakeDirty();
  Scripted(lease).WantMaintenance();
  backend.ClearLog();
  lease.Return();
  platform.Run();
  EXPECT_TRUE(waiter.served());
  std::vector<Call> calls;
  for (const CallInfo& info : backend.log()) calls.push_back(info.call);
  EXPECT_THAT(calls, ElementsAre(Call::kInspect, Call::kReset, Call::kMaintain));
}

TEST_F(RestTest, ACallerTakesAnotherIdleConnectionDuringUpkeep) {
  PoolFor<Impatient> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(20s);
  Gate disk(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kMaintain) disk.Pass();
  });
  Actor keeper(platform, [&] { pool.Tick(platform.Now()); });
  EXPECT_TRUE(keeper.waiting());
  EXPECT_EQ(pool.stats().busy, 1);
  Lease lease = Take(pool);
  lease.Return();
  disk.Open();
  platform.Run();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 2}));
}

TEST_F(RestTest, ACallerIsServedWhenTheUpkeepOfTheOnlyConnectionEnds) {
  PoolFor<Impatient> pool(backend, Options());
  Take(pool).Return();
  platform.Advance(20s);
  Gate disk(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kMaintain) disk.Pass();
  });
  Actor keeper(platform, [&] { pool.Tick(platform.Now()); });
  Caller caller(platform, pool);
  disk.Open();
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(RestTest, AWaiterGetsTheConnectionWhenItsUpkeepEnds) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Caller waiter(platform, pool);
  Scripted(lease).WantMaintenance();
  Scripted(lease).Touch();
  lease.Return();
  platform.Run();
  EXPECT_TRUE(waiter.served());
}

TEST_F(RestTest, ACoarseClockThatLagsChangesNoPromise) {
  PoolFor<Recycled<30>> pool(backend, Options());
  platform.set_coarse_lag(10ms);
  Take(pool).Return();
  platform.Advance(30s + 11ms);
  Lease lease = Take(pool);
  EXPECT_EQ(SerialOf(lease), 2);
}

// ---- The machine slept ----

TEST_F(RestTest, AfterASuspendConnectionsProveThemselvesBeforeUse) {
  PoolFor<Rested> pool(backend, Options());
  OpenThree(pool);
  Take(pool).Return();
  Tick(pool);
  EXPECT_EQ(backend.count(Call::kPing), 0) << "they have just been used";
  platform.Suspend(8h);
  Tick(pool);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 1);
  Take(pool).Return();
  Tick(pool);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 1) << "once";
}

TEST_F(RestTest, ALocalFileNeedsNoProofAfterASuspend) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  platform.Suspend(8h);
  Tick(pool);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 0);
}

}  // namespace
}  // namespace roost
