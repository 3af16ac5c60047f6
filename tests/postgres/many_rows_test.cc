// RunAll on PostgreSQL: what its exchanges meet, and what they leave behind.
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "roost/query.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/process.h"

namespace roost::postgres {
namespace {

std::vector<int> Numbers(int count, int first = 0) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(first + i);
  return numbers;
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

class ManyRowsTest : public SessionTest {
 protected:
  Statement& Prepared(const Sql& sql) {
    absl::StatusOr<Statement*> statement = session->Prepare(sql);
    EXPECT_OK(statement.status());
    return **statement;
  }
  void ExpectClean() {
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
    EXPECT_TRUE(ConnectionAccess::IsPristine(*session));
  }

  Session session;
};

// Of reports about pgjdbc, psycopg, Npgsql and libpqxx: both ends wrote and none read.
TEST_F(ManyRowsTest, AnswersThatAreLongerThanEveryBufferAreRead) {
  const std::vector<std::string> words(400, std::string(10'000, 'w'));
  Statement& echo = Prepared(Sql("SELECT $1::text || $1"));
  ASSERT_OK((echo.RunAll<1000, 16 << 20>(words)));
}

TEST_F(ManyRowsTest, ManyAnswersOfOneRowAreThrownAway) {
  Statement& rows = Prepared(Sql("SELECT generate_series(1, $1::int)"));
  ASSERT_OK(rows.RunAll(std::vector<int>{5000, 5000}));
  EXPECT_EQ(session.Ask("SELECT 1"), "1");
}

TEST_F(ManyRowsTest, AnErrorInFrontOfThousandsOfRowsIsNothingMore) {
  ASSERT_OK(session->Run(kAdd, 0));
  Statement& add = Prepared(kAdd);
  const absl::Status taken = add.RunAll<5000, 1 << 20>(Numbers(5000));
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists) << taken;
  EXPECT_EQ(PostgresSqlState(taken), "23505");
  EXPECT_EQ(add.failed_row(), 0);
  EXPECT_EQ(session.CountRows(), 1);
  ExpectClean();
}

// The server skips everything behind the error, so that a COMMIT there would not be one.
TEST_F(ManyRowsTest, AConstraintThatIsCheckedAtTheEndIsAnErrorOfTheCommit) {
  Server().Sql("ALTER TABLE t ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED");
  Server().Sql("ALTER TABLE t DROP CONSTRAINT t_pkey");
  Statement& add = Prepared(kAdd);
  const absl::Status taken = add.RunAll(std::vector<int>{1, 2, 1});
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists) << taken;
  EXPECT_THAT(Text(taken), HasSubstr("commit of 3 rows: "));
  EXPECT_THAT(Text(taken), HasSubstr("; 0 rows are in"));
  EXPECT_EQ(add.failed_row(), -1);
  EXPECT_EQ(session.CountRows(), 0);
  ExpectClean();
}

// The end of the session has come already, and nobody has looked.
TEST_F(ManyRowsTest, NoRowsOnASessionThatTheServerEndedAreNotOk) {
  Statement& add = Prepared(kAdd);
  Server().Sql("SELECT pg_terminate_backend(" + session.Pid() + ")");
  ASSERT_TRUE(support::WaitUntil([&] { return !add.RunAll(std::vector<int>()).ok(); }));
  EXPECT_EQ(add.RunAll(std::vector<int>()).code(), StatusCode::kUnavailable);
}

// Of a report about pgx: a batch went on with the old plan for ever.
TEST_F(ManyRowsTest, AStatementThatTheSessionHasLostIsPreparedAnewAndTheRowsAreInOnce) {
  Statement& add = Prepared(kAdd);
  ASSERT_OK(add.RunAll(Numbers(3)));
  ASSERT_OK(session->RunScript("DEALLOCATE ALL"));
  ASSERT_OK(add.RunAll<2>(Numbers(5, 3)));
  EXPECT_EQ(session.CountRows(), 8);
  EXPECT_EQ(add.changes(), 5);
  EXPECT_EQ(add.failed_row(), -1);
}

TEST_F(ManyRowsTest, InATransactionThatIsItsEndAndTheNextTryGoesWell) {
  Statement& add = Prepared(kAdd);
  ASSERT_OK(session->RunScript("DEALLOCATE ALL"));
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    ASSERT_OK(transaction.status());
    const absl::Status lost = add.RunAll(Numbers(3));
    EXPECT_EQ(lost.code(), StatusCode::kAborted) << lost;
    EXPECT_THAT(Text(lost), HasSubstr("row 1 of 3: "));
  }
  ASSERT_OK(add.RunAll(Numbers(3)));
  EXPECT_EQ(session.CountRows(), 3);
}

// What was written for a moment must not become a number of a column that has changed.
TEST_F(ManyRowsTest, ValuesForAColumnOfAnotherTypeAreWrittenAnew) {
  Server().Sql("DROP TABLE IF EXISTS m; CREATE TABLE m(at timestamptz); GRANT ALL ON m TO node");
  constexpr Sql kMoment{"INSERT INTO m VALUES ($1)"};
  const std::vector<Micros> moments{{1'000'000}, {2'000'000}};
  ASSERT_OK(session->RunAll(kMoment, moments));
  EXPECT_EQ(session.Ask("SELECT max(at)::text = '1970-01-01 00:00:02+00' FROM m"), "1");
  Server().Sql("TRUNCATE m; ALTER TABLE m DROP at; ALTER TABLE m ADD at bigint");
  ASSERT_OK(session->RunAll(kMoment, moments));
  EXPECT_EQ(session.Ask("SELECT sum(at)::bigint FROM m"), "3000000");
}

TEST_F(ManyRowsTest, BytesAndWhatMayBeMissingAreWritten) {
  Server().Sql("DROP TABLE IF EXISTS m; CREATE TABLE m(b bytea, at timestamptz, w text)");
  Server().Sql("GRANT ALL ON m TO node");
  struct Row {
    std::optional<Blob> bytes;
    std::optional<Micros> at;
    std::optional<std::string> word;
  };
  const std::string bytes("\0\1", 2);
  const std::vector<Row> rows{{{}, Micros{7}, {}}, {std::as_bytes(std::span(bytes)), {}, "w"}};
  ASSERT_OK(session->RunAll(Sql("INSERT INTO m VALUES ($1, $2, $3)"), rows));
  EXPECT_EQ(session.Ask("SELECT count(*) FROM m WHERE b = '\\x0001' AND at IS NULL AND w = 'w'"),
            "1");
  EXPECT_EQ(session.Ask("SELECT count(*) FROM m WHERE b IS NULL AND at IS NOT NULL"), "1");
}

TEST_F(ManyRowsTest, ATransactionOfAScriptIsOneThatIsOpen) {
  ASSERT_OK(session->RunScript("BEGIN"));
  ASSERT_OK(session->RunAll(kAdd, Numbers(3)));
  ASSERT_OK(session->RunScript("ROLLBACK"));
  EXPECT_EQ(session.CountRows(), 0);
}

TEST_F(ManyRowsTest, ADeadTransactionRefusesTheFirstRow) {
  Statement& count = Prepared(kCount);
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(transaction.status());
  EXPECT_FALSE(session->Run(Sql("SELECT 1 / 0")).ok());
  EXPECT_FALSE(count.RunAll(std::vector<std::tuple<>>(2)).ok());
  EXPECT_EQ(count.failed_row(), 0);
}

// Not a sealed one, even if the transaction before was.
TEST_F(ManyRowsTest, ItsTransactionIsAnOrdinaryOne) {
  ASSERT_OK(session->RunScript("SET synchronous_commit = off"));
  {
    absl::StatusOr<Transaction> sealed = session->Begin(Durability::kSealed);
    ASSERT_OK(sealed.status());
    ASSERT_OK(session->Run(kAdd, 100));
    ASSERT_OK(sealed->Commit());
  }
  Statement& ask = Prepared(Sql("SELECT 1 / (current_setting('synchronous_commit') = $1)::int"));
  ASSERT_OK(ask.RunAll(std::vector<std::string>{"off"}));
}

TEST_F(ManyRowsTest, MoreThanAMebibyteAtATimeCostsTheConnectionAtItsReturn) {
  const std::vector<std::string> words(300, std::string(10'000, 'w'));
  Statement& measure = Prepared(Sql("SELECT length($1)"));
  ASSERT_OK(measure.RunAll(words));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean) << "64 KiB at a time";
  ASSERT_OK((measure.RunAll<500, 2 << 20>(words)));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
}

TEST_F(ManyRowsTest, BehindWhatIsOwedItStandsInLine) {
  ASSERT_OK(ConnectionAccess::Maintain(*session, session.In(20s)));
  ASSERT_OK(session->RunAll(kAdd, Numbers(3)));
  { ASSERT_OK(session->Begin().status()); }
  ASSERT_OK(session->RunAll(kAdd, Numbers(3, 3)));
  EXPECT_EQ(session.CountRows(), 6);
}

}  // namespace
}  // namespace roost::postgres
