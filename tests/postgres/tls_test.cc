// Encryption by default to a host that is not local, with a certificate authority of our own.
#include <string>

#include "tests/postgres/postgres_test_support.h"
#include "tests/support/certificates.h"

namespace roost::postgres {
namespace {

using support::Certificates;

constexpr char kHost[] = "db.example.test";

// A remote host by its name, which is this machine in truth.
class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = new Certificates;
    server_ = new PostgresServer(
        {.settings = certificates_->Issue(kHost).Settings(),
         .hba = "hostssl all costly all scram-sha-256\nhostssl all all all trust\n",
         .script = "CREATE ROLE costly LOGIN PASSWORD '" + CostlyPassword() + "'"});
  }
  static void TearDownTestSuite() {
    delete server_;
    delete certificates_;
  }
  static std::string Root() { return "sslrootcert=" + certificates_->root(); }
  static Remote To(const PostgresServer& server, const std::string& parameters) {
    return Remote({.uri = "postgresql://node@" + std::string(kHost) + ":" +
                          std::to_string(server.port()) + "/postgres?" + parameters},
                  [](const std::string&) { return Addresses{.list = {"127.0.0.1"}}; });
  }
  static Remote ToServer(const std::string& parameters) { return To(*server_, parameters); }

  static Certificates* certificates_;
  static PostgresServer* server_;
};
Certificates* TlsTest::certificates_ = nullptr;
PostgresServer* TlsTest::server_ = nullptr;

void ExpectRefusedWithAdvice(const Opening& opening) {
  EXPECT_EQ(opening.status().code(), StatusCode::kFailedPrecondition) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr(kHost));
  EXPECT_THAT(opening.message(), HasSubstr("give sslrootcert=FILE"));
  EXPECT_THAT(opening.message(), HasSubstr("sslmode=require"));
}

TEST_F(TlsTest, AGoodCertificateIsCheckedWithoutAWordInTheUri) {
  Remote remote = ToServer(Root());
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(remote->pq().PQsslInUse(opening.handle()), 1);
  EXPECT_EQ(opening.Ask("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t");
}

TEST_F(TlsTest, ManyIterationsOfScramAreSeenThroughTheEncryption) {
  Remote remote = ToServer(Root() + "&user=costly&password=hunter2");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kFailedPrecondition) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("10000 iterations"));
}

TEST_F(TlsTest, ARowOfManyRecordsComesThroughTheEncryption) {
  Remote remote = ToServer(Root());
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SELECT repeat('x', 500000)"), std::string(500'000, 'x'));
}

TEST_F(TlsTest, AnAuthorityThatIsNotKnownIsRefused) {
  Remote remote = ToServer("");
  Opening opening(*remote);
  ExpectRefusedWithAdvice(opening);
}

TEST_F(TlsTest, AFileOfCertificatesThatIsMissingIsNamed) {
  Remote remote = ToServer("sslrootcert=/nowhere/root.crt");
  Opening opening(*remote);
  ExpectRefusedWithAdvice(opening);
  EXPECT_THAT(opening.message(), HasSubstr("/nowhere/root.crt"));
}

TEST_F(TlsTest, AnExpiredCertificateIsRefused) {
  PostgresServer expired({.settings = certificates_->Issue(kHost, true).Settings(),
                          .hba = "hostssl all all all trust\n"});
  Remote remote = To(expired, Root());
  Opening opening(*remote);
  ExpectRefusedWithAdvice(opening);
}

TEST_F(TlsTest, ACertificateOfAnotherHostIsRefused) {
  PostgresServer other({.settings = certificates_->Issue("other.example.test").Settings(),
                        .hba = "hostssl all all all trust\n"});
  Remote remote = To(other, Root());
  Opening opening(*remote);
  ExpectRefusedWithAdvice(opening);
  EXPECT_THAT(opening.message(), HasSubstr("other.example.test"));
}

TEST_F(TlsTest, AServerWithoutEncryptionIsRefusedUnlessTheUserKnows) {
  PostgresServer plain;
  Remote remote = To(plain, "");
  Opening opening(*remote);
  ExpectRefusedWithAdvice(opening);
  Remote knowingly = To(plain, "sslmode=disable");
  Opening open(*knowingly);
  EXPECT_TRUE(open.ok()) << open.status();
}

TEST_F(TlsTest, UncheckedEncryptionIsTheUsersChoice) {
  Remote remote = ToServer("sslmode=require");
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(remote->pq().PQsslInUse(opening.handle()), 1);
}

TEST_F(TlsTest, AServerThatWantsEncryptionSaysSo) {
  Remote remote = ToServer("sslmode=disable");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kPermissionDenied) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "28000");
}

// A machine that has just started, without a clock of its own.
class UnsetClock : public fakes::ForwardingPlatform {
 public:
  int64_t UnixMicros() override { return 3'600'000'000; }
};

TEST_F(TlsTest, BeforeTheClockIsSetARefusalIsForNow) {
  UnsetClock platform;
  Remote remote = ToServer("");
  Opening opening(*remote, Opening::kGenerous, {}, platform);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("clock is not set"));
}

}  // namespace
}  // namespace roost::postgres
