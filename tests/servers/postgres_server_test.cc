// The throw-away server does what the tests that rest on it take for granted.

#include "tests/support/postgres_server.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>

namespace roost::support {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

Connection Connect(const std::string& uri) { return {PQconnectdb(uri.c_str()), &PQfinish}; }

TEST(PostgresServerTest, TakesSessionsOverTcpAndCountsThem) {
  PostgresServer server;
  EXPECT_TRUE(server.Sessions().empty());
  {
    const Connection one = Connect(server.Uri());
    const Connection two = Connect(server.Uri("application_name=two"));
    ASSERT_EQ(PQstatus(one.get()), CONNECTION_OK) << PQerrorMessage(one.get());
    ASSERT_EQ(PQstatus(two.get()), CONNECTION_OK) << PQerrorMessage(two.get());
    EXPECT_EQ(server.Sessions(),
              (std::vector<pid_t>{PQbackendPID(one.get()), PQbackendPID(two.get())}));
  }
  EXPECT_TRUE(server.WaitForSessions(0));
}

TEST(PostgresServerTest, KeepsItsPortAndItsRowsWhenRestarted) {
  PostgresServer server({.script = "CREATE TABLE t AS SELECT 7 AS x"});
  const int port = server.port();
  server.Restart();
  server.Restart(PostgresServer::Shutdown::kImmediate);
  server.Kill();
  EXPECT_FALSE(server.running());
  EXPECT_EQ(PQstatus(Connect(server.Uri()).get()), CONNECTION_BAD);
  server.Start();
  EXPECT_EQ(server.port(), port);
  EXPECT_EQ(server.Sql("SELECT x FROM t"), "7");
}

// The postmaster of a busy machine notices late; here it is stopped until the session is gone.
TEST(PostgresServerTest, AKilledSessionHasEndedTheOthersWhenTheCallReturns) {
  PostgresServer server;
  const Connection killed = Connect(server.Uri());
  const Connection other = Connect(server.Uri());
  ASSERT_EQ(PQstatus(other.get()), CONNECTION_OK) << PQerrorMessage(other.get());
  const std::string state = "/proc/" + std::to_string(PQbackendPID(killed.get())) + "/stat";
  std::atomic<bool> returned = false;
  server.Sql("SELECT 1");  // the administrator's session is opened by a postmaster that runs
  server.Signal(SIGSTOP);
  std::thread killer([&] {
    server.KillSession(PQbackendPID(killed.get()));
    returned = true;
  });
  EXPECT_TRUE(WaitUntil([&] { return ReadFile(state).find(") Z ") != std::string::npos; }));
  EXPECT_FALSE(returned);
  server.Signal(SIGCONT);
  killer.join();
  EXPECT_TRUE(WaitUntil([&] { return PQstatus(Connect(server.Uri()).get()) == CONNECTION_OK; }));
  EXPECT_EQ(server.Sql("SELECT 7"), "7") << "in a session that lasts";
  EXPECT_NE(kill(PQbackendPID(other.get()), 0), 0);
}

// The administrator's own session and the restart after it are no matter to who asks.
TEST(PostgresServerTest, AnswersTheAdministratorWhateverItHasMet) {
  PostgresServer server({.script = "CREATE TABLE t AS SELECT 7 AS x"});
  for (int i = 0; i < 3; ++i) {
    kill(std::stoi(server.Sql("SELECT pg_backend_pid()")), SIGKILL);
    EXPECT_EQ(server.Sql("SELECT x FROM t"), "7");
  }
}

TEST(PostgresServerTest, GoesByTheSettingsAndTheHbaOfTheTest) {
  PostgresServer server({.settings = {"max_connections = 7"},
                         .hba = "host all all all scram-sha-256\n",
                         .script = "ALTER ROLE node PASSWORD 'right'"});
  EXPECT_EQ(server.Sql("SHOW max_connections"), "7");
  EXPECT_EQ(PQstatus(Connect(server.Uri("password=wrong")).get()), CONNECTION_BAD);
  EXPECT_EQ(PQstatus(Connect(server.Uri("password=right")).get()), CONNECTION_OK);
}

TEST(PostgresServerTest, AStandbyFollowsAndTakesOver) {
  PostgresServer primary;
  const std::unique_ptr<PostgresServer> standby = PostgresServer::StandbyOf(primary);
  primary.Sql("CREATE TABLE t AS SELECT 8 AS x");
  ASSERT_TRUE(standby->HasCaughtUpWith(primary));
  EXPECT_EQ(standby->Sql("SELECT x FROM t"), "8");
  EXPECT_EQ(standby->Sql("SHOW transaction_read_only"), "on");
  primary.Kill();
  standby->Promote();
  standby->Sql("INSERT INTO t VALUES (9)");
}

// The program that dies here is a child of this one.
TEST(PostgresServerTest, IsStoppedWhenTheTestDies) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    PostgresServer server;
    const std::string told = std::to_string(server.postmaster()) + " " + server.socket_folder();
    if (write(ends[1], told.data(), told.size()) < 0) _exit(1);
    raise(SIGKILL);
  }
  close(ends[1]);
  char told[256] = {};
  ASSERT_GT(read(ends[0], told, sizeof told - 1), 0);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  const std::string text = told;
  const pid_t postmaster = std::stoi(text);
  const std::string folder = text.substr(text.find(' ') + 1);
  EXPECT_TRUE(WaitUntil([&] { return !std::filesystem::exists(folder); }));
  EXPECT_TRUE(WaitUntil([&] {
    const std::string state = ReadFile("/proc/" + std::to_string(postmaster) + "/stat");
    return state.empty() || state.find(") Z ") != std::string::npos;
  }));
}

}  // namespace
}  // namespace roost::support
