// RunAll when the link or the server fails in the middle of the rows: what is in, and what is said.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/postgres_faults/node.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

namespace roost::faults {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

constexpr Sql kAdd{"INSERT INTO t VALUES ($1)"};
// Waits behind whoever has locked that row of u, and is in then.
constexpr Sql kAddLocked{
    "WITH locked AS (UPDATE u SET a = a WHERE a = $1 RETURNING a) INSERT INTO t SELECT a FROM "
    "locked"};
// Ends its own session at a row below 0.
constexpr Sql kAddOrDie{
    "INSERT INTO t SELECT $1::int WHERE $1 >= 0 OR pg_terminate_backend(pg_backend_pid())"};

std::string Text(const absl::Status& status) { return std::string(status.message()); }

class ManyRowsFaultsTest : public ::testing::Test {
 protected:
  ManyRowsFaultsTest() {
    server.Sql("CREATE TABLE t(a int); CREATE TABLE u(a int PRIMARY KEY)");
    server.Sql("INSERT INTO u SELECT generate_series(0, 9); GRANT ALL ON t, u TO node");
  }
  std::string Count() { return server.Sql("SELECT count(*) FROM t"); }
  Lease Borrow(Node& node, Duration limit = 20s) {
    absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(limit));
    EXPECT_TRUE(lease.ok()) << lease.status();
    return lease.ok() ? *std::move(lease) : Lease();
  }
  bool WaitForWaiter(const std::string& user = "node") {
    return support::WaitUntil([&] {
      return server.Sql(
                 "SELECT pg_stat_clear_snapshot(); SELECT count(*) FROM pg_stat_activity "
                 "WHERE usename = '" +
                 user + "' AND wait_event_type = 'Lock'") == "1";
    });
  }
  // What `run` returns, which waits for a locked row; then `trouble` comes.
  template <class Trouble, class Run>
  absl::Status WhileItWaits(Trouble trouble, Run run) {
    std::thread other([&] {
      EXPECT_TRUE(WaitForWaiter());
      trouble();
    });
    const absl::Status status = run();
    other.join();
    return status;
  }
  void LockRow(int row) {
    server.Sql("BEGIN; UPDATE u SET a = a WHERE a = " + std::to_string(row));
  }

  support::PostgresServer server{{.settings = {"deadlock_timeout = 10ms"}}};
  support::TcpProxy proxy{server.port()};
  const std::vector<int> rows_{0, 1, 2, 3, 4, 5};
};

TEST_F(ManyRowsFaultsTest, ALinkThatBreaksAtARowOfTheLastRoundTripLeavesItUnknown) {
  Node node(server.UriThrough(proxy.port()));
  Lease lease = Borrow(node);
  Statement* const add = *lease.Prepare(kAddLocked);
  LockRow(3);
  const absl::Status broken =
      WhileItWaits([this] { proxy.Reset(); }, [&] { return add->RunAll(rows_); });
  EXPECT_EQ(broken.code(), StatusCode::kUnknown) << broken;
  EXPECT_THAT(Text(broken), HasSubstr(" of 6 was not answered: "));
  EXPECT_THAT(Text(broken), HasSubstr("; 6 rows are in, or 0"));
  EXPECT_GE(add->failed_row(), 0);
  EXPECT_LE(add->failed_row(), 3);
  EXPECT_EQ(lease.Run(kQuestion).code(), StatusCode::kUnknown) << "it is condemned";
  server.Sql("ROLLBACK");
}

TEST_F(ManyRowsFaultsTest, InAnEarlierRoundTripNothingIsIn) {
  Node node(server.UriThrough(proxy.port()));
  Lease lease = Borrow(node);
  Statement* const add = *lease.Prepare(kAddLocked);
  LockRow(3);
  const absl::Status broken =
      WhileItWaits([this] { proxy.Reset(); }, [&] { return add->RunAll<2>(rows_); });
  EXPECT_EQ(broken.code(), StatusCode::kUnavailable) << broken;
  EXPECT_THAT(Text(broken), HasSubstr("; 0 rows are in"));
  EXPECT_GE(add->failed_row(), 2) << "the first two were answered";
  server.Sql("ROLLBACK");
  EXPECT_TRUE(server.WaitForSessions(0));
  EXPECT_EQ(Count(), "0");
}

TEST_F(ManyRowsFaultsTest, ADeadlineThatPassesBehindACommitThatGoesOnIsUnknownToo) {
  Node node(server.UriThrough(proxy.port()));
  Lease lease = Borrow(node);
  Statement* const add = *lease.Prepare(kAddLocked);
  LockRow(3);
  lease->set_deadline(node.pool().In(1s));
  const absl::Status late = WhileItWaits(
      [this] {
        proxy.Cut();
        server.Sql("COMMIT");
      },
      [&] { return add->RunAll(rows_); });
  EXPECT_EQ(late.code(), StatusCode::kUnknown) << late;
  EXPECT_THAT(Text(late), HasSubstr("; 6 rows are in, or 0"));
  EXPECT_TRUE(support::WaitUntil([&] { return Count() == "6"; })) << "and they are";
  proxy.Heal();
}

TEST_F(ManyRowsFaultsTest, ADeadlineThatPassesBetweenRoundTripsTakesThemBack) {
  Node node(server.Uri());
  Lease lease = Borrow(node);
  Statement* const add = *lease.Prepare(kAddLocked);
  LockRow(3);
  lease->set_deadline(node.pool().In(100ms));
  const absl::Status late = add->RunAll<2>(rows_);
  EXPECT_EQ(late.code(), StatusCode::kDeadlineExceeded) << late;
  EXPECT_THAT(Text(late), HasSubstr("; 0 rows are in"));
  EXPECT_GE(add->failed_row(), 0);
  server.Sql("ROLLBACK");
  lease.Discard();
  EXPECT_TRUE(server.WaitForSessions(0));
  EXPECT_EQ(Count(), "0");
}

TEST_F(ManyRowsFaultsTest, AServerThatEndsTheSessionAtARowIsNamedWithIt) {
  Node node(server.Uri());
  Lease lease = Borrow(node);
  Statement* add = *lease.Prepare(kAddOrDie);
  const absl::Status last = add->RunAll(std::vector<int>{0, 1, -1, 2});
  EXPECT_EQ(last.code(), StatusCode::kUnknown) << last;
  EXPECT_THAT(Text(last), HasSubstr("row 3 of 4"));
  EXPECT_EQ(add->failed_row(), 2);
  lease.Return();
  lease = Borrow(node);
  add = *lease.Prepare(kAddOrDie);
  const absl::Status earlier = add->RunAll<3>(std::vector<int>{0, 1, -1, 2});
  EXPECT_EQ(earlier.code(), StatusCode::kUnavailable) << earlier;
  EXPECT_THAT(Text(earlier), HasSubstr("; 0 rows are in"));
  EXPECT_EQ(Count(), "0");
}

// The other holds row 0, and waits for row 1, which this transaction has.
TEST_F(ManyRowsFaultsTest, ADeadlockIsNamedAndMayBeRunAgain) {
  Node node(server.Uri());
  Lease lease = Borrow(node);
  std::string other_rows;
  std::thread other;
  {
    absl::StatusOr<Transaction> transaction = lease.Begin();
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    ASSERT_TRUE(lease.Run(Sql("UPDATE u SET a = a WHERE a = 1")).ok());
    server.Sql("SET deadlock_timeout = '1h'");
    server.Sql("BEGIN; UPDATE u SET a = a WHERE a = 0");
    other = std::thread([&] { server.Sql("UPDATE u SET a = a WHERE a = 1"); });
    EXPECT_TRUE(support::WaitUntil([&] {
      absl::StatusOr<Statement*> ask = lease.Prepare(
          Sql("SELECT 1 FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"));
      Rows rows = (*ask)->Query();
      return rows.Next();
    }));
    Statement* const change = *lease.Prepare(Sql("UPDATE u SET a = a WHERE a = $1"));
    const absl::Status lost = change->RunAll(std::vector<int>{2, 3, 0, 4});
    EXPECT_EQ(lost.code(), StatusCode::kAborted) << lost;
    EXPECT_THAT(Text(lost), HasSubstr("row 3 of 4: "));
    EXPECT_THAT(Text(lost), HasSubstr("; 0 rows are in, because the open transaction has failed"));
    EXPECT_EQ(change->failed_row(), 2);
  }
  // The ROLLBACK is not waited for; with the next statement it is done.
  EXPECT_TRUE(lease.Run(kQuestion).ok());
  other.join();
  server.Sql("COMMIT");
  EXPECT_TRUE(lease.RunAll(kAdd, rows_).ok());
}

TEST_F(ManyRowsFaultsTest, BehindAPoolerNobodyMeetsWhatAnErrorLeft) {
  support::PgBouncer pooler(server, 1);
  const PostgresOptions options{.uri = server.UriThrough(pooler.port()),
                                .transaction_pooler = true};
  Node one(options);
  Node two(options);
  constexpr Sql kDivide{"INSERT INTO t SELECT 1 / $1::int"};
  for (int i = 0; i < 20; ++i) {
    Lease lease = Borrow(one);
    const absl::Status refused = lease.RunAll<2>(kDivide, std::vector<int>{1, 1, 1, 0, 1});
    EXPECT_THAT(Text(refused), HasSubstr("row 4 of 5: "));
    lease.Return();
    lease = Borrow(two);
    const absl::Status added = lease.RunAll<3>(kAdd, rows_);
    EXPECT_TRUE(added.ok()) << added;
  }
  EXPECT_EQ(Count(), "120");
  EXPECT_EQ(server.Sessions().size(), 1u) << "else they did not share a session";
}

}  // namespace
}  // namespace roost::faults
