// Two hosts in the connection string, streaming replication between them: the node finds the one
// that takes writes, and finds it again when that is the other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/postgres_faults/node.h"
#include "tests/support/postgres_server.h"

namespace roost::faults {
namespace {

constexpr Sql kInsert{"INSERT INTO t VALUES (1)"};

class FailoverTest : public ::testing::Test {
 protected:
  FailoverTest() : standby(support::PostgresServer::StandbyOf(primary)) {}

  static std::string Place(const support::PostgresServer& server) {
    return server.address() + ":" + std::to_string(server.port());
  }
  static std::string Uri(const support::PostgresServer& first,
                         const support::PostgresServer& second,
                         std::string_view role = "read-write") {
    return "postgresql://node@" + Place(first) + "," + Place(second) +
           "/postgres?target_session_attrs=" + std::string(role);
  }
  // Until a row is written. How long that took; Duration::max(): never.
  static Duration Write(Node& node) {
    const TimePoint start = NativePlatform().Now();
    while (Since(start) < 20s) {
      if (node.Ask(500ms, kInsert).status.ok()) return Since(start);
      NativePlatform().WaitForDescriptors({}, node.pool().In(5ms));
    }
    return Duration::max();
  }

  support::PostgresServer primary{{.script = "CREATE TABLE t(x int); GRANT ALL ON t TO node"}};
  std::unique_ptr<support::PostgresServer> standby;
};

TEST_F(FailoverTest, AStandbyThatComesFirstIsPassedOver) {
  Node node(Uri(*standby, primary));
  EXPECT_LT(Write(node), kGrace);
  EXPECT_EQ(primary.Sessions().size(), 1u);
  EXPECT_TRUE(standby->WaitForSessions(0));
}

// No role is asked for, and the address leads to a standby: the refused write closes the connection, and
// the next one is opened to the other host.
TEST_F(FailoverTest, AStandbyThatRefusedAWriteIsLeft) {
  Node node(Uri(*standby, primary, "any"));
  const Answer refused = node.Ask(1s, kInsert);
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kUnavailable) << refused.status;
  EXPECT_EQ(PostgresSqlState(refused.status), "25006") << refused.status;
  EXPECT_LT(Write(node), Remote::kBackoffMax + kGrace);
  EXPECT_EQ(primary.Sql("SELECT count(*) FROM t"), "1");
}

TEST_F(FailoverTest, ThePromotedStandbyIsFound) {
  Node node(Uri(primary, *standby));
  ASSERT_LT(Write(node), kGrace);
  ASSERT_TRUE(standby->HasCaughtUpWith(primary));
  primary.Kill();
  const Answer refused = node.Ask(500ms, kInsert);
  EXPECT_FALSE(refused.status.ok()) << "the other one does not take writes yet";
  EXPECT_LT(refused.after, 500ms + kGrace);
  standby->Promote();
  EXPECT_LT(Write(node), Remote::kBackoffMax + kGrace);
  EXPECT_EQ(standby->Sql("SELECT count(*) FROM t"), "2");
}

// Switched over by hand: the old primary lives on and only reads, in the sessions it has, too.
TEST_F(FailoverTest, AServerThatTakesWritesNoLongerIsLeft) {
  Node node(Uri(primary, *standby));
  ASSERT_LT(Write(node), kGrace);
  ASSERT_TRUE(standby->HasCaughtUpWith(primary));
  standby->Promote();
  primary.Sql("ALTER SYSTEM SET default_transaction_read_only = on");
  primary.Sql("SELECT pg_reload_conf()");
  Answer answer;
  ASSERT_TRUE(support::WaitUntil([&] {
    answer = node.Ask(1s, kInsert);  // until the session has read its settings anew
    return !answer.status.ok();
  }));
  // The server tells of the change behind the error, with the end of the exchange.
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kUnavailable) << answer.status;
  EXPECT_EQ(PostgresSqlState(answer.status), "25006") << answer.status;
  EXPECT_LT(Write(node), 2 * Remote::kBackoffMax + kGrace);
  EXPECT_EQ(standby->Sql("SELECT count(*) FROM t"), "2");
}

}  // namespace
}  // namespace roost::faults
