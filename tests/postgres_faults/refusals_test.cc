// A server that does not let the node in: each refusal with its status, no hammering, no secret in a
// message, and the next caller after it was put right is answered.

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <vector>

#include "tests/postgres_faults/node.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"

namespace roost::faults {
namespace {

using absl::StatusCode;

// Sessions of others.
class Crowd {
 public:
  Crowd(const std::string& uri, int count) {
    for (int i = 0; i < count; ++i) {
      guests_.push_back(PQconnectdb(uri.c_str()));
      EXPECT_EQ(PQstatus(guests_.back()), CONNECTION_OK) << PQerrorMessage(guests_.back());
    }
  }
  ~Crowd() {
    for (PGconn* guest : guests_) PQfinish(guest);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

 private:
  std::vector<PGconn*> guests_{};
};

class RefusalsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<support::PostgresServer>(support::PostgresServer::Options{
        .settings = {"max_connections = 8", "superuser_reserved_connections = 3"},
        .hba = "host all secret all scram-sha-256\nhost all all all trust\n",
        .script = "CREATE ROLE secret LOGIN PASSWORD '" + std::string(kPassword) + "'"});
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    server_->LetGo();
    descriptors_ = Descriptors();
  }
  void TearDown() override {
    EXPECT_TRUE(server_->WaitForSessions(0));
    server_->LetGo();
    EXPECT_EQ(Descriptors(), descriptors_);
  }

  // Callers come for half a second; all are refused with `code` in time.
  void ExpectRefusals(Node& node, StatusCode code, std::string_view sqlstate) {
    const TimePoint start = NativePlatform().Now();
    absl::Status first;
    while (Since(start) < 500ms) {
      const Answer answer = node.Ask(1s);
      EXPECT_EQ(answer.status.code(), code) << answer.status;
      EXPECT_LT(answer.after, 1s + kGrace);
      if (first.ok()) first = answer.status;
      if (answer.status.code() != code) break;
      NativePlatform().WaitForDescriptors({}, node.pool().In(5ms));
    }
    EXPECT_EQ(PostgresSqlState(first), sqlstate) << first;
    for (const char* secret : {kPassword, kOther}) {
      EXPECT_EQ(first.message().find(secret), std::string::npos) << first;
    }
    EXPECT_LE(node.pool().stats().open_failures, 10u) << "callers came a hundred times";
  }
  void ExpectRecovery(Node& node) {
    EXPECT_LT(node.Recover(), Remote::kBackoffMax + kGrace) << "within one step of the back-off";
  }

  static constexpr const char* kPassword = "horse7staple";
  static constexpr const char* kOther = "battery9correct";
  static std::unique_ptr<support::PostgresServer> server_;

 private:
  int descriptors_ = 0;
};
std::unique_ptr<support::PostgresServer> RefusalsTest::server_;

TEST_F(RefusalsTest, AWrongPassword) {
  Node node(server_->Uri("password=" + std::string(kOther), "secret"));
  ExpectRefusals(node, StatusCode::kUnauthenticated, "28P01");
  server_->Sql("ALTER ROLE secret PASSWORD '" + std::string(kOther) + "'");
  ExpectRecovery(node);
}

TEST_F(RefusalsTest, AMissingDatabase) {
  std::string uri = server_->Uri();
  uri.replace(uri.rfind("postgres"), 8, "barn");
  Node node(uri);
  ExpectRefusals(node, StatusCode::kNotFound, "3D000");
  server_->Sql("CREATE DATABASE barn STRATEGY file_copy");
  ExpectRecovery(node);
}

TEST_F(RefusalsTest, NoSessionLeft) {
  auto crowd = std::make_unique<Crowd>(server_->Uri(), 5);
  Node node(server_->Uri());
  ExpectRefusals(node, StatusCode::kResourceExhausted, "53300");
  crowd.reset();
  ExpectRecovery(node);
}

TEST_F(RefusalsTest, OneSessionLeftServesThePool) {
  const Crowd crowd(server_->Uri(), 4);
  Node node(server_->Uri());
  absl::StatusOr<Lease> held = node.pool().Acquire(kWrite, node.pool().In(5s));
  ASSERT_TRUE(held.ok()) << held.status();
  held->ReleaseThread();
  const Answer second = node.Ask(300ms);
  EXPECT_FALSE(second.status.ok());
  EXPECT_LT(second.after, 300ms + kGrace);
  EXPECT_TRUE(held->Run(kQuestion).ok()) << "the session that the pool has is none the worse";
  held->Return();
  EXPECT_TRUE(node.Ask(2s).status.ok());
}

TEST(StartingServerTest, IsWaitedFor) {
  support::PostgresServer server;
  server.StartAsRecovering();
  Node node(server.Uri());
  const Answer refused = node.Ask(500ms);
  EXPECT_EQ(refused.status.code(), StatusCode::kUnavailable) << refused.status;
  EXPECT_EQ(PostgresSqlState(refused.status), "57P03") << refused.status;
  server.Promote();
  EXPECT_LT(node.Recover(), Remote::kBackoffMax + kGrace);
}

class CertificateTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { authority_ = std::make_unique<support::Certificates>(); }
  static void TearDownTestSuite() { authority_.reset(); }

  // The answer of a server that calls itself localhost.
  static Answer Ask(const support::Certificates::Issued& issued, std::string_view parameters) {
    support::PostgresServer server({.settings = issued.Settings()});
    std::string uri = server.Uri(parameters);
    uri.replace(uri.find("127.0.0.1"), 9, "localhost");
    Node node(uri);
    return node.Ask(3s);
  }
  static std::string Verified() { return "sslmode=verify-full&sslrootcert=" + authority_->root(); }
  static std::unique_ptr<support::Certificates> authority_;
};
std::unique_ptr<support::Certificates> CertificateTest::authority_;

TEST_F(CertificateTest, OfOurAuthorityIsTaken) {
  const Answer answer = Ask(authority_->Issue("localhost"), Verified());
  EXPECT_TRUE(answer.status.ok()) << answer.status;
}

TEST_F(CertificateTest, ThatHasExpiredIsRefused) {
  const Answer answer = Ask(authority_->Issue("localhost", true), Verified());
  EXPECT_EQ(answer.status.code(), StatusCode::kFailedPrecondition) << answer.status;
}

TEST_F(CertificateTest, OfAnotherHostIsRefused) {
  const Answer answer = Ask(authority_->Issue("other.test"), Verified());
  EXPECT_EQ(answer.status.code(), StatusCode::kFailedPrecondition) << answer.status;
}

TEST_F(CertificateTest, OfAnAuthorityThatWeDoNotKnowIsRefused) {
  support::Certificates stranger;
  const Answer answer = Ask(stranger.Issue("localhost"), Verified());
  EXPECT_EQ(answer.status.code(), StatusCode::kFailedPrecondition) << answer.status;
}

}  // namespace
}  // namespace roost::faults
