// roost-node while the power fails: what it seals, what it does not write, and when it goes on. The node on a clock
// turned by hand with made-up sources, and the real program with its signals and a made-up board.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/spy_vfs.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/made_up_power.h"
#include "tests/tools/program.h"
#include "tests/tools/roost_node_simulated.h"
#include "tools/roost-node/pool_status.h"

namespace roost::testing {
namespace {

using namespace std::chrono_literals;
using sqlite::SpyVfs;
using tools::Options;
using tools::Power;
using Node = SimulatedNode<profiles::RaspberryPi>;

// Calls that write, of all files of the database.
int Writes(const SpyVfs& spy) { return spy.database.writes + spy.log.writes + spy.other.writes; }
int Syncs(const SpyVfs& spy) { return spy.database.syncs + spy.log.syncs + spy.other.syncs; }

class NodePowerTest : public ::testing::Test {
 protected:
  NodePowerTest() {
    options_.every = 10s;
    options_.seal_every = 1min;
    options_.run_for = 10min;
    options_.quiet = true;
  }
  // What the node says is looked at in other tests.
  void Run(Node& node, Node::EachSleep each_sleep) {
    node.set_power({.line = &line_, .voltage = &voltage_});
    ::testing::internal::CaptureStderr();
    node.Run(std::move(each_sleep));
    said_ = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(node.counts().stored + node.counts().dropped, node.counts().taken) << said_;
    EXPECT_TRUE(node.read_back().ok()) << node.read_back();
  }

  SpyVfs spy_;
  MadeUpPower line_;
  MadeUpPower voltage_;
  Options options_;
  std::string said_;
};

TEST_F(NodePowerTest, SealsAtOnceThenWritesNothingUntilThePowerIsGood) {
  Node node(nullptr, options_, spy_.name());
  int before = 0;
  int sealed = 0;
  int synced = 0;
  bool failed = false;
  Run(node, [&](Duration ran) {
    if (ran < 95s) {
      before = Syncs(spy_);
    } else if (ran < 400s) {
      // Four samples wait then, and none would be due before 120 s.
      if (line_.fails && sealed == 0) {
        sealed = Writes(spy_);
        synced = Syncs(spy_);
        EXPECT_EQ(synced, before + 1) << "sealed in the turn that saw it";
      }
      if (sealed != 0) {
        ASSERT_EQ(Writes(spy_), sealed) << ran.count();
        ASSERT_EQ(Syncs(spy_), synced) << ran.count();
      }
      line_.fails = failed = true;
    } else {
      line_.fails = false;
    }
  });
  EXPECT_TRUE(failed);
  EXPECT_GT(Writes(spy_), sealed) << "it went on";
  EXPECT_EQ(node.counts().power_failures, 1u);
  EXPECT_EQ(node.counts().dropped, 0u);
  EXPECT_EQ(node.counts().refused, 0u);
  EXPECT_NE(said_.find("the power fails: the line of --power-fail-gpio; after "), std::string::npos)
      << said_;
  EXPECT_NE(said_.find(" ms 0 readings are not sealed"), std::string::npos) << said_;
  EXPECT_NE(said_.find("the power is good again after "), std::string::npos) << said_;
  EXPECT_EQ(said_.find("overdue"), std::string::npos) << said_;
}

// The idle connection would be looked after meanwhile, and copies a log that is as long.
TEST_F(NodePowerTest, TheLogIsNotCopiedIntoTheDatabaseMeanwhile) {
  options_.every = options_.seal_every = 1s;
  options_.run_for = 20min;
  Node node(nullptr, options_, spy_.name());
  int before = 0;
  Duration since{};
  Run(node, [&](Duration ran) {
    if (since == Duration::zero()) {
      if (tools::FileStatsOf(node.pool()).log_pages <= 256) return;
      since = ran;
      line_.fails = true;
    } else if (ran < since + 5s) {
      before = spy_.database.writes;
    } else if (ran < since + 5min) {
      ASSERT_EQ(spy_.database.writes, before) << ran.count();
    } else {
      line_.fails = false;
    }
  });
  EXPECT_GT(since, Duration::zero());
}

TEST_F(NodePowerTest, WhatIsTakenMeanwhileIsKeptUpToTheBuffersBound) {
  options_.batch = options_.buffer = 60;
  Node node(nullptr, options_, spy_.name());
  Run(node, [&](Duration ran) { line_.fails = ran > 95s && ran < 500s; });
  EXPECT_GT(node.counts().dropped, 0u);
  EXPECT_EQ(node.counts().lost, 0u);
}

// The second word comes while the first one's batch is being synced: it begins nothing anew, and nothing follows.
TEST_F(NodePowerTest, AFailureWhileASealRunsIsSeenAfterIt) {
  options_.every = 1s;
  options_.seal_every = 30s;
  int syncs = 0;
  int writes = 0;
  int sleeps = 0;
  Node node(nullptr, options_, spy_.name());
  spy_.on_sync = [&] {
    if (line_.looks > 40 && ++syncs == 1) line_.fails = true;
  };
  Run(node, [&](Duration ran) {
    // After the first sleep comes the turn that sees it, and seals the sample of that turn.
    if (!line_.fails || ++sleeps == 1) return;
    if (writes == 0) writes = Writes(spy_);
    if (ran < 300s) {
      ASSERT_EQ(Writes(spy_), writes);
    } else {
      line_.fails = false;
    }
  });
  EXPECT_GT(writes, 0);
  EXPECT_EQ(node.counts().power_failures, 1u);
}

TEST_F(NodePowerTest, AStormOfFailuresSealsOnce) {
  options_.every = 100ms;
  options_.seal_every = 1h;
  options_.run_for = 60s;
  Node node(nullptr, options_, spy_.name(), 10ms);
  int turns = 0;
  Run(node, [&](Duration) { line_.fails = ++turns % 2 == 0 && turns < 5000; });
  EXPECT_EQ(node.counts().power_failures, 1u) << "it never was steady";
  const uint64_t full = node.counts().stored / static_cast<uint64_t>(options_.batch);
  EXPECT_LE(node.counts().batches, full + 2)
      << "what waited, in batches, and the one of the first failure";
  EXPECT_EQ(node.counts().dropped, 0u);
}

TEST_F(NodePowerTest, UnderVoltageThatDoesNotEndIsWaitedForOnlyForAWhile) {
  options_.power_hold = 2min;
  Node node(nullptr, options_, spy_.name());
  uint64_t while_low = 0;
  Run(node, [&](Duration ran) {
    voltage_.fails = ran > 95s;
    if (ran > 5min && while_low == 0) while_low = static_cast<uint64_t>(Writes(spy_));
  });
  EXPECT_GT(static_cast<uint64_t>(Writes(spy_)), while_low);
  EXPECT_EQ(node.counts().power_failures, 1u);
  EXPECT_NE(said_.find("the power fails: under-voltage"), std::string::npos) << said_;
}

TEST_F(NodePowerTest, ANodeThatEndsInOrderSealsWhatWaited) {
  options_.run_for = 3min;
  Node node(nullptr, options_, spy_.name());
  Run(node, [&](Duration ran) { line_.fails = ran > 95s; });
  EXPECT_EQ(node.counts().stored, node.counts().taken);
}

TEST_F(NodePowerTest, SigpwrCountsUntilSighup) {
  Node node(nullptr, options_, spy_.name());
  int stage = 0;
  int writes = 0;
  Run(node, [&](Duration ran) {
    if (stage == 0 && ran > 95s) {
      raise(SIGPWR);
      stage = 1;
    } else if (stage == 1 && ran > 100s) {
      writes = Writes(spy_);
      stage = 2;
    } else if (stage == 2 && ran > 250s) {
      EXPECT_EQ(Writes(spy_), writes);
      raise(SIGHUP);
      stage = 3;
    } else if (stage == 3 && ran > 252s) {
      EXPECT_GT(Writes(spy_), writes);
      stage = 4;
    }
  });
  EXPECT_EQ(stage, 4);
  EXPECT_EQ(node.counts().power_failures, 1u);
}

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class PowerProgramTest : public ::testing::Test {
 protected:
  std::vector<std::string> Node(std::vector<std::string> more) const {
    std::vector<std::string> all = {ROOST_NODE, "--db", db_};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  void PutAlarm(std::string_view value) const {
    const std::string at = folder_.File("board/sys/class/hwmon/hwmon0");
    std::filesystem::create_directories(at);
    std::ofstream(at + "/name") << "rpi_volt\n";
    std::ofstream(at + "/in0_lcrit_alarm") << value << "\n";
  }

  support::TempDir folder_;
  const std::string db_ = folder_.File("node.db");
};

TEST_F(PowerProgramTest, AfterSigpwrALineWaitsForSighup) {
  Program node(Node({"--stdin", "--seal-every", "1ms", "--json"}));
  node.WaitForError("lines into");
  node.Write("a 1\nb 2\n");
  node.Signal(SIGPWR);
  EXPECT_TRUE(Has(node.WaitForError("the power fails"), "SIGPWR"));
  node.Write("c 3\n");
  // It is taken in the turn after the signal at the latest, and would be due at once.
  node.Signal(SIGHUP);
  EXPECT_TRUE(Has(node.WaitForError("the power is good again"), "; 1 readings have waited"));
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Database(db_).Number("SELECT count(*) FROM reading"), 3);
  EXPECT_EQ(nlohmann::json::parse(node.output())["power_failures"], 1);
}

TEST_F(PowerProgramTest, AfterSigpwrItGoesOnByItselfWhenItsTimeIsOver) {
  Program node(Node({"--stdin", "--power-hold", "20ms"}));
  node.WaitForError("lines into");
  node.Signal(SIGPWR);
  node.WaitForError("the power fails");
  EXPECT_FALSE(node.WaitForError("the power is good again").empty());
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
}

// A board that is short of voltage when the node starts: the database is not even made.
TEST_F(PowerProgramTest, UnderVoltageAtTheStartKeepsTheNodeFromTheCard) {
  PutAlarm("1");
  std::filesystem::create_directories(folder_.File("board/proc"));
  std::ofstream(folder_.File("board/proc/loadavg")) << "0.5 0.5 0.5 1/2 3\n";
  Program node(Node({"--root", folder_.File("board"), "--every", "20ms", "--seal-every", "20ms"}));
  EXPECT_TRUE(Has(node.WaitForError("the power fails"), "under-voltage"));
  EXPECT_FALSE(std::filesystem::exists(db_));
  PutAlarm("0");
  EXPECT_FALSE(node.WaitForError("the power is good again").empty());
  EXPECT_FALSE(node.WaitForError("sealed").empty());
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_GT(Database(db_).Number("SELECT count(*) FROM reading"), 0);
}

TEST_F(PowerProgramTest, AChipThatIsNotThereIsAMistakeThatIsToldAtTheStart) {
  const Outcome ran =
      RunProgram(Node({"--root", folder_.path(), "--power-fail-gpio", "gpiochip9:17"}));
  EXPECT_EQ(ran.exit, 2);
  EXPECT_TRUE(Has(ran.errors,
                  "--power-fail-gpio: there is no chip gpiochip9; this machine has no GPIO chip"))
      << ran.errors;
  EXPECT_FALSE(std::filesystem::exists(db_));
}

TEST_F(PowerProgramTest, ALineThatIsNotOneIsAMistake) {
  for (const char* wrong : {"gpiochip0", "gpiochip0:", ":17", "gpiochip0:x", "gpiochip0:-1",
                            "gpiochip0:17:low", "gpiochip0:99999999999", ""}) {
    const Outcome ran = RunProgram(Node({"--power-fail-gpio", wrong}));
    EXPECT_EQ(ran.exit, 2) << wrong;
    EXPECT_TRUE(Has(ran.errors, "--power-fail-gpio")) << wrong << ": " << ran.errors;
  }
}

}  // namespace
}  // namespace roost::testing
