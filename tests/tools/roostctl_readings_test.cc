// roostctl readings: what a node has stored, read while it stores on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "roost/platform.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/program.h"
#include "tools/roost-node/store.h"
#include "tools/roostctl/readings.h"

namespace roost::tools {
namespace {

using nlohmann::json;
using testing::Database;
using ::testing::HasSubstr;
using testing::Outcome;

constexpr int64_t kSecond = 1'000'000;

class ReadingsTest : public ::testing::Test {
 protected:
  ReadingsTest() : db_(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) {
    db_.Run("PRAGMA journal_mode = WAL");
    db_.Run(NodeSchema().c_str());
    db_.Run(
        "INSERT INTO sensor VALUES (1, 'temperature', 'C'), (2, 'a,\"b\"', ''), (3, 'door', '')");
  }
  // A reading that was taken `ago_us` ago.
  void Put(int64_t ago_us, int64_t sensor, double value, bool synced = true) {
    PutAt(now_ - ago_us, sensor, value, synced);
  }
  void PutAt(int64_t wall, int64_t sensor, double value, bool synced = true) {
    const std::string row = std::to_string(++seq_) + ", 7, 1, " + std::to_string(wall) + ", " +
                            (synced ? "1" : "0") + ", " + std::to_string(sensor) + ", " +
                            std::to_string(value) + ", 1";
    db_.Run(("INSERT INTO reading VALUES (" + row + ")").c_str());
  }
  Outcome Roostctl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {ROOSTCTL, "readings", "--db", path_});
    return testing::RunProgram(arguments);
  }
  static std::vector<std::string> Lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream all(text);
    for (std::string line; std::getline(all, line);) lines.push_back(line);
    return lines;
  }

  support::TempDir folder_;
  const std::string path_ = folder_.File("node.db");
  Database db_;
  const int64_t now_ = NativePlatform().UnixMicros();
  int64_t seq_ = 0;
};

TEST_F(ReadingsTest, PrintsThoseOfTheLastHourInEachForm) {
  Put(3700 * kSecond, 1, 1.5);
  PutAt(now_ - now_ % kSecond - 60 * kSecond + 250'000, 1, 21.1);
  Put(30 * kSecond, 2, -0.5);
  const Outcome text = Roostctl({});
  EXPECT_EQ(text.exit, 0) << text.errors;
  EXPECT_THAT(text.output, HasSubstr(".250Z  temperature  21.1 C\n"));
  EXPECT_EQ(Lines(text.output).size(), 2u);
  const Outcome csv = Roostctl({"--csv"});
  EXPECT_THAT(csv.output, HasSubstr("time,name,value,unit,synced,time_from\n"));
  EXPECT_THAT(csv.output, HasSubstr(".250Z,temperature,21.1,C,1,arrival\n"));
  EXPECT_THAT(csv.output, HasSubstr(",\"a,\"\"b\"\"\",-0.5,,1,arrival\n"));
  const std::vector<std::string> lines = Lines(Roostctl({"--json", "--since", "2h"}).output);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(json::parse(lines[0])["value"], 1.5);
  EXPECT_EQ(json::parse(lines[2])["name"], "a,\"b\"");
  EXPECT_EQ(json::parse(lines[2])["synced"], true);
}

TEST_F(ReadingsTest, OneSensorAndTheNearestNameOfOneThatIsNotThere) {
  Put(2 * kSecond, 1, 20);
  Put(kSecond, 3, 1);
  EXPECT_EQ(Lines(Roostctl({"door"}).output).size(), 1u);
  const Outcome wrong = Roostctl({"temprature"});
  EXPECT_EQ(wrong.exit, kReadingsNone);
  EXPECT_THAT(wrong.errors, HasSubstr("has no sensor temprature; did you mean temperature?"));
  EXPECT_THAT(Roostctl({"wind"}).errors, HasSubstr("it has a,\"b\", door, temperature"));
}

TEST_F(ReadingsTest, EveryGivesTheAveragesOfEachSensor) {
  const int64_t minute = now_ - now_ % (60 * kSecond) - 120 * kSecond;
  for (int i = 0; i < 6; ++i) {
    PutAt(minute + i * 10 * kSecond, 1, 20 + i);
    PutAt(minute + i * 10 * kSecond, 3, 1);
  }
  PutAt(minute + 60 * kSecond, 1, 7);
  const std::vector<std::string> lines = Lines(Roostctl({"--every", "1m", "--json"}).output);
  ASSERT_EQ(lines.size(), 3u);
  const json first = json::parse(lines[0]);
  EXPECT_EQ(first["name"], "temperature");
  EXPECT_EQ(first["count"], 6);
  EXPECT_EQ(first["min"], 20);
  EXPECT_EQ(first["mean"], 22.5);
  EXPECT_EQ(first["max"], 25);
  EXPECT_THAT(first["time"].get<std::string>(), HasSubstr(":00.000Z"));
  EXPECT_EQ(json::parse(lines[1])["mean"], 7);
  EXPECT_EQ(json::parse(lines[2])["name"], "door");
  EXPECT_THAT(Roostctl({"--every", "1m", "--csv"}).output,
              HasSubstr(",temperature,C,6,20,22.5,25\n"));
}

// More than a page, with holes in the numbers, and a node that stores on meanwhile.
TEST_F(ReadingsTest, PagesHaveEachReadingOnceWhileTheNodeStoresOn) {
  db_.Run("BEGIN");
  for (int i = 0; i < 5000; ++i) Put(7200 * kSecond + (5000 - i) * 100'000, 1, i);
  for (int i = 0; i < 9000; ++i) Put((9000 - i) * 100'000, 1 + i % 2, i);
  db_.Run("DELETE FROM reading WHERE seq BETWEEN 8000 AND 10500");
  db_.Run("COMMIT");
  const std::vector<std::string> lines = Lines(Roostctl({"--csv"}).output);
  ASSERT_EQ(lines.size(), 1u + 9000 - 2501);
  std::vector<std::string> sorted(lines.begin() + 1, lines.end());
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
}

// Nothing of the database is held while nobody reads the output.
TEST_F(ReadingsTest, WhoeverReadsSlowlyDoesNotPinTheLog) {
  db_.Run("BEGIN");
  for (int i = 0; i < 20'000; ++i) Put((20'000 - i) * 100'000, 1, i);
  db_.Run("COMMIT");
  int pipe_of[2];
  ASSERT_EQ(pipe(pipe_of), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipe_of[1], STDOUT_FILENO);
    close(pipe_of[0]);
    execl(ROOSTCTL, ROOSTCTL, "readings", "--db", path_.c_str(), "--csv", nullptr);
    _exit(127);
  }
  close(pipe_of[1]);
  char first = 0;
  // It prints, and stands as soon as the pipe is full: some 1,300 of the 20,000 readings.
  ASSERT_EQ(read(pipe_of[0], &first, 1), 1);
  db_.Run("INSERT INTO sensor VALUES (9, 'later', '')");
  // The log is cut to nothing where no reader stands in it.
  std::string cut;
  for (int i = 0; i < 1000 && cut != "0"; ++i) {
    cut = db_.Text("PRAGMA wal_checkpoint(TRUNCATE)");
    if (cut != "0") std::this_thread::yield();
  }
  EXPECT_EQ(cut, "0");
  close(pipe_of[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
}

TEST_F(ReadingsTest, ReadingsOfAClockThatWasNotSetAreAmongThoseAroundThem) {
  Put(7200 * kSecond, 1, 1);
  PutAt(5 * kSecond, 1, 2, /*synced=*/false);
  Put(60 * kSecond, 1, 3);
  const Outcome text = Roostctl({});
  EXPECT_THAT(text.output,
              HasSubstr("1970-01-01T00:00:05.000Z  temperature  2 C  (the clock was not set)\n"));
  EXPECT_EQ(Lines(text.output).size(), 2u);
  // A board whose clock was never set counts by what it has.
  Put(7000 * kSecond, 1, 4, false);
  Put(30 * kSecond, 1, 5, false);
  EXPECT_EQ(Lines(Roostctl({}).output).size(), 2u) << "3 and 5";
}

TEST_F(ReadingsTest, WhatIsNoDatabaseOfANodeIsSaid) {
  const auto run = [](const std::string& path) {
    return testing::RunProgram({ROOSTCTL, "readings", "--db", path});
  };
  EXPECT_EQ(run(folder_.File("none.db")).exit, kReadingsCannotTell);
  std::ofstream(folder_.File("text.db")) << std::string(200, 'x');
  EXPECT_THAT(run(folder_.File("text.db")).errors, HasSubstr("is not a SQLite database"));
  {
    Database other(folder_.File("other.db"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    other.Run("PRAGMA journal_mode = WAL; CREATE TABLE t(x)");
  }
  const Outcome other = run(folder_.File("other.db"));
  EXPECT_EQ(other.exit, kReadingsCannotTell);
  EXPECT_THAT(other.errors, HasSubstr("no such table: reading"));
  EXPECT_EQ(Roostctl({"--csv", "--json"}).exit, 2);
  EXPECT_EQ(Roostctl({"--since", "yesterday"}).exit, 2);
  EXPECT_EQ(Roostctl({"--since", "1h", "--config", folder_.File("none.conf")}).exit, 0)
      << "the database is given";
}

}  // namespace
}  // namespace roost::tools
