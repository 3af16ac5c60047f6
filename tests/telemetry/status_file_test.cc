// The status file: what is written can be read, as a whole, by everyone, at any moment.
#include "telemetry/status_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/support/temp_dir.h"
#include "tests/telemetry/status_json.h"

namespace roost::telemetry {
namespace {

using namespace std::chrono_literals;
using nlohmann::ordered_json;

constexpr int64_t kNow = 500'000'000;  // microseconds since boot

// A node that nothing is wrong with.
NodeStatus Healthy() {
  NodeStatus status;
  status.name = "node7";
  status.pid = 4711;
  status.written_boot_us = kNow - 1'000'000;
  status.started_boot_us = kNow - 60'000'000;
  status.every = 10s;
  status.state = "running";
  status.text = "12 readings sealed";
  status.ready = true;
  status.readings.sealed = 12;
  status.last_seal = SealStatus{.boot_us = kNow - 2'000'000, .count = 6, .took = 1500us};
  status.watchdog = {.period = 30s, .feeds = 9, .fed_boot_us = kNow - 1'500'000};
  status.sqlite_memory = {.bounded = true,
                          .arena_bytes = 133096,
                          .arena_used = 26056,
                          .arena_peak = 73016,
                          .arena_failures = 2,
                          .pages = 22,
                          .pages_used = 7,
                          .pages_peak = 20,
                          .page_overflow_peak = 4360};
  status.sqlite_file = {.log_pages = 12, .log_pages_peak = 300, .max_log_pages = 16384};
  status.local.name = "local";
  status.local.stats.checkouts = 77;
  status.local.stats.longest_hold = 250ms;
  status.local.stats.closes[static_cast<size_t>(CloseReason::kLingered)] = 3;
  return status;
}

TEST(StatusFileTest, GivesBackWhatWasWritten) {
  support::TempDir folder;
  NodeStatus status = Healthy();
  RemoteStatus& remote = status.remote.emplace();
  remote.state = "away";
  remote.last_error = "connection refused";
  remote.pool.target = "db.example.org:5432/farm";
  remote.pool.stats.away = true;
  remote.pool.wait = {.count = 5, .p50 = 1ms, .p99 = 20ms, .max = 21ms};
  ASSERT_TRUE(WriteStatusFile(folder.File("status.json"), status).ok());

  const absl::StatusOr<NodeStatus> read = ReadStatusFile(folder.File("status.json"));
  ASSERT_TRUE(read.ok()) << read.status();
  // Member for member: a struct that is listed with a name twice, or not at all, shows here.
  EXPECT_EQ(ToJson(*read), ToJson(status));
  EXPECT_EQ(read->pid, 4711);
  EXPECT_EQ(read->last_seal->took, 1500us);
  EXPECT_EQ(read->local.stats.checkouts, 77u);
  EXPECT_EQ(read->local.stats.closes[static_cast<size_t>(CloseReason::kLingered)], 3u);
  EXPECT_EQ(read->remote->pool.wait.p99, 20ms);
  EXPECT_TRUE(read->remote->pool.stats.away);
}

TEST(StatusFileTest, SqlitesMemoryHasTheseMembers) {
  const ordered_json json = ToJson(Healthy())["sqlite_memory"];
  EXPECT_EQ(json, ordered_json::parse(R"({
    "bounded": true, "heap_because": "", "arena_bytes": 133096, "arena_used": 26056,
    "arena_peak": 73016, "arena_failures": 2, "pages": 22, "pages_used": 7, "pages_peak": 20,
    "page_overflow_peak": 4360})"));
}

TEST(StatusFileTest, SqlitesFileHasTheseMembers) {
  EXPECT_EQ(ToJson(Healthy())["sqlite_file"], ordered_json::parse(R"({
    "log_pages": 12, "log_pages_peak": 300, "max_log_pages": 16384, "checkpoint_error": 0,
    "damaged_files": 0})"));
}

TEST(StatusFileTest, WhatTheDatabaseKeepsHasTheseMembers) {
  NodeStatus status = Healthy();
  status.store = {.readings = 9,
                  .bytes = 8,
                  .used_bytes = 7,
                  .limit_bytes = 6,
                  .full_in = std::chrono::seconds(-1),
                  .gap_full = 5,
                  .gap_age = 4,
                  .gap_thin = 3};
  EXPECT_EQ(ToJson(status)["store"], ordered_json::parse(R"({
    "readings": 9, "bytes": 8, "used_bytes": 7, "limit_bytes": 6, "full_in_s": -1, "gap_full": 5,
    "gap_age": 4, "gap_thin": 3, "not_cut": false, "card_is_full": false})"));
}

TEST(StatusFileTest, TheOutboxHasTheseMembers) {
  NodeStatus status = Healthy();
  EXPECT_FALSE(ToJson(status).contains("outbox"));
  status.outbox = OutboxStatus{.state = "held",
                               .reason = "42501",
                               .since_boot_us = 1,
                               .late = true,
                               .alarm_age = std::chrono::seconds(2),
                               .waiting = 3,
                               .oldest_age = std::chrono::seconds(4),
                               .drained_in = std::chrono::seconds(-1),
                               .sent = 5,
                               .sent_bytes = 6,
                               .batches = 7,
                               .failed_batches = 8,
                               .resent = 9,
                               .rewinds = 10,
                               .gaps = 11,
                               .rejected = 12,
                               .batch_rows = 13,
                               .round_trip = 14ms,
                               .clock_offset = std::chrono::seconds(-15),
                               .last_ack_boot_us = 16};
  EXPECT_EQ(ToJson(status)["outbox"], ordered_json::parse(R"({
    "state": "held", "reason": "42501", "since_boot_us": 1, "late": true, "alarm_age_s": 2, "waiting": 3,
    "oldest_age_s": 4, "drained_in_s": -1, "sent": 5, "sent_bytes": 6, "batches": 7,
    "failed_batches": 8, "resent": 9, "rewinds": 10, "gaps": 11, "rejected": 12, "batch_rows": 13,
    "round_trip_s": 0.014, "clock_offset_s": -15, "last_ack_boot_us": 16})"));
}

TEST(StatusFileTest, WhatTheNodeSurvivesIsDegradedAndNoTrouble) {
  NodeStatus status = Healthy();
  EXPECT_EQ(std::string(DegradedLine(status)), "");
  status.outbox =
      OutboxStatus{.state = "waiting", .late = true, .waiting = 12, .oldest_age = 7200s};
  EXPECT_EQ(std::string(DegradedLine(status)),
            "12 readings wait for the server, the oldest for 2 h");
  status.outbox->state = "held";
  status.outbox->reason = "no right";
  EXPECT_NE(std::string(DegradedLine(status)).find("no right"), std::string::npos);
  status.store.card_is_full = true;
  EXPECT_NE(std::string(DegradedLine(status)).find("card is full"), std::string::npos);
  status.store.not_cut = true;
  EXPECT_NE(std::string(DegradedLine(status)).find("--db-size"), std::string::npos);
  status.sqlite_file.checkpoint_error = 13;
  EXPECT_NE(std::string(DegradedLine(status)).find("cannot be copied"), std::string::npos);
  status.sqlite_file.log_pages = 8192;
  EXPECT_NE(std::string(DegradedLine(status)).find("8192 of at most 16384 pages"),
            std::string::npos);
  status.local.target = "/d/node.db";
  status.sqlite_file.damaged_files = 1;
  EXPECT_NE(std::string(DegradedLine(status)).find("/d/node.db.damaged-N"), std::string::npos);
  EXPECT_EQ(Trouble(status, kNow), "");
}

TEST(StatusFileTest, TextsAreEscapedAsJsonWants) {
  const struct {
    std::string text;
    std::string read;  // what a reader gets
  } cases[] = {
      {"a \"quoted\" back\\slash", "a \"quoted\" back\\slash"},
      {"line\nend\ttab\x01", "line\nend\ttab\x01"},
      {std::string("nul\0", 4), std::string("nul\0", 4)},
      {"23 \xc2\xb0"
       "C \xe2\x82\xac \xf0\x9f\x8c\xa1",
       "23 \xc2\xb0"
       "C \xe2\x82\xac \xf0\x9f\x8c\xa1"},
      // No UTF-8: a lone byte, a cut character, one too long for its number, a surrogate, too large.
      {"\xff", "\xef\xbf\xbd"},
      {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xf5", "\xef\xbf\xbd"},
  };
  for (const auto& [text, read] : cases) {
    NodeStatus status = Healthy();
    status.text = text;
    EXPECT_EQ(ToJson(status)["text"], read) << text;
  }
}

TEST(StatusFileTest, AStatusThatIsTooLongIsRefusedAndTheOldOneStays) {
  support::TempDir folder;
  StatusFile file(folder.File("status.json"));
  NodeStatus status = Healthy();
  ASSERT_TRUE(file.Write(status).ok());
  status.text = std::string(StatusFile::kMostBytes, 'x');
  EXPECT_TRUE(absl::IsResourceExhausted(file.Write(status)));
  EXPECT_EQ(ReadStatusFile(file.path())->text, "12 readings sealed");
  EXPECT_EQ(ToJson(status)["text"], status.text) << "what is no file has no bound";
}

TEST(StatusFileTest, WhatIsAbsentStaysAbsent) {
  NodeStatus status = Healthy();
  status.last_seal.reset();
  const ordered_json json = ToJson(status);
  EXPECT_FALSE(json.contains("last_seal"));
  EXPECT_FALSE(json.contains("remote"));
  EXPECT_FALSE(FromJson(json)->last_seal.has_value());
}

TEST(StatusFileTest, IsReadableByEveryoneWhateverTheUmask) {
  support::TempDir folder;
  const mode_t before = umask(0077);
  ASSERT_TRUE(WriteStatusFile(folder.File("status.json"), Healthy()).ok());
  umask(before);
  struct stat seen {};
  ASSERT_EQ(stat(folder.File("status.json").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777, 0644u);
  EXPECT_NE(access(folder.File("status.json.new").c_str(), F_OK), 0);
}

TEST(StatusFileTest, AReaderNeverSeesHalfOfOne) {
  support::TempDir folder;
  const std::string path = folder.File("status.json");
  NodeStatus status = Healthy();
  ASSERT_TRUE(WriteStatusFile(path, status).ok());
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (size_t i = 0; i < 500; ++i) {
      status.text = std::string(i % 40 * 100, 'x');  // short and long ones in turn
      EXPECT_TRUE(WriteStatusFile(path, status).ok());
    }
    done = true;
  });
  while (!done) {
    const absl::StatusOr<NodeStatus> read = ReadStatusFile(path);
    EXPECT_TRUE(read.ok()) << read.status();
  }
  writer.join();
}

TEST(StatusFileTest, AWriteThatFailsLeavesTheOldOne) {
  support::TempDir folder;
  const std::string path = folder.File("status.json");
  ASSERT_TRUE(WriteStatusFile(path, Healthy()).ok());
  std::filesystem::create_directory(path + ".new");
  NodeStatus other = Healthy();
  other.pid = 1;
  const absl::Status failed = WriteStatusFile(path, other);
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_EQ(ReadStatusFile(path)->pid, 4711);
  EXPECT_TRUE(absl::IsNotFound(WriteStatusFile(folder.File("no/status.json"), other)));
}

TEST(StatusFileTest, ReadingSaysWhatIsWrong) {
  support::TempDir folder;
  const std::string path = folder.File("status.json");
  EXPECT_TRUE(absl::IsNotFound(ReadStatusFile(path).status()));
  for (const char* text :
       {"", "{", "[]", "{\"pid\": 1}", "{\"format\":1,\"readings\":7}",
        "{\"format\":1,\"readings\":{\"sealed\":\"many\"}}", "{\"format\":99,\"readings\":{}}"}) {
    std::ofstream(path, std::ios::trunc) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(ReadStatusFile(path).status())) << text;
  }
}

TEST(StatusFileTest, UnknownMembersAreSkipped) {
  ordered_json json = ToJson(Healthy());
  json["of_a_later_version"] = {{"x", 1}};
  EXPECT_TRUE(FromJson(json).ok());
}

TEST(StatusFileTest, TextThatIsNoUtf8IsShownAllTheSame) {
  support::TempDir folder;
  NodeStatus status = Healthy();
  status.name = "node\xff";
  ASSERT_TRUE(WriteStatusFile(folder.File("s"), status).ok());
  EXPECT_TRUE(ReadStatusFile(folder.File("s")).ok());
}

TEST(StatusFileTest, ScriptsReadTheVerdict) {
  NodeStatus status = Healthy();
  EXPECT_EQ(ToJson(status)["healthy"], true);
  status.readings.sealed = 0;
  EXPECT_EQ(ToJson(status)["healthy"], false);
  EXPECT_EQ(ToJson(status)["trouble"], "no reading has been sealed yet");
}

TEST(TroubleTest, IsWhatAnOperatorHasToLookAt) {
  EXPECT_EQ(Trouble(Healthy(), kNow), "");
  const auto trouble = [](auto change) {
    NodeStatus status = Healthy();
    change(status);
    return Trouble(status, kNow);
  };
  EXPECT_NE(trouble([](NodeStatus& s) { s.written_boot_us -= 30'000'000; }).find("old"),
            std::string::npos);
  EXPECT_NE(trouble([](NodeStatus& s) { s.ready = false; }).find("not ready"), std::string::npos);
  EXPECT_NE(trouble([](NodeStatus& s) { s.refused = "disk full"; }).find("disk full"),
            std::string::npos);
  EXPECT_NE(trouble([](NodeStatus& s) { s.watchdog.feeds = 0; }).find("not been fed"),
            std::string::npos);
  EXPECT_NE(trouble([](NodeStatus& s) { s.watchdog.fed_boot_us -= 40'000'000; }).find("fed"),
            std::string::npos);
  EXPECT_EQ(trouble([](NodeStatus& s) { s.watchdog = {}; }), "") << "nobody watches: no trouble";
  // The node keeps what it takes; the server is not its business.
  EXPECT_EQ(trouble([](NodeStatus& s) { s.remote.emplace().state = "away"; }), "");
}

}  // namespace
}  // namespace roost::telemetry
