// What a node's database keeps of the past: by age, by size, on a full card; the gaps that it records; and
// numbers that are given out once.
#include "tools/roost-node/retention.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/power_cut_vfs.h"
#include "tests/support/status_macros.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tools/common/byte_count.h"
#include "tools/roost-node/card.h"
#include "tools/roost-node/store.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using roost::testing::Database;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kTenYears = int64_t{315'360'000} * 1'000'000;
// Numbers that were thinned: those within the ranges that have no reading.
constexpr char kThinned[] =
    "SELECT coalesce(sum(hi - lo + 1 - (SELECT count(*) FROM reading WHERE seq BETWEEN lo AND "
    "hi)), 0) "
    "FROM gap WHERE why = 3";
constexpr char kGaps[] =
    "SELECT coalesce(group_concat(epoch || ':' || lo || '-' || hi || '/' || why, ' '), '') FROM "
    "gap";

// One run of a node on a database that is there or not.
class NodeRun {
 public:
  NodeRun(const std::string& path, Retention::Settings settings, fakes::FakePlatform& platform,
          uint32_t epoch, const std::string& vfs = {})
      : backend_({.path = path,
                  .schema = NodeSchema(),
                  .application_id = kApplicationId,
                  .user_version = kUserVersion,
                  .own_table = kOwnTable,
                  .vfs = vfs}),
        pool_(backend_, {.platform = &platform}),
        messages_(platform, true, false),
        store_(pool_, epoch),
        retention_(pool_, std::move(settings), messages_) {}

  Deadline Soon() { return pool_.In(10s); }
  Retention& retention() { return retention_; }
  absl::Status Check() { return store_.Check(Soon()); }

  // One turn of Node: room, and the batch. 0: room is being made.
  absl::StatusOr<size_t> Seal(size_t count) {
    while (waiting_.size() < count) {
      Reading reading;
      reading.name = decltype(reading.name)(taken_ % 2 == 0 ? "even" : "odd");
      // As long as a node's own are.
      reading.boot_us = 90'000'000'000 + taken_ * 1'000'000;
      reading.wall_us = 1'700'000'000'000'000 + taken_ * 1'000'000;
      reading.value = 20.0 + static_cast<double>(taken_++ % 97) / 7;
      waiting_.Push(reading);
    }
    const absl::StatusOr<size_t> fits = retention_.MakeRoom(count, Soon(), Soon());
    if (!fits.ok() || *fits == 0) return fits;
    absl::StatusOr<size_t> sealed = store_.Seal(waiting_, *fits, Soon());
    if (sealed.ok()) {
      retention_.Sealed(*sealed);
    } else {
      retention_.Refused(sealed.status());
    }
    return sealed;
  }
  void SealAll(size_t count) {
    for (size_t left = count; left > 0;) {
      const absl::StatusOr<size_t> sealed = Seal(std::min<size_t>(left, 500));
      ASSERT_OK(sealed.status());
      left -= *sealed;
    }
  }
  // A turn of what is due; how many until nothing is.
  void Turn() { retention_.Turn(pool_.platform().Now(), Soon(), Soon()); }
  int TurnAll() {
    int turns = 1;
    for (Turn(); retention_.IsBusy() && turns < 100'000; ++turns) Turn();
    return turns;
  }
  telemetry::StoreStatus Status() {
    telemetry::StoreStatus status;
    retention_.ToStatus(pool_.platform().Now(), status);
    return status;
  }
  Pool& pool() { return pool_; }
  // By a connection of its own pool: what is on a card in memory nobody else can open.
  int64_t Ask(const char* sql) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, Soon());
    EXPECT_TRUE(lease.ok()) << lease.status();
    const absl::StatusOr<Statement*> statement = lease->Prepare(Sql(sql));
    EXPECT_TRUE(statement.ok()) << statement.status();
    Rows rows = (*statement)->Query();
    return rows.Next() ? rows.Get<int64_t>(0) : -1;
  }

 private:
  SqliteBackend backend_;
  PoolFor<profiles::RaspberryPi> pool_;
  Messages messages_;
  Store store_;
  Retention retention_;
  ReadingBuffer waiting_{2000};
  int64_t taken_ = 0;
};

class RetentionTest : public ::testing::Test {
 protected:
  Retention::Settings Settings() {
    return {.db = path_,
            .free_bytes = [this] { return free_; },
            .clock_is_synchronized = [this] { return synchronized_; }};
  }
  // Ends the run of before, and begins another.
  NodeRun& Start(const Retention::Settings& settings) {
    run_.reset();
    run_ = std::make_unique<NodeRun>(path_, settings, platform_, ++epoch_);
    EXPECT_OK(run_->Check());
    return *run_;
  }
  std::string Text(const std::string& sql) { return Database(path_).Text(sql); }
  int64_t Count() { return Database(path_).Number("SELECT count(*) FROM reading"); }
  // Every number that was given out is a reading's or a gap's, and none is both.
  void ExpectBalance(int64_t given_out) {
    Database db(path_);
    EXPECT_EQ(db.Number("SELECT (SELECT count(*) FROM reading) + (SELECT "
                        "coalesce(sum(hi - lo + 1), 0) FROM gap WHERE why < 3)") +
                  db.Number(kThinned),
              given_out);
    EXPECT_EQ(
        db.Number("SELECT count(*) FROM reading JOIN gap ON seq BETWEEN lo AND hi AND why < 3"), 0);
    EXPECT_EQ(db.Number("SELECT count(*) FROM gap a JOIN gap b ON a.lo < b.lo AND b.lo <= a.hi"),
              0);
  }

  support::TempDir folder_;
  const std::string path_ = folder_.File("node.db");
  fakes::FakePlatform platform_;
  std::optional<uint64_t> free_ = uint64_t{1} << 32;
  bool synchronized_ = true;
  uint32_t epoch_ = 6;
  std::unique_ptr<NodeRun> run_;
};

// ---- age ------------------------------------------------------------------------------------------

TEST_F(RetentionTest, WithoutKeepNothingIsDeletedForItsAge) {
  NodeRun& run = Start(Settings());
  run.Turn();
  run.SealAll(100);
  for (int day = 0; day < 30; ++day) {
    platform_.Advance(24h);
    run.TurnAll();
  }
  EXPECT_EQ(Count(), 100);
  EXPECT_EQ(Text("SELECT count(*) FROM age"), "0");
}

TEST_F(RetentionTest, WhatIsOlderGoesInStepsAndItsNumbersAreRecorded) {
  Retention::Settings settings = Settings();
  settings.keep = 1h;
  NodeRun& run = Start(settings);
  run.Turn();
  run.SealAll(1200);
  platform_.Advance(1min);
  run.TurnAll();
  run.SealAll(700);
  platform_.Advance(59min);
  EXPECT_EQ(run.TurnAll(), 1);
  EXPECT_EQ(Count(), 1900) << "the oldest are an hour old, and not yet known to be";
  platform_.Advance(1min);
  run.Turn();
  EXPECT_EQ(Count(), 1400) << "a step";
  EXPECT_TRUE(run.retention().IsBusy());
  EXPECT_EQ(run.TurnAll(), 3);
  EXPECT_EQ(Count(), 700);
  EXPECT_EQ(Text(kGaps), "7:1-1200/2");
  ExpectBalance(1900);
  EXPECT_EQ(run.Status().readings, 700u);
  EXPECT_EQ(run.Status().gap_age, 1200u);
  platform_.Advance(1h);
  run.TurnAll();
  EXPECT_EQ(Count(), 0);
  EXPECT_EQ(Text(kGaps), "7:1-1900/2");
}

// The newest reading goes, too; its number is not given out again, by this run or the next.
TEST_F(RetentionTest, ADatabaseThatAgeHasEmptiedGoesOnCounting) {
  Retention::Settings settings = Settings();
  settings.keep = 1h;
  NodeRun& first = Start(settings);
  first.Turn();
  first.SealAll(10);
  for (int i = 0; i < 70; ++i) {
    platform_.Advance(1min);
    first.TurnAll();
  }
  EXPECT_EQ(Count(), 0);
  EXPECT_EQ(Text("SELECT next_seq FROM outbox"), "11");
  first.SealAll(1);
  EXPECT_EQ(Text("SELECT seq FROM reading"), "11");
  Database(path_).Run("DELETE FROM reading");
  Start(settings).SealAll(1);
  EXPECT_EQ(Text("SELECT epoch || ':' || seq FROM reading"), "8:12");
}

TEST_F(RetentionTest, AWallClockThatStepsDeletesNothingAndKeepsNothingLonger) {
  Retention::Settings settings = Settings();
  settings.keep = 10h;
  NodeRun& run = Start(settings);
  run.Turn();
  const int64_t now = platform_.UnixMicros();
  run.SealAll(100);
  for (const int64_t wall : {now + kTenYears, now - kTenYears, int64_t{0}, now}) {
    platform_.set_unix_micros(wall);
    platform_.Advance(2h);
    run.TurnAll();
    EXPECT_EQ(Count(), 100);
  }
  platform_.set_unix_micros(now - kTenYears);
  platform_.Advance(5h);
  run.TurnAll();
  EXPECT_EQ(Count(), 0) << "13 hours have passed";
}

TEST_F(RetentionTest, TheTimeAnEarlierRunTookAndTheTimeOffCountByHalfOfKeepAtMost) {
  Retention::Settings settings = Settings();
  settings.keep = 10h;
  NodeRun& first = Start(settings);
  first.Turn();
  first.SealAll(100);
  platform_.Advance(3min);
  first.TurnAll();
  first.SealAll(100);
  platform_.Advance(7h);
  first.TurnAll();
  synchronized_ = false;
  platform_.set_unix_micros(platform_.UnixMicros() + kTenYears);
  NodeRun& second = Start(settings);
  second.TurnAll();
  platform_.Advance(1min);
  second.TurnAll();
  EXPECT_EQ(Count(), 200) << "nobody knows how long it was off";
  synchronized_ = true;
  platform_.Advance(1min);
  second.TurnAll();
  EXPECT_EQ(Text("SELECT count(*) || ' ' || min(seq) FROM reading"), "100 101")
      << "12 hours old at most, and 5 hours at least";
  platform_.Advance(5h);
  second.TurnAll();
  EXPECT_EQ(Count(), 0);
  ExpectBalance(200);
}

TEST_F(RetentionTest, WhatWasThereBeforeKeepWasGivenCountsFromThen) {
  Start(Settings()).SealAll(50);
  platform_.Advance(1000h);
  Retention::Settings settings = Settings();
  settings.keep = 1h;
  NodeRun& run = Start(settings);
  run.TurnAll();
  platform_.Advance(59min);
  run.TurnAll();
  EXPECT_EQ(Count(), 50);
  platform_.Advance(2min);
  run.TurnAll();
  EXPECT_EQ(Count(), 0);
}

TEST_F(RetentionTest, MarksAreFew) {
  Retention::Settings settings = Settings();
  settings.keep = 24h * 30;
  support::PowerCutVfs card;
  NodeRun run("/node.db", settings, platform_, 7, card.name());
  ASSERT_OK(run.Check());
  run.Turn();
  // 256 in 30 days are one in 2.8 hours.
  for (int i = 0; i < 600; ++i) {
    platform_.Advance(3h);
    run.SealAll(1);
    run.TurnAll();
  }
  EXPECT_LE(run.Ask("SELECT count(*) FROM age"), 258);
  EXPECT_LE(run.Ask("SELECT count(*) FROM reading"), 242);
  EXPECT_GE(run.Ask("SELECT count(*) FROM reading"), 240) << "30 days are kept";
}

// ---- gaps -----------------------------------------------------------------------------------------

TEST_F(RetentionTest, EachRunOfANodeHasGapsOfItsOwnAndHolesBelongToNone) {
  for (int i = 0; i < 20; ++i) Start(Settings()).SealAll(3);
  Database(path_).Run("DELETE FROM reading WHERE seq = 8");
  Retention::Settings settings = Settings();
  settings.keep = 1min;
  NodeRun& run = Start(settings);
  run.Turn();
  platform_.Advance(1min);
  run.Turn();
  EXPECT_TRUE(run.retention().IsBusy()) << "a step has at most so many ranges";
  run.TurnAll();
  EXPECT_EQ(Count(), 0);
  EXPECT_EQ(Text("SELECT count(*) FROM gap"), "21");
  EXPECT_EQ(Text("SELECT group_concat(lo || '-' || hi, ' ') FROM gap WHERE hi < 13"),
            "1-3 4-6 7-7 9-9 10-12");
  ExpectBalance(59);
}

// ---- size -----------------------------------------------------------------------------------------

// 1 MiB for the file, which is some 24,000 readings.
Retention::Settings Small(Retention::Settings settings) {
  settings.db_size = 8 * kMiB;
  settings.reserve = 3 * kMiB;
  return settings;
}

TEST_F(RetentionTest, TheBoundHoldsAndTheOldestGo) {
  NodeRun& run = Start(Small(Settings()));
  constexpr int64_t kReadings = 80'000;
  for (int64_t sealed = 0; sealed < kReadings; sealed += 500) {
    run.SealAll(500);
    if (run.retention().IsDue(platform_.Now())) run.Turn();
    const uint64_t bytes =
        FileBytes(path_) + FileBytes(path_ + "-wal") + FileBytes(path_ + ".reserve");
    ASSERT_LE(bytes, 8u * kMiB) << "after " << sealed;
    platform_.Advance(1s);
    run.pool().Tick(platform_.Now());
  }
  EXPECT_LE(FileBytes(path_), 1u * kMiB + 65536);
  EXPECT_EQ(Text("SELECT max(seq) FROM reading"), std::to_string(kReadings));
  EXPECT_GE(Count(), 18'000);
  EXPECT_EQ(Text("SELECT count(*) || ' ' || min(lo) || ' ' || min(why) FROM gap"), "1 1 1");
  ExpectBalance(kReadings);
  EXPECT_EQ(run.Status().readings, static_cast<uint64_t>(Count()));
  EXPECT_EQ(run.Status().gap_full + run.Status().readings, static_cast<uint64_t>(kReadings));
  EXPECT_EQ(Start(Small(Settings())).Seal(1).value(), 1u);
  EXPECT_EQ(run_->Status().readings, static_cast<uint64_t>(Count())) << "counted by another start";
}

TEST_F(RetentionTest, WithStopNewReadingsWaitUntilSomebodyDeletes) {
  Retention::Settings settings = Small(Settings());
  settings.when_full = WhenFull::kStop;
  NodeRun& run = Start(settings);
  absl::StatusOr<size_t> sealed = size_t{0};
  int64_t count = 0;
  while (sealed.ok() && count < 50'000) {
    sealed = run.Seal(500);
    count += sealed.ok() ? static_cast<int64_t>(*sealed) : 0;
  }
  EXPECT_EQ(sealed.status().code(), absl::StatusCode::kResourceExhausted);
  const std::string says(sealed.status().message());
  EXPECT_NE(says.find("--when-full is stop: delete readings (sqlite3 " + path_), std::string::npos)
      << says;
  run.TurnAll();
  EXPECT_EQ(Count(), count);
  EXPECT_EQ(Text(kGaps), "");
  // The advice, as it is written.
  const size_t from = says.find("DELETE");
  Database(path_).Run(says.substr(from, says.find('\'', from) - from).c_str());
  EXPECT_LT(Count(), count);
  EXPECT_EQ(run.Seal(500).value(), 500u);
}

TEST_F(RetentionTest, ALargerFileThanItMayBeIsCutWhileReadingsAreTaken) {
  Start(Settings()).SealAll(60'000);
  NodeRun& run = Start(Small(Settings()));
  run.Turn();
  EXPECT_TRUE(run.retention().IsBusy());
  EXPECT_EQ(run.Seal(500).value(), 500u) << "into what is free in the file";
  run.TurnAll();
  EXPECT_LT(run.Status().used_bytes, 1u * kMiB);
  EXPECT_GE(Count(), 18'000);
  ExpectBalance(60'500);
}

TEST_F(RetentionTest, TheBoundIsHalfOfWhatTheCardHasAndStaysThat) {
  free_ = 100 * kMiB;
  NodeRun& first = Start(Settings());
  first.Turn();
  const uint64_t limit = first.Status().limit_bytes;
  EXPECT_GE(limit, 50u * kMiB);
  EXPECT_LE(limit, 51u * kMiB);
  free_ = 10 * kMiB;
  Start(Settings()).Turn();
  EXPECT_EQ(run_->Status().limit_bytes, limit);
  Retention::Settings given = Settings();
  given.db_size = 64 * kMiB;
  Start(given).Turn();
  EXPECT_EQ(run_->Status().limit_bytes, 64u * kMiB);
  Start(Settings()).Turn();
  EXPECT_EQ(run_->Status().limit_bytes, limit) << "what is given is not stored";
}

TEST_F(RetentionTest, ADatabaseThatIsLargerWhenItIsFirstSeenIsNotCut) {
  Start(Settings()).SealAll(10);
  run_.reset();
  {
    Database db(path_);
    db.Run("CREATE TABLE other(b); INSERT INTO other VALUES (zeroblob(9 << 20))");
    db.Run("UPDATE outbox SET db_size = NULL");
  }
  free_ = 1 * kMiB;
  for (int start = 0; start < 2; ++start) {
    NodeRun& run = Start(Settings());
    ::testing::internal::CaptureStderr();
    run.Turn();
    const std::string said = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("give --db-size"), std::string::npos) << said;
    EXPECT_TRUE(run.retention().IsDegraded());
    EXPECT_TRUE(run.Status().not_cut);
    run.SealAll(500);
    EXPECT_EQ(Text(kGaps), "");
  }
  Start(Small(Settings())).TurnAll();
  EXPECT_FALSE(run_->retention().IsDegraded());
  EXPECT_EQ(Count(), 0) << "what was asked for";
}

TEST_F(RetentionTest, TheTimeUntilItIsFullIsToldAtTheRateOfTheRun) {
  NodeRun& run = Start(Small(Settings()));
  run.Turn();
  EXPECT_LT(run.Status().full_in, Duration::zero());
  for (int i = 0; i < 100; ++i) {
    run.SealAll(50);
    platform_.Advance(10s);
  }
  run.Turn();
  // 5 readings a second; some 24,000 in all.
  const Duration left = run.Status().full_in;
  EXPECT_GT(left, 2800s);
  EXPECT_LT(left, 4200s);
}

TEST_F(RetentionTest, ADatabaseInMemoryHasNoBoundAndNoReserve) {
  Options options;
  options.db = ":memory:";
  NodeRun run(":memory:", Retention::SettingsOf(options), platform_, 1);
  ASSERT_OK(run.Check());
  run.SealAll(100);
  run.TurnAll();
  EXPECT_EQ(run.Status().limit_bytes, 0u);
  EXPECT_FALSE(std::filesystem::exists(":memory:.reserve"));
}

// ---- what the server has --------------------------------------------------------------------------

constexpr char kAddSegment[] = "INSERT OR REPLACE INTO segment(epoch, lo, hi, sent, acked) VALUES ";

TEST_F(RetentionTest, WhatTheServerHasGoesFirstAndIsNoGap) {
  NodeRun& run = Start(Small(Settings()));
  run.SealAll(6000);
  // A backlog that is being sent, and what came after it.
  Database(path_).Run(
      (std::string(kAddSegment) + "(7, 1, 3000, 1000, 1000), (7, 3001, NULL, 4500, 4500)").c_str());
  for (int i = 0; i < 1000 && Text(kGaps).empty(); ++i) {
    run.SealAll(100);
    run.Turn();
  }
  EXPECT_EQ(Text("SELECT count(*) FROM reading WHERE seq <= 1000 OR seq BETWEEN 3001 AND 4500"),
            "0");
  EXPECT_EQ(Text("SELECT count(*) FROM reading WHERE seq BETWEEN 1501 AND 3000"), "1500");
  EXPECT_EQ(Text("SELECT group_concat(epoch || ':' || lo || '/' || why) FROM gap"), "7:1001/1");
  const int64_t given_out = Database(path_).Number("SELECT max(seq) FROM reading");
  ExpectBalance(given_out - 2500);
  EXPECT_EQ(run.Status().readings, static_cast<uint64_t>(Count()));
  EXPECT_EQ(run.Status().gap_full + static_cast<uint64_t>(Count()) + 2500,
            static_cast<uint64_t>(given_out));
  Start(Small(Settings())).Turn();
  EXPECT_EQ(run_->Status().readings, static_cast<uint64_t>(Count())) << "counted by another start";
}

// The image of a card that was made a month ago: the server has more of the epoch than the card, whose
// next numbers are another epoch's.
TEST_F(RetentionTest, NumbersOfAnotherEpochAreNotWhatTheServerHas) {
  Retention::Settings settings = Settings();
  settings.keep = 1h;
  Start(settings).SealAll(10);
  NodeRun& run = Start(settings);
  run.SealAll(10);
  Database(path_).Run((std::string(kAddSegment) + "(7, 1, NULL, 1000, 1000)").c_str());
  run.Turn();
  platform_.Advance(61min);
  run.TurnAll();
  EXPECT_EQ(Count(), 0);
  EXPECT_EQ(Text(kGaps), "8:11-20/2");
}

TEST_F(RetentionTest, OfWhatIsOlderOnlyTheUnsentIsAGap) {
  Retention::Settings settings = Settings();
  settings.keep = 1h;
  NodeRun& run = Start(settings);
  run.Turn();
  run.SealAll(1000);
  platform_.Advance(1min);
  run.TurnAll();
  Database(path_).Run((std::string(kAddSegment) + "(7, 1, NULL, 700, 900)").c_str());
  platform_.Advance(60min);
  run.TurnAll();
  EXPECT_EQ(Count(), 0);
  EXPECT_EQ(Text(kGaps), "7:701-1000/2") << "the server has lost what it once had from 701 on";
  EXPECT_EQ(run.Status().gap_age, 300u);
}

// The default with a remote: 30 days for what the server has; an outage of any length is no reason.
TEST_F(RetentionTest, WhatIsUnsentStaysWhereOnlyTheSentIsToGo) {
  Retention::Settings settings = Settings();
  settings.keep = 1h;
  settings.keep_unsent = true;
  NodeRun& run = Start(settings);
  run.Turn();
  run.SealAll(1000);
  platform_.Advance(1min);
  run.TurnAll();
  Database(path_).Run((std::string(kAddSegment) + "(7, 1, NULL, 700, 700)").c_str());
  platform_.Advance(60min);
  run.TurnAll();
  EXPECT_EQ(Text("SELECT count(*) || ' ' || min(seq) FROM reading"), "300 701");
  EXPECT_EQ(Text(kGaps), "");
  Database(path_).Run("UPDATE segment SET sent = 1000");
  platform_.Advance(10min);
  run.TurnAll();
  EXPECT_EQ(Count(), 0) << "sent meanwhile";
  EXPECT_EQ(Text(kGaps), "");
}

// ---- a long time ----------------------------------------------------------------------------------

// Fills the bound ten times over without a server; what is lost is known to the number.
class FillTenTimesTest : public RetentionTest, public ::testing::WithParamInterface<WhenFull> {};

TEST_P(FillTenTimesTest, TheFileStaysBelowTheBoundAndTheLossesAreExact) {
  Retention::Settings settings = Small(Settings());
  settings.when_full = GetParam();
  NodeRun& run = Start(settings);
  run.SealAll(500);
  Database(path_).Run((std::string(kAddSegment) + "(7, 1, NULL, 300, 300)").c_str());
  constexpr int64_t kReadings = 240'000;
  uint64_t most = 0;
  for (int64_t sealed = 500; sealed < kReadings; sealed += 500) {
    run.SealAll(500);
    if (run.retention().IsDue(platform_.Now())) run.Turn();
    most = std::max(most,
                    FileBytes(path_) + FileBytes(path_ + "-wal") + FileBytes(path_ + ".reserve"));
    platform_.Advance(1s);
    run.pool().Tick(platform_.Now());
  }
  EXPECT_LE(most, 10u * kMiB);
  EXPECT_EQ(Text("SELECT max(seq) FROM reading"), std::to_string(kReadings));
  EXPECT_GE(Count(), 14'000);
  EXPECT_LE(Database(path_).Number("SELECT count(*) FROM gap"), 2);
  ExpectBalance(kReadings - 300);
  const telemetry::StoreStatus status = run.Status();
  EXPECT_EQ(status.readings, static_cast<uint64_t>(Count()));
  EXPECT_EQ(status.gap_full + status.gap_thin + status.readings,
            static_cast<uint64_t>(kReadings - 300));
  EXPECT_EQ(status.gap_thin > 0, GetParam() == WhenFull::kThin);
  settings.db_size = 0;
  free_ = uint64_t{1} << 32;
  Start(settings).Turn();
  EXPECT_EQ(run_->Status().gap_thin, status.gap_thin) << "counted by another start";
  EXPECT_EQ(run_->Status().gap_full, status.gap_full);
  const auto rows = static_cast<double>(Count());
  EXPECT_NEAR(static_cast<double>(run_->Status().readings), rows, rows / 10);
}

INSTANTIATE_TEST_SUITE_P(Policies, FillTenTimesTest,
                         ::testing::Values(WhenFull::kDropOldest, WhenFull::kThin));

// What is left reaches back to the begin, of both sensors, without a hole that is longer than others.
TEST_F(RetentionTest, ThinnedReadingsAreAsCoarseEverywhereOfEachSensor) {
  Retention::Settings settings = Small(Settings());
  settings.when_full = WhenFull::kThin;
  NodeRun& run = Start(settings);
  for (int i = 0; i < 120; ++i) {
    run.SealAll(500);
    run.Turn();
  }
  EXPECT_LE(Database(path_).Number("SELECT min(seq) FROM reading"), 2);
  for (const char* sensor : {"even", "odd"}) {
    const std::string of =
        std::string("FROM reading WHERE sensor = (SELECT id FROM sensor WHERE name = '") + sensor +
        "')";
    EXPECT_GE(Database(path_).Number(("SELECT count(*) " + of).c_str()), Count() * 2 / 5) << sensor;
    EXPECT_LE(
        Database(path_).Number(
            ("SELECT max(hole) FROM (SELECT seq - lag(seq) OVER (ORDER BY seq) AS hole " + of + ")")
                .c_str()),
        16)
        << sensor;
  }
  // What a reading says has not changed: the test's values follow from the number.
  EXPECT_EQ(
      Text("SELECT count(*) FROM reading WHERE t_boot <> 90000000000 + (seq - 1) * 1000000 OR "
           "abs(value - 20.0 - ((seq - 1) % 97) / 7.0) > 1e-9 OR sensor <> 1 + (seq - 1) % 2"),
      "0");
  EXPECT_EQ(Text("PRAGMA quick_check"), "ok");
}

// One reading of each sensor has no second one.
TEST_F(RetentionTest, WhereNothingCanBeThinnedTheOldestGo) {
  Retention::Settings settings = Small(Settings());
  settings.when_full = WhenFull::kThin;
  NodeRun& run = Start(settings);
  run.SealAll(1);
  run_.reset();
  Database(path_).Run(
      "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO "
      "reading "
      "SELECT i, 7, i, i, 1, i, 0.5, 0 FROM n; "
      "CREATE TABLE other(b); INSERT INTO other VALUES (zeroblob(900 << 10))");
  NodeRun& next = Start(settings);
  next.SealAll(2);
  EXPECT_GT(next.Status().gap_full, 0u);
  EXPECT_EQ(next.Status().gap_thin, 0u);
  ExpectBalance(3002);
}

// Numbers within a thinned range that go for their age are recorded by that range.
TEST_F(RetentionTest, WhatWasThinnedBeforeItGrewOldIsRecordedOnce) {
  Retention::Settings settings = Small(Settings());
  settings.when_full = WhenFull::kThin;
  settings.keep = 1h;
  NodeRun& run = Start(settings);
  run.Turn();
  for (int i = 0; i < 60; ++i) run.SealAll(500);
  ASSERT_GT(run.Status().gap_thin, 0u);
  platform_.Advance(2min);
  run.TurnAll();
  platform_.Advance(60min);
  run.TurnAll();
  EXPECT_EQ(Count(), 0);
  ExpectBalance(30'000);
  const telemetry::StoreStatus status = run.Status();
  EXPECT_EQ(status.gap_thin + status.gap_age + status.gap_full, 30'000u);
  Start(settings).Turn();
  EXPECT_EQ(run_->Status().gap_thin, status.gap_thin);
}

// A reading a minute for a year, of which the server has all but the latest, and 30 days are kept.
TEST_F(RetentionTest, AYearDoesNotLetTheFileGrow) {
  Retention::Settings settings = Settings();
  settings.keep = 24h * 30;
  settings.keep_unsent = true;
  support::PowerCutVfs card;
  NodeRun run("/node.db", settings, platform_, 7, card.name());
  ASSERT_OK(run.Check());
  run.Turn();
  run.Ask((std::string(kAddSegment) + "(7, 1, NULL, 0, 0)").c_str());
  int64_t after_two_months = 0;
  int64_t least = 0;
  int64_t most = 0;
  for (int hour = 6; hour <= 365 * 24; hour += 6) {
    run.SealAll(360);
    run.Ask("UPDATE segment SET sent = (SELECT max(seq) - 60 FROM reading)");
    platform_.Advance(6h);
    if (run.retention().IsDue(platform_.Now())) run.TurnAll();
    if (hour % 24 != 0 || hour < 60 * 24) continue;
    const int64_t pages = run.Ask("PRAGMA page_count");
    const int64_t readings = run.Ask("SELECT count(*) FROM reading");
    if (after_two_months == 0) after_two_months = pages;
    ASSERT_LE(pages, after_two_months + 8) << "hour " << hour;
    least = least == 0 ? readings : std::min(least, readings);
    most = std::max(most, readings);
  }
  EXPECT_GE(least, 43'200);
  EXPECT_LE(most, 43'200 * 102 / 100);
  EXPECT_EQ(run.Ask("SELECT count(*) FROM gap"), 0);
  EXPECT_EQ(run.Ask("SELECT max(seq) FROM reading"), 525'600) << "twelve times what is kept";
}

// ---- the card -------------------------------------------------------------------------------------

class FullCardTest : public RetentionTest {
 protected:
  void TearDown() override { run_.reset(); }
  // A node whose files are on `card_`, but for the reserve, for which the test answers.
  Retention::Settings OnCard() {
    Retention::Settings settings = Settings();
    settings.db_size = 256 * kMiB;
    settings.reserve = 128 * 1024;
    return settings;
  }
  NodeRun& StartOnCard(const Retention::Settings& settings) {
    run_.reset();
    run_ = std::make_unique<NodeRun>("/node.db", settings, platform_, ++epoch_, card_.name());
    EXPECT_OK(run_->Check());
    run_->Turn();
    return *run_;
  }
  bool HasReserve() const { return std::filesystem::exists(path_ + ".reserve"); }
  void FillTheCard() {
    // A file on this card has no room of its own for the log to be copied into it.
    EXPECT_EQ(Ask("PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    free_ = 0;
    card_.set_capacity(card_.used_bytes());
  }
  // What the kernel does when the reserve goes.
  void Free(uint64_t bytes) { card_.set_capacity(card_.used_bytes() + bytes); }
  int64_t Ask(const char* sql) { return run_->Ask(sql); }
  // Seals until the card refuses; returns how many.
  int64_t SealUntilRefused() {
    int64_t count = 0;
    for (int i = 0; i < 200; ++i) {
      const absl::StatusOr<size_t> sealed = run_->Seal(100);
      if (!sealed.ok()) return count;
      count += static_cast<int64_t>(*sealed);
    }
    ADD_FAILURE() << "the card is not full";
    return count;
  }

  support::PowerCutVfs card_;
};

class FullCardPolicyTest : public FullCardTest, public ::testing::WithParamInterface<WhenFull> {};

INSTANTIATE_TEST_SUITE_P(Policies, FullCardPolicyTest,
                         ::testing::Values(WhenFull::kDropOldest, WhenFull::kThin));

TEST_P(FullCardPolicyTest, TheReserveIsGivenUpReadingsGoAndTheReserveComesBack) {
  Retention::Settings settings = OnCard();
  settings.when_full = GetParam();
  NodeRun& run = StartOnCard(settings);
  EXPECT_EQ(FileBytes(path_ + ".reserve"), 128u * 1024);
  run.SealAll(20'000);
  FillTheCard();
  int64_t given_out = 20'000 + SealUntilRefused();
  EXPECT_FALSE(HasReserve());
  EXPECT_TRUE(run.retention().IsDegraded());
  Free(128 * 1024);
  const int64_t before = given_out;
  std::string says;
  for (int i = 0; i < 100; ++i) {
    const absl::StatusOr<size_t> sealed = run.Seal(100);
    says += sealed.ok() ? std::to_string(*sealed) + "\n" : sealed.status().ToString() + "\n";
    if (sealed.ok()) given_out += static_cast<int64_t>(*sealed);
    platform_.Advance(10s);
    run.pool().Tick(platform_.Now());
  }
  EXPECT_GE(given_out, before + 20 * 100) << "readings are stored on: " << says;
  EXPECT_EQ(Ask("SELECT max(seq) FROM reading"), given_out);
  constexpr char kDropped[] = "SELECT coalesce(sum(hi - lo + 1), 0) FROM gap WHERE why < 3";
  const int64_t gone = Ask(kDropped) + Ask(kThinned);
  EXPECT_GT(gone, 0);
  EXPECT_EQ(Ask(kThinned) > 0, GetParam() == WhenFull::kThin);
  EXPECT_EQ(Ask("SELECT count(*) FROM reading") + gone, given_out);
  EXPECT_FALSE(HasReserve());

  card_.set_capacity(0);
  free_ = 64 * kMiB;
  run.SealAll(100);
  EXPECT_EQ(FileBytes(path_ + ".reserve"), 128u * 1024) << "before the first seal";
  EXPECT_FALSE(run.retention().IsDegraded());
  run.SealAll(2000);
  EXPECT_EQ(Ask(kDropped) + Ask(kThinned), gone) << "and no more are deleted";
}

// The index of the log is made at each start, and takes 32 KiB.
TEST_F(FullCardTest, AStartOnAFullCardGivesUpTheReserve) {
  StartOnCard(OnCard()).SealAll(3000);
  run_.reset();
  ASSERT_TRUE(HasReserve());
  free_ = 0;
  card_.Inject(
      {.call = support::IoCall::kShmMap, .from_then_on = true, .code = SQLITE_IOERR_SHMSIZE});
  NodeRun run("/node.db", OnCard(), platform_, 9, card_.name());
  const absl::Status refused = run.Check();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  run.retention().Refused(refused);
  EXPECT_FALSE(HasReserve());
  card_.ClearFaults();
  platform_.Advance(1min);
  ASSERT_OK(run.Check());
  EXPECT_TRUE(run.retention().IsDegraded());
  run.SealAll(100);
  EXPECT_GT(run.Status().gap_full, 0u) << "into the room of readings that went";
}

TEST_F(FullCardTest, WithStopTheReserveIsForWhoeverDeletes) {
  Retention::Settings settings = OnCard();
  settings.when_full = WhenFull::kStop;
  NodeRun& run = StartOnCard(settings);
  run.SealAll(3000);
  FillTheCard();
  const int64_t given_out = 3000 + SealUntilRefused();
  EXPECT_FALSE(HasReserve());
  Free(128 * 1024);
  const absl::StatusOr<size_t> refused = run.Seal(100);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted) << refused.status();
  EXPECT_NE(std::string(refused.status().message()).find("DELETE FROM reading WHERE seq < "),
            std::string::npos)
      << refused.status();
  EXPECT_NE(std::string(refused.status().message()).find("free space on it, or delete readings"),
            std::string::npos)
      << refused.status();
  EXPECT_EQ(Ask("SELECT count(*) FROM reading"), given_out);
  {
    absl::StatusOr<Lease> lease = run.pool().Acquire(kWrite, run.Soon());
    ASSERT_OK(lease.status());
    ASSERT_OK(lease->Run(Sql("DELETE FROM reading WHERE seq < 2500")));
  }
  EXPECT_EQ(run.Seal(100).value(), 100u);
}

// SQLite has one code for both.
TEST_F(FullCardTest, ALogThatAReaderPinsIsNoFullCard) {
  NodeRun& run = StartOnCard(OnCard());
  run.SealAll(100);
  const absl::Status full = [&] {
    card_.set_capacity(card_.used_bytes());
    absl::Status status;
    for (int i = 0; status.ok() && i < 200; ++i) status = run.Seal(100).status();
    card_.set_capacity(0);
    return status;
  }();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_TRUE(HasReserve()) << "the file system has room";
  EXPECT_FALSE(run.retention().IsDegraded());
}

// ---- power cuts -----------------------------------------------------------------------------------

// The tables of the release before, with three readings.
constexpr char kBefore[] = R"sql(
PRAGMA journal_mode = WAL;
CREATE TABLE sensor(id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE(name, unit));
CREATE TABLE reading(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, t_boot INTEGER NOT NULL,
  t_wall INTEGER NOT NULL, synced INTEGER NOT NULL, sensor INTEGER NOT NULL REFERENCES sensor(id),
  value REAL NOT NULL, t_source INTEGER NOT NULL DEFAULT 0);
CREATE VIEW readings AS SELECT r.seq, strftime('%Y-%m-%dT%H:%M:%fZ', r.t_wall / 1000000.0, 'unixepoch') AS
  time, s.name, r.value, s.unit, r.synced, r.epoch, CASE r.t_source WHEN 0 THEN 'board' WHEN 1 THEN 'arrival'
  WHEN 2 THEN 'line' ELSE 'late' END AS time_from FROM reading r JOIN sensor s ON s.id = r.sensor;
INSERT INTO sensor VALUES (1, 'n', 'C');
INSERT INTO reading VALUES (1, 5, 1, 1700000000000000, 1, 1, 21.5, 0), (2, 5, 2, 1700000001000000, 1, 1, 22.5, 1),
  (3, 6, 1, 1700000002000000, 0, 1, 23.5, 2);
PRAGMA application_id = 0x526F7374;
PRAGMA user_version = 1;
)sql";

void MakeDatabaseOfBefore(const std::string& path, const char* vfs) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
            SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, kBefore, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
}

TEST_F(RetentionTest, ADatabaseOfTheReleaseBeforeIsTakenAsItIs) {
  MakeDatabaseOfBefore(path_, nullptr);
  NodeRun& run = Start(Settings());
  run.SealAll(2);
  Database db(path_);
  EXPECT_EQ(db.Text("SELECT group_concat(seq || ':' || epoch || '=' || value || time_from, ' ') "
                    "FROM readings WHERE seq < 4"),
            "1:5=21.5board 2:5=22.5arrival 3:6=23.5line");
  EXPECT_EQ(db.Text("SELECT group_concat(seq) FROM reading"), "1,2,3,4,5");
  // An older release may have to take it over again, when this one is given up.
  EXPECT_EQ(db.Text("PRAGMA user_version"), "1");
  EXPECT_EQ(db.Text("PRAGMA quick_check"), "ok");
  EXPECT_EQ(run.Status().readings, 5u);
}

TEST_F(RetentionTest, ADatabaseOfALaterReleaseIsRefused) {
  Start(Settings()).SealAll(1);
  run_.reset();
  Database(path_).Run("PRAGMA user_version = 2");
  NodeRun later(path_, Settings(), platform_, 9);
  const absl::Status refused = later.Check();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(refused.message()).find("later version"), std::string::npos) << refused;
}

// A cut at each write, truncate, sync and name of the migration.
TEST_F(RetentionTest, TheMigrationIsThereOrNotWhereverThePowerFails) {
  int cuts = 0;
  for (int64_t nth = 1;; ++nth) {
    support::PowerCutVfs card;
    MakeDatabaseOfBefore("/node.db", card.name().c_str());
    card.CutPowerAtChange(nth, static_cast<uint64_t>(nth));
    {
      NodeRun run("/node.db", Settings(), platform_, 8, card.name());
      run.Check().IgnoreError();
      if (run.Check().ok()) run.Seal(2).IgnoreError();
    }
    if (!card.power_is_cut()) break;
    ++cuts;
    card.Restart();
    NodeRun run("/node.db", Settings(), platform_, 9, card.name());
    ASSERT_TRUE(run.Check().ok()) << "cut " << nth;
    ASSERT_EQ(run.Seal(1).value(), 1u) << "cut " << nth;
    absl::StatusOr<Lease> lease = run.pool().Acquire(kRead, run.Soon());
    const absl::StatusOr<Statement*> all = lease->Prepare(
        Sql("SELECT group_concat(seq || '=' || value, ' ') FROM (SELECT * FROM reading "
            "WHERE epoch < 7 ORDER BY seq)"));
    Rows rows = (*all)->Query();
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(rows.Get<std::string_view>(0), "1=21.5 2=22.5 3=23.5") << "cut " << nth;
  }
  EXPECT_GT(cuts, 10);
}

// A cut at each change that deletions make: whatever is left, each number is a reading's or a gap's.
TEST_F(RetentionTest, DeletionsAndGapsAreOneWhereverThePowerFails) {
  Retention::Settings settings = Settings();
  settings.keep = 1min;
  settings.reserve = 0;
  int cuts = 0;
  for (int64_t nth = 1;; ++nth) {
    support::PowerCutVfs card;
    fakes::FakePlatform platform;
    const auto live = [&](NodeRun& run) {
      run.Turn();
      platform.Advance(1min);
      run.TurnAll();
      run.Seal(10).IgnoreError();
      platform.Advance(1min);
      run.TurnAll();
      run.Seal(10).IgnoreError();
    };
    {
      NodeRun run("/node.db", settings, platform, 7, card.name());
      ASSERT_OK(run.Check());
      run.SealAll(1100);
    }
    bool was_cut = false;
    {
      NodeRun run("/node.db", settings, platform, 8, card.name());
      ASSERT_OK(run.Check());
      card.CutPowerAtChange(nth, static_cast<uint64_t>(nth));
      live(run);
      was_cut = card.power_is_cut();
    }
    if (!was_cut) break;
    ++cuts;
    card.Restart();
    NodeRun run("/node.db", settings, platform, 9, card.name());
    ASSERT_TRUE(run.Check().ok()) << "cut " << nth;
    const auto ask = [&](const char* sql) { return run.Ask(sql); };
    const auto balances = [&] {
      // What was given out, by the greatest number; all of it is accounted for, and once.
      EXPECT_EQ(ask("SELECT (SELECT count(*) FROM reading) + (SELECT coalesce(sum(hi - lo + 1), 0) "
                    "FROM gap) - max((SELECT coalesce(max(seq), 0) FROM reading), (SELECT "
                    "coalesce(max(hi), 0) FROM gap))"),
                0)
          << "cut " << nth;
      EXPECT_EQ(ask("SELECT count(*) FROM reading JOIN gap ON seq BETWEEN lo AND hi"), 0);
      EXPECT_GE(ask("SELECT max((SELECT coalesce(max(seq), 0) FROM reading) + 1, (SELECT next_seq "
                    "FROM outbox)) - (SELECT coalesce(max(hi), 0) FROM gap)"),
                1);
    };
    balances();
    live(run);
    balances();
    if (HasFailure()) break;
  }
  EXPECT_GT(cuts, 20);
}

// A cut at each change that thinning makes: a reading is there as it was, or its number is recorded.
TEST_F(RetentionTest, ThinningIsWholeWhereverThePowerFails) {
  Retention::Settings settings = Small(Settings());
  settings.when_full = WhenFull::kThin;
  settings.db = "/node.db";
  settings.free_bytes = [] { return std::nullopt; };
  int cuts = 0;
  for (int64_t nth = 1;; nth += 3) {
    support::PowerCutVfs card;
    {
      NodeRun run("/node.db", settings, platform_, 7, card.name());
      ASSERT_OK(run.Check());
      run.SealAll(1500);
      run.Turn();
      // As much as the bound leaves room for.
      run.Ask("CREATE TABLE other(b)");
      run.Ask("INSERT INTO other VALUES (zeroblob(870 << 10))");
    }
    bool was_cut = false;
    ::testing::internal::CaptureStderr();  // says each time that the oldest go
    {
      NodeRun run("/node.db", settings, platform_, 8, card.name());
      ASSERT_OK(run.Check());
      card.CutPowerAtChange(nth, static_cast<uint64_t>(nth));
      for (int i = 0; i < 4; ++i) run.Seal(400).IgnoreError();
      was_cut = card.power_is_cut();
      if (!was_cut) {
        EXPECT_GT(run.Status().gap_thin, 0u);
      }
    }
    ::testing::internal::GetCapturedStderr();
    if (!was_cut) break;
    ++cuts;
    card.Restart();
    NodeRun run("/node.db", settings, platform_, 9, card.name());
    ASSERT_TRUE(run.Check().ok()) << "cut " << nth;
    EXPECT_EQ(run.Ask("SELECT count(*) FROM reading WHERE value < 20"), 0);
    EXPECT_EQ(
        run.Ask(kThinned) + run.Ask("SELECT count(*) FROM reading") +
            run.Ask("SELECT coalesce(sum(hi - lo + 1), 0) FROM gap WHERE why < 3"),
        run.Ask(
            "SELECT max((SELECT max(seq) FROM reading), (SELECT coalesce(max(hi), 0) FROM gap))"))
        << "cut " << nth;
    EXPECT_EQ(run.Ask("SELECT readings FROM thinned"), run.Ask(kThinned));
    if (HasFailure()) break;
  }
  EXPECT_GT(cuts, 10);
}

// ---- flags ----------------------------------------------------------------------------------------

TEST(ByteCountTest, TakesWhatPeopleWrite) {
  const struct {
    const char* text;
    int64_t bytes;
  } good[] = {{"0", 0},
              {"131072", 131072},
              {"128k", 131072},
              {"64M", 64 * kMiB},
              {"64MB", 64 * kMiB},
              {"64MiB", 64 * kMiB},
              {"1.5G", 1536 * kMiB},
              {"100B", 100},
              {"1T", kMiB * kMiB}};
  for (const auto& [text, bytes] : good) {
    const absl::StatusOr<int64_t> parsed = ParseByteCount(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, bytes) << text;
  }
  for (const char* wrong :
       {"", "G", "-1", "-1G", "1X", "1KX", "1 G", "1e30", "nan", "inf", "99999999999T", "0x10"}) {
    const absl::StatusOr<int64_t> parsed = ParseByteCount(wrong);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << wrong;
    EXPECT_NE(std::string(parsed.status().message()).find("64M"), std::string::npos)
        << parsed.status();
  }
}

}  // namespace
}  // namespace roost::tools
