// Sealed rows survive every power cut, and no cut damages the database.
//
// ROOST_POWER_CUTS=5000 asks for more cuts; ROOST_POWER_CUT_SEED=17 runs that one alone.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/faults/power_cut_node.h"

namespace roost::faults {
namespace {

struct Tally {
  int cuts = 0;
  int damaged = 0;
  int64_t worst_loss = 0;   // acknowledged rows in one cut
  int64_t lost = 0;         // acknowledged rows
  int64_t lost_sealed = 0;  // sealed rows
  int64_t sealed = 0;
  int64_t commits = 0;
  int64_t rows = 0;
  support::IoCounts io;
};

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void Print(Life life, const Tally& tally) {
  static bool headed = false;
  if (!std::exchange(headed, true)) {
    std::printf("%-30s %5s %8s %14s %11s %12s %13s %10s\n", "durability", "cuts", "damaged",
                "rows lost", "worst cut", "sealed lost", "syncs/commit", "bytes/row");
  }
  const auto per = [](uint64_t count, int64_t of) {
    return of == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(of);
  };
  std::printf("%-30s %5d %8d %14lld %11lld %12lld %13.2f %10.0f\n", Name(life), tally.cuts,
              tally.damaged, static_cast<long long>(tally.lost),
              static_cast<long long>(tally.worst_loss), static_cast<long long>(tally.lost_sealed),
              per(tally.io.syncs, tally.commits), per(tally.io.bytes, tally.rows));
}

// Cuts the power many times. With `strict`, a damaged database or a lost sealed row is a failure.
Tally CutPower(Life life, bool strict) {
  const uint64_t alone = NumberFrom("ROOST_POWER_CUT_SEED", 0);
  const uint64_t cuts = alone != 0 ? 1 : NumberFrom("ROOST_POWER_CUTS", 320);
  Tally tally;
  for (uint64_t i = 0; i < cuts; ++i) {
    const uint64_t seed = alone != 0 ? alone : i + 1;
    const Outcome outcome = LiveAndDie(life, seed);
    ++tally.cuts;
    tally.damaged += !outcome.damage.empty();
    tally.lost += outcome.lost_acknowledged();
    tally.lost_sealed += outcome.lost_sealed();
    tally.worst_loss = std::max(tally.worst_loss, outcome.lost_acknowledged());
    tally.sealed += outcome.sealed;
    tally.commits += outcome.commits;
    tally.rows += outcome.acknowledged;
    tally.io += outcome.io;
    if (!strict) continue;
    SCOPED_TRACE("this cut alone: ROOST_POWER_CUT_SEED=" + std::to_string(seed));
    EXPECT_EQ(outcome.trouble, "");
    EXPECT_EQ(outcome.damage, "");
    EXPECT_GE(outcome.kept, outcome.sealed) << "a sealed row is lost";
    if (::testing::Test::HasFailure()) break;
  }
  Print(life, tally);
  return tally;
}

bool RunsAlone() { return NumberFrom("ROOST_POWER_CUT_SEED", 0) != 0; }

TEST(PowerCut, TheModelBreaksADatabaseThatIsNeverSynced) {
  const Tally tally = CutPower(Life::kUnsynced, false);
  EXPECT_TRUE(RunsAlone() || tally.damaged > tally.cuts / 10) << "the model has no teeth";
}

TEST(PowerCut, WithoutSealBatchesAreLostAndNothingIsDamaged) {
  const Tally tally = CutPower(Life::kBatch, true);
  EXPECT_TRUE(RunsAlone() || tally.lost > 0) << "the model has no teeth";
}

TEST(PowerCut, SealedTransactionsAreNeverLost) {
  const Tally tally = CutPower(Life::kSealedTransactions, true);
  EXPECT_EQ(tally.lost_sealed, 0);
  EXPECT_TRUE(RunsAlone() || tally.sealed > 0);
}

TEST(PowerCut, WhatWasSealedIsNeverLost) {
  const Tally tally = CutPower(Life::kSealed, true);
  EXPECT_EQ(tally.lost_sealed, 0);
  EXPECT_TRUE(RunsAlone() || tally.sealed > 0);
}

// Linux forgets what a failed sync did not write, and the next sync succeeds all the same. So a log
// with such a hole must not be sealed again.
TEST(PowerCut, WhatIsSealedAfterAFailedSyncIsNotLostEither) {
  EXPECT_EQ(CutPower(Life::kSealedFailingSync, true).lost_sealed, 0);
  EXPECT_EQ(CutPower(Life::kCommitFailingSync, true).lost_sealed, 0);
}

TEST(PowerCut, WhatWasSealedThroughAPoolIsNeverLost) {
  const Tally tally = CutPower(Life::kPool, true);
  EXPECT_EQ(tally.lost_sealed, 0);
  EXPECT_TRUE(RunsAlone() || tally.sealed > 0);
}

TEST(PowerCut, DurabilityOfCommitLosesNoAcknowledgedRow) {
  const Tally tally = CutPower(Life::kCommit, true);
  EXPECT_EQ(tally.lost, 0);
  EXPECT_TRUE(RunsAlone() || tally.sealed > 0);
}

}  // namespace
}  // namespace roost::faults
