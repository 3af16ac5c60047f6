// Where "database is locked" really comes from, and what becomes of it here.
#include <string>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::sqlite {
namespace {

class LockTest : public SqliteTest {
 protected:
  LockTest() {
    EXPECT_TRUE(writer_.ok() && reader_.ok()) << writer_.status() << reader_.status();
    platform_.Advance(1s);
    start_ = platform_.Now();
    writer_->set_deadline(In(50ms));
    reader_->set_deadline(In(50ms));
  }
  Duration waited() { return platform_.Now() - start_; }

  SqliteBackend backend_{Options()};
  HeldConnection writer_{backend_, platform_, Role::kWriter};
  HeldConnection reader_{backend_, platform_, Role::kReader};
  Foreign foreign_{path()};
  TimePoint start_;
};

TEST_F(LockTest, BeginWaitsForAnotherProcessUntilTheDeadline) {
  foreign_.Run("BEGIN IMMEDIATE");
  const absl::Status status = writer_->Begin().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(SqliteCode(status), SQLITE_BUSY);
  EXPECT_EQ(waited(), 50ms) << "not a moment longer";
  EXPECT_EQ(platform_.waits(), 50) << "one millisecond each";
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(LockTest, BeginGoesOnAsSoonAsTheOtherProcessIsDone) {
  foreign_.Run("BEGIN IMMEDIATE");
  platform_.WhileWaiting([&] { foreign_.Run("COMMIT"); });
  const absl::StatusOr<Transaction> transaction = writer_->Begin();
  EXPECT_TRUE(transaction.ok()) << transaction.status();
  EXPECT_EQ(waited(), 1ms);
}

TEST_F(LockTest, AWriteWithoutATransactionWaitsToo) {
  foreign_.Run("BEGIN IMMEDIATE");
  EXPECT_EQ(writer_->Run(kInsert, 1, 1).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(waited(), 50ms);
  writer_->set_deadline(In(50ms));
  platform_.WhileWaiting([&] { foreign_.Run("COMMIT"); });
  EXPECT_OK(writer_->Run(kInsert, 1, 1));
}

TEST_F(LockTest, AWaitInVainDoesNotColourTheNextError) {
  foreign_.Run("BEGIN IMMEDIATE");
  EXPECT_EQ(writer_->Run(kInsert, 1, 1).code(), absl::StatusCode::kDeadlineExceeded);
  writer_->set_deadline(In(50ms));
  foreign_.Run("COMMIT");
  const absl::Status status = writer_->Run(Sql("SELECT abs($1)"), INT64_MIN);  // SQLITE_ERROR
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
}

TEST_F(LockTest, AReaderIsNeverHeldUpByAWriter) {
  foreign_.Run("BEGIN EXCLUSIVE; INSERT INTO t VALUES (1, 1)");
  EXPECT_EQ(AskInt(*reader_, kCount), 0);
  EXPECT_EQ(waited(), 0ms);
}

TEST_F(LockTest, AWriterIsNeverHeldUpByAReader) {
  absl::StatusOr<Transaction> snapshot = reader_->Begin();
  EXPECT_EQ(AskInt(*reader_, kCount), 0);
  EXPECT_OK(writer_->Run(kInsert, 1, 1));
  EXPECT_EQ(waited(), 0ms);
}

TEST_F(LockTest, ReadThenWriteLosesTheRaceAtOnceAndIsAborted) {
  ASSERT_OK(writer_->RunScript("BEGIN DEFERRED"));
  EXPECT_EQ(AskInt(*writer_, kCount), 0);
  foreign_.Run("INSERT INTO t VALUES (9, 9)");
  const absl::Status status = writer_->Run(kInsert, 1, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(SqliteCode(status), SQLITE_BUSY_SNAPSHOT);
  EXPECT_EQ(waited(), 0ms) << "waiting cannot help";
  ASSERT_OK(writer_->RunScript("ROLLBACK"));
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(LockTest, ReadThenWriteWhileAnotherWritesIsAbortedAtOnce) {
  ASSERT_OK(writer_->RunScript("BEGIN DEFERRED"));
  EXPECT_EQ(AskInt(*writer_, kCount), 0);
  foreign_.Run("BEGIN IMMEDIATE");
  const absl::Status status = writer_->Run(kInsert, 1, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(SqliteCode(status), SQLITE_BUSY);
  EXPECT_EQ(waited(), 0ms);
  ASSERT_OK(writer_->RunScript("ROLLBACK"));
}

TEST_F(LockTest, RowsLeftOpenPinTheSnapshotAndAbortTheNextWrite) {
  ASSERT_OK(writer_->RunScript("INSERT INTO t VALUES (1, 1), (2, 2)"));
  Rows rows = (*writer_->Prepare(Sql("SELECT a FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  foreign_.Run("INSERT INTO t VALUES (9, 9)");
  EXPECT_EQ(SqliteCode(writer_->Run(kInsert, 3, 3)), SQLITE_BUSY_SNAPSHOT);
  const absl::Status begun = writer_->Begin().status();
  EXPECT_EQ(begun.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(SqliteCode(begun), SQLITE_BUSY_SNAPSHOT);
  EXPECT_FALSE(ConnectionAccess::IsPristine(*writer_)) << "the rows are still open";
}

TEST_F(LockTest, DroppingATableThatIsBeingReadIsTheCallersMistake) {
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  Rows rows = (*writer_->Prepare(Sql("SELECT a FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  const absl::Status status = writer_->RunScript("DROP TABLE t");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SqliteCode(status), SQLITE_LOCKED);
  EXPECT_THAT(std::string(status.message()), HasSubstr("end its Rows first"));
}

TEST_F(LockTest, ACommitWhileAStatementStillWritesIsTheCallersMistake) {
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  Rows rows = (*writer_->Prepare(Sql("INSERT INTO t(b) VALUES (1), (2) RETURNING a")))->Query();
  ASSERT_TRUE(rows.Next());
  const absl::Status status = transaction->Commit();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(waited(), 0ms);
}

TEST_F(LockTest, AReadersWriteIsRefusedWithTheWayOut) {
  const absl::Status status = reader_->Run(kInsert, 1, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("roost::kWrite"));
  EXPECT_EQ(ConnectionAccess::fault_scope(*reader_), FaultScope::kStatement);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*reader_));
}

}  // namespace
}  // namespace roost::sqlite
