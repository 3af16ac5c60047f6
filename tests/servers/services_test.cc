// Certificates and PgBouncer, by libpq alone.

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include <cstring>
#include <memory>
#include <string>

#include "tests/support/certificates.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"

namespace roost::support {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

Connection Connect(const std::string& uri) { return {PQconnectdb(uri.c_str()), &PQfinish}; }

class CertificatesTest : public ::testing::Test {
 protected:
  // What libpq says about a server with this certificate; empty: it is content.
  std::string FaultScope(const Certificates::Issued& issued) {
    PostgresServer server({.settings = issued.Settings()});
    std::string uri = server.Uri("sslmode=verify-full&sslrootcert=" + authority.root());
    uri.replace(uri.find("127.0.0.1"), 9, "localhost");
    return PQerrorMessage(Connect(uri).get());
  }
  Certificates authority{};
};

TEST_F(CertificatesTest, AreTakenRefusedAndToldApart) {
  EXPECT_EQ(FaultScope(authority.Issue("localhost")), "");
  EXPECT_TRUE(strstr(FaultScope(authority.Issue("localhost", true)).c_str(), "verify failed"));
  EXPECT_TRUE(strstr(FaultScope(authority.Issue("other.test")).c_str(), "does not match"));
}

TEST(PgBouncerTest, GivesEachTransactionASession) {
  PostgresServer server;
  PgBouncer pooler(server, 1);
  const Connection one = Connect(server.UriThrough(pooler.port()));
  const Connection two = Connect(server.UriThrough(pooler.port()));
  for (PGconn* client : {one.get(), two.get()}) {
    PGresult* result = PQexec(client, "SELECT 1");
    EXPECT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << PQerrorMessage(client);
    PQclear(result);
  }
  EXPECT_EQ(server.Sessions().size(), 1u);
}

// By what is written then, the program's main function knows which tests to repeat.
TEST(PgBouncerTest, StartsAgainWhereItDiesAndEachDeathIsWritten) {
  PostgresServer server;
  PgBouncer pooler(server, 1);
  ASSERT_NE(Connect(server.UriThrough(pooler.port())), nullptr);
  const std::string deaths = ::getenv(kPoolerDeaths);
  const size_t before = ReadFile(deaths).size();
  pooler.Crash();
  EXPECT_TRUE(WaitUntil([&] { return ReadFile(deaths).size() == before + 1; }));
  EXPECT_EQ(PQstatus(Connect(server.UriThrough(pooler.port())).get()), CONNECTION_OK);
}

}  // namespace
}  // namespace roost::support
