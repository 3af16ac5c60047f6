// tests/pool/control_test.cc - pause, resume, invalidate, close.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using ControlTest = PoolTest;

// ---- Pause ----

// As pgbouncer's test_pause_resume.
TEST_F(ControlTest, APausedPoolMakesCallersWaitAndTakesReturns) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  pool.Pause();
  EXPECT_TRUE(pool.stats().paused);
  Caller caller(platform, pool, pool.In(10s));
  EXPECT_TRUE(caller.waiting());
  held.Return();
  platform.Advance(500ms);
  platform.Run();
  EXPECT_TRUE(caller.waiting());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1, .waiting = 1}));
  pool.Resume();
  platform.Run();
  EXPECT_TRUE(caller.served());
  EXPECT_FALSE(pool.stats().paused);
}

TEST_F(ControlTest, ACallerOfAPausedPoolLeavesAtItsDeadline) {
  PoolFor<Plain<2>> pool(backend, Options());
  Take(pool).Return();
  pool.Pause();
  const TimePoint start = Now();
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Now(), start + 1s);
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

struct OpenedByTick : Plain<1> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};

TEST_F(ControlTest, TickOfAPausedPoolOpensNothing) {
  PoolFor<OpenedByTick> pool(backend, Options());
  pool.Pause();
  Caller caller(platform, pool, pool.In(10s));
  Tick(pool);
  platform.Run();
  EXPECT_EQ(backend.count(Call::kOpen), 0);
  pool.Resume();
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(ControlTest, ResumeServesTheWholeLine) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  pool.Pause();
  Caller a(platform, pool), b(platform, pool), c(platform, pool), d(platform, pool);
  EXPECT_EQ(backend.count(Call::kOpen), 0);
  pool.Resume();
  platform.Run();
  EXPECT_TRUE(a.served());
  EXPECT_TRUE(b.served());
  EXPECT_TRUE(c.served());
  EXPECT_TRUE(d.waiting());
  a.Return();
  platform.Run();
  EXPECT_TRUE(d.served());
}

TEST_F(ControlTest, PauseAndResumeMayBeCalledTwice) {
  PoolFor<Plain<1>> pool(backend, Options());
  pool.Pause();
  pool.Pause();
  Caller caller(platform, pool, pool.In(10s));
  EXPECT_TRUE(caller.waiting());
  pool.Resume();
  platform.Run();
  EXPECT_TRUE(caller.served()) << "one Resume ends both";
  caller.Return();
  pool.Resume();
  Lease lease = Take(pool);
}

TEST_F(ControlTest, APausedPoolCanBeClosed) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  pool.Pause();
  Caller caller(platform, pool);
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
  platform.Run();
  EXPECT_EQ(caller.status().code(), absl::StatusCode::kFailedPrecondition);
}

// ---- InvalidateAll ----

// As SQLAlchemy's QueuePoolTest.test_recycle_on_soft_invalidate and pgxpool's TestPoolReset.
TEST_F(ControlTest, InvalidateAllClosesIdleConnectionsAndLentOnesAtTheirReturn) {
  PoolFor<Plain<4>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  { Lease c = Take(pool), d = Take(pool); }
  pool.InvalidateAll();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .in_use = 2}));
  EXPECT_TRUE(a->RunScript("SET x").ok()) << "still usable until it is given back";
  const int slot = a.slot();
  a.Return();
  b.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kInvalidated), 4u);
  Lease next = Take(pool);
  EXPECT_EQ(SerialOf(next), 5);
  EXPECT_GE(slot, 0);
}

// As GRDB's PoolTests.testRemoveAll.
TEST_F(ControlTest, ConnectionsOpenedAfterInvalidateAllStay) {
  PoolFor<Plain<4>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  pool.InvalidateAll();
  Lease fresh = Take(pool);
  a.Return();
  b.Return();
  fresh.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(backend.count(Call::kClose), 2);
}

TEST_F(ControlTest, AConnectionWhoseOpenBeganBeforeInvalidateAllIsReplaced) {
  PoolFor<Plain<1>> pool(backend, Options());
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller opening(platform, pool);
  pool.InvalidateAll();
  server.Open();
  platform.Run();
  ASSERT_TRUE(opening.served());
  opening.Return();
  EXPECT_EQ(ClosesOf(pool, CloseReason::kInvalidated), 1u)
      << "it may have been opened with what is no longer true";
}

TEST_F(ControlTest, InvalidateAllServesWaitersByNewConnections) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller waiter(platform, pool);
  pool.InvalidateAll();
  held.Return();
  platform.Run();
  Lease lease = waiter.Take();
  EXPECT_EQ(SerialOf(lease), 2);
}

// ---- Close ----

// As puddle's TestPoolCloseBlocksUntilAllResourcesReleasedAndClosed.
TEST_F(ControlTest, CloseWaitsForLentConnectionsAndClosesThemAll) {
  PoolFor<Plain<4>> pool(backend, Options());
  std::vector<Lease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(Take(pool));
  const TimePoint start = Now();
  platform.WhileWaiting([&] {
    platform.Advance(100ms);
    leases.clear();
  });
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(Now(), start + 100ms);
  EXPECT_EQ(backend.count(Call::kClose), 4);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kPoolClosed), 4u);
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok()) << "a second close is a no-op";
  EXPECT_EQ(backend.count(Call::kClose), 4);
  EXPECT_EQ(pool.Acquire().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.stats().refused_closed, 1u);
  EXPECT_TRUE(pool.stats().closed);
}

TEST_F(ControlTest, CloseGivesUpAtItsDeadlineAndCanBeCalledAgain) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Take(pool).Return();
  const TimePoint start = Now();
  EXPECT_EQ(pool.Close(pool.In(1s)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Now(), start + 1s);
  EXPECT_EQ(backend.open_now(), 1) << "the idle one is closed";
  EXPECT_TRUE(held->RunScript("SET x").ok()) << "the lease stays valid";
  held.Return();
  EXPECT_EQ(backend.open_now(), 0) << "and its return closes it";
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
}

TEST_F(ControlTest, CloseSendsEverybodyInLineAway) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller a(platform, pool), b(platform, pool);
  platform.WhileWaiting([&] {
    EXPECT_TRUE(a.waiting());
    platform.Run();
    EXPECT_EQ(a.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(b.status().code(), absl::StatusCode::kFailedPrecondition);
    held.Return();
  });
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(backend.count(Call::kOpen), 1) << "no caller was handed the returned connection";
}

TEST_F(ControlTest, CloseWithAPastDeadlineOnlyCloses) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  EXPECT_EQ(pool.Close(Deadline::Past()).code(), absl::StatusCode::kDeadlineExceeded);
  held.Return();
  EXPECT_TRUE(pool.Close(Deadline::Past()).ok());
}

// The trap of puddle: an open that ends after Close must not leave a connection behind.
TEST_F(ControlTest, AnOpenThatEndsAfterCloseIsClosed) {
  PoolFor<Plain<1>> pool(backend, Options());
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller opening(platform, pool);
  EXPECT_EQ(pool.Close(Deadline::Past()).code(), absl::StatusCode::kDeadlineExceeded);
  server.Open();
  platform.Run();
  EXPECT_EQ(opening.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(backend.open_now(), 0);
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
}

TEST_F(ControlTest, CloseWaitsForAnOpenUnderWay) {
  PoolFor<Plain<1>> pool(backend, Options());
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller opening(platform, pool);
  platform.WhileWaiting([&] { server.Open(); });
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(backend.open_now(), 0);
}

TEST_F(ControlTest, FillAndTickOfAClosedPoolOpenNothing) {
  PoolFor<Plain<2>> pool(backend, Options());
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(pool.Fill(1, pool.In(1s)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Tick(pool), TimePoint::max());
  pool.InvalidateAll();
  pool.Pause();
  pool.Resume();
  EXPECT_EQ(backend.count(Call::kOpen), 0);
}

TEST_F(ControlTest, LeasesMayBeDiscardedAndDetachedAfterClose) {
  PoolFor<Plain<3>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  EXPECT_FALSE(pool.Close(Deadline::Past()).ok());
  a.Discard();
  b.Detach();
  Scripted(c).MakeDirty();
  c.Return();
  EXPECT_EQ(backend.count(Call::kReset), 0) << "what will be closed is not cleaned";
  EXPECT_TRUE(pool.Close(Deadline::Past()).ok());
}

TEST_F(ControlTest, TheDestructorClosesWhatIsOpen) {
  {
    PoolFor<Plain<2>> pool(backend, Options());
    Lease a = Take(pool), b = Take(pool);
  }
  EXPECT_EQ(backend.count(Call::kClose), 2);
  EXPECT_EQ(events.closes(CloseReason::kPoolClosed), 2);
}

}  // namespace
}  // namespace roost
