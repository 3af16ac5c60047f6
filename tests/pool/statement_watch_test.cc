// tests/pool/statement_watch_test.cc - statements: what an observer is told, and what is counted.
#include <gtest/gtest.h>

#include "roost/query.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

constexpr Sql kInsert{"INSERT INTO reading VALUES ($1)"};
constexpr Sql kSelect{"SELECT level FROM reading", "all_levels"};
constexpr Sql kNonsense{"NONSENSE"};

struct Watched : Plain<2> {
  static constexpr bool kWatchStatements = true;
  static constexpr Duration kSlowStatement = 100ms;
};

// What a test keeps of an event.
struct Told {
  StatementKind kind{};
  std::string name;
  std::string sql;
  Duration took{};
  int64_t rows = 0;
  absl::StatusCode code{};
  bool slow = false;
  int slot = -1;
  std::string pool;
  TimePoint at;
};

class Statements : public StatementObserver {
 public:
  void OnStatement(const StatementEvent& event) override {
    {
      std::lock_guard lock(mu_);
      told_.push_back({event.kind, std::string(event.name), std::string(event.sql), event.took,
                       event.rows, event.status->code(), event.slow, event.slot,
                       std::string(event.pool), event.at});
    }
    if (hook) hook(event);
  }
  std::vector<std::string> kinds() const {
    std::lock_guard lock(mu_);
    std::vector<std::string> names;
    for (const Told& one : told_) names.emplace_back(Name(one.kind));
    return names;
  }
  size_t count() const {
    std::lock_guard lock(mu_);
    return told_.size();
  }
  // The latest. Fails the test when there is none.
  Told last() const {
    std::lock_guard lock(mu_);
    if (!told_.empty()) return told_.back();
    ADD_FAILURE() << "no statement was told";
    return {};
  }
  void Clear() {
    std::lock_guard lock(mu_);
    told_.clear();
  }
  // Runs in OnStatement.
  std::function<void(const StatementEvent&)> hook;

 private:
  mutable std::mutex mu_;
  std::vector<Told> told_;
};

uint64_t CountOf(const Stats& stats, absl::StatusCode code) {
  return stats.statements[static_cast<size_t>(code)];
}
uint64_t CountOf(const Stats& stats) {
  uint64_t all = 0;
  for (const uint64_t count : stats.statements) all += count;
  return all;
}

class StatementWatchTest : public PoolTest {
 protected:
  PoolOptions Watching() {
    return {.name = "main", .statement_observer = &told, .platform = &platform};
  }
  void Fill(Connection& connection, int rows) {
    for (int i = 0; i < rows; ++i) ASSERT_TRUE(connection.Run(kInsert, i).ok());
    told.Clear();
  }

  Statements told;
};

TEST_F(StatementWatchTest, ARunIsToldOnceWithWhatItChanged) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  backend.Takes(Call::kExecute, 30ms);
  ASSERT_TRUE(lease->Run(kInsert, 61.5).ok());
  ASSERT_EQ(told.count(), 1u);
  const Told run = told.last();
  EXPECT_EQ(run.kind, StatementKind::kRun);
  EXPECT_EQ(run.sql, "INSERT INTO reading VALUES ($1)");
  EXPECT_EQ(run.name, "");
  EXPECT_EQ(run.took, 30ms);
  EXPECT_EQ(run.rows, 1);
  EXPECT_EQ(run.code, absl::StatusCode::kOk);
  EXPECT_EQ(run.slot, lease.slot());
  EXPECT_EQ(run.pool, "main");
  EXPECT_EQ(run.at, Now());
  EXPECT_FALSE(run.slow);
}

TEST_F(StatementWatchTest, TheTimeOfPreparingIsThatOfTheNextRun) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  backend.Takes(Call::kPrepare, 40ms);
  backend.Takes(Call::kExecute, 5ms);
  ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  EXPECT_EQ(told.last().took, 45ms);
  ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  EXPECT_EQ(told.last().took, 5ms);
}

// As tidb's issue 33780, where each fetch began the time anew, and pgx's issue 2648, where a statement
// had the time of the program that read it.
TEST_F(StatementWatchTest, AQueryHasTheTimeOfEveryCallAndNotThatOfItsReader) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  lease->set_deadline(Deadline::Never());
  const auto read = [&](int rows_there) {
    Fill(*lease, rows_there);
    Rows rows = (*lease->Prepare(kSelect))->Query();
    while (rows.Next()) platform.Advance(10s);
    EXPECT_EQ(told.count(), 1u) << "at its end, not with the object";
    EXPECT_EQ(told.last().kind, StatementKind::kQuery);
    EXPECT_EQ(told.last().name, "all_levels");
    return told.last();
  };
  backend.Takes(Call::kExecute, 20ms);
  EXPECT_EQ(read(3).took, 20ms);
  // Each call takes a millisecond now, between the two readings of the clock.
  platform.set_cost_of_clock(1ms);
  const Told five = read(2), eight = read(3);
  EXPECT_EQ(five.rows, 5);
  EXPECT_EQ(eight.rows, 8);
  EXPECT_EQ(eight.took - five.took, 3 * 1ms);
  EXPECT_GE(five.took, 20ms + 9 * 1ms) << "preparing, starting, six calls of Next, the end";
  EXPECT_LT(five.took, 1s);
}

// As pgx's issue 1820.
TEST_F(StatementWatchTest, AQueryThatIsLeftEarlyIsToldToo) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  Fill(*lease, 3);
  {
    Rows rows = (*lease->Prepare(kSelect))->Query();
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(told.count(), 0u);
  }
  ASSERT_EQ(told.count(), 1u);
  EXPECT_EQ(told.last().rows, 1);
}

// As pgx's pull request 2590, where the end of a statement that failed was not told.
TEST_F(StatementWatchTest, AnErrorIsToldWhereverItCameUp) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  EXPECT_FALSE(lease->Run(kNonsense).ok());
  EXPECT_EQ(told.last().kind, StatementKind::kRun);
  EXPECT_EQ(told.last().sql, "NONSENSE");
  EXPECT_FALSE(lease->Prepare(kNonsense).ok());
  EXPECT_EQ(told.last().kind, StatementKind::kPrepare);
  EXPECT_FALSE(lease->RunScript("NONSENSE").ok());
  EXPECT_EQ(told.last().kind, StatementKind::kScript);
  Statement* const insert = *lease->Prepare(kInsert);
  EXPECT_FALSE(insert->Run().ok()) << "a value is missing";
  EXPECT_EQ(told.last().kind, StatementKind::kRun);
  EXPECT_FALSE(insert->Query().Next());
  EXPECT_EQ(told.last().kind, StatementKind::kQuery);
  EXPECT_EQ(told.count(), 5u);
  EXPECT_EQ(CountOf(pool.stats(), absl::StatusCode::kInvalidArgument), 5u);
}

TEST_F(StatementWatchTest, AStatementThatMayNotRunNowDoesNotDisturbTheOneThatIsRead) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  Fill(*lease, 2);
  Statement* const select = *lease->Prepare(kSelect);
  Rows first = select->Query();
  ASSERT_TRUE(first.Next());
  EXPECT_FALSE(select->Query().Next());
  EXPECT_EQ(told.last().code, absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(first.Next());
  EXPECT_FALSE(first.Next());
  EXPECT_EQ(told.last().code, absl::StatusCode::kOk);
  EXPECT_EQ(told.last().rows, 2);
}

TEST_F(StatementWatchTest, TransactionsAndSealsAreStatementsToo) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  {
    absl::StatusOr<Transaction> transaction = lease->Begin();
    ASSERT_TRUE(transaction->Commit().ok());
  }
  { absl::StatusOr<Transaction> dropped = lease->Begin(); }
  ASSERT_TRUE(lease->Seal().ok());
  EXPECT_THAT(told.kinds(), ElementsAre("begin", "commit", "begin", "rollback", "seal"));
  backend.FailNext(Call::kCommit, absl::AbortedError("lost"));
  EXPECT_FALSE((*lease->Begin()).Commit().ok());
  EXPECT_EQ(CountOf(pool.stats(), absl::StatusCode::kAborted), 1u);
}

// A threshold of 0 means that none is slow, not that all are (as neography's pull request 126).
struct NeverSlow : Watched {
  static constexpr Duration kSlowStatement = 0s;
};

TEST_F(StatementWatchTest, SlowIsWhatTakesTheThresholdOrLonger) {
  PoolFor<Watched> pool(backend, Watching());
  PoolFor<NeverSlow> other(backend, Watching());
  Lease lease = Take(pool);
  for (const Duration took : {99ms, 100ms, 101ms}) {
    backend.Takes(Call::kExecute, took);
    ASSERT_TRUE(lease->Run(kInsert, 1).ok());
    EXPECT_EQ(told.last().slow, took >= 100ms);
  }
  EXPECT_EQ(pool.stats().slow_statements, 2u);
  EXPECT_EQ(pool.stats().statement_time.total(), 3u);
  EXPECT_EQ(pool.stats().statement_time.max(), 101ms);
  backend.Takes(Call::kExecute, 1h);
  Lease another = Take(other);
  another->set_deadline(Deadline::Never());
  ASSERT_TRUE(another->Run(kInsert, 1).ok());
  EXPECT_FALSE(told.last().slow);
  EXPECT_EQ(other.stats().slow_statements, 0u);
}

// As sqlx's issue 3907, where a statement that never ends is never told: each ends by its deadline.
TEST_F(StatementWatchTest, AStatementThatHangsIsToldAtItsDeadline) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  backend.Takes(Call::kExecute, 1h);
  EXPECT_FALSE(lease->Run(kInsert, 1).ok());
  EXPECT_TRUE(told.last().slow);
  EXPECT_EQ(told.last().code, absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(told.last().took, 1s);
}

// As kine's issue 305 and timescaledb-docker-ha's pull request 338, where logs had values and passwords.
TEST_F(StatementWatchTest, NoValueAndNoLiteralIsShown) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  ASSERT_TRUE(lease->Run(kInsert, "hunter2").ok());
  EXPECT_EQ(told.last().sql, "INSERT INTO reading VALUES ($1)");
  const std::pair<const char*, const char*> shown[] = {
      {"ALTER USER node PASSWORD 'hunter2'", "ALTER USER node PASSWORD '?'"},
      {"SELECT 'C:\\', 'hunter2' FROM t", "SELECT '?' FROM t"},
      {"SELECT 'it\\'s hunter2' , x", "SELECT '?' , x"},
      {"SELECT $$hunter2$$ || $1", "SELECT '?' || $1"},
      {"DO $f$ hunter2 $f$ WHERE a = $12", "DO '?' WHERE a = $12"},
      {"SELECT \"hunter2\" FROM t", "SELECT '?' FROM t"},
      {"SELECT 1 -- 'hunter2", "SELECT 1 -- '?'"},
      {"SELECT 'hunter2", "SELECT '?'"},
      {"PRAGMA cost = $", "PRAGMA cost = '?'"},
      {"'hunter2'", "'?'"},
      {"SELECT a FROM t WHERE b = $1 AND c = 5", "SELECT a FROM t WHERE b = $1 AND c = 5"},
  };
  for (const auto& [sql, expected] : shown) {
    ASSERT_TRUE(lease->RunScript(sql).ok());
    EXPECT_EQ(told.last().sql, expected) << sql;
  }
}

TEST_F(StatementWatchTest, TheSqlIsOneLineOfPlainTextAndCut) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  const std::string most(StatementEvent::kMostSql, 'x');
  const std::pair<std::string, std::string> shown[] = {
      {"\n  SELECT a,\n\t\tb\r\n  FROM t\n", "SELECT a, b FROM t"},
      {"SELECT 1\x1b[31m", "SELECT 1?[31m"},
      {"SELECT \xff", "SELECT ?"},
      {most, most},
      {most + "x", std::string(117, 'x') + "..."},
      {std::string(116, 'x') + "\xc3\xa4\xc3\xa4\xc3\xa4", std::string(116, 'x') + "..."},
      {"", ""},
  };
  for (const auto& [sql, expected] : shown) {
    ASSERT_TRUE(lease->RunScript(sql).ok());
    EXPECT_EQ(told.last().sql, expected) << sql;
  }
}

TEST_F(StatementWatchTest, TheObserverIsCalledWithNoLockHeld) {
  PoolFor<Watched> pool(backend, Watching());
  int calls = 0;
  told.hook = [&](const StatementEvent&) {
    if (!PoolTestPeer::LockIsFree(pool)) return;
    EXPECT_EQ(CountOf(pool.stats()), 1u) << "it is counted already";
    ++calls;
  };
  ASSERT_TRUE(Take(pool)->Run(kInsert, 1).ok());
  EXPECT_EQ(calls, 1);
}

// As query-monitor's issue 700: what a hook does must not call the hook.
TEST_F(StatementWatchTest, AnObserverMayRunStatementsAndIsNotToldOfThem) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  told.hook = [&](const StatementEvent&) {
    // On the connection that it is told of, and on another of the pool.
    EXPECT_TRUE(lease->Run(kInsert, 1).ok());
    Lease second = Take(pool);
    EXPECT_TRUE(second->Run(kInsert, 2).ok());
    EXPECT_EQ(*QueryOne<std::string>(*second, kNonsense).status().message().data(), 's');
  };
  ASSERT_TRUE(lease->Run(kInsert, 3).ok());
  EXPECT_EQ(told.count(), 1u);
  EXPECT_EQ(CountOf(pool.stats()), 4u);
  told.hook = nullptr;
  ASSERT_TRUE(lease->Run(kInsert, 3).ok());
  EXPECT_EQ(told.count(), 2u) << "it is told again when the observer has returned";
}

// Two pools whose observer writes down in one what it is told of the other.
TEST_F(StatementWatchTest, AnObserverOfTwoPoolsEnds) {
  PoolFor<Watched> one(backend, Watching());
  PoolFor<Watched> two(backend, Watching());
  Lease a = Take(one), b = Take(two);
  told.hook = [&](const StatementEvent&) {
    EXPECT_TRUE(a->Run(kInsert, 1).ok());
    EXPECT_TRUE(b->Run(kInsert, 1).ok());
  };
  ASSERT_TRUE(a->Run(kInsert, 1).ok());
  EXPECT_EQ(told.count(), 2u) << "each pool once";
}

TEST_F(StatementWatchTest, AnotherThreadIsToldMeanwhile) {
  PoolFor<Watched> pool(backend, Watching());
  told.hook = [&](const StatementEvent& event) {
    if (event.sql != kSelect.text()) return;
    Actor other(platform, [&] { ASSERT_TRUE(Take(pool)->Run(kInsert, 1).ok()); });
    platform.Run();
    EXPECT_TRUE(other.ended());
  };
  Lease lease = Take(pool);
  { Rows rows = (*lease->Prepare(kSelect))->Query(); }
  EXPECT_EQ(told.count(), 2u);
}

TEST_F(StatementWatchTest, ObserversGetTheNameOfTheSqlThatWasPrepared) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  constexpr Sql kNamed{"INSERT INTO reading VALUES ($1)", "insert_reading"};
  ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  EXPECT_EQ(told.last().name, "");
  ASSERT_TRUE(lease->Run(kNamed, 1).ok());
  EXPECT_EQ(told.last().name, "insert_reading");
  EXPECT_EQ(backend.count(Call::kPrepare), 1) << "the name does not make it another statement";
}

// The cache of the driver holds two: each place is used for one statement after the other.
struct TwoStatements : Watched {
  static constexpr int kStatements = 2;
};

TEST_F(StatementWatchTest, AStatementThatIsPreparedAnewIsToldAsItself) {
  PoolFor<TwoStatements> pool(backend, Watching());
  Lease lease = Take(pool);
  for (int i = 0; i < 7; ++i) {
    const std::string text = "UPDATE t" + std::to_string(i);
    ASSERT_TRUE(lease->Run(Sql(text)).ok());
    EXPECT_EQ(told.last().sql, text);
  }
  Statement* const select = *lease->Prepare(kSelect);
  EXPECT_EQ(*lease->Prepare(kSelect), select);
  EXPECT_EQ(select->sql(), kSelect.text());
}

TEST_F(StatementWatchTest, WhatIsLeftBehindIsUndoneAsWithoutAWatch) {
  PoolFor<Watched> pool(backend, Watching());
  {
    Lease lease = Take(pool);
    ASSERT_TRUE(lease->Begin().ok());
    ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  }
  EXPECT_EQ(pool.stats().resets, 0u) << "the transaction ended with its object";
  Lease lease = Take(pool);
  lease->Raw();
  lease.Return();
  EXPECT_EQ(backend.count(Call::kInspect), 1);
}

TEST_F(StatementWatchTest, ADeadConnectionIsClosedAtItsReturn) {
  PoolFor<Watched> pool(backend, Watching());
  Lease lease = Take(pool);
  backend.RestartServer();
  EXPECT_FALSE(lease->Run(kInsert, 1).ok());
  EXPECT_EQ(told.last().code, absl::StatusCode::kUnavailable);
  lease.Return();
  EXPECT_EQ(ClosesOf(pool, CloseReason::kBroken), 1u);
  EXPECT_TRUE(Take(pool)->Run(kInsert, 1).ok());
}

TEST_F(StatementWatchTest, DetachGivesTheDriversHandle) {
  PoolFor<Watched> pool(backend, Watching());
  EXPECT_EQ(fakes::SerialOf(Take(pool).Detach()), 1);
}

TEST_F(StatementWatchTest, WithoutAnObserverStatementsAreCounted) {
  PoolFor<Watched> pool(backend, {.platform = &platform});
  Lease lease = Take(pool);
  ASSERT_TRUE(lease->Run(kInsert, 1).ok());
  EXPECT_FALSE(lease->Run(kNonsense).ok());
  EXPECT_EQ(CountOf(pool.stats(), absl::StatusCode::kOk), 1u);
  EXPECT_EQ(CountOf(pool.stats(), absl::StatusCode::kInvalidArgument), 1u);
}

TEST_F(StatementWatchTest, WithoutKWatchStatementsNothingIsCounted) {
  PoolFor<Plain<2>> pool(backend, Options());
  ASSERT_TRUE(Take(pool)->Run(kInsert, 1).ok());
  EXPECT_EQ(CountOf(pool.stats()), 0u);
  EXPECT_EQ(pool.stats().statement_time.total(), 0u);
}

TEST_F(StatementWatchTest, TheLeaseIsStillLentWithoutTheLock) {
  PoolFor<Watched> pool(backend, Watching());
  Take(pool).Return();
  const int reads = platform.clock_reads();
  Take(pool).Return();
  EXPECT_LE(platform.clock_reads() - reads, 1) << "In() of the test";
}

// ---- EchoStatements ----

std::string Echoed(EchoStatements::Which which, const StatementEvent& event) {
  EchoStatements echo(which);
  ::testing::internal::CaptureStderr();
  echo.OnStatement(event);
  return ::testing::internal::GetCapturedStderr();
}

TEST(EchoStatementsTest, WritesTroubleOrAll) {
  using enum EchoStatements::Which;
  const absl::Status ok;
  const absl::Status taken = absl::AlreadyExistsError("key 7 is taken");
  StatementEvent event{.kind = StatementKind::kQuery,
                       .pool = "node",
                       .name = "all",
                       .sql = "SELECT 1",
                       .took = 61034us,
                       .rows = 5,
                       .status = &ok};
  EXPECT_EQ(Echoed(kTrouble, event), "");
  EXPECT_EQ(Echoed(kAll, event),
            "<7>roost: pool=node statement=query took=0.061034 rows=5 name=all sql=\"SELECT 1\"\n");
  event.slow = true;
  event.name = {};
  EXPECT_EQ(Echoed(kTrouble, event),
            "<4>roost: pool=node statement=query took=0.061034 rows=5 slow sql=\"SELECT 1\"\n");
  event.slow = false;
  event.status = &taken;
  // Not the message, which may have a value of the row in it.
  EXPECT_EQ(Echoed(kTrouble, event),
            "<4>roost: pool=node statement=query took=0.061034 rows=5 code=already_exists "
            "sql=\"SELECT 1\"\n");
}

TEST(EchoStatementsTest, ALineIsCutAt512Bytes) {
  const absl::Status ok;
  const std::string name(1000, 'n');
  const StatementEvent event{.name = name, .status = &ok};
  const std::string line = Echoed(EchoStatements::Which::kAll, event);
  EXPECT_LE(line.size(), 512u);
  EXPECT_GT(line.size(), 500u);
  EXPECT_EQ(line.back(), '\n');
}

}  // namespace
}  // namespace roost
