// tests/pool/field_test.cc - situations out of public bug reports about pools: a promise of the headers
// in each.
#include <gtest/gtest.h>

#include "roost/async.h"
#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using FieldTest = PoolTest;

// ---- A caller that waits while the database is away ends by its deadline -----------------------------

struct Patient : Plain<2> {
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
  static constexpr Duration kOpenTimeout = 5s;
};

TEST_F(FieldTest, APastDeadlineOpensOnceAndNotInACircle) {
  PoolFor<Patient> pool(backend, Options());
  backend.Takes(Call::kOpen, 50ms);
  EXPECT_EQ(pool.Acquire(kWrite, Deadline::Past()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

TEST_F(FieldTest, AnOpenThatTheDeadlineEndsIsNotTriedAgain) {
  PoolFor<Patient> pool(backend, Options());
  backend.Takes(Call::kOpen, 10s);
  const TimePoint start = Now();
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(500ms)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Now() - start, 500ms);
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

TEST_F(FieldTest, ALoopThatAsksWithAPastDeadlineGoesOn) {
  PoolFor<Patient> pool(backend, Options());
  backend.Takes(Call::kOpen, 10s);
  AcquireQueue queue({}, &platform);
  PendingAcquire pending;
  ASSERT_TRUE(pending.Start(
      queue, pool, {.deadline = Deadline::Past()}, [](void*) {}, nullptr));
  EXPECT_EQ(pending.Take().status().code(), absl::StatusCode::kDeadlineExceeded);
}

// A late caller still gets what is idle, after an open of its own that came to nothing.
TEST_F(FieldTest, ALateCallerTakesWhatCameBackDuringItsOpen) {
  PoolFor<Patient> pool(backend, Options());
  Lease held = Take(pool);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) held.Return();
  });
  backend.FailNext(Call::kOpen, Gone());
  EXPECT_TRUE(pool.Acquire(kWrite, Deadline::Past()).ok());
}

// ---- A connection that was opened ahead is checked like any other ------------------------------------

struct Asking : Plain<3> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
};

struct AfterIdle : Asking {
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
  static constexpr Duration kPingAfter = 30s;
};

TEST_F(FieldTest, AConnectionOpenedAheadIsPingedBeforeItIsLent) {
  PoolFor<Asking> pool(backend, Options());
  ASSERT_TRUE(pool.Fill(3, pool.In(1s)).ok());
  backend.RestartServer();
  Lease lease = Take(pool);
  EXPECT_TRUE(lease->Run(Sql("INSERT")).ok()) << "a dead connection was lent";
  EXPECT_EQ(backend.count(Call::kPing), 1) << "its siblings are replaced unasked";
}

TEST_F(FieldTest, AConnectionOpenedForItsCallerIsNotPinged) {
  PoolFor<Asking> pool(backend, Options());
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kPing), 0);
}

TEST_F(FieldTest, TryAcquireDoesNotLendAConnectionOpenedAheadThatIsDead) {
  PoolFor<AfterIdle> pool(backend, Options());
  ASSERT_TRUE(pool.Fill(1, pool.In(1s)).ok());
  backend.set_probe(Liveness::kAlive, Liveness::kDead);
  backend.RestartServer();
  EXPECT_FALSE(pool.TryAcquire().ok()) << "the server's farewell lies in the socket";
}

// ---- The victims of one restart are one piece of news ------------------------------------------------

TEST_F(FieldTest, AVictimFoundLateDoesNotEvictWhatWasOpenedSince) {
  PoolFor<Plain<8>> pool(backend, Options());
  std::vector<Lease> victims;
  for (int i = 0; i < 8; ++i) victims.push_back(Take(pool));
  std::vector<Lease> fresh;
  for (Lease& victim : victims) {
    platform.Advance(10ms);
    Scripted(victim).Fail(FaultScope::kAllOlder);
    victim.Return();
    fresh.push_back(Take(pool));
  }
  for (Lease& lease : fresh) lease.Return();
  EXPECT_EQ(backend.count(Call::kOpen), 16);
  EXPECT_EQ(backend.count(Call::kClose), 8);
}

// ---- A loop that does not come by keeps no thread waiting --------------------------------------------

TEST_F(FieldTest, AThreadIsServedBehindALoopThatIsBusy) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  AcquireQueue queue({}, &platform);
  PendingAcquire loops;
  ASSERT_FALSE(loops.Start(
      queue, pool, {.deadline = pool.In(10s)}, [](void*) {}, nullptr));
  Caller thread(platform, pool, pool.In(2s));
  a.Discard();
  b.Discard();
  platform.Run();
  EXPECT_TRUE(thread.served()) << "two slots are empty, and only a thread can open";
}

// ---- A caller inside an open of its own --------------------------------------------------------------

class OwnOpenTest : public PoolTest {
 protected:
  // An open that never answers. `meanwhile` runs once, at the first check after `at`.
  OwnOpenTest() {
    backend.GoInSteps(1);
    platform.set_descriptor([this](int fd, IoEvents, Deadline until) {
      const IoEvents ready = fd == hangs ? IoEvents{} : IoEvents{.readable = true};
      if (ready.any()) {
        backend.Answer();
        return ready;
      }
      platform.AdvanceTo(until.time());
      if (meanwhile && Now() >= at) std::exchange(meanwhile, {})();
      return ready;
    });
  }

  int hangs = ScriptedBackend::kStepFd + 1;
  TimePoint at = Now() + 200ms;
  std::function<void()> meanwhile;
};

TEST_F(OwnOpenTest, IsReachedByCancel) {
  PoolFor<Patient> pool(backend, Options());
  CancelToken token;
  meanwhile = [&] { pool.Cancel(token); };
  const TimePoint start = Now();
  EXPECT_EQ(pool.Acquire({.deadline = pool.In(3s), .cancel = &token}).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_LE(Now() - start, 300ms);
  EXPECT_EQ(pool.stats().cancelled, 1u);
  EXPECT_EQ(pool.stats().open, 0);
}

TEST_F(OwnOpenTest, IsReachedByClose) {
  PoolFor<Patient> pool(backend, Options());
  meanwhile = [&] { pool.Close(Deadline::Past()).IgnoreError(); };
  const TimePoint start = Now();
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(3s)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_LE(Now() - start, 300ms);
  EXPECT_TRUE(pool.Close(Deadline::Past()).ok());
}

struct PatientPinged : Patient {
  static constexpr PrePing kPrePing = PrePing::kAlways;
};

// The same for the ping of a connection that rested.
TEST_F(OwnOpenTest, APingIsReachedByCancelAndByClose) {
  for (const bool closes : {false, true}) {
    PoolFor<PatientPinged> pool(backend, Options());
    hangs = -1;
    Take(pool).Return();
    ASSERT_EQ(pool.stats().idle, 1);
    hangs = ScriptedBackend::kStepFd + backend.count(Call::kOpen);
    at = Now() + 200ms;
    CancelToken token;
    meanwhile = [&] {
      if (closes) pool.Close(Deadline::Past()).IgnoreError();
      if (!closes) pool.Cancel(token);
    };
    const TimePoint start = Now();
    EXPECT_EQ(pool.Acquire({.deadline = pool.In(3s), .cancel = &token}).status().code(),
              closes ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kCancelled);
    EXPECT_LE(Now() - start, 300ms);
    EXPECT_FALSE(meanwhile);
  }
}

TEST_F(OwnOpenTest, ThatHangsIsLeftForAConnectionThatComesBack) {
  PoolFor<Patient> pool(backend, Options());
  hangs = -1;
  Lease held = Take(pool);
  hangs = ScriptedBackend::kStepFd + 2;
  at = Now() + 1500ms;
  meanwhile = [&] { held.Return(); };
  const TimePoint start = Now();
  EXPECT_TRUE(pool.Acquire(kWrite, pool.In(4s)).ok());
  EXPECT_LE(Now() - start, 1600ms);
  EXPECT_EQ(pool.stats().open, 1);
}

TEST_F(OwnOpenTest, ThatTakesLittleLongerIsAwaited) {
  PoolFor<Patient> pool(backend, Options());
  hangs = -1;
  Lease held = Take(pool);
  hangs = ScriptedBackend::kStepFd + 2;
  at = Now() + 100ms;
  meanwhile = [&] {
    held.Return();
    hangs = -1;
  };
  EXPECT_TRUE(pool.Acquire(kWrite, pool.In(4s)).ok());
  EXPECT_EQ(pool.stats().open, 2) << "an open of usual length is not thrown away";
}

// ---- A unique key that an open runs into is no row of the caller's -----------------------------------

TEST_F(FieldTest, AnOpenNeverSaysThatTheRowIsThere) {
  const absl::Status taken = absl::AlreadyExistsError("the schema inserts a row that is there");
  backend.FailNext(Call::kOpen, taken, 2);
  PoolFor<Plain<1>> pool(backend, Options());
  const absl::Status acquired = pool.Acquire(kWrite, pool.In(1s)).status();
  EXPECT_EQ(acquired.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(acquired.message(), taken.message());
  platform.Advance(1h);
  EXPECT_EQ(pool.Fill(1, pool.In(1s)).code(), absl::StatusCode::kInvalidArgument);
}

struct ByHousekeeper : Plain<1> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};

TEST_F(FieldTest, NorDoesOneThatGoesOnInSteps) {
  backend.FailNext(Call::kOpen, absl::AlreadyExistsError("on_connect inserts a row that is there"));
  PoolFor<ByHousekeeper> pool(backend, Options());
  Caller caller(platform, pool, pool.In(1s));
  Tick(pool);
  platform.Run();
  EXPECT_EQ(caller.status().code(), absl::StatusCode::kInvalidArgument);
}

// ---- One token in two pools --------------------------------------------------------------------------

TEST_F(FieldTest, CancelReachesAWaiterInAnotherPool) {
  PoolFor<Plain<1>> pool(backend, Options());
  PoolFor<Plain<1>> other(backend, Options());
  Lease held = Take(pool), also_held = Take(other);
  CancelToken token;
  Caller here(platform, pool, AcquireOptions{.deadline = Deadline::Never(), .cancel = &token});
  Caller there(platform, other, AcquireOptions{.deadline = Deadline::Never(), .cancel = &token});
  Caller without(platform, other, pool.In(1s));
  pool.Cancel(token);
  platform.Run();
  EXPECT_EQ(here.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(there.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(without.waiting());
  also_held.Return();
  platform.Run();
  EXPECT_TRUE(without.served());
}

TEST_F(FieldTest, ATokenIsUsableAfterAPoolThatHadItIsGone) {
  CancelToken token;
  {
    PoolFor<Plain<1>> gone(backend, Options());
    Lease held = Take(gone);
    EXPECT_FALSE(gone.Acquire({.deadline = gone.In(1s), .cancel = &token}).ok());
  }
  PoolFor<Plain<1>> pool(backend, Options());
  pool.Cancel(token);
  EXPECT_EQ(pool.Acquire({.deadline = pool.In(1s), .cancel = &token}).status().code(),
            absl::StatusCode::kCancelled);
}

// ---- What Close and Fill say when they do nothing ----------------------------------------------------

TEST_F(FieldTest, CloseSaysWhetherALeaseOrAnOpenHoldsItUp) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.set_hook([&](const CallInfo& info) {
    if (info.call != Call::kOpen) return;
    const absl::Status closed = pool.Close(Deadline::Past());
    EXPECT_THAT(std::string(closed.message()), HasSubstr("still being opened"));
  });
  EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1s)).ok());
}

TEST_F(FieldTest, FillOfAPausedPoolSaysSo) {
  PoolFor<Plain<2>> pool(backend, Options());
  backend.FailNext(Call::kOpen, Gone());
  EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1s)).ok());
  pool.Pause();
  const absl::Status paused = pool.Fill(1, pool.In(1s));
  EXPECT_EQ(paused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(paused.message()), HasSubstr("paused"));
}

// ---- A recycle age below the time that an open takes -------------------------------------------------

struct ShortLived : Plain<1> {
  static constexpr Duration kPoolRecycle = 20ms;
};

TEST_F(FieldTest, AConnectionThatIsTooOldWhenItIsOpenIsLentOnce) {
  PoolFor<ShortLived> pool(backend, Options());
  backend.Takes(Call::kOpen, 50ms);
  EXPECT_TRUE(pool.Acquire(kWrite, pool.In(1s)).ok());
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

}  // namespace
}  // namespace roost
