// tests/pool/hold_times_test.cc - Stats::hold where the idle stack lends: rare leases are timed, all
// leases are counted, and frequent ones cost next to nothing.

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

struct Timed : Plain<2, 1> {
  static constexpr bool kHoldTimes = true;
  static constexpr Duration kLinger = 1h;
};

// No observer: else the idle stacks stay closed.
class HoldTimesTest : public PoolTest {
 protected:
  PoolOptions Options() { return {.name = "main", .platform = &platform}; }
  void Hold(Duration span) {
    Lease lease = Take(pool);
    platform.Advance(span);
  }
  // Each lease that began has ended.
  void ExpectEachCounted(uint64_t leases) {
    const Stats stats = pool.stats();
    EXPECT_EQ(stats.checkouts, leases);
    EXPECT_EQ(stats.hold.total(), leases);
  }

  PoolFor<Timed> pool{backend, Options()};
};

TEST_F(HoldTimesTest, LeasesThatAreAMillisecondApartAreAllTimed) {
  Duration sum{};
  for (int i = 1; i <= 100; ++i) {
    const Duration held = std::chrono::microseconds(i * 37 % 100 * 10);
    Hold(held);
    sum += held;
    platform.Advance(1ms);
  }
  ExpectEachCounted(100);
  EXPECT_EQ(pool.stats().hold.sum(), sum);
}

TEST_F(HoldTimesTest, OfFrequentLeasesFewReadTheClock) {
  Hold(1us);
  const int before = platform.clock_reads();
  for (int i = 0; i < 12'800; ++i) Hold(1us);
  const int reads = platform.clock_reads() - before - 12'800;  // besides the deadlines
  const int timed = reads / 5;                                 // the readings of a timed lease
  EXPECT_LT(timed, 200) << "one of 128, and some at the beginning";
  EXPECT_GT(timed, 60);
  ExpectEachCounted(12'801);
  EXPECT_EQ(pool.stats().hold.sum(), 12'801us);
}

// A choice of each 128th lease would see long ones alone, or none.
TEST_F(HoldTimesTest, TheChoiceDoesNotFollowARhythmOfTheProgram) {
  constexpr int kLeases = 64'000;
  for (int i = 0; i < kLeases; ++i) Hold(i % 128 == 3 ? 130us : 2us);
  ExpectEachCounted(kLeases);
  const Duration truth = kLeases / 128 * 130us + kLeases / 128 * 127 * 2us;
  const Duration sum = pool.stats().hold.sum();
  EXPECT_GT(sum, truth * 2 / 3);
  EXPECT_LT(sum, truth * 3 / 2);
  EXPECT_NE(sum, kLeases * 2us);
}

TEST_F(HoldTimesTest, ALongLeaseAmongManyShortOnesCountsForAsLongAsLooksSawIt) {
  for (int i = 0; i < 3000; ++i) Hold(1us);
  {
    Lease held = Take(pool);
    for (int i = 0; i < 5; ++i) {
      platform.Advance(1s);
      pool.Tick(platform.Now());
    }
    platform.Advance(500ms);
  }
  ExpectEachCounted(3001);
  EXPECT_GE(pool.stats().hold.max(), 4s) << "from the first look to the last";
  EXPECT_LE(pool.stats().hold.max(), 5500ms);
}

// A look met the lease, which ended soon after that: the rest of the time is nobody's.
TEST_F(HoldTimesTest, ARestAfterALookIsNoPartOfTheLease) {
  for (int i = 0; i < 3000; ++i) Hold(1us);
  {
    Lease held = Take(pool);
    EXPECT_EQ(pool.stats().in_use, 1);
  }
  platform.Advance(20s);
  for (int i = 0; i < 300; ++i) Hold(1us);
  EXPECT_EQ(pool.stats().hold.max(), 1us);
  ExpectEachCounted(3301);
}

TEST_F(HoldTimesTest, AfterALookTheNextLeaseIsTimed) {
  for (int i = 0; i < 3000; ++i) Hold(1us);
  platform.Advance(1s);
  pool.Tick(platform.Now());
  Hold(3s);
  EXPECT_EQ(pool.stats().hold.max(), 3s);
  ExpectEachCounted(3001);
}

TEST_F(HoldTimesTest, ATimedLeaseIsReportedAsHeldForExactlySoLong) {
  Take(pool).Return();
  platform.Advance(1s);
  Lease held = Take(pool);
  platform.Advance(2s);
  std::array<char, 1000> text;
  EXPECT_THAT(std::string(pool.Report(text)), HasSubstr(" for 2.00 s"));
  EXPECT_EQ(pool.stats().longest_hold, 2s);
}

TEST_F(HoldTimesTest, EveryWayToEndALeaseCountsItOnce) {
  constexpr int kRounds = 500;
  for (int i = 0; i < kRounds; ++i) {
    Hold(1us);
    Lease a = Take(pool), b = Take(pool);
    platform.Advance(1us);
    if (i % 7 == 0) Scripted(a).MakeDirty();
    if (i % 11 == 0) b.Discard();
    if (i % 13 == 0) (void)a.Detach();
    if (i % 17 == 0) {
      const Stats stats = pool.stats();
      EXPECT_EQ(stats.hold.total() + static_cast<uint64_t>(stats.in_use), stats.checkouts);
    }
    if (i % 19 == 0) pool.InvalidateAll();
    if (i % 23 == 0) platform.Advance(10ms);
  }
  ExpectEachCounted(3 * kRounds);
}

TEST_F(HoldTimesTest, ATimedLeaseOfAThirdCallerSetsThePeak) {
  ASSERT_TRUE(pool.Fill(2, pool.In(1s)).ok());
  Lease a = Take(pool), b = Take(pool);
  EXPECT_EQ(pool.stats().peak_in_use, 2);
  EXPECT_EQ(pool.stats().in_use, 2);
}

}  // namespace
}  // namespace roost
