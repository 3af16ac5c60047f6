// roost-node with a remote: the real program and a real PostgreSQL server.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "platform/rpi/board_health.h"
#include "telemetry/status_file.h"
#include "tests/support/postgres_server.h"
#include "tests/tools/database.h"
#include "tests/tools/remote_node.h"

namespace roost::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using support::PostgresServer;

class RoostNodeRemoteTest : public RemoteNodeTest {
 protected:
  static constexpr char kMayCreate[] = "GRANT CREATE ON SCHEMA public TO node";

  void StartServer(PostgresServer::Options options = {.script = kMayCreate}) {
    server = std::make_unique<PostgresServer>(std::move(options));
  }
  // Waits for a row of node7 with more than `count` before it; the number of rows.
  int64_t WaitForRows(int64_t count) {
    const auto until = std::chrono::steady_clock::now() + Program::kPatience;
    int64_t rows = 0;
    while (std::chrono::steady_clock::now() < until) {
      if (TableIsThere()) {
        rows = Number("SELECT count(*) FROM roost_heartbeat WHERE node = 'node7'");
      }
      if (rows > count) return rows;
      server->Sql("SELECT pg_sleep(0.02)");
    }
    ADD_FAILURE() << "only " << rows << " heartbeats";
    return rows;
  }
  int64_t Number(const std::string& sql) { return std::stoll("0" + server->Sql(sql)); }
  bool TableIsThere() {
    return server->Sql("SELECT to_regclass('roost_heartbeat') IS NOT NULL") == "t";
  }

  std::unique_ptr<PostgresServer> server;
};

TEST_F(RoostNodeRemoteTest, HeartbeatsArriveAndSayHowTheNodeIs) {
  StartServer();
  Program node(Node(server->Uri(), {"--json"}));
  node.WaitForError("remote ");
  node.Write("a 1\nb 2\n");
  systemd.WaitFor("remote up");
  WaitForRows(2);
  EXPECT_EQ(server->Sql("SELECT count(*) FROM pg_stat_activity "
                        "WHERE application_name = 'roost-node@node7'"),
            "1");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();

  const json summary = json::parse(node.output());
  ExpectHeartbeats(summary, Number("SELECT count(*) FROM roost_heartbeat"));
  EXPECT_EQ(Number("SELECT count(DISTINCT epoch) FROM roost_heartbeat"), 1);
  EXPECT_EQ(server->Sql("SELECT bool_and(abs(extract(epoch FROM received - t)) < 60 AND version <> "
                        "'' AND uptime_s >= 0) FROM roost_heartbeat"),
            "t");
  EXPECT_EQ(Number("SELECT max(taken) FROM roost_heartbeat"),
            Number("SELECT max(sealed + backlog) FROM roost_heartbeat"));
}

TEST_F(RoostNodeRemoteTest, TheStatusFileShowsBothPools) {
  StartServer();
  Program node(Node(server->Uri(), {}));
  WaitForRows(0);
  systemd.WaitFor("remote up");
  const auto read = ReadBothPools("postgresql", server->port());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->remote->pool.stats.opens, 1u);
}

TEST_F(RoostNodeRemoteTest, AServerThatIsStoppedIsAwayAndUpAgainWhenItIsStarted) {
  StartServer();
  Program node(Node(server->Uri(), {}));
  const int64_t before = WaitForRows(0);
  systemd.WaitFor("remote up");
  server->Stop();
  ExpectGoesOnWhileAway(node);

  server->Start();
  node.WaitForError("up again after");
  WaitForRows(before);
  // A heartbeat that was sent twice is there once.
  EXPECT_EQ(
      server->Sql("SELECT count(*) = count(DISTINCT (node, epoch, seq)) FROM roost_heartbeat"),
      "t");
  ExpectToldInFewLines(node);
}

TEST_F(RoostNodeRemoteTest, AServerThatDoesNotAnswerDoesNotStopTheLoop) {
  StartServer();
  Program node(Node(server->Uri(), {}));
  WaitForRows(0);
  for (const pid_t session : server->Sessions()) kill(session, SIGSTOP);
  systemd.WaitFor("remote away");
  SealReadings(node, 5);
  for (const pid_t session : server->Sessions()) kill(session, SIGCONT);
  node.WaitForError("up again after");
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

// Connecting works, and no row arrives: that is one absence, and not one at each try.
TEST_F(RoostNodeRemoteTest, ItIsUpAgainOnlyWhenAHeartbeatWasConfirmed) {
  StartServer();
  Program node(Node(server->Uri(), {}));
  WaitForRows(0);
  systemd.WaitFor("remote up");
  server->Sql(
      "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_sleep(2); RETURN NEW; END'");
  server->Sql(
      "CREATE TRIGGER stuck BEFORE INSERT ON roost_heartbeat "
      "FOR EACH ROW EXECUTE FUNCTION stuck()");
  node.WaitForError(": away");
  const auto until = std::chrono::steady_clock::now() + Program::kPatience;
  uint64_t opens = 0;
  bool away = false;  // the file is written behind the line
  while (opens < 4 && std::chrono::steady_clock::now() < until) {
    server->Sql("SELECT pg_sleep(0.05)");
    const auto seen = telemetry::ReadStatusFile(status);
    if (!seen.ok() || !seen->remote.has_value()) continue;
    opens = seen->remote->pool.stats.opens;
    away = away || seen->remote->state != "up";
    EXPECT_EQ(seen->remote->state == "up", !away);
  }
  EXPECT_TRUE(away);
  EXPECT_GE(opens, 4u) << "it connects again and again";
  server->Sql("ALTER TABLE roost_heartbeat DISABLE TRIGGER stuck");
  node.WaitForError("up again after");
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Count(node.errors(), "up again"), 1u) << node.errors();
}

TEST_F(RoostNodeRemoteTest, StartsWithoutItsServer) {
  StartServer({.script = kMayCreate, .start = false});
  Program node(Node(server->Uri(), {}));
  systemd.WaitFor("READY=1");
  systemd.WaitFor("remote away");
  node.Write("a 1\n");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Database(db).Number("SELECT count(*) FROM reading"), 1);
}

// Being away passes by itself, a wrong password does not.
TEST_F(RoostNodeRemoteTest, AnotherCauseIsToldWhileItIsAway) {
  StartServer({.hba = "host all all all scram-sha-256\n",
               .script = "ALTER ROLE node PASSWORD 'right'",
               .start = false});
  Program node(Node(server->Uri(), {}));
  EXPECT_TRUE(Has(node.WaitForError("away"), "refused"));
  server->Start();
  node.WaitForError("password");
}

TEST_F(RoostNodeRemoteTest, ATableThatAnOperatorHasMadeIsEnough) {
  StartServer();
  {
    Program node(Node(server->Uri(), {}));
    WaitForRows(0);
  }
  // The same table, and a role that may insert and nothing else.
  server->Sql("REVOKE CREATE ON SCHEMA public FROM node");
  server->Sql("ALTER TABLE roost_heartbeat OWNER TO postgres");
  server->Sql("TRUNCATE roost_heartbeat");
  server->Sql("GRANT INSERT ON roost_heartbeat TO node");
  Program node(Node(server->Uri(), {}));
  WaitForRows(1);
}

TEST_F(RoostNodeRemoteTest, ARowThatIsRefusedIsShownAndTheNodeGoesOn) {
  StartServer({.script = "CREATE TABLE roost_heartbeat(other int); "
                         "GRANT ALL ON roost_heartbeat TO node"});
  Program node(Node(server->Uri(), {}));
  systemd.WaitFor("remote refusing");
  node.WaitForError("refusing: ");
  node.Write("a 1\n");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

TEST_F(RoostNodeRemoteTest, AnAddressThatIsWrongEndsItAtOnce) {
  for (const char* uri : {"postgresql://h/db?no_such_setting=1", "host=h port='",
                          "postgresql://node@h:notaport/db"}) {
    Program node(Node(uri, {}));
    EXPECT_EQ(node.Wait(), 2) << uri << "\n" << node.errors();
    EXPECT_TRUE(Has(node.errors(), "--remote: ")) << node.errors();
  }
}

// Where a password must never be seen, while a node that has one runs and fails.
TEST_F(RoostNodeRemoteTest, ThePasswordIsNowhere) {
  constexpr char kSecret[] = "wr0ng-Tr0ub4dor";
  StartServer({.hba = "host all all all scram-sha-256\n",
               .script = "GRANT CREATE ON SCHEMA public TO node; "
                         "ALTER ROLE node PASSWORD 'right-Tr0ub4dor'"});
  const std::string file = folder.File("pw");
  const auto write = [&](const char* password) {
    std::ofstream(file) << password << "\n";
    ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  };
  write(kSecret);
  const std::vector<std::string> more = {"--remote-password-file", file};
  {
    Program node(Node(server->Uri(), more));
    systemd.WaitFor("READY=1");
    systemd.WaitFor("remote away");
    // The server's reason, also where a machine that was slow is said first.
    node.WaitForError("password");
    const std::string process = "/proc/" + std::to_string(node.pid());
    for (const std::string& seen : {ReadAll(process + "/cmdline"), ReadAll(process + "/environ"),
                                    ReadAll(status), systemd.all()}) {
      EXPECT_NE(seen, "");
      EXPECT_FALSE(Has(seen, "Tr0ub4dor")) << seen;
    }
    node.CloseInput();
    EXPECT_EQ(node.Wait(), 0);
    EXPECT_FALSE(Has(node.errors() + node.output(), "Tr0ub4dor")) << node.errors() << node.output();
  }
  write("right-Tr0ub4dor");
  Program node(Node(server->Uri(), more));
  WaitForRows(0);
  EXPECT_FALSE(Has(ReadAll("/proc/" + std::to_string(node.pid()) + "/cmdline"), "Tr0ub4dor"));
}

// 23 objects and a megabyte of dirty pages, for a node that has no use for them.
TEST_F(RoostNodeRemoteTest, OnlyANodeWithARemoteLoadsLibpq) {
  StartServer();
  {
    Program without(Local(folder.File("without.db")));
    without.Write("a 1\n");
    systemd.WaitFor("STATUS=1 readings sealed");
    EXPECT_TRUE(Has(MapsOf(without), "libsqlite3"));
    EXPECT_FALSE(Has(MapsOf(without), "libpq"));
    EXPECT_FALSE(Has(MapsOf(without), "libmariadb"));
    EXPECT_FALSE(Has(MapsOf(without), "libssl"));
    EXPECT_FALSE(Has(MapsOf(without), "libsystemd"));
  }
  Program with(Node(server->Uri(), {}));
  WaitForRows(0);
  EXPECT_TRUE(Has(MapsOf(with), "libpq"));
  EXPECT_FALSE(Has(MapsOf(with), "libmariadb"));
}

}  // namespace
}  // namespace roost::testing
