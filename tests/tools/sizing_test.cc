// The guide's formula and Erlang's, against numbers worked out by other means.
#include "tools/roostctl/sizing.h"

#include <gtest/gtest.h>

#include <cmath>

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

TEST(FormulaSizeTest, GivesTheGuidesExample) { EXPECT_EQ(FormulaSize(100, 50ms, 100ms), 50); }

TEST(FormulaSizeTest, RoundsUpAndOnlyThen) {
  EXPECT_EQ(FormulaSize(3, 100ms, 300ms), 1);
  EXPECT_EQ(FormulaSize(10, 100ms, 300ms), 4);
  EXPECT_EQ(FormulaSize(7, 10ms, 70ms), 1);
  EXPECT_EQ(FormulaSize(7, 10ms, 69999999ns), 2);
  EXPECT_EQ(FormulaSize(1, 1us, 1h), 1);
}

TEST(FormulaSizeTest, DoesNotOverflow) {
  EXPECT_EQ(FormulaSize(kMaxRequests, 24h, 1us), kMaxRequests * 86400 * 1000000);
  EXPECT_EQ(FormulaSize(kMaxRequests, Duration::max(), 1ns), INT64_MAX);
}

// The textbook's sum: C = (a^c/c!) / ((1 - a/c) * sum(a^k/k!, k < c) + a^c/c!).
double ErlangCBySum(int servers, double load) {
  double term = 1;
  double sum = 0;
  for (int k = 0; k < servers; ++k) {
    sum += term;
    term *= load / (k + 1);
  }
  return term / ((1 - load / servers) * sum + term);
}

TEST(WaitingProbabilityTest, OfOneServerIsItsUtilisation) {
  EXPECT_DOUBLE_EQ(WaitingProbability(1, 0.3), 0.3);
  EXPECT_DOUBLE_EQ(WaitingProbability(1, 0.99), 0.99);
}

TEST(WaitingProbabilityTest, OfTwoServersAtHalfLoadIsAThird) {
  EXPECT_NEAR(WaitingProbability(2, 1.0), 1.0 / 3.0, 1e-12);
}

TEST(WaitingProbabilityTest, AgreesWithTheSum) {
  for (int servers = 1; servers <= 60; ++servers) {
    for (double use = 0.05; use < 1.0; use += 0.05) {
      const double load = use * servers;
      EXPECT_NEAR(WaitingProbability(servers, load), ErlangCBySum(servers, load), 1e-9)
          << servers << " servers, load " << load;
    }
  }
}

TEST(WaitingProbabilityTest, IsStableForSizesWhereTheSumOverflows) {
  const double probability = WaitingProbability(100000, 99000.0);
  EXPECT_GT(probability, 0.0);
  EXPECT_LT(probability, 0.01);
  EXPECT_NEAR(WaitingProbability(100000, 99999.0), 1.0, 0.01);
}

TEST(WaitingProbabilityTest, IsOneWhenServersCannotKeepUp) {
  EXPECT_EQ(WaitingProbability(50, 50.0), 1.0);
  EXPECT_EQ(WaitingProbability(50, 80.0), 1.0);
}

Load GuidesLoad() {
  return {.requests = 100, .query = 50ms, .wait = 100ms, .rate = ImpliedRate(100, 50ms, 100ms)};
}

TEST(PredictTest, UsesLittlesLawForTheGuidesExample) {
  const Prediction p = Predict(50, GuidesLoad());
  EXPECT_NEAR(GuidesLoad().rate, 666.667, 0.001);
  EXPECT_NEAR(p.load, 33.3333, 0.0001);
  EXPECT_NEAR(p.utilisation, 0.666667, 1e-6);
  EXPECT_NEAR(p.waiting, ErlangCBySum(50, p.load), 1e-9);
  EXPECT_NEAR(p.mean_wait_s, p.waiting * 0.05 / (50 - p.load), 1e-12);
  EXPECT_LT(p.over, p.waiting);
}

TEST(PredictTest, OneServerWaitsAsTheQueueMM1) {
  // M/M/1 with utilisation 0.8 and service 10 ms: mean wait 0.8 / (1 - 0.8) * 10 ms.
  const Prediction p = Predict(1, {.requests = 1, .query = 10ms, .wait = 40ms, .rate = 80});
  EXPECT_NEAR(p.mean_wait_s, 0.04, 1e-12);
  EXPECT_NEAR(p.over, 0.8 * std::exp(-0.8), 1e-12);
}

TEST(PredictTest, AnOverloadedPoolWaitsWithoutBound) {
  const Prediction p = Predict(50, {.requests = 100, .query = 50ms, .wait = 100ms, .rate = 1000});
  EXPECT_EQ(p.waiting, 1.0);
  EXPECT_EQ(p.over, 1.0);
  EXPECT_TRUE(std::isinf(p.mean_wait_s));
}

TEST(SmallestSizeTest, IsEnoughAndOneLessIsNot) {
  for (const double rate : {1.0, 100.0, 666.7, 1000.0, 5000.0}) {
    Load load = GuidesLoad();
    load.rate = rate;
    const int64_t size = SmallestSize(load, 0.01);
    EXPECT_LE(Predict(size, load).over, 0.01);
    if (size == 1) continue;
    EXPECT_GT(Predict(size - 1, load).over, 0.01) << rate;
  }
}

TEST(BudgetTest, IsTwentyToThirtyPercent) {
  const Budget budget = BudgetFor(50, 100);
  EXPECT_EQ(budget.low, 20);
  EXPECT_EQ(budget.high, 30);
  EXPECT_DOUBLE_EQ(budget.share, 0.5);
  EXPECT_EQ(budget.max_connections, 167);
  EXPECT_LE(50, BudgetFor(50, budget.max_connections).high);
  EXPECT_GT(50, BudgetFor(50, budget.max_connections - 1).high);
}

}  // namespace
}  // namespace roost::tools
