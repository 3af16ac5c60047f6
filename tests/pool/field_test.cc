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
