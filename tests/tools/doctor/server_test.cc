// tests/tools/doctor/server_test.cc - `roostctl doctor` beside a program whose PostgreSQL server is the cause.
#include <filesystem>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/postgres.h"
#include "roost/status.h"
#include "tests/support/postgres_server.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"
#include "tools/roostctl/live.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Asked : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "asked";
  static constexpr int kPoolSize = 2;
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr Duration kKeepAlive = 0s;
};

// A program with one pool of the server.
struct Firmware {
  Firmware(const std::string& uri, const std::string& folder)
      : backend({.uri = uri}),
        server({.name = "sick", .folder = folder.c_str()}),
        pool(backend, {.name = "remote", .observer = &server}) {
    server.Add(pool);
    keeper.Add(pool);
    keeper.Add(server);
    keeper.Start();
  }
  void GoAway() {
    while (!pool.stats().away) EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1s)).ok());
  }

  PostgresBackend backend;
  StatusServer server;
  PoolFor<Asked> pool;
  Housekeeper keeper;
};

class DoctorServerTest : public ::testing::Test {
 protected:
  DoctorServerTest() {
    std::filesystem::create_directory(folder());
    std::filesystem::create_directory(dir_.File("root"));
  }
  std::string folder() const { return dir_.File("roost"); }
  // The rules that found something, and all that they say.
  std::string Found() {
    testing::Program program({ROOSTCTL, "doctor", "sick", "--json", "--root", dir_.File("root")},
                             {.runtime_dir = dir_.path()});
    program.Wait();
    said_ = program.output();
    const Json json = Json::parse(said_, nullptr, false);
    std::set<std::string> rules;
    for (const Json& one : json.value("programs", Json::array())) {
      for (const Json& finding : one["findings"]) rules.insert(finding["rule"].get<std::string>());
    }
    std::string text;
    for (const std::string& rule : rules) text += (text.empty() ? "" : " ") + rule;
    return text;
  }

  support::TempDir dir_;
  std::string said_;
};

TEST_F(DoctorServerTest, TheServersPartIsNamed) {
  support::PostgresServer server(
      {.hba = "host all locked all scram-sha-256\nhost all all all trust\n",
       .script = "ALTER ROLE node SET idle_session_timeout = '1200ms'; CREATE ROLE locked LOGIN"});
  const std::string uri = server.Uri("sslmode=disable");
  {
    Firmware sick(uri, folder());
    EXPECT_TRUE(sick.pool.Acquire(kWrite, sick.pool.In(60s)).ok());
    EXPECT_EQ(Found(), "");
    ASSERT_TRUE(server.WaitForSessions(0)) << "the server closes what rests";
    EXPECT_TRUE(sick.pool.Acquire(kWrite, sick.pool.In(60s)).ok());
    EXPECT_EQ(Found(), "") << "one that died is no pattern";
    ASSERT_TRUE(server.WaitForSessions(0));
    EXPECT_TRUE(sick.pool.Acquire(kWrite, sick.pool.In(60s)).ok());
    EXPECT_EQ(Found(), "D05") << said_;
    EXPECT_THAT(said_, HasSubstr("\"keep_alive\""));
  }
  {
    Firmware sick(server.Uri("sslmode=disable", "locked"), folder());
    sick.GoAway();
    EXPECT_EQ(Found(), "D08") << said_;
  }
  server.Sql("ALTER ROLE node CONNECTION LIMIT 0");
  {
    Firmware sick(uri, folder());
    sick.GoAway();
    EXPECT_EQ(Found(), "D09") << said_;
  }
  {
    // Nobody answers with this name: RFC 6761 keeps it so.
    Firmware sick("postgresql://node@nowhere.invalid/farm?sslmode=disable", folder());
    sick.GoAway();
    EXPECT_EQ(Found(), "D10") << said_;
  }
  {
    Firmware sick(server.Uri("sslmode=require"), folder());
    sick.GoAway();
    EXPECT_EQ(Found(), "D11") << said_;
  }
  server.Stop();
  Firmware sick(uri, folder());
  sick.GoAway();
  EXPECT_EQ(Found(), "D07") << said_;
}

}  // namespace
}  // namespace roost::tools
