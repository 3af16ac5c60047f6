// When the card may be written: each source, how long it counts, and sources that storm.
#include "tools/roost-node/power.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/tools/made_up_power.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using roost::testing::MadeUpPower;

constexpr TimePoint kStart{1000s};
constexpr Duration kHold = 60s;

class PowerTest : public ::testing::Test {
 protected:
  // Looks at `after` since the start. Whether the card may be written then.
  bool GoodAt(Duration after) {
    power.Look(kStart + after);
    return power.good();
  }
  size_t Descriptors() const {
    std::array<DescriptorWait, Power::kMostDescriptors> out;
    return power.Descriptors(out);
  }

  MadeUpPower line;
  MadeUpPower voltage;
  Power power{{.line = &line, .voltage = &voltage}, kHold};
};

TEST_F(PowerTest, WithoutAnySourceItIsGood) {
  Power alone({}, kHold);
  alone.Look(kStart);
  EXPECT_TRUE(alone.good());
  EXPECT_EQ(alone.next(), TimePoint::max());
  std::array<DescriptorWait, Power::kMostDescriptors> out;
  EXPECT_EQ(alone.Descriptors(out), 0u);
}

TEST_F(PowerTest, ALineSealsOnceAndCountsAsLongAsItIsActive) {
  EXPECT_TRUE(GoodAt(0s));
  line.fails = true;
  EXPECT_FALSE(GoodAt(1s));
  EXPECT_TRUE(power.sealing());
  EXPECT_EQ(power.cause(), Power::Cause::kLine);
  EXPECT_EQ(power.since(), kStart + 1s);
  power.Sealed();
  EXPECT_FALSE(GoodAt(24h));
  EXPECT_FALSE(power.sealing()) << "it was sealed";
  EXPECT_EQ(power.next(), TimePoint::max()) << "the line tells by itself";
  line.fails = false;
  EXPECT_FALSE(GoodAt(24h + 1s));
  EXPECT_EQ(power.next(), kStart + 24h + 1s + Power::kSteady);
  EXPECT_TRUE(GoodAt(24h + 1s + Power::kSteady));
  EXPECT_EQ(power.failures(), 1u);
}

// NUT and UPS boards: power that comes back for a moment while a shutdown runs.
TEST_F(PowerTest, PowerThatComesBackForAMomentIsNotGood) {
  line.fails = true;
  EXPECT_FALSE(GoodAt(0s));
  power.Sealed();
  for (int i = 1; i <= 50; ++i) {
    line.fails = i % 2 == 0;
    EXPECT_FALSE(GoodAt(i * 600ms)) << i;
  }
  line.fails = false;
  EXPECT_FALSE(GoodAt(40s));
  EXPECT_TRUE(GoodAt(41s));
  EXPECT_EQ(power.failures(), 1u) << "one seal for all of it";
}

TEST_F(PowerTest, SigpwrCountsForItsTimeAndAnotherOneBeginsItAnew) {
  power.OnPowerSignal(kStart);
  EXPECT_FALSE(GoodAt(0s));
  EXPECT_EQ(power.cause(), Power::Cause::kSignal);
  power.Sealed();
  EXPECT_EQ(power.next(), kStart + kHold);
  power.OnPowerSignal(kStart + 30s);
  EXPECT_FALSE(GoodAt(kHold));
  EXPECT_FALSE(GoodAt(89s));
  EXPECT_TRUE(GoodAt(90s));
  EXPECT_EQ(power.failures(), 1u);
}

TEST_F(PowerTest, SighupEndsWhatSigpwrBeganAndNothingElse) {
  power.OnPowerSignal(kStart);
  EXPECT_FALSE(GoodAt(0s));
  power.Sealed();
  power.OnHangUp();
  EXPECT_TRUE(GoodAt(1s));
  line.fails = true;
  EXPECT_FALSE(GoodAt(2s));
  power.Sealed();
  power.OnHangUp();
  EXPECT_FALSE(GoodAt(3s));
}

// The loop may be held up between the signal and the look.
TEST_F(PowerTest, ASignalWhoseTimeIsOverBeforeItIsSeenSealsAllTheSame) {
  power.OnPowerSignal(kStart);
  EXPECT_FALSE(GoodAt(kHold + 1s));
  EXPECT_TRUE(power.sealing());
}

// A supply that is always too weak: the alarm is on for days.
TEST_F(PowerTest, UnderVoltageCountsWhileItLastsButNotForEver) {
  voltage.fails = true;
  EXPECT_FALSE(GoodAt(0s));
  EXPECT_EQ(power.cause(), Power::Cause::kVoltage);
  power.Sealed();
  EXPECT_EQ(power.next(), kStart + kHold);
  EXPECT_FALSE(GoodAt(kHold - 1s));
  EXPECT_FALSE(GoodAt(kHold));
  EXPECT_TRUE(GoodAt(kHold + Power::kSteady));
  EXPECT_TRUE(GoodAt(48h)) << "it is on without an end";
  voltage.fails = false;
  EXPECT_TRUE(GoodAt(49h));
  voltage.fails = true;
  EXPECT_FALSE(GoodAt(50h)) << "it is on again";
  EXPECT_EQ(power.failures(), 2u);
}

TEST_F(PowerTest, TheLineCountsWhereSeveralSaySo) {
  voltage.fails = true;
  EXPECT_FALSE(GoodAt(0s));
  power.Sealed();
  line.fails = true;
  power.OnPowerSignal(kStart);
  EXPECT_FALSE(GoodAt(1s));
  EXPECT_EQ(power.cause(), Power::Cause::kLine);
  voltage.fails = false;
  EXPECT_FALSE(GoodAt(10 * kHold)) << "the line is active";
}

TEST_F(PowerTest, ASourceThatStormsIsNotWaitedForButLookedAt) {
  EXPECT_EQ(Descriptors(), 2u);
  int looks = 0;
  for (Duration at{}; Descriptors() > 0; at += 1us, ++looks) ASSERT_TRUE(GoodAt(at));
  EXPECT_EQ(looks, Power::kMostLooks + 1);
  EXPECT_EQ(power.next(), kStart + Power::kWindow);
  line.fails = true;
  EXPECT_FALSE(GoodAt(Power::kWindow));
  EXPECT_EQ(Descriptors(), 2u);
}

}  // namespace
}  // namespace roost::tools
