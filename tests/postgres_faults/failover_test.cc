// Two hosts in the connection string, streaming replication between them: the node finds the one
// that takes writes, and finds it again when that is the other.

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

// The old primary comes back as a standby at the same address, and is asked to write: 25006.
TEST_F(FailoverTest, AServerThatLostItsRoleIsLeft) {
  Node node(Uri(*standby, primary));
  ASSERT_LT(Write(node), kGrace);
  ASSERT_TRUE(standby->HasCaughtUpWith(primary));
  standby->Promote();
  primary.Sql("ALTER SYSTEM SET default_transaction_read_only = on");
  primary.Sql("SELECT pg_reload_conf()");
  primary.Sql(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
  EXPECT_LT(Write(node), 2 * Remote::kBackoffMax + kGrace);
  EXPECT_EQ(standby->Sql("SELECT count(*) FROM t"), "2");
}

}  // namespace
}  // namespace roost::faults
