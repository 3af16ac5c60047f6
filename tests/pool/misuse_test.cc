// tests/pool/misuse_test.cc - misuse stops at once, with a sentence.
#include <gtest/gtest.h>

#include "roost/housekeeper.h"
#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

class MisuseDeathTest : public PoolTest {
 protected:
  MisuseDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(MisuseDeathTest, UsingALeaseAfterItsReturn) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  lease.Return();
  EXPECT_DEATH((void)lease->deadline(), "roost: a lease was used after it was returned");
}

TEST_F(MisuseDeathTest, UsingALeaseThatWasMovedFrom) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  Lease other = std::move(lease);
  EXPECT_DEATH((void)*lease, "roost: a lease was used after it was returned or moved from");
}

TEST_F(MisuseDeathTest, UsingALeaseThatNeverHeldAnything) {
  Lease lease;
  EXPECT_DEATH((void)lease->deadline(), "roost: a lease was used");
}

// Another lease reads the same statement: the rows of the first must not end its reading.
TEST_F(MisuseDeathTest, RowsThatOutliveTheirLeaseDoNotEndTheNextReading) {
  PoolFor<Plain<1>> pool(backend, Options());
  constexpr Sql kSelect{"SELECT"};
  const auto keep_rows = [&](auto use) {
    Lease lease = Take(pool);
    Statement* const statement = *lease->Prepare(kSelect);
    Rows old = statement->Query();
    lease.Return();
    Lease next = Take(pool);
    Rows rows = (*next->Prepare(kSelect))->Query();
    use(old);
  };
  EXPECT_DEATH(keep_rows([](Rows& old) { old.Next(); }), "roost: rows outlived their lease");
  EXPECT_DEATH(keep_rows([](Rows& old) { const Rows gone = std::move(old); }),
               "roost: rows outlived their lease");
}

struct Watched : Plain<1> {
  static constexpr bool kWatchStatements = true;
};

TEST_F(MisuseDeathTest, RowsOfAWatchedStatementThatOutliveTheirLease) {
  PoolFor<Watched> pool(backend, Options());
  const auto keep_rows = [&](bool close) {
    Lease lease = Take(pool);
    Rows old = (*lease->Prepare(Sql("SELECT")))->Query();
    close ? lease.Discard() : lease.Return();
    old.Next();
  };
  EXPECT_DEATH(keep_rows(false), "roost: rows outlived their lease");
  EXPECT_DEATH(keep_rows(true), "roost: rows outlived their lease");
}

TEST_F(MisuseDeathTest, AStatementObserverThatWouldBeToldNothing) {
  struct : StatementObserver {
    void OnStatement(const StatementEvent&) override {}
  } observer;
  EXPECT_DEATH(
      PoolFor<Plain<1>>(backend, {.statement_observer = &observer, .platform = &platform}),
      "roost: PoolOptions::statement_observer would be told nothing: set kWatchStatements");
}

// The statement may be at a row of the next user.
TEST_F(MisuseDeathTest, ColumnsAreNotReadAfterTheLease) {
  PoolFor<Plain<1>> pool(backend, Options());
  const auto read_late = [&](auto get) {
    Lease lease = Take(pool);
    ASSERT_TRUE(lease->Run(Sql("INSERT INTO t VALUES ($1)"), 7).ok());
    Rows rows = (*lease->Prepare(Sql("SELECT")))->Query();
    ASSERT_TRUE(rows.Next());
    lease.Return();
    get(rows);
  };
  EXPECT_DEATH(read_late([](Rows& rows) { rows.Get<int>(0); }), "roost: rows outlived their lease");
  EXPECT_DEATH(read_late([](Rows& rows) { rows.Get<int>("c0"); }),
               "roost: rows outlived their lease");
}

TEST_F(MisuseDeathTest, RowsThatOutliveTheirLeaseStopEvenIfNobodyReadsSince) {
  PoolFor<Plain<1>> pool(backend, Options());
  constexpr Sql kSelect{"SELECT"};
  const auto keep_rows = [&](bool discard) {
    Lease lease = Take(pool);
    Rows rows = (*lease->Prepare(kSelect))->Query();
    if (discard) {
      lease.Discard();
    } else {
      lease.Return();
    }
  };
  EXPECT_DEATH(keep_rows(false), "roost: rows outlived their lease");
  EXPECT_DEATH(keep_rows(true), "roost: rows outlived their lease");
}

TEST_F(MisuseDeathTest, DetachingNothing) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  lease.Return();
  EXPECT_DEATH((void)lease.Detach(), "roost: ");
}

TEST_F(MisuseDeathTest, DestroyingAPoolWithALeaseOutNamesWhoTookIt) {
  EXPECT_DEATH(
      {
        auto pool = std::make_unique<PoolFor<Plain<1>>>(backend, Options());
        Lease lease = Take(*pool);
        pool.reset();
      },
      "roost: .*pool_test_support.h:[0-9]+");
}

TEST_F(MisuseDeathTest, ABackendThatNeedsMoreMemoryThanASlotHas) {
  backend.set_extra_bytes(4096);
  EXPECT_DEATH({ PoolFor<Plain<1>> pool(backend, Options()); },
               "roost: the backend needs more memory for a connection than a slot has");
}

TEST_F(MisuseDeathTest, FillingMoreThanIsKept) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  EXPECT_DEATH((void)pool.Fill(4, pool.In(1s)),
               "roost: Pool::Fill: more connections than capacity\\(\\)");
}

TEST_F(MisuseDeathTest, ATransactionThatOutlivesItsLease) {
  PoolFor<Plain<1>> pool(backend, Options());
  EXPECT_DEATH(
      {
        Lease lease = Take(pool);
        absl::StatusOr<Transaction> transaction = (*lease).Begin();
        lease.Return();
        transaction->Commit().IgnoreError();
      },
      "roost: a transaction outlived its lease");
}

// The connection comes back with nothing to be undone, so that it is idle at once.
TEST_F(MisuseDeathTest, ATransactionThatOutlivesItsLeaseAndItsDatabaseTransaction) {
  PoolFor<Plain<1>> pool(backend, {.name = "main", .platform = &platform});
  EXPECT_DEATH(
      {
        Take(pool).Return();
        Lease lease = Take(pool);
        absl::StatusOr<Transaction> transaction = (*lease).Begin();
        lease.RunScript("ROLLBACK").IgnoreError();
        lease.Return();
        lease = Take(pool);
        transaction->Rollback().IgnoreError();
      },
      "roost: a transaction outlived its lease");
}

// The next connection lies where the first one lay.
TEST_F(MisuseDeathTest, ATransactionThatOutlivesItsConnection) {
  PoolFor<Plain<1>> pool(backend, {.name = "main", .platform = &platform});
  EXPECT_DEATH(
      {
        Lease lease = Take(pool);
        absl::StatusOr<Transaction> transaction = (*lease).Begin();
        lease.Discard();
        lease = Take(pool);
        absl::StatusOr<Transaction> next = (*lease).Begin();
        transaction->Commit().IgnoreError();
      },
      "roost: a transaction outlived its lease");
}

TEST_F(MisuseDeathTest, AHousekeeperOfTooManyPools) {
  PoolFor<Plain<1>> pool(backend, Options());
  Housekeeper keeper(&platform);
  for (int i = 0; i < Housekeeper::kMaxPools; ++i) keeper.Add(pool);
  EXPECT_DEATH(keeper.Add(pool), "roost: Housekeeper: more pools than kMaxPools");
}

TEST_F(MisuseDeathTest, AddingAPoolToAHousekeeperThatRuns) {
  PoolFor<Plain<1>> pool(backend, Options());
  EXPECT_DEATH(
      {
        Housekeeper keeper;
        keeper.Start();
        keeper.Add(pool);
      },
      "roost: Housekeeper::Add was called after Start");
}

}  // namespace
}  // namespace roost
