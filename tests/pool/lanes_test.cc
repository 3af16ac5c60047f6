// tests/pool/lanes_test.cc - lanes: one writer and its readers.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

class LanesTest : public PoolTest {
 protected:
  Role RoleOf(Lease& lease) { return Scripted(lease).role(); }
  ScriptedBackend lanes{&platform, LanePlan::kWriterAndReaders};
};

TEST_F(LanesTest, TwoAndOneAreAWriterAReaderAndAnOverflowReader) {
  PoolFor<Plain<2, 1>> pool(lanes, Options());
  Lease writer = Take(pool, kWrite), reader = Take(pool, kRead), extra = Take(pool, kRead);
  EXPECT_EQ(RoleOf(writer), Role::kWriter);
  EXPECT_EQ(RoleOf(reader), Role::kReader);
  EXPECT_EQ(RoleOf(extra), Role::kReader);
  EXPECT_EQ(writer.slot(), 0);
  EXPECT_THAT((std::array{reader.slot(), extra.slot()}), ::testing::UnorderedElementsAre(1, 2));
  EXPECT_EQ(pool.Acquire(kRead, pool.In(1ms)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1ms)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool.stats().overflow_in_use, 1);
  extra.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = 1, .in_use = 2})) << "one reader stays open";
  reader.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 1, .in_use = 1}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kOverflow), 1u);
}

TEST_F(LanesTest, ThereIsOneWriterHoweverLargeThePool) {
  PoolFor<Plain<5, 2>> pool(lanes, Options());
  Lease writer = Take(pool, kWrite);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1ms)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  std::vector<Lease> readers;
  for (int i = 0; i < 6; ++i) readers.push_back(Take(pool, kRead));
  EXPECT_EQ(pool.Acquire(kRead, pool.In(1ms)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(lanes.peak_open(), 7);
}

// As greenDAO's issue 654: "0 active, 1 idle" beside a time-out of a writer tells nobody what is short.
TEST_F(LanesTest, ATimeOutWhileReadersAreIdleNamesTheWriter) {
  PoolFor<Plain<3>> pool(lanes, Options());
  const int line = __LINE__ + 1;
  Lease writer = Must(pool.Acquire(kWrite, pool.In(9s)));
  Take(pool, kRead).Return();
  platform.Advance(1500ms);
  const absl::Status refusal = pool.Acquire(kWrite, pool.In(500ms)).status();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(std::string(refusal.message()),
            "the one writer is lent, connection timed out at the caller's deadline; Pool::Explain "
            "says to whom and since when: hold it for less, or wait longer (a larger pool has no "
            "second writer; what only reads takes kRead)");
  std::array<char, 1024> buffer;
  EXPECT_EQ(std::string(pool.Explain(refusal, 500ms, buffer)),
            "the one writer is lent, connection timed out at the caller's deadline; writer held by "
            "lanes_test.cc:" +
                std::to_string(line) +
                " for 2.00 s; 0 waiting; hold it for less, or wait longer (a larger pool has no "
                "second writer; what only reads takes kRead)");
  EXPECT_THAT(std::string(pool.Acquire(kWrite).status().message()),
              HasSubstr("the one writer is lent, connection timed out, timeout 30.00; "));
}

TEST_F(LanesTest, ATimeOutWhileTheWriterIsIdleNamesTheReaders) {
  PoolFor<Plain<3>> pool(lanes, Options());
  Take(pool, kWrite).Return();
  Lease a = Take(pool, kRead), b = Take(pool, kRead);
  EXPECT_THAT(std::string(pool.Acquire(kRead, pool.In(1ms)).status().message()),
              HasSubstr("every reader is lent, connection timed out at the caller's deadline; "));
  Lease writer = Take(pool, kWrite);
  for (const Intent intent : {kRead, kWrite}) {
    EXPECT_EQ(std::string(pool.Acquire(intent, pool.In(1ms)).status().message()),
              "QueuePool limit of size 3 overflow 0 reached, connection timed out at the caller's "
              "deadline");
  }
}

TEST_F(LanesTest, OneSlotServesBothIntents) {
  PoolFor<Plain<1>> pool(lanes, Options());
  Lease reader = Take(pool, kRead);
  EXPECT_EQ(RoleOf(reader), Role::kAny);
  EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1ms)).ok());
  reader.Return();
  Lease writer = Take(pool, kWrite);
  EXPECT_EQ(SerialOf(writer), 1);
}

TEST_F(LanesTest, OneAndOverflowAreAWriterAndOverflowReaders) {
  PoolFor<Plain<1, 2>> pool(lanes, Options());
  Lease writer = Take(pool, kWrite), a = Take(pool, kRead), b = Take(pool, kRead);
  EXPECT_EQ(RoleOf(writer), Role::kWriter);
  EXPECT_EQ(RoleOf(a), Role::kReader);
  EXPECT_EQ(RoleOf(b), Role::kReader);
  a.Return();
  b.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1})) << "no reader stays open";
}

TEST_F(LanesTest, ABackendWithOneLaneIgnoresTheIntent) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool, kWrite), b = Take(pool, kWrite);
  EXPECT_EQ(RoleOf(a), Role::kAny);
  EXPECT_EQ(RoleOf(b), Role::kAny);
}

TEST_F(LanesTest, WritersAndReadersStandInLinesOfTheirOwn) {
  PoolFor<Plain<2>> pool(lanes, Options());
  Lease writer = Take(pool, kWrite), reader = Take(pool, kRead);
  Caller wants_write(platform, pool, Deadline::Never(), kWrite);
  Caller wants_read(platform, pool, Deadline::Never(), kRead);
  EXPECT_EQ(pool.stats().waiting, 2);
  reader.Return();
  platform.Run();
  EXPECT_TRUE(wants_read.served());
  EXPECT_TRUE(wants_write.waiting());
  writer.Return();
  platform.Run();
  EXPECT_TRUE(wants_write.served());
}

TEST_F(LanesTest, TheWritersLineIsInOrderOfArrival) {
  PoolFor<Plain<2>> pool(lanes, Options());
  Lease writer = Take(pool, kWrite);
  Caller first(platform, pool, Deadline::Never(), kWrite);
  Caller second(platform, pool, Deadline::Never(), kWrite);
  Lease reader = Take(pool, kRead);
  writer.Return();
  ServeInOrder(first, second);
}

TEST_F(LanesTest, FillOpensTheWriterFirst) {
  PoolFor<Plain<3>> pool(lanes, Options());
  ASSERT_TRUE(pool.Fill(1, pool.In(1s)).ok());
  EXPECT_EQ(lanes.log().front().role, Role::kWriter);
  ASSERT_TRUE(pool.Fill(3, pool.In(1s)).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 3, .idle = 3}));
}

TEST_F(LanesTest, CloseClosesReadersBeforeTheWriter) {
  PoolFor<Plain<3>> pool(lanes, Options());
  { Lease w = Take(pool, kWrite), a = Take(pool, kRead), b = Take(pool, kRead); }
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(lanes.serials(Call::kClose).back(), 1) << "the writer was opened first, closed last";
}

TEST_F(LanesTest, ADeadReaderSaysTheSameOfTheWriter) {
  PoolFor<Plain<2>> pool(lanes, Options());
  { Lease w = Take(pool, kWrite), r = Take(pool, kRead); }
  platform.Advance(1s);
  Lease reader = Take(pool, kRead);
  Scripted(reader).Fail(FaultScope::kAllOlder);
  reader.Return();
  Lease writer = Take(pool, kWrite);
  EXPECT_EQ(SerialOf(writer), 3);
}

TEST_F(LanesTest, WhileTheWriterCannotBeOpenedReadersAreServed) {
  PoolFor<Plain<2>> pool(lanes, Options());
  Take(pool, kRead).Return();
  lanes.FailAlways(Call::kOpen, Gone());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(std::string(pool.Acquire(kWrite, pool.In(1s)).status().message()),
                HasSubstr("connection refused"));
  }
  Lease reader = Take(pool, kRead);
}

TEST_F(LanesTest, PauseHoldsBothLanes) {
  PoolFor<Plain<2>> pool(lanes, Options());
  pool.Pause();
  Caller writer(platform, pool, Deadline::Never(), kWrite);
  Caller reader(platform, pool, Deadline::Never(), kRead);
  pool.Resume();
  platform.Run();
  EXPECT_TRUE(writer.served());
  EXPECT_TRUE(reader.served());
}

}  // namespace
}  // namespace roost
