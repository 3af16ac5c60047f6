// roostctl selftest --remote against a real server of MariaDB, and against none.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/mariadb_server.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"

namespace roost::testing {
namespace {

using nlohmann::json;

class RoostctlSelftestMysqlTest : public ::testing::Test {
 protected:
  // The checks of the group "remote" by name. A password on the command line is refused.
  std::map<std::string, json> Ask(const support::MariadbServer& server, int exit) const {
    const std::string uri = "mysql://quiet@127.0.0.1:" + std::to_string(server.port()) + "/farm";
    const Outcome ran = RunProgram({ROOSTCTL, "selftest", "--db", folder.path(), "--only", "remote",
                                    "--json", "--remote", uri});
    EXPECT_EQ(ran.exit, exit) << ran.output << ran.errors;
    std::map<std::string, json> checks;
    EXPECT_TRUE(json::accept(ran.output)) << ran.output << ran.errors;
    const json answer = json::parse(ran.output);
    for (const json& check : answer["checks"]) checks[check["name"]] = check;
    return checks;
  }

  // A user without any privilege of his own: none is needed.
  static constexpr char kUser[] = "CREATE USER quiet@'%'; GRANT SELECT ON farm.* TO quiet@'%'";
  support::TempDir folder;
};

TEST_F(RoostctlSelftestMysqlTest, TellsWhatTheServerIs) {
  support::MariadbServer server({.settings = {"--max-connections=12"}, .script = kUser});
  std::map<std::string, json> checks = Ask(server, 0);
  ASSERT_EQ(checks.size(), 5u);
  for (const auto& [name, check] : checks) EXPECT_EQ(check["verdict"], "pass") << check;
  EXPECT_GT(checks["remote.reach"]["figures"]["connect_s"], 0.0);
  EXPECT_EQ(checks["remote.server"]["figures"]["role"], "primary");
  EXPECT_NE(std::string(checks["remote.server"]["measured"]).find("MariaDB 1"), std::string::npos)
      << checks["remote.server"];
  EXPECT_GE(checks["remote.server"]["figures"]["version"], 100600);
  EXPECT_EQ(checks["remote.latency"]["figures"]["count"], 20);
  EXPECT_EQ(checks["remote.tls"]["figures"]["encrypted"], false);
  EXPECT_EQ(checks["remote.sessions"]["figures"]["max_connections"], 12);
  EXPECT_GE(checks["remote.sessions"]["figures"]["sessions"], 1);
}

TEST_F(RoostctlSelftestMysqlTest, AServerThatTakesNoWritesFails) {
  support::MariadbServer server({.script = std::string(kUser) + "; SET GLOBAL read_only = 1"});
  std::map<std::string, json> checks = Ask(server, 1);
  EXPECT_EQ(checks["remote.reach"]["verdict"], "pass") << checks["remote.reach"];
  EXPECT_EQ(checks["remote.server"]["verdict"], "fail") << checks["remote.server"];
  EXPECT_EQ(checks["remote.server"]["figures"]["role"], "read-only");
}

TEST_F(RoostctlSelftestMysqlTest, WithoutAServerOneCheckFailsAndTheOthersSaySo) {
  support::MariadbServer server;
  server.Stop();
  std::map<std::string, json> checks = Ask(server, 1);
  EXPECT_EQ(checks["remote.reach"]["verdict"], "fail") << checks["remote.reach"];
  EXPECT_NE(checks["remote.reach"]["advice"], "");
  for (const char* name : {"remote.server", "remote.latency", "remote.tls", "remote.sessions"}) {
    EXPECT_EQ(checks[name]["verdict"], "skip") << checks[name];
  }
}

TEST_F(RoostctlSelftestMysqlTest, ARefusedUserIsToldWithTheServersNumber) {
  support::MariadbServer server;  // without the user
  std::map<std::string, json> checks = Ask(server, 1);
  EXPECT_EQ(checks["remote.reach"]["figures"]["errno"], "1045") << checks["remote.reach"];
}

}  // namespace
}  // namespace roost::testing
