#include <cstddef>
#include <cstdio>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::sqlite {
namespace {

class SqliteStatementTest : public SqliteTest {
 protected:
  absl::Status PrepareStatus(std::string_view sql) { return writer_->Prepare(Sql(sql)).status(); }
  std::string Message(std::string_view sql) {
    const absl::Status status = PrepareStatus(sql);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << sql;
    return std::string(status.message());
  }
  sqlite3* db() { return SqliteHandle(*writer_); }

  SqliteBackend backend_{Options()};
  HeldConnection writer_{backend_, platform_, Role::kWriter, 4};
};

TEST_F(SqliteStatementTest, EveryTypeComesBackAsItWent) {
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}};
  constexpr Sql kSelect{"SELECT $1, $2, $3, $4, $5, $6, $7, $8"};
  absl::StatusOr<Statement*> select = writer_->Prepare(kSelect);
  ASSERT_OK(select.status());
  Rows rows = (*select)->Query(std::numeric_limits<int64_t>::min(), 0.1, "text", Blob(bytes), true,
                               Micros{1'700'000'000'000'000}, nullptr, std::optional<int>(3));
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int64_t>(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows.Get<double>(1), 0.1);
  EXPECT_EQ(rows.Get<std::string_view>(2), "text");
  const Blob blob = rows.Get<Blob>(3);
  EXPECT_EQ(std::vector<std::byte>(blob.begin(), blob.end()), bytes);
  EXPECT_TRUE(rows.Get<bool>(4));
  EXPECT_EQ(rows.Get<Micros>(5), (Micros{1'700'000'000'000'000}));
  EXPECT_EQ(rows.Get<std::optional<double>>(6), std::nullopt);
  EXPECT_EQ(rows.Get<std::optional<int>>(7), 3);
  EXPECT_OK(rows.status());
}

TEST_F(SqliteStatementTest, EmptyTextAndEmptyBlobsAreNotNull) {
  constexpr Sql kTypes{"SELECT typeof($1), typeof($2), typeof($3), $1, $2"};
  Rows rows = (*writer_->Prepare(kTypes))->Query(std::string_view(), Blob(), nullptr);
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::string_view>(0), "text");
  EXPECT_EQ(rows.Get<std::string_view>(1), "blob");
  EXPECT_EQ(rows.Get<std::string_view>(2), "null");
  EXPECT_EQ(rows.Get<std::string_view>(3), "");
  EXPECT_EQ(rows.Get<Blob>(4).size(), 0u);
  EXPECT_OK(rows.status());
}

TEST_F(SqliteStatementTest, TextKeepsItsZeroBytes) {
  const std::string text("a\0b", 3);
  Rows rows = (*writer_->Prepare(Sql("SELECT $1")))->Query(std::string_view(text));
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::string_view>(0), text);
}

TEST_F(SqliteStatementTest, ArgumentsMayEndBeforeTheRowsAreRead) {
  std::string text(100, 'x');
  std::vector<std::byte> bytes(100, std::byte{7});
  Rows rows =
      (*writer_->Prepare(Sql("SELECT $1, $2 UNION ALL SELECT $1, $2")))->Query(text, Blob(bytes));
  text.assign(100, 'y');
  bytes.assign(100, std::byte{8});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(rows.Get<std::string_view>(0), std::string(100, 'x'));
    EXPECT_EQ(rows.Get<Blob>(1)[99], std::byte{7});
  }
}

TEST_F(SqliteStatementTest, SqlWithAZeroByteIsRefusedWithItsPlace) {
  const std::string script("CREATE TABLE zero(a);\0", 22);
  const absl::Status refused = writer_->RunScript(script);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), ::testing::HasSubstr("byte 22"));
  EXPECT_EQ(writer_->Run(Sql("SELECT * FROM zero")).code(), absl::StatusCode::kInvalidArgument)
      << "nothing of it was done";
  EXPECT_THAT(Message(std::string_view("SELECT 1\0 WHERE 0", 17)), ::testing::HasSubstr("byte 9"));
}

TEST_F(SqliteStatementTest, AnArrayIsRefusedWithWhatToDoInstead) {
  const absl::Status status = writer_->Run(Sql("SELECT $1"), std::vector<int64_t>{1, 2});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("$1 of \"SELECT $1\" is an array"));
  EXPECT_THAT(status.message(), ::testing::HasSubstr("RunAll"));
  EXPECT_THAT(status.message(), ::testing::HasSubstr("json_each()"));
}

TEST_F(SqliteStatementTest, NanIsRefusedAndInfinityKept) {
  constexpr Sql kEcho{"SELECT $1"};
  const absl::Status status = writer_->Run(kEcho, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("$1 of \"SELECT $1\" is NaN"));
  Rows rows = (*writer_->Prepare(kEcho))->Query(-std::numeric_limits<double>::infinity());
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<double>(0), -std::numeric_limits<double>::infinity());
}

TEST_F(SqliteStatementTest, WhatIsLongerThanAValueCanSayIsRefused) {
  const char* const text = "short";
  // Only looked at by its length.
  const std::string_view huge(text, (size_t{1} << 32) + 3);
  EXPECT_NE(writer_->Run(Sql("SELECT $1"), huge).code(), absl::StatusCode::kOk);
  const Blob huge_blob(reinterpret_cast<const std::byte*>(text), huge.size());
  EXPECT_NE(writer_->Run(Sql("SELECT $1"), huge_blob).code(), absl::StatusCode::kOk);
}

TEST_F(SqliteStatementTest, PlaceholdersAreBoundByNameInAnyOrderAndMoreThanOnce) {
  Rows rows = (*writer_->Prepare(Sql("SELECT $3, $1, $2, $1")))->Query(1, 2, 3);
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(0), 3);
  EXPECT_EQ(rows.Get<int>(1), 1);
  EXPECT_EQ(rows.Get<int>(2), 2);
  EXPECT_EQ(rows.Get<int>(3), 1);
}

TEST_F(SqliteStatementTest, SixtyThreePlaceholdersFitAndNoMore) {
  const auto sum = [](int count) {
    std::string sql = "SELECT 0";
    for (int i = count; i >= 1; --i) sql += "+$" + std::to_string(i) + "*" + std::to_string(i);
    return sql;
  };
  const std::string most = sum(63);
  absl::StatusOr<Statement*> statement = writer_->Prepare(Sql(most));
  ASSERT_OK(statement.status());
  const std::vector<Value> ones(63, Value(1));
  {
    Rows rows = (*statement)->ExecuteQuery(ones);
    ASSERT_TRUE(rows.Next()) << rows.status();
    EXPECT_EQ(rows.Get<int64_t>(0), 63 * 64 / 2);
  }
  EXPECT_THAT(Message(sum(64)), AllOf(HasSubstr("64 placeholders"), HasSubstr("$63")));
}

TEST_F(SqliteStatementTest, OtherPlaceholdersAreRefused) {
  EXPECT_THAT(Message("SELECT :name"), HasSubstr("\":name\" has no meaning; placeholders are $1"));
  EXPECT_THAT(Message("SELECT @a"), HasSubstr("\"@a\""));
  EXPECT_THAT(Message("SELECT ?"), HasSubstr("\"?\""));
  EXPECT_THAT(Message("SELECT ?1"), HasSubstr("\"?1\""));
  EXPECT_THAT(Message("SELECT $one"), HasSubstr("\"$one\""));
  EXPECT_THAT(Message("SELECT $01"), HasSubstr("\"$01\""));
  EXPECT_THAT(Message("SELECT $0"), HasSubstr("\"$0\""));
  EXPECT_THAT(Message("SELECT $1, $3"), HasSubstr("has $3 but only 2 placeholders"));
}

TEST_F(SqliteStatementTest, AWrongCountNamesSqlExpectedAndGiven) {
  const absl::Status status = writer_->Run(kInsert, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "\"INSERT INTO t(a, b) VALUES ($1, $2)\" takes 2 values, 1 was given");
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(SqliteStatementTest, SqlMustHoldExactlyOneStatement) {
  EXPECT_THAT(Message(""), HasSubstr("empty"));
  EXPECT_THAT(Message("  ; "), HasSubstr("no statement"));
  EXPECT_THAT(Message("-- nothing"), HasSubstr("no statement"));
  EXPECT_THAT(
      Message("SELECT 1; DELETE FROM t"),
      AllOf(HasSubstr("more than one"), HasSubstr("\"DELETE FROM t\""), HasSubstr("RunScript")));
  EXPECT_THAT(Message("SELECT 1; this is no SQL"), HasSubstr("more than one"));
  EXPECT_OK(PrepareStatus("SELECT 1; -- a comment\n ;"));
}

TEST_F(SqliteStatementTest, WrongSqlIsNamedWithItsPathAndItsCode) {
  const absl::Status status = PrepareStatus("SELECT * FROM missing");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SqliteCode(status), SQLITE_ERROR);
  EXPECT_EQ(status.message(),
            "\"SELECT * FROM missing\" on " + path() + ": no such table: missing (SQLite 1)");
}

TEST_F(SqliteStatementTest, ConstraintsAreToldApart) {
  ASSERT_OK(
      writer_->RunScript("CREATE TABLE c(id INTEGER PRIMARY KEY, u UNIQUE, n NOT NULL,"
                         " k CHECK(k > 0), p REFERENCES c(id))"));
  constexpr Sql kRow{"INSERT INTO c VALUES ($1, $2, $3, $4, $5)"};
  ASSERT_OK(writer_->Run(kRow, 1, 1, 1, 1, nullptr));
  const auto code = [&](const auto&... values) {
    const absl::Status status = writer_->Run(kRow, values...);
    return std::pair(status.code(), SqliteCode(status));
  };
  using absl::StatusCode;
  EXPECT_EQ(code(1, 2, 1, 1, nullptr),
            std::pair(StatusCode::kAlreadyExists, SQLITE_CONSTRAINT_PRIMARYKEY));
  EXPECT_EQ(code(2, 1, 1, 1, nullptr),
            std::pair(StatusCode::kAlreadyExists, SQLITE_CONSTRAINT_UNIQUE));
  EXPECT_EQ(code(2, 2, nullptr, 1, nullptr),
            std::pair(StatusCode::kInvalidArgument, SQLITE_CONSTRAINT_NOTNULL));
  EXPECT_EQ(code(2, 2, 1, 0, nullptr),
            std::pair(StatusCode::kInvalidArgument, SQLITE_CONSTRAINT_CHECK));
  EXPECT_EQ(code(2, 2, 1, 1, 9),
            std::pair(StatusCode::kInvalidArgument, SQLITE_CONSTRAINT_FOREIGNKEY));
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(SqliteStatementTest, AValueThatIsTooLongIsRefusedAndNamed) {
  const std::string long_text((1 << 20) + 1, 'x');
  const absl::Status status = writer_->Run(kInsert, 1, std::string_view(long_text));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SqliteCode(status), SQLITE_TOOBIG);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("$2 of"), HasSubstr("max_value_bytes")));
  EXPECT_OK(writer_->Run(kInsert, 1, "short"));
}

TEST_F(SqliteStatementTest, SqlThatIsTooLongIsRefused) {
  const std::string sql = "SELECT '" + std::string(17 * 1024, 'x') + "'";
  EXPECT_EQ(SqliteCode(PrepareStatus(sql)), SQLITE_TOOBIG);
}

TEST_F(SqliteStatementTest, AScriptMayBeLongerThanAStatementOfIt) {
  std::string script;
  for (int i = 1; i <= 1000; ++i) {
    script += "INSERT INTO t VALUES (" + std::to_string(i) + ", 'some words of a row');\n";
  }
  ASSERT_GT(script.size(), 16u * 1024 * 2);
  EXPECT_OK(writer_->RunScript(script));
  EXPECT_EQ(AskInt(*writer_, kCount), 1000);
  const absl::Status refused =
      writer_->RunScript("DELETE FROM t; SELECT '" + std::string(17 * 1024, 'x') + "'; SELECT 1");
  EXPECT_EQ(SqliteCode(refused), SQLITE_TOOBIG) << refused;
  EXPECT_EQ(AskInt(*writer_, kCount), 0) << "what came before it was done";
}

// As turso's issue 8746: a key that is taken leaves in what was done before it, a row without its parent
// does not.
TEST_F(SqliteStatementTest, WhatOrFailLeavesInIsCountedAndTold) {
  ASSERT_OK(writer_->Run(kInsert, 7, 1));
  Statement* two = *writer_->Prepare(Sql("INSERT OR FAIL INTO t VALUES ($1, 1), ($2, 1)"));
  EXPECT_EQ(two->Run(1, 7).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(two->changes(), 1);
  EXPECT_EQ(AskInt(*writer_, kCount), 2);
  const std::vector<std::pair<int, int>> rows{{10, 11}, {20, 7}, {30, 31}};
  {
    absl::StatusOr<Transaction> transaction = writer_->Begin();
    ASSERT_OK(transaction.status());
    const absl::Status taken = two->RunAll(rows);
    EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists);
    EXPECT_THAT(std::string(taken.message()),
                ::testing::HasSubstr("; 1 rows are in whole, and row 2 in part (1), in the open "
                                     "transaction: roll it back"));
    EXPECT_EQ(two->failed_row(), 1);
    EXPECT_EQ(two->changes(), 3);
    EXPECT_EQ(AskInt(*writer_, kCount), 5);
  }
  const absl::Status taken = two->RunAll(rows);
  EXPECT_THAT(std::string(taken.message()), ::testing::HasSubstr("; 0 rows are in"));
  EXPECT_EQ(two->changes(), 0);
  EXPECT_EQ(AskInt(*writer_, kCount), 2);
  ASSERT_OK(writer_->RunScript("CREATE TABLE child(a REFERENCES t(a))"));
  Statement* orphans = *writer_->Prepare(Sql("INSERT OR FAIL INTO child VALUES ($1), ($2)"));
  EXPECT_FALSE(orphans->Run(7, 8).ok());
  EXPECT_EQ(orphans->changes(), 0);
  EXPECT_EQ(AskInt(*writer_, Sql("SELECT count(*) FROM child")), 0);
}

// What stands before the error of a row that has none of its own in is what was in before.
TEST_F(SqliteStatementTest, ARowThatIsRefusedLeavesNothingIn) {
  ASSERT_OK(writer_->Run(kInsert, 7, 1));
  Statement* two = *writer_->Prepare(Sql("INSERT INTO t VALUES ($1, 1), ($2, 1)"));
  absl::StatusOr<Transaction> transaction = writer_->Begin();
  ASSERT_OK(transaction.status());
  const absl::Status taken = two->RunAll(std::vector<std::pair<int, int>>{{10, 11}, {20, 7}});
  EXPECT_THAT(std::string(taken.message()),
              ::testing::HasSubstr("; 1 rows are in the open transaction: roll it back"));
  EXPECT_EQ(two->changes(), 2);
  EXPECT_EQ(AskInt(*writer_, kCount), 3);
}

TEST_F(SqliteStatementTest, RunAllOfNoRowsTellsWhatIsKnownOfTheConnection) {
  Statement* insert = *writer_->Prepare(kInsert);
  const std::vector<std::pair<int, int>> none;
  EXPECT_OK(insert->RunAll(none));
  ASSERT_EQ(std::rename(path().c_str(), (path() + ".away").c_str()), 0);
  platform_.Advance(std::chrono::seconds(5));
  const absl::Status moved = insert->RunAll(none);
  EXPECT_TRUE(IsFileChanged(moved)) << moved;
}

TEST_F(SqliteStatementTest, ChangesAreThoseOfTheLastRun) {
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  ASSERT_OK(writer_->Run(kInsert, 2, 1));
  Statement* update = *writer_->Prepare(Sql("UPDATE t SET b = 2 WHERE a >= $1"));
  ASSERT_OK(update->Run(1));
  EXPECT_EQ(update->changes(), 2);
  ASSERT_OK(update->Run(100));
  EXPECT_EQ(update->changes(), 0);
  Statement* create = *writer_->Prepare(Sql("CREATE TABLE other(x)"));
  ASSERT_OK(create->Run());
  EXPECT_EQ(create->changes(), 0) << "not those of an earlier statement";
  Statement* returning = *writer_->Prepare(Sql("INSERT INTO t(b) VALUES (1), (2) RETURNING a"));
  {
    Rows rows = returning->Query();
    ASSERT_TRUE(rows.Next());
  }
  EXPECT_EQ(returning->changes(), 2) << "also those of rows that nobody read";
}

TEST_F(SqliteStatementTest, ASecondReadingOfTheSameStatementIsRefused) {
  Statement* select = *writer_->Prepare(Sql("SELECT 1 UNION SELECT 2"));
  Rows first = select->Query();
  ASSERT_TRUE(first.Next());
  {
    Rows second = select->Query();
    EXPECT_FALSE(second.Next());
    EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(select->Run().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(first.Next()) << "the first goes on: " << first.status();
}

TEST_F(SqliteStatementTest, BoundPointersAreForgottenAtTheEnd) {
  Statement* select = *writer_->Prepare(Sql("SELECT typeof($1)"));
  ASSERT_OK(select->Run("text"));
  sqlite3_stmt* driver = nullptr;
  while ((driver = sqlite3_next_stmt(db(), driver)) != nullptr) {
    if (std::string_view(sqlite3_sql(driver)) != select->sql()) continue;
    ASSERT_EQ(sqlite3_step(driver), SQLITE_ROW);
    EXPECT_STREQ(reinterpret_cast<const char*>(sqlite3_column_text(driver, 0)), "null");
    sqlite3_reset(driver);
  }
}

TEST_F(SqliteStatementTest, ACachedStatementSurvivesAChangeOfTheSchema) {
  Statement* select = *writer_->Prepare(Sql("SELECT * FROM t"));
  EXPECT_EQ(select->columns(), 2);
  { Foreign(path()).Run("ALTER TABLE t ADD COLUMN c DEFAULT 7; INSERT INTO t VALUES (1, 2, 3)"); }
  Rows rows = select->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<int>("c"), 3);
  EXPECT_EQ(select->columns(), 3);
  EXPECT_EQ(*writer_->Prepare(Sql("SELECT * FROM t")), select);
}

TEST_F(SqliteStatementTest, TheCacheHoldsAsManyStatementsAsItWasGiven) {
  std::vector<std::string> texts;
  for (int i = 0; i < 5; ++i) texts.push_back("SELECT " + std::to_string(i));
  std::vector<Statement*> statements;
  for (int i = 0; i < 4; ++i) statements.push_back(*writer_->Prepare(Sql(texts[i])));
  EXPECT_EQ(*writer_->Prepare(Sql(texts[0])), statements[0]);
  EXPECT_EQ(*writer_->Prepare(Sql(texts[4])), statements[1]) << "the least recently used went";

  std::vector<Rows> reading;
  for (const int i : {0, 2, 3, 4}) {
    reading.push_back((*writer_->Prepare(Sql(texts[i])))->Query());
    ASSERT_TRUE(reading.back().Next());
  }
  const absl::Status status = PrepareStatus(texts[1]);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("all 4 statements"));
  reading.pop_back();
  EXPECT_OK(PrepareStatus(texts[1]));
}

TEST_F(SqliteStatementTest, WrongSqlCostsNoStatementItsPlace) {
  std::vector<std::string> texts;
  for (int i = 0; i < 4; ++i) texts.push_back("SELECT " + std::to_string(i));
  std::vector<Statement*> statements;
  for (const std::string& text : texts) statements.push_back(*writer_->Prepare(Sql(text)));
  for (const char* wrong : {"no SQL", "SELECT 1; SELECT 2", "SELECT ?", ""}) {
    EXPECT_FALSE(PrepareStatus(wrong).ok());
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(*writer_->Prepare(Sql(texts[i])), statements[i]);
  }
}

TEST_F(SqliteStatementTest, AScriptStopsAtItsFirstErrorAndNamesTheStatement) {
  const absl::Status status = writer_->RunScript(
      "INSERT INTO t VALUES (1, 1);\n INSERT INTO missing VALUES (1);\n"
      "INSERT INTO t VALUES (2, 2)");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"INSERT INTO missing"));
  EXPECT_EQ(AskInt(*writer_, kCount), 1);
  EXPECT_OK(writer_->RunScript("-- nothing\n ; ;"));
  EXPECT_OK(writer_->RunScript(""));
}

TEST_F(SqliteStatementTest, AStatementIsCutAtTheDeadlineAndTheConnectionGoesOn) {
  TickingPlatform ticking;
  HeldConnection reader(backend_, ticking, Role::kReader);
  reader->set_deadline(Deadline::At(ticking.Now() + 50ms));
  const absl::Status status = reader->Run(kEndless);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(SqliteCode(status), SQLITE_INTERRUPT);
  EXPECT_EQ(reader->Run(kCount).code(), absl::StatusCode::kDeadlineExceeded)
      << "nothing is begun after the deadline";
  reader->set_deadline(Deadline::Never());
  EXPECT_TRUE(ConnectionAccess::IsPristine(*reader));
  EXPECT_EQ(AskInt(*reader, kCount), 0);
}

TEST_F(SqliteStatementTest, ADeadlineThatIsMovedHoldsForRowsUnderWay) {
  TickingPlatform ticking;
  HeldConnection reader(backend_, ticking, Role::kReader);
  Rows rows = (*reader->Prepare(kEndless))->Query();
  reader->set_deadline(Deadline::At(ticking.Now() + 20ms));
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SqliteStatementTest, WhoAsksForTheFirstRowAfterTheDeadlineGetsNone) {
  HeldConnection reader(backend_, platform_, Role::kReader);
  ConnectionAccess::StartLease(*reader, In(50ms));
  EXPECT_EQ(AskInt(*reader, kCount), 0);
  {
    Rows rows = (*reader->Prepare(kCount))->Query();
    platform_.Advance(60ms);
    EXPECT_FALSE(rows.Next());
    EXPECT_EQ(rows.status().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_FALSE(rows.Next());
  }
  EXPECT_TRUE(ConnectionAccess::IsPristine(*reader));
  reader->set_deadline(In(50ms));
  EXPECT_EQ(AskInt(*reader, kCount), 0) << "the same statement, in time";
}

TEST_F(SqliteStatementTest, OnlyTheFirstReadOfALeaseIsBegunWithoutAskingTheClock) {
  HeldConnection reader(backend_, platform_, Role::kReader);
  for (int lease = 0; lease < 2; ++lease) {
    ConnectionAccess::StartLease(*reader, In(50ms));
    platform_.Advance(60ms);
    EXPECT_EQ(AskInt(*reader, kCount), 0);
    EXPECT_EQ(reader->Run(kCount).code(), absl::StatusCode::kDeadlineExceeded);
    ConnectionAccess::EndLease(*reader);
  }
}

TEST_F(SqliteStatementTest, AFirstReadThatIsLongIsCutAtTheDeadline) {
  TickingPlatform ticking;
  HeldConnection reader(backend_, ticking, Role::kReader);
  ConnectionAccess::StartLease(*reader, Deadline::At(ticking.Now() - 1ms));
  EXPECT_EQ(reader->Run(kEndless).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*reader));
}

TEST_F(SqliteStatementTest, AFirstWriteIsNotBegunAfterTheDeadline) {
  ConnectionAccess::StartLease(*writer_, In(50ms));
  platform_.Advance(60ms);
  EXPECT_EQ(writer_->Run(kInsert, 1, 1).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(writer_->Run(Sql("CREATE TEMP TABLE s(a)")).code(),
            absl::StatusCode::kDeadlineExceeded);
  ConnectionAccess::StartLease(*writer_, In(50ms));
  platform_.Advance(60ms);
  EXPECT_EQ(writer_->Begin().status().code(), absl::StatusCode::kDeadlineExceeded);
  writer_->set_deadline(In(50ms));
  EXPECT_EQ(AskInt(*writer_, kCount), 0);
}

TEST_F(SqliteStatementTest, AStatementThatWasEvictedIsPreparedAnew) {
  constexpr Sql kOne("SELECT 1");
  const std::string others[] = {"SELECT 2", "SELECT 3", "SELECT 4", "SELECT 5"};
  EXPECT_EQ(AskInt(*writer_, kOne), 1);
  EXPECT_EQ(AskInt(*writer_, kOne), 1);
  for (const std::string& other : others) EXPECT_GT(AskInt(*writer_, Sql(other)), 1);
  EXPECT_EQ(AskInt(*writer_, kOne), 1);
}

TEST_F(SqliteStatementTest, TheSameBufferWithOtherSqlIsAnotherStatement) {
  std::string text = "SELECT 1";
  EXPECT_EQ(AskInt(*writer_, Sql(text)), 1);
  text.back() = '2';
  EXPECT_EQ(AskInt(*writer_, Sql(text)), 2);
}

TEST_F(SqliteStatementTest, ColumnsThatAChangeOfTheSchemaAddsAreRead) {
  constexpr Sql kAll("SELECT * FROM t");
  EXPECT_OK(writer_->Run(kInsert, 1, 2));
  Statement* const all = *writer_->Prepare(kAll);
  EXPECT_OK(all->Run());
  EXPECT_OK(writer_->RunScript("ALTER TABLE t ADD COLUMN c DEFAULT 3"));
  Rows rows = all->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(2), 3);
  EXPECT_EQ(rows.Get<std::optional<int>>(3), std::nullopt);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument) << "three, not four";
}

TEST_F(SqliteStatementTest, AnErrorInAStepLeavesTheStatementFitForTheNextRun) {
  constexpr Sql kOverflow("SELECT abs($1)");
  Statement* const absolute = *writer_->Prepare(kOverflow);
  EXPECT_FALSE(absolute->Run(std::numeric_limits<int64_t>::min()).ok());
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
  Rows rows = absolute->Query(-5);
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(0), 5);
}

TEST_F(SqliteStatementTest, TheConnectionIsTouchedUntilTheLastRowsEnd) {
  constexpr Sql kTwo("SELECT 1 UNION ALL SELECT 2");
  constexpr Sql kThree("SELECT 3 UNION ALL SELECT 4");
  {
    Rows outer = (*writer_->Prepare(kTwo))->Query();
    ASSERT_TRUE(outer.Next());
    {
      Rows inner = (*writer_->Prepare(kThree))->Query();
      ASSERT_TRUE(inner.Next());
    }
    EXPECT_FALSE(ConnectionAccess::IsPristine(*writer_));
    ASSERT_TRUE(outer.Next());
    EXPECT_EQ(outer.Get<int>(0), 2);
  }
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer_));
}

TEST_F(SqliteStatementTest, WhatIsWrittenWhileItReadsIsNotItsChange) {
  EXPECT_OK(writer_->Run(kInsert, 1, 1));
  Statement* const count = *writer_->Prepare(kCount);
  Rows rows = count->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_OK(writer_->Run(kInsert, 2, 2));
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(count->changes(), 0);
}

}  // namespace
}  // namespace roost::sqlite
