// The files of deploy/systemd: what systemd itself says of the unit, and that the sample
// configuration knows every setting.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"
#include "tools/common/config_file.h"
#include "tools/roost-node/node.h"

namespace roost::testing {
namespace {

const std::string kFolder = ROOST_SYSTEMD_FILES;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The value of `name` in seconds.
int SecondsIn(const std::string& unit, const std::string& name) {
  std::smatch found;
  if (std::regex_search(unit, found, std::regex("\n" + name + "=([0-9]+)s\n"))) {
    return std::stoi(found[1]);
  }
  ADD_FAILURE() << name << " is not in the unit, or not in seconds";
  return 0;
}

class UnitTest : public ::testing::Test {
 protected:
  // The unit with the program that was just built.
  std::string Installed() {
    const std::string path = folder.File("roost-node.service");
    std::ofstream(path) << std::regex_replace(Read(kFolder + "/roost-node.service"),
                                              std::regex("/usr/bin/roost-node"), ROOST_NODE);
    return path;
  }
  support::TempDir folder;
};

#ifdef ROOST_SYSTEMD_ANALYZE
// Its manual pages are installed with it, not here: conventions_test.py looks for them.
TEST_F(UnitTest, SystemdUnderstandsEveryLine) {
  const Outcome verified = RunProgram({ROOST_SYSTEMD_ANALYZE, "verify", "--man=no", Installed()});
  EXPECT_EQ(verified.exit, 0) << verified.errors;
  // A line that is not understood is a warning and exit code 0.
  EXPECT_EQ(verified.errors.find("roost-node.service:"), std::string::npos) << verified.errors;
}

TEST_F(UnitTest, ItsExposureIsAtMostTwo) {
  const Outcome rated = RunProgram(
      {ROOST_SYSTEMD_ANALYZE, "security", "--offline=true", "--threshold=20", Installed()});
  EXPECT_EQ(rated.exit, 0) << rated.output << rated.errors;
  std::smatch found;
  ASSERT_TRUE(std::regex_search(rated.output, found,
                                std::regex("Overall exposure level for [^:]*: ([0-9.]+)")))
      << rated.output << rated.errors;
  std::printf("systemd-analyze security: %s\n", found[1].str().c_str());
}
#endif

TEST_F(UnitTest, ItsTimesFitTheProgram) {
  using tools::Node;
  using tools::Watchdog;
  const std::string unit = Read(kFolder + "/roost-node.service");
  const std::chrono::seconds watchdog{SecondsIn(unit, "WatchdogSec")};
  EXPECT_GT(watchdog, Watchdog::kSealBound + Node::kTurnWithin)
      << "a node whose database is slow to refuse would be killed";
  const Duration ending = Node::kFinishWithin + Node::kStoreWithin       // the last seal
                          + Node::kStoreWithin + tools::Remote::kWithin  // reading back, the remote
                          + Node::kFinishWithin;                         // checkpoint and close
  EXPECT_GT(std::chrono::seconds(SecondsIn(unit, "TimeoutStopSec")), ending);
  // The end of --for is no stop for systemd: the watchdog goes on.
  EXPECT_GT(watchdog, ending);
}

TEST_F(UnitTest, TheSampleConfigurationHasEverySettingAndEachIsRight) {
  const std::string sample = Read(kFolder + "/roost-node.conf");
  // What is set, and what could be: "#every = 1s".
  std::set<std::string> keys;
  std::string uncommented;
  const std::regex setting("^#?([a-z-]+) = ([^ ].*)$");
  std::istringstream lines(sample);
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, setting)) continue;
    keys.insert(found[1]);
    uncommented += found[1].str() + " = " + found[2].str() + "\n";
  }
  const std::string help = RunProgram({ROOST_NODE, "--help"}).output;
  const std::regex flag("\n  --([a-z-]+)");
  std::set<std::string> flags;
  for (auto it = std::sregex_iterator(help.begin(), help.end(), flag); it != std::sregex_iterator();
       ++it) {
    flags.insert((*it)[1]);
  }
  for (const char* not_for_a_file : {"version", "config", "profile-info"}) {
    flags.erase(not_for_a_file);
  }
  EXPECT_EQ(keys, flags);

  // Those whose value is a path or a name that does not exist here are left out, and what needs a remote.
  std::string usable;
  const auto settings = tools::ParseConfig("sample", uncommented);
  ASSERT_TRUE(settings.ok()) << settings.status();
  for (const tools::Setting& s : *settings) {
    const bool elsewhere = s.value.find('/') != std::string::npos || s.value.front() == '(';
    const bool for_remote = s.key == "forward" || s.key == "remote-table";
    if (!elsewhere && !for_remote && s.key != "for") usable += s.key + " = " + s.value + "\n";
  }
  const std::string path = folder.File("conf");
  std::ofstream(path) << usable << "db = :memory:\nfor = 1ms\n";
  const Outcome ran = RunProgram({ROOST_NODE, "--config", path});
  EXPECT_EQ(ran.exit, 0) << ran.errors << usable;
}

TEST_F(UnitTest, TheSampleConfigurationAsItIsStartsANode) {
  const Outcome ran = RunProgram(
      {ROOST_NODE, "--config", kFolder + "/roost-node.conf", "--for", "1ms", "--db", ":memory:"});
  EXPECT_EQ(ran.exit, 0) << ran.errors;
}

TEST_F(UnitTest, TheHelpTellsTheRuleOfTheWatchdogAsTheUnitDoes) {
  std::string help = RunProgram({ROOST_NODE, "--help"}).output;
  std::replace(help.begin(), help.end(), '\n', ' ');
  const std::string bound = std::to_string(tools::Watchdog::kSealBound / std::chrono::seconds(1));
  EXPECT_NE(help.find("answer from the database within " + bound + " s"), std::string::npos);
  EXPECT_NE(Read(kFolder + "/roost-node.service").find("from the database within " + bound + " s"),
            std::string::npos);
}

}  // namespace
}  // namespace roost::testing
