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

TEST(FaultTableTest, NamesEveryFault) {
  const std::string readme = support::ReadFile(ROOST_TESTS_README);
  std::vector<Fault> faults = ServerFaults();
  for (Fault& fault : LinkFaults()) faults.push_back(std::move(fault));
  for (const Fault& fault : faults) {
    EXPECT_NE(readme.find("\n| " + fault.title + " |"), std::string::npos)
        << fault.title << ": run fault_table, and put what it prints into tests/README.md";
  }
}

}  // namespace
}  // namespace roost::faults
