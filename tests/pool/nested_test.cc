// tests/pool/nested_test.cc - a holder that asks for a second connection: served where that can be,
// refused where it could only deadlock.
#include <gtest/gtest.h>

#include <thread>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using NestedTest = PoolTest;

template <int kSize, int kOverflow = 0>
struct Checked : Plain<kSize, kOverflow> {
  static constexpr bool kNestedCheck = true;
};

absl::StatusOr<Lease> Second(Pool& pool) { return pool.Acquire(kWrite, pool.In(1s)); }

TEST_F(NestedTest, TheOnlyHolderOfTheOnlyConnectionIsRefusedAtOnce) {
  PoolFor<Checked<1>> pool(backend, Options());
  Lease first = Must(pool.Acquire());
  const TimePoint start = Now();
  const absl::Status status = Second(pool).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("deadlock"));
  EXPECT_EQ(Now(), start);
  EXPECT_EQ(pool.stats().refused_nested, 1u);
  EXPECT_EQ(events.count(EventKind::kRefused), 1);
}

TEST_F(NestedTest, AHolderIsServedWhileThereIsCapacity) {
  PoolFor<Checked<2, 1>> pool(backend, Options());
  Lease first = Must(pool.Acquire());
  Lease second = Must(Second(pool));
  Lease third = Must(Second(pool));
  EXPECT_EQ(Second(pool).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(NestedTest, AHolderWaitsForAnotherThreadThatWillReturn) {
  PoolFor<Checked<2>> pool(backend, Options());
  Lease mine = Must(pool.Acquire());
  Caller other(platform, pool);
  ASSERT_TRUE(other.served());
  platform.WhileWaiting([&] { other.Return(); });
  Lease second = Must(Second(pool));
}

TEST_F(NestedTest, AThreadIsNotTakenForOneThatEnded) {
  PoolFor<Checked<1>> pool(backend, Options());
  absl::StatusOr<Lease> held, wanted;
  std::thread([&] { held = pool.Acquire(); }).join();
  ASSERT_TRUE(held.ok());
  // It gets the memory of the one before.
  Actor other(platform, [&] { wanted = pool.Acquire(kWrite, pool.In(1s)); });
  EXPECT_TRUE(other.waiting());
  held->Return();
  platform.Run();
  EXPECT_TRUE(wanted.ok()) << wanted.status();
}

TEST_F(NestedTest, TwoHoldersThatWaitForEachOtherAreToldAtTheSecond) {
  PoolFor<Checked<2>> pool(backend, Options());
  Lease mine = Must(pool.Acquire());
  absl::StatusOr<Lease> held, wanted;
  Actor other(platform, [&] {
    held = pool.Acquire(kWrite, pool.In(1s));
    wanted = pool.Acquire(kWrite, pool.In(1s));
  });
  EXPECT_TRUE(other.waiting()) << "the first of them may hope";
  EXPECT_EQ(Second(pool).status().code(), absl::StatusCode::kFailedPrecondition);
  mine.Return();
  platform.Run();
  EXPECT_TRUE(wanted.ok());
}

TEST_F(NestedTest, ACallerWithoutALeaseWaitsEvenWhenAllHoldersWait) {
  PoolFor<Checked<1>> pool(backend, Options());
  Lease mine = Must(pool.Acquire());
  Caller other(platform, pool, pool.In(1s));
  EXPECT_TRUE(other.waiting());
  mine.Return();
  platform.Run();
  EXPECT_TRUE(other.served());
}

TEST_F(NestedTest, ALeaseThatWasGivenAwayDoesNotCount) {
  PoolFor<Checked<1>> pool(backend, Options());
  Lease given = Must(pool.Acquire());
  given.ReleaseThread();
  platform.WhileWaiting([&] { given.Return(); });
  Lease second = Must(Second(pool));
}

TEST_F(NestedTest, ALeaseThatIsBackDoesNotCount) {
  PoolFor<Checked<1>> pool(backend, Options());
  Must(pool.Acquire()).Return();
  Caller other(platform, pool, Deadline::Never());
  ASSERT_TRUE(other.served());
  platform.WhileWaiting([&] { other.Return(); });
  Lease mine = Must(Second(pool));
}

TEST_F(NestedTest, APastDeadlineIsATimeOutBecauseItDoesNotWait) {
  PoolFor<Checked<1>> pool(backend, Options());
  Lease mine = Must(pool.Acquire());
  EXPECT_EQ(pool.Acquire(kWrite, Deadline::Past()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(NestedTest, TheCheckCanBeSwitchedOff) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease mine = Must(pool.Acquire());
  EXPECT_EQ(Second(pool).status().code(), absl::StatusCode::kDeadlineExceeded);
}

// A reader that wants to write waits in another lane, where the writer can come back.
TEST_F(NestedTest, AHolderOfAReaderWaitsForTheWriterOfAnotherThread) {
  ScriptedBackend lanes(&platform, LanePlan::kWriterAndReaders);
  PoolFor<Checked<2>> pool(lanes, Options());
  Lease reader = Must(pool.Acquire(kRead, pool.In(1s)));
  Caller writer(platform, pool, Deadline::Never(), kWrite);
  ASSERT_TRUE(writer.served());
  platform.WhileWaiting([&] { writer.Return(); });
  Lease mine = Must(Second(pool));
}

TEST_F(NestedTest, AReaderAndAWriterThatWaitForEachOtherAreTold) {
  ScriptedBackend lanes(&platform, LanePlan::kWriterAndReaders);
  PoolFor<Checked<2>> pool(lanes, Options());
  Lease reader = Must(pool.Acquire(kRead, pool.In(1s)));
  absl::StatusOr<Lease> held, wanted;
  Actor other(platform, [&] {
    held = pool.Acquire(kWrite, pool.In(1s));
    wanted = pool.Acquire(kRead, pool.In(1s));
  });
  EXPECT_TRUE(other.waiting());
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  reader.Return();
  platform.Run();
  EXPECT_TRUE(wanted.ok());
}

}  // namespace
}  // namespace roost
