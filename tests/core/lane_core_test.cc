// Single decisions of a lane, step by step; every state is visited by exhaustive_test.cc.

#include "core/lane_core.h"

#include <gtest/gtest.h>

#include <array>
#include <span>

namespace roost::core {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(100)};

class LaneCoreTest : public ::testing::Test {
 protected:
  explicit LaneCoreTest(int kept = 2, int overflow = 0) {
    core.Init(LaneSettings{.kept = kept,
                           .overflow = overflow,
                           .max_waiters = 4,
                           .backoff_min = std::chrono::seconds(1),
                           .backoff_max = std::chrono::seconds(8)},
              std::span(slots.data(), static_cast<size_t>(kept + overflow)));
  }
  ~LaneCoreTest() override { EXPECT_EQ(core.CheckInvariants(), nullptr); }

  Work JoinAndLook(Waiter& waiter) {
    core.Join(waiter);
    return core.WorkFor(waiter, kNow);
  }
  // Opens a connection for `waiter`, which gets it.
  uint8_t Open(Waiter& waiter) {
    const Work work = JoinAndLook(waiter);
    EXPECT_EQ(work.act, Act::kOpen);
    core.Done(work, {.ok = true, .began = kNow}, &waiter, kNow);
    while (core.NextNotice() != nullptr) {
    }
    EXPECT_EQ(waiter.outcome, Outcome::kGranted);
    return waiter.slot;
  }

  // Of the test, not of its body: the destructor looks at who still stands in line.
  std::array<Waiter, 6> waiters;
  std::array<Slot, 3> slots{};
  LaneCore core;
};

TEST_F(LaneCoreTest, LendsTheConnectionUsedLast) {
  Waiter a;
  Waiter b;
  const uint8_t first = Open(a);
  const uint8_t second = Open(b);
  ASSERT_FALSE(core.Return(second, ReturnAs::kClean, CloseReason::kNone, kNow));
  ASSERT_FALSE(core.Return(first, ReturnAs::kClean, CloseReason::kNone, kNow + Duration(1)));
  uint8_t lent = kNoSlot;
  bool probe = false;
  ASSERT_TRUE(core.TryLend(kNow, 1, {}, lent, probe));
  EXPECT_EQ(lent, first);
}

TEST_F(LaneCoreTest, ACallerWhoseOpenFailsTakesWhatCameBackMeanwhile) {
  Waiter holder;
  const uint8_t held = Open(holder);
  Waiter caller;
  const Work open = JoinAndLook(caller);
  ASSERT_EQ(open.act, Act::kOpen);
  EXPECT_FALSE(core.Return(held, ReturnAs::kClean, CloseReason::kNone, kNow))
      << "it rests: the only caller is at work";
  EXPECT_FALSE(core.Done(open, {.ok = false, .began = kNow}, &caller, kNow));
  EXPECT_EQ(caller.outcome, Outcome::kGranted) << "no error while a connection is idle";
  EXPECT_EQ(caller.slot, held);
  while (core.NextNotice() != nullptr) {
  }
}

TEST_F(LaneCoreTest, ACallerWhoseOpenFailsIsToldWhenThereIsNothingElse) {
  Waiter caller;
  const Work open = JoinAndLook(caller);
  core.Done(open, {.ok = false, .began = kNow}, &caller, kNow);
  EXPECT_EQ(caller.outcome, Outcome::kOpenError);
  EXPECT_EQ(core.NextNotice(), &caller);
}

TEST_F(LaneCoreTest, CallersThatAreServedDoNotFillTheLine) {
  ASSERT_TRUE(JoinAndLook(waiters[0]));
  ASSERT_TRUE(JoinAndLook(waiters[1]));
  for (Waiter& waiter : std::span(waiters).subspan(2)) {
    EXPECT_EQ(core.Admit(kNow), Refusal::kNone);
    EXPECT_FALSE(JoinAndLook(waiter));
    core.Sleep(waiter, TimePoint::max());
  }
  EXPECT_EQ(core.Admit(kNow), Refusal::kFull);
}

}  // namespace
}  // namespace roost::core
