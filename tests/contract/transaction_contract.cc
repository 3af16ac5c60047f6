// Transactions: kept, taken back, dropped, forgotten; and what is left for the next user.
#include "tests/contract/fixture.h"
#include "tests/support/connection_access.h"

namespace roost::contract {
namespace {

using namespace std::chrono_literals;

ROOST_CONTRACT_SUITE(TransactionContract, 0);

TEST_P(TransactionContract, CommitKeepsWhatWasWritten) {
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  ASSERT_TRUE(Insert(writer(), 1).ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  EXPECT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(CountRows(), 2);
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
}

TEST_P(TransactionContract, RollbackTakesItBack) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  EXPECT_EQ(CountRows(), 2);
  EXPECT_TRUE(transaction->Rollback().ok());
  EXPECT_EQ(CountRows(), 1);
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
}

TEST_P(TransactionContract, DroppedWithoutCommitItRollsBack) {
  {
    absl::StatusOr<Transaction> transaction = writer().Begin();
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(Insert(writer(), 1).ok());
  }
  EXPECT_EQ(CountRows(), 0);
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
}

TEST_P(TransactionContract, MovedItIsStillTheSame) {
  absl::StatusOr<Transaction> begun = writer().Begin();
  ASSERT_TRUE(begun.ok());
  {
    Transaction moved = *std::move(begun);
    ASSERT_TRUE(Insert(writer(), 1).ok());
    EXPECT_TRUE(moved.Commit().ok());
  }
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(TransactionContract, OneInsideAnotherIsRefusedAndTheOuterGoesOn) {
  absl::StatusOr<Transaction> outer = writer().Begin();
  ASSERT_TRUE(outer.ok());
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_EQ(writer().Begin().status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Insert(writer(), 2).ok());
  EXPECT_TRUE(outer->Commit().ok());
  EXPECT_EQ(CountRows(), 2);
}

TEST_P(TransactionContract, OneAfterTheOther) {
  for (int i = 0; i < 20; ++i) {
    absl::StatusOr<Transaction> transaction =
        writer().Begin(i % 3 == 0 ? Durability::kSealed : Durability::kDefault);
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    ASSERT_TRUE(Insert(writer(), i).ok());
    ASSERT_TRUE((i % 2 == 0 ? transaction->Commit() : transaction->Rollback()).ok());
  }
  EXPECT_EQ(CountRows(), 10);
}

TEST_P(TransactionContract, ACommitWhileReadingTheSameTableWorks) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok());
  {
    Rows rows = (*writer().Prepare(kSelect))->Query();
    ASSERT_TRUE(rows.Next());
  }
  ASSERT_TRUE(Insert(writer(), 2).ok());
  EXPECT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(CountRows(), 2);
}

TEST_P(TransactionContract, WhatAForgottenTransactionWroteIsGoneAfterReset) {
  absl::StatusOr<Transaction> begun = writer().Begin();
  ASSERT_TRUE(begun.ok());
  const Forgotten<Transaction> forgotten(*std::move(begun));
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_FALSE(ConnectionAccess::IsPristine(writer()));
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kDirty);
  ASSERT_TRUE(ConnectionAccess::Reset(writer(), InTime()).ok());
  EXPECT_TRUE(ConnectionAccess::IsPristine(writer()));
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
  EXPECT_EQ(CountRows(), 0);
  EXPECT_TRUE(writer().Begin().ok());
}

TEST_P(TransactionContract, AForgottenReadingIsDirtyAndResetEndsIt) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  Forgotten<Rows> rows((*writer().Prepare(kSelect))->Query());
  ASSERT_TRUE(rows->Next());
  EXPECT_FALSE(ConnectionAccess::IsPristine(writer()));
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kDirty);
  ASSERT_TRUE(ConnectionAccess::Reset(writer(), InTime()).ok());
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
  EXPECT_EQ(CountRows(), 2);
  EXPECT_TRUE(Insert(writer(), 3).ok());
}

TEST_P(TransactionContract, AForgottenReadingInsideAForgottenTransactionIsResetToo) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  absl::StatusOr<Transaction> begun = writer().Begin();
  ASSERT_TRUE(begun.ok());
  const Forgotten<Transaction> forgotten(*std::move(begun));
  ASSERT_TRUE(Insert(writer(), 2).ok());
  Forgotten<Rows> rows((*writer().Prepare(kSelect))->Query());
  ASSERT_TRUE(rows->Next());
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kDirty);
  ASSERT_TRUE(ConnectionAccess::Reset(writer(), InTime()).ok());
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(TransactionContract, ResetOfACleanConnectionDoesNothing) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_TRUE(ConnectionAccess::Reset(writer(), InTime()).ok());
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(TransactionContract, TakingTheRawHandleIsSeenAndForgivenWhenNothingWasDone) {
  EXPECT_NE(writer().Raw(), nullptr);
  EXPECT_FALSE(ConnectionAccess::IsPristine(writer()));
  EXPECT_NE(ConnectionAccess::Inspect(writer()), SessionState::kBroken);
}

}  // namespace
}  // namespace roost::contract
