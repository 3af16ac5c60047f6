// Deadlines as values: their order, their ends, what is left of them.
#include "roost/deadline.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "roost/source_line.h"

namespace roost {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1000s};

TEST(DeadlineTest, TheEarlierOneCounts) {
  const Deadline sooner = Deadline::At(kNow), later = Deadline::At(kNow + 1ns);
  EXPECT_EQ(std::min(later, sooner), sooner);
  EXPECT_EQ(std::min(Deadline::Past(), sooner), Deadline::Past());
  EXPECT_EQ(std::min(Deadline::Never(), later), later);
}

TEST(DeadlineTest, OneThatWasNotSetHasPassed) {
  EXPECT_EQ(Deadline(), Deadline::Past());
  EXPECT_TRUE(Deadline().HasPassed(TimePoint()));
  EXPECT_TRUE(Deadline().HasPassed(TimePoint::min()));
}

TEST(DeadlineTest, HasPassedAtItsOwnMomentAndNotBefore) {
  const Deadline by = Deadline::After(kNow, 1ms);
  EXPECT_EQ(by.time(), kNow + 1ms);
  EXPECT_FALSE(by.HasPassed(kNow + 1ms - 1ns));
  EXPECT_TRUE(by.HasPassed(kNow + 1ms));
  EXPECT_TRUE(by.HasPassed(kNow + 1h));
}

TEST(DeadlineTest, ANegativeSpanHasPassed) {
  EXPECT_TRUE(Deadline::After(kNow, -1ns).HasPassed(kNow));
  EXPECT_TRUE(Deadline::After(kNow, Duration::min()).HasPassed(kNow));
  EXPECT_TRUE(Deadline::After(TimePoint(), Duration::min()).HasPassed(TimePoint()));
}

TEST(DeadlineTest, ASpanBeyondTheRangeIsNever) {
  EXPECT_TRUE(Deadline::After(kNow, Duration::max()).IsNever());
  EXPECT_TRUE(Deadline::After(TimePoint::max() - 1s, 2s).IsNever());
  EXPECT_TRUE(Deadline::After(TimePoint::max(), 1ns).IsNever());
  EXPECT_FALSE(Deadline::After(TimePoint::max() - 2s, 1s).IsNever());
}

TEST(DeadlineTest, NeverIsTheLastMomentAndDoesNotPass) {
  EXPECT_EQ(Deadline::Never().time(), TimePoint::max());
  EXPECT_TRUE(Deadline::Never().IsNever());
  EXPECT_FALSE(Deadline::Never().HasPassed(kNow));
  EXPECT_FALSE(Deadline::Never().HasPassed(TimePoint::max()));
}

TEST(DeadlineTest, WhatIsLeftEndsAtZeroAndOfNeverIsAll) {
  const Deadline by = Deadline::At(kNow);
  EXPECT_EQ(by.Left(kNow - 3ms), 3ms);
  EXPECT_EQ(by.Left(kNow), 0ns);
  EXPECT_EQ(by.Left(kNow + 3ms), 0ns);
  EXPECT_EQ(Deadline::Past().Left(kNow), 0ns);
  EXPECT_EQ(Deadline::Never().Left(kNow), Duration::max());
}

TEST(SourceLineTest, AnUnknownOneHasAnEmptyName) {
  ASSERT_NE(SourceLine().file, nullptr);
  EXPECT_STREQ(SourceLine().file, "");
  EXPECT_EQ(SourceLine().line, 0);
}

TEST(SourceLineTest, IsTheLineOfTheCall) {
  EXPECT_EQ(SourceLine::Here().line, __LINE__);
  EXPECT_STREQ(SourceLine::Here().file, __FILE__);
}

}  // namespace
}  // namespace roost
