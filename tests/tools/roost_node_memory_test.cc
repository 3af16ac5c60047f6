// roost-node with SQLite's memory in a block: what it tells of it, and what happens when the block
// is full or cannot be used.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <vector>

#include "roost/sqlite_memory.h"
#include "tests/tools/roost_node_simulated.h"

namespace roost::testing {
namespace {

using namespace std::chrono_literals;
using telemetry::NodeStatus;
using tools::Options;

// Little more than one connection with its statements needs.
struct Tiny : profiles::RaspberryPi {
  static constexpr int kSqliteArenaKib = 124;
  static constexpr int kSqlitePages = 8;
};
using TinyMemory = SqliteMemoryFor<Tiny>;

// Somebody in the process who takes all of SQLite's memory.
class Hog {
 public:
  ~Hog() { GiveBack(); }
  void TakeAll() {
    for (int bytes = 32768; bytes >= 16;) {
      void* const block = sqlite3_malloc(bytes);
      block == nullptr ? bytes /= 2 : (blocks_.push_back(block), 0);
    }
  }
  void GiveBack() {
    for (void* const block : blocks_) sqlite3_free(block);
    blocks_.clear();
  }
  bool has_some() const { return !blocks_.empty(); }

 private:
  std::vector<void*> blocks_;
};

TEST(RoostNodeMemoryTest, AFullBlockRefusesReadingsAndGivesThemBackWhenThereIsRoomAgain) {
  const TinyMemory memory;
  ASSERT_TRUE(memory.status().ok()) << memory.status();
  Options options;
  options.run_for = 180s;
  SimulatedNode<Tiny> node(&memory, options);
  Hog hog;
  telemetry::NodeStatus full;
  telemetry::NodeStatus after;
  ::testing::internal::CaptureStderr();
  node.Run([&](Duration ran) {
    if (ran >= 60s && ran < 120s && !hog.has_some()) hog.TakeAll();
    if (ran >= 110s && ran < 120s) full = *node.File();
    if (ran >= 120s) hog.GiveBack();
    if (ran >= 170s) after = *node.File();
  });
  const std::string said = ::testing::internal::GetCapturedStderr();

  EXPECT_NE(full.refused.find("memory"), std::string::npos) << full.refused;
  EXPECT_GT(full.readings.refused_batches, 0u);
  EXPECT_GT(full.readings.waiting, 0u) << "they wait";
  EXPECT_GT(full.sqlite_memory.arena_failures, 0u);
  EXPECT_NE(telemetry::Trouble(full, full.written_boot_us), "");
  EXPECT_NE(said.find("not stored, will be tried again"), std::string::npos) << said;

  EXPECT_EQ(after.refused, "");
  EXPECT_TRUE(after.ready);
  EXPECT_NE(said.find("stored again"), std::string::npos) << said;
  const tools::Counts& counts = node.counts();
  EXPECT_GT(counts.refused, 0u);
  EXPECT_EQ(counts.stored, counts.taken) << "each once: what was refused was rolled back whole";
  EXPECT_EQ(counts.dropped + counts.lost, 0u);
  EXPECT_TRUE(node.read_back().ok()) << node.read_back();
}

TEST(RoostNodeMemoryTest, TheStatusFileTellsHowFullTheBlockIs) {
  const TinyMemory memory;
  Options options;
  options.run_for = 30s;
  SimulatedNode<Tiny> node(&memory, options);
  telemetry::NodeStatus status;
  node.Run([&](Duration ran) {
    if (ran >= 25s) status = *node.File();
  });
  const telemetry::SqliteMemoryStatus& told = status.sqlite_memory;
  EXPECT_TRUE(told.bounded);
  EXPECT_EQ(told.heap_because, "");
  EXPECT_GT(told.arena_bytes, 80'000u);
  EXPECT_GT(told.arena_used, 0u);
  EXPECT_GE(told.arena_peak, told.arena_used);
  EXPECT_LE(told.arena_peak, told.arena_bytes);
  EXPECT_EQ(told.pages, 8u);
  EXPECT_GT(told.pages_used, 0u);
  EXPECT_GE(told.pages_peak, told.pages_used);
}

// The statements that delete, with their trigger, besides those that store.
TEST(RoostNodeMemoryTest, WhatDeletesFitsIntoTheBlockOfABoard) {
  const SqliteMemoryFor<profiles::RaspberryPi> memory;
  Options options;
  options.run_for = 1800s;
  options.keep = 60s;
  options.db_size = 8 << 20;
  SimulatedNode<profiles::RaspberryPi> node(&memory, options);
  telemetry::NodeStatus status;
  node.Run([&](Duration ran) {
    if (ran >= 1780s) status = *node.File();
  });
  EXPECT_EQ(status.sqlite_memory.arena_failures, 0u);
  EXPECT_LE(status.sqlite_memory.arena_peak, status.sqlite_memory.arena_bytes);
  EXPECT_GT(status.store.gap_age, 5000u);
  EXPECT_EQ(status.store.limit_bytes, 8u << 20);
  EXPECT_GT(status.store.readings, 0u);
  EXPECT_EQ(node.counts().stored, node.counts().taken);
}

TEST(RoostNodeMemoryTest, WhereSqliteIsInUseAlreadyTheFileSaysWhyAndTheNodeGoesOn) {
  ASSERT_EQ(sqlite3_initialize(), SQLITE_OK);
  {
    const TinyMemory late;
    Options options;
    options.run_for = 30s;
    SimulatedNode<Tiny> node(&late, options);
    telemetry::NodeStatus status;
    node.Run([&](Duration ran) {
      if (ran >= 25s) status = *node.File();
    });
    EXPECT_FALSE(status.sqlite_memory.bounded);
    EXPECT_NE(status.sqlite_memory.heap_because.find("somebody uses it already"),
              std::string::npos);
    EXPECT_EQ(status.sqlite_memory.arena_bytes, 0u);
    EXPECT_GT(node.counts().stored, 0u);
    EXPECT_EQ(node.counts().stored, node.counts().taken);
    EXPECT_EQ(telemetry::Trouble(status, status.written_boot_us), "")
        << "it is no trouble of the node";
  }
  sqlite3_shutdown();
}

}  // namespace
}  // namespace roost::testing
