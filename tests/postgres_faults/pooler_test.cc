// PgBouncer in transaction mode between node and server: two nodes share one session, so whatever
// one leaves in it the other meets.

#include <gtest/gtest.h>

#include <string>

#include "tests/postgres_faults/node.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace roost::faults {
namespace {

constexpr Sql kWho{"SELECT $1::text"};

class PoolerTest : public ::testing::Test {
 protected:
  PostgresOptions ThroughPooler() const {
    return {.uri = server.UriThrough(pooler.port()), .transaction_pooler = true};
  }
  // What the server says to `name` through this node.
  static std::string Ask(Node& node, const Sql& question, std::string_view name) {
    absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(5s));
    if (!lease.ok()) return lease.status().ToString();
    absl::StatusOr<Statement*> statement = lease->Prepare(question);
    if (!statement.ok()) return statement.status().ToString();
    Rows rows = (*statement)->Query(name);
    std::string answer;
    while (rows.Next()) answer += rows.Get<std::string_view>(0);
    return rows.status().ok() ? answer : rows.status().ToString();
  }

  support::PostgresServer server{};
  support::PgBouncer pooler{server, 1};
};

TEST_F(PoolerTest, TheSameStatementOfTwoNodesDoesNotCollide) {
  Node one(ThroughPooler());
  Node two(ThroughPooler());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Ask(one, kWho, "one"), "one");
    EXPECT_EQ(Ask(two, kWho, "two"), "two");
  }
  EXPECT_EQ(server.Sessions().size(), 1u) << "else they did not share a session";
}

TEST_F(PoolerTest, NobodyIsGivenAnothersStatement) {
  static constexpr Sql kOnes{"SELECT 'ones ' || $1::text"};
  static constexpr Sql kTwos{"SELECT 'twos ' || $1::text"};
  Node one(ThroughPooler());
  Node two(ThroughPooler());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Ask(one, kOnes, "a"), "ones a");
    EXPECT_EQ(Ask(two, kTwos, "b"), "twos b");
  }
}

TEST_F(PoolerTest, ATransactionKeepsItsSessionAndLeavesNothing) {
  Node one(ThroughPooler());
  Node two(ThroughPooler());
  {
    absl::StatusOr<Lease> lease = one.pool().Acquire(kWrite, one.pool().In(5s));
    ASSERT_TRUE(lease.ok()) << lease.status();
    absl::StatusOr<Transaction> transaction = lease->Begin();
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    EXPECT_TRUE(lease->Run(Sql("SET LOCAL work_mem = '1MB'")).ok());
  }
  EXPECT_EQ(Ask(two, Sql("SELECT current_setting($1)"), "work_mem"), "4MB");
}

TEST_F(PoolerTest, AServerThatRestartsBehindThePoolerIsNoMoreThanARetry) {
  Node node(ThroughPooler());
  EXPECT_EQ(Ask(node, kWho, "node"), "node");
  server.Restart();
  EXPECT_LT(node.Recover(), Remote::kBackoffMax + kGrace);
  EXPECT_EQ(Ask(node, kWho, "node"), "node");
}

}  // namespace
}  // namespace roost::faults
