// tests/tools/doctor/program_test.cc - `roostctl doctor` beside programs that are really sick: each is made so, and
// the one cause is named.
#include "tests/tools/program.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/sqlite.h"
#include "roost/status.h"
#include "tests/fakes/scripted_backend.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/made_up_board.h"
#include "tests/tools/open_transaction.h"
#include "tools/roostctl/live.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using fakes::Call;
using fakes::ScriptedBackend;
using ::testing::HasSubstr;
using ::testing::Not;

// What a pool of a server's connections should have, on few connections.
struct Few : profiles::Default {
  static constexpr const char* kName = "few";
  static constexpr int kPoolSize = 3;
  static constexpr int kMaxOverflow = 0;
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
};
struct One : Few {
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 2;
};
struct Watched : Few {
  static constexpr Duration kLeakAfter = 20ms;
};
struct AlwaysAsked : Few {
  static constexpr PrePing kPrePing = PrePing::kAlways;
};
struct Node : profiles::RaspberryPi {
  static constexpr const char* kName = "node";
};

using Other = testing::OpenTransaction;
// A program with one pool, which a thread of its own looks after.
template <class Profile>
struct Firmware {
  Firmware(Backend& backend, const std::string& folder)
      : server({.name = "sick", .folder = folder.c_str()}),
        pool(backend, {.name = "local", .observer = &server}) {
    server.Add(pool);
    keeper.Add(pool);
    keeper.Add(server);
    keeper.Start();
  }
  Deadline Soon() { return pool.In(1ms); }

  StatusServer server;
  PoolFor<Profile> pool;
  Housekeeper keeper;
};

class DoctorProgramTest : public ::testing::Test {
 protected:
  DoctorProgramTest() {
    std::filesystem::create_directory(folder());
    // A board in good health, whatever this machine is.
    std::filesystem::create_directory(dir_.File("root"));
  }
  std::string folder() const { return dir_.File("roost"); }
  std::string root() const { return dir_.File("root"); }

  testing::Outcome Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ROOSTCTL, "doctor"});
    testing::Program program(arguments, {.runtime_dir = dir_.path()});
    testing::Outcome outcome;
    outcome.exit = program.Wait();
    outcome.output = program.output();
    outcome.errors = program.errors();
    return outcome;
  }
  // The rules that found something in `what`, and all that they say.
  std::string Found(const std::string& what = "sick", int* exit = nullptr) {
    const testing::Outcome outcome = Run({what, "--json", "--root", root()});
    if (exit != nullptr) *exit = outcome.exit;
    said_ = outcome.output;
    const Json json = Json::parse(outcome.output, nullptr, false);
    std::set<std::string> rules;
    for (const Json& program : json.value("programs", Json::array())) {
      for (const Json& finding : program["findings"])
        rules.insert(finding["rule"].get<std::string>());
    }
    std::string text;
    for (const std::string& rule : rules) text += (text.empty() ? "" : " ") + rule;
    return text;
  }

  support::TempDir dir_;
  std::string said_;
};

TEST_F(DoctorProgramTest, NothingIsFoundInAHealthyProgram) {
  ScriptedBackend backend;
  Firmware<Few> sick(backend, folder());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(sick.pool.Acquire().ok());
  int exit = -1;
  EXPECT_EQ(Found("sick", &exit), "");
  EXPECT_EQ(exit, 0);
  EXPECT_THAT(Run({"--root", root()}).output, HasSubstr("sick: nothing found; "));
}

// The guide's first row: "QueuePool limit exceeded".
TEST_F(DoctorProgramTest, APoolThatIsExhausted) {
  ScriptedBackend backend;
  Firmware<Few> sick(backend, folder());
  {
    const auto one = sick.pool.Acquire(), two = sick.pool.Acquire(), three = sick.pool.Acquire();
    std::thread([&sick] {
      for (int i = 0; i < 5; ++i) EXPECT_FALSE(sick.pool.Acquire(kWrite, sick.Soon()).ok());
    }).join();
    int exit = -1;
    EXPECT_EQ(Found("sick", &exit), "D01");
    EXPECT_EQ(exit, 1);
    EXPECT_THAT(said_, HasSubstr("timed out 5 times"));
  }
}

TEST_F(DoctorProgramTest, APoolThatIsFullAndSomebodyWaitsIsNone) {
  ScriptedBackend backend;
  Firmware<Few> sick(backend, folder());
  auto one = sick.pool.Acquire(), two = sick.pool.Acquire(), three = sick.pool.Acquire();
  std::thread waiter([&sick] { EXPECT_TRUE(sick.pool.Acquire().ok()); });
  while (sick.pool.stats().waiting == 0) std::this_thread::yield();
  EXPECT_EQ(Found(), "");
  one = absl::CancelledError();
  waiter.join();
}

TEST_F(DoctorProgramTest, ALeaseThatIsKept) {
  ScriptedBackend backend;
  Firmware<Watched> sick(backend, folder());
  const auto kept = sick.pool.Acquire();
  while (sick.pool.stats().longest_hold < 30ms) std::this_thread::yield();
  EXPECT_EQ(Found(), "D02");
  EXPECT_THAT(said_, HasSubstr("program_test.cc:"));
}

TEST_F(DoctorProgramTest, AThreadThatTakesASecondLease) {
  ScriptedBackend backend;
  Firmware<Few> sick(backend, folder());
  const auto one = sick.pool.Acquire(), two = sick.pool.Acquire(), three = sick.pool.Acquire();
  EXPECT_TRUE(absl::IsFailedPrecondition(sick.pool.Acquire().status()));
  EXPECT_EQ(Found(), "D04");
}

// The guide's second row: "server closed the connection".
TEST_F(DoctorProgramTest, AServerThatWasRestarted) {
  ScriptedBackend backend;
  Firmware<AlwaysAsked> sick(backend, folder());
  { const auto one = sick.pool.Acquire(), two = sick.pool.Acquire(); }
  backend.RestartServer();
  EXPECT_TRUE(sick.pool.Acquire().ok());
  { const auto one = sick.pool.Acquire(), two = sick.pool.Acquire(); }
  int exit = -1;
  EXPECT_EQ(Found("sick", &exit), "D06");
  EXPECT_EQ(exit, 0) << "nothing to do";
}

TEST_F(DoctorProgramTest, ADatabaseThatIsAwayAndAPasswordThatIsWrong) {
  {
    ScriptedBackend backend;
    Firmware<Few> sick(backend, folder());
    backend.FailAlways(Call::kOpen, absl::UnavailableError("Connection refused"));
    while (!sick.pool.stats().away)
      EXPECT_FALSE(sick.pool.Acquire(kWrite, sick.pool.In(50ms)).ok());
    EXPECT_EQ(Found(), "D07");
    EXPECT_THAT(said_, HasSubstr("Connection refused"));
  }
  ScriptedBackend backend;
  Firmware<Few> sick(backend, folder());
  backend.FailAlways(Call::kOpen, absl::UnauthenticatedError("password authentication failed"));
  while (!sick.pool.stats().away) EXPECT_FALSE(sick.pool.Acquire(kWrite, sick.pool.In(50ms)).ok());
  EXPECT_EQ(Found(), "D08");
}

TEST_F(DoctorProgramTest, ConnectionsAboveSizeThatComeAndGo) {
  ScriptedBackend backend;
  Firmware<One> sick(backend, folder());
  for (int i = 0; i < 60; ++i) {
    const auto one = sick.pool.Acquire(), two = sick.pool.Acquire();
    EXPECT_TRUE(two.ok());
  }
  EXPECT_EQ(Found(), "D13");
  EXPECT_THAT(said_, HasSubstr("\"linger\""));
}

// ---- SQLite ----

TEST_F(DoctorProgramTest, AnotherProcessThatKeepsTheLock) {
  const std::string path = dir_.File("node.db");
  const Other maker(path, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
  auto writer = std::make_unique<Other>(path, "BEGIN IMMEDIATE");
  kill(writer->pid(), SIGSTOP);
  SqliteBackend backend({.path = path});
  Firmware<Node> sick(backend, folder());
  static constexpr Sql kAdd{"INSERT INTO t VALUES (1)"};
  {
    const auto lease = sick.pool.Acquire(kWrite, sick.pool.In(2s));
    ASSERT_TRUE(lease.ok()) << lease.status();
  }
  {
    const auto lease = sick.pool.Acquire(kWrite, sick.pool.In(100ms));
    ASSERT_TRUE(lease.ok()) << lease.status();
    EXPECT_FALSE((*lease)->Run(kAdd).ok());
  }
  EXPECT_EQ(Found(), "D17");
  EXPECT_THAT(said_, HasSubstr("process " + std::to_string(writer->pid())));
  EXPECT_THAT(said_, HasSubstr(", stopped)"));
  // By the file alone, too.
  EXPECT_EQ(Found(path), "D17");
  writer.reset();
  EXPECT_EQ(Found(path), "") << "nobody holds it any more";
}

TEST_F(DoctorProgramTest, AnotherProcessThatReadsAnOldState) {
  const std::string path = dir_.File("node.db");
  const Other maker(path, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
  const auto write = [&path](const char* sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  };
  write("PRAGMA synchronous=OFF; INSERT INTO t VALUES (zeroblob(6000000)); PRAGMA wal_checkpoint");
  EXPECT_EQ(Found(path), "") << "a long log that is copied";
  auto reader = std::make_unique<Other>(path, "BEGIN; SELECT count(*) FROM t");
  write("PRAGMA synchronous=OFF; INSERT INTO t VALUES (zeroblob(6000000))");
  EXPECT_EQ(Found(path), "D16");
  EXPECT_THAT(said_, HasSubstr("process " + std::to_string(reader->pid())));
}

TEST_F(DoctorProgramTest, StatementsThatPushEachOtherOut) {
  const std::string path = dir_.File("node.db");
  SqliteBackend backend({.path = path});
  Firmware<Node> sick(backend, folder());
  static constexpr Sql kNine[] = {Sql{"SELECT 1"}, Sql{"SELECT 2"}, Sql{"SELECT 3"},
                                  Sql{"SELECT 4"}, Sql{"SELECT 5"}, Sql{"SELECT 6"},
                                  Sql{"SELECT 7"}, Sql{"SELECT 8"}, Sql{"SELECT 9"}};
  {
    const auto lease = sick.pool.Acquire();
    ASSERT_TRUE(lease.ok()) << lease.status();
    for (int i = 0; i < 20; ++i) {
      for (const Sql& sql : kNine) EXPECT_TRUE((*lease)->Prepare(sql).ok());
    }
  }
  EXPECT_EQ(Found(), "D27");
}

// ---- The process, the board ----

// A socket on which somebody listens and nobody answers.
class Silent {
 public:
  explicit Silent(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_, 5), 0);
  }
  ~Silent() { close(fd_); }

 private:
  int fd_;
};

TEST_F(DoctorProgramTest, AProgramThatHangsAndOneThatIsGone) {
  int exit = -1;
  {
    const Silent silent(folder() + "/sick.sock");
    EXPECT_EQ(Found("sick", &exit), "D25");
    EXPECT_EQ(exit, 4) << "as roostctl status says";
  }
  EXPECT_EQ(Found("sick", &exit), "D26");
  EXPECT_EQ(exit, 3);
  const testing::Outcome other = Run({"healthy"});
  EXPECT_EQ(other.exit, 3);
  EXPECT_THAT(other.errors, HasSubstr("no program healthy"));
}

TEST_F(DoctorProgramTest, ABoardThatIsHotAndShortOfVoltage) {
  testing::MakeUpBoard(root());
  ScriptedBackend backend;
  Firmware<Few> sick(backend, folder());
  EXPECT_EQ(Found(), "D28");
  const testing::Outcome checks = Run({"--only", "board", "--root", root()});
  EXPECT_THAT(checks.output, HasSubstr("roostctl selftest --only board.voltage"));
}

// ---- What the operator types ----

TEST_F(DoctorProgramTest, SavedAnswersAreLookedAt) {
  const std::string file = dir_.File("a.json");
  {
    ScriptedBackend backend;
    Firmware<Few> sick(backend, folder());
    const auto one = sick.pool.Acquire(), two = sick.pool.Acquire(), three = sick.pool.Acquire();
    EXPECT_FALSE(sick.pool.Acquire().ok());
    testing::Program status({ROOSTCTL, "status", "sick", "--json"}, {.runtime_dir = dir_.path()});
    EXPECT_EQ(status.Wait(), 0);
    std::ofstream(file) << status.output();
  }
  EXPECT_EQ(Found(file), "D04") << "the program is gone";
  const testing::Outcome two = Run({file, file, "--strict"});
  EXPECT_EQ(two.exit, 1);
  EXPECT_THAT(two.output, HasSubstr("sick (two snapshots)"));
}

TEST_F(DoctorProgramTest, WhatCannotBeLookedAtIsNoStackTrace) {
  mkfifo(dir_.File("fifo").c_str(), 0600);
  std::ofstream(dir_.File("empty"));
  std::ofstream(dir_.File("text")) << "\xff\xfe hello";
  for (const char* name : {"fifo", "empty", "text", "roost", "none"}) {
    const testing::Outcome outcome = Run({dir_.File(name)});
    EXPECT_EQ(outcome.exit, 4) << name;
    EXPECT_THAT(outcome.errors, HasSubstr("roostctl: " + dir_.File(name) + ": ")) << name;
    EXPECT_EQ(outcome.output, "") << name;
  }
}

TEST_F(DoctorProgramTest, ABundleIsWrittenAndRulesAreExplained) {
  ScriptedBackend backend;
  Firmware<Few> sick(backend, folder());
  const std::string bundle = dir_.File("bundle.txt");
  EXPECT_EQ(Run({"--bundle", bundle, "--root", root()}).exit, 0);
  std::ifstream file(bundle);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(text, HasSubstr("== doctor\nsick: nothing found"));
  EXPECT_THAT(text, HasSubstr("\"name\": \"sick\""));
  EXPECT_THAT(Run({"--explain", "leak"}).output, HasSubstr("D02 leak: "));
  EXPECT_THAT(Run({"--list"}).output, HasSubstr("D29 settings"));
  const testing::Outcome wrong = Run({"--explain", "none"});
  EXPECT_EQ(wrong.exit, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("there is no rule \"none\""));
}

TEST_F(DoctorProgramTest, WithoutAProgramTheBoardIsLookedAt) {
  testing::MakeUpBoard(root());
  const testing::Outcome outcome = Run({"--root", root()});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_THAT(outcome.output, HasSubstr("D28 board: fail, certain"));
}

}  // namespace
}  // namespace roost::tools
