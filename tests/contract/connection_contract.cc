// Opening, ending, proving and preparing: what every connection does.
#include "roost/internal/storage.h"
#include "tests/contract/fixture.h"
#include "tests/support/connection_access.h"

namespace roost::contract {
namespace {

using namespace std::chrono_literals;

ROOST_CONTRACT_SUITE(ConnectionContract, 0);

TEST_P(ConnectionContract, TheBackendNamesItsKindAndItsTarget) {
  EXPECT_FALSE(backend().kind().empty());
  EXPECT_FALSE(backend().target().empty());
}

TEST_P(ConnectionContract, MemoryGrowsWithTheStatementCacheAndFitsIntoThePool) {
  EXPECT_LT(backend().ConnectionBytes(1), backend().ConnectionBytes(2));
  for (const int statements : {1, 8, 256}) {
    EXPECT_LE(backend().ConnectionBytes(statements),
              internal::AnyBackend::kConnectionSize.For(statements));
  }
}

TEST_P(ConnectionContract, OpensInTheSameMemoryAgainAfterClose) {
  for (int i = 0; i < 3; ++i) {
    const auto other = OpenAnother(subject().writer());
    EXPECT_TRUE(ConnectionAccess::Ping(**other, InTime()).ok());
  }
}

TEST_P(ConnectionContract, AnOpenThatFailsSaysWhyAndLeavesNothing) {
  for (int i = 0; i < 2; ++i) {
    const HeldConnection held(subject().Unreachable(), platform(), subject().writer());
    EXPECT_FALSE(held.ok());
    EXPECT_FALSE(held.status().message().empty());
  }
}

TEST_P(ConnectionContract, AFreshConnectionIsCleanAndAlive) {
  const auto fresh = OpenAnother(subject().writer());
  EXPECT_TRUE(ConnectionAccess::IsPristine(**fresh));
  EXPECT_EQ(ConnectionAccess::Inspect(**fresh), SessionState::kClean);
  EXPECT_EQ(ConnectionAccess::fault_scope(**fresh), FaultScope::kStatement);
  EXPECT_NE(ConnectionAccess::Probe(**fresh), Liveness::kDead);
  EXPECT_TRUE(ConnectionAccess::Ping(**fresh, InTime()).ok());
}

TEST_P(ConnectionContract, AdvanceMayBeCalledWhenNothingHasHappened) {
  const auto fresh = OpenAnother(subject().writer());
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<Step> step = ConnectionAccess::Advance(**fresh, platform().Now());
    ASSERT_TRUE(step.ok()) << step.status();
    EXPECT_TRUE(step->done);
  }
  EXPECT_TRUE(ConnectionAccess::Ping(**fresh, InTime()).ok());
}

TEST_P(ConnectionContract, UpkeepKeepsWhatIsStored) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_TRUE(ConnectionAccess::Maintain(writer(), InTime()).ok());
  EXPECT_FALSE(ConnectionAccess::WantsMaintenance(writer()));
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(ConnectionContract, PreparingTwiceGivesTheSameStatement) {
  const absl::StatusOr<Statement*> first = writer().Prepare(kInsert);
  const absl::StatusOr<Statement*> other = writer().Prepare(kDelete);
  const absl::StatusOr<Statement*> second = writer().Prepare(kInsert);
  ASSERT_TRUE(first.ok() && other.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  EXPECT_NE(*first, *other);
  EXPECT_EQ((*first)->sql(), kInsert.text());
  EXPECT_EQ((*other)->sql(), kDelete.text());
}

TEST_P(ConnectionContract, TheSameTextAtAnotherAddressIsTheSameStatement) {
  const std::string copy(kInsert.text());
  EXPECT_EQ(*writer().Prepare(kInsert), *writer().Prepare(Sql(copy)));
}

TEST_P(ConnectionContract, ACacheThatIsFullGivesUpTheStatementUnusedLongest) {
  const auto small = OpenAnother(subject().writer(), 2);
  Connection& connection = **small;
  Statement* const insert = *connection.Prepare(kInsert);
  ASSERT_TRUE(connection.Prepare(kDelete).ok());
  ASSERT_TRUE(connection.Prepare(kInsert).ok());
  ASSERT_TRUE(connection.Prepare(kSelect).ok());  // takes the place of DELETE
  EXPECT_EQ(*connection.Prepare(kInsert), insert);
  EXPECT_EQ(insert->sql(), kInsert.text());
  EXPECT_TRUE(Insert(connection, 1).ok());
  EXPECT_EQ(CountRows(connection), 1);
  EXPECT_TRUE(connection.Run(kDelete).ok());
  EXPECT_EQ(CountRows(connection), 0);
}

TEST_P(ConnectionContract, ACacheOfOneStatementServesAnyNumberInTurn) {
  const auto tiny = OpenAnother(subject().writer(), 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Insert(**tiny, i).ok());
    EXPECT_EQ(CountRows(**tiny), i + 1);
  }
}

TEST_P(ConnectionContract, PrepareIsRefusedWhileEveryStatementIsBeingRead) {
  const auto tiny = OpenAnother(subject().writer(), 1);
  ASSERT_TRUE(Insert(**tiny, 1).ok());
  {
    Rows rows = (*(*tiny)->Prepare(kSelect))->Query();
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ((*tiny)->Prepare(kDelete).status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(rows.Get<int64_t>(0), 1);
  }
  EXPECT_TRUE((*tiny)->Prepare(kDelete).ok());
}

TEST_P(ConnectionContract, WrongSqlIsAnInvalidArgumentAndHarmsNothing) {
  const absl::Status refused = writer().Prepare(dialect().nonsense).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(writer().RunScript(dialect().nonsense.text()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ConnectionAccess::fault_scope(writer()), FaultScope::kStatement);
  EXPECT_TRUE(Insert(writer(), 1).ok());
}

TEST_P(ConnectionContract, DetachGivesTheHandleAway) {
  const auto other = OpenAnother(subject().writer());
  ASSERT_TRUE((*other)->Run(kDelete).ok());
  const NativeHandle handle = other->Detach();
  EXPECT_NE(handle.handle, nullptr);
  subject().CloseNative(handle);
  EXPECT_TRUE(Insert(writer(), 1).ok());
}

TEST_P(ConnectionContract, AbandonTouchesNothing) {
  const auto other = OpenAnother(subject().writer());
  ASSERT_TRUE((*other)->Run(kDelete).ok());
  void* const raw = (*other)->Raw();
  other->Abandon();
  subject().CloseNative({raw});  // what a parent would do with its own handle
  EXPECT_TRUE(Insert(writer(), 1).ok());
}

TEST_P(ConnectionContract, SealIsThereWithNothingToSeal) {
  EXPECT_TRUE(writer().Seal().ok());
  EXPECT_TRUE(writer().Seal().ok());
}

TEST_P(ConnectionContract, AnEndlessStatementEndsAtTheDeadlineOfItsConnection) {
  const absl::StatusOr<Statement*> endless = writer().Prepare(dialect().endless);
  ASSERT_TRUE(endless.ok()) << endless.status();
  subject().ExpectEndless();
  writer().set_deadline(Deadline::After(platform().Now(), 30ms));
  EXPECT_EQ((*endless)->Run().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(writer().deadline().HasPassed(platform().Now())) << "not before it";
}

}  // namespace
}  // namespace roost::contract
