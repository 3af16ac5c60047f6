// What a borrower can leave behind, how it is noticed, and what undoes it.
#include <string>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::sqlite {
namespace {

class ResetTest : public SqliteTest {
 protected:
  sqlite3* db() { return SqliteHandle(*writer_); }
  void ExpectCleanAfterReset() {
    EXPECT_FALSE(ConnectionAccess::IsPristine(*writer_));
    EXPECT_EQ(ConnectionAccess::Inspect(*writer_), SessionState::kDirty);
    EXPECT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
    EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
    EXPECT_EQ(ConnectionAccess::Inspect(*writer_), SessionState::kClean);
    EXPECT_EQ(AskInt(*writer_, kCount), 1);
  }
  // Left behind, the connection has to be closed.
  void ExpectResetFails() {
    EXPECT_FALSE(ConnectionAccess::IsPristine(*writer_));
    EXPECT_EQ(ConnectionAccess::Inspect(*writer_), SessionState::kDirty);
    EXPECT_FALSE(ConnectionAccess::Reset(*writer_, Deadline::Never()).ok());
  }
  void SetUp() override { ASSERT_OK(writer_->Run(kInsert, 1, 1)); }

  SqliteBackend backend_{Options()};
  HeldConnection writer_{backend_, platform_, Role::kWriter};
};

TEST_F(ResetTest, OrdinaryWorkLeavesNothing) {
  ASSERT_OK(writer_->Run(kInsert, 2, 2));
  ASSERT_OK(writer_->RunScript("DELETE FROM t WHERE a = 2; CREATE TABLE u(x); DROP TABLE u"));
  EXPECT_FALSE(writer_->Run(Sql("INSERT INTO t VALUES (1, 1)")).ok());
  EXPECT_FALSE(writer_->Prepare(Sql("no SQL at all")).ok());
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
  EXPECT_EQ(ConnectionAccess::Inspect(*writer_), SessionState::kClean);
}

TEST_F(ResetTest, AnOpenTransaction) {
  ASSERT_OK(writer_->RunScript("BEGIN; INSERT INTO t VALUES (2, 2)"));
  ExpectCleanAfterReset();
}

TEST_F(ResetTest, AnOpenSavepoint) {
  ASSERT_OK(writer_->RunScript("SAVEPOINT a; INSERT INTO t VALUES (2, 2); SAVEPOINT b"));
  ExpectCleanAfterReset();
}

TEST_F(ResetTest, RowsThatWereNotEnded) {
  Rows rows = (*writer_->Prepare(Sql("SELECT 1 UNION SELECT 2")))->Query();
  ASSERT_TRUE(rows.Next());
  ExpectCleanAfterReset();
  EXPECT_FALSE(rows.Next());
}

TEST_F(ResetTest, RowsInsideATransaction) {
  ASSERT_OK(writer_->RunScript("BEGIN; INSERT INTO t VALUES (2, 2)"));
  Rows rows = (*writer_->Prepare(Sql("SELECT * FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  ExpectCleanAfterReset();
}

TEST_F(ResetTest, ATemporaryTable) {
  ASSERT_OK(writer_->RunScript("CREATE TEMP TABLE mine(x); CREATE TEMP VIEW seen AS SELECT 1"));
  ExpectCleanAfterReset();
  EXPECT_EQ(Ask(db(), "SELECT count(*) FROM sqlite_temp_schema"), "0");
  EXPECT_EQ(Ask(db(), "PRAGMA temp_store"), "1");
}

TEST_F(ResetTest, ATemporaryTableMadeAgainByACachedStatementIsSeenAgain) {
  constexpr Sql kTemporary{"CREATE TEMP TABLE IF NOT EXISTS mine(x)"};
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(writer_->Run(kTemporary));
    ExpectCleanAfterReset();
    EXPECT_EQ(Ask(db(), "SELECT count(*) FROM sqlite_temp_schema"), "0");
    ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  }
}

TEST_F(ResetTest, APragmaThatChangesTheSessionClosesTheConnection) {
  ASSERT_OK(writer_->RunScript("PRAGMA case_sensitive_like=ON"));
  ExpectResetFails();
}

TEST_F(ResetTest, APragmaInAStatementIsSeenToo) {
  ASSERT_OK(writer_->Run(Sql("PRAGMA foreign_keys=OFF")));
  ExpectResetFails();
}

TEST_F(ResetTest, APragmaThatWouldBreakThePoolIsRefused) {
  for (const char* sql :
       {"PRAGMA busy_timeout=5000", "PRAGMA journal_mode=DELETE", "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA synchronous=OFF", "PRAGMA query_only=OFF", "PRAGMA main.wal_autocheckpoint=0"}) {
    const absl::Status status = writer_->RunScript(sql);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << sql;
    EXPECT_EQ(SqliteCode(status), SQLITE_AUTH) << sql;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("not authorized"))) << sql;
  }
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
  EXPECT_EQ(Ask(db(), "PRAGMA journal_mode"), "wal");
}

TEST_F(ResetTest, APragmaThatAsksLeavesNothing) {
  ASSERT_OK(writer_->RunScript("PRAGMA table_info(t); PRAGMA user_version=3; PRAGMA cache_size"));
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(ResetTest, AttachIsRefused) {
  const absl::Status status = writer_->RunScript("ATTACH 'other.db' AS other");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("one database"));
  EXPECT_EQ(writer_->RunScript("VACUUM").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(ResetTest, AStatementOfTheDriverIsFinalized) {
  sqlite3_stmt* left = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db(), "SELECT 1 UNION SELECT 2", -1, &left, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(left), SQLITE_ROW);
  ExpectCleanAfterReset();
  for (sqlite3_stmt* s = sqlite3_next_stmt(db(), nullptr); s; s = sqlite3_next_stmt(db(), s)) {
    EXPECT_STRNE(sqlite3_sql(s), "SELECT 1 UNION SELECT 2");
  }
}

TEST_F(ResetTest, ATransactionThroughTheRawHandle) {
  sqlite3_exec(db(), "BEGIN; INSERT INTO t VALUES (2, 2)", nullptr, nullptr, nullptr);
  ExpectCleanAfterReset();
}

TEST_F(ResetTest, APragmaThroughTheRawHandleIsSeen) {
  sqlite3_exec(db(), "PRAGMA case_sensitive_like=ON", nullptr, nullptr, nullptr);
  ExpectResetFails();
}

TEST_F(ResetTest, HooksThatWereReplacedComeBack) {
  sqlite3_busy_timeout(db(), 5000);
  sqlite3_progress_handler(db(), 0, nullptr, nullptr);
  sqlite3_set_authorizer(db(), nullptr, nullptr);
  ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  EXPECT_EQ(writer_->RunScript("PRAGMA synchronous=OFF").code(),
            absl::StatusCode::kInvalidArgument);
  Foreign foreign(path());
  foreign.Run("BEGIN IMMEDIATE");
  const TimePoint start = platform_.Now();
  writer_->set_deadline(In(10ms));
  EXPECT_EQ(writer_->Begin().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(platform_.Now() - start, 10ms);
}

TEST_F(ResetTest, LimitsAndSwitchesThatWereChangedComeBack) {
  sqlite3_limit(db(), SQLITE_LIMIT_ATTACHED, 5);
  sqlite3_limit(db(), SQLITE_LIMIT_LENGTH, 100);
  sqlite3_db_config(db(), SQLITE_DBCONFIG_ENABLE_FKEY, 0, nullptr);
  ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  EXPECT_EQ(sqlite3_limit(db(), SQLITE_LIMIT_ATTACHED, -1), 0);
  EXPECT_EQ(sqlite3_limit(db(), SQLITE_LIMIT_LENGTH, -1), 1 << 20);
  EXPECT_EQ(Ask(db(), "PRAGMA foreign_keys"), "1");
}

TEST_F(ResetTest, TheLastRowidIsForgotten) {
  ASSERT_OK(writer_->RunScript("BEGIN; INSERT INTO t VALUES (77, 1)"));
  EXPECT_EQ(sqlite3_last_insert_rowid(db()), 77);
  ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  EXPECT_EQ(sqlite3_last_insert_rowid(db()), 0);
}

TEST_F(ResetTest, APendingInterruptDoesNotHitTheNextBorrower) {
  Rows rows = (*writer_->Prepare(Sql("SELECT 1 UNION SELECT 2")))->Query();
  ASSERT_TRUE(rows.Next());
  sqlite3_interrupt(db());
  ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  EXPECT_EQ(AskInt(*writer_, kCount), 1);
}

TEST_F(ResetTest, ItKeepsTheCachedStatements) {
  Statement* const cached = *writer_->Prepare(kCount);
  ASSERT_OK(writer_->RunScript("BEGIN"));
  ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  EXPECT_EQ(*writer_->Prepare(kCount), cached);
}

TEST_F(ResetTest, DetachGivesAHandleWithoutOurHooks) {
  ASSERT_OK(writer_->Run(kInsert, 2, 2));
  auto* const detached = static_cast<sqlite3*>(writer_.Detach().handle);
  EXPECT_EQ(sqlite3_next_stmt(detached, nullptr), nullptr);
  EXPECT_EQ(Ask(detached, "PRAGMA synchronous=FULL; PRAGMA synchronous"), "2");
  EXPECT_EQ(Ask(detached, "PRAGMA wal_autocheckpoint"), "1000");
  {
    Foreign foreign(path());
    foreign.Run("BEGIN IMMEDIATE");
    EXPECT_EQ(Ask(detached, "BEGIN IMMEDIATE"), "error 5") << "and nobody waits";
  }
  EXPECT_EQ(sqlite3_close(detached), SQLITE_OK);
}

}  // namespace
}  // namespace roost::sqlite
