// Which statements the session has prepared, and what happens when it has not.
#include <optional>

#include "backends/postgres/statement.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::postgres {
namespace {

constexpr Sql kPrepared{"SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'roost%'"};

class PreparedTest : public SessionTest {
 protected:
  Session session;
};

TEST_F(PreparedTest, WhatTheSessionLostIsPreparedAnew) {
  ASSERT_OK(session->Run(kAdd, 1));
  ASSERT_OK(session->RunScript("DEALLOCATE ALL"));
  EXPECT_OK(session->Run(kAdd, 2));
  EXPECT_OK(session->Run(kAdd, 3));
  EXPECT_EQ(session.CountRows(), 3);
}

TEST_F(PreparedTest, InsideOfATransactionTheLossAbortsItOnce) {
  ASSERT_OK(session->Run(kAdd, 1));
  ASSERT_OK(session->RunScript("DEALLOCATE ALL"));
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    const absl::Status status = session->Run(kAdd, 2);
    EXPECT_EQ(status.code(), StatusCode::kAborted);
    EXPECT_EQ(PostgresSqlState(status), "26000");
  }
  absl::StatusOr<Transaction> transaction = session->Begin();
  EXPECT_OK(session->Run(kAdd, 2));
  EXPECT_OK(transaction->Commit());
  EXPECT_EQ(session.CountRows(), 2);
}

TEST_F(PreparedTest, APlanWhoseColumnsChangedIsMadeAnew) {
  const Sql kAll("SELECT * FROM t");
  ASSERT_OK(session->Run(kAdd, 1));
  ASSERT_OK(session->Run(kAll));
  ASSERT_EQ((*session->Prepare(kAll))->columns(), 1);
  Server().Sql("ALTER TABLE t ADD COLUMN b text DEFAULT 'more'");
  Rows rows = (*session->Prepare(kAll))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<std::string_view>("b"), "more");
}

TEST_F(PreparedTest, APlanWhoseColumnsChangedAbortsATransactionOnce) {
  const Sql kAll("SELECT * FROM t");
  ASSERT_OK(session->Run(kAll));
  Server().Sql("ALTER TABLE t ADD COLUMN b text");
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    const absl::Status status = session->Run(kAll);
    EXPECT_EQ(status.code(), StatusCode::kAborted);
    EXPECT_EQ(PostgresSqlState(status), "0A000");
  }
  absl::StatusOr<Transaction> transaction = session->Begin();
  EXPECT_OK(session->Run(kAll));
}

// ---- a column's type changes under a statement that was prepared before ----

constexpr Sql kAddMoment{"INSERT INTO moments(at) VALUES ($1)"};
constexpr Sql kAddText{"INSERT INTO texts(x) VALUES ($1)"};
constexpr Micros kWhen{1'700'000'000'000'000};

class ChangedTypeTest : public SessionTest {
 protected:
  ChangedTypeTest() {
    Server().Sql(
        "DROP TABLE IF EXISTS moments, texts; CREATE TABLE moments(at timestamptz);"
        "CREATE TABLE texts(x text); GRANT ALL ON moments, texts TO node");
  }
  static void Change(const std::string& table, const std::string& to) {
    Server().Sql("ALTER TABLE " + table + " ALTER COLUMN " + to);
  }
  static constexpr char kToInteger[] =
      "at TYPE bigint USING (extract(epoch FROM at) * 1000000)::bigint";
  static std::string Stored(const std::string& what) {
    return Server().Sql("SELECT string_agg(" + what + "::text, ',') FROM " +
                        (what == "at" ? "moments" : "texts"));
  }
  static PostgresOptions Pooled() { return {.uri = Server().Uri(), .transaction_pooler = true}; }
};

TEST_F(ChangedTypeTest, AMomentIsNeverStoredByAnOldDescription) {
  for (const char* const forget : {"SET work_mem TO '5MB'", "DEALLOCATE ALL"}) {
    Server().Sql(
        "DROP TABLE moments; CREATE TABLE moments(at timestamptz);"
        "GRANT ALL ON moments TO node");
    Session session;
    ASSERT_OK(session->Run(kAddMoment, kWhen));
    ASSERT_OK(session->RunScript(forget));
    ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
    Change("moments", kToInteger);
    EXPECT_OK(session->Run(kAddMoment, kWhen));
    EXPECT_EQ(Stored("at"), "1700000000000000,1700000000000000") << forget;
  }
}

TEST_F(ChangedTypeTest, NorThroughAPooler) {
  Session session(Pooled());
  ASSERT_OK(session->Run(kAddMoment, kWhen));
  Change("moments", kToInteger);
  EXPECT_OK(session->Run(kAddMoment, kWhen));
  EXPECT_EQ(Stored("at"), "1700000000000000,1700000000000000");
  Change("moments", "at TYPE timestamptz USING to_timestamp(at / 1000000)");
  EXPECT_OK(session->Run(kAddMoment, kWhen));
  EXPECT_EQ(Server().Sql("SELECT count(DISTINCT at) FROM moments"), "1");
}

// Four bytes of text are four bytes of integer, too.
TEST_F(ChangedTypeTest, ATextIsNeverTakenForTheBytesOfAnotherType) {
  Session pooled(Pooled());
  Session session;
  for (Session* const each : {&pooled, &session}) ASSERT_OK((*each)->Run(kAddText, "1234"));
  ASSERT_OK(session->RunScript("SET work_mem TO '5MB'"));
  ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
  Change("texts", "x TYPE int USING x::int");
  for (Session* const each : {&pooled, &session}) EXPECT_OK((*each)->Run(kAddText, "1234"));
  EXPECT_EQ(Stored("x"), "1234,1234,1234,1234");
}

TEST_F(ChangedTypeTest, TheStatementIsPreparedAnewOnce) {
  Session session;
  const Sql compare("SELECT count(*) FROM texts WHERE x = $1");
  ASSERT_OK(session->Run(kAddText, "7"));
  ASSERT_OK(session->Run(compare, "7"));
  Change("texts", "x TYPE int USING x::int");
  EXPECT_OK(session->Run(kAddText, "8"));  // 42804
  EXPECT_OK(session->Run(compare, "8"));   // 42883
  EXPECT_OK(session->Run(kAddText, 9));
  EXPECT_EQ(Stored("x"), "7,8,9");
}

TEST_F(ChangedTypeTest, InsideOfATransactionItAbortsOnce) {
  Session session;
  ASSERT_OK(session->Run(kAddText, "7"));
  Change("texts", "x TYPE int USING x::int");
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    const absl::Status status = session->Run(kAddText, "8");
    EXPECT_EQ(status.code(), StatusCode::kAborted) << status;
    EXPECT_EQ(PostgresSqlState(status), "42804");
  }
  absl::StatusOr<Transaction> transaction = session->Begin();
  EXPECT_OK(session->Run(kAddText, "8"));
  EXPECT_OK(transaction->Commit());
  EXPECT_EQ(Stored("x"), "7,8");
}

TEST_F(ChangedTypeTest, ATypeThatIsWrongForGoodIsToldByTheServer) {
  Server().Sql(
      "CREATE OR REPLACE FUNCTION wrong() RETURNS int LANGUAGE plpgsql AS "
      "$$ BEGIN RETURN no_such_function(1); END $$");
  Session session;
  ASSERT_OK(session->Prepare(Sql("SELECT wrong()")).status());
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = session->Run(Sql("SELECT wrong()"));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(PostgresSqlState(status), "42883");
  }
}

TEST_F(ChangedTypeTest, ColumnsAreThoseOfTheRowThatIsRead) {
  Session session(Pooled());
  const Sql all("SELECT * FROM texts");
  ASSERT_OK(session->Run(kAddText, "7"));
  ASSERT_OK(session->Prepare(all).status());
  Server().Sql("ALTER TABLE texts RENAME COLUMN x TO y; ALTER TABLE texts ADD COLUMN z int");
  Rows rows = (*session->Prepare(all))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<std::string_view>("y"), "7");
  EXPECT_EQ(rows.Get<std::optional<int>>("z"), std::nullopt);
  EXPECT_OK(rows.status());
}

TEST_F(PreparedTest, ANameThatIsTakenIsPassedOver) {
  std::array<char, StatementName::kSize> name;
  StatementName{.hash = kAdd.hash(), .serial = 1}.Write(name);
  ASSERT_OK(session->RunScript("PREPARE " + std::string(name.data()) + " AS SELECT 1"));
  EXPECT_OK(session->Run(kAdd, 1));
  EXPECT_EQ(session.CountRows(), 1);
}

TEST_F(PreparedTest, TheSessionHasNoMoreStatementsThanTheCache) {
  Session small(Server().Uri(), 2);
  for (int i = 0; i < 20; ++i) {
    const std::string sql = "SELECT " + std::to_string(i);
    ASSERT_OK(small->Run(Sql(sql)));
  }
  // One more than the cache: the last one given up is told to the session with the next exchange.
  EXPECT_LE(std::stoi(small.Ask(kPrepared.text())), 3);
  EXPECT_EQ(ConnectionAccess::fault_scope(*small), FaultScope::kStatement);
}

TEST_F(PreparedTest, StatementsAreGivenUpInsideOfAFailedTransactionToo) {
  Session small(Server().Uri(), 1);
  {
    absl::StatusOr<Transaction> transaction = small->Begin();
    ASSERT_OK(small->Run(Sql("SELECT 1")));
    EXPECT_EQ(small->Run(Sql("SELECT 1/0")).code(), StatusCode::kInvalidArgument);
    for (int i = 0; i < 5; ++i) {
      const std::string sql = "SELECT " + std::to_string(i) + " + 1";
      EXPECT_EQ(small->Run(Sql(sql)).code(), StatusCode::kInvalidArgument) << "of 1/0";
    }
  }
  EXPECT_OK(small->Run(kAdd, 1));
  EXPECT_EQ(small.CountRows(), 1);
  EXPECT_EQ(ConnectionAccess::fault_scope(*small), FaultScope::kStatement);
}

TEST_F(PreparedTest, WrongSqlIsFoundByPrepareAndByRun) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(session->Prepare(Sql("SELECT nothing")).status().code(),
              StatusCode::kInvalidArgument);
    EXPECT_EQ(session->Run(Sql("SELECT nobody")).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(session->Run(Sql(" -- nothing")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(session->Run(Sql("")).code(), StatusCode::kInvalidArgument);
}

TEST_F(PreparedTest, TextWithoutAStatementIsRefusedByPrepareAndByRun) {
  for (const char* const sql : {"-- nothing", "/* x */", " ;; ", ""}) {
    EXPECT_EQ(session->Prepare(Sql(sql)).status().code(), StatusCode::kInvalidArgument) << sql;
    EXPECT_EQ(session->Run(Sql(sql)).code(), StatusCode::kInvalidArgument) << sql;
  }
}

TEST_F(PreparedTest, AWrongNumberOfValuesIsFoundAlsoWhenRunAtOnce) {
  const absl::Status status = session->Run(kAdd, 1, 2);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(session->Run(kAdd).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kStatement);
  EXPECT_OK(session->Run(kAdd, 1));
}

TEST_F(PreparedTest, WhatNeedsATransactionOfItsOwnGetsOne) {
  Session small(Server().Uri(), 1);
  ASSERT_OK(small->Run(kCount));
  EXPECT_OK(small->Run(Sql("VACUUM t")));  // after a DEALLOCATE in the same round trip
}

TEST_F(PreparedTest, APoolerIsGivenNoSessionState) {
  Session unnamed(PostgresOptions{.uri = Server().Uri(), .transaction_pooler = true});
  ASSERT_OK(unnamed->Run(kAdd, 1));
  EXPECT_EQ(unnamed.Ask("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"), "0");
  for (const char* const sql :
       {"SET a.b = 1", "LISTEN door", "CREATE TEMP TABLE x(a int)", "CREATE TABLE pg_temp.x(a int)",
        "UPDATE pg_settings SET setting = '5MB' WHERE name = 'work_mem'",
        "DO $$ BEGIN EXECUTE 'SET a.b = 1'; END $$", "SELECT $$it's$$; SET a.b = 1"}) {
    EXPECT_EQ(unnamed->Run(Sql(sql)).code(), StatusCode::kInvalidArgument) << sql;
    EXPECT_EQ(unnamed->RunScript(sql).code(), StatusCode::kInvalidArgument) << sql;
  }
  absl::StatusOr<Transaction> transaction = unnamed->Begin();
  EXPECT_OK(unnamed->Run(Sql("SET LOCAL statement_timeout = 1000")));
  EXPECT_OK(transaction->Commit());
}

// ---- durability ---------------------------------------------------------------------------------

class SealTest : public SessionTest {
 protected:
  static bool IsFlushed(const std::string& position) {
    return Server().Sql("SELECT pg_current_wal_flush_lsn() >= '" + position + "'") == "t";
  }
  // The setting inside of a transaction.
  static std::string Inside(Session& session, Durability durability) {
    const absl::StatusOr<Transaction> transaction = session->Begin(durability);
    return session.Ask(kSetting);
  }
  static constexpr char kSetting[] = "SHOW synchronous_commit";
  Session lazy{Server().Uri("options=-csynchronous_commit%3Doff")};
};

TEST_F(SealTest, SealedIsSynchronousWhereTheSessionIsNot) {
  EXPECT_EQ(lazy.Ask(kSetting), "off");
  EXPECT_EQ(Inside(lazy, Durability::kSealed), "on");
  EXPECT_EQ(Inside(lazy, Durability::kDefault), "off");
  Session waiting(Server().Uri("options=-csynchronous_commit%3Dremote_apply"));
  EXPECT_EQ(Inside(waiting, Durability::kSealed), "remote_apply") << "more than asked for stays";
}

TEST_F(SealTest, SealWritesWhatWasCommittedBefore) {
  ASSERT_OK(lazy->Run(kAdd, 1));
  const std::string position = lazy.Ask("SELECT pg_current_wal_insert_lsn()::text");
  ASSERT_FALSE(IsFlushed(position)) << "else this test shows nothing";
  ASSERT_OK(lazy->Seal());
  EXPECT_TRUE(IsFlushed(position));
}

TEST_F(SealTest, SealIsRefusedInsideOfATransaction) {
  absl::StatusOr<Transaction> transaction = lazy->Begin();
  EXPECT_EQ(lazy->Seal().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace roost::postgres
