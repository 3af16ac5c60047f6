// roostctl status: what it shows of a made-up node, and its exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/utf8.h"
#include "platform/rpi/board_health.h"
#include "telemetry/process.h"
#include "telemetry/status_file.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"
#include "tools/roostctl/status.h"

namespace roost::tools {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kSecond = 1'000'000;

// A node that has run for an hour and sealed five readings four seconds ago.
telemetry::NodeStatus Healthy(int64_t now) {
  telemetry::NodeStatus status{
      .name = "roof", .version = "0.1.0", .board = "Raspberry Pi 4 Model B", .pid = getpid()};
  status.state = "running";
  status.ready = true;
  status.every = 10s;
  status.written_boot_us = now - 2 * kSecond;
  status.started_boot_us = now - 3600 * kSecond;
  status.readings = {.taken = 100, .sealed = 95, .waiting = 5, .most_waiting = 60, .buffer = 4096};
  status.last_seal = telemetry::SealStatus{.boot_us = now - 4 * kSecond, .count = 5, .took = 12ms};
  status.local.target = "/var/lib/roost/node.db";
  status.local.profile = "raspberry_pi";
  status.local.stats.pool_size = 2;
  status.local.stats.max_overflow = 1;
  status.memory = {.rss_kib = 4300, .peak_rss_kib = 4900};
  status.sqlite_memory = {.bounded = true,
                          .arena_bytes = 133096,
                          .arena_used = 26056,
                          .arena_peak = 73016,
                          .pages = 22,
                          .pages_used = 7,
                          .pages_peak = 20};
  return status;
}

TEST(StatusTextTest, SaysWhatANodeDoesInAFewLines) {
  const int64_t now = 7200 * kSecond;
  const std::string text = StatusText(Healthy(now), now);
  EXPECT_THAT(text, AllOf(HasSubstr("roof: running for 60 min, healthy"),
                          HasSubstr("100 taken, 95 sealed, 5 in memory (at most 60 of 4096)"),
                          HasSubstr("4 s ago: 5 readings in 12 ms"),
                          HasSubstr("/var/lib/roost/node.db (raspberry_pi, 2 + 1)"),
                          HasSubstr("4300 KiB resident"), HasSubstr("watchdog   none"),
                          HasSubstr("sqlite     arena 26056 of 133096 bytes (at most 73016), "
                                    "7 of 22 pages (at most 20); 0 requests refused\n")));
  EXPECT_THAT(
      text, AllOf(Not(HasSubstr("remote")), Not(HasSubstr("timed out")), Not(HasSubstr("dropped"))))
      << "what is not there is not shown";
}

TEST(StatusTextTest, SaysWhenSqlitesBlockWasFullOrIsNotUsed) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  status.sqlite_memory.page_overflow_peak = 4360;
  status.sqlite_memory.arena_failures = 3;
  EXPECT_THAT(StatusText(status, now),
              HasSubstr("(at most 20), beyond them 4360 bytes; 3 requests refused"));
  status.sqlite_memory = {.heap_because = "somebody uses it already"};
  EXPECT_THAT(StatusText(status, now),
              HasSubstr("sqlite     memory from the heap: somebody uses it already\n"));
  status.sqlite_memory = {};
  EXPECT_THAT(StatusText(status, now), HasSubstr("sqlite     memory from the heap\n"));
}

TEST(StatusTextTest, FewWaitsHaveNoPercentile) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  EXPECT_THAT(StatusText(status, now), AllOf(HasSubstr("0 leases\n"), Not(HasSubstr("wait p99"))));
  status.local.stats.checkouts = 6;
  status.local.wait = {.count = 6, .p99 = 890ms, .max = 890ms};
  EXPECT_THAT(StatusText(status, now), HasSubstr("6 leases, longest wait 890 ms\n"));
  status.local.stats.checkouts = 100;
  EXPECT_THAT(StatusText(status, now), HasSubstr("100 leases, wait p99 890 ms"));
}

TEST(StatusTextTest, ANodeThatHasJustBegunIsStarting) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  status.readings.sealed = 0;
  EXPECT_THAT(StatusText(status, now), HasSubstr("NOT HEALTHY: no reading has been sealed yet"));
  status.started_boot_us = now - 4 * kSecond;
  EXPECT_THAT(StatusText(status, now), HasSubstr("starting: no reading has been sealed yet"));
  status.refused = "the card is full";
  EXPECT_THAT(StatusText(status, now), HasSubstr("NOT HEALTHY: the database refuses"));
}

TEST(StatusTextTest, TheRemotesServerIsToldAsFarAsItIsKnown) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  status.remote.emplace();
  status.remote->state = "up";
  EXPECT_THAT(StatusText(status, now), Not(HasSubstr("server ")));
  status.remote->pool.server = {.version = "15.20 (Debian 15.20-0+deb12u1)",
                                .role = "primary",
                                .user = "node",
                                .tls = "TLSv1.3",
                                .round_trip = std::chrono::milliseconds(12)};
  EXPECT_THAT(StatusText(status, now),
              HasSubstr(" server 15.20, primary, user node, TLSv1.3, round trip 12 ms\n"));
  status.remote->pool.server = {
      .version = "10.11.19-MariaDB", .role = "unknown", .user = "node", .tls = "none"};
  EXPECT_THAT(StatusText(status, now), HasSubstr(" server 10.11.19-MariaDB, user node, no TLS\n"));
}

TEST(StatusTextTest, AnErrorIsOfNowOrOfBefore) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  status.remote.emplace();
  status.remote->state = "away";
  status.remote->last_error = "Connection refused\nIs the server running?";
  EXPECT_THAT(StatusText(status, now), AllOf(HasSubstr("last error: Connection refused\n"),
                                             HasSubstr("degraded: the remote is away")));
  status.remote->state = "up";
  EXPECT_THAT(StatusText(status, now),
              AllOf(HasSubstr("an earlier error: Connection refused\n"), HasSubstr(", healthy")));
  status.remote->last_error_boot_us = now - 90 * kSecond;
  EXPECT_THAT(StatusText(status, now), HasSubstr("an earlier error 90 s ago: Connection"));
}

TEST(StatusTextTest, ThePowerHasALineWhereSomebodyLooksAtIt) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  EXPECT_THAT(StatusText(status, now), Not(HasSubstr("power")));
  status.power.state = "good";
  EXPECT_THAT(StatusText(status, now), HasSubstr("power      good\n"));
  status.power = {"dark", "sigpwr", now - 12 * kSecond, 2};
  EXPECT_THAT(StatusText(status, now),
              HasSubstr("power      dark, failed 2 times, the last time 12 s ago (sigpwr)\n"));
}

TEST(StatusTextTest, TroubleComesFirst) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  status.refused = "the card is full";
  status.local.stats.timeouts = 3;
  status.local.stats.refused_away = 2;
  status.readings.refused_batches = 4;
  EXPECT_THAT(
      StatusText(status, now),
      AllOf(HasSubstr("NOT HEALTHY: "), HasSubstr("refused    the card is full"),
            HasSubstr("3 timed out"), HasSubstr("2 refused"), HasSubstr("4 batches refused")));
}

TEST(StatusTextTest, ARemoteThatIsAwaySaysSinceWhenWhyAndWhenNext) {
  const int64_t now = 7200 * kSecond;
  telemetry::NodeStatus status = Healthy(now);
  status.remote.emplace();
  status.remote->state = "away";
  status.remote->since_boot_us = now - 90 * kSecond;
  status.remote->last_error = "connection refused";
  status.remote->next_try_boot_us = now + 8 * kSecond;
  status.remote->pool.target = "db.example.org:5432/farm";
  EXPECT_THAT(StatusText(status, now),
              AllOf(HasSubstr("db.example.org:5432/farm"), HasSubstr("away for 90 s"),
                    HasSubstr("next try in 8 s"), HasSubstr("last error: connection refused")));
}

// A server, a database and whoever can write the file choose these texts.
TEST(StatusTextTest, WhatOthersWroteForgesNoLineAndCommandsNoTerminal) {
  const int64_t now = 7200 * kSecond;
  const std::string hostile =
      "x\n<0>remote     fine\r\x1b[2J\xc2\x9b"
      "2J\xe2\x80\xae";
  telemetry::NodeStatus status = Healthy(now);
  for (std::string* text : {&status.name, &status.version, &status.board, &status.state,
                            &status.refused, &status.local.target, &status.local.profile}) {
    *text = hostile;
  }
  const size_t lines = 10;
  status.remote.emplace();
  status.remote->state = status.remote->last_error = status.remote->pool.target = hostile;
  const std::string shown = StatusText(status, now);
  std::string plain = shown;
  plain.erase(std::remove(plain.begin(), plain.end(), '\n'), plain.end());
  EXPECT_TRUE(internal::IsPlainText(plain, internal::kPlainUtf8)) << shown;
  EXPECT_THAT(shown, Not(HasSubstr("\n<0>")));
  EXPECT_THAT(shown, Not(HasSubstr("\nremote     fine")));
  EXPECT_LE(static_cast<size_t>(std::count(shown.begin(), shown.end(), '\n')), lines + 4);
}

class StatusProgramTest : public ::testing::Test {
 protected:
  testing::Outcome Ask(const std::string& flag = {}) {
    std::vector<std::string> arguments{ROOSTCTL, "status", "--file", file_};
    if (!flag.empty()) arguments.push_back(flag);
    return testing::RunProgram(arguments);
  }
  const support::TempDir dir_{};
  const std::string file_ = dir_.File("status.json");
};

TEST_F(StatusProgramTest, ExitsWithZeroForAHealthyNode) {
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, Healthy(BootMicros())).ok());
  const testing::Outcome text = Ask();
  EXPECT_EQ(text.exit, 0) << text.output << text.errors;
  EXPECT_THAT(text.output, HasSubstr("healthy"));
  const testing::Outcome json = Ask("--json");
  EXPECT_EQ(json.exit, 0);
  EXPECT_EQ(nlohmann::json::parse(json.output)["readings"]["sealed"], 95);
  EXPECT_EQ(nlohmann::json::parse(json.output)["sqlite_memory"]["arena_peak"], 73016);
}

// The node judged when it wrote; the reader judges now.
TEST_F(StatusProgramTest, TheJsonIsJudgedByTheReader) {
  telemetry::NodeStatus status = Healthy(BootMicros());
  status.written_boot_us -= 120 * kSecond;
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, status).ok());
  const testing::Outcome old = Ask("--json");
  EXPECT_EQ(old.exit, 1);
  const auto json = nlohmann::json::parse(old.output);
  EXPECT_EQ(json["healthy"], false);
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_GE(json["written_ago_s"], 122);
  EXPECT_GE(json["last_seal"]["ago_s"], 4);
  EXPECT_GE(json["running_s"], 3600);
  EXPECT_THAT(json["written_at"].get<std::string>(),
              ::testing::MatchesRegex("20..-[01].-[0-3].T[0-2].:[0-5].:[0-6].Z"));
}

TEST_F(StatusProgramTest, APathIsAFileWithoutTheFlag) {
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, Healthy(BootMicros())).ok());
  const testing::Outcome text = testing::RunProgram({ROOSTCTL, "status", file_});
  EXPECT_EQ(text.exit, 0) << text.errors;
  EXPECT_THAT(text.output, HasSubstr("roof: running"));
}

TEST_F(StatusProgramTest, ExitsWithZeroWhileARemoteIsAway) {
  telemetry::NodeStatus status = Healthy(BootMicros());
  status.remote.emplace();
  status.remote->state = "away";
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, status).ok());
  EXPECT_EQ(Ask().exit, kStatusHealthy);
}

TEST_F(StatusProgramTest, ExitsWithOneForTrouble) {
  telemetry::NodeStatus status = Healthy(BootMicros());
  status.refused = "the card is full";
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, status).ok());
  const testing::Outcome trouble = Ask();
  EXPECT_EQ(trouble.exit, 1);
  EXPECT_THAT(trouble.output.substr(0, trouble.output.find('\n')),
              HasSubstr("NOT HEALTHY: the database refuses: the card is full"));
}

TEST_F(StatusProgramTest, ExitsWithThreeWhenNoNodeRuns) {
  const testing::Outcome none = Ask();
  EXPECT_EQ(none.exit, 3);
  EXPECT_THAT(none.errors, HasSubstr("no node runs here"));
  telemetry::NodeStatus status = Healthy(BootMicros());
  status.pid = testing::Program({"/bin/true"}).pid();  // ended and waited for
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, status).ok());
  const testing::Outcome killed = Ask();
  // Not this process: of itself an emulated one is told what the emulator thinks, not the kernel.
  status.pid = getppid();
  status.start_ticks = telemetry::StartTicks(getppid());
  ASSERT_GT(status.start_ticks, 0u);
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, status).ok());
  EXPECT_EQ(Ask().exit, 0);
  ++status.start_ticks;
  ASSERT_TRUE(telemetry::WriteStatusFile(file_, status).ok());
  EXPECT_EQ(Ask().exit, 3) << "its number is another process's";
  EXPECT_EQ(killed.exit, 3);
  EXPECT_EQ(killed.output, "");
  EXPECT_THAT(killed.errors, HasSubstr("is gone"));
}

TEST_F(StatusProgramTest, ExitsWithFourWhenNobodyCanTell) {
  std::ofstream(file_) << "{\"format\": 1";
  EXPECT_EQ(Ask().exit, 4);
  EXPECT_THAT(Ask().errors, HasSubstr(file_));
  unlink(file_.c_str());
  ASSERT_EQ(mkdir(file_.c_str(), 0755), 0);
  EXPECT_EQ(Ask().exit, 4);
  ASSERT_EQ(rmdir(file_.c_str()), 0);
  ASSERT_EQ(mkfifo(file_.c_str(), 0644), 0);
  EXPECT_EQ(Ask().exit, 4) << "a fifo that nobody writes to";
  unlink(file_.c_str());
  std::ofstream(file_) << "{";
  ASSERT_EQ(truncate(file_.c_str(), off_t{1} << 40), 0);
  EXPECT_EQ(Ask().exit, 4) << "a file without an end";
}

TEST_F(StatusProgramTest, ExitsWithTwoForWrongArguments) { EXPECT_EQ(Ask("--nonsense").exit, 2); }

}  // namespace
}  // namespace roost::tools
