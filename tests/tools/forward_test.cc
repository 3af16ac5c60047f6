// The node's side of forwarding, with a scripted server and a fake clock: what is told, and when.
#include "tools/roost-node/forward.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "roost/sqlite_memory.h"
#include "tests/fakes/fake_platform.h"
#include "tests/outbox/scripted_server.h"
#include "tests/support/status_macros.h"
#include "tests/support/temp_dir.h"
#include "tools/roost-node/node_profile.h"
#include "tools/roost-node/reading.h"
#include "tools/roost-node/retention.h"
#include "tools/roost-node/store.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using outbox::ScriptedServer;

constexpr uint32_t kEpoch = 7;

// SQLite's memory of a board; before anything uses SQLite.
using Board = NodeProfileOf<profiles::RaspberryPi>;
const SqliteMemoryFor<Board> memory;

size_t Count(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

class ForwardTest : public ::testing::Test {
 protected:
  ForwardTest() {
    Make({});
    EXPECT_OK(store_.Check(pool_.In(10s)));
  }
  void Make(const ForwardOptions& flags) {
    forward_.reset();
    forward_ = std::make_unique<Forward>(
        pool_, server_, Forward::Settings{.flags = flags, .epoch = kEpoch}, messages_);
  }
  void Seal(int count) {
    for (int i = 0; i < count; ++i) {
      Reading reading;
      reading.name = decltype(reading.name)("n");
      reading.wall_us = platform_.UnixMicros();
      reading.boot_us = 1;
      reading.synced = true;
      reading.value = ++taken_;
      buffer_.Push(reading);
    }
    const absl::StatusOr<size_t> sealed = store_.Seal(buffer_, 500, pool_.In(10s));
    ASSERT_OK(sealed.status());
    forward_->Sealed(platform_.Now());
  }
  // The loop, for so long.
  void Run(Duration span) {
    const TimePoint end = platform_.Now() + span;
    for (int turns = 0; platform_.Now() < end; ++turns) {
      ASSERT_LT(turns, 1'000'000) << "it does not sleep";
      const TimePoint now = platform_.Now();
      forward_->Turn(now);
      const TimePoint next = std::min(forward_->next(), end);
      if (next <= now) continue;
      platform_.Advance(next - now);
      platform_.set_unix_micros(platform_.UnixMicros() + (next - now) / 1us);
    }
  }
  telemetry::OutboxStatus Status() {
    telemetry::OutboxStatus status;
    forward_->ToStatus(platform_.Now(), status);
    return status;
  }
  std::string Text() {
    internal::TextLine text;
    forward_->AddText(platform_.Now(), text);
    return std::string(std::string_view(text));
  }

  support::TempDir folder_;
  fakes::FakePlatform platform_;
  SqliteBackend backend_{{.path = folder_.File("node.db"), .schema = NodeSchema()}};
  PoolFor<Board> pool_{backend_, {.platform = &platform_}};
  Messages messages_{platform_, /*quiet=*/true, /*journal=*/false};
  Store store_{pool_, kEpoch};
  ReadingBuffer buffer_{1000};
  ScriptedServer server_{platform_};
  std::unique_ptr<Forward> forward_;
  double taken_ = 0;
};

TEST_F(ForwardTest, WhatIsSealedArrivesAndIsCounted) {
  ::testing::internal::CaptureStderr();
  Seal(30);
  Run(10s);
  Seal(5);
  Run(10s);
  EXPECT_EQ(server_.rows().size(), 35u);
  const telemetry::OutboxStatus status = Status();
  EXPECT_EQ(status.state, "idle");
  EXPECT_EQ(status.sent, 35u);
  EXPECT_EQ(status.waiting, 0u);
  EXPECT_LT(status.oldest_age, Duration::zero());
  EXPECT_EQ(status.failed_batches, 0u);
  EXPECT_GE(status.batches, 2u);
  EXPECT_EQ(status.round_trip, 20ms);
  EXPECT_EQ(Text(), "; outbox idle");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "") << "batches are not told";
}

// Two hours away, a reading a minute: one line when it begins, one when the backlog is late, and one each when that is over.
TEST_F(ForwardTest, AnOutageIsToldByItsChanges) {
  ::testing::internal::CaptureStderr();
  Seal(1);
  Run(10s);
  server_.is_away = true;
  for (int minute = 0; minute < 120; ++minute) {
    Seal(1);
    Run(1min);
  }
  const telemetry::OutboxStatus away = Status();
  EXPECT_EQ(away.state, "waiting");
  EXPECT_NE(away.reason.find("refused"), std::string::npos) << away.reason;
  EXPECT_EQ(away.waiting, 120u);
  EXPECT_GE(away.oldest_age, 2h - 1s);
  EXPECT_LE(away.oldest_age, 2h + 1s);
  EXPECT_TRUE(away.late);
  EXPECT_TRUE(forward_->IsDegraded());
  EXPECT_NE(Text().find("; outbox waiting, 120 wait, the oldest for 1"), std::string::npos)
      << Text();
  server_.is_away = false;
  Run(10min);
  EXPECT_EQ(server_.rows().size(), 121u);
  EXPECT_FALSE(forward_->IsDegraded());
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(said, "readings wait: "), 1u) << said;
  EXPECT_EQ(Count(said, "outbox: late: "), 1u) << said;
  EXPECT_EQ(Count(said, "outbox: sending again after "), 1u) << said;
  EXPECT_EQ(Count(said, "outbox: not late any more"), 1u) << said;
  EXPECT_EQ(Count(said, "\n"), 4u) << said;
}

// A node that starts while the server is away has not built a batch yet.
TEST_F(ForwardTest, TheAgeOfTheOldestIsKnownFromTheStartOn) {
  ::testing::internal::CaptureStderr();
  server_.is_away = true;
  Seal(3);
  Run(30min);
  Make({});
  Run(15s);
  EXPECT_GE(Status().oldest_age, 30min);
  EXPECT_LE(Status().oldest_age, 31min);
  EXPECT_FALSE(Status().late);
  Run(30min);
  EXPECT_TRUE(Status().late);
  ::testing::internal::GetCapturedStderr();
}

TEST_F(ForwardTest, WhatTheServerLostIsToldAndSentAgain) {
  Seal(10);
  Run(10s);
  Seal(10);
  Run(10s);
  ASSERT_EQ(server_.rows().size(), 20u);
  ::testing::internal::CaptureStderr();
  server_.LoseLast(1);
  server_.Disconnect();
  Seal(1);
  Run(30s);
  EXPECT_EQ(server_.rows().size(), 21u);
  EXPECT_EQ(Status().rewinds, 1u);
  EXPECT_EQ(Status().resent, 10u);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(
      said.find("the server lost 10 acknowledged readings (mark 20 -> 10); sending them again"),
      std::string::npos)
      << said;
}

TEST_F(ForwardTest, AHeldServerIsToldOnceAndTriedWhenItIsAskedFor) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 20; ++i) {
    server_.fates.push_back({.kind = ScriptedServer::Fate::Kind::kRefused,
                             .hand = OutboxHand::kHold,
                             .status = absl::PermissionDeniedError("wrong token")});
  }
  Seal(10);
  Run(30min);
  EXPECT_EQ(Status().state, "held");
  EXPECT_TRUE(forward_->IsDegraded());
  EXPECT_EQ(server_.rows().size(), 0u);
  server_.fates.clear();
  forward_->Retry(platform_.Now());
  Run(5s);
  EXPECT_EQ(server_.rows().size(), 10u);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(said, "outbox: held: wrong token; 10 readings wait"), 1u) << said;
  EXPECT_EQ(Count(said, "\n"), 2u) << said;
}

TEST_F(ForwardTest, AServerWithoutTheSchemaIsNamedTheCommandOnce) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 5; ++i) {
    server_.fates.push_back({.kind = ScriptedServer::Fate::Kind::kRefused,
                             .hand = OutboxHand::kHold,
                             .status = absl::NotFoundError("no schema"),
                             .has_no_schema = true});
  }
  EXPECT_TRUE(forward_->has_schema()) << "until it is known";
  Seal(10);
  Run(10min);
  EXPECT_EQ(Status().state, "no_schema");
  EXPECT_FALSE(forward_->has_schema());
  Run(1h);
  EXPECT_TRUE(forward_->has_schema());
  EXPECT_EQ(server_.rows().size(), 10u);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(said, "roostctl server init"), 1u) << said;
}

TEST_F(ForwardTest, RowsOfAClockThatWasNotSetAreMarkedButForTimesOfLines) {
  Reading reading;
  reading.name = decltype(reading.name)("n");
  reading.wall_us = 1'700'000'000'000'000;
  for (const auto& [synced, source] : {std::pair{true, TimeSource::kBoard},
                                       {false, TimeSource::kBoard},
                                       {false, TimeSource::kLine}}) {
    reading.synced = synced;
    reading.source = source;
    reading.value = ++taken_;
    buffer_.Push(reading);
  }
  ASSERT_OK(store_.Seal(buffer_, 500, pool_.In(10s)).status());
  absl::StatusOr<Lease> lease = pool_.Acquire(kRead, pool_.In(10s));
  const absl::StatusOr<Statement*> rows = lease->Prepare(Forward::Source().rows);
  Rows got = (*rows)->Query(int64_t{0}, int64_t{100}, int64_t{10});
  std::string clocks;
  while (got.Next()) clocks += std::to_string(got.Get<int64_t>(3));
  EXPECT_EQ(clocks, "020");
}

// What stores, deletes, thins and sends, on one card.
TEST_F(ForwardTest, AllStatementsFitIntoTheBlockOfABoard) {
  ASSERT_OK(memory.status());
  ::testing::internal::CaptureStderr();
  Retention retention(pool_,
                      {.db = folder_.File("node.db"),
                       .keep = 1min,
                       .keep_unsent = true,
                       .db_size = int64_t{8} << 20,
                       .when_full = WhenFull::kThin,
                       .reserve = int64_t{3} << 20,
                       .free_bytes = [] { return std::optional<uint64_t>(uint64_t{1} << 32); },
                       .clock_is_synchronized = [] { return true; }},
                      messages_);
  for (int minute = 0; minute < 60; ++minute) {
    server_.is_away = minute % 20 > 4;
    for (int batch = 0; batch < 4; ++batch) {
      absl::StatusOr<size_t> fits = size_t{0};
      for (int i = 0; i < 100 && fits.ok() && *fits < 500; ++i) {
        fits = retention.MakeRoom(500, pool_.In(10s), pool_.In(10s));
      }
      ASSERT_OK(fits.status());
      Seal(500);
      retention.Sealed(500);
    }
    for (int i = 0; i < 50; ++i) retention.Turn(platform_.Now(), pool_.In(10s), pool_.In(10s));
    Run(1min);
    if (minute % 7 == 0) server_.LoseLast(1);
  }
  ::testing::internal::GetCapturedStderr();
  telemetry::StoreStatus store;
  retention.ToStatus(platform_.Now(), store);
  EXPECT_GT(store.gap_thin, 0u);
  EXPECT_GT(server_.rows().size(), 1000u);
  EXPECT_EQ(server_.breaches, "");
  const SqliteMemoryStats stats = memory.stats();
  EXPECT_EQ(stats.arena_failures, 0u);
  EXPECT_LE(stats.arena_peak, stats.arena_bytes * 4 / 5);
}

TEST_F(ForwardTest, FiguresTellTheSame) {
  Seal(1);
  Run(10s);
  server_.is_away = true;
  Seal(12);
  Run(2min);
  Figures figures;
  forward_->AddFigures(platform_.Now(), figures);
  std::string all;
  for (const Figure& figure : figures.all()) {
    if (figure.value == 0) continue;
    all += std::string(figure.metric.name) +
           (figure.part.empty() ? "" : "." + std::string(figure.part)) + " ";
  }
  for (const char* name :
       {"waiting ", "oldest_age ", "batches.wait ", "state.waiting ", "batch_rows "}) {
    EXPECT_NE(all.find(name), std::string::npos) << name << "in " << all;
  }
  EXPECT_EQ(all.find("state.idle"), std::string::npos);
}

}  // namespace
}  // namespace roost::tools
