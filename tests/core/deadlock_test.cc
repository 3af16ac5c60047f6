// tests/core/deadlock_test.cc - CouldOnlyDeadlock: true when a wait cannot end, and only then.

#include "core/deadlock.h"

#include <gtest/gtest.h>

#include <array>

namespace roost::core {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(100)};

// A lane whose slots are all open and idle.
struct Lane {
  explicit Lane(int size) {
    settings.pool_size = size;
    settings.max_waiters = 8;
    core.Init(settings, size, std::span(slots.data(), static_cast<size_t>(size)));
    for (int i = 0; i < size; ++i) {
      const Action action = core.NextFill(i + 1, kNow);
      core.OnActionDone(action, {.ok = true, .began_at = kNow}, nullptr, kNow);
    }
  }
  void Hold(uint64_t thread) {
    uint8_t slot = 0;
    bool probe = false;
    ASSERT_TRUE(core.TryLend(kNow, thread, {}, slot, probe));
  }
  void Wait(uint64_t thread) {
    Waiter& waiter = waiters[static_cast<size_t>(waiting++)];
    waiter.thread = thread;
    core.queue().Enqueue(waiter);
  }
  std::array<Slot, 4> slots{};
  std::array<Waiter, 4> waiters{};
  int waiting = 0;
  PoolSettings settings;
  LaneCore core;
};

bool Stuck(const Lane& lane, uint64_t thread) {
  const std::array<const LaneCore*, 1> lanes{&lane.core};
  return CouldOnlyDeadlock(lanes, 0, thread);
}

bool Stuck(const Lane& a, const Lane& b, size_t wants, uint64_t thread) {
  const std::array<const LaneCore*, 2> lanes{&a.core, &b.core};
  return CouldOnlyDeadlock(lanes, wants, thread);
}

TEST(CouldOnlyDeadlock, WhenTheCallerHoldsEverything) {
  Lane lane(1);
  lane.Hold(7);
  EXPECT_TRUE(Stuck(lane, 7));
}

TEST(CouldOnlyDeadlock, NotForACallerThatHoldsNothing) {
  Lane lane(1);
  lane.Hold(7);
  EXPECT_FALSE(Stuck(lane, 8));
}

TEST(CouldOnlyDeadlock, NotWhileAnotherHolderMoves) {
  Lane lane(2);
  lane.Hold(7);
  lane.Hold(8);
  EXPECT_FALSE(Stuck(lane, 7));
  lane.Wait(8);
  EXPECT_TRUE(Stuck(lane, 7)) << "the other holder waits as well";
}

TEST(CouldOnlyDeadlock, NotWhileASlotIsFree) {
  Lane lane(2);
  lane.Hold(7);
  EXPECT_FALSE(Stuck(lane, 7));
}

TEST(CouldOnlyDeadlock, WhenTheFreeSlotsAreBeyondTheSizesInForce) {
  Lane lane(2);
  lane.core.Tune(1, 1, false, kNow);
  lane.core.OnActionDone(lane.core.NextEvicted(), {.ok = true, .began_at = kNow}, nullptr, kNow);
  lane.Hold(7);
  EXPECT_TRUE(Stuck(lane, 7));
  lane.core.Tune(2, 2, false, kNow);
  EXPECT_FALSE(Stuck(lane, 7));
}

TEST(CouldOnlyDeadlock, AcrossLanes) {
  Lane writers(1);
  Lane readers(1);
  writers.Hold(7);
  readers.Hold(8);
  EXPECT_FALSE(Stuck(writers, readers, 1, 7)) << "the reader can return";
  writers.Wait(8);
  EXPECT_TRUE(Stuck(writers, readers, 1, 7)) << "each holds what the other wants";
}

TEST(CouldOnlyDeadlock, NotForALeaseNobodyStandsFor) {
  Lane lane(2);
  lane.Hold(7);
  lane.Hold(0);
  EXPECT_FALSE(Stuck(lane, 7));
}

}  // namespace
}  // namespace roost::core
