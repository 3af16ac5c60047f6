// tests/core/lane_core_test.cc - the life of a connection, a case for each row of the table in
// src/README.md. exhaustive_test.cc visits every state; these are to be read.

#include "core/lane_core.h"

#include <gtest/gtest.h>

#include <array>
#include <span>

namespace roost::core {
namespace {

using std::chrono::seconds;

class LaneCoreTest : public ::testing::Test {
 protected:
  // Two connections stay open; one more may be open under load.
  LaneCoreTest() {
    settings.pool_size = 2;
    settings.max_overflow = 1;
    settings.max_waiters = 4;
    settings.backoff_min = seconds(1);
    settings.backoff_max = seconds(8);
    settings.pool_recycle = seconds(1000);
    settings.ping_after = seconds(30);
    core.Init(settings, settings.pool_size, slots);
  }
  ~LaneCoreTest() override { EXPECT_EQ(core.CheckInvariants(), nullptr); }

  Action EnqueueAndAct(Waiter& waiter) {
    core.queue().Enqueue(waiter);
    return core.ActionFor(waiter, now);
  }
  Action Done(const Action& action, bool ok, Waiter* performer = nullptr) {
    return core.OnActionDone(action, {.ok = ok, .began_at = now}, performer, now);
  }
  Action Return(uint8_t slot, ReturnAs as) {
    return core.Return(slot, as, CloseReason::kBroken, now);
  }
  // Opens a connection for a caller, which gets it.
  uint8_t Open() {
    Waiter caller;
    const Action open = EnqueueAndAct(caller);
    EXPECT_EQ(open.kind, ActionKind::kOpen);
    Done(open, true, &caller);
    EXPECT_EQ(core.queue().NextNotification(), &caller);
    EXPECT_EQ(caller.outcome, Outcome::kGranted);
    return caller.slot;
  }
  // A connection that no one uses.
  uint8_t OpenIdle() {
    const uint8_t slot = Open();
    EXPECT_FALSE(Return(slot, ReturnAs::kClean));
    return slot;
  }
  // A caller that waits for another holder.
  void Wait(Waiter& waiter) {
    EXPECT_FALSE(EnqueueAndAct(waiter));
    core.Sleep(waiter, TimePoint::max());
  }
  // What a newcomer gets without waiting; kNoSlot: nothing.
  uint8_t Borrow() {
    uint8_t slot = kNoSlot;
    bool probe = false;
    return core.TryLend(now, 1, {}, slot, probe) ? slot : kNoSlot;
  }
  // Other sizes, as Pool::Tune gives them.
  void Tune(int core_size, int overflow) {
    settings.pool_size = core_size;
    settings.max_overflow = overflow;
    core.Tune(core_size, core_size + overflow, /*ages_changed=*/false, now);
  }
  SlotState StateOf(uint8_t slot) const { return core.slots()[slot].state; }

  TimePoint now{seconds(100)};
  PoolSettings settings;
  // Members, so that the destructor can check which callers still wait.
  std::array<Waiter, 8> waiters;
  std::array<Slot, 3> slots{};
  LaneCore core;
};

TEST_F(LaneCoreTest, AnEmptySlotIsOpenedForACallerThatIsShortOfAConnection) {
  const Action open = EnqueueAndAct(waiters[0]);
  EXPECT_EQ(open.kind, ActionKind::kOpen);
  EXPECT_EQ(StateOf(open.slot), SlotState::kOpening);
}

TEST_F(LaneCoreTest, AnOpenedConnectionGoesToTheCallerThatOpenedIt) {
  const uint8_t slot = Open();
  EXPECT_EQ(StateOf(slot), SlotState::kLeased);
}

TEST_F(LaneCoreTest, TheFirstFailedOpenIsTriedAgainAtOnceAndTheSecondPausesTheLane) {
  settings.when_away = WhenAway::kWait;
  const Action first = EnqueueAndAct(waiters[0]);
  EXPECT_FALSE(Done(first, false, &waiters[0]));
  EXPECT_EQ(StateOf(first.slot), SlotState::kEmpty);
  const Action second = core.ActionFor(waiters[0], now);
  ASSERT_EQ(second.kind, ActionKind::kOpen);
  EXPECT_FALSE(Done(second, false, &waiters[0]));
  EXPECT_EQ(StateOf(second.slot), SlotState::kBackingOff);
  EXPECT_FALSE(core.ActionFor(waiters[0], now)) << "nothing is opened during the pause";
  now += seconds(1);
  EXPECT_EQ(core.ActionFor(waiters[0], now).kind, ActionKind::kOpen);
}

TEST_F(LaneCoreTest, ACallerWhoseOpenFailsIsToldWhenThereIsNothingElse) {
  Waiter caller;
  const Action open = EnqueueAndAct(caller);
  Done(open, false, &caller);
  EXPECT_EQ(caller.outcome, Outcome::kOpenError);
  EXPECT_EQ(core.queue().NextNotification(), &caller);
}

TEST_F(LaneCoreTest, ACallerWhoseOpenFailsTakesWhatCameBackMeanwhile) {
  const uint8_t held = Open();
  Waiter caller;
  const Action open = EnqueueAndAct(caller);
  ASSERT_EQ(open.kind, ActionKind::kOpen);
  EXPECT_FALSE(Return(held, ReturnAs::kClean)) << "idle: the only caller is at work";
  EXPECT_FALSE(Done(open, false, &caller));
  EXPECT_EQ(caller.outcome, Outcome::kGranted) << "no error while a connection is idle";
  EXPECT_EQ(caller.slot, held);
  EXPECT_EQ(core.queue().NextNotification(), &caller);
}

TEST_F(LaneCoreTest, TheIdleConnectionUsedLastIsLentFirst) {
  const uint8_t first = Open();
  const uint8_t second = Open();
  ASSERT_FALSE(Return(second, ReturnAs::kClean));
  now += Duration(1);
  ASSERT_FALSE(Return(first, ReturnAs::kClean));
  EXPECT_EQ(Borrow(), first);
}

TEST_F(LaneCoreTest, AnIdleConnectionThatMustAnswerFirstIsPinged) {
  settings.pre_ping = PrePing::kAfterIdle;
  const uint8_t slot = OpenIdle();
  now += settings.ping_after;
  EXPECT_EQ(Borrow(), kNoSlot);
  const Action ping = EnqueueAndAct(waiters[0]);
  EXPECT_EQ(ping.kind, ActionKind::kPing);
  EXPECT_EQ(StateOf(slot), SlotState::kPinging);
  EXPECT_FALSE(Done(ping, true, &waiters[0]));
  EXPECT_EQ(waiters[0].outcome, Outcome::kGranted);
  EXPECT_EQ(core.queue().NextNotification(), &waiters[0]);
}

TEST_F(LaneCoreTest, AConnectionThatDoesNotAnswerIsClosedAndItsOlderSiblingsAreReplaced) {
  settings.pre_ping = PrePing::kAlways;
  const uint8_t held = Open();
  OpenIdle();
  const Action ping = EnqueueAndAct(waiters[0]);
  ASSERT_EQ(ping.kind, ActionKind::kPing);
  const Action close = Done(ping, false, &waiters[0]);
  EXPECT_EQ(close.kind, ActionKind::kClose);
  EXPECT_EQ(close.reason, CloseReason::kPingFailed);
  const Action sibling = Return(held, ReturnAs::kClean);
  EXPECT_EQ(sibling.kind, ActionKind::kClose) << "it is not asked";
  EXPECT_EQ(sibling.reason, CloseReason::kSuspect);
}

TEST_F(LaneCoreTest, AnIdleConnectionGetsMaintenanceWhenItIsDue) {
  settings.keep_alive = seconds(60);
  const uint8_t slot = OpenIdle();
  EXPECT_FALSE(core.NextMaintenance(now));
  now = core.NextDue();
  const Action maintain = core.NextMaintenance(now);
  EXPECT_EQ(maintain.kind, ActionKind::kMaintain);
  EXPECT_FALSE(Done(maintain, true));
  EXPECT_EQ(StateOf(slot), SlotState::kIdle);
}

TEST_F(LaneCoreTest, AnIdleConnectionThatIsTooOldIsClosed) {
  OpenIdle();
  now += settings.pool_recycle + Duration(1);
  const Action close = core.NextMaintenance(now);
  EXPECT_EQ(close.kind, ActionKind::kClose);
  EXPECT_EQ(close.reason, CloseReason::kRecycled);
  EXPECT_FALSE(Done(close, true));
  EXPECT_EQ(StateOf(close.slot), SlotState::kEmpty);
}

TEST_F(LaneCoreTest, AReturnedConnectionIsHandedToTheOldestWaiter) {
  std::array<uint8_t, 3> held{Open(), Open(), Open()};
  Wait(waiters[0]);
  Wait(waiters[1]);
  EXPECT_FALSE(Return(held[1], ReturnAs::kClean));
  EXPECT_EQ(waiters[0].outcome, Outcome::kGranted);
  EXPECT_TRUE(waiters[0].handed_off);
  EXPECT_EQ(waiters[0].slot, held[1]);
  EXPECT_EQ(waiters[1].outcome, Outcome::kWaiting);
  EXPECT_EQ(core.queue().NextNotification(), &waiters[0]);
  EXPECT_EQ(core.queue().NextNotification(), nullptr);
}

TEST_F(LaneCoreTest, OverflowThatNobodyWaitsForIsClosedAtItsReturn) {
  std::array<uint8_t, 3> held{Open(), Open(), Open()};
  EXPECT_FALSE(Return(held[0], ReturnAs::kClean));
  EXPECT_FALSE(Return(held[1], ReturnAs::kClean));
  const Action close = Return(held[2], ReturnAs::kClean);
  EXPECT_EQ(close.kind, ActionKind::kClose);
  EXPECT_EQ(close.reason, CloseReason::kOverflow);
}

TEST_F(LaneCoreTest, OverflowLingersWhereTheProfileSaysSo) {
  settings.linger = seconds(5);
  core.Init(settings, settings.pool_size, slots);
  std::array<uint8_t, 3> held{Open(), Open(), Open()};
  for (const uint8_t slot : held) EXPECT_FALSE(Return(slot, ReturnAs::kClean));
  EXPECT_EQ(core.slots().count(SlotState::kIdle), 3);
  now += settings.linger;
  const Action close = core.NextMaintenance(now);
  EXPECT_EQ(close.reason, CloseReason::kLingered);
  EXPECT_EQ(close.slot, held[0]) << "the one that is idle for longest";
}

TEST_F(LaneCoreTest, ADirtyConnectionIsResetBeforeAnyoneGetsIt) {
  const uint8_t slot = Open();
  const Action reset = Return(slot, ReturnAs::kDirty);
  EXPECT_EQ(reset.kind, ActionKind::kReset);
  EXPECT_EQ(Borrow(), kNoSlot);
  EXPECT_FALSE(Done(reset, true));
  EXPECT_EQ(Borrow(), slot);
}

TEST_F(LaneCoreTest, AConnectionThatAsksForMaintenanceGetsItAtItsReturnAlsoAfterAReset) {
  const uint8_t slot = Open();
  const Action maintain = Return(slot, ReturnAs::kWantsMaintenance);
  EXPECT_EQ(maintain.kind, ActionKind::kMaintain);
  EXPECT_FALSE(Done(maintain, true));
  EXPECT_EQ(Borrow(), slot);
  const Action reset = Return(slot, ReturnAs::kDirty);
  ActionResult result;
  result.ok = result.wants_maintenance = true;
  const Action then = core.OnActionDone(reset, result, nullptr, now);
  EXPECT_EQ(then.kind, ActionKind::kMaintain);
  EXPECT_EQ(Borrow(), kNoSlot);
}

TEST_F(LaneCoreTest, AConnectionThatCannotBeResetIsClosed) {
  const Action reset = Return(Open(), ReturnAs::kDirty);
  const Action close = Done(reset, false);
  EXPECT_EQ(close.kind, ActionKind::kClose);
  EXPECT_EQ(close.reason, CloseReason::kResetFailed);
}

TEST_F(LaneCoreTest, ABrokenConnectionCountsUntilItIsClosed) {
  const uint8_t slot = Open();
  const Action close = Return(slot, ReturnAs::kBroken);
  EXPECT_EQ(close.kind, ActionKind::kClose);
  EXPECT_EQ(core.slots().open(), 1) << "the server still has the session";
  EXPECT_FALSE(Done(close, true));
  EXPECT_EQ(core.slots().open(), 0);
}

TEST_F(LaneCoreTest, ADetachedConnectionLeavesAnEmptySlot) {
  const uint8_t slot = Open();
  core.Detach(slot, now);
  EXPECT_EQ(StateOf(slot), SlotState::kEmpty);
}

// ---- Other sizes ----

TEST_F(LaneCoreTest, ASurplusConnectionIsClosedAtItsReturnAlsoWhileACallerWaits) {
  const uint8_t a = Open(), b = Open(), c = Open();
  Waiter& waiter = waiters[0];
  Wait(waiter);
  Tune(1, 0);
  for (const uint8_t slot : {a, b}) {
    const Action close = Return(slot, ReturnAs::kDirty);
    EXPECT_EQ(close.kind, ActionKind::kClose) << "and is not reset before";
    EXPECT_EQ(close.reason, CloseReason::kOverflow);
    EXPECT_FALSE(Done(close, true));
  }
  EXPECT_FALSE(waiter.awake) << "nothing may be opened for it";
  EXPECT_FALSE(Return(c, ReturnAs::kClean));
  EXPECT_EQ(waiter.outcome, Outcome::kGranted);
}

TEST_F(LaneCoreTest, AnIdleSurplusConnectionIsMarkedThatUsedLongestAgoFirst) {
  const uint8_t a = Open(), b = Open();
  Return(a, ReturnAs::kClean);
  now += seconds(1);
  Return(b, ReturnAs::kClean);
  Tune(1, 0);
  const Action close = core.NextEvicted();
  EXPECT_EQ(close.slot, a);
  Done(close, true);
  EXPECT_FALSE(core.NextEvicted());
  EXPECT_EQ(Borrow(), b);
}

TEST_F(LaneCoreTest, ASurplusOpenIsClosedWhenItEnds) {
  const uint8_t held = Open();
  Waiter& opener = waiters[0];
  const Action open = EnqueueAndAct(opener);
  Tune(1, 0);
  const Action close = Done(open, true, &opener);
  EXPECT_EQ(close.reason, CloseReason::kOverflow);
  Done(close, true, &opener);
  EXPECT_FALSE(core.ActionFor(opener, now)) << "nor opened anew";
  core.Sleep(opener, TimePoint::max());
  Return(held, ReturnAs::kClean);
  EXPECT_EQ(opener.outcome, Outcome::kGranted);
}

TEST_F(LaneCoreTest, AWaiterIsWokenToOpenWhenTheLaneGrows) {
  Tune(1, 0);
  Open();
  Waiter& waiter = waiters[0];
  Wait(waiter);
  Tune(2, 0);
  EXPECT_EQ(core.queue().NextNotification(), &waiter);
  EXPECT_EQ(core.ActionFor(waiter, now).kind, ActionKind::kOpen);
}

TEST_F(LaneCoreTest, CallersThatAreServedDoNotFillTheWaitQueue) {
  for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(EnqueueAndAct(waiters[i])) << "it opens";
  for (size_t i = 3; i < 7; ++i) {
    EXPECT_EQ(core.Admit(now), Refusal::kNone);
    Wait(waiters[i]);
  }
  EXPECT_EQ(core.Admit(now), Refusal::kFull);
}

}  // namespace
}  // namespace roost::core
