// roost-node with a remote of MariaDB: the real program and a real server.
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
#include "tests/support/mariadb_server.h"
#include "tests/tools/database.h"
#include "tests/tools/remote_node.h"

namespace roost::testing {
namespace {

using nlohmann::json;
using support::MariadbServer;

class RoostNodeMysqlTest : public RemoteNodeTest {
 protected:
  RoostNodeMysqlTest() { WritePassword("open sesame"); }
  void WritePassword(const char* password) const {
    std::ofstream(password_file) << password << "\n";
    EXPECT_EQ(chmod(password_file.c_str(), 0600), 0);
  }
  std::string Uri(const std::string& user = "node") const {
    return "mysql://" + user + "@127.0.0.1:" + std::to_string(server->port()) + "/farm";
  }
  std::vector<std::string> MysqlNode(const std::string& uri) const {
    return Node(uri, {"--remote-password-file", password_file});
  }
  // Waits for a row of node7 with more than `count` before it; the number of rows.
  int64_t WaitForRows(int64_t count) {
    int64_t rows = 0;
    const bool came = support::WaitUntil([&] {
      if (TableIsThere()) rows = Number("SELECT COUNT(*) FROM farm.roost_heartbeat");
      return rows > count;
    });
    EXPECT_TRUE(came) << "only " << rows << " heartbeats";
    return rows;
  }
  // Waits until the node shows `text` as its remote's last error. On a busy machine another one, that of a
  // wait which was too short, may stand there first.
  void WaitForLastError(std::string_view text) const {
    std::string last;
    const bool came = support::WaitUntil([&] {
      const auto read = telemetry::ReadStatusFile(status);
      if (read.ok() && read->remote.has_value()) last = std::string(read->remote->last_error);
      return Has(last, text);
    });
    EXPECT_TRUE(came) << last;
  }
  int64_t Number(const std::string& sql) { return std::stoll("0" + server->Sql(sql)); }
  bool TableIsThere() {
    return Number(
               "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'farm' AND "
               "table_name = 'roost_heartbeat'") == 1;
  }

  const std::string password_file = folder.File("pw");
  std::unique_ptr<MariadbServer> server = std::make_unique<MariadbServer>();
};

TEST_F(RoostNodeMysqlTest, HeartbeatsArriveAndSayHowTheNodeIs) {
  std::vector<std::string> words = MysqlNode(Uri());
  words.emplace_back("--json");
  Program node(words);
  node.WaitForError("remote ");
  node.Write("a 1\nb 2\n");
  systemd.WaitFor("remote up");
  WaitForRows(2);
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();

  const json summary = json::parse(node.output());
  ExpectHeartbeats(summary, Number("SELECT COUNT(*) FROM farm.roost_heartbeat"));
  EXPECT_EQ(Number("SELECT COUNT(DISTINCT epoch) FROM farm.roost_heartbeat"), 1);
  EXPECT_EQ(server->Sql("SELECT MIN(ABS(TIMESTAMPDIFF(SECOND, t, received)) < 60 AND "
                        "ABS(TIMESTAMPDIFF(SECOND, received, UTC_TIMESTAMP())) < 600 AND "
                        "version <> '' AND uptime_s >= 0) FROM farm.roost_heartbeat"),
            "1");
  EXPECT_EQ(Number("SELECT MAX(taken) FROM farm.roost_heartbeat"),
            Number("SELECT MAX(sealed + backlog) FROM farm.roost_heartbeat"));
}

TEST_F(RoostNodeMysqlTest, TheStatusFileShowsBothPools) {
  Program node(MysqlNode(Uri()));
  WaitForRows(0);
  systemd.WaitFor("remote up");
  EXPECT_TRUE(ReadBothPools("mysql", server->port()).has_value());
}

TEST_F(RoostNodeMysqlTest, AServerThatIsStoppedIsAwayAndUpAgainWhenItIsStarted) {
  Program node(MysqlNode(Uri()));
  const int64_t before = WaitForRows(0);
  systemd.WaitFor("remote up");
  server->Stop();
  ExpectGoesOnWhileAway(node);

  server->Start();
  node.WaitForError("up again after");
  WaitForRows(before);
  // A heartbeat that was sent twice is there once: the key sees to it.
  ExpectToldInFewLines(node);
}

TEST_F(RoostNodeMysqlTest, AServerThatDoesNotAnswerDoesNotStopTheLoop) {
  Program node(MysqlNode(Uri()));
  WaitForRows(0);
  server->Signal(SIGSTOP);
  systemd.WaitFor("remote away");
  SealReadings(node, 5);
  server->Signal(SIGCONT);
  node.WaitForError("up again after");
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

TEST_F(RoostNodeMysqlTest, AServerThatOnlyReadsIsAwayUntilItWrites) {
  Program node(MysqlNode(Uri()));
  WaitForRows(0);
  systemd.WaitFor("remote up");
  server->Sql("SET GLOBAL read_only = 1");
  node.WaitForError(": away");
  WaitForLastError("only reads");
  server->Sql("SET GLOBAL read_only = 0");
  node.WaitForError("up again after");
}

TEST_F(RoostNodeMysqlTest, StartsWithoutItsServer) {
  server->Stop();
  Program node(MysqlNode(Uri()));
  systemd.WaitFor("READY=1");
  systemd.WaitFor("remote away");
  node.Write("a 1\n");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Database(db).Number("SELECT count(*) FROM reading"), 1);
}

// CREATE TABLE IF NOT EXISTS is refused such a user, although the table is there.
TEST_F(RoostNodeMysqlTest, ATableThatAnOperatorHasMadeIsEnough) {
  {
    Program node(MysqlNode(Uri()));
    WaitForRows(0);
  }
  server->Sql("TRUNCATE farm.roost_heartbeat");
  server->Sql("CREATE USER writer@'%' IDENTIFIED BY 'open sesame'");
  server->Sql("GRANT INSERT ON farm.roost_heartbeat TO writer@'%'");
  Program node(MysqlNode(Uri("writer")));
  WaitForRows(1);
}

// The server's default collation would make one node of two.
TEST_F(RoostNodeMysqlTest, NamesThatDifferInCapitalsAreTwoNodes) {
  Program node(MysqlNode(Uri()));
  WaitForRows(0);
  server->Sql(
      "INSERT INTO farm.roost_heartbeat SELECT 'NODE7', epoch, seq, t, synced, received, "
      "version, uptime_s, taken, sealed, backlog, dropped FROM farm.roost_heartbeat");
  EXPECT_EQ(Number("SELECT COUNT(DISTINCT node) FROM farm.roost_heartbeat"), 2);
}

TEST_F(RoostNodeMysqlTest, ARowThatIsRefusedIsShownAndTheNodeGoesOn) {
  server->Sql("CREATE TABLE farm.roost_heartbeat(other int)");
  Program node(MysqlNode(Uri()));
  systemd.WaitFor("remote refusing");
  EXPECT_TRUE(Has(node.WaitForError("refusing: "), "MySQL 1054")) << node.errors();
  node.Write("a 1\n");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

TEST_F(RoostNodeMysqlTest, AnAddressThatIsWrongEndsItAtOnce) {
  for (const char* uri : {"mysql://h/db?no_such_setting=1", "mysql://h:notaport/db", "mariadb://",
                          "jdbc:mysql://h/db", "mysql+pymysql://node@h/db"}) {
    Program node(Node(uri, {}));
    EXPECT_EQ(node.Wait(), 2) << uri << "\n" << node.errors();
    EXPECT_TRUE(Has(node.errors(), "--remote: ")) << node.errors();
  }
}

// Where a password must never be seen, while a node that has one runs and fails.
TEST_F(RoostNodeMysqlTest, ThePasswordIsNowhere) {
  WritePassword("wr0ng-Tr0ub4dor");
  server->Sql("ALTER USER node@'%' IDENTIFIED BY 'right-Tr0ub4dor'");
  {
    Program node(MysqlNode(Uri()));
    systemd.WaitFor("READY=1");
    systemd.WaitFor("remote away");
    WaitForLastError("Access denied");
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
  // A wrong password is tried again after minutes; a node that begins reads the file at once.
  WritePassword("right-Tr0ub4dor");
  Program node(MysqlNode(Uri()));
  WaitForRows(0);
  EXPECT_FALSE(Has(ReadAll("/proc/" + std::to_string(node.pid()) + "/cmdline"), "Tr0ub4dor"));
}

TEST_F(RoostNodeMysqlTest, APasswordOnTheCommandLineIsRefused) {
  for (const char* uri : {"mysql://node:s3cret@h/farm", "mariadb://:s3cret@h",
                          "mysql://h/farm?user=node&password=s3cret", "mysql://u:s3/cret@h/farm"}) {
    Program node(Node(uri, {}));
    EXPECT_EQ(node.Wait(), 2) << uri;
    EXPECT_TRUE(Has(node.errors(), "command line")) << uri << ": " << node.errors();
    EXPECT_FALSE(Has(node.errors(), "cret")) << node.errors();
  }
}

// Each driver with what comes along is a megabyte of dirty pages, for a node that has no use for it.
TEST_F(RoostNodeMysqlTest, OnlyANodeWithSuchARemoteLoadsLibmariadb) {
  {
    Program without(Local(folder.File("without.db")));
    without.Write("a 1\n");
    systemd.WaitFor("STATUS=1 readings sealed");
    EXPECT_TRUE(Has(MapsOf(without), "libsqlite3"));
    EXPECT_FALSE(Has(MapsOf(without), "libmariadb"));
    EXPECT_FALSE(Has(MapsOf(without), "libssl"));
  }
  Program with(MysqlNode(Uri()));
  WaitForRows(0);
  EXPECT_TRUE(Has(MapsOf(with), "libmariadb"));
  EXPECT_FALSE(Has(MapsOf(with), "libpq"));
}

}  // namespace
}  // namespace roost::testing
