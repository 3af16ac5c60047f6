// tests/postgres/server_test.h - a real server for the cases of a suite.
#ifndef ROOST_TESTS_POSTGRES_SERVER_TEST_H_
#define ROOST_TESTS_POSTGRES_SERVER_TEST_H_

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/postgres/opening.h"
#include "tests/support/postgres_server.h"

namespace roost::postgres {

using absl::StatusCode;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::PostgresServer;
using ::testing::HasSubstr;
using ::testing::Not;

// No step waited, and the end came at the deadline.
inline void ExpectInTime(const Opening& opening) {
  EXPECT_GE(opening.late(), 0ms);
  EXPECT_LT(opening.late(), 5s);
  EXPECT_LT(opening.longest_step(), 5s);
}

class ServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer({
        .hba = "host all secretive all scram-sha-256\n"
               "host all banned all reject\n"
               "host all all all trust\n",
        .script = "CREATE ROLE secretive LOGIN PASSWORD 'open sesame';"
                  "CREATE ROLE banned LOGIN; CREATE ROLE lonely LOGIN CONNECTION LIMIT 1",
    });
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  static PostgresServer& server() { return *server_; }
  static std::string PortOfServer() { return std::to_string(server_->port()); }

 private:
  static inline PostgresServer* server_ = nullptr;
};

}  // namespace roost::postgres

#endif  // ROOST_TESTS_POSTGRES_SERVER_TEST_H_
