// The law of the outbox, with a real roost-node, a real PostgreSQL and a real link between them: each
// reading that the node's database has had is at the server once, whatever happened on the way.
//
// A run is a seed: readings come in while the node is killed or ended, the server crashes, restarts or goes
// back to its last backup, and the link is cut, reset or refused. Then everything is well again, and both
// sides are compared, reading by reading. ROOST_FORWARD_RUNS: how many seeds; ROOST_FORWARD_SEED: the first.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/support/postgres_server.h"
#include "tests/support/process.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/program.h"

namespace roost::testing {
namespace {

using support::PostgresServer;
using support::TcpProxy;
using support::WaitUntil;

int64_t FromEnvironment(const char* variable, int64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoll(text);
}

class ForwardLawTest : public ::testing::Test {
 protected:
  static constexpr int kSteps = 12;

  void SetUp() override {
    const Outcome made = RunProgram({ROOSTCTL, "server", "init", AdministratorUri()});
    ASSERT_EQ(made.exit, 0) << made.errors;
    server.Backup();
  }

  std::string AdministratorUri() const { return server.Uri({}, "postgres"); }

  void BeginRun(int64_t seed) {
    random.seed(static_cast<uint32_t>(seed));
    name = "node" + std::to_string(seed);
    db = folder.File(name + ".db");
    token = folder.File(name + ".token");
    next_value = 1;
    const Outcome added = RunProgram(
        {ROOSTCTL, "server", "add-node", AdministratorUri(), name, "--token-file", token});
    ASSERT_EQ(added.exit, 0) << added.errors;
    server.Backup();  // a server without the node's name holds it, and nothing arrives
    StartNode();
  }
  void StartNode() {
    node = std::make_unique<Program>(std::vector<std::string>{
        ROOST_NODE, "--db", db, "--stdin", "--seal-every", "2ms", "--batch", "20", "--name", name,
        "--remote", server.UriThrough(proxy.port(), {}, "roost_node"), "--token-file", token,
        "--forward-every", "10ms", "--heartbeat", "1h"});
    node->WaitForError("remote ");  // before it looks for signals, one would end it
  }
  void Feed() {
    std::string lines;
    const auto count = static_cast<int>(random() % 60);
    for (int i = 0; i < count; ++i) {
      lines +=
          (next_value % 3 == 0 ? "pressure " : "temperature ") + std::to_string(next_value) + "\n";
      ++next_value;
    }
    if (!lines.empty()) node->Write(lines);
  }
  void EndNode(int signal) {
    node->Signal(signal);
    node->Wait();
    node.reset();
  }

  void Disturb() {
    switch (random() % 11) {
      case 0:
        EndNode(SIGKILL);
        StartNode();
        break;
      case 1:
        EndNode(SIGTERM);
        StartNode();
        break;
      case 2:
        server.Restart(PostgresServer::Shutdown::kImmediate);
        break;
      case 3:
        server.Restart();
        break;
      case 4:
        server.Restore();
        break;
      case 5:
        server.Backup();
        break;
      case 6:
        proxy.Cut();
        break;
      case 7:
        proxy.Reset();
        break;
      case 8:
        proxy.Refuse();
        break;
      case 9:
        proxy.Heal();
        break;
      default:
        WaitForSome();
        break;
    }
  }
  // Something arrives, so that the next disturbance meets a node that sends; or the link is cut.
  void WaitForSome() {
    proxy.Heal();
    node->Signal(SIGHUP);
    const int64_t before = AtServer();
    WaitUntil([&] { return AtServer() > before; }, std::chrono::milliseconds(300));
  }
  int64_t Number(const std::string& sql) { return std::stoll("0" + server.Sql(sql)); }
  int64_t AtServer() {
    return Number(
        "SELECT count(*) FROM roost.reading r JOIN roost.node n USING (node) WHERE n.name = '" +
        name + "'");
  }

  // Each pair (seq, value) of a side, in one line.
  std::string OfServer() {
    return server.Sql(
        "SELECT string_agg(seq || '=' || v, ' ' ORDER BY seq, v) FROM roost.reading r JOIN "
        "roost.node n USING (node) WHERE n.name = '" +
        name + "'");
  }
  std::string OfNode() const {
    return Database(db).Text(
        "SELECT coalesce(group_concat(seq || '=' || CAST(value AS INTEGER), ' '), '') FROM (SELECT "
        "seq, value FROM "
        "reading ORDER BY seq)");
  }
  void ExpectTheLaw() {
    proxy.Heal();
    node->Write("last 1\n");
    const bool arrived = WaitUntil([&] {
      node->Signal(SIGHUP);  // try again at once
      return Number("SELECT count(*) FROM roost.readings WHERE node = '" + name +
                    "' AND name = 'last'") > 0 &&
             AtServer() >= Database(db).Number("SELECT count(*) FROM reading");
    });
    EXPECT_TRUE(arrived) << "the node says:\n" << node->errors();
    EndNode(SIGTERM);
    EXPECT_EQ(OfServer(), OfNode());
    EXPECT_EQ(server.Sql("SELECT coalesce(sum(missing), 0) FROM roost.balance WHERE node = '" +
                         name + "'"),
              "0");
    const Outcome verified = RunProgram(
        {ROOSTCTL, "outbox", "verify", "--db", db, "--server", AdministratorUri(), "--node", name});
    EXPECT_EQ(verified.exit, 0) << verified.output << verified.errors;
  }

  support::TempDir folder;
  // One that stops waits for clients that have not said who they are; a link that is cut has some.
  PostgresServer server{{.settings = {"authentication_timeout = 2s"}}};
  TcpProxy proxy{server.port()};
  std::unique_ptr<Program> node;
  std::mt19937 random;
  std::string name;
  std::string db;
  std::string token;
  int64_t next_value = 1;
};

TEST_F(ForwardLawTest, EachReadingIsAtTheServerOnceWhateverHappened) {
  const int64_t first = FromEnvironment("ROOST_FORWARD_SEED", 1);
  const int64_t runs = FromEnvironment("ROOST_FORWARD_RUNS", 3);
  for (int64_t seed = first; seed < first + runs && !HasFailure(); ++seed) {
    SCOPED_TRACE("ROOST_FORWARD_SEED=" + std::to_string(seed));
    BeginRun(seed);
    for (int step = 0; step < kSteps; ++step) {
      Feed();
      Disturb();
    }
    ExpectTheLaw();
  }
}

}  // namespace
}  // namespace roost::testing
