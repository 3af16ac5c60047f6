// What the checks of the self-test say of what was measured: each bound from both sides.
#include <errno.h>
#include <gtest/gtest.h>

#include <string>

#include "platform/boards/rpi_4.h"
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// A verdict that is not a pass says what to do; a pass has nothing to say.
void Expect(const Result& result, Verdict verdict) {
  EXPECT_STREQ(Name(result.verdict), Name(verdict)) << result.measured;
  EXPECT_FALSE(result.measured.empty());
  const bool wants_advice = verdict == Verdict::kWarn || verdict == Verdict::kFail;
  EXPECT_EQ(!result.advice.empty(), wants_advice) << result.measured;
}

Percentiles Of(Duration p50, Duration p99) {
  return {.count = 100, .p50 = p50, .p99 = p99, .max = p99};
}

TEST(SelftestClockTest, CoarseTimersAreAWarning) {
  Expect(JudgeClockResolution(1ns, 10ms), Verdict::kPass);
  Expect(JudgeClockResolution(4ms, 4ms), Verdict::kWarn);
  Expect(JudgeClockResolution(1ns, 11ms), Verdict::kWarn);
}

TEST(SelftestClockTest, AClockThatIsASystemCallIsAWarning) {
  Expect(JudgeClockCost(50ns, 10ns), Verdict::kPass);
  Expect(JudgeClockCost(1001ns, 10ns), Verdict::kWarn);
}

TEST(SelftestClockTest, WhoMayNotAskTheKernelTakesTheMarkOfTheTimeService) {
  Expect(JudgeClockSet(true, false), Verdict::kPass);
  Expect(JudgeClockSet(false, true), Verdict::kWarn);
  Expect(JudgeClockSet(std::nullopt, true), Verdict::kPass);
  Expect(JudgeClockSet(std::nullopt, false), Verdict::kSkip);
}

TEST(SelftestClockTest, AYearBeforeTheProgramWasBuiltIsAWarning) {
  constexpr int64_t kDay = 86'400'000'000;
  const int64_t years = ROOST_BUILD_YEAR - 1970;
  const int64_t leap_days = (years + 1) / 4;  // good until 2100
  const int64_t new_year = (years * 365 + leap_days) * kDay;
  Expect(JudgeClockDate(new_year), Verdict::kPass);
  Expect(JudgeClockDate(new_year - 1), Verdict::kWarn);
  Expect(JudgeClockDate(0), Verdict::kWarn);
  EXPECT_EQ(JudgeClockDate(0).measured, "1970");
}

TEST(SelftestClockTest, AStepOfTheWallClockIsAWarning) {
  Expect(JudgeClockJumps(30ms, 60s), Verdict::kPass);
  Expect(JudgeClockJumps(1h, 2s), Verdict::kWarn);
}

TEST(SelftestClockTest, EntropyThatWouldWaitIsAFailure) {
  Expect(JudgeEntropy(0), Verdict::kPass);
  Expect(JudgeEntropy(EAGAIN), Verdict::kFail);
  Expect(JudgeEntropy(ENOSYS), Verdict::kSkip);
}

TEST(SelftestCardTest, RoomIsCountedInBytesShareAndFiles) {
  constexpr uint64_t kMib = uint64_t{1} << 20;
  const auto space = [](uint64_t free, uint64_t total, uint64_t files) {
    return JudgeCardSpace({.free_bytes = free * kMib,
                           .total_bytes = total * kMib,
                           .free_files = files,
                           .total_files = 10000});
  };
  Expect(space(500, 1000, 5000), Verdict::kPass);
  Expect(space(99, 1000, 5000), Verdict::kWarn);
  Expect(space(500, 16000, 5000), Verdict::kWarn);
  Expect(space(500, 1000, 999), Verdict::kWarn);
  Expect(space(15, 1000, 5000), Verdict::kFail);
  Expect(JudgeCardSpace({.free_bytes = 500 * kMib, .total_bytes = 600 * kMib}), Verdict::kPass);
}

TEST(SelftestCardTest, SyncsMayBeSlowTooSlowOrTooGoodToBeTrue) {
  Expect(JudgeCardSync(Of(12ms, 80ms), 1), Verdict::kPass);
  Expect(JudgeCardSync(Of(51ms, 80ms), 1), Verdict::kWarn);
  Expect(JudgeCardSync(Of(12ms, 501ms), 1), Verdict::kWarn);
  Expect(JudgeCardSync(Of(12ms, 2001ms), 1), Verdict::kFail);
  Expect(JudgeCardSync(Of(2us, 5us), 1), Verdict::kWarn);
}

TEST(SelftestCardTest, SyncsTellWhatTheyWrote) {
  const Result result = JudgeCardSync(Of(1ms, 2ms), 409600);
  EXPECT_NE(result.measured.find("wrote 400 KiB"), std::string::npos) << result.measured;
  EXPECT_EQ(result.figures["written_bytes"], 409600);
  EXPECT_DOUBLE_EQ(result.figures["p50_s"], 0.001);
  EXPECT_DOUBLE_EQ(result.figures["p99_s"], 0.002);
}

TEST(SelftestCardTest, WearIsToldByLifeSpareAndRate) {
  const auto wear = [](std::optional<int> life, std::optional<int> spare, uint64_t written) {
    return JudgeCardWear({.name = "mmcblk0",
                          .bytes_written = written,
                          .life_used_percent = life,
                          .spare_state = spare},
                         24h);
  };
  constexpr uint64_t kGib = uint64_t{1} << 30;
  Expect(wear(std::nullopt, std::nullopt, kGib), Verdict::kPass);
  Expect(wear(80, 1, kGib), Verdict::kPass);
  Expect(wear(90, 1, kGib), Verdict::kWarn);
  Expect(wear(10, 2, kGib), Verdict::kWarn);
  Expect(wear(110, 1, kGib), Verdict::kFail);
  Expect(wear(10, 3, kGib), Verdict::kFail);
  Expect(wear(10, 1, 5 * kGib), Verdict::kWarn);
  // A start writes much; the first hour says nothing about a day.
  Expect(JudgeCardWear({.name = "mmcblk0", .bytes_written = 5 * kGib}, 10min), Verdict::kPass);
  Expect(JudgeCardWear({.name = "sda", .bytes_written = 500 * kGib}, 24h), Verdict::kPass);
  Expect(JudgeCardWear({}, 24h), Verdict::kSkip);
}

LogFacts GoodLog() {
  return {.journal_mode = "wal",
          .synchronous = 1,
          .synchronous_of_commit = 2,
          .page_bytes = 4096,
          .quick_check = "ok",
          .rows_expected = 16,
          .rows_found = 16,
          .commits = Of(100us, 1ms),
          .seals = Of(5ms, 9ms)};
}

TEST(SelftestCardTest, EachSettingOfTheLogHasToHaveTakenEffect) {
  Expect(JudgeCardLog(GoodLog()), Verdict::kPass);
  const auto with = [](auto change) {
    LogFacts facts = GoodLog();
    change(facts);
    return JudgeCardLog(facts);
  };
  Expect(with([](LogFacts& log) { log.journal_mode = "delete"; }), Verdict::kFail);
  Expect(with([](LogFacts& log) { log.synchronous = 0; }), Verdict::kFail);
  Expect(with([](LogFacts& log) { log.synchronous_of_commit = 1; }), Verdict::kFail);
  Expect(with([](LogFacts& log) { log.quick_check = "page 3 is never used"; }), Verdict::kFail);
  Expect(with([](LogFacts& log) { log.rows_found = 15; }), Verdict::kFail);
  Expect(with([](LogFacts& log) { log.page_bytes = 1024; }), Verdict::kWarn);
}

TEST(SelftestMemoryTest, ThePoolIsAShareOfTheMachine) {
  Expect(JudgeMemoryPool(7552, 3, "raspberry_pi", uint64_t{512} << 20), Verdict::kPass);
  Expect(JudgeMemoryPool(7552, 3, "raspberry_pi", 0), Verdict::kPass);
  Expect(JudgeMemoryPool(size_t{6} << 20, 150, "big", uint64_t{512} << 20), Verdict::kWarn);
}

TEST(SelftestMemoryTest, OneAllocationIsOneTooMany) {
  Expect(JudgeMemoryAllocations(0, 1000), Verdict::kPass);
  Expect(JudgeMemoryAllocations(1, 1000), Verdict::kFail);
}

TEST(SelftestMemoryTest, HeapIsBoundedByConnection) {
  Expect(JudgeMemoryHeap(719 * 1024, 3), Verdict::kPass);
  Expect(JudgeMemoryHeap(961 * 1024, 3), Verdict::kWarn);
  Expect(JudgeMemoryHeap(-5, 1), Verdict::kPass);
}

TEST(SelftestPoolTest, AThreadThatIsWokenLateIsAWarning) {
  Expect(JudgeHandOff(Of(1ms, 20ms)), Verdict::kPass);
  Expect(JudgeHandOff(Of(1100us, 20ms)), Verdict::kWarn);
  Expect(JudgeHandOff(Of(1ms, 21ms)), Verdict::kWarn);
}

TEST(SelftestPoolTest, AWaitEndsNeitherEarlyNorLate) {
  Expect(JudgeTimeout(50ms, {50ms, 75ms}), Verdict::kPass);
  Expect(JudgeTimeout(50ms, {50ms, 76ms}), Verdict::kWarn);
  Expect(JudgeTimeout(50ms, {50ms, 551ms}), Verdict::kFail);
  Expect(JudgeTimeout(50ms, {50ms - 1ns, 60ms}), Verdict::kFail);
}

TEST(SelftestPoolTest, ThreadsHaveTurnsAlike) {
  Expect(JudgeContention({100, 200}, Of(1ms, 2ms), 1), Verdict::kPass);
  Expect(JudgeContention({99, 200}, Of(1ms, 2ms), 1), Verdict::kWarn);
  Expect(JudgeContention({0, 200}, Of(1ms, 2ms), 1), Verdict::kFail);
}

TEST(SelftestPoolTest, AStatementIsPreparedOnce) {
  Expect(JudgeStatements(Of(20us, 1ms), Of(20us, 1ms), true), Verdict::kPass);
  Expect(JudgeStatements(Of(2ms, 3ms), Of(20us, 1ms), true), Verdict::kWarn);
  Expect(JudgeStatements(Of(20us, 1ms), Of(2ms, 3ms), true), Verdict::kWarn);
  Expect(JudgeStatements(Of(20us, 1ms), Of(20us, 1ms), false), Verdict::kFail);
}

TEST(SelftestBoardTest, ABuildForAnotherBoardIsAWarning) {
  const boards::Board& pi4 = boards::rpi_4::kBoard;
  const boards::Board any{.name = "host",
                          .model = "",
                          .cpu = "",
                          .cores = 0,
                          .memory_mib = 0,
                          .compile_flag = "",
                          .page_bytes = 0,
                          .watchdog_limit = 15s};
  constexpr uint64_t kGib = uint64_t{1} << 30;
  Expect(JudgeBoardModel(pi4, "Raspberry Pi 4 Model B Rev 1.4", kGib, 4096), Verdict::kPass);
  Expect(JudgeBoardModel(pi4, "Raspberry Pi 3 Model B", kGib, 4096), Verdict::kWarn);
  Expect(JudgeBoardModel(pi4, "", kGib, 4096), Verdict::kWarn);
  Expect(JudgeBoardModel(pi4, "Raspberry Pi 4", kGib, 16384), Verdict::kWarn);
  Expect(JudgeBoardModel(pi4, "Raspberry Pi 4", kGib / 4, 4096), Verdict::kWarn);
  Expect(JudgeBoardModel(any, "", 0, 16384), Verdict::kPass);
}

TEST(SelftestServiceTest, SystemdsWordsAreJudged) {
  const auto unit = [](const char* active, const char* restarts, const char* watchdog,
                       const char* enabled) {
    return JudgeServiceUnit("roost-node.service",
                            std::string("LoadState=loaded\nSubState=x\nResult=success\n") +
                                "ActiveState=" + active + "\nNRestarts=" + restarts +
                                "\nWatchdogUSec=" + watchdog + "\nUnitFileState=" + enabled + "\n");
  };
  Expect(unit("active", "0", "30s", "enabled"), Verdict::kPass);
  Expect(unit("active", "2", "30s", "enabled"), Verdict::kPass);
  Expect(unit("active", "3", "30s", "enabled"), Verdict::kWarn);
  Expect(unit("active", "0", "0", "enabled"), Verdict::kWarn);
  Expect(unit("active", "0", "infinity", "enabled"), Verdict::kWarn);
  Expect(unit("active", "0", "30s", "disabled"), Verdict::kWarn);
  Expect(unit("inactive", "0", "30s", "enabled"), Verdict::kWarn);
  Expect(unit("failed", "5", "30s", "enabled"), Verdict::kFail);
  Expect(JudgeServiceUnit("roost-node.service", "LoadState=not-found\n"), Verdict::kSkip);
  Expect(JudgeServiceUnit("roost-node.service", ""), Verdict::kSkip);
}

telemetry::NodeStatus HealthyNode(int64_t now_boot_us) {
  telemetry::NodeStatus status;
  status.written_boot_us = now_boot_us;
  status.every = 10s;
  status.state = "running";
  status.ready = true;
  status.readings.sealed = 7;
  status.last_seal = telemetry::SealStatus{};
  status.last_seal->boot_us = now_boot_us;
  return status;
}

TEST(SelftestServiceTest, ANodeIsAsItsStatusSays) {
  constexpr int64_t kNow = 3'600'000'000;
  Expect(JudgeServiceNode(HealthyNode(kNow), kNow), Verdict::kPass);
  Expect(JudgeServiceNode(HealthyNode(kNow), 2 * kNow), Verdict::kFail);
  telemetry::NodeStatus dropped = HealthyNode(kNow);
  dropped.readings.dropped = 3;
  Expect(JudgeServiceNode(dropped, kNow), Verdict::kWarn);
  telemetry::NodeStatus refused = HealthyNode(kNow);
  refused.refused = "the card is full";
  Expect(JudgeServiceNode(refused, kNow), Verdict::kFail);
}

ServerFacts GoodServer() {
  return {.version = 150020,
          .encrypted = true,
          .protocol = "TLSv1.3",
          .max_connections = 100,
          .reserved = 3,
          .sessions = 10};
}

TEST(SelftestRemoteTest, AServerThatTakesNoWritesIsAFailureAndAnOldOneAWarning) {
  ServerFacts facts = GoodServer();
  Expect(JudgeRemoteServer(facts), Verdict::kPass);
  EXPECT_EQ(JudgeRemoteServer(facts).measured, "PostgreSQL 15.20, primary");
  facts.version = 130000;
  Expect(JudgeRemoteServer(facts), Verdict::kWarn);
  facts.standby = true;
  Expect(JudgeRemoteServer(facts), Verdict::kFail);
  facts = GoodServer();
  facts.read_only = true;
  Expect(JudgeRemoteServer(facts), Verdict::kFail);
}

TEST(SelftestRemoteTest, MysqlAndMariadbAreJudgedByTheirOwnVersions) {
  ServerFacts facts = GoodServer();
  ReadMysqlVersion("10.11.19-MariaDB-0+deb12u1-log", facts);
  EXPECT_EQ(JudgeRemoteServer(facts).measured, "MariaDB 10.11.19, primary");
  EXPECT_EQ(JudgeRemoteServer(facts).bound, "10.11 or later, primary");
  Expect(JudgeRemoteServer(facts), Verdict::kPass);
  ReadMysqlVersion("11.8.2-MariaDB", facts);
  Expect(JudgeRemoteServer(facts), Verdict::kPass);
  ReadMysqlVersion("5.5.68-MariaDB", facts);
  Expect(JudgeRemoteServer(facts), Verdict::kWarn);
  ReadMysqlVersion("8.4.3", facts);
  EXPECT_EQ(JudgeRemoteServer(facts).measured, "MySQL 8.4.3, primary");
  Expect(JudgeRemoteServer(facts), Verdict::kPass);
  ReadMysqlVersion("8.0.46-0ubuntu0.22.04.1", facts);
  Expect(JudgeRemoteServer(facts), Verdict::kWarn);
  for (const char* odd : {"", "what", "10", "10.", "99999999999999999999.1.1", "-1.-1.-1"}) {
    ReadMysqlVersion(odd, facts);
    EXPECT_GE(facts.version, 0) << odd;
    EXPECT_LE(facts.version, 999999) << odd;
  }
}

TEST(SelftestRemoteTest, AnOpenLinkIsAWarningUnlessItStaysOnTheMachine) {
  ServerFacts facts = GoodServer();
  Expect(JudgeRemoteTls(facts), Verdict::kPass);
  facts.encrypted = false;
  Expect(JudgeRemoteTls(facts), Verdict::kWarn);
  facts.local = true;
  Expect(JudgeRemoteTls(facts), Verdict::kPass);
}

TEST(SelftestRemoteTest, ANodeNeedsRoomAtTheServer) {
  ServerFacts facts = GoodServer();
  Expect(JudgeRemoteSessions(facts, 2), Verdict::kPass);
  facts.sessions = 95;
  Expect(JudgeRemoteSessions(facts, 2), Verdict::kPass);
  facts.sessions = 96;
  Expect(JudgeRemoteSessions(facts, 2), Verdict::kWarn);
  EXPECT_NE(JudgeRemoteSessions(facts, 2).advice.find("53300"), std::string::npos);
  facts.server = Server::kMariadb;
  EXPECT_NE(JudgeRemoteSessions(facts, 2).advice.find("1040"), std::string::npos);
  facts.sessions = 1;
  Expect(JudgeRemoteSessions(facts, 31), Verdict::kWarn);
}

TEST(SelftestRemoteTest, AFarServerIsAWarning) {
  Expect(JudgeRemoteLatency(Of(500ms, 900ms)), Verdict::kPass);
  Expect(JudgeRemoteLatency(Of(501ms, 900ms)), Verdict::kWarn);
}

TEST(SelftestSpreadTest, IsByNearestRank) {
  EXPECT_EQ(PercentilesOf({}).count, 0u);
  EXPECT_EQ(PercentilesOf({5ms}).p99, 5ms);
  std::vector<Duration> spans;
  for (int i = 100; i >= 1; --i) spans.push_back(i * 1ms);
  const Percentiles spread = PercentilesOf(spans);
  EXPECT_EQ(spread.p50, 50ms);
  EXPECT_EQ(spread.p99, 99ms);
  EXPECT_EQ(spread.max, 100ms);
  EXPECT_EQ(spread.count, 100u);
}

}  // namespace
}  // namespace roost::tools::selftest
