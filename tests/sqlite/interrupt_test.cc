// A deadline that SQLite meets when a statement is done already: what is stored is told as stored.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "roost/query.h"
#include "tests/sqlite/sqlite_test_support.h"

namespace roost::sqlite {
namespace {

// Late from some look at the clock on. SQLite looks at it after each thousand operations of a statement, its
// earlier runs counted, and so now and then behind the last one.
class LatePlatform : public FakePlatform {
 public:
  TimePoint Now() override {
    const bool late = --in_time_ < 0;
    late_looks += late ? 1 : 0;
    return FakePlatform::Now() + std::chrono::hours(late ? 1 : 0);
  }
  void BeLateAfter(int looks) { in_time_ = looks; }
  void BeInTime() { BeLateAfter(1 << 30); }

  int late_looks = 0;

 private:
  int in_time_ = 1 << 30;
};

class InterruptTest : public SqliteTest {
 protected:
  void SetUp() override { writer_->set_deadline(Deadline::At(late_.FakePlatform::Now() + 60s)); }
  // `run` with so many looks at the clock that are in time; OK, or kDeadlineExceeded.
  template <class F>
  bool Runs(int looks, F run) {
    late_.BeLateAfter(looks);
    const absl::Status status = run();
    late_.BeInTime();
    EXPECT_TRUE(status.ok() || absl::IsDeadlineExceeded(status)) << status;
    return status.ok();
  }
  int64_t Count() { return AskInt(*writer_, kCount); }
  bool InTransaction() { return sqlite3_get_autocommit(SqliteHandle(*writer_)) == 0; }

  LatePlatform late_;
  SqliteBackend backend_{Options()};
  HeldConnection writer_{backend_, late_, Role::kWriter, 4};
};

TEST_F(InterruptTest, WhatARunHasCommittedIsNotCalledLate) {
  int64_t stored = 0;
  for (int i = 0; i < 400; ++i) {
    stored += Runs(1, [&] { return writer_->Run(kInsert, i, i); }) ? 1 : 0;
  }
  EXPECT_GT(late_.late_looks, 0) << "SQLite did not look";
  EXPECT_EQ(Count(), stored);
}

TEST_F(InterruptTest, WhatARunHasDoneInATransactionIsNotCalledLate) {
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(transaction.status());
  int64_t done = 0;
  for (int i = 0; i < 400; ++i) {
    done += Runs(1, [&] { return writer_->Run(kInsert, i, i); }) ? 1 : 0;
  }
  EXPECT_GT(late_.late_looks, 0);
  ASSERT_OK(transaction->Commit());
  EXPECT_EQ(Count(), done);
}

// Wherever in a long statement the look comes.
TEST_F(InterruptTest, AStatementIsDoneAsAWholeOrNotAtAll) {
  constexpr Sql kMany{
      "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 300) "
      "INSERT INTO t(b) SELECT n FROM c"};
  const std::string script(kMany.text());
  int64_t stored = 0;
  bool cut = false;
  bool ended = false;
  for (int looks = 0; looks < 60; ++looks) {
    for (const bool as_script : {false, true}) {
      const bool ok =
          Runs(looks, [&] { return as_script ? writer_->RunScript(script) : writer_->Run(kMany); });
      stored += ok ? 300 : 0;
      (ok ? ended : cut) = true;
      EXPECT_EQ(Count(), stored) << looks;
      EXPECT_FALSE(InTransaction());
    }
  }
  EXPECT_TRUE(cut && ended);
}

TEST_F(InterruptTest, ABeginThatIsCalledLateLeavesNothingOpen) {
  for (int i = 0; i < 1000; ++i) {
    late_.BeLateAfter(1);
    absl::StatusOr<Transaction> transaction = writer_->Begin();
    late_.BeInTime();
    EXPECT_EQ(InTransaction(), transaction.ok()) << transaction.status();
    if (transaction.ok()) EXPECT_OK(transaction->Rollback());
  }
}

TEST_F(InterruptTest, TheFailedRowIsTheFirstThatIsNotThere) {
  struct Row {
    int64_t a;
    int64_t b;
  };
  std::vector<Row> rows;
  for (int64_t i = 0; i < 200; ++i) rows.push_back({i, i});
  absl::StatusOr<Statement*> insert = writer_->Prepare(kInsert);
  ASSERT_OK(insert.status());
  for (int looks = 1; looks < 230; ++looks) {
    absl::StatusOr<Transaction> transaction = writer_->Begin();
    ASSERT_OK(transaction.status());
    const bool ok = Runs(looks, [&] { return (*insert)->RunAll(rows); });
    if (InTransaction()) {
      EXPECT_EQ(Count(), ok ? 200 : (*insert)->failed_row()) << looks;
    }
    EXPECT_OK(transaction->Rollback());
    EXPECT_EQ(Count(), 0);
    if (Runs(looks, [&] { return (*insert)->RunAll(rows); })) {
      EXPECT_EQ(Count(), 200);
      ASSERT_OK(writer_->Run(Sql("DELETE FROM t")));
    }
    EXPECT_EQ(Count(), 0) << looks;
    EXPECT_FALSE(InTransaction());
  }
  EXPECT_GT(late_.late_looks, 0);
}

}  // namespace
}  // namespace roost::sqlite
