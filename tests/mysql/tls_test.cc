// Encryption by default to a host that is not this machine, with a certificate authority of our own.
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "backends/mysql/link.h"
#include "tests/mysql/hostile_server.h"
#include "tests/mysql/mysql_test_support.h"
#include "tests/mysql/painted_stack.h"
#include "tests/support/certificates.h"

namespace roost::mysql {
namespace {

using support::Certificates;

constexpr char kHost[] = "db.example.test";

std::vector<std::string> OptionsOf(const Certificates& authority,
                                   const Certificates::Issued& issued) {
  return {"--ssl-ca=" + authority.root(), "--ssl-cert=" + issued.certificate,
          "--ssl-key=" + issued.key};
}

// A remote host by its name, which is this machine in truth.
class MysqlTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = new Certificates;
    server_ =
        new MariadbServer({.settings = OptionsOf(*certificates_, certificates_->Issue(kHost))});
  }
  static void TearDownTestSuite() {
    delete server_;
    delete certificates_;
  }
  static std::unique_ptr<Backend> To(const std::string& host, const std::string& parameters,
                                     int port = server_->port()) {
    return std::make_unique<LookedUpBackend>(
        MysqlOptions{.uri = "mysql://node:open%20sesame@" + host + ":" + std::to_string(port) +
                            "/farm?" + parameters},
        [](const std::string&) { return backends::Addresses{.list = {"127.0.0.1"}}; });
  }
  static std::string Root() { return "ssl-ca=" + certificates_->root(); }

  static Certificates* certificates_;
  static MariadbServer* server_;
};
Certificates* MysqlTlsTest::certificates_ = nullptr;
MariadbServer* MysqlTlsTest::server_ = nullptr;

TEST_F(MysqlTlsTest, AGoodCertificateIsCheckedByDefault) {
  Session session(To(kHost, Root()));
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_NE(session.Ask("SHOW STATUS LIKE 'Ssl_cipher'"), "");
  const ServerFacts facts =
      static_cast<MysqlConnection&>(*session).wire().backend().server_notes().facts();
  EXPECT_EQ(std::string_view(facts.tls.data()), "TLSv1.3");
  EXPECT_EQ(
      session.Count("SELECT variable_value <> '' FROM information_schema.session_status WHERE "
                    "variable_name = 'Ssl_cipher'"),
      1);
}

TEST_F(MysqlTlsTest, AnotherHostsCertificateIsRefused) {
  Session session(To("other.example.test", Root()));
  EXPECT_EQ(session.status().code(), StatusCode::kFailedPrecondition) << session.status();
  EXPECT_THAT(session.message(), HasSubstr("ssl-ca=FILE"));
  Session lenient(To("other.example.test", Root() + "&sslmode=verify-ca"));
  EXPECT_TRUE(lenient.ok()) << lenient.status();
}

TEST_F(MysqlTlsTest, AnotherAuthoritysCertificateIsRefused) {
  const Certificates others;
  for (const char* const mode : {"", "&sslmode=verify-ca", "&sslmode=verify-full"}) {
    Session session(To(kHost, "ssl-ca=" + others.root() + mode));
    EXPECT_EQ(session.status().code(), StatusCode::kFailedPrecondition) << mode << session.status();
  }
  Session any(To(kHost, "sslmode=require"));
  EXPECT_TRUE(any.ok()) << any.status();
}

TEST_F(MysqlTlsTest, AServerWithoutEncryptionIsTold) {
  const int plain = Server().port();
  for (const char* const mode : {"", "&sslmode=require"}) {
    Session session(To(kHost, Root() + mode, plain));
    EXPECT_EQ(session.status().code(), StatusCode::kFailedPrecondition) << mode << session.status();
  }
  Session allowed(To(kHost, "sslmode=disable", plain));
  EXPECT_TRUE(allowed.ok()) << allowed.status();
}

// Goes between a client and the server, and puts `forged` behind the greeting, in one piece with it.
void PassOn(HostileServer::Client& client, int port, const std::string& forged) {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::array<char, 16384> room;
  ssize_t got = 0;
  if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    got = recv(server, room.data(), room.size(), 0);
  }
  if (got > 0) client.Send(std::string(room.data(), static_cast<size_t>(got)) + forged);
  const int from[] = {client.fd(), server};
  while (got > 0) {
    std::array<pollfd, 2> waits{pollfd{from[0], POLLIN, 0}, pollfd{from[1], POLLIN, 0}};
    poll(waits.data(), waits.size(), -1);
    const int side = waits[0].revents != 0 ? 0 : 1;
    got = recv(from[side], room.data(), room.size(), 0);
    if (got > 0) got = send(from[1 - side], room.data(), static_cast<size_t>(got), MSG_NOSIGNAL);
  }
  close(server);
}

// Somebody in the middle has no key. What he says before TLS must not be heard inside of it: these are
// the answers to a wrong password and to the set-up.
TEST_F(MysqlTlsTest, WhatIsSaidBeforeTlsIsNoAnswer) {
  const auto open = [](const std::string& forged) {
    HostileServer between(
        [&](HostileServer::Client& client) { PassOn(client, server_->port(), forged); });
    const std::string uri = between.Uri();
    const int port = std::stoi(uri.substr(uri.rfind(':') + 1));
    return Session(
               std::make_unique<LookedUpBackend>(
                   MysqlOptions{.uri = "mysql://node:wrong@" + std::string(kHost) + ":" +
                                       std::to_string(port) + "/farm?" + Root()},
                   [](const std::string&) { return backends::Addresses{.list = {"127.0.0.1"}}; }))
        .status();
  };
  EXPECT_EQ(open("").code(), StatusCode::kUnauthenticated);
  const absl::Status forged = open(Ok(3) + Ok(1));
  EXPECT_EQ(forged.code(), StatusCode::kUnavailable) << forged;
  EXPECT_THAT(std::string(forged.message()), HasSubstr("behind the greeting"));
}

// The library would wait for the rest of a handshake inside of our step.
TEST_F(MysqlTlsTest, ASilentServerCostsTheDeadlineAndNoMore) {
  for (int cut_after = 0; cut_after < 2; ++cut_after) {
    support::TcpProxy proxy(server_->port());
    proxy.Delay(20ms);
    const std::unique_ptr<Backend> backend = To(kHost, Root(), proxy.port());
    std::vector<std::max_align_t> memory(backend->ConnectionBytes(2) / sizeof(std::max_align_t) +
                                         1);
    absl::StatusOr<Connection*> opened = backend->Open(
        {.memory = {reinterpret_cast<std::byte*>(memory.data()), backend->ConnectionBytes(2), 2},
         .platform = &NativePlatform(),
         .deadline = In(500ms)});
    ASSERT_TRUE(opened.ok()) << opened.status();
    absl::StatusOr<Step> step = Step{};
    while (step.ok() && !step->done) {
      step = ConnectionAccess::Advance(**opened, NativePlatform().Now());
      if (proxy.counts().round_trips > cut_after) proxy.Cut();
      if (step.ok() && !step->done) NativePlatform().WaitForDescriptors({&step->wait, 1}, step->at);
    }
    EXPECT_EQ(step.status().code(), StatusCode::kDeadlineExceeded) << cut_after << step.status();
    ConnectionAccess::CloseAndDestroy(*opened);
  }
}

// And in a session: reads and writes of an encrypted link end by the deadline.
TEST_F(MysqlTlsTest, AStatementEndsAtItsDeadline) {
  Session session(To(kHost, Root()));
  ASSERT_TRUE(session.ok()) << session.status();
  session->set_deadline(In(50ms));
  EXPECT_EQ(session->Run(Sql("SELECT SLEEP(600)")).code(), StatusCode::kDeadlineExceeded);
}

TEST_F(MysqlTlsTest, HalfOfTheStackIsEnough) {
  Session session(To(kHost, Root()));
  ASSERT_TRUE(session.ok()) << session.status();
  unsigned char* const stack = LatestStack();
  ASSERT_NE(stack, nullptr);
  ASSERT_OK(session->RunScript("DROP TABLE IF EXISTS t; CREATE TABLE t(a int, b longtext)"));
  const std::string text(100'000, 'x');
  ASSERT_OK(session->Run(Sql("INSERT INTO t VALUES ($1, $2)"), 1, text));
  EXPECT_EQ(session.Ask("SELECT b FROM t"), text);
  const size_t used = UsedBytesOf(stack);
  RecordProperty("bytes_used", static_cast<int>(used));
  EXPECT_GT(used, 1000u) << "it is not the stack";
  EXPECT_LE(used, Link::kStackBytes / 2);
}

// A call that would need more than the whole stack ends in the pages below it, in this program.
TEST_F(MysqlTlsTest, BelowTheStackIsAGuard) {
  Session session(To(kHost, Root()));
  ASSERT_TRUE(session.ok()) << session.status();
  unsigned char* const stack = LatestStack();
  ASSERT_NE(stack, nullptr);
  EXPECT_TRUE(IsGuarded(stack));
  EXPECT_FALSE(IsGuarded(stack + 1)) << "the stack itself is read";
  EXPECT_EXIT(stack[-1] = 0, ::testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace roost::mysql
