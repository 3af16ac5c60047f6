// tests/pool/return_test.cc - the end of a lease: reset, discard, detach, broken connections,
// moves.
#include <gtest/gtest.h>

#include <stdexcept>

#include "roost/internal/connection_access.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/forgotten.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

using ReturnTest = PoolTest;

constexpr Sql kInsert{"INSERT INTO t VALUES ($1)"};
constexpr Sql kSelect{"SELECT * FROM t"};

// As SQLAlchemy's ResetOnReturnTest.
TEST_F(ReturnTest, ACleanConnectionIsRestedWithoutAnyCall) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  backend.ClearLog();
  lease.Return();
  EXPECT_TRUE(backend.log().empty());
  EXPECT_FALSE(lease);
  EXPECT_EQ(pool.stats().resets, 0u);
}

TEST_F(ReturnTest, ADirtyConnectionIsResetOnceBeforeItRests) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Scripted(lease).MakeDirty();
  lease.Return();
  EXPECT_EQ(backend.count(Call::kReset), 1);
  EXPECT_EQ(pool.stats().resets, 1u);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kReset), 1);
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

TEST_F(ReturnTest, OneThatWasTouchedAndFoundCleanIsNotReset) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Scripted(lease).Touch();
  lease.Return();
  EXPECT_EQ(backend.count(Call::kInspect), 1);
  EXPECT_EQ(backend.count(Call::kReset), 0);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kInspect), 1);
}

// As SQLx's pool_should_be_returned_failed_transactions.
TEST_F(ReturnTest, AnOpenTransactionIsRolledBack) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  absl::StatusOr<Transaction> transaction = lease->Begin();
  ASSERT_TRUE(transaction.ok());
  // A transaction whose end never comes: its destructor is not run.
  const support::Forgotten<Transaction> forgotten(*std::move(transaction));
  ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  lease.Return();
  EXPECT_EQ(backend.count(Call::kReset), 1);
  Lease next = Take(pool);
  ASSERT_TRUE(next->Begin().ok()) << "the next holder finds no transaction";
}

TEST_F(ReturnTest, ATransactionThatCannotBeRolledBackClosesItsConnection) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Scripted(lease).MakeDirty();
  backend.FailNext(Call::kReset, Gone());
  lease.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kResetFailed), 1u);
  EXPECT_EQ(pool.stats().reset_failures, 1u);
}

// Whoever rolls back, and although the driver marks nothing and would reset the connection.
TEST_F(ReturnTest, ARollbackThatFailsClosesItsConnection) {
  PoolFor<Plain<1>> pool(backend, Options());
  uint64_t closed = 0;
  for (const char* end : {"rolled back", "dropped", "not committed"}) {
    Lease lease = Take(pool);
    {
      absl::StatusOr<Transaction> transaction = lease->Begin();
      ASSERT_TRUE(transaction.ok());
      ASSERT_TRUE(lease->Run(kInsert, 1).ok());
      backend.FailNext(Call::kRollback, absl::AbortedError("refused"));
      if (*end == 'r') {
        EXPECT_FALSE(transaction->Rollback().ok());
      }
      if (*end == 'n') {
        backend.FailNext(Call::kCommit, absl::AbortedError("refused"));
        EXPECT_FALSE(transaction->Commit().ok());
      }
    }
    lease.Return();
    EXPECT_EQ(ClosesOf(pool, CloseReason::kBroken), ++closed) << end;
    EXPECT_EQ(backend.count(Call::kReset), 0) << end;
  }
  EXPECT_EQ(CountsOf(pool), (Counts{}));
}

// As pgxpool's TestConnReleaseClosesBusyConn, but the connection is kept.
TEST_F(ReturnTest, AHalfReadResultIsEndedAtReturn) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  absl::StatusOr<Statement*> select = lease->Prepare(kSelect);
  ASSERT_TRUE(select.ok());
  Rows left = (*select)->Query();
  ASSERT_TRUE(left.status().ok());
  const support::Forgotten<Rows> forgotten(std::move(left));
  lease.Return();
  EXPECT_EQ(backend.count(Call::kReset), 1);
  Lease next = Take(pool);
  select = next->Prepare(kSelect);
  ASSERT_TRUE(select.ok());
  EXPECT_TRUE((*select)->Query().status().ok()) << "nothing is being read";
}

// As pgxpool's TestConnReleaseDestroysClosedConn.
TEST_F(ReturnTest, AConnectionWhoseHandleItsUserClosedIsNotLentAgain) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  (void)lease->Raw();
  Scripted(lease).MakeBroken();
  lease.Return();
  EXPECT_EQ(ClosesOf(pool, CloseReason::kBroken), 1u);
  Lease next = Take(pool);
  EXPECT_EQ(SerialOf(next), 2);
}

// As bb8's test_drop_on_broken.
TEST_F(ReturnTest, AnErrorThatKilledTheConnectionClosesItAtItsReturn) {
  PoolFor<Plain<5>> pool(backend, Options());
  std::vector<Lease> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(Take(pool));
  Scripted(leases[2]).Fail(FaultScope::kConnection);
  leases.clear();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 4, .idle = 4}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kBroken), 1u);
  EXPECT_EQ(pool.stats().invalidations, 1u);
}

TEST_F(ReturnTest, AnErrorAboutTheStatementAloneKeepsTheConnection) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  EXPECT_EQ(lease->RunScript("NONSENSE").code(), absl::StatusCode::kInvalidArgument);
  Scripted(lease).Touch();
  lease.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

// As SQLAlchemy's QueuePoolTest.test_invalidate.
TEST_F(ReturnTest, DiscardClosesAtOnceAndTheSlotServesAnother) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Scripted(lease).MakeDirty();
  lease.Discard();
  EXPECT_FALSE(lease);
  EXPECT_EQ(CountsOf(pool), (Counts{}));
  EXPECT_EQ(backend.count(Call::kReset), 0) << "what is closed is not cleaned";
  EXPECT_EQ(ClosesOf(pool, CloseReason::kDiscarded), 1u);
  Lease next = Take(pool);
  EXPECT_EQ(SerialOf(next), 2);
  EXPECT_EQ(next.slot(), 0);
}

TEST_F(ReturnTest, DiscardingNothingDoesNothing) {
  Lease nothing;
  nothing.Discard();
  nothing.Return();
  nothing.ReleaseThread();
  EXPECT_FALSE(nothing);
  EXPECT_EQ(nothing.slot(), -1);
}

// As SQLAlchemy's QueuePoolTest.test_detach.
TEST_F(ReturnTest, DetachGivesTheHandleAwayAndFreesTheSlot) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  const NativeHandle handle = lease.Detach();
  EXPECT_EQ(fakes::SerialOf(handle), 1);
  EXPECT_FALSE(lease);
  EXPECT_EQ(CountsOf(pool), (Counts{}));
  EXPECT_EQ(pool.stats().detaches, 1u);
  Lease next = Take(pool);
  EXPECT_EQ(SerialOf(next), 2);
  EXPECT_EQ(backend.count(Call::kClose), 0) << "closing it is its new owner's business";
}

// As SQLAlchemy's PoolTest.test_raw_connection_context.
TEST_F(ReturnTest, AnExceptionThatLeavesTheScopeGivesTheConnectionBack) {
  PoolFor<Plain<1>> pool(backend, Options());
  try {
    Lease lease = Take(pool);
    throw std::runtime_error("the caller's own trouble");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

// As HikariCP's ConnectionStateTest: what a holder changed is not seen by the next one.
TEST_F(ReturnTest, WaitersGetTheConnectionOnlyAfterItsReset) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Caller waiter(platform, pool);
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kReset) server.Pass();
  });
  Scripted(lease).MakeDirty();
  Actor returning(platform, [&] { lease.Return(); });
  EXPECT_TRUE(returning.waiting());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .busy = 1, .waiting = 1}));
  EXPECT_TRUE(waiter.waiting());
  server.Open();
  platform.Run();
  Lease next = waiter.Take();
  EXPECT_TRUE(internal::ConnectionAccess::IsPristine(*next));
}

TEST_F(ReturnTest, AResetHasItsOwnTimeOutWhateverTheLeasesDeadline) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Must(pool.Acquire(kWrite, pool.In(1ms)));
  Scripted(lease).MakeDirty();
  platform.Advance(1s);
  const TimePoint start = Now();
  lease.Return();
  EXPECT_EQ(backend.log().back().call, Call::kReset);
  EXPECT_EQ(backend.log().back().deadline, Deadline::At(start + 2s));
  backend.Takes(Call::kReset, 10s);
  lease = Take(pool);
  Scripted(lease).MakeDirty();
  const TimePoint second = Now();
  lease.Return();
  EXPECT_EQ(Now(), second + 2s);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kResetFailed), 1u);
}

TEST_F(ReturnTest, ADirtyOverflowConnectionIsCleanedForAWaiterOrClosed) {
  PoolFor<Plain<1, 1>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  a.Return();
  Scripted(b).MakeDirty();
  b.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(ReturnTest, MovingALeaseMovesTheRightAndAssigningReturnsTheOldOne) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool);
  const int serial = SerialOf(a);
  Lease moved = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): its emptiness is the promise
  EXPECT_EQ(SerialOf(moved), serial);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1}));
  moved = Take(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 1, .in_use = 1}));
  EXPECT_NE(SerialOf(moved), serial);
}

TEST_F(ReturnTest, ReturningTwiceGivesBackOnce) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  lease.Return();
  lease.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(events.count(EventKind::kCheckin), 1);
}

TEST_F(ReturnTest, AnotherThreadMayReturnTheLease) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Actor other(platform, [&] { lease.Return(); });
  EXPECT_TRUE(other.ended());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

// Nothing slow under the lock: while any call of the backend runs, another thread can use the pool.
TEST_F(ReturnTest, ThePoolsLockIsFreeDuringEveryCallOfTheBackend) {
  struct P : Plain<2, 1> {};
  PoolFor<P> pool(backend, Options());
  int looked = 0;
  backend.set_hook([&](const CallInfo& info) {
    ASSERT_TRUE(PoolTestPeer::LockIsFree(pool)) << Name(info.call);
    Actor other(platform, [&] {
      (void)pool.stats();
      (void)pool.TryAcquire();
    });
    ASSERT_TRUE(other.ended());
    ++looked;
  });
  for (int round = 0; round < 2; ++round) {
    Lease a = Take(pool), b = Take(pool), c = Take(pool);
    Scripted(a).MakeDirty();
    Scripted(b).MakeBroken();
    c.Discard();
  }
  Take(pool).Detach();
  pool.InvalidateAll();
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_GT(looked, 10);
}

}  // namespace
}  // namespace roost
