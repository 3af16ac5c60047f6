// Every way in which a server's sessions and processes come to harm, against a real one.

#include "tests/postgres_faults/faults_test_body.h"

namespace roost::faults {
namespace {

class ServerFaultsTest : public ::testing::TestWithParam<Fault> {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<support::PostgresServer>(ServerOptions());
  }
  static void TearDownTestSuite() { server_.reset(); }
  static std::unique_ptr<support::PostgresServer> server_;
};
std::unique_ptr<support::PostgresServer> ServerFaultsTest::server_;

TEST_P(ServerFaultsTest, EndsAsPromised) {
  ExpectAsPromised(GetParam(), Observe(GetParam(), *server_));
}
INSTANTIATE_TEST_SUITE_P(Faults, ServerFaultsTest, ::testing::ValuesIn(ServerFaults()), NameOf);

}  // namespace
}  // namespace roost::faults
