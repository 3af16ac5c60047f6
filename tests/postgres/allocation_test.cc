// After a connection is open, nothing of ours takes memory. libpq does, by malloc; what is ours is
// C++, and could only by operator new.
#include <array>
#include <numeric>
#include <optional>
#include <tuple>

#include "roost/async.h"
#include "roost/query.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"
#include "tools/roostctl/allocation_count.h"

namespace roost::postgres {
namespace {

constexpr Sql kMany{
    "SELECT g, g / 2.0, 'text', '\\x00ff'::bytea, now() FROM generate_series(1, $1) g"};
constexpr char kState[] = "SET x.y = 1";

class AllocationTest : public SessionTest {
 protected:
  AllocationTest() { before_ = tools::AllocationsOfThisThread(); }
  // Before any check of GoogleTest's, which may allocate.
  uint64_t Taken() { return tools::AllocationsOfThisThread() - before_; }
  void Restart() { before_ = tools::AllocationsOfThisThread(); }

  Session session;

 private:
  uint64_t before_ = 0;
};

TEST_F(AllocationTest, PreparingRunningAndReadingTakeNone) {
  Connection& connection = *session;
  Restart();
  const bool first = connection.Run(kMany, 5).ok();
  Statement* const statement = *connection.Prepare(kMany);
  int64_t sum = 0;
  for (int i = 0; i < 3; ++i) {
    Rows rows = statement->Query(100);
    while (rows.Next()) {
      sum += rows.Get<int64_t>(0) + static_cast<int64_t>(rows.Get<double>(1)) +
             static_cast<int64_t>(rows.Get<std::string_view>(2).size() + rows.Get<Blob>(3).size()) +
             rows.Get<Micros>(4).count;
    }
  }
  const int taken = Taken();
  EXPECT_TRUE(first);
  EXPECT_GT(sum, 0);
  EXPECT_EQ(taken, 0);
}

TEST_F(AllocationTest, OneRowTakesNone) {
  Connection& connection = *session;
  constexpr Sql kOne{"SELECT $1::int, 1.5, '\\x00ff'::bytea"};
  Restart();
  bool ok = true;
  for (int i = 0; i < 4; ++i) {
    const auto row = QueryOne<int, double, std::optional<int>>(
        connection, Sql("SELECT $1::int, 1.5, NULL::int"), i);
    ok = ok && row.ok() && std::get<0>(*row) == i;
    Rows rows = (*connection.Prepare(kOne))->Query(i);
    ok = ok && rows.Next() && rows.Get<Blob>(2).size() == 2;
  }
  const int taken = Taken();
  EXPECT_TRUE(ok);
  EXPECT_EQ(taken, 0);
}

TEST_F(AllocationTest, StepsTakeNone) {
  Connection& connection = *session;
  const std::array<int32_t, 3> ids{1, 2, 3};
  PendingQuery query;
  Restart();
  int64_t sum = 0;
  for (int i = 0; i < 4; ++i) {
    absl::StatusOr<Step> step = query.Start(connection, Sql("SELECT unnest($1::int[]), $2::text"),
                                            std::span<const int32_t>(ids), "text");
    while (step.ok() && !step->done) {
      session.platform().WaitForDescriptors({&step->wait, 1}, step->at);
      step = query.Advance(session.platform().Now());
    }
    if (!step.ok()) break;
    Rows rows = query.Take();
    while (rows.Next()) sum += rows.Get<int64_t>(0);
  }
  const int taken = Taken();
  EXPECT_EQ(sum, 24);
  EXPECT_EQ(taken, 0);
}

TEST_F(AllocationTest, TransactionsResetAndUpkeepTakeNone) {
  Connection& connection = *session;
  const Deadline by = session.In(20s);
  Restart();
  bool ok = true;
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<Transaction> transaction = connection.Begin(Durability::kSealed);
    ok = ok && transaction.ok() && connection.Run(kAdd, i).ok() && transaction->Commit().ok();
    ok = ok && connection.Begin().ok();  // and rolled back
    ok = ok && connection.RunScript(kState).ok() && ConnectionAccess::Reset(connection, by).ok();
    ok = ok && connection.Seal().ok() && ConnectionAccess::Ping(connection, by).ok() &&
         ConnectionAccess::Maintain(connection, by).ok();
    ok = ok && ConnectionAccess::Probe(connection) == Liveness::kAlive;
  }
  const int taken = Taken();
  EXPECT_TRUE(ok);
  EXPECT_EQ(taken, 0);
}

TEST_F(AllocationTest, ManyRowsAndArraysTakeNone) {
  Connection& connection = *session;
  constexpr Sql kWords{"SELECT length($1), $2::timestamptz"};
  constexpr Sql kAddAll{"INSERT INTO t(a) SELECT unnest($1::int[])"};
  std::array<int32_t, 100> ids{};
  std::iota(ids.begin(), ids.end(), 0);
  std::array<std::tuple<std::string_view, Micros>, 100> words{};
  words.fill({"text with a \"quote\"", Micros{7}});
  const std::array<std::string_view, 2> texts{"one", "\"two\""};
  Restart();
  bool ok = connection.RunAll(kWords, words).ok();
  for (int i = 0; i < 3; ++i) {
    ok = ok && connection.RunAll<7>(kAdd, ids).ok() && connection.Run(Sql("DELETE FROM t")).ok();
    ok = ok && connection.Run(kAddAll, ids).ok() && connection.Run(Sql("DELETE FROM t")).ok();
    ok = ok && connection.Run(Sql("SELECT $1::text[]"), texts).ok();
  }
  const int taken = Taken();
  EXPECT_TRUE(ok);
  EXPECT_EQ(taken, 0);
}

TEST_F(AllocationTest, AFullCacheTakesNone) {
  Session small(Server().Uri(), 1);
  Connection& connection = *small;
  Restart();
  bool ok = true;
  for (int i = 0; i < 5; ++i) {
    ok = ok && connection.Run(kCount).ok() && connection.Run(kAdd, i).ok();
  }
  const int taken = Taken();
  EXPECT_TRUE(ok);
  EXPECT_EQ(taken, 0);
}

}  // namespace
}  // namespace roost::postgres
