// tests/core/sizing_test.cc - the pool's arithmetic, as tables.
#include "core/sizing.h"

#include <gtest/gtest.h>

namespace roost::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kMost = 0xffffffff;

TEST(Sizing, ASqlitePoolHasOneWriterAndReaders) {
  struct Row {
    int size, overflow, lanes, writer, kept_readers, overflow_readers;
  };
  for (const Row& row : {Row{2, 1, 2, 1, 1, 1}, Row{5, 0, 2, 1, 4, 0}, Row{1, 2, 2, 1, 0, 2},
                         Row{1, 1, 2, 1, 0, 1}}) {
    const LaneSplit split = SplitLanes(LanePlan::kWriterAndReaders, row.size, row.overflow);
    EXPECT_EQ(split.lanes, row.lanes);
    EXPECT_EQ(split.core_size[0], row.writer);
    EXPECT_EQ(split.overflow[0], 0);
    EXPECT_EQ(split.core_size[1], row.kept_readers);
    EXPECT_EQ(split.overflow[1], row.overflow_readers);
    EXPECT_EQ(split.role[0], Role::kWriter);
    EXPECT_EQ(split.role[1], Role::kReader);
  }
}

TEST(Sizing, OneSlotServesBothIntents) {
  const LaneSplit split = SplitLanes(LanePlan::kWriterAndReaders, 1, 0);
  EXPECT_EQ(split.lanes, 1);
  EXPECT_EQ(split.core_size[0], 1);
  EXPECT_EQ(split.role[0], Role::kAny);
}

TEST(Sizing, EveryOtherBackendHasOneLane) {
  const LaneSplit split = SplitLanes(LanePlan::kOne, 10, 5);
  EXPECT_EQ(split.lanes, 1);
  EXPECT_EQ(split.core_size[0], 10);
  EXPECT_EQ(split.overflow[0], 5);
}

TEST(Sizing, RecycleAgeLosesUpToATenth) {
  EXPECT_EQ(RecycleAge(seconds(1800), 0), seconds(1800));
  EXPECT_EQ(RecycleAge(seconds(1800), kMost), seconds(1620));
  const Duration middle = RecycleAge(seconds(1800), kMost / 2);
  EXPECT_NEAR(std::chrono::duration<double>(middle).count(), 1710.0, 0.001);
  EXPECT_GT(RecycleAge(Duration::max(), kMost), Duration::zero()) << "no overflow";
}

TEST(Sizing, BackoffDoublesUpToItsCap) {
  const auto pause = [](int failures) {
    return BackoffPause(failures, false, milliseconds(100), seconds(30), 0);
  };
  EXPECT_EQ(pause(1), Duration::zero()) << "the first failure is tried again at once";
  EXPECT_EQ(pause(2), milliseconds(100));
  EXPECT_EQ(pause(3), milliseconds(200));
  EXPECT_EQ(pause(4), milliseconds(400));
  EXPECT_EQ(pause(10), milliseconds(25600));
  EXPECT_EQ(pause(11), seconds(30));
  EXPECT_EQ(pause(1000000), seconds(30));
}

TEST(Sizing, BackoffIsDrawnBetweenHalfAndAll) {
  EXPECT_EQ(BackoffPause(2, false, seconds(1), seconds(30), 0), seconds(1));
  EXPECT_EQ(BackoffPause(2, false, seconds(1), seconds(30), kMost), milliseconds(500));
}

TEST(Sizing, AnErrorThatNeedsAPersonWaitsTheLongest) {
  EXPECT_EQ(BackoffPause(1, true, milliseconds(100), seconds(30), 0), seconds(30));
}

TEST(Sizing, BackoffOfTheLongestSpanDoesNotOverflow) {
  EXPECT_EQ(BackoffPause(200, false, seconds(1), Duration::max(), 0), Duration::max());
}

TEST(Sizing, ShortageIsNeverNegative) {
  EXPECT_EQ(Shortage(3, 1), 2);
  EXPECT_EQ(Shortage(1, 3), 0);
}

}  // namespace
}  // namespace roost::core
