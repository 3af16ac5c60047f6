// The network of a test's own breaks and heals as it says.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <netdb.h>

#include <cstring>
#include <memory>

#include "tests/support/netns.h"
#include "tests/support/postgres_server.h"

namespace roost::support {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() : connection(Connect()) {}
  Connection Connect() const {
    // libpq's whole seconds: 2 is its least.
    const std::string uri = server.Uri("sslmode=disable&connect_timeout=2&tcp_user_timeout=1000");
    return {PQconnectdb(uri.c_str()), &PQfinish};
  }
  bool Answers() {
    PGresult* result = PQexec(connection.get(), "SELECT 1");
    const bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    return ok;
  }

  OtherHost host{};
  PostgresServer server{{.address = host.address(), .network = host.network()}};
  Connection connection;
};

TEST_F(NetworkTest, ACutIsNoticedByTheTimersOfTcpAlone) {
  ASSERT_TRUE(Answers()) << PQerrorMessage(connection.get());
  host.Drop();
  EXPECT_FALSE(Answers());
  EXPECT_TRUE(strstr(PQerrorMessage(connection.get()), "timed out"))
      << PQerrorMessage(connection.get());
  host.Heal();
  connection = Connect();
  EXPECT_TRUE(Answers());
}

TEST_F(NetworkTest, AFirewallThatRejectsTearsTheConnection) {
  ASSERT_TRUE(Answers());
  host.Reject();
  EXPECT_FALSE(Answers());
  EXPECT_EQ(PQstatus(Connect().get()), CONNECTION_BAD);
  host.Heal();
  connection = Connect();
  EXPECT_TRUE(Answers());
}

TEST_F(NetworkTest, AnotherAddressOfOursIsNoHindranceToANewConnection) {
  ASSERT_TRUE(Answers());
  host.MoveTo("198.18.0.9");
  connection = Connect();
  EXPECT_TRUE(Answers()) << PQerrorMessage(connection.get());
}

TEST_F(NetworkTest, ALinkThatIsDownRefusesAtOnce) {
  host.LinkDown();
  const Connection refused = Connect();
  EXPECT_TRUE(strstr(PQerrorMessage(refused.get()), "unreachable"))
      << PQerrorMessage(refused.get());
  host.LinkUp();
  connection = Connect();
  EXPECT_TRUE(Answers()) << PQerrorMessage(connection.get());
}

TEST(NameServiceTest, AnswersFromItsHosts) {
  NameService names("127.0.0.1");
  names.SetHosts("198.18.0.2 db.test\n");
  addrinfo* found = nullptr;
  ASSERT_EQ(getaddrinfo("db.test", nullptr, nullptr, &found), 0);
  char text[INET_ADDRSTRLEN];
  const auto* address = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  EXPECT_STREQ(inet_ntop(AF_INET, &address->sin_addr, text, sizeof text), "198.18.0.2");
  freeaddrinfo(found);
  names.SetHosts("");
  EXPECT_NE(getaddrinfo("db.test", nullptr, nullptr, &found), 0);
}

}  // namespace
}  // namespace roost::support

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  roost::support::EnterOwnNetwork();
  return RUN_ALL_TESTS();
}
