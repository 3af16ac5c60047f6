// A pair of servers of which one takes writes at a time: the pool follows it when they change places. Two
// servers of their own are enough, whose read_only is switched as a failover does it.
#include <chrono>
#include <cstdio>
#include <string>

#include "roost/housekeeper.h"
#include "roost/pool.h"
#include "tests/mysql/mysql_test_support.h"
#include "tests/support/process.h"

namespace roost::mysql {
namespace {

constexpr Sql kAdd{"INSERT INTO pair VALUES ($1)"};

// Callers open, so that each try is counted.
struct PairProfile : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "pair";
  static constexpr int kPoolSize = 2;
  static constexpr int kMaxOverflow = 0;
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};

class ReplicaPairTest : public ::testing::Test {
 protected:
  ReplicaPairTest() {
    for (MariadbServer* const each : {&one_, &two_}) each->Sql("CREATE TABLE farm.pair(a int)");
    Switch(two_, one_);
  }
  // The demoted one first: at no moment do both take writes.
  static void Switch(MariadbServer& from, MariadbServer& to) {
    from.Sql("SET GLOBAL read_only = 1");
    to.Sql("SET GLOBAL read_only = 0");
  }
  static int64_t Rows(const MariadbServer& server) {
    return std::stoll(server.Sql("SELECT COUNT(*) FROM farm.pair"));
  }
  std::string Uri() const {
    return "mysql://node:open%20sesame@127.0.0.1:" + std::to_string(one_.port()) +
           ",127.0.0.1:" + std::to_string(two_.port()) + "/farm";
  }
  static absl::Status Write(Pool& pool, int64_t row) {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(20s));
    if (!lease.ok()) return lease.status();
    return lease->Run(kAdd, row);
  }

  MariadbServer one_;
  MariadbServer two_;
  MysqlBackend backend_{{.uri = Uri()}};
};

TEST_F(ReplicaPairTest, OneRefusedWriteIsAllThatASwitchCosts) {
  PoolFor<PairProfile> pool(backend_);
  {
    // Two sessions at the first server, of which a switch makes both useless.
    absl::StatusOr<Lease> a = pool.Acquire(kWrite, pool.In(20s));
    absl::StatusOr<Lease> b = pool.Acquire(kWrite, pool.In(20s));
    ASSERT_OK(a.status());
    ASSERT_OK(b.status());
    ASSERT_OK((*a)->Run(kAdd, 1));
    ASSERT_OK((*b)->Run(kAdd, 2));
  }
  Switch(one_, two_);
  const absl::Status refused = Write(pool, 3);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("only reads"));
  for (int i = 3; i < 6; ++i) EXPECT_OK(Write(pool, i));
  EXPECT_EQ(Rows(one_), 2);
  EXPECT_EQ(Rows(two_), 3);

  Switch(two_, one_);
  EXPECT_EQ(Write(pool, 6).code(), StatusCode::kUnavailable);
  EXPECT_OK(Write(pool, 6));
  EXPECT_EQ(Rows(one_), 3);
}

// A failover takes a while, in which nobody takes writes; then the other one does, or the same again.
TEST_F(ReplicaPairTest, WhileNobodyTakesWritesEachIsRefusedAndNoneIsLost) {
  PoolFor<PairProfile> pool(backend_);
  ASSERT_OK(Write(pool, 0));
  for (MariadbServer* const next : {&two_, &two_, &one_}) {
    const int64_t before = Rows(*next);
    one_.Sql("SET GLOBAL read_only = 1");
    two_.Sql("SET GLOBAL read_only = 1");
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(Write(pool, 1).code(), StatusCode::kUnavailable);
    }
    next->Sql("SET GLOBAL read_only = 0");
    int tries = 1;
    while (!Write(pool, 1).ok() && tries < 10) ++tries;
    EXPECT_LE(tries, 3) << "at most one more for each server";
    EXPECT_EQ(Rows(*next), before + 1);
  }
}

// Nothing of it is in, and it says so: not "whether it was committed is unknown".
TEST_F(ReplicaPairTest, ATransactionThatTheSwitchMeetsIsRefusedAsAWhole) {
  PoolFor<PairProfile> pool(backend_);
  {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(20s));
    ASSERT_OK(lease.status());
    absl::StatusOr<Transaction> transaction = lease->Begin();
    ASSERT_OK(transaction.status());
    ASSERT_OK(lease->Run(kAdd, 1));
    Switch(one_, two_);
    const absl::Status refused = transaction->Commit();
    EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused;
  }
  EXPECT_EQ(Rows(one_), 0);
  EXPECT_OK(Write(pool, 1));
  EXPECT_EQ(Rows(two_), 1);
}

// The first one is gone at the same time, which is how most switches begin.
TEST_F(ReplicaPairTest, AServerThatDiesIsFollowedByTheOther) {
  PoolFor<PairProfile> pool(backend_);
  ASSERT_OK(Write(pool, 1));
  one_.Kill();
  two_.Sql("SET GLOBAL read_only = 0");
  int tries = 1;
  while (!Write(pool, 2).ok() && tries < 10) ++tries;
  EXPECT_LE(tries, 2) << "the session that died, at the most";
  EXPECT_EQ(Rows(two_), 1);
}

// The profile of a board as it is: a housekeeper opens, with back-off.
TEST_F(ReplicaPairTest, ABoardFollowsWithItsOwnTimes) {
  PoolFor<profiles::RaspberryPiRemote> pool(backend_);
  Housekeeper housekeeper;
  housekeeper.Add(pool);
  housekeeper.Start();
  ASSERT_TRUE(support::WaitUntil([&] { return Write(pool, 1).ok(); }));
  for (MariadbServer* const to : {&two_, &one_, &two_}) {
    MariadbServer& from = to == &one_ ? two_ : one_;
    const int64_t before = Rows(*to);
    Switch(from, *to);
    const TimePoint start = NativePlatform().Now();
    EXPECT_TRUE(support::WaitUntil([&] { return Write(pool, 1).ok(); }, 20s));
    EXPECT_EQ(Rows(*to), before + 1);
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(NativePlatform().Now() - start);
    RecordProperty("followed_after_ms", static_cast<int>(took.count()));
    std::printf("followed after %d ms\n", static_cast<int>(took.count()));
  }
}

}  // namespace
}  // namespace roost::mysql
