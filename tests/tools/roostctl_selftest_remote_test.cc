// roostctl selftest --remote against a real server, and against none.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/postgres_server.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"

namespace roost::testing {
namespace {

using nlohmann::json;

class RoostctlSelftestRemoteTest : public ::testing::Test {
 protected:
  // The checks of the group "remote" by name.
  std::map<std::string, json> Ask(const std::string& uri, int exit) const {
    const Outcome ran = RunProgram({ROOSTCTL, "selftest", "--db", folder.path(), "--only", "remote",
                                    "--json", "--remote", uri});
    EXPECT_EQ(ran.exit, exit) << ran.output << ran.errors;
    std::map<std::string, json> checks;
    EXPECT_TRUE(json::accept(ran.output)) << ran.output << ran.errors;
    const json answer = json::parse(ran.output);
    for (const json& check : answer["checks"]) checks[check["name"]] = check;
    return checks;
  }

  support::TempDir folder;
};

TEST_F(RoostctlSelftestRemoteTest, TellsWhatTheServerIsAndLeavesNoSessionBehind) {
  support::PostgresServer server({.settings = {"max_connections = 12"}});
  std::map<std::string, json> checks = Ask(server.Uri("sslmode=disable"), 0);
  ASSERT_EQ(checks.size(), 5u);
  for (const auto& [name, check] : checks) EXPECT_EQ(check["verdict"], "pass") << check;
  EXPECT_GT(checks["remote.reach"]["figures"]["connect_s"], 0.0);
  EXPECT_EQ(checks["remote.server"]["figures"]["role"], "primary");
  EXPECT_EQ(checks["remote.latency"]["figures"]["count"], 20);
  EXPECT_EQ(checks["remote.tls"]["figures"]["encrypted"], false);
  EXPECT_EQ(checks["remote.sessions"]["figures"]["max_connections"], 12);
  EXPECT_GE(checks["remote.sessions"]["figures"]["sessions"], 1);
  EXPECT_TRUE(server.WaitForSessions(0));
}

TEST_F(RoostctlSelftestRemoteTest, AServerThatTakesNoWritesFails) {
  support::PostgresServer server(
      {.script = "ALTER ROLE node SET default_transaction_read_only = on"});
  std::map<std::string, json> checks = Ask(server.Uri("sslmode=disable"), 1);
  EXPECT_EQ(checks["remote.reach"]["verdict"], "pass") << checks["remote.reach"];
  EXPECT_EQ(checks["remote.server"]["verdict"], "fail") << checks["remote.server"];
}

TEST_F(RoostctlSelftestRemoteTest, WithoutAServerOneCheckFailsAndTheOthersSaySo) {
  std::string uri;
  {
    support::PostgresServer gone({.start = false});
    uri = gone.Uri("sslmode=disable");
  }
  std::map<std::string, json> checks = Ask(uri, 1);
  EXPECT_EQ(checks["remote.reach"]["verdict"], "fail") << checks["remote.reach"];
  EXPECT_NE(checks["remote.reach"]["advice"], "");
  for (const char* name : {"remote.server", "remote.latency", "remote.tls", "remote.sessions"}) {
    EXPECT_EQ(checks[name]["verdict"], "skip") << checks[name];
  }
}

TEST_F(RoostctlSelftestRemoteTest, ARefusedUserIsToldWithItsSqlstate) {
  support::PostgresServer server({.hba = "host all node all reject\n"});
  std::map<std::string, json> checks = Ask(server.Uri("sslmode=disable"), 1);
  EXPECT_EQ(checks["remote.reach"]["figures"]["sqlstate"], "28000") << checks["remote.reach"];
}

}  // namespace
}  // namespace roost::testing
