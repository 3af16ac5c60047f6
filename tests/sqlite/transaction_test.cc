#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::sqlite {
namespace {

class SqliteTransactionTest : public SqliteTest {
 protected:
  int64_t Count() { return AskInt(*reader_, kCount); }

  SqliteBackend backend_{Options()};
  HeldConnection writer_{backend_, platform_, Role::kWriter};
  HeldConnection reader_{backend_, platform_, Role::kReader};
};

TEST_F(SqliteTransactionTest, CommittedItIsSeenByOthers) {
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(transaction.status());
  EXPECT_FALSE(ConnectionAccess::IsPristine(*writer_));
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  EXPECT_EQ(Count(), 0);
  ASSERT_OK(transaction->Commit());
  EXPECT_EQ(Count(), 1);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(SqliteTransactionTest, DroppedItIsRolledBack) {
  {
    absl::StatusOr<Transaction> transaction = writer_->Begin();
    ASSERT_OK(writer_->Run(kInsert, 1, 1));
  }
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(SqliteTransactionTest, TheWritersTakesTheLockAtItsBegin) {
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(transaction.status());
  EXPECT_EQ(Foreign(path()).Try("BEGIN IMMEDIATE"), SQLITE_BUSY);
}

TEST_F(SqliteTransactionTest, TheReadersIsASnapshot) {
  absl::StatusOr<Transaction> snapshot = reader_->Begin();
  ASSERT_OK(snapshot.status());
  EXPECT_EQ(Count(), 0);
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  EXPECT_EQ(Count(), 0);
  ASSERT_OK(snapshot->Commit());
  EXPECT_EQ(Count(), 1);
}

TEST_F(SqliteTransactionTest, OneInsideAnotherIsRefused) {
  absl::StatusOr<Transaction> outer = writer_->Begin();
  ASSERT_OK(outer.status());
  EXPECT_EQ(writer_->Begin().status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_OK(outer->Commit());
}

TEST_F(SqliteTransactionTest, OneThatSqliteRolledBackTakesNoMoreStatements) {
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(transaction.status());
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  EXPECT_EQ(writer_->Run(Sql("INSERT OR ROLLBACK INTO t VALUES (1, 2)")).code(),
            absl::StatusCode::kAlreadyExists);
  const absl::Status refused = writer_->Run(kInsert, 2, 2);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists)
      << "it would have committed by itself";
  EXPECT_EQ(NextStep(refused), Advice::kStop) << "row 1 is not stored";
  EXPECT_EQ(writer_->Begin().status().code(), absl::StatusCode::kFailedPrecondition);
  const absl::Status lost = transaction->Commit();
  EXPECT_EQ(lost.code(), absl::StatusCode::kAlreadyExists) << lost;
  EXPECT_EQ(NextStep(lost), Advice::kStop);
  EXPECT_THAT(std::string(lost.message()), HasSubstr("INSERT OR ROLLBACK INTO t VALUES (1, 2)"));
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
  EXPECT_OK(writer_->Run(kInsert, 2, 2));
}

TEST_F(SqliteTransactionTest, OneThatATriggerRolledBackSaysWhatTheTriggerSaid) {
  ASSERT_OK(
      writer_->RunScript("CREATE TRIGGER no BEFORE INSERT ON t WHEN new.b = 13 "
                         "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"));
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  EXPECT_FALSE(writer_->Run(kInsert, 2, 13).ok());
  EXPECT_EQ(writer_->RunScript("COMMIT").code(), absl::StatusCode::kInvalidArgument);
  const absl::Status lost = transaction->Commit();
  EXPECT_EQ(lost.code(), absl::StatusCode::kInvalidArgument) << "to run it again is no use";
  EXPECT_THAT(std::string(lost.message()), HasSubstr(": no (SQLite"));
  EXPECT_EQ(Count(), 0);
}

// What reads meanwhile is cut off with kAborted by SQLite, which would be run again.
TEST_F(SqliteTransactionTest, RowsThatAFailedTransactionCutsOffNameItsCause) {
  for (int i = 0; i < 3; ++i) ASSERT_OK(writer_->Run(kInsert, i, i));
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(writer_->RunScript("CREATE TABLE other(x)"));
  Rows rows = (*writer_->Prepare(Sql("SELECT a FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  ASSERT_FALSE(writer_->Run(Sql("INSERT OR ROLLBACK INTO t VALUES (1, 2)")).ok());
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kAlreadyExists) << rows.status();
  EXPECT_EQ(transaction->Commit().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(SqliteTransactionTest, ADeadlineInsideItRollsItBackAndTheConnectionGoesOn) {
  TickingPlatform ticking;
  writer_.Close();
  HeldConnection writer(backend_, ticking, Role::kWriter);
  {
    absl::StatusOr<Transaction> transaction = writer->Begin();
    ASSERT_OK(writer->Run(kInsert, 1, 1));
    writer->set_deadline(Deadline::At(ticking.Now() + 20ms));
    const absl::Status status = writer->Run(
        Sql("INSERT INTO t(b) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c)"
            " SELECT n FROM c"));
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  }
  writer->set_deadline(Deadline::Never());
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer));
  EXPECT_EQ(Count(), 0);
  EXPECT_OK(writer->Run(kInsert, 1, 1));
}

// SQLite looks at the clock again every 1000 operations of a statement, over all its runs. The
// coarse clock has not seen yet that the deadline passed.
TEST_F(SqliteTransactionTest, NoCommitIsCutHoweverOftenItRan) {
  platform_.set_coarse_lag(10ms);
  for (int i = 0; i < 1500; ++i) {
    writer_->set_deadline(Deadline::Never());
    absl::StatusOr<Transaction> transaction = writer_->Begin();
    ASSERT_OK(transaction.status());
    ASSERT_OK(writer_->Run(kInsert, i, 1));
    writer_->set_deadline(In(-1ms));
    ASSERT_OK(transaction->Commit());
  }
  EXPECT_EQ(Count(), 1500);
}

TEST_F(SqliteTransactionTest, ACommitWhileRowsAreBeingReadSucceeds) {
  for (int i = 0; i < 3; ++i) ASSERT_OK(writer_->Run(kInsert, i, i));
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(writer_->Run(kInsert, 3, 3));
  Rows rows = (*writer_->Prepare(Sql("SELECT a FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_OK(transaction->Commit());
  EXPECT_TRUE(rows.Next()) << rows.status();
}

TEST_F(SqliteTransactionTest, RowsOfATransactionThatRolledBackEndWithAborted) {
  for (int i = 0; i < 3; ++i) ASSERT_OK(writer_->Run(kInsert, i, i));
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(writer_->RunScript("CREATE TABLE other(x)"));
  Rows rows = (*writer_->Prepare(Sql("SELECT a FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_OK(transaction->Rollback());
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kAborted) << rows.status();
}

TEST_F(SqliteTransactionTest, TransactionsWrittenAsSqlAreSeen) {
  ASSERT_OK(writer_->Run(Sql("BEGIN IMMEDIATE")));
  EXPECT_FALSE(ConnectionAccess::IsPristine(*writer_));
  EXPECT_EQ(writer_->Begin().status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_OK(writer_->Run(Sql("COMMIT")));
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
  ASSERT_OK(writer_->RunScript("SAVEPOINT a"));
  EXPECT_FALSE(ConnectionAccess::IsPristine(*writer_));
  ASSERT_OK(writer_->RunScript("RELEASE a"));
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(SqliteTransactionTest, ACardThatIsFullRefusesInsertsButNotDeletes) {
  SqliteBackend backend({.path = dir_.File("small.db"), .schema = kSchema, .max_kib = 64});
  HeldConnection writer(backend, platform_, Role::kWriter);
  const std::string kilobyte(1024, 'x');
  absl::Status status;
  int stored = 0;
  for (; status.ok() && stored < 1000; ++stored) {
    status = writer->Run(kInsert, stored, std::string_view(kilobyte));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(SqliteCode(status), SQLITE_FULL);
  EXPECT_LT(stored, 64);
  EXPECT_EQ(ConnectionAccess::fault_scope(*writer), FaultScope::kStatement);
  EXPECT_OK(writer->Run(Sql("DELETE FROM t WHERE a < 20")));
  EXPECT_OK(writer->Run(kInsert, 1, std::string_view(kilobyte)));
}

// A row that leaves an index may have it split.
TEST_F(SqliteTransactionTest, EachRowOfADatabaseAtItsBoundCanBeDeletedAlone) {
  SqliteBackend backend({.path = dir_.File("small.db"),
                         .schema = "CREATE TABLE t(a INTEGER PRIMARY KEY, b);"
                                   "CREATE INDEX i ON t(b)",
                         .max_kib = 64});
  HeldConnection writer(backend, platform_, Role::kWriter);
  // Long and short keys, so that an inner key is replaced by a longer one.
  const auto key = [](int number) {
    const int mixed = static_cast<int>(static_cast<unsigned>(number) * 2654435761u % 9973);
    std::string text = std::to_string(mixed);
    text.resize(mixed % 3 == 0 ? 900 : 8, 'x');
    return text;
  };
  int refused = 0;
  for (int round = 0; round < 2; ++round) {
    int next = round * 3000;
    while (writer->Run(kInsert, next, std::string_view(key(next))).ok()) ++next;
    ASSERT_GT(next, round * 3000 + 10);
    for (int gone = round * 3000; gone < next; ++gone) {
      const absl::Status status =
          gone % 2 == 0 ? writer->Run(Sql("DELETE FROM t WHERE a = $1"), gone)
                        : writer->RunScript("DELETE FROM t WHERE a = " + std::to_string(gone));
      refused += status.ok() ? 0 : 1;
      if (gone % 5 != 0) continue;
      // At the bound again.
      for (int more = 0; writer->Run(kInsert, 100000 + gone * 8 + more, key(gone + more)).ok();)
        ++more;
    }
    ASSERT_OK(writer->Run(Sql("DELETE FROM t")));
  }
  EXPECT_EQ(refused, 0);
  EXPECT_LE(std::filesystem::file_size(dir_.File("small.db")), (64u + 16 * 4) * 1024);
}

TEST_F(SqliteTransactionTest, AFullCardInsideATransactionAbortsItAsAWhole) {
  SqliteBackend backend({.path = dir_.File("small.db"), .schema = kSchema, .max_kib = 64});
  HeldConnection writer(backend, platform_, Role::kWriter);
  const std::string kilobyte(1024, 'x');
  {
    absl::StatusOr<Transaction> transaction = writer->Begin();
    absl::Status status;
    for (int i = 0; status.ok(); ++i) status = writer->Run(kInsert, i, std::string_view(kilobyte));
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(ConnectionAccess::Inspect(*writer), SessionState::kClean);
  EXPECT_EQ(AskInt(*writer, kCount), 0);
}

TEST_F(SqliteTransactionTest, UsingOneAfterItsEndAborts) {
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(transaction->Commit());
  EXPECT_DEATH(transaction->Commit().IgnoreError(), "committed after it was over");
  EXPECT_DEATH(transaction->Rollback().IgnoreError(), "rolled back after it was over");
}

}  // namespace
}  // namespace roost::sqlite
