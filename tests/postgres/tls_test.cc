// Encryption by default to a host that is not local, with a certificate authority of our own.
#include <atomic>
#include <span>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/postgres/opening.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres_server.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;
using support::Certificates;
using support::PostgresServer;
using ::testing::HasSubstr;

constexpr char kHost[] = "db.example.test";

// A remote host by its name, which is this machine in truth.
class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = new Certificates;
    server_ = new PostgresServer(
        {.settings = certificates_->Issue(kHost).Settings(), .hba = "hostssl all all all trust\n"});
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

// A machine that has just started, without a clock of its own; else the real one.
class UnsetClock : public Platform {
 public:
  int64_t UnixMicros() override { return 3'600'000'000; }
  TimePoint Now() override { return real_.Now(); }
  TimePoint CoarseNow() override { return real_.CoarseNow(); }
  bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) override {
    return real_.Wait(word, value, deadline);
  }
  void Wake(const std::atomic<uint32_t>* word) override { real_.Wake(word); }
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override {
    real_.WaitForDescriptors(waits, deadline);
  }
  int OpenEvent() override { return real_.OpenEvent(); }
  void SignalEvent(int event) override { real_.SignalEvent(event); }
  void ClearEvent(int event) override { real_.ClearEvent(event); }
  void CloseEvent(int event) override { real_.CloseEvent(event); }
  uint32_t Random() override { return real_.Random(); }
  const std::atomic<uint32_t>& Forks() override { return real_.Forks(); }

 private:
  Platform& real_ = NativePlatform();
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
