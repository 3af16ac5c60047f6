// The fifteen lines of README.md, and the examples that want a server, against a real PostgreSQL.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "tests/support/postgres_server.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace roost {
namespace {

TEST(PostgresReadmeTest, TheSameFifteenLinesStoreAReading) {
  support::PostgresServer server({.script = "GRANT ALL ON SCHEMA public TO node"});
  for (int runs = 1; runs <= 2; ++runs) {
    EXPECT_EQ(support::RunToEnd({.words = {ROOST_FIFTEEN_LINES, server.Uri()}}).exit, 0);
    EXPECT_EQ(server.Sql("SELECT count(*) || ' ' || min(node) || ' ' || min(level_db) || ' ' || "
                         "(min(taken_us) > 1600000000000000) FROM reading"),
              std::to_string(runs) + " roof 41.5 true");
  }
}

constexpr char kGrant[] = "GRANT ALL ON SCHEMA public TO node";

TEST(PostgresExamplesTest, TheRemoteExampleStoresEachReadingOnce) {
  support::PostgresServer server({.script = kGrant});
  for (int run = 1; run <= 2; ++run) {
    const support::Finished ran =
        support::RunToEnd({.words = {ROOST_REMOTE, server.Uri(), "5", "100"}});
    EXPECT_EQ(ran.exit, 0) << ran.output;
    EXPECT_EQ(ran.output, "5 stored, 0 kept\n");
    EXPECT_EQ(server.Sql("SELECT count(*) || ' ' || min(id) || ' ' || max(id) FROM reading"),
              "5 0 4");
  }
}

// Readings in the archive; 0: it has no table yet.
int Archived(support::PostgresServer& server) {
  if (server.Sql("SELECT count(*) FROM pg_tables WHERE tablename = 'reading'") == "0") return 0;
  return std::stoi(server.Sql("SELECT count(*) FROM reading"));
}

TEST(PostgresExamplesTest, TheWeatherStationForwardsEachReadingOnceOverARestartOfTheServer) {
  support::PostgresServer server({.script = kGrant});
  support::TempDir folder;
  const std::string file = folder.File("node.db");
  support::Process station(
      {.words = {ROOST_STATION, file, folder.File("socket"), server.Uri(), "10"}});
  ASSERT_TRUE(support::WaitUntil([&] { return Archived(server) >= 10; }));
  server.Restart(support::PostgresServer::Shutdown::kImmediate);
  const int before = Archived(server);
  ASSERT_TRUE(support::WaitUntil([&] { return Archived(server) >= before + 10; }));
  station.Signal(SIGTERM);
  ASSERT_TRUE(station.Wait());
  EXPECT_EQ(station.exit_status(), 0);
  const std::string stored =
      support::RunOrFail({.words = {"sqlite3", file, "SELECT count(*) FROM reading"}});
  const std::string archived = server.Sql("SELECT count(*) FROM reading");
  EXPECT_EQ(archived + "\n", stored);
  EXPECT_EQ(server.Sql("SELECT min(id) || ' ' || max(id) FROM reading"), "1 " + archived);
}

}  // namespace
}  // namespace roost
