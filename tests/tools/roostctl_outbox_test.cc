// roostctl outbox: what a node's database says, and how both sides are compared. The server's side is in
// roost_node_forward_test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "telemetry/process.h"
#include "telemetry/status_file.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/program.h"
#include "tools/roost-node/store.h"
#include "tools/roostctl/outbox.h"

namespace roost::tools {
namespace {

using nlohmann::json;
using testing::Database;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;

Outcome Roostctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {ROOSTCTL, "outbox"});
  return testing::RunProgram(arguments);
}

class OutboxTest : public ::testing::Test {
 protected:
  OutboxTest() : db_(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) {
    db_.Run("PRAGMA journal_mode = WAL");
    db_.Run(NodeSchema().c_str());
    db_.Run(
        "INSERT INTO sensor VALUES (1, 't', 'C'); WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL "
        "SELECT i + 1 "
        "FROM n WHERE i < 500) INSERT INTO reading SELECT i, 7, 1, 1, 1, 1, i, 0 FROM n");
  }

  support::TempDir folder_;
  const std::string path_ = folder_.File("node.db");
  Database db_;
};

TEST_F(OutboxTest, ShowsWhatWaitsWithAndWithoutSegments) {
  const Outcome none = Roostctl({"show", "--db", path_});
  EXPECT_EQ(none.exit, 0) << none.errors;
  EXPECT_THAT(none.output,
              HasSubstr("nothing was sent from it yet\n  waiting: 400, by their numbers\n"));
  db_.Run(
      "INSERT INTO segment VALUES (7, 1, 400, 250, 300), (7, 401, NULL, 490, 490); INSERT INTO gap "
      "VALUES (7, "
      "1, 90, 1, 0), (7, 91, 100, 2, 0); UPDATE thinned SET readings = 5");
  const Outcome some = Roostctl({"show", "--db", path_});
  EXPECT_THAT(some.output,
              HasSubstr(": 1 to 400, sent to 250, 150 wait; the server lost what it had "
                        "confirmed up to 300\n"));
  EXPECT_THAT(some.output, HasSubstr(": 401 on, sent to 490, 10 wait\n"));
  EXPECT_THAT(some.output, HasSubstr("waiting: 160"));
  EXPECT_THAT(some.output,
              HasSubstr("given up: 90 for want of room, 10 for their age, 5 thinned\n"));
  const json all = json::parse(Roostctl({"show", "--db", path_, "--json"}).output);
  EXPECT_EQ(all["waiting"], 160);
  EXPECT_EQ(all["segments"][0]["hi"], 400);
  EXPECT_FALSE(all["segments"][1].contains("hi"));
  EXPECT_EQ(all["given_up"]["thin"], 5);
}

TEST(OutboxVerdictTest, BothSidesAgreeOnlyIfNothingIsMissing) {
  OutboxSide side;
  side.segments = {{.epoch = 7, .lo = 1, .hi = 400, .sent = 250, .acked = 250},
                   {.epoch = 7, .lo = 401, .sent = 490, .acked = 490}};
  const ServerBalance even{
      .epoch = 7, .accounted = 340, .readings = 330, .rejects = 2, .gaps = 8, .missing = 0};
  Verdict verdict = JudgeBalance("n", side, {even});
  EXPECT_EQ(verdict.missing + verdict.unknown, 0);
  EXPECT_THAT(verdict.text, HasSubstr("\n0 missing\n"));
  ServerBalance short_of = even;
  short_of.readings = 329;
  short_of.missing = 1;
  EXPECT_EQ(JudgeBalance("n", side, {short_of}).missing, 1);
  // It was restored: its own balance is even, and what it confirmed since is gone.
  ServerBalance restored = even;
  restored.accounted = 300;
  verdict = JudgeBalance("n", side, {restored});
  EXPECT_EQ(verdict.missing, 0);
  EXPECT_EQ(verdict.unknown, 40);
  EXPECT_THAT(verdict.text, HasSubstr("\n40 missing\n"));
  EXPECT_EQ(JudgeBalance("n", side, {}).unknown, 340) << "another server";
  EXPECT_THAT(JudgeBalance("n", side, {even}).text, Not(HasSubstr("restored")));
}

TEST(OutboxProgramTest, RetryTellsARunningNodeThatSends) {
  support::TempDir folder;
  const std::string file = folder.File("status.json");
  EXPECT_EQ(Roostctl({"retry", "--file", file}).exit, kOutboxNotRunning);
  telemetry::NodeStatus status{.name = "roof", .pid = getpid()};
  status.start_ticks = telemetry::StartTicks(getpid());
  ASSERT_TRUE(telemetry::WriteStatusFile(file, status).ok());
  EXPECT_THAT(Roostctl({"retry", "--file", file}).errors, HasSubstr("roof sends no readings"));
  status.outbox.emplace();
  ASSERT_TRUE(telemetry::WriteStatusFile(file, status).ok());
  static volatile sig_atomic_t told = 0;
  told = 0;
  void (*const before)(int) = signal(SIGHUP, [](int) { told = 1; });
  EXPECT_EQ(Roostctl({"retry", "--file", file}).exit, 0);
  EXPECT_EQ(told, 1);
  signal(SIGHUP, before);
  status.start_ticks += 1;
  ASSERT_TRUE(telemetry::WriteStatusFile(file, status).ok());
  EXPECT_EQ(Roostctl({"retry", "--file", file}).exit, kOutboxNotRunning)
      << "another process has its number";
}

TEST(OutboxProgramTest, WhatIsWrongIsSaidBeforeAnythingIsDone) {
  support::TempDir folder;
  const std::string there = folder.File("there");
  const std::string server = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1";
  EXPECT_EQ(Roostctl({}).exit, 0) << "it prints its help";
  EXPECT_EQ(Roostctl({"verify"}).exit, 2);
  EXPECT_THAT(Roostctl({"verify", "--server", "postgresql://u:secret@h/d"}).errors,
              HasSubstr("--password-file"));
  EXPECT_EQ(Roostctl({"drop", "--before", "90", "--server", server}).exit, 2);
  EXPECT_EQ(Roostctl({"verify", "--db", there, "--server", server}).exit, kOutboxCannotTell);
  const Outcome away = Roostctl({"export", there, "--server", server});
  EXPECT_EQ(away.exit, kOutboxCannotTell);
  EXPECT_NE(access(there.c_str(), F_OK), 0) << "no half of it is left";
  testing::RunProgram({"/bin/sh", "-c", "echo mine > " + there});
  EXPECT_THAT(Roostctl({"export", there, "--server", server}).errors, HasSubstr("File exists"));
}

}  // namespace
}  // namespace roost::tools
