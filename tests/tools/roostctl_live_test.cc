// tests/tools/roostctl_live_test.cc - `roostctl status` and `metrics` by the sockets of programs.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <clocale>
#include <fstream>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/status.h"
#include "tests/fakes/scripted_backend.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"
#include "tools/roostctl/live.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using support::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

Json Answer(const char* text) { return Json::parse(text); }

// ---- The state, its reason and its code ----

struct StateCase {
  const char* name;
  const char* answer;
  LiveState state;
  int exit_code;
  const char* reason;
};

void PrintTo(const StateCase& one, std::ostream* out) { *out << one.name; }

class StateTest : public ::testing::TestWithParam<StateCase> {};

TEST_P(StateTest, StateAndCodeAgree) {
  const StateCase& one = GetParam();
  Live live{.name = "n", .reason = {}, .next = {}, .answer = Answer(one.answer)};
  live.state = Judge(live.answer, live.reason);
  EXPECT_EQ(live.state, one.state) << Name(live.state);
  EXPECT_THAT(live.reason, HasSubstr(one.reason));
  const Json json = ToJson(live);
  EXPECT_EQ(json["state"], Name(one.state));
  EXPECT_EQ(json["exit_code"], one.exit_code);
  EXPECT_EQ(ExitCodeOf(one.state), one.exit_code);
}

INSTANTIATE_TEST_SUITE_P(
    All, StateTest,
    ::testing::Values(
        StateCase{"silent", R"({"pools": []})", LiveState::kHealthy, 0, ""},
        StateCase{"healthy", R"({"state": "healthy", "text": "all sealed"})", LiveState::kHealthy,
                  0, "all sealed"},
        StateCase{"degraded", R"({"state": "degraded", "text": "log long"})", LiveState::kDegraded,
                  0, "log long"},
        StateCase{"not_healthy", R"({"state": "not healthy", "text": "refuses"})",
                  LiveState::kNotHealthy, 1, "refuses"},
        StateCase{"starting", R"({"state": "starting"})", LiveState::kStarting, 1, ""},
        StateCase{"ending", R"({"state": "ending"})", LiveState::kEnding, 1, ""},
        StateCase{"healthy_but_away",
                  R"({"state": "healthy", "pools": [{"name": "remote", "lanes":
                      [{"away": true, "away_s": 61, "next_try_s": 4}]}]})",
                  LiveState::kDegraded, 0, "remote is away for 61 s, next try in 4 s"},
        StateCase{"somebody_waits",
                  R"({"pools": [{"name": "local", "pool_timeout_s": 30, "lanes":
                      [{"oldest_wait_s": 16}]}]})",
                  LiveState::kDegraded, 0, "local keeps a caller waiting for 16 s"},
        StateCase{"waits_shortly",
                  R"({"pools": [{"name": "local", "pool_timeout_s": 30, "lanes":
                      [{"oldest_wait_s": 15}]}]})",
                  LiveState::kHealthy, 0, ""},
        StateCase{"timed_out",
                  R"({"pools": [{"name": "local", "window": {"span_s": 90, "timeouts": 3}}]})",
                  LiveState::kDegraded, 0, "local timed out 3 times in the last 90 s"},
        StateCase{"other_types", R"({"state": 7, "text": [], "pools": {"lanes": 1}})",
                  LiveState::kHealthy, 0, ""}),
    [](const auto& one) { return std::string(one.param.name); });

// ---- The screen ----

constexpr char kBusy[] = R"({"format": 1, "name": "node7", "version": "1.0", "pid": 7,
  "running_s": 7200, "state": "healthy", "state_s": 7100, "text": "128 readings sealed",
  "pools": [{"name": "local", "backend": "sqlite", "target": "/var/lib/roost/a/very/long/path.db",
    "profile": "raspberry_pi", "pool_timeout_s": 30, "hold_times": false,
    "stats": {"capacity": 3, "in_use": 1, "checkouts": 4096, "timeouts": 5, "timeouts_away": 2,
              "wait": {"count": 4096, "p50_s": 1e-6, "p99_s": 0.0008, "max_s": 0.0518}},
    "window": {"span_s": 119, "checkouts": 12,
               "wait": {"count": 12, "p50_s": 1e-6, "p99_s": 0.003, "max_s": 0.003}},
    "lanes": [{"role": "writer", "in_use": 1, "waiting": 1, "oldest_wait_s": 2,
               "error": "refused\nIs the server running?", "error_ago_s": 90, "error_code": "x"}],
    "slots": [{"slot": 0, "state": "leased", "held_s": 5, "held_at_least": true,
               "file": "main.cc", "line": 58, "age_s": 60}, {"slot": 1, "state": "empty"},
              {"slot": 2, "state": "idle", "error_ago_s": 90, "error_reason": "ping_failed",
               "error_code": "unavailable"}],
    "figures": {"sqlite": {"busy_s": 12, "busy_timeouts": 4, "wal_frames": 84, "wal_bytes": 346080,
                           "wal_checkpointed_frames": 80, "oldest_read_s": 6,
                           "database_bytes": 4194304}},
    "waiters": [{"since_s": 2, "file": "node.cc", "line": 12}]}],
  "figures": {"node": {"power": "dark", "power_cause": "gpio", "power_fails_s": 12,
                       "power_failures": 2, "cpu_temperature_celsius": 81, "cpu_throttled": 1,
                       "written_bytes": 2048}},
  "events": [{"kind": "timeout", "ago_s": 3, "pool": "local", "file": "node.cc", "line": 9,
              "text": "QueuePool limit \u001b[31m\u00e4"}]})";

Live Busy() {
  Live live{.name = "node7", .reason = {}, .next = {}, .answer = Answer(kBusy)};
  live.state = Judge(live.answer, live.reason);
  return live;
}

TEST(LiveTextTest, TellsOfTheBoardTheDatabaseAndFailuresOfSlots) {
  const std::string text = LiveText(Busy(), 100, false);
  EXPECT_THAT(text,
              HasSubstr("\n  power dark for 12 s (gpio), failed 2 times; 81 C, slowed down by "
                        "the firmware; 2 KiB written\n"));
  EXPECT_THAT(text, HasSubstr("\n  database 4 MiB, log 338 KiB, 4 of 84 frames to be copied\n"
                              "  a reader has kept the log from being cut for 6 s\n"
                              "  waited for other processes: 12 s since the start, 4 times in "
                              "vain\n"));
  EXPECT_THAT(text, HasSubstr("\n         failed 90 s ago: ping_failed, unavailable\n"));
}

TEST(LiveTextTest, TellsWhatTheServerOfAPoolSaid) {
  Live live = Busy();
  EXPECT_THAT(LiveText(live, 100, false), Not(HasSubstr("server")));
  live.answer["pools"][0]["server"] = Answer(
      R"({"version": "15.20", "role": "standby", "user": "node", "tls": "none", "round_trip_s": 0.012})");
  EXPECT_THAT(LiveText(live, 100, false),
              HasSubstr("\n  server 15.20, standby, user node, no TLS, round trip 12 ms\n"));
}

TEST(LiveTextTest, TellsNothingOfWhatIsNotLookedAt) {
  Live live = Busy();
  live.answer.erase("figures");
  live.answer["pools"][0].erase("figures");
  const std::string text = LiveText(live, 100, false);
  EXPECT_THAT(text, Not(HasSubstr("power")));
  EXPECT_THAT(text, Not(HasSubstr("frames")));
}

TEST(LiveTextTest, TellsWhoHoldsWhoWaitsAndWhatHappened) {
  const std::string text = LiveText(Busy(), 100, false);
  EXPECT_THAT(text, HasSubstr("node7: healthy for"));
  EXPECT_THAT(text, HasSubstr("128 readings sealed"));
  EXPECT_THAT(text, HasSubstr("slot 0 leased for at least 5 s by main.cc:58"));
  EXPECT_THAT(text, Not(HasSubstr("slot 1")));
  EXPECT_THAT(text, HasSubstr("waits for 2 s: node.cc:12"));
  EXPECT_THAT(text, HasSubstr("1 waiting (the oldest for 2 s)"));
  EXPECT_THAT(text, HasSubstr("5, 2 away"));
  EXPECT_THAT(text, HasSubstr("not measured (profile raspberry_pi)"));
  EXPECT_THAT(text, HasSubstr("last error 90 s ago: refused\n")) << "without the driver's advice";
  EXPECT_THAT(text, HasSubstr("1 us / 3 ms ")) << "no p99 of twelve";
  EXPECT_THAT(text, HasSubstr("1 us / 800 us / 51.8 ms"));
  EXPECT_THAT(text, HasSubstr("timeout node.cc:9: QueuePool limit"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << "what a program says cannot steer the terminal";
}

size_t Characters(std::string_view line) {
  return static_cast<size_t>(std::count_if(
      line.begin(), line.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

TEST(LiveTextTest, SaysWhyEventsWouldBeLost) {
  Live live = Busy();
  EXPECT_THAT(LiveText(live, 100, false), Not(HasSubstr("not kept")));
  live.answer["box_error"] = "cannot write the box: No space left on device";
  EXPECT_THAT(LiveText(live, 100, false),
              HasSubstr("  events not kept: cannot write the box: No space left"));
}

TEST(LiveTextTest, NoLineIsLongerThanTheTerminal) {
  for (const int width : {20, 40, 60, 80, 132, 200}) {
    for (const bool ascii : {false, true}) {
      std::istringstream lines(LiveText(Busy(), width, ascii));
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(Characters(line), static_cast<size_t>(width)) << line;
        const bool plain = std::all_of(line.begin(), line.end(), [](char c) { return c >= ' '; });
        EXPECT_TRUE(!ascii || plain) << line;
      }
    }
  }
}

TEST(LiveTextTest, AnAnswerOfOtherTypesIsShownAllTheSame) {
  for (const char* text :
       {R"({})", R"({"pools": [1, [], null, {"lanes": [7], "slots": "x", "waiters": [[]],
          "stats": [], "window": {"span_s": 1e300, "wait": 3}}], "events": [null, {"ago_s": -5}]})"}) {
    const Live live{.name = "n", .reason = {}, .next = {}, .answer = Answer(text)};
    EXPECT_THAT(LiveText(live, 80, false), HasSubstr("n: unknown"));
  }
}

TEST(FitTest, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(Fit("12345", 5, false), "12345");
  EXPECT_EQ(Fit("123456", 5, false), "1234\u2026");
  EXPECT_EQ(Fit("123456", 5, true), "1234~");
  EXPECT_EQ(Fit("\u00e4\u00e4\u00e4", 2, false), "\u00e4\u2026");
  EXPECT_EQ(Fit("\u00e4", 5, true), "?");
}

// ---- The program ----

class LiveProgramTest : public ::testing::Test {
 protected:
  LiveProgramTest() { std::filesystem::create_directory(folder()); }
  std::string folder() const { return dir_.File("roost"); }
  std::string Path(const std::string& name) const { return folder() + "/" + name; }
  testing::Outcome Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ROOSTCTL);
    testing::Program program(arguments, {.runtime_dir = dir_.path()});
    testing::Outcome outcome;
    outcome.exit = program.Wait();
    outcome.output = program.output();
    outcome.errors = program.errors();
    return outcome;
  }
  StatusOptions Named(const char* name, const std::string& folder) {
    return {.name = name, .folder = folder.c_str()};
  }

  TempDir dir_;
};

// A program that is served by a thread of its own, as firmwares with a Housekeeper are.
struct Firmware {
  explicit Firmware(const char* name, const std::string& folder)
      : server({.name = name, .folder = folder.c_str()}),
        pool(backend, {.name = "local", .observer = &server}) {
    server.Add(pool);
    keeper.Add(pool);
    keeper.Add(server);
    keeper.Start();
  }
  fakes::ScriptedBackend backend;
  StatusServer server;
  PoolFor<profiles::Testing> pool;
  Housekeeper keeper;
};

TEST_F(LiveProgramTest, ShowsEveryProgramOfTheBoard) {
  Firmware one("alpha", folder()), two("beta", folder());
  two.server.Say(Health::kNotHealthy, "no sensor answers");
  const testing::Outcome all = Run({"status"});
  EXPECT_EQ(all.exit, 1) << "the worst of them";
  EXPECT_THAT(all.output, HasSubstr("alpha: healthy"));
  EXPECT_THAT(all.output, HasSubstr("beta: not healthy"));
  EXPECT_THAT(all.output, HasSubstr("no sensor answers"));
  const testing::Outcome alone = Run({"status", "alpha"});
  EXPECT_EQ(alone.exit, 0);
  EXPECT_THAT(alone.output, Not(HasSubstr("beta")));
  const testing::Outcome lines = Run({"status", "--json"});
  std::istringstream stream(lines.output);
  int count = 0;
  for (std::string line; std::getline(stream, line); ++count) {
    EXPECT_TRUE(Json::parse(line, nullptr, false).is_object()) << line;
  }
  EXPECT_EQ(count, 2);
  EXPECT_EQ(Json::parse(Run({"status", "beta", "--json"}).output)["exit_code"], 1);
}

TEST_F(LiveProgramTest, AProgramThatIsNotThereIsToldApart) {
  const testing::Outcome missing = Run({"status", "gamma"});
  EXPECT_EQ(missing.exit, 3);
  EXPECT_THAT(missing.errors, HasSubstr("no program gamma"));
  EXPECT_EQ(Run({"metrics"}).exit, 3);
  EXPECT_EQ(Run({"status", "--last"}).exit, 3);
}

TEST_F(LiveProgramTest, MetricsAreOfOneProgram) {
  Firmware one("alpha", folder());
  const testing::Outcome text = Run({"metrics"});
  EXPECT_EQ(text.exit, 0);
  EXPECT_THAT(text.output, HasSubstr("db_client_connection_max{roost_node=\"alpha\""));
  Firmware two("beta", folder());
  const testing::Outcome both = Run({"metrics"});
  EXPECT_EQ(both.exit, 2);
  EXPECT_THAT(both.errors, HasSubstr("roostctl metrics beta"));
  EXPECT_EQ(Run({"metrics", "beta"}).exit, 0);
}

TEST_F(LiveProgramTest, AKilledProgramIsNotRunningAndItsEventsAreThere) {
  const pid_t child = fork();
  if (child == 0) {
    fakes::ScriptedBackend backend;
    StatusServer server({.name = "alpha", .folder = folder().c_str()});
    PoolFor<profiles::Testing> pool(backend, {.name = "local", .observer = &server});
    server.Say(Health::kHealthy, "as ever");
    pool.InvalidateAll();
    raise(SIGKILL);
  }
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);  // it stays a zombie
  const testing::Outcome status = Run({"status"});
  EXPECT_EQ(status.exit, 3);
  EXPECT_THAT(status.output, HasSubstr("alpha: not running"));
  EXPECT_THAT(status.output, HasSubstr("roostctl status --last alpha"));
  const testing::Outcome last = Run({"status", "--last", "alpha"});
  EXPECT_EQ(last.exit, 0);
  EXPECT_THAT(last.output, HasSubstr("which is gone"));
  EXPECT_THAT(last.output, HasSubstr("healthy, as ever"));
  EXPECT_THAT(last.output, HasSubstr("soft_invalidate"));
  waitpid(child, nullptr, 0);
}

TEST_F(LiveProgramTest, ABoxOfAnotherKindIsRefusedWithASentence) {
  std::ofstream(Path("a.box")) << "not one";
  EXPECT_EQ(Run({"status", "--last"}).exit, 4);
  std::filesystem::remove(Path("a.box"));
  ASSERT_EQ(mkfifo(Path("b.box").c_str(), 0600), 0);
  EXPECT_EQ(Run({"status", "--last"}).exit, 4) << "a fifo holds nobody up";
}

// A listener that is no roostpool program: it does to its first client what `serve` does.
class Listener {
 public:
  template <class Serve>
  Listener(const std::string& path, Serve serve) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_, 4), 0);
    thread_ = std::thread([this, serve] {
      const int client = accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      serve(client);
      close(client);
    });
  }
  ~Listener() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }

 private:
  const int fd_;
  std::thread thread_;
};

TEST_F(LiveProgramTest, WhatAnswersNonsenseOrWithoutEndCannotBeJudged) {
  for (const char* text :
       {"", "hello\n", "[]\n", "{}\n", "{\"format\": 1, \"pools\"", "\x1b[2J\xff"}) {
    Listener other(Path("x.sock"), [text](int client) {
      std::array<char, 64> request;
      if (recv(client, request.data(), request.size(), 0) > 0) {
        send(client, text, std::strlen(text), MSG_NOSIGNAL);
      }
    });
    const testing::Outcome outcome = Run({"status", "x"});
    EXPECT_EQ(outcome.exit, 4) << text;
    EXPECT_THAT(outcome.output, HasSubstr("x: unknown"));
    EXPECT_THAT(outcome.output, Not(HasSubstr("\x1b")));
    std::filesystem::remove(Path("x.sock"));
  }
  Listener endless(Path("y.sock"), [](int client) {
    const std::string more(65536, '{');
    while (send(client, more.data(), more.size(), MSG_NOSIGNAL) > 0) continue;
  });
  EXPECT_EQ(Run({"status", "y"}).exit, 4);
}

TEST_F(LiveProgramTest, WhatNeverAnswersIsToldToHang) {
  Listener silent(Path("z.sock"), [](int client) {
    std::array<char, 64> request;
    while (recv(client, request.data(), request.size(), 0) > 0) continue;  // until it gives up
  });
  const testing::Outcome outcome = Run({"status", "z"});
  EXPECT_EQ(outcome.exit, 4);
  EXPECT_THAT(outcome.output, HasSubstr("hangs"));
}

}  // namespace
}  // namespace roost::tools
