// roostctl check: one line and an exit code for monitoring.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "telemetry/process.h"
#include "telemetry/status_file.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"
#include "tools/roostctl/check.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNow = 7200 * kSecond;

telemetry::NodeStatus Healthy() {
  telemetry::NodeStatus status{.name = "roof", .version = "0.1.0", .pid = getpid()};
  status.state = "running";
  status.ready = true;
  status.every = 10s;
  status.written_boot_us = kNow - 2 * kSecond;
  status.started_boot_us = kNow - 3600 * kSecond;
  status.readings = {.taken = 100, .sealed = 95, .waiting = 5, .buffer = 4096};
  status.store = {.readings = 95, .bytes = 4096, .limit_bytes = 8192, .full_in = 3600s};
  return status;
}

telemetry::NodeStatus Forwarding() {
  telemetry::NodeStatus status = Healthy();
  status.outbox = telemetry::OutboxStatus{.state = "sending",
                                          .since_boot_us = kNow - 60 * kSecond,
                                          .alarm_age = 3600s,
                                          .waiting = 12,
                                          .oldest_age = 3s,
                                          .drained_in = 1s,
                                          .sent = 83};
  return status;
}

TEST(CheckTest, AHealthyNodeIsOkWithFiguresOfWhatIsKnown) {
  const CheckResult result = JudgeNode(Forwarding(), kNow, {});
  EXPECT_EQ(result.code, kCheckOk);
  EXPECT_EQ(result.line,
            "ROOST OK - roof: 95 readings sealed, 83 sent, 12 wait | taken=100c lost=0c "
            "unsealed=5;;;0;4096 database=4096B;;;0;8192 full_in=3600s;;;0 waiting=12;;;0 "
            "oldest=5s;3600;86400;0 sent=83c rejected=0c");
  telemetry::NodeStatus alone = Healthy();
  alone.store.full_in = -1s;
  EXPECT_THAT(JudgeNode(alone, kNow, {}).line, EndsWith("full_in=U"));
  telemetry::NodeStatus idle = Forwarding();
  idle.outbox->waiting = 0;
  idle.outbox->oldest_age = -1s;
  EXPECT_THAT(JudgeNode(idle, kNow, {}).line, HasSubstr("oldest=0s;"));
}

TEST(CheckTest, TheAgeOfTheOldestThatWaitsIsAWarningAndThenCritical) {
  telemetry::NodeStatus status = Forwarding();
  const auto code = [&status](Duration age, const CheckLimits& limits) {
    status.outbox->oldest_age = age;
    return JudgeNode(status, kNow, limits).code;
  };
  EXPECT_EQ(code(3590s, {}), kCheckOk);
  EXPECT_EQ(code(3598s, {}), kCheckWarning) << "the file is two seconds old";
  EXPECT_EQ(code(24h, {}), kCheckCritical);
  EXPECT_EQ(code(24h, {.warning_age = 100h, .critical_age = 200h}), kCheckOk);
  EXPECT_EQ(code(10s, {.warning_age = 5s}), kCheckWarning);
  status.outbox->alarm_age = 10s;
  EXPECT_EQ(code(10s, {}), kCheckWarning) << "what the node calls late";
  EXPECT_EQ(code(-1s, {}), kCheckOk);
}

TEST(CheckTest, WhatIsWrongIsSaidOnceEachAndTheWorstCounts) {
  telemetry::NodeStatus status = Forwarding();
  status.outbox->rejected = 3;
  status.readings.dropped = 2;
  CheckResult result = JudgeNode(status, kNow, {.rejects = 3});
  EXPECT_EQ(result.code, kCheckWarning);
  EXPECT_THAT(result.line, StartsWith("ROOST WARNING - roof: 2 readings were lost |"));
  status.outbox->state = "held";
  status.outbox->reason = "42501: permission denied | ask\nyour admin";
  result = JudgeNode(status, kNow, {});
  EXPECT_EQ(result.code, kCheckCritical);
  EXPECT_THAT(result.line, HasSubstr("refuses all readings for 60 s"));
  EXPECT_THAT(result.line, HasSubstr("permission denied / ask"));
  EXPECT_THAT(result.line, HasSubstr("set 3 readings aside; 2 readings were lost |"));
  EXPECT_EQ(result.line.find('\n'), std::string::npos);
  EXPECT_EQ(result.line.find('|'), result.line.rfind('|')) << "one bar, before the figures";
  status = Forwarding();
  status.outbox->state = "no_schema";
  EXPECT_EQ(JudgeNode(status, kNow, {}).code, kCheckWarning);
}

TEST(CheckTest, ANodeThatHangsIsCriticalAndOneThatStartsIsNot) {
  telemetry::NodeStatus status = Healthy();
  status.written_boot_us = kNow - 600 * kSecond;
  EXPECT_EQ(JudgeNode(status, kNow, {}).code, kCheckCritical);
  status = Healthy();
  status.refused = "the card is read-only";
  EXPECT_EQ(JudgeNode(status, kNow, {}).code, kCheckCritical);
  status = Healthy();
  status.readings.sealed = 0;
  EXPECT_EQ(JudgeNode(status, kNow, {}).code, kCheckCritical);
  status.started_boot_us = kNow - 30 * kSecond;
  EXPECT_EQ(JudgeNode(status, kNow, {}).code, kCheckWarning);
  status = Healthy();
  status.store.card_is_full = true;
  EXPECT_EQ(JudgeNode(status, kNow, {}).code, kCheckWarning);
}

TEST(CheckTest, ARemoteThatIsAwayIsAWarningAfterAWhile) {
  telemetry::NodeStatus status = Healthy();
  status.remote.emplace().state = "away";
  status.remote->last_error = "connection refused";
  status.remote->since_boot_us = kNow - 60 * kSecond;
  EXPECT_EQ(JudgeNode(status, kNow, {}).code, kCheckOk);
  status.remote->since_boot_us = kNow - 3700 * kSecond;
  EXPECT_THAT(JudgeNode(status, kNow, {}).line,
              HasSubstr("the remote is away for 61.7 min: connection refused"));
}

// What monitoring runs.
testing::Outcome Roostctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {ROOSTCTL, "check"});
  return testing::RunProgram(arguments);
}

TEST(CheckProgramTest, WhatCannotBeToldIsUnknownAndHasNoFigures) {
  support::TempDir folder;
  const testing::Outcome missing = Roostctl({"--file", folder.File("none.json")});
  EXPECT_EQ(missing.exit, kCheckUnknown);
  EXPECT_THAT(missing.output, StartsWith("ROOST UNKNOWN - "));
  EXPECT_THAT(missing.output, Not(HasSubstr("|")));
  std::ofstream(folder.File("bad.json")) << "{";
  EXPECT_EQ(Roostctl({"--file", folder.File("bad.json")}).exit, kCheckUnknown);
  EXPECT_EQ(Roostctl({"--bogus"}).exit, kCheckUnknown) << "2 would be critical";
  EXPECT_EQ(Roostctl({"--critical-age", "soon"}).exit, kCheckUnknown);
  EXPECT_EQ(Roostctl({"--help"}).exit, 0);
}

TEST(CheckProgramTest, ANodeThatWasKilledIsCritical) {
  support::TempDir folder;
  telemetry::NodeStatus status = Healthy();
  status.pid = 1;
  status.start_ticks = 1;
  ASSERT_TRUE(telemetry::WriteStatusFile(folder.File("s.json"), status).ok());
  const testing::Outcome gone = Roostctl({"--file", folder.File("s.json")});
  EXPECT_EQ(gone.exit, kCheckCritical);
  EXPECT_THAT(gone.output, HasSubstr("no node runs: process 1"));
}

}  // namespace
}  // namespace roost::tools
