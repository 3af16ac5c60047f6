// Certificates and PgBouncer, by libpq alone.

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <cstring>
#include <memory>
#include <string>

#include "tests/support/certificates.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

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

}  // namespace
}  // namespace roost::support
