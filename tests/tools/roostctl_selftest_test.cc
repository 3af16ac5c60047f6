// roostctl selftest as its users see it: the real program, its three forms of output, its exit
// codes, and a node that runs meanwhile.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/made_up_board.h"
#include "tests/tools/program.h"

namespace roost::testing {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class RoostctlSelftestTest : public ::testing::Test {
 protected:
  RoostctlSelftestTest() { fs::create_directories(data); }
  std::vector<std::string> Command(std::vector<std::string> more) const {
    std::vector<std::string> all = {ROOSTCTL, "selftest"};
    if (std::find(more.begin(), more.end(), "--db") == more.end()) {
      all.insert(all.end(), {"--db", data});
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Outcome Selftest(std::vector<std::string> more) const {
    return RunProgram(Command(std::move(more)));
  }
  json SelftestJson(std::vector<std::string> more, int exit) const {
    more.push_back("--json");
    const Outcome ran = Selftest(std::move(more));
    EXPECT_EQ(ran.exit, exit) << ran.output << ran.errors;
    EXPECT_TRUE(json::accept(ran.output)) << ran.output << ran.errors;
    return json::parse(ran.output);
  }
  static std::map<std::string, json> ByName(const json& answer) {
    std::map<std::string, json> checks;
    for (const json& check : answer["checks"]) checks[check["name"]] = check;
    return checks;
  }
  void MakeNodesDatabase() const {
    Database database(data + "/node.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    database.Run("PRAGMA journal_mode=WAL");
    database.Run("CREATE TABLE reading(a); CREATE INDEX i ON reading(a)");
    database.Run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "INSERT INTO reading SELECT 'reading number ' || i FROM n");
  }

  support::TempDir folder;
  const std::string data = folder.File("data");
};

TEST_F(RoostctlSelftestTest, JsonHasTheDocumentedNamesAndNoOthers) {
  const json answer = SelftestJson({"--only", "memory.pool,clock.cost"}, 0);
  const auto names = [](const json& object) {
    std::set<std::string> all;
    for (const auto& item : object.items()) all.insert(item.key());
    return all;
  };
  EXPECT_EQ(names(answer),
            (std::set<std::string>{"program", "version", "board", "folder", "db", "result", "exit",
                                   "took_s", "written_bytes", "counts", "checks"}));
  EXPECT_EQ(names(answer["counts"]), (std::set<std::string>{"pass", "warn", "fail", "skip"}));
  ASSERT_EQ(answer["checks"].size(), 2u);
  for (const json& check : answer["checks"]) {
    EXPECT_EQ(names(check), (std::set<std::string>{"name", "what", "verdict", "measured", "bound",
                                                   "advice", "took_s", "limit_s", "figures"}));
  }
  EXPECT_EQ(answer["exit"], 0);
  EXPECT_EQ(answer["db"], data + "/node.db");
  EXPECT_GT(ByName(answer)["memory.pool"]["figures"]["bytes"], 0);
}

TEST_F(RoostctlSelftestTest, AWholeRunFailsNothingItCannotAndLeavesTheFolderClean) {
  const json answer = SelftestJson({"--skip", "card.filesystem,service,board,memory.available"}, 0);
  std::map<std::string, json> checks = ByName(answer);
  for (const char* name : {"card.sync", "card.log", "memory.allocations", "pool.handoff",
                           "pool.timeout", "pool.contention", "pool.statement", "clock.jumps"}) {
    EXPECT_NE(checks[name]["verdict"], "skip") << checks[name];
    EXPECT_NE(checks[name]["verdict"], "fail") << checks[name];
  }
  EXPECT_EQ(checks["memory.allocations"]["figures"]["allocations"], 0);
  EXPECT_EQ(checks["card.log"]["figures"]["journal_mode"], "wal");
  EXPECT_LT(answer["took_s"], 60.0);
  EXPECT_TRUE(fs::is_empty(data));
}

TEST_F(RoostctlSelftestTest, ABoardInTroubleFailsAndSaysWhatToDo) {
  MakeUpBoard(folder.File("board"));
  const Outcome ran = Selftest({"--root", folder.File("board"), "--only", "board"});
  EXPECT_EQ(ran.exit, 1) << ran.output;
  EXPECT_TRUE(Has(ran.output, "Raspberry Pi 3 Model B Rev 1.2")) << ran.output;
  EXPECT_TRUE(Has(ran.output, "\nfail  board.voltage ")) << ran.output;
  EXPECT_TRUE(Has(ran.output, "\nwarn  board.temperature ")) << ran.output;
  EXPECT_TRUE(Has(ran.output, "-> the supply is too weak")) << ran.output;
  EXPECT_TRUE(Has(ran.output, " failed, ")) << ran.output;
}

TEST_F(RoostctlSelftestTest, StrictTurnsAWarningIntoAFailure) {
  MakeUpBoard(folder.File("board"));
  const std::vector<std::string> hot = {"--root", folder.File("board"), "--only",
                                        "board.temperature"};
  EXPECT_EQ(Selftest(hot).exit, 0);
  std::vector<std::string> strict = hot;
  strict.push_back("--strict");
  EXPECT_EQ(Selftest(strict).exit, 1);
}

TEST_F(RoostctlSelftestTest, TapHasAPlanAndALineForEachCheck) {
  MakeUpBoard(folder.File("board"));
  const Outcome ran = Selftest({"--root", folder.File("board"), "--only", "board", "--tap"});
  EXPECT_EQ(ran.exit, 1);
  std::istringstream lines(ran.output);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "TAP version 13");
  std::getline(lines, line);
  EXPECT_EQ(line, "1..6");
  int tests = 0;
  int bad = 0;
  int skipped = 0;
  bool in_yaml = false;
  while (std::getline(lines, line)) {
    if (line == "  ---") {
      in_yaml = true;
    } else if (line == "  ...") {
      in_yaml = false;
    } else if (in_yaml) {
      // Every value is a plain word or JSON, which is YAML.
      const std::string value = line.substr(line.find(": ") + 2);
      const bool quoted = value[0] == '"' || value[0] == '{';
      EXPECT_TRUE(!quoted || json::accept(value)) << line;
    } else {
      ++tests;
      const std::string number = std::to_string(tests) + " - board.";
      EXPECT_TRUE(line.starts_with("ok " + number) || line.starts_with("not ok " + number)) << line;
      bad += line.starts_with("not ok") ? 1 : 0;
      skipped += Has(line, " # SKIP ") ? 1 : 0;
    }
  }
  EXPECT_FALSE(in_yaml);
  EXPECT_EQ(tests, 6);
  EXPECT_EQ(bad, 1);      // voltage
  EXPECT_EQ(skipped, 1);  // governor
}

TEST_F(RoostctlSelftestTest, ServiceIsAskedThroughSystemctlOfTheMachine) {
  const std::string root = folder.File("board");
  fs::create_directories(root + "/run/systemd/system");
  fs::create_directories(root + "/usr/bin");
  const std::string systemctl = root + "/usr/bin/systemctl";
  const auto answer_with = [&](const std::string& script) {
    std::ofstream(systemctl) << "#!/bin/sh\n" << script;
    chmod(systemctl.c_str(), 0755);
    return ByName(json::parse(
        Selftest({"--root", root, "--only", "service.unit", "--json", "--unit", "x.service"})
            .output))["service.unit"];
  };
  EXPECT_EQ(
      answer_with(
          "test \"$1 $2\" = 'show x.service' || exit 1\n"
          "echo LoadState=loaded; echo ActiveState=active; echo NRestarts=0\n"
          "echo WatchdogUSec=30s; echo UnitFileState=enabled; echo SubState=running")["verdict"],
      "pass");
  EXPECT_EQ(answer_with("echo LoadState=loaded; echo ActiveState=failed")["verdict"], "fail");
  EXPECT_EQ(answer_with("exit 1")["verdict"], "skip");
}

TEST_F(RoostctlSelftestTest, IntegrityIsReadWithoutTouchingTheFolder) {
  MakeNodesDatabase();
  std::map<std::string, json> checks = ByName(SelftestJson({"--only", "card.integrity"}, 0));
  EXPECT_EQ(checks["card.integrity"]["verdict"], "pass") << checks["card.integrity"];
  EXPECT_EQ(std::distance(fs::directory_iterator(data), {}), 1);
}

TEST_F(RoostctlSelftestTest, ADamagedDatabaseFails) {
  MakeNodesDatabase();
  {
    std::fstream file(data + "/node.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3 * 4096);
    file << std::string(4096, '\xa5');
  }
  std::map<std::string, json> checks = ByName(SelftestJson({"--only", "card.integrity"}, 1));
  EXPECT_EQ(checks["card.integrity"]["verdict"], "fail");
}

TEST_F(RoostctlSelftestTest, AFileThatIsNoDatabaseFails) {
  const std::string magic = "SQLite format 3";
  for (const std::string& content :
       {std::string("x"), std::string(8192, 'x'), std::string(8192, '\0'), magic,
        magic + std::string(8192, 'x')}) {
    std::ofstream(data + "/node.db") << content;
    std::map<std::string, json> checks = ByName(SelftestJson({"--only", "card.integrity"}, 1));
    EXPECT_TRUE(Has(checks["card.integrity"]["measured"], "not a SQLite database"))
        << content.substr(0, 20);
  }
}

TEST_F(RoostctlSelftestTest, ADatabaseWithoutALogIsLeftAlone) {
  Database(data + "/node.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE).Run("CREATE TABLE t(a)");
  std::map<std::string, json> checks = ByName(SelftestJson({"--only", "card.integrity"}, 0));
  EXPECT_EQ(checks["card.integrity"]["verdict"], "skip");
}

TEST_F(RoostctlSelftestTest, TheLogOfAKilledNodeIsReadAndKept) {
  Database writer(data + "/node.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  writer.Run("PRAGMA journal_mode=WAL");
  writer.Run("CREATE TABLE t(a); INSERT INTO t VALUES (1)");
  // What a kill leaves behind: the files as they are.
  const std::string killed = folder.File("killed");
  fs::copy(data, killed);
  const json answer = SelftestJson({"--only", "card.integrity", "--db", killed}, 0);
  EXPECT_EQ(ByName(answer)["card.integrity"]["verdict"], "pass") << answer;
  EXPECT_GT(fs::file_size(killed + "/node.db-wal"), 0u);
  EXPECT_EQ(Database(killed + "/node.db").Number("SELECT count(*) FROM t"), 1);
}

TEST_F(RoostctlSelftestTest, ANodeThatRunsIsNotDisturbed) {
  const std::string db = data + "/node.db";
  Program node({ROOST_NODE, "--db", db, "--every", "2ms", "--seal-every", "10ms", "--json"});
  node.WaitForError("into");
  for (int i = 0; i < 3; ++i) {
    const json answer = SelftestJson({"--only", "card,pool.contention"}, 0);
    EXPECT_EQ(ByName(answer)["card.integrity"]["verdict"], "pass") << answer;
  }
  node.Signal(SIGTERM);
  ASSERT_EQ(node.Wait(), 0) << node.errors();
  const json summary = json::parse(node.output());
  // On a busy machine either may have to wait for the other longer than a batch is tried.
  EXPECT_EQ(summary["lost"], 0) << node.errors();
  EXPECT_EQ(summary["sealed"], summary["taken"]);
  EXPECT_GT(summary["batches"], 3);
  Database database(db);
  EXPECT_EQ(database.Text("PRAGMA quick_check"), "ok");
  EXPECT_EQ(database.Number("SELECT count(*) FROM reading"), summary["sealed"]);
  for (const fs::directory_entry& entry : fs::directory_iterator(data)) {
    EXPECT_TRUE(entry.path().filename().string().starts_with("node.db")) << entry.path();
  }
}

TEST_F(RoostctlSelftestTest, ASignalEndsItAndLeavesTheFolderClean) {
  Program selftest(Command({"--only", "card.sync,pool.contention,pool.timeout"}));
  const auto until = std::chrono::steady_clock::now() + Program::kPatience;
  while (fs::is_empty(data) && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  selftest.Signal(SIGTERM);
  EXPECT_EQ(selftest.Wait(), 128 + SIGTERM) << selftest.output();
  EXPECT_TRUE(fs::is_empty(data));
}

TEST_F(RoostctlSelftestTest, TheDatabaseComesFromTheNodesConfigurationUnlessItIsNamed) {
  const std::string config = folder.File("node.conf");
  std::ofstream(config) << "db = " << data << "/other.db\n";
  const auto ask = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {ROOSTCTL,      "selftest", "--json", "--only",
                                    "memory.pool", "--config", config};
    all.insert(all.end(), more.begin(), more.end());
    return json::parse(RunProgram(all).output)["db"];
  };
  EXPECT_EQ(ask({}), data + "/other.db");
  EXPECT_EQ(ask({"--db", data}), data + "/node.db");
}

TEST_F(RoostctlSelftestTest, ListNamesEveryCheckWithItsTime) {
  const Outcome ran = Selftest({"--list"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_TRUE(Has(ran.output, "card.sync ")) << ran.output;
  EXPECT_TRUE(Has(ran.output, " 8 s ")) << ran.output;
  EXPECT_TRUE(fs::is_empty(data));
}

TEST_F(RoostctlSelftestTest, BadUseEndsWithTwoAndDoesNothing) {
  const struct {
    std::vector<std::string> arguments;
    const char* says;
  } cases[] = {
      {{"--only", "cart"}, "there is no check \"cart\""},
      {{"--skip", "card.sink"}, "there is no check \"card.sink\""},
      {{"--only", "card.sync", "--skip", "card"}, "--skip: leaves no check over"},
      {{"--json", "--tap"}, "--json"},
      {{"--db", "/no/such/folder/node.db"}, "does not exist"},
      {{"--root", "/no/such/folder"}, "--root"},
      {{"--remote", "postgresql://node:s3cret@h/d"}, "~/.pgpass"},
      {{"--remote", "host=h password=s3cret"}, "~/.pgpass"},
      {{"--config", "/no/such/file"}, "/no/such/file"},
      {{"--quik"}, "did you mean --quick?"},
  };
  for (const auto& [arguments, says] : cases) {
    const Outcome ran = Selftest(arguments);
    EXPECT_EQ(ran.exit, 2) << says;
    EXPECT_TRUE(Has(ran.errors, says)) << "expected: " << says << "\ngot: " << ran.errors;
    EXPECT_FALSE(Has(ran.errors, "s3cret")) << ran.errors;
    EXPECT_EQ(ran.output, "");
  }
}

}  // namespace
}  // namespace roost::testing
