// What a borrower can leave behind, how it is noticed, and what undoes it.
#include <iterator>
#include <string>

#include "roost/pool.h"
#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/forgotten.h"

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
  const std::string filler_ = std::string(200, 'x');
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
  const support::Forgotten<Rows> forgotten(std::move(rows));
  ExpectCleanAfterReset();
}

TEST_F(ResetTest, RowsInsideATransaction) {
  ASSERT_OK(writer_->RunScript("BEGIN; INSERT INTO t VALUES (2, 2)"));
  Rows rows = (*writer_->Prepare(Sql("SELECT * FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  const support::Forgotten<Rows> forgotten(std::move(rows));
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
    EXPECT_EQ(AskInt(*writer_, Sql("SELECT count(*) FROM sqlite_temp_schema")), 0);
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
  const absl::Status into = writer_->RunScript("VACUUM INTO '" + dir_.File("copy.db") + "'");
  EXPECT_EQ(into.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(into.message()), HasSubstr("roost::Backup"));
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(ResetTest, TheLastRowidIsForgotten) {
  ASSERT_OK(writer_->RunScript("BEGIN; INSERT INTO t VALUES (77, 1)"));
  constexpr Sql kLast{"SELECT last_insert_rowid()"};
  EXPECT_EQ(AskInt(*writer_, kLast), 77);
  ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  EXPECT_EQ(AskInt(*writer_, kLast), 0);
}

TEST_F(ResetTest, ItKeepsTheCachedStatements) {
  Statement* const cached = *writer_->Prepare(kCount);
  ASSERT_OK(writer_->RunScript("BEGIN"));
  ASSERT_OK(ConnectionAccess::Reset(*writer_, Deadline::Never()));
  EXPECT_EQ(*writer_->Prepare(kCount), cached);
}

int Refuse(void*) { return 1; }
int RefuseToWait(void*, int) { return 0; }
void RollBack(void* count) { ++*static_cast<int*>(count); }
void Update(void* count, int, const char*, const char*, sqlite3_int64) {
  ++*static_cast<int*>(count);
}
int TraceAll(unsigned, void* count, void*, void*) { return ++*static_cast<int*>(count); }
void Seven(sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_int(context, 7); }

// Through a pool: what one user does to the driver's handle, the next one does not meet.
TEST_F(ResetTest, WhatIsDoneToTheDriversHandleEndsWithTheLease) {
  static int called = 0;
  void (*const deeds[])(sqlite3*) = {
      [](sqlite3*) {},
      [](sqlite3* db) { sqlite3_commit_hook(db, &Refuse, nullptr); },
      [](sqlite3* db) { sqlite3_rollback_hook(db, &RollBack, &called); },
      [](sqlite3* db) { sqlite3_update_hook(db, &Update, &called); },
      [](sqlite3* db) { sqlite3_trace_v2(db, SQLITE_TRACE_STMT, &TraceAll, &called); },
      [](sqlite3* db) { sqlite3_progress_handler(db, 1, &Refuse, nullptr); },
      [](sqlite3* db) { sqlite3_busy_handler(db, &RefuseToWait, nullptr); },
      [](sqlite3* db) { sqlite3_interrupt(db); },
      [](sqlite3* db) { sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 100); },
      [](sqlite3* db) { sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, nullptr); },
      [](sqlite3* db) {
        sqlite3_create_function(db, "abs", 1, SQLITE_UTF8, nullptr, &Seven, nullptr, nullptr);
      },
      [](sqlite3* db) { sqlite3_exec(db, "CREATE TEMP TABLE t(a, b)", nullptr, nullptr, nullptr); },
      [](sqlite3* db) { sqlite3_exec(db, "BEGIN; DELETE FROM t", nullptr, nullptr, nullptr); },
      [](sqlite3* db) {
        sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 5);
        sqlite3_set_authorizer(db, nullptr, nullptr);
        sqlite3_exec(db, "ATTACH ':memory:' AS other", nullptr, nullptr, nullptr);
      },
      [](sqlite3* db) {
        sqlite3_set_authorizer(db, nullptr, nullptr);
        sqlite3_exec(db, "PRAGMA query_only=ON; PRAGMA case_sensitive_like=ON", nullptr, nullptr,
                     nullptr);
      },
      [](sqlite3* db) {
        sqlite3_stmt* left = nullptr;
        sqlite3_prepare_v2(db, "SELECT 1 UNION SELECT 2", -1, &left, nullptr);
        sqlite3_step(left);
      },
  };
  writer_.Close();
  PoolFor<profiles::Testing> pool(backend_, {.platform = &platform_});
  int64_t rows = 1;
  for (size_t i = 0; i < std::size(deeds); ++i) {
    SCOPED_TRACE(i);
    deeds[i](SqliteHandle(**pool.Acquire(kWrite)));
    called = 0;
    Lease next = *pool.Acquire(kWrite);
    ASSERT_OK(next.Run(Sql("INSERT INTO t(b) VALUES ($1)"), std::string_view(filler_)));
    EXPECT_EQ(AskInt(*next, kCount), ++rows);
    EXPECT_EQ(AskInt(*next, Sql("SELECT abs(-3)")), 3);
    EXPECT_EQ(AskInt(*next, Sql("SELECT 'a' LIKE 'A'")), 1);
    EXPECT_EQ(next->RunScript("PRAGMA synchronous=OFF").code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(called, 0);
  }
}

TEST_F(ResetTest, DetachGivesAHandleWithoutOurHooks) {
  ASSERT_OK(writer_->Run(kInsert, 2, 2));
  auto* const detached = static_cast<sqlite3*>(writer_.Detach().handle);
  EXPECT_EQ(sqlite3_next_stmt(detached, nullptr), nullptr);
  EXPECT_EQ(sqlite3_commit_hook(detached, nullptr, nullptr), nullptr);
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
