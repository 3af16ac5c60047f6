// Every way in which the link to a server breaks, in a network of this program's own.

#include "tests/postgres_faults/faults_test_body.h"

namespace roost::faults {
namespace {

class LinkFaultsTest : public ::testing::TestWithParam<Fault> {
 protected:
  struct Remote {
    support::OtherHost host{};
    support::PostgresServer server{ServerOptions(host)};
  };
  static void SetUpTestSuite() { remote_ = std::make_unique<Remote>(); }
  static void TearDownTestSuite() { remote_.reset(); }
  static std::unique_ptr<Remote> remote_;
};
std::unique_ptr<LinkFaultsTest::Remote> LinkFaultsTest::remote_;

TEST_P(LinkFaultsTest, EndsAsPromised) {
  ExpectAsPromised(GetParam(), Observe(GetParam(), remote_->server, &remote_->host));
}
INSTANTIATE_TEST_SUITE_P(Faults, LinkFaultsTest, ::testing::ValuesIn(LinkFaults()), NameOf);

TEST(ClearPasswordTest, IsNotSentWhereOthersCanRead) {
  support::OtherHost host;
  support::PostgresServer server(
      {.hba = "host all all all password\n", .address = host.address(), .network = host.network()});
  NodeFor<Remote> node(PostgresOptions{.uri = server.Uri("sslmode=prefer&password=hunter2")});
  const absl::Status status = node.Ask(kGrace).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("asks for the password itself"));
}

}  // namespace
}  // namespace roost::faults

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  roost::support::EnterOwnNetwork();
  return RUN_ALL_TESTS();
}
