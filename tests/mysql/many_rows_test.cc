// RunAll and the first run of a statement: how many round trips they take, and what is in after an error.
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "roost/next_step.h"
#include "tests/mysql/mysql_test_support.h"

namespace roost::mysql {
namespace {

using support::TcpProxy;

constexpr Sql kAdd{"INSERT INTO many VALUES ($1, $2, $3)"};
using Row = std::tuple<int, std::optional<double>, std::string>;

std::vector<Row> SomeRows(int count, int first = 0) {
  std::vector<Row> rows;
  for (int i = first; i < first + count; ++i) rows.emplace_back(i, i / 4.0, std::to_string(i));
  return rows;
}

class MysqlManyRowsTest : public ::testing::Test {
 protected:
  MysqlManyRowsTest() {
    proxy_.Delay(2ms);
    EXPECT_TRUE(session_.ok()) << session_.status();
    EXPECT_OK(
        session_->RunScript("DROP TABLE IF EXISTS many; CREATE TABLE many(a int PRIMARY KEY, b "
                            "double, c varchar(99))"));
  }
  template <class F>
  int Trips(F work) {
    proxy_.ClearCounts();
    work();
    return proxy_.counts().round_trips;
  }
  int64_t InTable() { return session_.Count("SELECT COUNT(*) FROM many"); }

  TcpProxy proxy_{Server().port()};
  Session session_{MysqlOptions{.uri = Server().UriThrough(proxy_.port())}};
};

TEST_F(MysqlManyRowsTest, AHundredRowsTakeOneRoundTrip) {
  EXPECT_EQ(Trips([&] { EXPECT_OK(session_->RunAll(kAdd, SomeRows(100))); }), 1)
      << "prepared, run and committed";
  EXPECT_EQ(Trips([&] { EXPECT_OK(session_->RunAll(kAdd, SomeRows(100, 100))); }), 1);
  EXPECT_EQ(InTable(), 200);
  EXPECT_EQ(session_.Ask("SELECT CONCAT_WS(',', a, b, c) FROM many WHERE a = 150"), "150,37.5,150");
}

TEST_F(MysqlManyRowsTest, MoreThanOneTripIsATransaction) {
  Statement* const add = *session_->Prepare(kAdd);
  EXPECT_EQ(Trips([&] { EXPECT_OK(add->RunAll<40>(SomeRows(100))); }), 5)
      << "BEGIN, 40, 40, 20, COMMIT";
  EXPECT_EQ(add->changes(), 100);
  EXPECT_EQ(InTable(), 100);
}

// The connection's own limit for a statement counts, too.
TEST_F(MysqlManyRowsTest, WhatIsLongerThanAStatementMayBeIsSeveral) {
  Session small(MysqlOptions{.uri = Server().Uri(), .max_result_bytes = 64 << 10});
  ASSERT_OK(small->RunScript(
      "DROP TABLE IF EXISTS long_many; CREATE TABLE long_many(a int PRIMARY KEY, b text)"));
  std::vector<std::tuple<int, std::string>> rows;
  for (int i = 0; i < 40; ++i) rows.emplace_back(i, std::string(5000, 'x'));
  Statement* const add = *small->Prepare(Sql("INSERT INTO long_many VALUES ($1, $2)"));
  EXPECT_OK((add->RunAll<500, size_t{1} << 20>(rows)));
  EXPECT_EQ(small.Count("SELECT COUNT(*) FROM long_many"), 40);
}

// A column has one type for all rows of a trip, and each NULL is told.
TEST_F(MysqlManyRowsTest, NullsAndTypesThatChangeAreWhatTheyWere) {
  ASSERT_OK(
      session_->RunScript("DROP TABLE IF EXISTS kinds_of; CREATE TABLE kinds_of(a int, b "
                          "varchar(20), c varbinary(9))"));
  const std::string bytes("\x00\xff'\\", 4);
  const Blob blob = std::as_bytes(std::span(bytes));
  const std::vector<std::vector<Value>> rows{{1, nullptr, nullptr}, {nullptr, "two", blob},
                                             {3, 3, nullptr},       {4, 4.5, blob},
                                             {5, "", Blob()},       {6, nullptr, blob}};
  EXPECT_OK(session_->RunAll(Sql("INSERT INTO kinds_of VALUES ($1, $2, $3)"), rows));
  EXPECT_EQ(session_.Ask("SELECT GROUP_CONCAT(CONCAT(IFNULL(a, '-'), IFNULL(b, '-'), "
                         "IFNULL(HEX(c), '-')) ORDER BY IFNULL(a, 2) SEPARATOR ' ') FROM kinds_of"),
            "1-- -two00FF275C 33- 44.500FF275C 5 6-00FF275C");
}

TEST_F(MysqlManyRowsTest, AValueThatStandsTwiceIsTakenTwice) {
  ASSERT_OK(
      session_->RunAll(Sql("INSERT INTO many VALUES ($1, $1 * 2, $2) ON DUPLICATE KEY UPDATE "
                           "c = $2"),
                       std::vector<std::tuple<int, const char*>>{{1, "a"}, {2, "b"}, {1, "c"}}));
  EXPECT_EQ(session_.Ask("SELECT GROUP_CONCAT(CONCAT(a, b, c) ORDER BY a) FROM many"), "12c,24b");
}

// Of reports about mysql2 and Connector/C: the next run was one of many, too.
TEST_F(MysqlManyRowsTest, TheRunAfterItIsOfOneRow) {
  ASSERT_OK(session_->RunAll(kAdd, SomeRows(3)));
  ASSERT_OK(session_->Run(kAdd, 7, 1.5, "seven"));
  EXPECT_EQ(session_->RunAll(kAdd, SomeRows(3)).code(), StatusCode::kAlreadyExists);
  ASSERT_OK(session_->Run(kAdd, 8, 1.5, "eight"));
  EXPECT_EQ(InTable(), 5);
}

// ---- errors -------------------------------------------------------------------------------------

TEST_F(MysqlManyRowsTest, TheRowOfAnErrorIsTold) {
  ASSERT_OK(session_->Run(kAdd, 57, 1.5, "there"));
  Statement* const add = *session_->Prepare(kAdd);
  absl::Status status = add->RunAll(SomeRows(100));
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("row 58 of 100: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("; 0 rows are in"));
  EXPECT_EQ(add->failed_row(), 57);
  EXPECT_EQ(InTable(), 1);
  std::vector<Row> rows = SomeRows(50, 100);
  std::get<2>(rows[49]) = std::string(100, 'l');
  status = add->RunAll(rows);
  EXPECT_EQ(MysqlErrno(status), 1406) << status;
  EXPECT_EQ(add->failed_row(), 49) << status;
  status = add->RunAll<30>(rows);
  EXPECT_EQ(add->failed_row(), 49) << status;
  EXPECT_EQ(InTable(), 1);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*session_)) << "nothing is left to be undone";
}

TEST_F(MysqlManyRowsTest, InATransactionItIsSaidWhatIsIn) {
  ASSERT_OK(session_->Run(kAdd, 57, 1.5, "there"));
  absl::StatusOr<Transaction> transaction = session_->Begin();
  Statement* const add = *session_->Prepare(kAdd);
  absl::Status status = add->RunAll<40>(SomeRows(100));
  EXPECT_EQ(add->failed_row(), 57) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("row 58 of 100: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("; 40 rows are in the open transaction"));
  EXPECT_EQ(InTable(), 41);
  ASSERT_OK(transaction->Rollback());
  EXPECT_EQ(InTable(), 1);
}

// A value of a row in the middle that is none of MySQL's.
TEST_F(MysqlManyRowsTest, WhatIsRefusedHereIsNotSent) {
  std::vector<Row> rows = SomeRows(10);
  std::get<1>(rows[6]) = std::numeric_limits<double>::infinity();
  Statement* const add = *session_->Prepare(kAdd);
  const absl::Status status = add->RunAll(rows);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(add->failed_row(), 6);
  EXPECT_EQ(InTable(), 0);
}

// MariaDB takes the rows of an UPDATE one after the other, and says of an error no row.
TEST_F(MysqlManyRowsTest, WhatIsNoInsertGoesRowByRow) {
  ASSERT_OK(session_->RunAll(kAdd, SomeRows(5)));
  Statement* const put = *session_->Prepare(Sql("UPDATE many SET a = a + $1 WHERE a = $2"));
  EXPECT_EQ(Trips([&] {
              EXPECT_OK(put->RunAll(std::vector<std::tuple<int, int>>{{10, 0}, {10, 1}}));
            }),
            4);
  const absl::Status status =
      put->RunAll(std::vector<std::tuple<int, int>>{{10, 2}, {1, 3}, {10, 4}});
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists) << status;
  EXPECT_EQ(put->failed_row(), 1);
  EXPECT_EQ(session_.Ask("SELECT GROUP_CONCAT(a ORDER BY a) FROM many"), "2,3,4,10,11");
  // Two rows for each run: which of the runs has failed, the server's number would not say.
  Statement* const pairs =
      *session_->Prepare(Sql("INSERT INTO many VALUES ($1, 1, 'a'), ($1 + 1000, 1, 'a')"));
  EXPECT_EQ(pairs->RunAll(std::vector<int>{20, 30, 10}).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(pairs->failed_row(), 2);
  EXPECT_EQ(InTable(), 5);
}

// A session that does not commit by itself still gets all rows, or none.
TEST_F(MysqlManyRowsTest, WithoutAutocommitItCommitsAllTheSame) {
  ASSERT_OK(session_->RunScript("SET autocommit = 0"));
  EXPECT_OK(session_->RunAll(kAdd, SomeRows(10)));
  Session other;
  EXPECT_EQ(other.Count("SELECT COUNT(*) FROM many"), 10);
}

TEST_F(MysqlManyRowsTest, ADeadlineInTheMiddleIsUnknown) {
  Session other;
  absl::StatusOr<Transaction> holder = other->Begin();
  ASSERT_OK(other->Run(kAdd, 3, 1.5, "held"));
  Statement* const add = *session_->Prepare(kAdd);
  session_->set_deadline(In(150ms));
  const absl::Status status = add->RunAll(SomeRows(10));
  EXPECT_EQ(status.code(), StatusCode::kUnknown) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("10 rows are in, or 0"));
  EXPECT_EQ(add->failed_row(), 0) << "the first without an answer";
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kBroken);
  ASSERT_OK(holder->Rollback());
}

TEST_F(MysqlManyRowsTest, ALostRaceIsToBeRunAgain) {
  Session other;
  absl::StatusOr<Transaction> holder = other->Begin();
  ASSERT_OK(other->Run(kAdd, 3, 1.5, "held"));
  ASSERT_OK(session_->RunScript("SET innodb_lock_wait_timeout = 1"));
  const absl::Status status = session_->RunAll(kAdd, SomeRows(10));
  EXPECT_EQ(status.code(), StatusCode::kAborted) << status;
  EXPECT_EQ(NextStep(status), Advice::kRunAgain);
  ASSERT_OK(holder->Rollback());
  EXPECT_OK(session_->RunAll(kAdd, SomeRows(10)));
  EXPECT_EQ(InTable(), 10);
}

TEST_F(MysqlManyRowsTest, AfterAResetOfTheSessionItIsPreparedAnew) {
  ASSERT_OK(session_->RunAll(kAdd, SomeRows(3)));
  Server().Sql("FLUSH TABLES");
  ASSERT_OK(session_->RunScript("ALTER TABLE many MODIFY c varchar(50)"));
  ASSERT_OK(session_->RunAll(kAdd, SomeRows(3, 3)));
  session_->RunScript("SET @a = 1").IgnoreError();
  ASSERT_OK(ConnectionAccess::Reset(*session_, In(20s)));
  ASSERT_OK(session_->RunAll(kAdd, SomeRows(3, 6)));
  EXPECT_EQ(InTable(), 9);
}

// ---- the first run ------------------------------------------------------------------------------

TEST_F(MysqlManyRowsTest, TheFirstRunOfAStatementIsOneRoundTrip) {
  EXPECT_EQ(Trips([&] { EXPECT_OK(session_->Run(kAdd, 1, 1.5, "one")); }), 1);
  EXPECT_EQ(Trips([&] { EXPECT_OK(session_->Run(kAdd, 2, 2.5, "two")); }), 1);
  EXPECT_EQ(Trips([&] { EXPECT_OK(session_->Run(Sql("SELECT * FROM many WHERE a > $1"), 1)); }), 1)
      << "with its rows";
  EXPECT_EQ(Trips([&] { EXPECT_OK(session_->Run(Sql("SELECT * FROM many WHERE a > $1"), 0)); }), 1)
      << "kept by its text";
  EXPECT_EQ(Trips([&] {
              Rows rows = (*session_->Prepare(Sql("SELECT a, b, c FROM many ORDER BY a")))->Query();
              ASSERT_TRUE(rows.Next());
              EXPECT_EQ(rows.Get<std::string>(2), "one");
              ASSERT_TRUE(rows.Next());
              EXPECT_EQ(rows.Get<double>(1), 2.5);
              EXPECT_FALSE(rows.Next());
            }),
            2)
      << "Prepare asks for itself";
}

// Where the text can be read in two ways, the server says first how many values it sees.
TEST_F(MysqlManyRowsTest, ATextThatDependsOnTheModeIsPreparedFirst) {
  EXPECT_EQ(Trips([&] { EXPECT_OK(session_->Run(Sql("SELECT CONCAT('\\\\', $1)"), "a")); }), 2);
}

TEST_F(MysqlManyRowsTest, AWrongStatementLeavesTheSessionInStep) {
  for (int i = 0; i < 20; ++i) {
    const absl::Status wrong = session_->Run(Sql("SELEC 1"));
    EXPECT_EQ(MysqlErrno(wrong), 1064) << wrong;
    EXPECT_EQ(MysqlErrno(session_->Run(Sql("SELECT * FROM nowhere WHERE a = $1"), 5)), 1146);
    EXPECT_EQ(MysqlErrno(
                  session_->RunAll(Sql("INSERT INTO nowhere VALUES ($1)"), std::vector<int>{1, 2})),
              1146);
    const absl::Status twice = session_->Run(Sql("INSERT INTO many VALUES ($1, 1, 'a')"), 1);
    EXPECT_EQ(twice.code(), i == 0 ? StatusCode::kOk : StatusCode::kAlreadyExists) << twice;
    EXPECT_EQ(session_.Count("SELECT 42"), 42);
  }
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kClean);
}

// Of reports about mysql2 and spectrum: the statement was gone, or another one's.
TEST_F(MysqlManyRowsTest, EachStatementIsItself) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 12; ++i) {
      EXPECT_EQ(*QueryOne<int>(*session_, Sql("SELECT $1 + " + std::to_string(i)), i), 2 * i);
    }
  }
}

}  // namespace
}  // namespace roost::mysql
