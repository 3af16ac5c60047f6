// tests/pool/events_test.cc - events: their order, their reasons, leaks, the echo.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

using EventsTest = PoolTest;

// As SQLAlchemy's PoolEventsTest.
TEST_F(EventsTest, TheFirstLeaseFiresSqlAlchemysOrder) {
  PoolFor<Plain<2>> pool(backend, Options());
  Take(pool).Return();
  EXPECT_THAT(events.names(),
              ElementsAre("first_connect", "connect", "checkout", "reset", "checkin"));
  events.Clear();
  Take(pool).Return();
  EXPECT_THAT(events.names(), ElementsAre("checkout", "reset", "checkin"));
}

TEST_F(EventsTest, OnlyTheFirstConnectionOfAPoolIsTheFirst) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  EXPECT_THAT(events.names(),
              ElementsAre("first_connect", "connect", "checkout", "connect", "checkout"));
}

TEST_F(EventsTest, ADirtyConnectionIsResetBeforeItsCheckin) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease lease = Take(pool);
  events.Clear();
  Scripted(lease).MakeDirty();
  lease.Return();
  EXPECT_THAT(events.names(), ElementsAre("reset", "checkin"));
}

TEST_F(EventsTest, DiscardFiresInvalidateCloseCheckinAndNoReset) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease lease = Take(pool);
  events.Clear();
  lease.Discard();
  EXPECT_THAT(events.names(), ElementsAre("invalidate", "close(discarded)", "checkin"));
}

TEST_F(EventsTest, ABrokenConnectionFiresInvalidateCloseCheckin) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease lease = Take(pool);
  events.Clear();
  Scripted(lease).Fail(FaultScope::kConnection);
  lease.Return();
  EXPECT_THAT(events.names(), ElementsAre("invalidate", "close(broken)", "checkin"));
}

TEST_F(EventsTest, DetachFiresDetachAndNoClose) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease lease = Take(pool);
  events.Clear();
  lease.Detach();
  EXPECT_THAT(events.names(), ElementsAre("detach"));
}

TEST_F(EventsTest, ClosingThePoolFiresOneCloseForEachIdleConnection) {
  PoolFor<Plain<2>> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  events.Clear();
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_THAT(events.names(), ElementsAre("close(pool_closed)", "close(pool_closed)"));
}

TEST_F(EventsTest, APlainReturnNeverFiresAClose) {
  PoolFor<Plain<2>> pool(backend, Options());
  for (int i = 0; i < 10; ++i) Take(pool).Return();
  EXPECT_EQ(events.count(EventKind::kClose), 0);
}

// As SQLAlchemy's test_connect_handler_not_called_for_recycled.
TEST_F(EventsTest, ConnectIsNotFiredForAnOpenThatFails) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  Lease dead = Take(pool);
  dead.Discard();
  events.Clear();
  backend.FailNext(Call::kOpen, Gone());
  (void)pool.Acquire(kWrite, pool.In(1s));
  EXPECT_EQ(events.count(EventKind::kConnect), 0);
  EXPECT_EQ(events.last(EventKind::kConnectFailed).status, Gone());
  events.Clear();
  Lease lease = Take(pool);
  EXPECT_THAT(events.names(), ElementsAre("connect", "checkout"));
}

struct Recycled : Plain<1> {
  static constexpr Duration kPoolRecycle = 30s;
};

TEST_F(EventsTest, RecyclingSaysSo) {
  PoolFor<Recycled> pool(backend, Options());
  Take(pool).Return();
  platform.Advance(31s);
  events.Clear();
  Lease lease = Take(pool);
  EXPECT_THAT(events.names(), ElementsAre("recycle", "close(recycled)", "connect", "checkout"));
}

struct Pinged : Plain<1> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
};

// As SQLAlchemy's PoolEventsTest.test_invalidate_event_exception.
TEST_F(EventsTest, AFailedPingFiresInvalidateWithItsErrorThenClose) {
  PoolFor<Pinged> pool(backend, Options());
  Take(pool).Return();
  events.Clear();
  backend.FailNext(Call::kPing, Gone());
  Lease lease = Take(pool);
  EXPECT_THAT(events.names(),
              ElementsAre("invalidate", "close(ping_failed)", "connect", "checkout"));
  EXPECT_EQ(events.last(EventKind::kInvalidate).status, Gone());
}

TEST_F(EventsTest, InvalidateAllIsSoftForLentConnections) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Take(pool).Return();
  events.Clear();
  pool.InvalidateAll();
  EXPECT_THAT(events.names(), ElementsAre("soft_invalidate", "close(invalidated)"));
  events.Clear();
  held.Return();
  EXPECT_EQ(events.closes(CloseReason::kInvalidated), 1);
  EXPECT_EQ(events.count(EventKind::kCheckin), 1);
}

TEST_F(EventsTest, EveryEventNamesThePoolTheSlotAndTheTime) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease lease = Take(pool);
  platform.Advance(5s);
  const int line = __LINE__ + 1;
  Lease other = Must(pool.Acquire(kWrite, pool.In(1s)));
  const Recorder::Seen checkout = events.last(EventKind::kCheckout);
  EXPECT_EQ(checkout.pool, "main");
  EXPECT_EQ(checkout.slot, other.slot());
  EXPECT_EQ(checkout.at, Now());
  EXPECT_THAT(checkout.where.file, HasSubstr("events_test.cc"));
  EXPECT_EQ(checkout.where.line, line);
  platform.Advance(3s);
  lease.Return();
  EXPECT_EQ(events.last(EventKind::kCheckin).span, 8s);
  EXPECT_EQ(events.last(EventKind::kCheckin).at, Now());
}

TEST_F(EventsTest, ATimeOutNamesWhoWaited) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  const int line = __LINE__ + 1;
  (void)pool.Acquire(kWrite, pool.In(1s));
  EXPECT_EQ(events.last(EventKind::kTimeout).where.line, line);
  EXPECT_EQ(events.last(EventKind::kTimeout).span, 1s);
}

TEST_F(EventsTest, AnEventSaysHowOldItsConnectionIsAndHowLongItWasIdle) {
  PoolFor<Recycled> pool(backend, Options());
  backend.Takes(Call::kOpen, 100ms);
  Take(pool).Return();
  EXPECT_EQ(events.last(EventKind::kConnect).age, 100ms) << "how long the open took";
  EXPECT_EQ(events.last(EventKind::kCheckout).age, 100ms);
  EXPECT_EQ(events.last(EventKind::kCheckout).idle, 0s);
  platform.Advance(10s);
  Lease lease = Take(pool);
  EXPECT_EQ(events.last(EventKind::kCheckout).age, 10'100ms);
  EXPECT_EQ(events.last(EventKind::kCheckout).idle, 10s);
  platform.Advance(5s);
  lease.Return();
  EXPECT_EQ(events.last(EventKind::kReset).age, 15'100ms);
  EXPECT_EQ(events.last(EventKind::kCheckin).age, 15'100ms);
  EXPECT_EQ(events.last(EventKind::kCheckin).idle, 0s) << "it was in use";
  platform.Advance(25s);
  backend.FailNext(Call::kOpen, Gone());
  (void)pool.Acquire(kWrite, pool.In(1s));
  for (const EventKind kind : {EventKind::kRecycle, EventKind::kClose}) {
    EXPECT_EQ(events.last(kind).age, 40'100ms);
    EXPECT_EQ(events.last(kind).idle, 25s);
  }
  EXPECT_EQ(events.last(EventKind::kConnectFailed).age, 0s);
}

TEST_F(EventsTest, ABrokenConnectionsCloseIsOfItsAgeAndNotIdle) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  platform.Advance(10s);
  Lease lease = Take(pool);
  platform.Advance(2s);
  lease.Discard();
  for (const EventKind kind : {EventKind::kInvalidate, EventKind::kClose, EventKind::kCheckin}) {
    EXPECT_EQ(events.last(kind).age, 12s) << Name(kind);
    EXPECT_EQ(events.last(kind).idle, 0s) << Name(kind);
  }
  Take(pool).Detach();
  EXPECT_EQ(events.last(EventKind::kDetach).idle, 0s);
}

// As HikariCP's MiscTest.testLeakDetection.
struct Watched : Plain<2> {
  static constexpr Duration kLeakAfter = 1s;
};

TEST_F(EventsTest, ALeaseHeldTooLongIsReportedOnceWithItsSourceLine) {
  PoolFor<Watched> pool(backend, Options());
  const int line = __LINE__ + 1;
  Lease leaked = Must(pool.Acquire(kWrite, pool.In(10s)));
  EXPECT_EQ(Tick(pool), Now() + 1s);
  platform.Advance(1s);
  Tick(pool);
  EXPECT_EQ(events.count(EventKind::kLeak), 0) << "longer than, not as long as";
  platform.Advance(1s);
  for (int i = 0; i < 3; ++i) Tick(pool);
  EXPECT_EQ(events.count(EventKind::kLeak), 1);
  const Recorder::Seen leak = events.last(EventKind::kLeak);
  EXPECT_THAT(leak.where.file, HasSubstr("events_test.cc"));
  EXPECT_EQ(leak.where.line, line);
  EXPECT_EQ(leak.span, 2s);
  EXPECT_EQ(leak.slot, leaked.slot());
  EXPECT_EQ(pool.stats().leaks, 1u);

  platform.Advance(2s);
  leaked.Return();
  EXPECT_EQ(events.last(EventKind::kLeakReturned).span, 4s);
  Lease next = Take(pool);
  platform.Advance(2s);
  Tick(pool);
  EXPECT_EQ(events.count(EventKind::kLeak), 2) << "each lease is watched anew";
}

TEST_F(EventsTest, AShortHoldIsNoLeak) {
  PoolFor<Watched> pool(backend, Options());
  Lease lease = Take(pool);
  platform.Advance(500ms);
  Tick(pool);
  lease.Return();
  platform.Advance(10s);
  Tick(pool);
  EXPECT_EQ(events.count(EventKind::kLeak), 0);
  EXPECT_EQ(events.count(EventKind::kLeakReturned), 0);
}

TEST_F(EventsTest, WithoutALeakAfterNothingIsReported) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  platform.Advance(24h);
  Tick(pool);
  EXPECT_EQ(events.count(EventKind::kLeak), 0);
}

// A housekeeper that was not called for far too long says so.
TEST_F(EventsTest, ATickThatComesFarTooLateIsReported) {
  PoolFor<Watched> pool(backend, Options());
  Lease lease = Take(pool);
  Tick(pool);
  platform.Advance(1h);
  Tick(pool);
  ASSERT_EQ(events.count(EventKind::kLateTick), 1);
  EXPECT_GE(events.last(EventKind::kLateTick).span, 59min);
  Tick(pool);
  EXPECT_EQ(events.count(EventKind::kLateTick), 1);
}

TEST_F(EventsTest, EveryKindAndReasonHasAName) {
  std::vector<std::string_view> names;
  for (int i = 0; i < kEventKinds; ++i) names.push_back(Name(static_cast<EventKind>(i)));
  EXPECT_THAT(names,
              ElementsAre("first_connect", "connect", "connect_failed", "checkout", "checkin",
                          "reset", "invalidate", "soft_invalidate", "recycle", "detach", "close",
                          "timeout", "refused", "leak", "leak_returned", "late_tick", "tuned"));
  std::vector<std::string_view> reasons;
  for (int i = 0; i < kCloseReasons; ++i) reasons.push_back(Name(static_cast<CloseReason>(i)));
  EXPECT_THAT(reasons, ElementsAre("none", "overflow", "lingered", "recycled", "idle",
                                   "invalidated", "discarded", "broken", "ping_failed",
                                   "reset_failed", "upkeep_failed", "suspect", "pool_closed"));
}

TEST_F(EventsTest, ThePoolWorksWithoutAnObserver) {
  PoolFor<Plain<1>> pool(backend, {.platform = &platform});
  Take(pool).Return();
  EXPECT_EQ(pool.name(), "pool");
}

// An observer may call the pool: no event is fired under its lock.
TEST_F(EventsTest, AnObserverMayAskThePoolForItsStats) {
  struct Curious : Observer {
    void OnEvent(const Event& event) override {
      ++seen;
      if (pool == nullptr) return;
      ASSERT_TRUE(PoolTestPeer::LockIsFree(*pool)) << Name(event.kind);
      total += pool->stats().open;
    }
    Pool* pool = nullptr;
    int total = 0;
    int seen = 0;
  } curious;
  PoolFor<Plain<1>> pool(backend, {.observer = &curious, .platform = &platform});
  curious.pool = &pool;
  Lease held = Take(pool);
  (void)pool.Acquire(kWrite, pool.In(1s));
  held.Discard();
  Lease dirty = Take(pool);
  Scripted(dirty).MakeDirty();
  dirty.Return();
  Take(pool).Detach();
  Take(pool).Return();
  pool.InvalidateAll();
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_GT(curious.seen, 12);
}

// ---- The echo ----

struct Echoing : Plain<1> {
  static constexpr bool kEchoPool = true;
};

TEST_F(EventsTest, EchoPoolWritesALineForEachEventWithAPriority) {
  ::testing::internal::CaptureStderr();
  {
    PoolFor<Echoing> pool(backend, Options());
    Take(pool).Return();
    backend.FailNext(Call::kOpen, Gone());
    pool.InvalidateAll();
    (void)pool.Acquire(kWrite, pool.In(1s));
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("checkout"));
  EXPECT_THAT(text, HasSubstr("main"));
  EXPECT_THAT(text, HasSubstr("connection refused"));
  size_t lines = 0;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    EXPECT_EQ(text[at], '<') << text.substr(at, 80);
    EXPECT_EQ(text[at + 2], '>');
    ++lines;
  }
  EXPECT_EQ(lines, events.names().size()) << "the observer sees every event, too";
}

TEST_F(EventsTest, AnEchoObserverPassesEventsOn) {
  EchoObserver echo(&events);
  ::testing::internal::CaptureStderr();
  {
    PoolFor<Plain<1>> pool(backend, {.observer = &echo, .platform = &platform});
    Take(pool).Return();
  }
  EXPECT_FALSE(::testing::internal::GetCapturedStderr().empty());
  EXPECT_EQ(events.count(EventKind::kCheckout), 1);
}

TEST_F(EventsTest, AnEchoedLineCommandsNoTerminal) {
  ::testing::internal::CaptureStderr();
  {
    EchoObserver echo;
    PoolFor<Plain<1>> pool(backend, {.observer = &echo, .platform = &platform});
    backend.FailNext(Call::kOpen, absl::UnavailableError("a\n<0>b\x1b[2J\x7f\xc2\x9b"
                                                         "2J\xe2\x80\xae"));
    (void)pool.Acquire(kWrite, pool.In(1s));
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("\"a <0>b?[2J??2J?\""));
}

TEST_F(EventsTest, AnEchoedLineIsCutAt512Bytes) {
  const std::string name(2000, 'n');
  ::testing::internal::CaptureStderr();
  {
    EchoObserver echo;
    PoolFor<Plain<1>> pool(backend,
                           {.name = name.c_str(), .observer = &echo, .platform = &platform});
    Take(pool).Return();
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end + 1 - at, 512u);
    at = end + 1;
  }
}

// ---- An observer that wants no leases ----

class WithoutLeases : public Recorder {
 public:
  bool wants_leases() const override { return false; }
};

TEST_F(EventsTest, AnObserverThatWantsNoLeasesHearsEverythingElse) {
  WithoutLeases quiet;
  PoolFor<Plain<2>> pool(backend, {.name = "main", .observer = &quiet, .platform = &platform});
  Take(pool).Return();
  Take(pool).Return();
  EXPECT_THAT(quiet.names(), ElementsAre("first_connect", "connect"));
  Take(pool).Discard();
  EXPECT_THAT(quiet.names(),
              ElementsAre("first_connect", "connect", "invalidate", "close(discarded)"));
}

// The clock is what the lock-free path does not read.
TEST_F(EventsTest, AnObserverThatWantsNoLeasesLeavesTheIdleStackOpen) {
  WithoutLeases quiet;
  PoolFor<Plain<2>> pool(backend, {.name = "main", .observer = &quiet, .platform = &platform});
  Take(pool).Return();
  const Deadline deadline = pool.In(1s);
  const int before = platform.clock_reads();
  for (int i = 0; i < 100; ++i) Must(pool.Acquire(kWrite, deadline)).Return();
  EXPECT_EQ(platform.clock_reads(), before);
  PoolFor<Plain<2>> watched(backend, Options());
  Take(watched).Return();
  const int watched_before = platform.clock_reads();
  Must(watched.Acquire(kWrite, deadline)).Return();
  EXPECT_GT(platform.clock_reads(), watched_before);
}

}  // namespace
}  // namespace roost
