// A batch allocates nothing, whatever waits: a million rows here. A program of its own: it counts every allocation
// of the process, and SQLite has a block of its own.
#include <gtest/gtest.h>

#include <string>

#include "roost/outbox.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "roost/sqlite_memory.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/counting_allocator.h"
#include "tests/support/temp_dir.h"

namespace roost::outbox {
namespace {

using namespace std::chrono_literals;

// Takes everything and allocates nothing.
class TakingServer final : public OutboxServer {
 public:
  void Hello(std::span<const OutboxSegment> asked, Deadline) override {
    answer_ = {};
    for (size_t i = 0; i < asked.size(); ++i) marks_[i] = {.segment = asked[i], .seq = mark_};
    answer_.hello = {.schema_version = kOutboxSchemaVersion,
                     .spread = 10s,
                     .max_rows = 5000,
                     .marks = {marks_.data(), asked.size()}};
  }
  void Ingest(const OutboxBatch& batch, Deadline) override {
    answer_ = {};
    mark_ = answer_.ingest.mark = batch.last;
    rows += static_cast<int64_t>(batch.rows.size());
  }
  const Answer* Continue(TimePoint) override { return &answer_; }
  TimePoint next() const override { return TimePoint::max(); }
  size_t Descriptors(std::span<DescriptorWait>) const override { return 0; }
  uint64_t link_bytes() const override { return static_cast<uint64_t>(rows) * 12; }
  void Rest() override {}

  int64_t rows = 0;

 private:
  Answer answer_;
  std::optional<int64_t> mark_ = 0;
  std::array<OutboxMark, kMostAsked> marks_{};
};

constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS reading(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, "
    "time INTEGER, clock INTEGER NOT NULL, name TEXT, unit TEXT, value REAL);";
constexpr Sql kRows{
    "SELECT seq, epoch, time, clock, name, unit, value FROM reading "
    "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"};
constexpr Sql kNewest{"SELECT max(seq) FROM reading"};

TEST(OutboxAllocationTest, AMillionRowsWaitAndABatchAllocatesNothing) {
  static SqliteMemoryFor<profiles::RaspberryPi> memory;
  ASSERT_TRUE(memory.status().ok()) << memory.status();
  const support::TempDir dir;
  fakes::FakePlatform platform;
  SqliteBackend backend(
      {.path = dir.path() + "/node.db", .schema = std::string(kSchema) + kOutboxSchema});
  PoolFor<profiles::RaspberryPi> pool(backend, PoolOptions{.platform = &platform});
  {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, Deadline::Never());
    ASSERT_TRUE(lease.ok()) << lease.status();
    for (int i = 0; i < 100; ++i) {
      const absl::Status filled = lease->RunScript(
          "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
          "INSERT INTO reading SELECT i + (SELECT coalesce(max(seq), 0) FROM reading), 1, "
          "1700000000000000 + i, 0, 'level ' || (i % 5), 'mm', i / 100.0 FROM n");
      ASSERT_TRUE(filled.ok()) << filled;
    }
  }
  TakingServer server;
  Outbox outbox(pool, server, {.rows = kRows, .newest = kNewest}, {.epoch = 1, .seed = 1},
                platform);
  EXPECT_LE(outbox.memory(), 32u << 10);
  ASSERT_TRUE(outbox.Start(pool.In(10s)).ok());
  while (outbox.stats(platform.Now()).batches_ok < 20) outbox.Turn(platform.Now());
  EXPECT_GT(outbox.stats(platform.Now()).waiting, 900'000);
  const support::AllocationCount count;
  while (outbox.stats(platform.Now()).batches_ok < 1020) outbox.Turn(platform.Now());
  EXPECT_EQ(count.total(), 0u);
  while (outbox.stats(platform.Now()).waiting > 0) outbox.Turn(platform.Now());
  EXPECT_EQ(count.total(), 0u);
  EXPECT_EQ(server.rows, 1'000'000);
}

}  // namespace
}  // namespace roost::outbox
