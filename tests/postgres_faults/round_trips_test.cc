// How many times a node waits for the way to the server and back, counted by a proxy on that way.
// Over a mobile link a round trip is 80 ms; here it is 10 ms, which makes the counts exact.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/postgres_faults/node.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

namespace roost::faults {
namespace {

constexpr Sql kInsert{"INSERT INTO t VALUES ($1)"};

class RoundTripsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = std::make_unique<support::Certificates>();
    server_ = std::make_unique<support::PostgresServer>(support::PostgresServer::Options{
        .settings = certificates_->Issue("localhost").Settings(),
        .hba = "host all secret all scram-sha-256\nhost all all all trust\n",
        .script = "CREATE ROLE secret LOGIN PASSWORD 'right'; CREATE TABLE t(x int); "
                  "GRANT ALL ON t TO node"});
  }
  static void TearDownTestSuite() {
    server_.reset();
    certificates_.reset();
  }

  RoundTripsTest() { proxy.Delay(kWay); }

  std::string Uri(std::string_view parameters = "sslmode=disable", std::string_view user = "node") {
    return server_->UriThrough(proxy.port(), parameters, user);
  }
  // Round trips since the last call of this.
  int Count() {
    const int now = proxy.counts().round_trips;
    return now - std::exchange(counted_, now);
  }
  template <class Profile>
  Lease Borrow(NodeFor<Profile>& node) {
    absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(10s));
    EXPECT_TRUE(lease.ok()) << lease.status();
    return lease.ok() ? *std::move(lease) : Lease();
  }

  // Until a node's first connection is lent. Its farewell is not counted.
  int Connecting(const std::string& uri) {
    // The farewell of the node before has passed.
    EXPECT_TRUE(support::WaitUntil([&] { return proxy.counts().open == 0; }));
    Count();
    Node node(uri);
    Borrow(node).Return();
    return Count();
  }

  static constexpr std::chrono::milliseconds kWay{5};
  static std::unique_ptr<support::Certificates> certificates_;
  static std::unique_ptr<support::PostgresServer> server_;
  support::TcpProxy proxy{server_->port()};

 private:
  int counted_ = 0;
};
std::unique_ptr<support::Certificates> RoundTripsTest::certificates_;
std::unique_ptr<support::PostgresServer> RoundTripsTest::server_;

TEST_F(RoundTripsTest, ConnectingWithoutAPasswordTakesOne) { EXPECT_EQ(Connecting(Uri()), 1); }

TEST_F(RoundTripsTest, ConnectingWithAScramPasswordTakesThree) {
  EXPECT_EQ(Connecting(Uri("sslmode=disable&password=right", "secret")), 3);
}

// May we?, hello, hello with the server's curve, and the rest together with the start-up.
TEST_F(RoundTripsTest, TlsTakesThreeMore) {
  EXPECT_EQ(Connecting(Uri("sslmode=require")), 1 + 3);
  EXPECT_EQ(Connecting(Uri("sslmode=require&password=right", "secret")), 3 + 3);
}

TEST_F(RoundTripsTest, AHealthyRestedConnectionIsLentAndTakenBackForNothing) {
  Node node(Uri());
  Borrow(node).Return();
  Count();
  for (int i = 0; i < 10; ++i) Borrow(node).Return();
  EXPECT_EQ(Count(), 0);
  EXPECT_EQ(node.pool().stats().opens, 1u);
}

TEST_F(RoundTripsTest, ThePrePingTakesOne) {
  NodeFor<RemotePinged> node(Uri());
  Borrow(node).Return();
  Count();
  Borrow(node).Return();
  EXPECT_EQ(Count(), 1);
  EXPECT_EQ(node.pool().stats().pings, 1u);
}

TEST_F(RoundTripsTest, AQueryTakesOneTheFirstTimeToo) {
  Node node(Uri());
  Lease lease = Borrow(node);
  Count();
  EXPECT_TRUE(lease.Run(kQuestion).ok());
  EXPECT_EQ(Count(), 1) << "prepared and run in one exchange";
  EXPECT_TRUE(lease.Run(kQuestion).ok());
  EXPECT_EQ(Count(), 1);
  lease.Return();
  EXPECT_EQ(Count(), 0) << "it is returned clean";
  lease = Borrow(node);
  EXPECT_TRUE(lease.Run(kQuestion).ok());
  EXPECT_EQ(Count(), 1) << "still prepared";
}

TEST_F(RoundTripsTest, AHundredRowsTakeOneAndOneMoreTheFirstTime) {
  server_->Sql("TRUNCATE t");
  Node node(Uri());
  Lease lease = Borrow(node);
  std::vector<int> rows(100, 7);
  Count();
  EXPECT_TRUE(lease.RunAll(kInsert, rows).ok());
  EXPECT_EQ(Count(), 2) << "described first";
  EXPECT_TRUE(lease.RunAll(kInsert, rows).ok());
  EXPECT_EQ(Count(), 1) << "begin and commit included";
  lease.Return();
  EXPECT_EQ(Count(), 0) << "it is returned clean";
  lease = Borrow(node);
  {
    absl::StatusOr<Transaction> transaction = lease.Begin();
    EXPECT_TRUE(lease.RunAll(kInsert, rows).ok());
    EXPECT_EQ(Count(), 1);
    EXPECT_TRUE(transaction->Commit().ok());
    EXPECT_EQ(Count(), 1);
  }
  EXPECT_TRUE(lease.RunAll(kInsert, std::vector<int>()).ok());
  EXPECT_EQ(Count(), 0) << "no rows";
  EXPECT_EQ(server_->Sql("SELECT count(*) FROM t"), "300");
  server_->Sql("TRUNCATE t");
}

TEST_F(RoundTripsTest, MoreRowsThanFitTakeAsManyAsTheyHaveParts) {
  Node node(Uri());
  Lease lease = Borrow(node);
  const absl::StatusOr<Statement*> insert = lease.Prepare(kInsert);
  ASSERT_TRUE(insert.ok()) << insert.status();
  const std::vector<int> rows(1001, 7);
  Count();
  EXPECT_TRUE((*insert)->RunAll(rows).ok());
  EXPECT_EQ(Count(), 3) << "500 at a time";
  EXPECT_TRUE((*insert)->RunAll<1001>(rows).ok());
  EXPECT_EQ(Count(), 1);
  EXPECT_TRUE(((*insert)->RunAll<1001, 16 * 101>(rows).ok()));
  EXPECT_EQ(Count(), 10) << "a number counts 16 bytes";
  const absl::StatusOr<Statement*> ask = lease.Prepare(Sql("SELECT length($1)"));
  std::vector<std::string> words(10, std::string(100, 'w'));
  words[4] = std::string(5000, 'w');
  Count();
  EXPECT_TRUE(((*ask)->RunAll<500, 1000>(words).ok()));
  EXPECT_EQ(Count(), 3) << "four, the long one alone, five";
  server_->Sql("TRUNCATE t");
}

TEST_F(RoundTripsTest, ARowThatIsRefusedTakesNoneMore) {
  Node node(Uri());
  Lease lease = Borrow(node);
  const absl::StatusOr<Statement*> ask = lease.Prepare(Sql("SELECT 1 / $1::int"));
  ASSERT_TRUE(ask.ok()) << ask.status();
  Count();
  EXPECT_FALSE((*ask)->RunAll(std::vector<int>{1, 0, 1}).ok());
  // Nobody waits for the ROLLBACK: it may be counted here or behind the next rows.
  const int first = Count();
  EXPECT_LE(first, 2);
  EXPECT_TRUE((*ask)->RunAll(std::vector<int>{1, 1}).ok());
  EXPECT_LE(first + Count(), 3) << "rows, ROLLBACK, rows";
}

TEST_F(RoundTripsTest, ADirtyReturnTakesOneThatNobodyWaitsFor) {
  Node node(Uri());
  Lease lease = Borrow(node);
  ASSERT_TRUE(lease.RunScript("BEGIN").ok());
  ASSERT_TRUE(lease.Run(Sql("INSERT INTO t VALUES (1)")).ok());
  Count();
  proxy.Delay(500ms);
  const TimePoint start = NativePlatform().Now();
  lease.Return();
  EXPECT_LT(Since(start), 500ms) << "half of a round trip";
  proxy.Delay(kWay);
  lease = Borrow(node);
  EXPECT_TRUE(lease.Run(kQuestion).ok());
  lease.Return();
  EXPECT_LE(Count(), 2) << "ROLLBACK and the query";
  EXPECT_EQ(server_->Sql("SELECT count(*) FROM t"), "0");
  EXPECT_EQ(node.pool().stats().opens, 1u) << "the connection was kept";
}

}  // namespace
}  // namespace roost::faults
