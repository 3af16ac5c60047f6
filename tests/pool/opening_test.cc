// tests/pool/opening_test.cc - opening: which thread opens, what failures do, pauses, and the
// database that is away.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using OpeningTest = PoolTest;

struct Remote : Plain<2, 1> {
  static constexpr Duration kBackoffMin = 100ms;
  static constexpr Duration kBackoffMax = 1s;
  static constexpr Duration kOpenTimeout = 5s;
};

struct Patient : Remote {
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
};

struct Kept : Remote {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};

// As SQLAlchemy's QueuePoolTest.test_overflow_reset_on_failed_connect.
TEST_F(OpeningTest, AFailedOverflowOpenGivesItsErrorAndItsSlotBack) {
  PoolFor<Plain<2, 3>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  EXPECT_EQ(pool.stats().overflow_in_use, 1);
  backend.FailNext(Call::kOpen, Gone());
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), Gone());
  EXPECT_EQ(pool.stats().overflow_in_use, 1);
  Lease d = Take(pool);
  EXPECT_EQ(pool.stats().overflow_in_use, 2);
}

// As deadpool's managed_hooks.rs, post_create_err_abort: the slot is free again after each failure.
TEST_F(OpeningTest, EveryOtherOpenFailsAndTheOthersAreServed) {
  PoolFor<Plain<4>> pool(backend, Options());
  std::vector<Lease> leases;
  for (int i = 0; i < 4; ++i) {
    backend.FailNext(Call::kOpen, Gone());
    EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), Gone());
    leases.push_back(Take(pool));
  }
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 4, .in_use = 4}));
  EXPECT_EQ(pool.stats().open_failures, 4u);
  EXPECT_EQ(pool.stats().opens, 4u);
}

// As bb8's test_initialization_failure: a program that needs the database at its start calls Fill.
TEST_F(OpeningTest, FillGivesTheRealErrorOfADatabaseThatIsAway) {
  PoolFor<Remote> pool(backend, Options());
  backend.StopServer(Gone());
  EXPECT_EQ(pool.Fill(1, pool.In(5s)).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CountsOf(pool), (Counts{}));
}

// As bb8's test_lazy_initialization_failure, but at once and with the error of the open.
TEST_F(OpeningTest, ALazyPoolFailsAtOnceWithTheRealError) {
  PoolFor<Remote> pool(backend, Options());
  backend.StopServer(Gone());
  const TimePoint start = Now();
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), Gone());
  EXPECT_EQ(Now(), start);
}

// As bb8's test_conn_fail_once.
TEST_F(OpeningTest, OneFailedOpenDoesNotStopTheNextCaller) {
  PoolFor<Remote> pool(backend, Options());
  backend.FailNext(Call::kOpen, Gone());
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), Gone());
  EXPECT_FALSE(pool.stats().away);
  Lease first = Take(pool), second = Take(pool);
  EXPECT_EQ(backend.count(Call::kOpen), 3);
}

// As deadpool's managed_deadlock.rs, pool_drained.
TEST_F(OpeningTest, TheFailureOfOneOpenWakesAWaiterWhoOpensItsOwn) {
  PoolFor<Plain<1>> pool(backend, Options());
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  backend.FailNext(Call::kOpen, Gone());
  Caller first(platform, pool), second(platform, pool);
  EXPECT_TRUE(first.waiting());
  EXPECT_EQ(CountsOf(pool), (Counts{.busy = 1, .waiting = 2}));
  const TimePoint failed = Now();
  server.Open();
  platform.Run();
  EXPECT_EQ(first.status(), Gone());
  EXPECT_TRUE(second.served());
  EXPECT_EQ(Now(), failed);
  EXPECT_EQ(backend.count(Call::kOpen), 2);
}

TEST_F(OpeningTest, AfterTheSecondFailureCallersAreRefusedAtOnceUntilThePauseIsOver) {
  PoolFor<Remote> pool(backend, Options());
  backend.StopServer(Gone());
  (void)pool.Acquire(kWrite, pool.In(1s));
  (void)pool.Acquire(kWrite, pool.In(1s));
  EXPECT_EQ(backend.count(Call::kOpen), 2);
  EXPECT_TRUE(pool.stats().away);
  const absl::Status refused =
      absl::UnavailableError("connection refused; the next try is within 100.0 ms");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), refused);
  }
  EXPECT_EQ(backend.count(Call::kOpen), 2) << "nothing is opened during the pause";
  EXPECT_EQ(pool.stats().refused_away, 7u) << "the two that tried count, too";
  EXPECT_EQ(events.last(EventKind::kRefused).status, refused);
  EXPECT_EQ(events.last(EventKind::kConnectFailed).span, 100ms);

  platform.Advance(100ms);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), Gone());
  EXPECT_EQ(backend.count(Call::kOpen), 3) << "then one caller tries";
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(),
            absl::UnavailableError("connection refused; the next try is within 200.0 ms"));
  EXPECT_EQ(backend.count(Call::kOpen), 3);
}

TEST_F(OpeningTest, PausesDoubleUpToTheirMaximum) {
  PoolFor<Remote> pool(backend, Options());
  backend.StopServer(Gone());
  std::vector<int64_t> pauses;
  for (int i = 0; i < 7; ++i) {
    (void)pool.Acquire(kWrite, pool.In(1s));
    const Duration pause = events.last(EventKind::kConnectFailed).span;
    pauses.push_back(pause / 1ms);
    platform.Advance(pause);
  }
  EXPECT_THAT(pauses, ElementsAre(0, 100, 200, 400, 800, 1000, 1000));
  EXPECT_EQ(backend.count(Call::kOpen), 7);
}

TEST_F(OpeningTest, PausesAreDrawnBetweenHalfAndAll) {
  PoolFor<Remote> pool(backend, Options());
  backend.StopServer(Gone());
  platform.set_random(0xffffffff);
  (void)pool.Acquire(kWrite, pool.In(1s));
  (void)pool.Acquire(kWrite, pool.In(1s));
  EXPECT_EQ(events.last(EventKind::kConnectFailed).span, 50ms);
  platform.Advance(50ms);
  platform.set_random(0x80000000);
  (void)pool.Acquire(kWrite, pool.In(1s));
  const Duration pause = events.last(EventKind::kConnectFailed).span;
  EXPECT_GE(pause, 149ms);
  EXPECT_LE(pause, 151ms);
}

// As pgbouncer's test_server_login_retry.
TEST_F(OpeningTest, TheFirstTryAfterThePauseBringsThePoolBack) {
  PoolFor<Remote> pool(backend, Options());
  backend.StopServer(Gone());
  for (int i = 0; i < 4; ++i) {
    (void)pool.Acquire(kWrite, pool.In(1s));
    platform.Advance(1s);
  }
  EXPECT_TRUE(pool.stats().away);
  backend.StartServer();
  Lease lease = Take(pool);
  EXPECT_FALSE(pool.stats().away);
  // The count of failures begins anew: the next single failure is tried again at once.
  backend.FailNext(Call::kOpen, Gone());
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), Gone());
  EXPECT_EQ(events.last(EventKind::kConnectFailed).span, 0ms);
  Lease other = Take(pool);
}

TEST_F(OpeningTest, OnlyOneCallerTriesWhenThePauseIsOver) {
  PoolFor<Remote> pool(backend, Options());
  backend.StopServer(Gone());
  (void)pool.Acquire(kWrite, pool.In(1s));
  (void)pool.Acquire(kWrite, pool.In(1s));
  platform.Advance(100ms);
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller prober(platform, pool);
  Caller other(platform, pool), another(platform, pool);
  EXPECT_EQ(backend.count(Call::kOpen), 3);
  EXPECT_EQ(pool.stats().busy, 1);
  server.Open();
  platform.Run();
  EXPECT_EQ(prober.status(), Gone());
  const absl::Status refused =
      absl::UnavailableError("connection refused; the next try is within 200.0 ms");
  EXPECT_EQ(other.status(), refused);
  EXPECT_EQ(another.status(), refused);
  EXPECT_EQ(backend.count(Call::kOpen), 3);
}

TEST_F(OpeningTest, CallersWaitForOpenConnectionsWhileNewOnesCannotBeOpened) {
  PoolFor<Remote> pool(backend, Options());
  Lease held = Take(pool);
  backend.FailAlways(Call::kOpen, Gone());
  (void)pool.Acquire(kWrite, pool.In(10ms));
  (void)pool.Acquire(kWrite, pool.In(10ms));
  ASSERT_EQ(backend.count(Call::kOpen), 3);
  Caller caller(platform, pool, pool.In(50ms));
  EXPECT_TRUE(caller.waiting()) << caller.status();
  held.Return();
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(OpeningTest, IdleConnectionsAreLentWhileNewOnesCannotBeOpened) {
  PoolFor<Remote> pool(backend, Options());
  Take(pool).Return();
  backend.FailAlways(Call::kOpen, Gone());
  Lease idle = Take(pool);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(10ms)).status(), Gone());
}

class PermanentErrorTest : public PoolTest,
                           public ::testing::WithParamInterface<absl::StatusCode> {};

// What needs a person is not hammered: a wrong password locks the account.
TEST_P(PermanentErrorTest, GoesToTheLongestPauseAtOnce) {
  PoolFor<Remote> pool(backend, Options());
  const absl::Status error(GetParam(), "needs a person");
  backend.StopServer(error);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), error);
  EXPECT_EQ(events.last(EventKind::kConnectFailed).span, 1s);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(),
            absl::Status(GetParam(), "needs a person; the next try is within 1.00 s"));
  EXPECT_EQ(backend.count(Call::kOpen), 1);
  EXPECT_TRUE(pool.stats().away);
  platform.Advance(1s);
  backend.StartServer();
  Lease lease = Take(pool);
}

INSTANTIATE_TEST_SUITE_P(
    Codes, PermanentErrorTest,
    ::testing::Values(absl::StatusCode::kInvalidArgument, absl::StatusCode::kNotFound,
                      absl::StatusCode::kPermissionDenied, absl::StatusCode::kUnauthenticated,
                      absl::StatusCode::kFailedPrecondition, absl::StatusCode::kDataLoss),
    [](const auto& test) { return absl::StatusCodeToString(test.param); });

// As HikariCP's TestConnectionTimeoutRetry.testConnectionRetries2.
TEST_F(OpeningTest, APatientPoolTriesAgainUntilTheServerIsBack) {
  PoolFor<Patient> pool(backend, Options());
  backend.StopServer(Gone());
  const TimePoint start = Now();
  backend.set_hook([this, start](const CallInfo&) {  // the pool, whose end calls it, outlives start
    if (Now() >= start + 300ms) backend.StartServer();
  });
  Lease lease = Must(pool.Acquire(kWrite, pool.In(2800ms)));
  EXPECT_GE(Now(), start + 300ms);
  EXPECT_LE(Now(), start + 1s);
}

// As HikariCP's TestConnectionTimeoutRetry.testConnectionRetries.
TEST_F(OpeningTest, APatientPoolGivesUpAtTheDeadlineAndNotBefore) {
  PoolFor<Patient> pool(backend, Options());
  backend.StopServer(Gone());
  const TimePoint start = Now();
  const absl::Status status = pool.Acquire(kWrite, pool.In(2800ms)).status();
  EXPECT_EQ(Now(), start + 2800ms);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(pool.stats().timeouts, 1u);
  // 0, 0, 100, 300, 700, 1500, 2500: growing pauses, no storm.
  EXPECT_EQ(backend.count(Call::kOpen), 7);
}

// As pgbouncer's test_server_connect_timeout_establish and
// test_server_connect_timeout_drop_traffic.
TEST_F(OpeningTest, AnOpenEndsAtItsOwnTimeOutOrTheCallersDeadline) {
  PoolFor<Remote> pool(backend, Options());
  backend.Takes(Call::kOpen, 100s);
  const TimePoint start = Now();
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(60s)).status().code(), absl::StatusCode::kUnavailable)
      << "the caller has time left: it is the database that is away";
  EXPECT_EQ(backend.log().front().deadline, Deadline::At(start + 5s));
  EXPECT_EQ(Now(), start + 5s);
  const TimePoint second = Now();
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.log().back().deadline, Deadline::At(second + 1s));
  EXPECT_EQ(Now(), second + 1s);
}

// Keeps what the pool wanted opened last.
class Asked : public ScriptedBackend {
 public:
  using ScriptedBackend::ScriptedBackend;
  absl::StatusOr<Connection*> Open(const OpenRequest& wanted) override {
    request = wanted;
    return ScriptedBackend::Open(wanted);
  }
  OpenRequest request;
};

TEST_F(OpeningTest, TheBackendIsToldWhatToOpen) {
  Asked asked(&platform);
  PoolFor<Remote> pool(asked, Options());
  Lease lease = Take(pool);
  ASSERT_EQ(asked.request.platform, &platform);
  EXPECT_EQ(asked.request.role, Role::kAny);
  EXPECT_EQ(asked.request.deadline, pool.In(1s));
  EXPECT_EQ(asked.request.memory.statements, Remote::kStatements);
  EXPECT_GE(asked.request.memory.bytes, asked.ConnectionBytes(Remote::kStatements));
  EXPECT_EQ(asked.request.tcp_timers.user_timeout, Remote::kTcpTimers.user_timeout);
}

// Has something to do beside its connections.
class Busy : public ScriptedBackend {
 public:
  using ScriptedBackend::ScriptedBackend;
  TimePoint Continue(TimePoint /*now*/) override { return again_at; }
  absl::Status Hindrance(const void* pool) const override {
    return pool != nullptr ? hindrance : absl::OkStatus();
  }
  TimePoint again_at = TimePoint::max();
  absl::Status hindrance;
};

TEST_F(OpeningTest, TheBackendSaysWhenItWantsToBeCalledAgain) {
  Busy busy(&platform);
  PoolFor<Plain<1>> pool(busy, Options());
  EXPECT_EQ(Tick(pool), TimePoint::max());
  busy.again_at = Now() + 3s;
  EXPECT_EQ(Tick(pool), Now() + 3s);
}

TEST_F(OpeningTest, ACallerThatWaitedInVainIsToldWhatHinderedTheBackend) {
  Busy busy(&platform);
  PoolFor<Plain<1>> pool(busy, Options());
  Lease held = Take(pool);
  busy.hindrance = absl::UnavailableError("sessions that were given up live on");
  const Deadline by = pool.In(1s);
  EXPECT_EQ(pool.Acquire(kWrite, by).status(), busy.hindrance);
  EXPECT_EQ(Now(), by.time());
}

TEST_F(OpeningTest, ACallerWaitsWhereTheServerHasNoRoom) {
  PoolFor<Remote> pool(backend, Options());
  Lease held = Take(pool);
  backend.FailAlways(Call::kOpen, absl::ResourceExhaustedError("53300: too many connections"));
  Caller caller(platform, pool);
  EXPECT_TRUE(caller.waiting()) << caller.status();
  held.Return();
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(OpeningTest, OpensForAnyRoleWhereConnectionsAreAlike) {
  PoolFor<Remote> pool(backend, Options());
  Lease lease = Take(pool, kRead);
  EXPECT_EQ(Scripted(lease).role(), Role::kAny);
}

TEST_F(OpeningTest, ASlowOpenDoesNotHoldUpReturnsAndIdleConnections) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller opening(platform, pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1, .busy = 1, .waiting = 1}));
  EXPECT_FALSE(ReportText(pool).empty());
  held.Return();
  platform.Run();
  server.Open();
  platform.Run();
  EXPECT_TRUE(opening.served());
}

// As pgxpool's TestConnectEagerlyReachesMinPoolSize.
TEST_F(OpeningTest, FillOpensAheadWithoutACheckout) {
  PoolFor<Plain<15>> pool(backend, Options());
  ASSERT_TRUE(pool.Fill(12, pool.In(1s)).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 12, .idle = 12}));
  EXPECT_EQ(backend.count(Call::kOpen), 12);
  EXPECT_EQ(pool.stats().checkouts, 0u);
  EXPECT_EQ(events.count(EventKind::kCheckout), 0);
  EXPECT_EQ(events.count(EventKind::kConnect), 12);
  ASSERT_TRUE(pool.Fill(12, pool.In(1s)).ok());
  EXPECT_EQ(backend.count(Call::kOpen), 12) << "what is open already counts";
}

TEST_F(OpeningTest, FillCountsConnectionsThatAreLent) {
  PoolFor<Plain<3>> pool(backend, Options());
  Lease held = Take(pool);
  ASSERT_TRUE(pool.Fill(2, pool.In(1s)).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 1, .in_use = 1}));
}

// As pgxpool's TestConstructorIgnoresContext.
TEST_F(OpeningTest, AConnectionWhoseCallerLeftServesTheNext) {
  PoolFor<Kept> pool(backend, Options());
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller impatient(platform, pool, pool.In(25ms));
  Actor keeper(platform, [&] { pool.Tick(platform.Now()); });
  EXPECT_TRUE(keeper.waiting()) << "the housekeeper is connecting";
  platform.Advance(25ms);
  platform.Run();
  EXPECT_EQ(impatient.status().code(), absl::StatusCode::kDeadlineExceeded);
  platform.Advance(75ms);
  server.Open();
  platform.Run();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  Lease next = Must(pool.Acquire(kWrite, Deadline::Past()));
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

TEST_F(OpeningTest, WithAHousekeeperACallerNeverOpens) {
  PoolFor<Kept> pool(backend, Options());
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(25ms)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.count(Call::kOpen), 0);
  Caller caller(platform, pool);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(OpeningTest, TheHousekeepersOpenHasItsOwnTimeOut) {
  PoolFor<Kept> pool(backend, Options());
  Caller caller(platform, pool, pool.In(25ms));
  const TimePoint start = Now();
  Tick(pool);
  EXPECT_EQ(backend.log().front().deadline, Deadline::At(start + 5s));
  platform.Run();
  EXPECT_TRUE(caller.served());
}

TEST_F(OpeningTest, SeveralThreadsThatTickOpenForCallersTogether) {
  PoolFor<Kept> pool(backend, Options());
  int opening = 0;
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call != Call::kOpen) return;
    EXPECT_LE(++opening, 2) << "one in each thread";
    server.Pass();
    --opening;
  });
  Caller a(platform, pool), b(platform, pool), c(platform, pool);
  Actor keeper(platform, [&] { pool.Tick(platform.Now()); });
  Actor other(platform, [&] { pool.Tick(platform.Now()); });
  EXPECT_TRUE(keeper.waiting());
  server.Open();
  platform.Run();
  for (int i = 0; i < 3; ++i) {
    Tick(pool);
    platform.Run();
  }
  EXPECT_TRUE(a.served());
  EXPECT_TRUE(b.served());
  EXPECT_TRUE(c.served());
  EXPECT_EQ(backend.count(Call::kOpen), 3);
}

TEST_F(OpeningTest, TheHousekeeperKeepsToThePausesAndSaysWhenItsNextTryIsDue) {
  PoolFor<Kept> pool(backend, Options());
  backend.StopServer(Gone());
  Caller first(platform, pool), second(platform, pool);
  Tick(pool);
  Tick(pool);
  platform.Run();
  const absl::Status refused =
      absl::UnavailableError("connection refused; the next try is within 100.0 ms");
  EXPECT_EQ(first.status(), refused);
  EXPECT_EQ(second.status(), refused);
  EXPECT_EQ(backend.count(Call::kOpen), 2);
  EXPECT_TRUE(pool.stats().away);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status(), refused);
  const TimePoint next = Tick(pool);
  EXPECT_EQ(backend.count(Call::kOpen), 2);
  EXPECT_LE(next, Now() + 100ms);
  EXPECT_GT(next, Now());
  platform.AdvanceTo(next);
  backend.StartServer();
  Caller later(platform, pool, pool.In(1s));
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(later.served());
}

struct PatientKept : Kept {
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
};

TEST_F(OpeningTest, PatientCallersStandInLineWhileTheHousekeeperTries) {
  PoolFor<PatientKept> pool(backend, Options());
  backend.StopServer(Gone());
  Caller caller(platform, pool, pool.In(10s));
  for (int i = 0; i < 6; ++i) {
    const TimePoint next = Tick(pool);
    platform.Run();
    ASSERT_TRUE(caller.waiting());
    if (next > Now()) platform.AdvanceTo(std::min(next, Now() + 1s));
  }
  backend.StartServer();
  platform.Advance(1s);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.served());
}

// The pain of the field: a pool that stays empty after an outage.
TEST_F(OpeningTest, RecoversFromAThousandOutages) {
  PoolFor<Remote> pool(backend, Options());
  backend.set_logging(false);
  for (int i = 0; i < 1000; ++i) {
    { Lease a = Take(pool), b = Take(pool); }
    backend.StopServer(Gone());
    {
      Lease victim = Take(pool);
      EXPECT_EQ(victim->RunScript("SET x").code(), absl::StatusCode::kUnavailable);
    }
    for (int k = 0; k < i % 5; ++k) {
      (void)pool.Acquire(kWrite, pool.In(1ms));
      platform.Advance(50ms);
    }
    backend.StartServer();
    platform.Advance(1s);
    events.Clear();
  }
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .in_use = 3}));
}

}  // namespace
}  // namespace roost
