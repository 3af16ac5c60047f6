// tests/pool/waiting_test.cc - the wait queue: order, hand-off, deadlines, its bound, spurious
// wake-ups.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using WaitingTest = PoolTest;

struct TwoSeconds : Plain<3> {
  static constexpr Duration kPoolTimeout = 2s;
};
struct ShortLine : Plain<1> {
  static constexpr int kMaxWaiters = 2;
};
struct ByHousekeeper : Plain<1> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};
struct Pinging : Plain<2, 1> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr Duration kBackoffMin = 1ms;
  static constexpr Duration kBackoffMax = 2ms;
};

// As SQLAlchemy's QueuePoolTest.test_timeout.
TEST_F(WaitingTest, TimesOutWithTheGuidesSentence) {
  PoolFor<TwoSeconds> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  const TimePoint start = Now();
  const absl::Status status = pool.Acquire().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(),
            "QueuePool limit of size 3 overflow 0 reached, connection timed out, timeout 2.00");
  EXPECT_EQ(Now(), start + 2s);
  EXPECT_EQ(pool.stats().timeouts, 1u);
  EXPECT_EQ(pool.stats().waiting, 0);
  EXPECT_EQ(events.last(EventKind::kTimeout).span, 2s);
}

TEST_F(WaitingTest, ATimeOutNamesTheLimitOnlyWhereItIsReached) {
  PoolFor<Plain<1>> pool(backend, Options());
  pool.Pause();
  absl::Status status = pool.Acquire(kWrite, pool.In(50ms)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("is paused: nobody is lent a connection until Resume"));
  EXPECT_THAT(pool.TryAcquire().status().message(), HasSubstr("no connection is free"));
  pool.Resume();
  Lease held = Take(pool);
  EXPECT_THAT(pool.TryAcquire().status().message(), HasSubstr("no connection is free"));
  EXPECT_THAT(pool.Acquire(kWrite, pool.In(50ms)).status().message(), HasSubstr("limit of size 1"));
}

TEST_F(WaitingTest, ATimeOutWhileAConnectionIsOpenedSaysSo) {
  PoolFor<ByHousekeeper> pool(backend, Options());
  backend.GoInSteps(1);
  const absl::Status status = pool.Acquire(kWrite, pool.In(50ms)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(),
              HasSubstr("no connection could be opened, checked or closed in time"));
}

TEST_F(WaitingTest, TimesOutAtTheCallersOwnDeadlineAndSaysSo) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  const TimePoint start = Now();
  const absl::Status status = pool.Acquire(kWrite, pool.In(50ms)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(),
            "QueuePool limit of size 2 overflow 1 reached, connection timed out at the caller's "
            "deadline");
  EXPECT_EQ(Now(), start + 50ms);
}

// As SQLAlchemy's QueuePoolTest.test_timeout_subsecond_precision.
TEST_F(WaitingTest, FractionsOfASecondCount) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller caller(platform, pool, pool.In(500ms));
  platform.Advance(220ms);
  platform.Run();
  EXPECT_TRUE(caller.waiting());
  platform.Advance(590ms - 220ms);
  platform.Run();
  EXPECT_EQ(caller.status().code(), absl::StatusCode::kDeadlineExceeded);
}

// As SQLAlchemy's QueuePoolTest.test_timeout_race: a caller that is woken early for nothing waits
// for the rest, not for the whole time again.
TEST_F(WaitingTest, WakingForNoReasonNeitherCutsNorStretchesTheWait) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  const TimePoint start = Now();
  Caller caller(platform, pool, pool.In(3s));
  for (int i = 0; i < 5; ++i) {
    platform.Advance(500ms);
    caller.actor().WakeForNoReason();
    ASSERT_TRUE(caller.waiting());
  }
  platform.AdvanceTo(start + 3s - 1ns);
  platform.Run();
  EXPECT_TRUE(caller.waiting());
  platform.Advance(1ns);
  platform.Run();
  EXPECT_EQ(caller.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(WaitingTest, WhoJoinsBehindTwoOthersGivesWayOnce) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller first(platform, pool), second(platform, pool);
  EXPECT_EQ(platform.yields(), 0);
  Caller third(platform, pool);
  EXPECT_EQ(platform.yields(), 1);
  third.actor().WakeForNoReason();
  EXPECT_TRUE(third.waiting());
  EXPECT_EQ(platform.yields(), 1) << "not before each sleep";
  held.Return();
  ServeInOrder(first, second, third);
}

// As HikariCP's TestConnectionTimeoutRetry.testConnectionRetries3.
TEST_F(WaitingTest, ServesTheWaiterWhenAConnectionComesBack) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  Caller caller(platform, pool, pool.In(1s));
  platform.Advance(800ms);
  platform.Run();
  EXPECT_TRUE(caller.waiting());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .in_use = 2, .waiting = 1}));
  b.Return();
  platform.Run();
  EXPECT_TRUE(caller.served());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .in_use = 2}));
  EXPECT_EQ(pool.stats().waited, 1u);
  EXPECT_EQ(pool.stats().handed_off, 1u);
  EXPECT_EQ(events.last(EventKind::kCheckout).span, 800ms);
}

TEST_F(WaitingTest, ASingleThreadedLoopIsServedByWhatItsScriptReturns) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  platform.WhileWaiting([&] { platform.Advance(10ms); });
  platform.WhileWaiting([&] { platform.WakeForNoReason(); });
  platform.WhileWaiting([&] { held.Return(); });
  Lease next = Must(pool.Acquire(kWrite, pool.In(1s)));
  EXPECT_EQ(next->deadline(), Deadline::At(FakePlatform::kStart + 1s));
}

TEST_F(WaitingTest, ServesWaitersInOrderOfArrival) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller first(platform, pool), second(platform, pool), third(platform, pool);
  held.Return();
  ServeInOrder(first, second, third);
}

TEST_F(WaitingTest, HandsTheConnectionOverBeforeTheWaiterRuns) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller waiter(platform, pool);
  held.Return();
  // The waiter's thread has not run yet, and the connection is its own already.
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1}));
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kDeadlineExceeded);
  platform.Run();
  EXPECT_TRUE(waiter.served());
}

TEST_F(WaitingTest, ANewcomerDoesNotPassTheLine) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  Caller first(platform, pool), second(platform, pool);
  a.Return();
  b.Return();
  EXPECT_EQ(pool.Acquire(kWrite, Deadline::Past()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  platform.Run();
  EXPECT_TRUE(first.served());
  EXPECT_TRUE(second.served());
}

TEST_F(WaitingTest, OneThatLeavesTheLineInTheMiddleDoesNotDisturbTheOthers) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller first(platform, pool), second(platform, pool, pool.In(1s)), third(platform, pool);
  platform.Advance(1s);
  platform.Run();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool.stats().waiting, 2);
  held.Return();
  ServeInOrder(first, third);
}

TEST_F(WaitingTest, AConnectionGrantedAtTheDeadlineIsNotLost) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller caller(platform, pool, pool.In(1s));
  // Granted and timed out at the same moment: either way nothing is lost.
  platform.Advance(1s);
  held.Return();
  platform.Run();
  EXPECT_TRUE(caller.served());
  caller.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(WaitingTest, APastDeadlineTakesAnIdleConnectionAndOpensButNeverWaits) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease opened = Must(pool.Acquire(kWrite, Deadline::Past()));
  opened.Return();
  Lease idle = Must(pool.Acquire(kWrite, Deadline::Past()));
  Lease other = Must(pool.Acquire(kWrite, Deadline::Past()));
  const int waits = platform.waits();
  EXPECT_EQ(pool.Acquire(kWrite, Deadline::Past()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(platform.waits(), waits);
  EXPECT_EQ(Now(), FakePlatform::kStart);
}

// As SQLAlchemy's QueuePoolTest.test_waiters_handled: every way a connection can end serves the
// waiters.
TEST_F(WaitingTest, InvalidatingOneOfTwoServesBothWaiters) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  Caller first(platform, pool, Caller::ByProfile()), second(platform, pool, Caller::ByProfile());
  a.Discard();
  ServeInOrder(first, second);
}

TEST_F(WaitingTest, InvalidatingOneWhileOverflowIsFullServesTheWaiters) {
  PoolFor<Plain<2, 3>> pool(backend, Options());
  std::vector<Lease> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(Take(pool));
  Caller first(platform, pool), second(platform, pool);
  leases[0].Discard();
  leases[1].Discard();
  platform.Run();
  EXPECT_TRUE(first.served());
  EXPECT_TRUE(second.served());
  EXPECT_EQ(backend.peak_open(), 5);
}

TEST_F(WaitingTest, DetachingServesAWaiterByANewConnection) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller waiter(platform, pool);
  held.Detach();
  platform.Run();
  EXPECT_TRUE(waiter.served());
  EXPECT_EQ(backend.count(Call::kOpen), 2);
}

TEST_F(WaitingTest, AFailedResetServesAWaiterByANewConnection) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Caller waiter(platform, pool);
  backend.FailNext(Call::kReset, Gone());
  Scripted(held).MakeDirty();
  held.Return();
  platform.Run();
  EXPECT_TRUE(waiter.served());
  EXPECT_EQ(backend.count(Call::kOpen), 2);
}

// Overflow that comes back while a caller waits is handed over, not closed.
TEST_F(WaitingTest, OverflowIsHandedToAWaiterInsteadOfBeingClosed) {
  PoolFor<Plain<1, 1>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  Caller waiter(platform, pool);
  b.Return();
  platform.Run();
  EXPECT_TRUE(waiter.served());
  EXPECT_EQ(backend.count(Call::kClose), 0);
}

// "Returned beats opening": a connection that comes back goes to the oldest caller whose thread is
// free to use it, not to one that is still opening its own.
TEST_F(WaitingTest, AReturnedConnectionIsNotKeptForACallerWhoseThreadIsOpening) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller opening(platform, pool);
  Caller waiting(platform, pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1, .busy = 1, .waiting = 2}));
  held.Return();
  platform.Run();
  EXPECT_TRUE(waiting.served());
  waiting.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1, .busy = 1, .waiting = 1}));
  Take(pool).Return();
  server.Open();
  platform.Run();
  EXPECT_TRUE(opening.served());
  EXPECT_EQ(backend.peak_open(), 2);
}

TEST_F(WaitingTest, ASlowOpenDoesNotTakeTheConnectionOfAFastOne) {
  PoolFor<Plain<2>> pool(backend, Options());
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen && backend.count(Call::kOpen) == 1) server.Pass();
  });
  Caller slow(platform, pool);
  Caller fast(platform, pool);
  EXPECT_TRUE(fast.served());
  server.Open();
  platform.Run();
  EXPECT_TRUE(slow.served());
}

// As deadpool's managed.rs, closing: a full pool and a closed one refuse with different codes.
TEST_F(WaitingTest, AFullPoolAndAClosedOneRefuseDifferently) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  EXPECT_EQ(pool.Acquire(kWrite, Deadline::Past()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  held.Return();
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(pool.Acquire(kWrite, Deadline::Past()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WaitingTest, RefusesTheCallerForWhomThereIsNoPlaceInLine) {
  PoolFor<ShortLine> pool(backend, Options());
  Lease held = Take(pool);
  Caller first(platform, pool), second(platform, pool);
  const TimePoint start = Now();
  const absl::Status status = pool.Acquire(kWrite, pool.In(1s)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Now(), start) << "it must not wait";
  EXPECT_EQ(pool.stats().refused_full, 1u);
  EXPECT_EQ(pool.stats().peak_waiting, 2);
  EXPECT_EQ(events.last(EventKind::kRefused).status.code(), absl::StatusCode::kResourceExhausted);
  held.Return();
  ServeInOrder(first, second);
}

// As puddle's TestPoolAcquireContextAlreadyCanceled.
TEST_F(WaitingTest, ACallerThatWasCancelledBeforeTakesNothing) {
  PoolFor<Plain<1>> pool(backend, Options());
  CancelToken token;
  pool.Cancel(token);
  EXPECT_TRUE(token.cancelled());
  const absl::Status status =
      pool.Acquire({.deadline = Deadline::Never(), .cancel = &token}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(backend.count(Call::kOpen), 0);
  EXPECT_EQ(pool.stats().cancelled, 1u);
  EXPECT_EQ(pool.stats().checkouts, 0u);
}

TEST_F(WaitingTest, CancelEndsTheWaitsOfItsTokenAndNoOthers) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  CancelToken token;
  const AcquireOptions with_token{.deadline = Deadline::Never(), .cancel = &token};
  Caller first(platform, pool, with_token), other(platform, pool),
      second(platform, pool, with_token);
  pool.Cancel(token);
  platform.Run();
  EXPECT_EQ(first.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(other.waiting());
  EXPECT_EQ(pool.stats().cancelled, 2u);
  held.Return();
  platform.Run();
  EXPECT_TRUE(other.served());
}

TEST_F(WaitingTest, ALeaseThatWasGrantedBeforeTheCancelStays) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  CancelToken token;
  Caller caller(platform, pool, AcquireOptions{.deadline = Deadline::Never(), .cancel = &token});
  held.Return();
  pool.Cancel(token);
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(WaitingTest, ACallerWhoseOpenIsUnderWayIsCancelledAndTheConnectionStays) {
  PoolFor<Plain<1>> pool(backend, Options());
  CancelToken token;
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) pool.Cancel(token);
  });
  const absl::StatusOr<Lease> lease =
      pool.Acquire({.deadline = Deadline::Never(), .cancel = &token});
  EXPECT_EQ(lease.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(WaitingTest, ATokenCancelsInEveryPoolItWasGivenTo) {
  ScriptedBackend other_backend(&platform);
  PoolFor<Plain<1>> pool(backend, Options());
  PoolFor<Plain<1>> other(other_backend, Options());
  CancelToken token;
  pool.Cancel(token);
  EXPECT_EQ(other.Acquire({.deadline = Deadline::Never(), .cancel = &token}).status().code(),
            absl::StatusCode::kCancelled);
}

// As deadpool's managed_cancellation.rs, test_cancellations: open, ping and reset each succeed,
// fail, are slow, or outlast every deadline; callers give up at different times. The bounds hold at
// every moment, and at the end everything is served again.
TEST_F(WaitingTest, BoundsHoldWhateverTheBackendDoesAndWhenCallersGiveUp) {
  constexpr std::array kCalls{Call::kOpen, Call::kPing, Call::kReset};
  for (int way = 0; way < 64; ++way) {
    SCOPED_TRACE(way);
    ScriptedBackend scripted(&platform);
    PoolFor<Pinging> pool(scripted, Options());
    { Lease a = Take(pool), b = Take(pool); }
    for (int i = 0, rest = way; i < 3; ++i, rest /= 4) {
      const Call call = kCalls[static_cast<size_t>(i)];
      if (rest % 4 == 1) scripted.FailAlways(call, Gone());
      if (rest % 4 == 2) scripted.Takes(call, 5ms);
      if (rest % 4 == 3) scripted.Takes(call, 100s);
    }
    scripted.set_hook([&](const CallInfo&) {
      const Stats stats = pool.stats();
      EXPECT_LE(stats.open, stats.capacity);
      EXPECT_LE(stats.idle + stats.in_use + stats.busy, stats.capacity);
    });
    {
      std::vector<std::unique_ptr<Caller>> callers;
      for (int i = 0; i < 8; ++i) {
        callers.push_back(std::make_unique<Caller>(platform, pool, pool.In(i * 3ms)));
        if (i % 2 == 1 && callers.back()->served()) {
          Lease lease = callers.back()->Take();
          Scripted(lease).MakeDirty();
        }
      }
      platform.Advance(1s);
      platform.Run();
      for (auto& caller : callers) EXPECT_FALSE(caller->waiting());
    }
    for (const Call call : kCalls) {
      scripted.FailNever(call);
      scripted.Takes(call, 0ms);
    }
    platform.Advance(10s);
    Lease a = Take(pool), b = Take(pool), c = Take(pool);
    EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .in_use = 3}));
    EXPECT_LE(scripted.peak_open(), 3);
  }
}

}  // namespace
}  // namespace roost
