// roost-node as a service: the real program, with the test in the place of systemd.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <regex>
#include <string>
#include <vector>

#include "platform/rpi/board_health.h"
#include "telemetry/status_file.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/notify_socket.h"
#include "tests/tools/program.h"

namespace roost::testing {
namespace {

class RoostNodeSystemdTest : public ::testing::Test {
 protected:
  // The program with these variables in its environment, and `more`.
  std::vector<std::string> Service(std::vector<std::string> variables,
                                   std::vector<std::string> more) const {
    std::vector<std::string> all = {"/usr/bin/env"};
    all.insert(all.end(), variables.begin(), variables.end());
    for (const char* word : {ROOST_NODE, "--db"}) all.emplace_back(word);
    all.push_back(db);
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::string Socket() const { return "NOTIFY_SOCKET=" + systemd.name(); }

  support::TempDir folder;
  const std::string db = folder.File("node.db");
  const std::string status = folder.File("status.json");
  NotifySocket systemd{folder.File("notify")};
};

TEST_F(RoostNodeSystemdTest, SaysReadyHowItIsThatItLivesAndThatItStops) {
  Program node(Service({Socket(), "WATCHDOG_USEC=400000"}, {"--stdin", "--seal-every", "1ms"}));
  EXPECT_TRUE(systemd.WaitFor("READY=1").starts_with("READY=1\nSTATUS=no reading sealed yet"));
  node.Write("a 1\n");
  systemd.WaitFor("STATUS=1 readings sealed, the last 1 at ");
  systemd.WaitFor("WATCHDOG=1");
  systemd.WaitFor("WATCHDOG=1");
  node.Signal(SIGTERM);
  systemd.WaitFor("STOPPING=1");
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

TEST_F(RoostNodeSystemdTest, AWatchdogOfAnotherProcessIsNotFed) {
  Program node(Service({Socket(), "WATCHDOG_USEC=1000", "WATCHDOG_PID=1"}, {"--for", "300ms"}));
  EXPECT_EQ(node.Wait(), 0);
  systemd.Drain();
  EXPECT_EQ(systemd.all().find("WATCHDOG"), std::string::npos) << systemd.all();
}

TEST_F(RoostNodeSystemdTest, IsNotReadyBeforeItsDatabaseIsUsable) {
  ASSERT_EQ(RunProgram({ROOST_NODE, "--db", db, "-"}, "a 1\n").exit, 0);
  Database other(db);
  other.Run("BEGIN EXCLUSIVE");
  Program node(Service({Socket()}, {"--stdin", "--seal-every", "1ms"}));
  node.Write("b 2\n");
  systemd.WaitFor("STATUS=waiting for the database: ");
  EXPECT_EQ(systemd.all().find("READY"), std::string::npos) << systemd.all();
  other.Run("COMMIT");
  systemd.WaitFor("READY=1");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(other.Number("SELECT count(*) FROM reading"), 2);
}

TEST_F(RoostNodeSystemdTest, ADatabaseThatRefusesIsShownAndFed) {
  Program node(Service({Socket(), "WATCHDOG_USEC=2000000"},
                       {"--stdin", "--seal-every", "1ms", "--status-file", status}));
  systemd.WaitFor("READY=1");
  Database other(db);
  other.Run("BEGIN EXCLUSIVE");
  node.Write("a 1\n");
  systemd.WaitFor("STATUS=the database refuses: ");
  const auto refused = telemetry::ReadStatusFile(status);
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_NE(refused->refused, "");
  EXPECT_EQ(refused->readings.waiting, 1u);
  EXPECT_NE(telemetry::Trouble(*refused, BootMicros()), "");
  systemd.WaitFor("WATCHDOG=1");
  systemd.WaitFor("WATCHDOG=1");
  other.Run("COMMIT");
  systemd.WaitFor("STATUS=1 readings sealed");
  EXPECT_EQ(telemetry::Trouble(*telemetry::ReadStatusFile(status), BootMicros()), "");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

TEST_F(RoostNodeSystemdTest, TheStatusFileIsThereWhileItRuns) {
  Program node(Service({Socket(), "RUNTIME_DIRECTORY=" + folder.path()},
                       {"--stdin", "--seal-every", "1ms", "--name", "node7"}));
  node.Write("a 1\nb 2\n");
  systemd.WaitFor("STATUS=2 readings sealed");
  const auto running = telemetry::ReadStatusFile(status);
  ASSERT_TRUE(running.ok()) << running.status();
  EXPECT_EQ(telemetry::Trouble(*running, BootMicros()), "");
  EXPECT_EQ(running->pid, node.pid());
  EXPECT_EQ(running->name, "node7");
  EXPECT_EQ(running->state, "running");
  EXPECT_EQ(running->readings.sealed, 2u);
  EXPECT_EQ(running->readings.most_waiting, 2u);
  EXPECT_EQ(running->last_seal->count, 2u);
  EXPECT_EQ(running->local.target, db);
  EXPECT_GE(running->local.stats.checkouts, 2u);
  EXPECT_GT(running->memory.rss_kib, 0u);
  EXPECT_GE(running->memory.peak_rss_kib, running->memory.rss_kib);
  EXPECT_FALSE(running->remote.has_value());
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0);
  EXPECT_NE(access(status.c_str(), F_OK), 0) << "a clean end takes it away";
}

TEST_F(RoostNodeSystemdTest, AKilledNodeLeavesAFileThatGrowsOld) {
  Program node(Service({Socket()}, {"--stdin", "--status-file", status}));
  systemd.WaitFor("READY=1");
  node.Signal(SIGKILL);
  EXPECT_EQ(node.Wait(), -SIGKILL);
  const auto left = telemetry::ReadStatusFile(status);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_NE(kill(static_cast<pid_t>(left->pid), 0), 0);
  EXPECT_NE(telemetry::Trouble(*left, left->written_boot_us + 60'000'000).find("old"),
            std::string::npos);
}

// A reader would see now the one and now the other, and the first one that ends would take away the other's.
TEST_F(RoostNodeSystemdTest, TwoNodesDoNotShareAFile) {
  const std::string metrics = folder.File("node.prom");
  const std::vector<std::string> files{"--stdin",        "--status-file", status,
                                       "--status-every", "100ms",         "--metrics-file",
                                       metrics,          "--seal-every",  "1ms"};
  Program first(Service({Socket()}, files));
  first.Write("a 1\n");
  systemd.WaitFor("STATUS=1 readings sealed");  // and both files are written
  std::vector<std::string> words{ROOST_NODE, "--db", folder.File("two.db"), "--name", "two"};
  words.insert(words.end(), files.begin(), files.end());
  Program second(words);
  const std::string owner = "process " + std::to_string(first.pid()) + " writes ";
  EXPECT_NE(second.WaitForError("--status-file of its own").find(owner + status), std::string::npos)
      << second.errors();
  EXPECT_NE(second.WaitForError("--metrics-file of its own").find(owner + metrics),
            std::string::npos)
      << second.errors();
  second.CloseInput();
  EXPECT_EQ(second.Wait(), 0) << "it takes readings all the same";
  EXPECT_EQ(telemetry::ReadStatusFile(status)->pid, first.pid());
  EXPECT_EQ(access(metrics.c_str(), F_OK), 0) << "the end of the second is not that of the first";
  const size_t told = second.errors().find(owner + status);
  EXPECT_EQ(told, second.errors().rfind(owner + status)) << "once";
  first.CloseInput();
  EXPECT_EQ(first.Wait(), 0);
  EXPECT_NE(access(status.c_str(), F_OK), 0);
  EXPECT_NE(access(metrics.c_str(), F_OK), 0);
}

TEST_F(RoostNodeSystemdTest, LinesForTheJournalBeginWithTheirGravity) {
  const std::string words = std::string(ROOST_NODE) + " --db " + db + " -";
  const std::string journal = "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec " + words;
  const Outcome to_journal = RunProgram({"/bin/sh", "-c", journal}, "a 1\nb\n");
  EXPECT_EQ(to_journal.exit, 3);
  EXPECT_TRUE(std::regex_search(to_journal.errors, std::regex("(^|\n)<6>lines into ")))
      << to_journal.errors;
  EXPECT_TRUE(std::regex_search(to_journal.errors, std::regex("(^|\n)<4>line 2: ")))
      << to_journal.errors;
  EXPECT_EQ(to_journal.errors.find("roost-node:"), std::string::npos) << to_journal.errors;

  const std::string elsewhere = "JOURNAL_STREAM=8:12345 exec " + words;
  const Outcome to_pipe = RunProgram({"/bin/sh", "-c", elsewhere}, "a 1\nb\n");
  EXPECT_NE(to_pipe.errors.find("roost-node: line 2: "), std::string::npos) << to_pipe.errors;
  EXPECT_EQ(to_pipe.errors.find("<4>line"), std::string::npos) << to_pipe.errors;
}

TEST_F(RoostNodeSystemdTest, StartedByHandItTellsNobody) {
  const Outcome ran = RunProgram({ROOST_NODE, "--db", db, "-"}, "a 1\n");
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(systemd.Next(), "");
  EXPECT_NE(access(status.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace roost::testing
