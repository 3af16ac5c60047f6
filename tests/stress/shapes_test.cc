// tests/stress/shapes_test.cc - more threads than slots, in every shape of pool: callers that try,
// that have little time, that have for ever; connections that come back clean, dirty, or not at
// all; and a close in mid-run.
#include <gtest/gtest.h>

#include <string>

#include "tests/stress/stress_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

struct Totals {
  std::atomic<uint64_t> leases{0};
  std::atomic<uint64_t> refusals{0};
  std::atomic<int> sent_away{0};
};

absl::StatusOr<Lease> AskSomehow(Pool& pool, Dice& dice) {
  const Intent intent = dice.OneIn(2) ? kRead : kWrite;
  const uint32_t way = dice.Roll() % 8;
  if (way == 0) return pool.TryAcquire(intent);
  if (way < 5) return pool.Acquire(intent, pool.In(std::chrono::microseconds(dice.Roll() % 121)));
  return pool.Acquire(intent, Deadline::Never());
}

void HoldSomehow(Lease& lease, Dice& dice) {
  switch (dice.Roll() % 3) {
    case 0:
      break;
    case 1:
      Pause(60);
      break;
    default:
      std::this_thread::sleep_for(20us);
  }
  if (dice.OneIn(32)) Scripted(lease).MakeDirty();
}

void EndSomehow(Lease& lease, Dice& dice) {
  if (dice.OneIn(32)) return lease.Discard();
  if (dice.OneIn(512)) return static_cast<void>(lease.Detach());
  lease.Return();
}

// Until the pool is closed.
void Work(Pool& pool, Owners& owners, Totals& totals, int seed) {
  Dice dice(static_cast<uint64_t>(seed));
  for (;;) {
    absl::StatusOr<Lease> lease = AskSomehow(pool, dice);
    if (lease.status().code() == absl::StatusCode::kFailedPrecondition) break;
    if (!lease.ok()) {
      EXPECT_EQ(lease.status().code(), absl::StatusCode::kDeadlineExceeded) << lease.status();
      totals.refusals.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    const int slot = lease->slot();
    owners.Take(slot);
    HoldSomehow(*lease, dice);
    owners.Give(slot);
    totals.leases.fetch_add(1, std::memory_order_relaxed);
    EndSomehow(*lease, dice);
  }
  ++totals.sent_away;
}

// Other sizes, ages and pings again and again, until the pool is closed.
void TuneAgainAndAgain(Pool& pool, int least) {
  Dice dice(7);
  const auto up_to = [&dice](int most) {
    return static_cast<int>(dice.Roll() % static_cast<uint32_t>(most + 1));
  };
  for (absl::Status status; status.code() != absl::StatusCode::kFailedPrecondition;) {
    const int size = least + up_to(pool.capacity() - least);
    status = pool.Tune({.pool_size = size,
                        .max_overflow = up_to(pool.capacity() - size),
                        .pool_recycle = dice.OneIn(4) ? Duration(2ms) : Duration(0s),
                        .pre_ping = dice.OneIn(4) ? PrePing::kAlways : PrePing::kNever,
                        .linger = dice.OneIn(2) ? Duration(1ms) : Duration(0s)});
    EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kFailedPrecondition) << status;
    const char* broken = PoolTestPeer::BrokenInvariant(pool);
    EXPECT_EQ(broken, nullptr) << broken;
    std::this_thread::sleep_for(50us);
  }
}

template <class P>
void Stress(int threads, LanePlan lanes = LanePlan::kOne, bool tunes = false) {
  ScriptedBackend backend(nullptr, lanes);
  backend.set_logging(false);
  Owners owners;
  Totals totals;
  {
    PoolFor<P> pool(backend);
    std::thread closer([&] {
      std::this_thread::sleep_for(RunTime());
      EXPECT_TRUE(pool.Close(pool.In(60s)).ok());
    });
    std::thread tuner([&] {
      if (tunes) TuneAgainAndAgain(pool, lanes == LanePlan::kOne ? 1 : 2);
    });
    OnThreads(threads, [&](int index) { Work(pool, owners, totals, index); });
    closer.join();
    tuner.join();
    EXPECT_EQ(totals.sent_away, threads) << "every caller was woken";
    EXPECT_EQ(owners.uses(), totals.leases);
    ExpectDrained(pool, backend, totals.leases);
    const char* broken = PoolTestPeer::BrokenInvariant(pool);
    EXPECT_EQ(broken, nullptr) << broken;
    const Stats stats = pool.stats();
    std::printf("%d+%d, %d threads: %llu leases, %llu waited, %llu handed off, %llu refusals\n",
                P::kPoolSize, P::kMaxOverflow, threads,
                static_cast<unsigned long long>(stats.checkouts),
                static_cast<unsigned long long>(stats.waited),
                static_cast<unsigned long long>(stats.handed_off),
                static_cast<unsigned long long>(totals.refusals.load()));
    if (threads >= 2 * P::kPoolSize) {
      EXPECT_GT(stats.waited, 0u) << "so many threads for so few slots, and no caller had to wait";
    }
  }
}

TEST(ShapesTest, OneSlotAndFourThreads) { Stress<Shape<1>>(4); }
TEST(ShapesTest, ThreeSlotsAndEightThreads) { Stress<Shape<3>>(8); }
TEST(ShapesTest, TwoAndOneAndEightThreads) { Stress<Shape<2, 1>>(8); }
TEST(ShapesTest, OneAndThreeAndEightThreads) { Stress<Shape<1, 3>>(8); }
TEST(ShapesTest, SevenSlotsAndSixteenThreads) { Stress<Shape<7>>(16); }
TEST(ShapesTest, FiftyAndTwentyFiveAndNinetyThreads) { Stress<Shape<50, 25>>(90); }
TEST(ShapesTest, AWriterAndReadersAndEightThreads) {
  Stress<Shape<2, 1>>(8, LanePlan::kWriterAndReaders);
}

struct Closing : Shape<1, 3> {
  static constexpr Duration kLinger = 0s;
};
TEST(ShapesTest, OverflowThatIsClosedAtOnce) { Stress<Closing>(8); }

struct Pinging : Shape<2, 1> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
};
TEST(ShapesTest, APingBeforeEveryLease) { Stress<Pinging>(8); }

TEST(ShapesTest, OtherSettingsAgainAndAgain) { Stress<Shape<2, 1>>(8, LanePlan::kOne, true); }
TEST(ShapesTest, OtherSettingsOfAWriterAndReaders) {
  Stress<Shape<3, 2>>(8, LanePlan::kWriterAndReaders, true);
}
TEST(ShapesTest, OtherSettingsByTheLock) { Stress<Shape<6, 3>>(16, LanePlan::kOne, true); }

}  // namespace
}  // namespace roost
