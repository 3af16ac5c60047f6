// The wall clock jumps by hours while the pool waits, ages and locks. Nothing may notice: every
// deadline and age is on the monotonic clock.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wall_clock.h"

namespace roost {
namespace {

using namespace std::chrono_literals;

struct Node : profiles::RaspberryPi {
  static constexpr const char* kName = "clock_jump";
  static constexpr Duration kPoolRecycle = 3600s;
};

class ClockJumpTest : public ::testing::TestWithParam<int64_t> {
 protected:
  ~ClockJumpTest() override { support::wall_clock_jump_s = 0; }

  // How long `body` took by the monotonic clock.
  template <class Body>
  Duration Took(Body body) {
    const TimePoint start = NativePlatform().Now();
    body();
    return NativePlatform().Now() - start;
  }

  support::TempDir dir;
  SqliteBackend backend{
      {.path = dir.path() + "/node.db", .schema = "CREATE TABLE IF NOT EXISTS t(x)"}};
};

TEST_P(ClockJumpTest, AWaitEndsAtItsDeadline) {
  PoolFor<Node> pool(backend);
  absl::StatusOr<Lease> held = pool.Acquire(kWrite, pool.In(10s));
  ASSERT_TRUE(held.ok()) << held.status();
  absl::Status refused;
  std::thread waiter;
  const Duration took = Took([&] {
    waiter = std::thread([&] { refused = pool.Acquire(kWrite, pool.In(300ms)).status(); });
    while (pool.stats().waiting == 0) std::this_thread::yield();
    support::wall_clock_jump_s = GetParam();
    waiter.join();
  });
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 30s)
      << "a generous bound for a loaded machine; a wait on the wall clock misses it "
         "by the hour";
}

TEST_P(ClockJumpTest, AConnectionNeitherAgesNorGrowsYounger) {
  PoolFor<Node> pool(backend);
  { ASSERT_TRUE(pool.Acquire(kWrite, pool.In(10s)).ok()); }
  support::wall_clock_jump_s = GetParam();
  pool.Tick(NativePlatform().Now());
  { ASSERT_TRUE(pool.Acquire(kWrite, pool.In(10s)).ok()); }
  EXPECT_EQ(pool.stats().opens, 1u);
  EXPECT_EQ(pool.stats().recycles, 0u);
  pool.InvalidateAll();
  { ASSERT_TRUE(pool.Acquire(kWrite, pool.In(10s)).ok()); }
  EXPECT_EQ(pool.stats().opens, 2u) << "invalidation works whatever the wall clock says";
}

TEST_P(ClockJumpTest, AWaitForAnotherProcessesLockEndsAtItsDeadline) {
  SqliteBackend other({.path = dir.path() + "/node.db"});
  PoolFor<Node> theirs(other);
  PoolFor<Node> pool(backend);
  { ASSERT_TRUE(pool.Acquire(kWrite, pool.In(10s)).ok()); }  // makes the database
  absl::StatusOr<Lease> locker = theirs.Acquire(kWrite, theirs.In(10s));
  ASSERT_TRUE(locker.ok()) << locker.status();
  absl::StatusOr<Transaction> transaction = (**locker).Begin();
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  absl::Status refused;
  const Duration took = Took([&] {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(300ms));
    ASSERT_TRUE(lease.ok()) << lease.status();
    support::wall_clock_jump_s = GetParam();
    refused = (**lease).Begin().status();
  });
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded) << refused;
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 30s);
}

TEST_P(ClockJumpTest, TheJumpIsSeenWhereTheWallClockIsAsked) {
  const int64_t before = NativePlatform().UnixMicros();
  support::wall_clock_jump_s = GetParam();
  const int64_t after = NativePlatform().UnixMicros();
  EXPECT_NEAR(static_cast<double>(after - before), static_cast<double>(GetParam()) * 1e6, 60e6)
      << "else the other tests of this file prove nothing";
}

std::string JumpName(const ::testing::TestParamInfo<int64_t>& jump) {
  if (jump.param < 0) return "BackAnHour";
  return jump.param == 3600 ? "AheadAnHour" : "AheadTenYears";
}

// Ten years: what a time_t of 32 bits, as on armhf, still holds.
INSTANTIATE_TEST_SUITE_P(Jumps, ClockJumpTest, ::testing::Values(3600, -3600, 86400 * 365 * 10),
                         JumpName);

}  // namespace
}  // namespace roost
