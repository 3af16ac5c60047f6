// tests/tools/roostctl_server_test.cc - roostctl status --server against real servers, and against none.
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/pool.h"
#include "roost/postgres.h"
#include "roost/query.h"
#include "tests/support/postgres_server.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"
#include "tools/roostctl/server.h"
#ifdef ROOST_TEST_MYSQL
#include "roost/mysql.h"
#include "tests/support/mariadb_server.h"
#endif

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

struct ManyProfile : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "many";
  static constexpr int kPoolSize = 16;
  static constexpr int kMaxOverflow = 0;
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};

// A program with sessions of its own.
struct Sessions {
  Sessions(const std::string& uri, const char* name, int count)
      : backend({.uri = uri, .application_name = name}), pool(backend) {
    EXPECT_TRUE(pool.Fill(count, pool.In(60s)).ok());
  }
  PostgresBackend backend;
  PoolFor<ManyProfile> pool;
};

testing::Outcome Ask(const std::string& uri, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{ROOSTCTL, "status", "--server", uri};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return testing::RunProgram(arguments);
}

Json AskJson(const std::string& uri, std::vector<std::string> more = {}, int exit = 0) {
  more.push_back("--json");
  const testing::Outcome ran = Ask(uri, more);
  EXPECT_EQ(ran.exit, exit) << ran.output << ran.errors;
  Json json = Json::parse(ran.output, nullptr, false);
  EXPECT_TRUE(json.is_object()) << ran.output;
  if (json.is_object()) {
    EXPECT_EQ(json["exit_code"], exit);
  }
  return json;
}

TEST(RoostctlServerTest, CountsSessionsOfDatabaseUserAndNode) {
  support::PostgresServer server({.settings = {"max_connections = 20"}});
  const std::string uri = server.Uri("sslmode=disable");
  {
    Sessions node(uri, "roost-node@roof", 3);
    const Json json = AskJson(uri, {"roof"});
    EXPECT_EQ(json["state"], "healthy") << json;
    EXPECT_EQ(json["max_connections"], 20);
    EXPECT_EQ(json["reserved"], 3);
    EXPECT_EQ(json["of_node"], 3);
    EXPECT_EQ(json["of_user"], 3);
    EXPECT_EQ(json["programs"][0]["program"], "roost-node@roof") << json;
    EXPECT_EQ(json["programs"][0]["sessions"], 3) << json;
    EXPECT_EQ(AskJson(uri, {"cellar"})["of_node"], 0) << "of another node";
    const testing::Outcome text = Ask(uri, {"roof"});
    EXPECT_EQ(text.exit, 0);
    EXPECT_THAT(text.output, HasSubstr("/postgres: healthy"));
    EXPECT_THAT(text.output, HasSubstr("PostgreSQL 15"));
    EXPECT_THAT(text.output, HasSubstr("3, 15 %"));
    EXPECT_THAT(text.output, HasSubstr("4 to 6, 20 to 30 % of max_connections"));
    EXPECT_THAT(text.output, HasSubstr("max_connections 20, 3 reserved"));
  }
  EXPECT_TRUE(server.WaitForSessions(0)) << "no session is left behind";
}

TEST(RoostctlServerTest, AProgramWithTooLargeAShareIsNamed) {
  support::PostgresServer server({.settings = {"max_connections = 40"}});
  const std::string uri = server.Uri("sslmode=disable");
  Sessions web(uri, "web", 12);
  EXPECT_EQ(AskJson(uri)["state"], "healthy") << "30 %";
  Sessions batch(uri, "batch", 14);
  const Json share = AskJson(uri);
  EXPECT_EQ(share["state"], "degraded");
  EXPECT_THAT(share["reason"].get<std::string>(), HasSubstr("batch of node has 35 %"));
  Sessions full(uri, "rest", 4);
  EXPECT_THAT(AskJson(uri)["reason"].get<std::string>(), HasSubstr("of 37 sessions are taken"));
}

TEST(RoostctlServerTest, ALimitOfTheUserIsShown) {
  support::PostgresServer server({.script = "ALTER ROLE node CONNECTION LIMIT 3"});
  const std::string uri = server.Uri("sslmode=disable");
  Sessions two(uri, "web", 2);
  EXPECT_EQ(AskJson(uri)["user_limit"], 3);
  EXPECT_THAT(Ask(uri).output, HasSubstr("2 of at most 3"));
}

TEST(RoostctlServerTest, ATransactionThatIsIdleIsCounted) {
  support::PostgresServer server;
  const std::string uri = server.Uri("sslmode=disable");
  Sessions one(uri, "web", 1);
  EXPECT_EQ(AskJson(uri)["idle_in_transaction"], 0);
  absl::StatusOr<Lease> lease = one.pool.Acquire(kWrite, one.pool.In(60s));
  ASSERT_TRUE(lease.ok());
  absl::StatusOr<Transaction> transaction = lease->Begin();
  ASSERT_TRUE(transaction.ok());
  ASSERT_TRUE(QueryOne<int64_t>(*lease, Sql{"SELECT 1::bigint"}).ok());  // BEGIN goes with it
  EXPECT_EQ(AskJson(uri)["idle_in_transaction"], 1);
  EXPECT_THAT(Ask(uri).output, HasSubstr("1, the oldest for "));
}

TEST(RoostctlServerTest, WhatTheUserMayNotSeeIsNamed) {
  support::PostgresServer server;
  const std::string uri = server.Uri("sslmode=disable");
  EXPECT_EQ(server.Sql("SELECT 1"), "1");  // the administrator stays
  const Json before = AskJson(uri);
  EXPECT_EQ(before["hidden"], 1) << before;
  EXPECT_EQ(before["to_see_all"], "GRANT pg_read_all_stats TO node");
  EXPECT_THAT(Ask(uri).output, HasSubstr("as an administrator: GRANT pg_read_all_stats TO node\n"));
  server.Sql("GRANT pg_read_all_stats TO node");
  const Json after = AskJson(uri);
  EXPECT_EQ(after["hidden"], 0) << after;
  EXPECT_FALSE(after.contains("to_see_all"));
}

TEST(RoostctlServerTest, APasswordStandsInAFileAndNowhereElse) {
  const testing::Outcome given = Ask("postgresql://node:swordfish@127.0.0.1/postgres");
  EXPECT_EQ(given.exit, 2);
  EXPECT_THAT(given.errors, HasSubstr("--password-file"));
  EXPECT_THAT(given.errors, Not(HasSubstr("swordfish")));
  support::PostgresServer server({.hba = "host all all all scram-sha-256\n",
                                  .script = "ALTER ROLE node PASSWORD 'swordfish'"});
  const std::string uri = server.Uri("sslmode=disable");
  const support::TempDir dir;
  const std::string file = dir.File("password");
  std::ofstream(file) << "swordfish\n";
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_EQ(Ask(uri, {"--password-file", file}).exit, 2) << "others can read it";
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  EXPECT_EQ(Ask(uri, {"--password-file", file}).exit, 0);
  const Json without = AskJson(uri, {}, 4);
  EXPECT_EQ(without["state"], "unknown");
}

TEST(RoostctlServerTest, WithoutAServerNobodyCanTell) {
  std::string uri;
  {
    support::PostgresServer gone({.start = false});
    uri = gone.Uri("sslmode=disable");
  }
  const testing::Outcome ran = Ask(uri);
  EXPECT_EQ(ran.exit, 4);
  EXPECT_EQ(ran.output, "");
  EXPECT_EQ(std::count(ran.errors.begin(), ran.errors.end(), '\n'), 1) << ran.errors;
  EXPECT_EQ(Ask("/var/lib/roost/node.db").exit, 2) << "a file has no server";
  EXPECT_EQ(testing::RunProgram({ROOSTCTL, "status", "--password-file", "x"}).exit, 2);
}

TEST(RoostctlServerTest, NoLineIsLongerThanTheTerminal) {
  ServerStatus status{
      .server = "PostgreSQL 15.14", .database = "farm", .user = "node", .max_connections = 100};
  status.programs.push_back(
      {.user = std::string(60, 'u'), .program = std::string(60, 'p'), .count = 99});
  status.hidden = 12;
  status.to_see_all = "GRANT pg_read_all_stats TO node";
  for (const int width : {20, 40, 80}) {
    std::istringstream lines(ServerText(status, "db.example.org:5432/farm", width, true));
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(line.size(), static_cast<size_t>(width));
  }
}

#ifdef ROOST_TEST_MYSQL
TEST(RoostctlServerTest, MariadbTellsOfItsSessions) {
  support::MariadbServer server;
  MysqlBackend backend({.uri = server.Uri()});
  PoolFor<ManyProfile> pool(backend);
  ASSERT_TRUE(pool.Fill(3, pool.In(60s)).ok());
  absl::StatusOr<Lease> lease = pool.Acquire(kRead, pool.In(60s));
  ASSERT_TRUE(lease.ok()) << lease.status();
  const absl::StatusOr<ServerStatus> status = AskMysql(*lease);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_THAT(status->server, HasSubstr("MariaDB 10"));
  EXPECT_GT(status->max_connections, 0);
  EXPECT_GE(status->sessions, 2);
  EXPECT_EQ(status->of_user, 2) << "without the one that asks";
  EXPECT_THAT(ServerText(*status, backend.target().data(), 80, true), HasSubstr("of this user"));
}
#endif

}  // namespace
}  // namespace roost::tools
