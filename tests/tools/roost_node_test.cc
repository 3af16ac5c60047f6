// roost-node as its users see it: the real program, its database, its messages, its exit codes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <variant>

#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/made_up_board.h"
#include "tests/tools/program.h"
#include "tools/roost-node/options.h"

namespace roost::testing {
namespace {

using nlohmann::json;

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

size_t CountOf(std::string_view part, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class RoostNodeTest : public ::testing::Test {
 protected:
  // The command line with a database and `more`.
  std::vector<std::string> Node(std::vector<std::string> more) const {
    std::vector<std::string> all = {ROOST_NODE, "--db", db};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  int64_t Rows() const { return Database(db).Number("SELECT count(*) FROM reading"); }

  support::TempDir folder;
  const std::string db = folder.File("node.db");
};

TEST_F(RoostNodeTest, StoresWhatTheBoardHasAndEndsByItself) {
  MakeUpBoard(folder.File("board"));
  const Outcome ran = RunProgram(Node({"--root", folder.File("board"), "--for", "200ms", "--every",
                                       "20ms", "--seal-every", "50ms", "--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  const json summary = json::parse(ran.output);
  EXPECT_EQ(summary["ended_by"], "time");
  EXPECT_EQ(summary["board"], "Raspberry Pi 3 Model B Rev 1.2");
  EXPECT_GT(summary["taken"], 0);
  EXPECT_EQ(summary["taken"], summary["stored"]);
  EXPECT_EQ(summary["sealed"], summary["stored"]);
  EXPECT_EQ(summary["stored"], Rows());
  EXPECT_GE(summary["batches"], 1);
  EXPECT_GE(summary["pool"]["checkouts"], summary["batches"]);
  std::map<std::string, json> sensors;
  for (const json& sensor : summary["sensors"]) sensors[sensor["name"]] = sensor;
  EXPECT_EQ(sensors.at("cpu_temperature")["max"], 81.312);
  EXPECT_EQ(sensors.at("cpu_temperature")["unit"], "C");
  EXPECT_EQ(sensors.at("cpu_frequency")["min"], 600.0);
  EXPECT_EQ(sensors.at("load_1m")["mean"], 3.25);
  EXPECT_EQ(sensors.at("memory_available")["min"], 512.0);
  EXPECT_EQ(sensors.at("under_voltage")["max"], 1.0);
  EXPECT_EQ(sensors.at("throttled")["max"], 0x50005);
}

TEST_F(RoostNodeTest, ReadsThisMachineAndSaysWhatItDid) {
  const Outcome ran = RunProgram(Node({"--for", "50ms", "--every", "10ms"}));
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  for (const char* part : {"roost-node ran", db.c_str(), "readings ", "taken", "stored", "sealed",
                           "refused", "checkouts", "p99", "load_1m"}) {
    EXPECT_TRUE(Has(ran.output, part)) << part << " is not in:\n" << ran.output;
  }
  EXPECT_GT(Rows(), 0);
}

TEST_F(RoostNodeTest, AValueThatNoBoardCanHaveIsLeftOutAndTold) {
  MakeUpBoard(folder.File("board"));
  std::ofstream(folder.File("board/sys/class/thermal/thermal_zone0/temp")) << "-650788984\n";
  const Outcome out = RunProgram(Node({"--root", folder.File("board"), "--for", "50ms", "--json"}));
  EXPECT_EQ(out.exit, 0) << out.errors;
  EXPECT_TRUE(Has(out.errors, "gave a value that no board can have")) << out.errors;
  EXPECT_GE(json::parse(out.output)["implausible_values"], 1);
  EXPECT_EQ(Database(db).Number("SELECT count(*) FROM readings WHERE name = 'cpu_temperature'"), 0);
}

TEST_F(RoostNodeTest, StoresLinesExactly) {
  const Outcome ran =
      RunProgram(Node({"--stdin"}),
                 "temperature 21.5 C\n\n# a comment\nhumidity\t40 %\nlast 0.1\ntemperature -3 C");
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  Database database(db);
  EXPECT_EQ(
      database.Text("SELECT group_concat(seq || ' ' || name || ' ' || value || ' ' || unit, '; ') "
                    "FROM readings ORDER BY seq"),
      "1 temperature 21.5 C; 2 humidity 40.0 %; 3 last 0.1 ; 4 temperature -3.0 C");
  EXPECT_EQ(database.Number("SELECT count(*) FROM sensor"), 3);
  EXPECT_EQ(database.Number("SELECT count(DISTINCT epoch) FROM reading"), 1);
  const std::string time = database.Text("SELECT time FROM readings");
  EXPECT_TRUE(std::regex_match(time, std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")))
      << time;
  EXPECT_TRUE(Has(ran.output, "until the end of the input")) << ran.output;
}

TEST_F(RoostNodeTest, SqlitesMemoryIsABlockUnlessTheHeapIsAskedFor) {
  const auto memory = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"-", "--json"});
    const Outcome ran = RunProgram(Node(std::move(more)), "a 1\n");
    EXPECT_EQ(ran.exit, 0) << ran.errors;
    return json::parse(ran.output)["sqlite_memory"];
  };
  const json bounded = memory({});
  EXPECT_EQ(bounded["bounded"], true);
  EXPECT_GT(bounded["arena_peak"], 0);
  EXPECT_EQ(bounded["arena_failures"], 0);
  EXPECT_EQ(memory({"--sqlite-memory", "bounded"})["bounded"], true);
  const json heap = memory({"--sqlite-memory", "heap"});
  EXPECT_EQ(heap["bounded"], false);
  EXPECT_EQ(heap["heap_because"], "") << "it was asked for";
  const Outcome wrong = RunProgram(Node({"-", "--sqlite-memory", "none"}));
  EXPECT_EQ(wrong.exit, 2);
  EXPECT_TRUE(Has(wrong.errors, "none is neither bounded nor heap")) << wrong.errors;
}

TEST_F(RoostNodeTest, WhereSqliteIsInUseAlreadyItSaysSoAndGoesOnWithTheHeap) {
  std::vector<std::string> preloaded = {"/usr/bin/env", "LD_PRELOAD=" ROOST_SQLITE_IN_USE,
                                        "ASAN_OPTIONS=verify_asan_link_order=0"};
  const std::vector<std::string> node = Node({"-", "--json"});
  preloaded.insert(preloaded.end(), node.begin(), node.end());
  const Outcome ran = RunProgram(preloaded, "a 1\nb 2\n");
  EXPECT_EQ(ran.exit, 0) << ran.errors;
  const std::string said =
      "SQLite's memory is not bounded: somebody uses it already; construct SqliteMemoryFor before "
      "anything in the process uses SQLite; the node goes on with the heap";
  EXPECT_EQ(CountOf(said, ran.errors), 1u) << ran.errors;
  const json memory = json::parse(ran.output)["sqlite_memory"];
  EXPECT_EQ(memory["bounded"], false);
  EXPECT_TRUE(Has(memory["heap_because"], "somebody uses it already"));
  EXPECT_EQ(Rows(), 2);
}

TEST_F(RoostNodeTest, SaysWhyItsEventsWouldBeLost) {
  std::filesystem::create_directories(folder.File("roost/node7.box"));
  std::ofstream(folder.File("roost/node7.last")) << "in the way";
  Program node(Node({"-", "--name", "node7"}), {.runtime_dir = folder.path()});
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(CountOf("node7.box: File exists; roostctl status --last will not show", node.errors()),
            1u)
      << node.errors();
}

TEST_F(RoostNodeTest, OthersCannotReadTheDatabase) {
  const mode_t before = umask(0022);
  EXPECT_EQ(RunProgram(Node({"--stdin"}), "a 1\n").exit, 0);
  umask(before);
  struct stat seen {};
  ASSERT_EQ(stat(db.c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777, 0640u);
}

TEST_F(RoostNodeTest, ADashMeansStandardInput) {
  EXPECT_EQ(RunProgram(Node({"-"}), "a 1\n").exit, 0);
  EXPECT_EQ(Rows(), 1);
}

TEST_F(RoostNodeTest, RunsAddToOneDatabaseEachWithAnEpochOfItsOwn) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(RunProgram(Node({"-"}), "a 1\nb 2\n").exit, 0);
  Database database(db);
  EXPECT_EQ(database.Number("SELECT count(*) FROM reading"), 6);
  EXPECT_EQ(database.Number("SELECT max(seq) FROM reading"), 6);
  EXPECT_EQ(database.Number("SELECT count(DISTINCT epoch) FROM reading"), 3);
  EXPECT_EQ(database.Number("SELECT count(*) FROM sensor"), 2);
}

TEST_F(RoostNodeTest, BadLinesAreSaidCountedAndDoNotStopTheOthers) {
  std::string input = "good 1\n";
  for (int i = 0; i < 20; ++i) input += "bad line here\n";
  input += "good 2\n";
  const Outcome ran = RunProgram(Node({"--stdin", "--json"}), input);
  EXPECT_EQ(ran.exit, 3);
  const json summary = json::parse(ran.output);
  EXPECT_EQ(summary["bad_lines"], 20);
  EXPECT_EQ(summary["stored"], 2);
  EXPECT_EQ(Rows(), 2);
  EXPECT_TRUE(Has(ran.errors, "roost-node: line 2: the value \"line\" is not a number"))
      << ran.errors;
  EXPECT_TRUE(Has(ran.errors, "write NAME VALUE [UNIT]")) << ran.errors;
  EXPECT_EQ(CountOf(": line ", ran.errors), 5u) << ran.errors;
}

TEST_F(RoostNodeTest, ALineThatIsTooLongIsBadAndTheNextIsNot) {
  const Outcome ran = RunProgram(Node({"-"}), "x " + std::string(20000, '1') + "\ngood 1\n");
  EXPECT_EQ(ran.exit, 3);
  EXPECT_TRUE(Has(ran.errors, "line 1: it is longer than 512 bytes")) << ran.errors;
  EXPECT_EQ(Rows(), 1);
}

TEST_F(RoostNodeTest, TakesFarMoreLinesThanItsBufferHolds) {
  std::string input;
  for (int i = 0; i < 20000; ++i) input += "n " + std::to_string(i) + "\n";
  const Outcome ran = RunProgram(Node({"-", "--batch", "100", "--buffer", "150", "--json"}), input);
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  const json summary = json::parse(ran.output);
  EXPECT_EQ(summary["stored"], 20000);
  EXPECT_EQ(summary["dropped"], 0);
  EXPECT_EQ(Database(db).Number("SELECT count(DISTINCT value) FROM reading"), 20000);
}

TEST_F(RoostNodeTest, ATerminatingSignalSealsWhatIsThere) {
  for (const int number : {SIGTERM, SIGINT}) {
    Program node(Node({"--stdin", "--seal-every", "1h", "--json"}));
    node.WaitForError("lines into");
    node.Write("a 1\nb 2\nc 3\n");
    node.Signal(number);
    ASSERT_EQ(node.Wait(), 0) << node.errors();
    const json summary = json::parse(node.output());
    EXPECT_EQ(summary["ended_by"], "signal");
    EXPECT_EQ(summary["sealed"], 3) << node.errors();
  }
  EXPECT_EQ(Rows(), 6);
}

TEST_F(RoostNodeTest, ALineThatWasNotCompleteAtTheEndIsCounted) {
  Program node(Node({"--stdin", "--json"}));
  node.WaitForError("lines into");
  node.Write("a 1\nb 2");
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 3);
  EXPECT_TRUE(Has(node.errors(), "line 2: it was not complete")) << node.errors();
  EXPECT_EQ(Rows(), 1);
}

TEST_F(RoostNodeTest, TheSignalOfAFailingSupplySealsAtOnce) {
  Program node(Node({"--stdin", "--seal-every", "1h"}));
  node.WaitForError("lines into");
  node.Write("a 1\nb 2\n");
  node.Signal(SIGPWR);
  EXPECT_TRUE(Has(node.WaitForError("sealed"), "sealed 2 readings"));
  node.Write("c 3\n");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0);
  EXPECT_EQ(Rows(), 3);
}

TEST_F(RoostNodeTest, AHangUpSealsAndGoesOn) {
  Program node(Node({"--stdin", "--seal-every", "1h", "--json"}), {.terminal = true});
  node.WaitForError("lines into");
  node.Write("a 1\nb 2\n");
  node.Signal(SIGHUP);
  EXPECT_TRUE(Has(node.WaitForError("sealed"), "sealed 2 readings"));
  node.Write("c 3\n");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0);
  EXPECT_EQ(json::parse(node.output())["ended_by"], "end of input");
  EXPECT_EQ(Rows(), 3);
}

TEST_F(RoostNodeTest, AUserSignalReportsThePoolsAndGoesOn) {
  Program node(Node({"--stdin", "--seal-every", "1ms", "--json"}));
  node.WaitForError("lines into");
  node.Write("a 1\n");
  node.Signal(SIGUSR1);
  EXPECT_TRUE(Has(node.WaitForError("0 waiting"), "pool 'local'")) << node.errors();
  node.Write("b 2\n");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(json::parse(node.output())["ended_by"], "end of input");
  EXPECT_EQ(Rows(), 2);
}

// nohup, and a shell's & in a script.
TEST_F(RoostNodeTest, ASignalThatWasIgnoredAtTheStartStaysIgnored) {
  std::vector<std::string> all = {"/usr/bin/env", "--ignore-signal=HUP,INT"};
  for (const std::string& argument : Node({"--stdin", "--seal-every", "1ms", "--json"})) {
    all.push_back(argument);
  }
  Program node(all, {.terminal = true});
  node.WaitForError("lines into");
  node.Signal(SIGHUP);
  node.Signal(SIGINT);
  node.Write("a 1\n");
  node.WaitForError("sealed 1");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(json::parse(node.output())["ended_by"], "end of input");
}

TEST_F(RoostNodeTest, TheEndOfANamedPipeIsNotTheEnd) {
  const std::string fifo = folder.File("lines");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  Program node({"/bin/sh", "-c", "exec \"$0\" --db \"$1\" --stdin --seal-every 1ms <\"$2\"",
                ROOST_NODE, db, fifo},
               {.terminal = true});
  for (int run = 1; run <= 5; ++run) {
    std::ofstream(fifo) << "a " << run << "\n";
    node.WaitForError("sealed " + std::to_string(run) + " readings");
  }
  EXPECT_EQ(CountOf("standard input has ended; " + fifo, node.errors()), 1u) << node.errors();
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Rows(), 5);
}

TEST_F(RoostNodeTest, ASerialLineThatHangsUpIsWaitedFor) {
  const int line = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_TRUE(line >= 0 && grantpt(line) == 0 && unlockpt(line) == 0);
  Program node({"/bin/sh", "-c", "exec \"$0\" --db \"$1\" --stdin --seal-every 1ms <\"$2\"",
                ROOST_NODE, db, ptsname(line)},
               {.terminal = true});
  node.WaitForError("lines into");
  ASSERT_EQ(write(line, "a 1\n", 4), 4);
  node.WaitForError("sealed 1 ");
  close(line);
  node.WaitForError("standard input has ended; ");
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Rows(), 1);
}

TEST_F(RoostNodeTest, ForEndsItAlsoWhileTheInputIsSilent) {
  Program node(Node({"--stdin", "--for", "50ms", "--json"}));
  node.Write("a 1\n");
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(json::parse(node.output())["ended_by"], "time");
  EXPECT_EQ(Rows(), 1);
}

TEST_F(RoostNodeTest, AnotherProcessCanReadWhileItRuns) {
  Program node(Node({"--stdin", "--batch", "10"}), {.terminal = true});
  std::string ten;
  for (int i = 0; i < 10; ++i) ten += "n " + std::to_string(i) + "\n";
  for (int round = 1; round <= 5; ++round) {
    node.Write(ten);
    node.WaitForError("sealed " + std::to_string(round * 10));
    Database reader(db, SQLITE_OPEN_READONLY);
    EXPECT_EQ(reader.Number("SELECT count(*) FROM readings"), round * 10);
  }
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0);
}

TEST_F(RoostNodeTest, AReaderWithAnOpenSnapshotDoesNotStopIt) {
  EXPECT_EQ(RunProgram(Node({"-"}), "a 1\n").exit, 0);
  Database reader(db, SQLITE_OPEN_READONLY);
  reader.Run("BEGIN");
  EXPECT_EQ(reader.Number("SELECT count(*) FROM reading"), 1);
  EXPECT_EQ(RunProgram(Node({"-"}), "b 2\n").exit, 0);
  EXPECT_EQ(reader.Number("SELECT count(*) FROM reading"), 1);
  reader.Run("COMMIT");
  EXPECT_EQ(reader.Number("SELECT count(*) FROM reading"), 2);
}

TEST_F(RoostNodeTest, KeepsReadingsWhileAnotherProcessHoldsTheDatabase) {
  Program node(Node({"--stdin", "--batch", "1", "--json"}));
  node.Write("a 1\n");
  node.WaitForError("sealed 1");
  {
    Database other(db);
    other.Run("BEGIN IMMEDIATE");
    node.Write("b 2\n");
    node.WaitForError("not stored, will be tried again");
    node.Write("c 3\n");
    other.Run("COMMIT");
  }
  node.WaitForError("stored again");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  const json summary = json::parse(node.output());
  EXPECT_GE(summary["refused_batches"], 1);
  EXPECT_EQ(summary["stored"], 3);
  EXPECT_EQ(Rows(), 3);
}

// A line that waited has the time at which it was taken, and says so; one with a time of its own has
// that.
TEST_F(RoostNodeTest, LinesThatWaitedAreMarkedAndTimesOfTheirOwnAreKept) {
  Program node(Node({"--stdin", "--batch", "4", "--buffer", "4", "--seal-every", "1ms", "--json"}));
  node.Write("warm 1\n");
  node.WaitForError("sealed 1");
  {
    Database other(db);
    other.Run("BEGIN IMMEDIATE");
    node.Write("a 1\na 2\na 3\na 4\nb 5\nb 6 C\nown 7 C @1700000000.25\n");
    node.WaitForError("not stored, will be tried again");
    other.Run("COMMIT");
  }
  node.WaitForError("lines waited for up to");
  node.CloseInput();
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  Database database(db);
  EXPECT_EQ(database.Text("SELECT group_concat(name || ' ' || time_from) FROM readings"),
            "warm arrival,a arrival,a arrival,a arrival,a arrival,b late,b late,own line");
  EXPECT_EQ(database.Text("SELECT time FROM readings WHERE name = 'own'"),
            "2023-11-14T22:13:20.250Z");
  EXPECT_EQ(json::parse(node.output())["late_lines"], 2);
}

// A sample is due every 200 ms, and a batch is refused after 2 s.
TEST_F(RoostNodeTest, SamplingGoesOnWhileAnotherProcessHoldsTheDatabase) {
  MakeUpBoard(folder.File("board"));
  Program node(
      Node({"--root", folder.File("board"), "--every", "200ms", "--seal-every", "1ms", "--json"}));
  node.WaitForError("sealed ");
  Database other(db);
  other.Run("BEGIN IMMEDIATE");
  node.WaitForError("not stored, will be tried again");
  other.Run("COMMIT");
  node.WaitForError("stored again");
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  const json summary = json::parse(node.output());
  EXPECT_GE(summary["refused_batches"], 1);
  // Of each sensor.
  EXPECT_GT(summary["sensors"][0]["count"], 2 * summary["missed_samples"].get<int>())
      << node.output();
}

TEST_F(RoostNodeTest, WhatDoesNotFitInMemoryIsDroppedAndCounted) {
  MakeUpBoard(folder.File("board"));
  EXPECT_EQ(RunProgram(Node({"-"}), "a 1\n").exit, 0);
  Database other(db);
  other.Run("BEGIN IMMEDIATE");
  Program node(Node({"--root", folder.File("board"), "--every", "1ms", "--seal-every", "1ms",
                     "--batch", "8", "--buffer", "8", "--json"}));
  node.WaitForError("8 of at most 8 readings are kept");
  node.Signal(SIGTERM);  // the end waits for the database,
  node.Signal(SIGINT);   // but not after another signal
  EXPECT_EQ(node.Wait(), 1);
  other.Run("COMMIT");
  const json summary = json::parse(node.output());
  EXPECT_GT(summary["dropped"], 0);
  EXPECT_EQ(summary["lost"], 8);
  EXPECT_EQ(summary["stored"], 0);
  EXPECT_EQ(summary["taken"], summary["dropped"].get<int>() + 8);
  EXPECT_TRUE(Has(node.errors(), "8 readings are lost")) << node.errors();
  EXPECT_EQ(Rows(), 1);
}

TEST_F(RoostNodeTest, AFileThatMayNotGrowLosesNothingThatWasSealed) {
  Program node(Node({"--stdin", "--batch", "100", "--json"}));
  node.WaitForError("lines into");
  const rlimit limit = {128 * 1024, 128 * 1024};
  ASSERT_EQ(prlimit(node.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  std::string lines;
  for (int i = 0; i < 6000; ++i) lines += "n " + std::to_string(i) + "\n";
  node.Write(lines);
  node.WaitForError("not stored, will be tried again");
  node.Signal(SIGTERM);
  node.Signal(SIGINT);
  EXPECT_EQ(node.Wait(), 1) << node.errors();
  const json summary = json::parse(node.output());
  EXPECT_GT(summary["sealed"], 0);
  EXPECT_GT(summary["lost"], 0);
  EXPECT_EQ(summary["taken"], summary["stored"].get<int>() + summary["lost"].get<int>());
  EXPECT_EQ(Rows(), summary["stored"]);
  EXPECT_EQ(Database(db).Text("PRAGMA integrity_check"), "ok");
}

TEST_F(RoostNodeTest, SaysEverySealOnATerminalAndOneInAWhileElsewhere) {
  for (const bool terminal : {true, false}) {
    Program node(Node({"--stdin", "--batch", "1"}), {.terminal = terminal});
    node.Write("a 1\nb 2\nc 3\nd 4\n");
    node.CloseInput();
    EXPECT_EQ(node.Wait(), 0);
    EXPECT_EQ(CountOf("sealed", node.errors()), terminal ? 4u : 1u) << node.errors();
  }
}

TEST_F(RoostNodeTest, QuietIsSilentButForTrouble) {
  const Outcome ran = RunProgram(Node({"-", "--quiet"}), "a 1\n");
  EXPECT_EQ(ran.exit, 0);
  // A profile with echo_pool still shows the pool's events.
  EXPECT_FALSE(Has(ran.errors, "roost-node:")) << ran.errors;
  EXPECT_TRUE(Has(RunProgram(Node({"-", "--quiet"}), "a\n").errors, "line 1:"));
}

TEST_F(RoostNodeTest, MemoryDatabasesWork) {
  const Outcome ran = RunProgram({ROOST_NODE, "--db", ":memory:", "-", "--json"}, "a 1\nb 2\n");
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  EXPECT_EQ(json::parse(ran.output)["sensors"].size(), 2u);
  EXPECT_EQ(json::parse(ran.output)["sqlite_memory"]["bounded"], false)
      << "it would fill the block";
}

TEST_F(RoostNodeTest, AConnectionStringNamesTheSameFile) {
  EXPECT_EQ(RunProgram({ROOST_NODE, "--db", "sqlite://" + db, "-"}, "a 1\n").exit, 0);
  EXPECT_EQ(Rows(), 1);
}

TEST_F(RoostNodeTest, APathThatIsNoUtf8StillGivesJson) {
  const std::string path = folder.File("caf\xe9.db");
  const Outcome ran = RunProgram({ROOST_NODE, "--db", path, "-", "--json"}, "a 1\n");
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  EXPECT_TRUE(Has(json::parse(ran.output)["database"].get<std::string>(), "caf\xEF\xBF\xBD.db"))
      << ran.output;
  EXPECT_EQ(Database(path).Number("SELECT count(*) FROM reading"), 1);
}

// errors=remount-ro at boot; somebody remounts it later.
TEST_F(RoostNodeTest, ACardThatIsReadOnlyAtTheStartIsWaitedFor) {
  const std::string card = folder.File("card");
  const std::string go = folder.File("go");
  ASSERT_EQ(mkdir(card.c_str(), 0700), 0);
  ASSERT_EQ(mkfifo(go.c_str(), 0600), 0);
  MakeUpBoard(folder.File("board"));
  if (RunProgram(
          {"/usr/bin/unshare", "-rm", "/bin/sh", "-c", "mount -t tmpfs -o ro none \"$0\"", card})
          .exit != 0) {
    GTEST_SKIP() << "nothing may be mounted here";
  }
  Program node({"/usr/bin/unshare", "-rm", "/bin/sh", "-c",
                "mount -t tmpfs -o ro none \"$1\"; (read go <\"$2\"; mount -o remount,rw \"$1\") & "
                "exec \"$0\" --db \"$1/node.db\" --root \"$3\" --every 1s --seal-every 1ms --json",
                ROOST_NODE, card, go, folder.File("board")},
               {.terminal = true});
  node.WaitForError("its file system is mounted read-only; the node waits");
  node.WaitForError("not stored, will be tried again");
  std::ofstream(go) << "go\n";
  node.WaitForError("sealed ");
  node.Signal(SIGTERM);
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_GT(json::parse(node.output())["stored"], 0);
}

// Anybody who can write lines invents names.
TEST_F(RoostNodeTest, TheSummaryTellsTheFirstThousandSensors) {
  std::string lines;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 1500; ++i) lines += "sensor" + std::to_string(i) + " 1 C\n";
  }
  const Outcome out = RunProgram(Node({"--stdin", "--json"}), lines);
  EXPECT_EQ(out.exit, 0) << out.errors;
  const json summary = json::parse(out.output);
  EXPECT_EQ(summary["stored"], 3000);
  EXPECT_EQ(summary["sensors"].size(), 1000u);
  EXPECT_EQ(summary["sensors"][0]["count"], 2);
  EXPECT_EQ(summary["more_sensors"], 500);
  EXPECT_EQ(RunProgram(Node({"--stdin", "--json"}), "a 1\n").exit, 0);
  const Outcome text = RunProgram(Node({"--stdin"}), lines);
  EXPECT_TRUE(Has(text.output, "    and 500 more\n"));
}

TEST_F(RoostNodeTest, AFileThatIsNotItsDatabaseIsRefusedAndNotTouched) {
  std::ofstream(db) << "a text that somebody wants to keep, longer than the header of a database";
  const auto size = std::filesystem::file_size(db);
  const Outcome text = RunProgram(Node({"-"}), "a 1\n");
  EXPECT_EQ(text.exit, 2);
  EXPECT_TRUE(Has(text.errors, db) && Has(text.errors, "not a database")) << text.errors;
  EXPECT_EQ(std::filesystem::file_size(db), size);

  std::filesystem::remove(db);
  Database(db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE).Run("CREATE TABLE reading(other)");
  const Outcome other = RunProgram(Node({"-"}), "a 1\n");
  EXPECT_EQ(other.exit, 2);
  EXPECT_TRUE(Has(other.errors, "choose another file with --db")) << other.errors;
}

TEST_F(RoostNodeTest, AnotherProgramsDatabaseOrALaterOneIsRefusedAndNotTouched) {
  const struct {
    const char* sql;
    const char* sentence;
  } cases[] = {
      {"PRAGMA application_id=7; CREATE TABLE states(a)", "another program's database"},
      {"CREATE TABLE states(a)", "another program's database"},
      {"PRAGMA application_id=1383035764; PRAGMA user_version=2", "a later version"},
  };
  for (const auto& one : cases) {
    Database(db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE).Run(one.sql);
    const Outcome ran = RunProgram(Node({"-"}), "a 1\n");
    EXPECT_EQ(ran.exit, 2) << one.sql;
    EXPECT_TRUE(Has(ran.errors, one.sentence)) << ran.errors;
    EXPECT_EQ(Database(db).Number("SELECT count(*) FROM sqlite_schema WHERE name = 'reading'"), 0);
    std::filesystem::remove(db);
  }
}

TEST_F(RoostNodeTest, ADamagedDatabaseIsMovedAsideAndReadingsGoIntoANewOne) {
  EXPECT_EQ(RunProgram(Node({"-"}), "a 1\nb 2\n").exit, 0);
  {
    std::fstream file(db, std::ios::in | std::ios::out | std::ios::binary);
    file << std::string(100, '\0');
  }
  const Outcome ran = RunProgram(Node({"-"}), "a 3\n");
  EXPECT_EQ(ran.exit, 0) << ran.errors;
  EXPECT_TRUE(Has(ran.errors, "was damaged: 1 damaged files lie beside it")) << ran.errors;
  EXPECT_EQ(Rows(), 1);
  EXPECT_TRUE(std::filesystem::exists(db + ".damaged-1"));
}

TEST_F(RoostNodeTest, InputThatCannotBeReadIsAnError) {
  Program node({"/bin/sh", "-c", "exec \"$0\" --db \"$1\" --stdin < /", ROOST_NODE, db});
  EXPECT_EQ(node.Wait(), 1);
  EXPECT_TRUE(Has(node.errors(), "standard input: Is a directory")) << node.errors();
}

TEST_F(RoostNodeTest, AnInputFileIsReadToItsEnd) {
  {
    std::ofstream input(folder.File("lines"));
    for (int i = 0; i < 5000; ++i) input << "n " << i << "\n";
  }
  Program node({"/bin/sh", "-c", "exec \"$0\" --db \"$1\" - < \"$2\"", ROOST_NODE, db,
                folder.File("lines")});
  EXPECT_EQ(node.Wait(), 0) << node.errors();
  EXPECT_EQ(Rows(), 5000);
}

TEST_F(RoostNodeTest, BadUseSaysWhatAndWhereAndWhatIsRight) {
  const struct {
    std::vector<std::string> arguments;
    std::string says;
  } cases[] = {
      {{"--evry", "1s"}, "unknown argument --evry; did you mean --every?"},
      {{"--every", "5"}, "--every: \"5\" has no unit; write a number and a unit: 50ms, 2s, 5m, 1h"},
      {{"--every", "0s"}, "--every: 0s is too short; at least 1 ms"},
      {{"--for", "-1s"}, "--for"},
      {{"--batch", "0"}, "--batch"},
      {{"--batch", "many"}, "--batch"},
      {{"file.txt"}, "file.txt"},
      {{"--root", folder.File("nowhere")}, "nowhere"},
      {{"--db", folder.File("no/such/node.db")},
       "/no/such does not exist; make it, or choose another"},
      {{"--db", folder.path()}, "is a folder; write a file in it"},
      {{"--db", ""}, "--db"},
      {{"--db", "postgresql://somewhere/db"}, "postgresql is not a local database; write a path"},
  };
  for (const auto& [arguments, says] : cases) {
    std::vector<std::string> all = {ROOST_NODE};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome ran = RunProgram(all);
    EXPECT_EQ(ran.exit, 2) << says;
    EXPECT_TRUE(Has(ran.errors, says)) << "expected: " << says << "\ngot: " << ran.errors;
    EXPECT_TRUE(Has(ran.errors, "--help")) << ran.errors;
    EXPECT_EQ(ran.output, "");
  }
}

TEST_F(RoostNodeTest, ShowsItsProfileAndBoard) {
  const Outcome text = RunProgram({ROOST_NODE, "--profile-info"});
  EXPECT_EQ(text.exit, 0);
  for (const char* part : {"pool_size", "max_overflow", "slow_statement", "pool object", "board"}) {
    EXPECT_TRUE(Has(text.output, part)) << part;
  }
  const json info = json::parse(RunProgram({ROOST_NODE, "--profile-info", "--json"}).output);
  EXPECT_EQ(info["capacity"], info["pool_size"].get<int>() + info["max_overflow"].get<int>());
  EXPECT_GT(info["bytes"], 0);
  EXPECT_EQ(info["board"]["watchdog_limit_s"], 15.0);
}

TEST_F(RoostNodeTest, HelpExplainsAndVersionIsOneLine) {
  const Outcome help = RunProgram({ROOST_NODE, "--help"});
  EXPECT_EQ(help.exit, 0);
  for (const char* part : {"--db", "--every", "--for", "--stdin", "--batch", "--seal-every",
                           "NAME VALUE [UNIT]", "Exit codes", "Examples"}) {
    EXPECT_TRUE(Has(help.output, part)) << part;
  }
  EXPECT_TRUE(RunProgram({ROOST_NODE, "--version"}).output.starts_with("roost-node "));
}

TEST(RoostNodeOptionsTest, TheDefaultDatabaseIsTheSystemsWhereItCanBeWritten) {
  char name[] = "roost-node";
  char* arguments[] = {name, nullptr};
  const auto parsed = tools::ParseOptions(1, arguments);
  const bool system = access("/var/lib/roost", W_OK) == 0;
  EXPECT_EQ(std::get<tools::Options>(parsed).db,
            system ? "/var/lib/roost/node.db" : "roost-node.db");
}

}  // namespace
}  // namespace roost::testing
