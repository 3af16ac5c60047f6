// Back-off, size of a batch, bytes a second and a month, time left: each by itself.
#include "outbox/pace.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace roost::outbox {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1000s};

TEST(ChanceTest, IsBetweenItsBoundsAndTheSameForASeed) {
  Chance one(5);
  Chance other(5);
  Duration least = 1h;
  Duration most{};
  for (int i = 0; i < 1000; ++i) {
    const Duration span = one.Between(1s, 3s);
    EXPECT_EQ(span, other.Between(1s, 3s));
    EXPECT_GE(span, 1s);
    EXPECT_LE(span, 3s);
    least = std::min(least, span);
    most = std::max(most, span);
  }
  EXPECT_LT(least, 1100ms);
  EXPECT_GT(most, 2900ms);
  EXPECT_EQ(one.Between(2s, 2s), 2s);
}

TEST(BackOffTest, BeginsWithTheSpreadAndDoublesToItsCeiling) {
  Duration most[12]{};
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Chance chance(seed);
    BackOff back_off(1s, 5min);
    for (int failure = 0; failure < 12; ++failure) {
      const Duration wait = back_off.Failed(kNow, 10s, chance);
      EXPECT_GE(wait, failure == 0 ? 0s : 1s);
      most[failure] = std::max(most[failure], wait);
    }
  }
  EXPECT_LE(most[0], 10s);
  EXPECT_GT(most[0], 9s);
  for (int failure = 1; failure < 12; ++failure) {
    const Duration ceiling = std::min<Duration>(5min, 1s * (1 << failure));
    EXPECT_LE(most[failure], ceiling);
    EXPECT_GT(most[failure], ceiling * 9 / 10);
  }
}

// An exponent without a bound overflows after some sixty attempts.
TEST(BackOffTest, StandsAThousandFailures) {
  Chance chance(1);
  BackOff back_off(1s, 5min);
  for (int i = 0; i < 1000; ++i) {
    const Duration wait = back_off.Failed(kNow, 0s, chance);
    EXPECT_GE(wait, 0s);
    EXPECT_LE(wait, 5min);
  }
  EXPECT_GE(back_off.Failed(kNow + 1h, 0s, chance), 5min);
  EXPECT_LE(back_off.Failed(kNow + 1h, 0s, chance), 5min + 30s);
  back_off.Succeeded();
  EXPECT_EQ(back_off.Failed(kNow + 2h, 0s, chance), 0s);
  EXPECT_LE(back_off.Failed(kNow + 2h, 0s, chance), 2s);
}

TEST(BatchSizeTest, DoublesForFullQuickBatchesAlone) {
  BatchSize size(500);
  EXPECT_EQ(size.rows(), 100);
  size.Took(99, 1s, 30s);
  EXPECT_EQ(size.rows(), 100);
  size.Took(100, 7500ms, 30s);
  EXPECT_EQ(size.rows(), 100);
  size.Took(100, 7s, 30s);
  EXPECT_EQ(size.rows(), 200);
  size.Took(200, 7s, 30s);
  size.Took(400, 7s, 30s);
  EXPECT_EQ(size.rows(), 500);
  size.WasTooSlow();
  EXPECT_EQ(size.rows(), 250);
  for (int i = 0; i < 20; ++i) size.WasTooSlow();
  EXPECT_EQ(size.rows(), 1);
  size.Took(1, 1s, 30s);
  EXPECT_EQ(size.rows(), 2);  // and is not stuck there
  EXPECT_EQ(BatchSize(7).rows(), 7);
}

TEST(BatchSizeTest, StaysBelowWhatWasTooLarge) {
  BatchSize size(500);
  size.WasTooLarge(100);
  EXPECT_EQ(size.rows(), 50);
  size.Took(50, 1s, 30s);
  EXPECT_EQ(size.rows(), 50);
  size.WasTooLarge(1);
  EXPECT_EQ(size.rows(), 1);
  size.Restart(0);
  for (int i = 0; i < 20; ++i) size.Took(size.rows(), 1s, 30s);
  EXPECT_EQ(size.rows(), 500);
  size.Restart(30);
  EXPECT_EQ(size.rows(), 30);
}

TEST(RateTest, GivesTheBurstAndThenTheRate) {
  Rate rate(1000);
  TimePoint now = kNow;
  EXPECT_EQ(rate.When(now, Rate::kBurst), now);
  rate.Spend(now, Rate::kBurst);
  EXPECT_EQ(rate.When(now, 0), now);
  EXPECT_EQ(rate.When(now, 5000), now + 5s + 1ms);
  rate.Spend(now, 2000);  // overdrawn
  EXPECT_EQ(rate.When(now, 0), now + 2s + 1ms);
  now += 1h;
  EXPECT_EQ(rate.When(now, Rate::kBurst), now);
  rate.Spend(now, Rate::kBurst + 1000);
  EXPECT_EQ(rate.When(now, 1000), now + 2s + 1ms);
  Rate none(0);
  none.Spend(now, 1'000'000'000);
  EXPECT_EQ(none.When(now, Rate::kBurst), now);
}

TEST(BudgetTest, MonthsBeginOnTheirDay) {
  constexpr Micros kFebruary29{1'709'200'000'000'000};  // 2024-02-29T09:46:40Z
  EXPECT_EQ(Budget::MonthOf(kFebruary29, 1), 2024 * 12 + 1);
  EXPECT_EQ(Budget::MonthOf(kFebruary29, 28), 2024 * 12 + 1);
  EXPECT_EQ(Budget::MonthOf(Micros{1'707'000'000'000'000}, 5), 2024 * 12 + 0);   // 3 February
  EXPECT_EQ(Budget::MonthOf(Micros{1'704'100'000'000'000}, 2), 2023 * 12 + 11);  // 1 January
}

TEST(BudgetTest, AWrongClockDoesNotGiveAwayTheMonth) {
  constexpr int64_t kMonth = int64_t{31} * 86'400'000'000;
  Budget budget(1000, 1);
  budget.Add(10);
  budget.SetTime(Micros{1'700'000'000'000'000});  // the first time that is known
  EXPECT_EQ(budget.used(), 10u);
  budget.Add(1000);
  EXPECT_TRUE(budget.IsOver());
  budget.SetTime(Micros{0});  // back to 1970
  EXPECT_TRUE(budget.IsOver());
  Budget kept(1000, 1);
  kept.Load(1200, Budget::MonthOf(Micros{1'700'000'000'000'000}, 1));
  kept.SetTime(Micros{1'700'000'000'000'000});
  EXPECT_TRUE(kept.IsOver());
  kept.SetTime(Micros{1'700'000'000'000'000 + kMonth});
  EXPECT_FALSE(kept.IsOver());
  EXPECT_EQ(kept.used(), 0u);
  Budget none(0, 1);
  none.Add(1'000'000'000);
  EXPECT_FALSE(none.IsOver());
}

TEST(DrainTimeTest, IsTheRateOfTheLastMinute) {
  DrainTime time;
  EXPECT_EQ(time.Left(kNow, 0), 0s);
  EXPECT_EQ(time.Left(kNow, 10), Duration::max());
  TimePoint now = kNow;
  int64_t waiting = 100'000;
  for (int i = 0; i < 600; ++i, now += 1s, waiting -= 100) time.Note(now, waiting);
  EXPECT_EQ(time.Left(now, waiting), 400s);
  for (int i = 0; i < 120; ++i, now += 1s, waiting += 5) time.Note(now, waiting);
  EXPECT_EQ(time.Left(now, waiting), Duration::max());
}

}  // namespace
}  // namespace roost::outbox
