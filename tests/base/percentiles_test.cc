// Percentiles by nearest rank, and the doubling pause of a back-off.
#include "base/percentiles.h"

#include <gtest/gtest.h>

#include "base/backoff.h"

namespace roost::internal {
namespace {

using namespace std::chrono_literals;

TEST(PercentilesTest, EachIsOneOfTheSpans) {
  const Percentiles three = PercentilesOf({3ms, 1ms, 2ms});
  EXPECT_EQ(three.count, 3u);
  EXPECT_EQ(three.p50, 2ms);
  EXPECT_EQ(three.p99, 3ms);
  EXPECT_EQ(three.max, 3ms);
  std::vector<Duration> thousand;
  for (int i = 1000; i > 0; --i) thousand.push_back(std::chrono::milliseconds(i));
  EXPECT_EQ(PercentilesOf(thousand).p50, 500ms);
  EXPECT_EQ(PercentilesOf(thousand).p99, 990ms);
}

TEST(PercentilesTest, AreSaidInOneLine) {
  EXPECT_EQ(FormatPercentiles({.count = 9, .p50 = 12us, .p99 = 80us, .max = 1200us}),
            "p50 12 us, p99 80 us, max 1.2 ms");
}

TEST(NextPauseTest, DoublesBetweenItsBounds) {
  EXPECT_EQ(NextPause(0ns, 100ms, 10s), 100ms);
  EXPECT_EQ(NextPause(20ms, 100ms, 10s), 100ms);
  EXPECT_EQ(NextPause(100ms, 100ms, 10s), 200ms);
  EXPECT_EQ(NextPause(6400ms, 100ms, 10s), 10s);
  EXPECT_EQ(NextPause(10s, 100ms, 10s), 10s);
}

TEST(NextPauseTest, DoesNotOverflow) {
  EXPECT_EQ(NextPause(Duration::max() / 2 + 1ns, 1s, Duration::max()), Duration::max());
  EXPECT_EQ(NextPause(Duration::max(), 1s, Duration::max()), Duration::max());
}

}  // namespace
}  // namespace roost::internal
