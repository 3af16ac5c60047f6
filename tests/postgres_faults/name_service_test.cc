// A name service that does not answer, in a network of this program's own. A look-up by the system's
// resolver cannot be interrupted; no caller may have to wait for it.

#include <gtest/gtest.h>

#include <string>

#include "tests/postgres_faults/node.h"
#include "tests/support/netns.h"
#include "tests/support/postgres_server.h"

namespace roost::faults {
namespace {

class NameServiceTest : public ::testing::Test {
 protected:
  std::string Uri() const {
    return "postgresql://node@db.test:" + std::to_string(server.port()) +
           "/postgres?sslmode=disable";
  }
  support::OtherHost host{};
  support::PostgresServer server{{.address = host.address(), .network = host.network()}};
  support::NameService names{host.address()};
};

TEST_F(NameServiceTest, SilenceEndsAtTheCallersDeadline) {
  host.DropNames();
  Node node(Uri());
  for (int i = 0; i < 3; ++i) {
    const Answer answer = node.Ask(300ms);
    EXPECT_FALSE(answer.status.ok());
    EXPECT_LT(answer.after, 300ms + kGrace);
  }
  names.SetHosts(host.address() + " db.test\n");
  EXPECT_LT(node.Recover(), 10s) << "a look-up under way takes until the resolver gives up";
}

TEST_F(NameServiceTest, SilenceDoesNotKeepANodeFromAServerItHasReachedBefore) {
  names.SetHosts(host.address() + " db.test\n");
  Node node(Uri());
  ASSERT_TRUE(node.Ask(5s).status.ok());
  names.SetHosts("");
  host.DropNames();
  node.pool().InvalidateAll();
  const Answer answer = node.Ask(3s);
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(node.pool().stats().opens, 2u);
}

}  // namespace
}  // namespace roost::faults

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  roost::support::EnterOwnNetwork();
  return RUN_ALL_TESTS();
}
