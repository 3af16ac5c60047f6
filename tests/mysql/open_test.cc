// Opening against a real server: what it sets up, whom it tells what, and what it does not wait for.
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/mysql/mysql_test_support.h"
#include "tests/postgres/listeners.h"

namespace roost::mysql {
namespace {

TEST(MysqlOpenTest, SetsTheSessionUp) {
  Session session;
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session.Ask("SELECT @@character_set_client"), "utf8mb4");
  EXPECT_EQ(session.Ask("SELECT @@character_set_results"), "utf8mb4");
  EXPECT_EQ(session.Ask("SELECT @@time_zone"), "+00:00");
  EXPECT_EQ(session.Count("SELECT @@autocommit"), 1);
  EXPECT_THAT(session.Ask("SELECT @@sql_mode"), HasSubstr("STRICT_ALL_TABLES"));
  EXPECT_EQ(session.handle()->server_status & SERVER_STATUS_IN_TRANS, 0u);
}

TEST(MysqlOpenTest, TheServerIsKnownByWhatItSaidAnyway) {
  MysqlBackend nobody({.uri = Server().Uri()});
  EXPECT_EQ(std::string_view(nobody.server().version.data()), "");
  Session session;
  ASSERT_TRUE(session.ok()) << session.status();
  const ServerFacts facts = session.backend().server();
  EXPECT_EQ(session.Ask("SELECT @@version").find(facts.version.data()), 0u) << facts.version.data();
  EXPECT_NE(facts.version[0], '\0');
  EXPECT_EQ(std::string_view(facts.user.data()), "node");
  EXPECT_EQ(std::string_view(facts.tls.data()), "none");
  EXPECT_EQ(facts.role, ServerRole::kUnknown) << "nobody asked for a server that writes";
  Session writes(MysqlOptions{.uri = Server().Uri("target_session_attrs=read-write")});
  ASSERT_TRUE(writes.ok()) << writes.status();
  EXPECT_EQ(writes.backend().server().role, ServerRole::kPrimary);
}

// Greeting, sign-in, set-up: the set-up takes no turn of its own.
TEST(MysqlOpenTest, TakesThreeRoundTrips) {
  support::TcpProxy proxy(Server().port());
  proxy.Delay(5ms);
  Session session(MysqlOptions{.uri = Server().UriThrough(proxy.port())});
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_LE(proxy.counts().round_trips, 2) << "the greeting comes by itself";
  Session with(MysqlOptions{.uri = Server().UriThrough(proxy.port()),
                            .on_connect = "CREATE TABLE IF NOT EXISTS made(a int)"});
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_LE(proxy.counts().round_trips, 5);
}

TEST(MysqlOpenTest, TellsItsName) {
  Session session(MysqlOptions{.uri = Server().Uri(), .application_name = "node 7"});
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session.Ask("SELECT USER()").substr(0, 5), "node@");
}

TEST(MysqlOpenTest, ThroughAUnixSocket) {
  Session session(
      MysqlOptions{.uri = "mysql://node:open%20sesame@localhost/farm?socket=" + Server().socket()});
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session.Ask("SELECT DATABASE()"), "farm");
}

TEST(MysqlOpenTest, AWrongPasswordIsUnauthenticated) {
  Session session(MysqlOptions{
      .uri = "mysql://node:hunter2@127.0.0.1:" + std::to_string(Server().port()) + "/farm"});
  EXPECT_EQ(session.status().code(), StatusCode::kUnauthenticated) << session.status();
  EXPECT_EQ(MysqlErrno(session.status()), 1045);
  EXPECT_THAT(session.message(), HasSubstr("password"));
  EXPECT_THAT(session.message(), Not(HasSubstr("hunter2")));
}

TEST(MysqlOpenTest, ADatabaseThatIsNotThere) {
  Session root(MysqlOptions{.uri = "mysql://root@localhost/nowhere?socket=" + Server().socket()});
  EXPECT_EQ(root.status().code(), StatusCode::kNotFound) << root.status();
  Session node(MysqlOptions{.uri = "mysql://node:open%20sesame@127.0.0.1:" +
                                   std::to_string(Server().port()) + "/nowhere"});
  EXPECT_EQ(node.status().code(), StatusCode::kPermissionDenied) << node.status();
}

TEST(MysqlOpenTest, NoRoomForSessionsIsNoConfiguration) {
  Server().Sql(
      "CREATE USER IF NOT EXISTS lonely@'%' IDENTIFIED BY 'open sesame' WITH "
      "MAX_USER_CONNECTIONS 1; GRANT ALL ON farm.* TO lonely@'%'");
  Session first(MysqlOptions{.uri = Server().Uri("", "lonely")});
  ASSERT_TRUE(first.ok()) << first.status();
  Session second(MysqlOptions{.uri = Server().Uri("", "lonely")});
  EXPECT_EQ(second.status().code(), StatusCode::kResourceExhausted) << second.status();
  EXPECT_THAT(second.message(), HasSubstr("max_connections"));
}

TEST(MysqlOpenTest, OnConnectRunsAndMayNotLeaveATransaction) {
  Session wrong(MysqlOptions{.uri = Server().Uri(), .on_connect = "SELEC 1"});
  EXPECT_EQ(wrong.status().code(), StatusCode::kInvalidArgument) << wrong.status();
  EXPECT_THAT(wrong.message(), HasSubstr("on_connect"));
  Session open(MysqlOptions{.uri = Server().Uri(), .on_connect = "START TRANSACTION"});
  EXPECT_EQ(open.status().code(), StatusCode::kInvalidArgument) << open.status();
  Session rows(MysqlOptions{.uri = Server().Uri(), .on_connect = "SELECT 1"});
  EXPECT_EQ(rows.status().code(), StatusCode::kInvalidArgument) << rows.status();
  Session good(MysqlOptions{.uri = Server().Uri(), .on_connect = "SET @mine = 5"});
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good.Count("SELECT @mine"), 5);
}

// Nothing that was acknowledged may be rolled back at the return.
TEST(MysqlOpenTest, OnConnectMayNotKeepStatementsFromCommitting) {
  for (const auto& [on_connect, word] :
       {std::pair{"SET autocommit = 0", "autocommit"},
        std::pair{"SET completion_type = 'CHAIN'", "completion_type"},
        std::pair{"SET @@session.completion_type = 2", "completion_type"}}) {
    Session session(MysqlOptions{.uri = Server().Uri(), .on_connect = on_connect});
    EXPECT_EQ(session.status().code(), StatusCode::kInvalidArgument) << session.status();
    EXPECT_THAT(session.message(), HasSubstr(word));
  }
}

TEST(MysqlOpenTest, ANameIsLookedUpBesideTheCaller) {
  const std::string uri =
      "mysql://node:open%20sesame@db.example.test:" + std::to_string(Server().port()) +
      "/farm?sslmode=disable";
  Session found(std::make_unique<LookedUpBackend>(MysqlOptions{.uri = uri}, [](const std::string&) {
    return backends::Addresses{.list = {"127.0.0.1"}};
  }));
  ASSERT_TRUE(found.ok()) << found.status();
  Session unknown(
      std::make_unique<LookedUpBackend>(MysqlOptions{.uri = uri}, [](const std::string&) {
        return backends::Addresses{.error = -2, .message = "Name or service not known"};
      }));
  EXPECT_EQ(unknown.status().code(), StatusCode::kNotFound) << unknown.status();
  Session away(std::make_unique<LookedUpBackend>(MysqlOptions{.uri = uri}, [](const std::string&) {
    return backends::Addresses{.error = -3, .message = "Temporary failure in name resolution"};
  }));
  EXPECT_EQ(away.status().code(), StatusCode::kUnavailable) << away.status();
}

TEST(MysqlOpenTest, TheNextHostIsTriedWhereNobodyWasReached) {
  Session session(MysqlOptions{.uri = "mysql://node:open%20sesame@127.0.0.1:1,127.0.0.1:" +
                                      std::to_string(Server().port()) + "/farm"});
  ASSERT_TRUE(session.ok()) << session.status();
}

// Of a list each host has its share of the deadline: one that is silent does not take the time of the others.
TEST(MysqlOpenTest, ASilentHostLeavesTimeForTheNext) {
  const postgres::FullListener silent;
  MysqlBackend backend(
      {.uri = "mysql://node:open%20sesame@127.0.0.1:" + std::to_string(silent.port().number()) +
              ",127.0.0.1:" + std::to_string(Server().port()) + "/farm"});
  std::vector<std::max_align_t> memory(backend.ConnectionBytes(2) / sizeof(std::max_align_t) + 1);
  absl::StatusOr<Connection*> opened = backend.Open(
      {.memory = {reinterpret_cast<std::byte*>(memory.data()), backend.ConnectionBytes(2), 2},
       .platform = &NativePlatform(),
       .deadline = In(60s)});
  ASSERT_TRUE(opened.ok()) << opened.status();
  absl::StatusOr<Step> step = ConnectionAccess::Advance(**opened, NativePlatform().Now());
  ASSERT_OK(step.status());
  ASSERT_FALSE(step->done);
  // Behind the half of it.
  const Duration passed = 31s;
  while (step.ok() && !step->done) {
    step = ConnectionAccess::Advance(**opened, NativePlatform().Now() + passed);
    if (step.ok() && !step->done) NativePlatform().WaitForDescriptors({&step->wait, 1}, In(20s));
  }
  EXPECT_OK(step.status());
  ConnectionAccess::CloseAndDestroy(*opened);
}

// A server that does not answer holds nobody: at no moment of an open does a step wait.
TEST(MysqlOpenTest, AStoppedServerCostsTheDeadlineAndNoMore) {
  MariadbServer server;
  server.Signal(SIGSTOP);
  Session session(std::make_unique<MysqlBackend>(MysqlOptions{.uri = server.Uri()}), 100ms);
  EXPECT_EQ(session.status().code(), StatusCode::kDeadlineExceeded) << session.status();
  EXPECT_THAT(session.message(), HasSubstr("signing in"));
  server.Signal(SIGCONT);
  Session again(MysqlOptions{.uri = server.Uri()});
  EXPECT_TRUE(again.ok()) << again.status();
}

// Of reports about Connector/C (199, 211, 215): a connect that was given up leaked, or freed twice. The
// address sanitizer looks on.
TEST(MysqlOpenTest, AnOpenCanBeGivenUpAtAnyMoment) {
  MysqlBackend backend({.uri = Server().Uri("sslmode=require")});
  MysqlBackend plain({.uri = Server().Uri()});
  for (int i = 0; i < 500; ++i) {
    MysqlBackend& one = i % 2 == 0 ? backend : plain;
    std::vector<std::max_align_t> memory(one.ConnectionBytes(2) / sizeof(std::max_align_t) + 1);
    absl::StatusOr<Connection*> opened = one.Open(
        {.memory = {reinterpret_cast<std::byte*>(memory.data()), one.ConnectionBytes(2), 2},
         .platform = &NativePlatform(),
         .deadline = In(20s)});
    ASSERT_TRUE(opened.ok()) << opened.status();
    for (int step = 0; step < i % 7; ++step) {
      absl::StatusOr<Step> next = ConnectionAccess::Advance(**opened, NativePlatform().Now());
      if (!next.ok() || next->done) break;
      NativePlatform().WaitForDescriptors({&next->wait, 1}, In(1s));
    }
    ConnectionAccess::CloseAndDestroy(*opened);
  }
  EXPECT_TRUE(Server().WaitForSessions(0));
  Server().Sql("FLUSH HOSTS");
}

}  // namespace
}  // namespace roost::mysql
