// tests/pool/counting_test.cc - counting, capacity, overflow and the order of idle connections.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using CountingTest = PoolTest;

std::string SqlAlchemy(int size, int idle, int overflow, int out) {
  return "Pool size: " + std::to_string(size) + "  Connections in pool: " + std::to_string(idle) +
         " Current Overflow: " + std::to_string(overflow) +
         " Current Checked out connections: " + std::to_string(out);
}

// As SQLAlchemy's QueuePoolTest.test_queuepool_close. Its overflow is unlimited; here it is 3.
TEST_F(CountingTest, CountsLikeSqlAlchemyWhileConnectionsGoOutAndComeBack) {
  PoolFor<Plain<3, 3>> pool(backend, Options());
  EXPECT_EQ(StatusText(pool), SqlAlchemy(3, 0, -3, 0));
  std::vector<Lease> leases;
  for (int out = 1; out <= 6; ++out) {
    leases.push_back(Take(pool));
    EXPECT_EQ(StatusText(pool), SqlAlchemy(3, 0, out - 3, out));
  }
  for (int i = 0; i < 3; ++i) leases.pop_back();
  EXPECT_EQ(StatusText(pool), SqlAlchemy(3, 3, 3, 3));
  for (int i = 0; i < 3; ++i) leases.pop_back();
  EXPECT_EQ(StatusText(pool), SqlAlchemy(3, 3, 0, 0));
  leases.push_back(Take(pool));
  leases.push_back(Take(pool));
  EXPECT_EQ(StatusText(pool), SqlAlchemy(3, 1, 0, 2));
  leases.pop_back();
  EXPECT_EQ(StatusText(pool), SqlAlchemy(3, 2, 0, 1));
}

// As puddle's TestPoolAcquireReusesResources.
TEST_F(CountingTest, LendsTheSameConnectionAgainInsteadOfOpeningAnother) {
  PoolFor<Plain<10>> pool(backend, Options());
  Lease first = Take(pool);
  const int serial = SerialOf(first);
  first.Return();
  Lease second = Take(pool);
  EXPECT_EQ(SerialOf(second), serial);
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

// As deadpool's managed.rs, basic.
TEST_F(CountingTest, OpensOnlyWhatIsNeeded) {
  PoolFor<Plain<16>> pool(backend, Options());
  EXPECT_EQ(CountsOf(pool), (Counts{}));
  std::vector<Lease> leases;
  for (int n = 1; n <= 3; ++n) {
    leases.push_back(Take(pool));
    EXPECT_EQ(CountsOf(pool), (Counts{.open = n, .in_use = n}));
  }
  for (int n = 1; n <= 3; ++n) {
    leases.pop_back();
    EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = n, .in_use = 3 - n}));
  }
}

// As HikariCP's TestConnections.testMaximumPoolLimit: the bound holds whatever the callers do.
TEST_F(CountingTest, NeverOpensMoreThanCapacity) {
  PoolFor<Plain<3, 1>> pool(backend, Options());
  std::vector<Lease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(Take(pool));
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(10ms)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.peak_open(), 4);
  EXPECT_EQ(pool.stats().peak_in_use, 4);
}

// As Go's database/sql TestMaxIdleConns, by SQLAlchemy's rule: overflow is what comes back while
// pool_size connections are idle already.
TEST_F(CountingTest, ClosesTheOverflowConnectionThatComesBackLast) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  const int oldest = SerialOf(a);
  c.Return();
  b.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = 2, .in_use = 1}));
  a.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 2}));
  EXPECT_THAT(backend.serials(Call::kClose), ElementsAre(oldest));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kOverflow), 1u);
  EXPECT_EQ(events.closes(CloseReason::kOverflow), 1);
}

// Measured on SQLAlchemy: two held and ten bounces of a third are one connect.
TEST_F(CountingTest, KeepsTheThirdConnectionWhileFewerThanPoolSizeRest) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  for (int i = 0; i < 10; ++i) Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 3);
  EXPECT_EQ(backend.count(Call::kClose), 0);
}

// As pgbouncer's test_reserve_pool_size: the overflow is used only while pool_size connections are
// lent, and every use is counted.
TEST_F(CountingTest, OverflowIsCountedWhileItExists) {
  PoolFor<Plain<5, 3>> pool(backend, Options());
  std::vector<Lease> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(Take(pool));
  EXPECT_EQ(pool.stats().overflow_in_use, 0);
  for (int i = 1; i <= 3; ++i) {
    leases.push_back(Take(pool));
    EXPECT_EQ(pool.stats().overflow_in_use, i);
  }
  leases.clear();
  EXPECT_EQ(pool.stats().overflow_in_use, 0);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kOverflow), 3u);
}

// As SQLAlchemy's QueuePoolTest.test_lifo.
TEST_F(CountingTest, LendsTheConnectionThatCameBackLast) {
  PoolFor<Plain<3>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool), c = Take(pool);
  const int first = SerialOf(a), second = SerialOf(b), third = SerialOf(c);
  a.Return();
  b.Return();
  c.Return();
  for (int i = 0; i < 3; ++i) {
    Lease again = Take(pool);
    EXPECT_EQ(SerialOf(again), third);
  }
  Lease x = Take(pool), y = Take(pool), z = Take(pool);
  EXPECT_THAT((std::array{SerialOf(x), SerialOf(y), SerialOf(z)}),
              ElementsAre(third, second, first));
}

// As r2d2's try_get.
TEST_F(CountingTest, TryAcquireTakesIdleConnectionsAndNeverOpens) {
  PoolFor<Plain<2>> pool(backend, Options());
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.count(Call::kOpen), 0);
  ASSERT_TRUE(pool.Fill(2, pool.In(1s)).ok());
  Lease a = Must(pool.TryAcquire());
  Lease b = Must(pool.TryAcquire());
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kDeadlineExceeded);
  a.Return();
  Lease c = Must(pool.TryAcquire());
  EXPECT_EQ(backend.count(Call::kOpen), 2);
}

TEST_F(CountingTest, TryAcquireBoundsTheWorkByItsOwnDeadline) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  const Deadline by = pool.In(70ms);
  EXPECT_EQ(Must(pool.TryAcquire(kWrite, by))->deadline(), by);
  EXPECT_TRUE(Must(pool.TryAcquire())->deadline().IsNever());
  EXPECT_TRUE(pool.TryAcquire(kWrite, Deadline::Past()).ok()) << "it bounds the statements alone";
}

TEST_F(CountingTest, AcquireGivesTheLeaseItsDeadline) {
  PoolFor<Plain<1>> pool(backend, Options());
  const Deadline by = pool.In(70ms);
  Lease opened = Must(pool.Acquire(kWrite, by));
  EXPECT_EQ(opened->deadline(), by);
  opened.Return();
  const Deadline later = pool.In(90ms);
  EXPECT_EQ(Must(pool.Acquire(kWrite, later))->deadline(), later);
  EXPECT_EQ(Must(pool.Acquire())->deadline(), pool.In(30s));
}

TEST_F(CountingTest, SlotsOfLeasesAreDifferentAndWithinCapacity) {
  PoolFor<Plain<2, 2>> pool(backend, Options());
  std::vector<Lease> leases;
  std::vector<int> slots;
  for (int i = 0; i < 4; ++i) {
    leases.push_back(Take(pool));
    slots.push_back(leases.back().slot());
  }
  EXPECT_THAT(slots, ::testing::UnorderedElementsAre(0, 1, 2, 3));
}

TEST_F(CountingTest, AnswersWhatItWasMadeOf) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  EXPECT_EQ(pool.settings().pool_size, 2);
  EXPECT_EQ(pool.settings().max_overflow, 1);
  EXPECT_EQ(pool.name(), "main");
  EXPECT_EQ(&pool.backend(), &backend);
  EXPECT_EQ(&pool.platform(), &platform);
  PoolFor<Plain<1>> native(backend, {.name = "native"});
  EXPECT_EQ(&native.platform(), &NativePlatform());
  EXPECT_EQ(pool.In(5s), Deadline::At(platform.Now() + 5s));
}

TEST_F(CountingTest, InCountsOnTheExactClockAndSaturates) {
  PoolFor<Plain<1>> pool(backend, Options());
  platform.set_coarse_lag(10ms);
  EXPECT_EQ(pool.In(5s), Deadline::At(platform.Now() + 5s));
  EXPECT_TRUE(pool.In(Duration::max()).IsNever());
}

struct Lingering : Plain<1, 2> {
  static constexpr Duration kLinger = 10s;
};

TEST_F(CountingTest, OverflowLingersAndServesTheRestOfTheBurst) {
  PoolFor<Lingering> pool(backend, Options());
  for (int i = 0; i < 5; ++i) {
    Lease a = Take(pool), b = Take(pool), c = Take(pool);
  }
  EXPECT_EQ(backend.count(Call::kOpen), 3);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = 3}));
}

TEST_F(CountingTest, NoTickIsWantedForALingerThatNobodyHas) {
  int calls = 0;
  PoolOptions options = Options();
  options.on_work = {.function = [](void* count) { ++*static_cast<int*>(count); },
                     .context = &calls};
  PoolFor<Lingering> pool(backend, options);
  Lease first = Take(pool);
  EXPECT_EQ(Tick(pool), TimePoint::max());
  EXPECT_EQ(calls, 0);
  Lease second = Take(pool);
  EXPECT_EQ(calls, 1) << "the loop learns of the connection that may linger";
  EXPECT_EQ(Tick(pool), Now() + 10s) << "it may come back at once";
  platform.Advance(4s);
  second.Return();
  first.Return();
  EXPECT_EQ(Tick(pool), Now() + 10s);
  platform.Advance(10s);
  EXPECT_EQ(Tick(pool), TimePoint::max()) << "closed, and nothing else can fall due";
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(calls, 1);
}

TEST_F(CountingTest, TickClosesOverflowWhenItsLingerIsOver) {
  PoolFor<Lingering> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool), c = Take(pool); }
  const TimePoint returned = Now();
  EXPECT_EQ(Tick(pool), returned + 10s);
  platform.Advance(10s - 1ns);
  Tick(pool);
  EXPECT_EQ(CountsOf(pool).open, 3);
  platform.Advance(1ns);
  Tick(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kLingered), 2u);
}

TEST_F(CountingTest, ALingeringConnectionThatIsUsedAgainLingersAnew) {
  PoolFor<Lingering> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(9s);
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(9s);
  Tick(pool);
  EXPECT_EQ(CountsOf(pool).open, 2);
  platform.Advance(1s);
  Tick(pool);
  EXPECT_EQ(CountsOf(pool).open, 1);
}

}  // namespace
}  // namespace roost
