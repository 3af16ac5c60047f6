// roost-node sends its readings: the real program, a real PostgreSQL server with the schema roost, and roostctl's
// word that both sides agree.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "telemetry/status_file.h"
#include "tests/support/postgres_server.h"
#include "tests/tools/database.h"
#include "tests/tools/remote_node.h"

namespace roost::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using support::PostgresServer;

class RoostNodeForwardTest : public RemoteNodeTest {
 protected:
  void SetUp() override {
    RemoteNodeTest::SetUp();
    std::ofstream(token) << "token-of-node7\n";
    ASSERT_EQ(chmod(token.c_str(), 0600), 0);
  }
  void StartServer(const std::string& script) {
    server = std::make_unique<PostgresServer>(PostgresServer::Options{.script = script});
  }
  static std::string Schema() { return ReadAll(ROOST_SCHEMA); }
  static std::string AddNode(const std::string& its_token = "token-of-node7") {
    return "INSERT INTO roost.node(name, token) VALUES ('node7', sha256('" + its_token + "'))";
  }
  std::vector<std::string> Sends(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> flags{"--token-file", token, "--forward-every", "10ms"};
    flags.insert(flags.end(), more.begin(), more.end());
    return Node(server->Uri("", "roost_node"), flags);
  }
  void Write(Program& node, int first, int last) {
    std::string lines;
    for (int i = first; i <= last; ++i) lines += "n " + std::to_string(i) + " C\n";
    node.Write(lines);
  }
  // Waits for `sql` to give `text`.
  void WaitFor(const std::string& sql, const std::string& text) {
    const auto until = std::chrono::steady_clock::now() + Program::kPatience;
    std::string got;
    while (std::chrono::steady_clock::now() < until) {
      got = server->Sql(sql);
      if (got == text) return;
      server->Sql("SELECT pg_sleep(0.02)");
    }
    ADD_FAILURE() << sql << ": " << got << ", not " << text;
  }
  void WaitForReadings(int count) {
    WaitFor("SELECT count(DISTINCT v) || ' ' || count(*) FROM roost.readings WHERE node = 'node7'",
            std::to_string(count) + " " + std::to_string(count));
  }
  // Until the status file says so.
  json WaitForState(const std::string& state) {
    const auto until = std::chrono::steady_clock::now() + Program::kPatience;
    json file;
    while (std::chrono::steady_clock::now() < until) {
      file = json::parse(ReadAll(status), nullptr, false);
      if (file.is_object() && file["outbox"]["state"] == state) return file;
      server->running() ? server->Sql("SELECT pg_sleep(0.02)") : std::string();
    }
    ADD_FAILURE() << file;
    return file;
  }
  Outcome Verify() {
    return RunProgram({ROOSTCTL, "outbox", "verify", "--db", db, "--node", "node7", "--server",
                       server->Uri("", "roost_reader_of_the_test")});
  }
  void ExpectBalance() {
    const Outcome verified = Verify();
    EXPECT_EQ(verified.exit, 0) << verified.output << verified.errors;
    EXPECT_TRUE(Has(verified.output, "\n0 missing\n")) << verified.output;
  }
  static std::string Reader() {
    return "; CREATE ROLE roost_reader_of_the_test LOGIN; GRANT roost_reader TO "
           "roost_reader_of_the_test";
  }

  std::unique_ptr<PostgresServer> server;
  const std::string token = folder.File("token");
};

TEST_F(RoostNodeForwardTest, ReadingsArriveOnceAndBothSidesAgree) {
  StartServer(Schema() + AddNode() + Reader());
  Program node(Sends({"--json"}));
  Write(node, 1, 700);
  WaitForReadings(700);
  WaitFor("SELECT count(*) FROM roost.node WHERE taken > 0 AND epoch IS NOT NULL", "1");
  const json file = WaitForState("idle");
  EXPECT_EQ(file["outbox"]["late"], false);
  Write(node, 701, 900);
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  WaitForReadings(900);
  const json summary = json::parse(node.output());
  EXPECT_EQ(summary["outbox"]["sent"], 900) << "what was sealed last, too";
  EXPECT_EQ(summary["outbox"]["waiting"], 0);
  EXPECT_EQ(summary["outbox"]["resent"], 0);
  EXPECT_EQ(summary["outbox"]["rejected"], 0);
  ExpectBalance();
  EXPECT_EQ(Count(node.errors(), "outbox: "), 0u) << node.errors();
}

TEST_F(RoostNodeForwardTest, ADatabaseOfBeforeIsSentFromItsFirstReadingOn) {
  StartServer(Schema() + AddNode() + Reader());
  {
    Database old(db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    old.Run(R"sql(
PRAGMA journal_mode = WAL;
CREATE TABLE sensor(id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE(name, unit));
CREATE TABLE reading(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, t_boot INTEGER NOT NULL,
  t_wall INTEGER NOT NULL, synced INTEGER NOT NULL, sensor INTEGER NOT NULL REFERENCES sensor(id),
  value REAL NOT NULL, t_source INTEGER NOT NULL DEFAULT 0);
INSERT INTO sensor VALUES (1, 'old', 'C');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) INSERT INTO reading
  SELECT i, 5 + (i > 800), i, 1700000000000000 + i * 1000000, i > 50, 1, 10000 + i, 0 FROM n;
DELETE FROM reading WHERE seq BETWEEN 100 AND 109;
PRAGMA application_id = 0x526F7374;
PRAGMA user_version = 1;
)sql");
  }
  Program node(Sends());
  Write(node, 1, 20);
  WaitForReadings(1190 + 20);
  EXPECT_EQ(server->Sql("SELECT string_agg(why || ':' || numbers, ',') FROM roost.gap"), "0:10");
  EXPECT_EQ(
      server->Sql("SELECT t = 'epoch'::timestamptz + interval '1700000051 s' AND clock = 0 FROM "
                  "roost.readings WHERE epoch = 5 AND seq = 51"),
      "t");
  EXPECT_EQ(server->Sql("SELECT count(*) FROM roost.readings WHERE clock = 2 AND epoch = 5"), "50")
      << "of a clock that was not set";
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  ExpectBalance();
}

TEST_F(RoostNodeForwardTest, AnOutageLosesAndDoublesNothing) {
  StartServer(Schema() + AddNode() + Reader());
  Program node(Sends());
  Write(node, 1, 50);
  WaitForReadings(50);
  server->Stop();
  Write(node, 51, 1300);
  server->Start();
  node.Signal(SIGHUP);
  WaitForReadings(1300);
  WaitForState("idle");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  ExpectBalance();
}

TEST_F(RoostNodeForwardTest, WithoutTheSchemaItBeatsAndNamesWhatIsMissing) {
  StartServer("CREATE ROLE roost_node LOGIN; GRANT CREATE ON SCHEMA public TO roost_node");
  Program node(Sends());
  Write(node, 1, 30);
  EXPECT_TRUE(Has(node.WaitForError("outbox: the server has no schema"), "roostctl server init"));
  WaitFor("SELECT to_regclass('roost_heartbeat') IS NOT NULL", "t");
  WaitFor("SELECT count(*) > 1 FROM roost_heartbeat WHERE node = 'node7'", "t");
  WaitForState("no_schema");
  server->Sql(Schema());
  server->Sql(AddNode());
  node.Signal(SIGHUP);
  WaitForReadings(30);
  WaitFor("SELECT seen IS NOT NULL AND taken = 30 FROM roost.node", "t");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

TEST_F(RoostNodeForwardTest, AWrongTokenIsHeldUntilItIsRight) {
  StartServer(Schema() + AddNode("another token") + Reader());
  Program node(Sends());
  Write(node, 1, 30);
  const std::string said = node.WaitForError("outbox: held: ");
  EXPECT_TRUE(Has(said, "unknown node or wrong token")) << said;
  WaitForState("held");
  const Outcome check = RunProgram({ROOSTCTL, "check", "--file", status});
  EXPECT_EQ(check.exit, 2) << check.output;
  server->Sql("UPDATE roost.node SET token = sha256('token-of-node7')");
  EXPECT_EQ(RunProgram({ROOSTCTL, "outbox", "retry", "--file", status}).exit, 0);
  WaitForReadings(30);
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Count(node.errors(), "held"), 1u) << node.errors();
  EXPECT_FALSE(Has(node.errors(), "token-of-node7")) << node.errors();
  ExpectBalance();
}

// A CHECK of the operator's, after the node has sent some.
TEST_F(RoostNodeForwardTest, RejectsAreExportedAndDroppedAndTheBalanceStaysEven) {
  StartServer(Schema() + AddNode() + Reader());
  server->Sql("ALTER TABLE roost.reading ADD CONSTRAINT cold CHECK (v < 5 OR v > 7)");
  Program node(Sends());
  Write(node, 1, 40);
  WaitForReadings(37);
  WaitFor("SELECT count(*) FROM roost.reject", "3");
  ExpectBalance();
  const std::string admin = server->Uri("", "roost_admin_of_the_test");
  server->Sql("CREATE ROLE roost_admin_of_the_test LOGIN IN ROLE roost_owner");
  const auto outbox = [&admin](std::vector<std::string> words) {
    words.insert(words.begin(), {ROOSTCTL, "outbox"});
    words.insert(words.end(), {"--node", "node7", "--server", admin});
    return RunProgram(words);
  };
  const Outcome written = outbox({"export", "-"});
  EXPECT_EQ(written.exit, 0) << written.errors;
  EXPECT_EQ(Count(written.output, "\n"), 3u) << written.output;
  const json first = json::parse(written.output.substr(0, written.output.find('\n')));
  EXPECT_EQ(first["value"], "5");
  EXPECT_EQ(first["name"], "n");
  EXPECT_TRUE(Has(first["why"], "cold")) << first;
  const auto id = first["id"].get<std::string>();
  const std::string epoch = id.substr(0, id.find(':'));
  const Outcome dropped = outbox({"drop", "--before", epoch + ":7"});
  EXPECT_EQ(dropped.output, "2 dropped\n") << dropped.errors;
  EXPECT_EQ(server->Sql("SELECT count(*) FROM roost.reject"), "1");
  ExpectBalance();
  const Outcome refused = RunProgram({ROOSTCTL, "outbox", "export", "-", "--node", "node7",
                                      "--server", server->Uri("", "roost_reader_of_the_test")});
  EXPECT_EQ(refused.exit, 4);
  EXPECT_TRUE(Has(refused.errors, "GRANT SELECT ON roost.reject")) << refused.errors;
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

// The server takes a call and does not answer it.
TEST_F(RoostNodeForwardTest, ASignalDoesNotWaitForAServerThatHangs) {
  StartServer(Schema() + AddNode() + Reader());
  server->Sql("BEGIN");
  server->Sql("LOCK TABLE roost.mark");
  {
    Program node(Sends());
    Write(node, 1, 30);
    systemd.WaitFor("STATUS=30 readings sealed");
    node.Signal(SIGTERM);
    EXPECT_EQ(node.Wait(), 0) << node.errors();
  }
  server->Sql("COMMIT");
  Program node(Sends());
  WaitForReadings(30);
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  ExpectBalance();
}

TEST_F(RoostNodeForwardTest, ATableOfOnesOwnIsFilledOnceToo) {
  StartServer(
      "CREATE ROLE roost_node LOGIN; CREATE TABLE mine(node text, epoch bigint, number bigint, "
      "time "
      "timestamptz, name text, unit text, value float8, PRIMARY KEY (node, epoch, number)); GRANT "
      "SELECT, INSERT "
      "ON mine TO roost_node");
  const auto flags = [this] {
    return Node(server->Uri("", "roost_node"), {"--remote-table", "mine", "--remote-key",
                                                "node,epoch,number", "--forward-every", "10ms"});
  };
  for (int run = 0; run < 2; ++run) {
    Program node(flags());
    Write(node, 1 + run * 600, 600 + run * 600);
    WaitFor("SELECT count(DISTINCT value) || ' ' || count(*) FROM mine",
            run == 0 ? "600 600" : "1200 1200");
    node.CloseInput();
    EXPECT_EQ(node.Wait(), 0) << node.errors();
  }
}

}  // namespace
}  // namespace roost::testing
