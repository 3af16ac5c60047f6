// tests/pool/transaction_test.cc - a function as a transaction: when it is run again, and when not.
#include "roost/transaction.h"

#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

class RunInTransactionTest : public PoolTest {
 protected:
  // Runs a function that counts its runs and returns `outcome`.
  absl::Status Run(Duration within, const absl::Status& outcome = absl::OkStatus()) {
    return RunInTransaction(pool, kWrite, pool.In(within), [&](Connection&) -> absl::Status {
      ++runs;
      return outcome;
    });
  }
  PoolFor<Plain<1>> pool{backend, Options()};
  int runs = 0;
};

const absl::Status& Raced() {
  static const absl::Status status(absl::StatusCode::kAborted, "lost a race");
  return status;
}

TEST_F(RunInTransactionTest, CommitsWhatSucceeds) {
  EXPECT_TRUE(Run(1s).ok());
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(backend.count(Call::kCommit), 1);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(RunInTransactionTest, RollsBackWhatFailsAndDoesNotRunItAgain) {
  for (const auto code : {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnknown,
                          absl::StatusCode::kUnavailable, absl::StatusCode::kAlreadyExists}) {
    runs = 0;
    EXPECT_EQ(Run(1s, absl::Status(code, "no")).code(), code);
    EXPECT_EQ(runs, 1);
  }
  EXPECT_EQ(backend.count(Call::kCommit), 0);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

// As gel-python's pull request 299: a race may show at the commit alone.
TEST_F(RunInTransactionTest, RunsAgainWhatLostARaceAtItsCommit) {
  backend.FailNext(Call::kCommit, Raced(), 3);
  EXPECT_TRUE(Run(10s).ok());
  EXPECT_EQ(runs, 4);
}

TEST_F(RunInTransactionTest, RunsAgainWhatLostARaceAtItsBegin) {
  backend.FailNext(Call::kBegin, Raced(), 2);
  EXPECT_TRUE(Run(10s).ok());
  EXPECT_EQ(runs, 1);
}

TEST_F(RunInTransactionTest, NeverRunsAgainWhatMayBeCommitted) {
  backend.FailNext(Call::kCommit, absl::UnknownError("the link broke"));
  EXPECT_EQ(Run(10s).code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(runs, 1);
}

// As zed's pull request 2296: two that meet again at once meet for ever.
TEST_F(RunInTransactionTest, PausesGrowToATenthOfASecondAndEndAtTheDeadline) {
  const TimePoint start = Now();
  EXPECT_EQ(Run(10s, Raced()), Raced());
  EXPECT_LE(Now() - start, 10s);
  EXPECT_GE(Now() - start, 10s - 100ms);
  EXPECT_GE(runs, 100) << "of at most 100 ms each";
  EXPECT_LE(runs, 220) << "of at least half of that, but for the first";
}

TEST_F(RunInTransactionTest, HoldsNoConnectionWhileItPauses) {
  Actor caller(platform, [&] { (void)Run(10s, Raced()); });
  EXPECT_EQ(pool.stats().in_use, 0);
  platform.Advance(20s);
  platform.Run();
  EXPECT_TRUE(caller.ended());
}

TEST_F(RunInTransactionTest, ADeadlineThatHasPassedRunsNothing) {
  Lease other = Take(pool);
  EXPECT_EQ(Run(0s).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace roost
