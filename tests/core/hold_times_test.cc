// tests/core/hold_times_test.cc - which leases of a slot are timed, and what the others count as.
#include "core/hold_times.h"

#include <gtest/gtest.h>

#include "core/checks.h"

namespace roost::core {
namespace {

using namespace std::chrono_literals;

class HoldTimesTest : public ::testing::Test {
 protected:
  static constexpr uint8_t kSlot = 3;
  HoldTimes times;
  Histogram hold;
  TimePoint now{1h};
  uint32_t lease = 1;

  int Next(uint32_t chance = 0) { return times.UntilNext(kSlot, lease, chance, now); }
};

TEST_F(HoldTimesTest, TheNextLeaseIsTimedWhereTheyAreAMillisecondApart) {
  for (uint32_t chance = 0; chance < 1000; ++chance, ++lease, now += HoldTimes::kEvery) {
    EXPECT_EQ(Next(chance), 1);
  }
  lease += 99;
  now += 100 * HoldTimes::kEvery;
  EXPECT_EQ(Next(12345), 1) << "on the average";
}

TEST_F(HoldTimesTest, FrequentLeasesAreTimedOnceAMillisecondOnTheAverage) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    lease += 40;
    now += 1ms;
    const int next = Next(Scramble(i));
    ASSERT_GE(next, 1);
    ASSERT_LE(next, 79);
    sum += next;
  }
  EXPECT_NEAR(static_cast<double>(sum) / 10'000, 40, 1);
}

TEST_F(HoldTimesTest, OneOf128IsTimedWhereNoTimePasses) {
  Next();
  int64_t sum = 0;
  int most = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    lease += 1000;
    const int next = Next(Scramble(i));
    ASSERT_GE(next, 1);
    most = std::max(most, next);
    sum += next;
  }
  EXPECT_EQ(most, 255);
  EXPECT_NEAR(static_cast<double>(sum) / 10'000, 128, 2);
}

TEST_F(HoldTimesTest, ALeaseIsDueAMillisecondAfterTheOneTimedLast) {
  EXPECT_TRUE(times.IsDue(kSlot, now));
  Next();
  EXPECT_FALSE(times.IsDue(kSlot, now + 1ms - 1ns));
  EXPECT_TRUE(times.IsDue(kSlot, now + 1ms));
}

TEST_F(HoldTimesTest, UntimedLeasesCountAsTheTimedOneBeforeThem) {
  EXPECT_EQ(times.Return(kSlot, 7us, true), 7us);
  times.Begin(kSlot, 10, hold);
  EXPECT_EQ(hold.total(), 9u) << "the last one is out";
  times.Begin(kSlot, 5, hold);
  EXPECT_EQ(hold.total(), 14u);
  times.End(kSlot, hold);
  times.End(kSlot, hold);
  EXPECT_EQ(hold.total(), 15u);
  EXPECT_EQ(hold.sum(), 15 * 7us);
}

TEST_F(HoldTimesTest, WhatALookSawCountsForTheLeaseThatWasOutAndForNoOther) {
  times.Return(kSlot, 7us, true);
  times.Begin(kSlot, 1, hold);
  times.See(kSlot, 2s);
  times.See(kSlot, 3s);
  times.Begin(kSlot, 2, hold);
  times.End(kSlot, hold);
  EXPECT_EQ(hold.total(), 3u);
  EXPECT_EQ(hold.sum(), 3s + 2 * 7us);
}

TEST_F(HoldTimesTest, AnUntimedLeaseThatEndsUnderTheLockWasHeldAtLeastSoLong) {
  times.Return(kSlot, 7us, true);
  EXPECT_EQ(times.Return(kSlot, 2s, false), 2s);
  EXPECT_EQ(times.Return(kSlot, 0s, false), 7us) << "the two seconds were no timed lease";
}

}  // namespace
}  // namespace roost::core
