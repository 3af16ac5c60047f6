// Statements and values that only MySQL has.
#include <limits>
#include <string>
#include <vector>

#include "tests/mysql/mysql_test_support.h"

namespace roost::mysql {
namespace {

class MysqlStatementsTest : public ::testing::Test {
 protected:
  MysqlStatementsTest() { EXPECT_TRUE(session_.ok()) << session_.status(); }
  Value::Type TypeOf(std::string_view sql) {
    Rows rows = (*session_->Prepare(Sql(sql)))->Query();
    EXPECT_TRUE(rows.Next()) << rows.status();
    return rows.Get<Value>(0).type();
  }
  Session session_;
};

TEST_F(MysqlStatementsTest, NumbersOfEachKind) {
  EXPECT_EQ(session_.Count("SELECT CAST(-128 AS SIGNED)"), -128);
  ASSERT_OK(session_->RunScript(
      "DROP TABLE IF EXISTS n; CREATE TABLE n(t tinyint unsigned, s smallint unsigned, m "
      "mediumint, "
      "l int unsigned, f float, d double, y year, b bit(9), e decimal(20, 4)); "
      "INSERT INTO n VALUES (255, 64000, -8388608, 4294967295, 1.5, 0.1, 2024, 257, 12.3400)"));
  Rows rows = (*session_->Prepare(Sql("SELECT * FROM n")))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<int>(0), 255);
  EXPECT_EQ(rows.Get<int>(1), 64000);
  EXPECT_EQ(rows.Get<int>(2), -8388608);
  EXPECT_EQ(rows.Get<int64_t>(3), 4294967295);
  EXPECT_EQ(rows.Get<double>(4), 1.5);
  EXPECT_EQ(rows.Get<double>(5), 0.1);
  EXPECT_EQ(rows.Get<int>(6), 2024);
  EXPECT_EQ(rows.Get<int>(7), 257);
  EXPECT_EQ(rows.Get<double>(8), 12.34);
}

// Of reports about DBeaver and MySqlConnector: MAX of a BIT was 49 where it was 1.
TEST_F(MysqlStatementsTest, ABitOutOfAnExpressionIsNoWrongNumber) {
  ASSERT_OK(
      session_->RunScript("DROP TABLE IF EXISTS bits; CREATE TABLE bits(b bit(8), c bit(64)); "
                          "INSERT INTO bits VALUES (b'101', b'1'), (b'11001000', ~0)"));
  for (const char* const sql :
       {"SELECT MAX(b) FROM bits", "SELECT MIN(b) FROM bits", "SELECT COALESCE(b) FROM bits",
        "SELECT IFNULL(b, b) FROM bits", "SELECT IF(1, b, b) FROM bits",
        "SELECT CASE WHEN 1 THEN b END FROM bits", "SELECT (SELECT MAX(b) FROM bits)"}) {
    const absl::StatusOr<int64_t> answer = QueryOne<int64_t>(*session_, Sql(sql));
    EXPECT_EQ(answer.status().code(), StatusCode::kInvalidArgument) << sql;
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr("add 0")) << sql;
    EXPECT_FALSE(session_->Run(Sql(sql)).ok()) << sql;
  }
  EXPECT_EQ(session_.Count("SELECT MAX(b) + 0 FROM bits"), 200);
  EXPECT_EQ(session_.Count("SELECT SUM(b) FROM (SELECT b FROM bits) AS inner_bits"), 205);
  EXPECT_EQ(session_.Count("SELECT b FROM bits ORDER BY b DESC LIMIT 1"), 200);
  EXPECT_EQ(session_.Count("SELECT b FROM bits GROUP BY b ORDER BY b LIMIT 1"), 5);
  EXPECT_EQ(TypeOf("SELECT c FROM bits ORDER BY b LIMIT 1"), Value::Type::kInt64);
  EXPECT_EQ(TypeOf("SELECT c FROM bits ORDER BY b DESC LIMIT 1"), Value::Type::kText);
  EXPECT_EQ(*QueryOne<uint64_t>(*session_, Sql("SELECT c FROM bits ORDER BY b DESC LIMIT 1")),
            ~uint64_t{0});
}

// Of a dozen reports: an unsigned integer of 64 bits came back negative.
TEST_F(MysqlStatementsTest, AnUnsignedIntegerBeyondOursIsATextAndAUint64) {
  constexpr char kMost[] = "SELECT CAST(18446744073709551615 AS UNSIGNED)";
  EXPECT_EQ(session_.Count("SELECT CAST(9223372036854775807 AS UNSIGNED)"), INT64_MAX);
  EXPECT_EQ(session_.Ask(kMost), "18446744073709551615");
  EXPECT_EQ(*QueryOne<uint64_t>(*session_, Sql(kMost)), ~uint64_t{0});
  EXPECT_EQ(*QueryOne<double>(*session_, Sql(kMost)), 0x1p64);
  const absl::Status refused = QueryOne<int64_t>(*session_, Sql(kMost)).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("read it as a uint64_t"));
  // A function's answer has the type of its arguments, or of a DECIMAL, which is a double then.
  EXPECT_EQ(*QueryOne<uint64_t>(*session_, Sql("SELECT ~0")), ~uint64_t{0});
  EXPECT_EQ(*QueryOne<uint64_t>(*session_, Sql("SELECT MAX(v) FROM (SELECT ~0 AS v) AS t")),
            ~uint64_t{0});
  EXPECT_EQ(*QueryOne<double>(*session_, Sql("SELECT SUM(v) FROM (SELECT ~0 AS v) AS t")), 0x1p64);
}

// Of reports about Go's database/sql (9373), go-mysql (886) and aarondl/null (8): a uint64 of 2^63 and more was
// refused where the column takes it, or went in as a negative number.
TEST_F(MysqlStatementsTest, AnUnsignedIntegerBeyondOursIsBound) {
  constexpr uint64_t kMost = ~uint64_t{0};
  constexpr uint64_t kFirst = uint64_t{1} << 63;
  ASSERT_OK(
      session_->RunScript("DROP TABLE IF EXISTS un; CREATE TABLE un(u bigint unsigned, i int); "
                          "DROP TABLE IF EXISTS si; CREATE TABLE si(s bigint)"));
  Statement* const add = *session_->Prepare(Sql("INSERT INTO un VALUES ($1, $2)"));
  // The type of a parameter changes from run to run.
  for (const uint64_t number : {uint64_t{1}, kMost, kFirst - 1, kFirst}) {
    ASSERT_OK(add->Run(number, 1));
    EXPECT_EQ(*QueryOne<uint64_t>(*session_, Sql("SELECT u FROM un WHERE u = $1"), number), number);
  }
  struct Row {
    uint64_t u;
    int i;
  };
  const std::vector<Row> rows{{kMost, 2}, {kMost - 1, 2}, {3, 2}, {kFirst, 2}};
  ASSERT_OK(add->RunAll(rows));
  EXPECT_EQ(session_.Ask("SELECT GROUP_CONCAT(u ORDER BY u) FROM un WHERE i = 2"),
            "3,9223372036854775808,18446744073709551614,18446744073709551615");
  EXPECT_EQ((*QueryOne<std::tuple<uint64_t, int>>(
                *session_, Sql("SELECT u, i FROM un WHERE i = 1 ORDER BY u DESC LIMIT 1"))),
            std::tuple(kMost, 1));
  EXPECT_EQ(
      (*QueryOne<std::tuple<std::optional<uint64_t>, int>>(*session_, Sql("SELECT NULL, $1"), 5)),
      std::tuple(std::optional<uint64_t>(), 5));
  const absl::Status refused = session_->Run(Sql("INSERT INTO si VALUES ($1)"), kFirst);
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  EXPECT_EQ(MysqlErrno(refused), 1264) << refused;
}

TEST_F(MysqlStatementsTest, ASumOfIntegersIsOne) {
  EXPECT_EQ(session_.Count("SELECT SUM(seq) FROM seq_1_to_100"), 5050);
}

TEST_F(MysqlStatementsTest, MomentsAreInUtc) {
  const Micros when{1'700'000'000'123'456};
  ASSERT_OK(session_->RunScript(
      "DROP TABLE IF EXISTS m; CREATE TABLE m(t timestamp(6) NULL, d datetime(6))"));
  ASSERT_OK(session_->Run(Sql("INSERT INTO m VALUES (TIMESTAMPADD(MICROSECOND, $1, '1970-01-01'), "
                              "TIMESTAMPADD(MICROSECOND, $1, '1970-01-01'))"),
                          when));
  Rows rows =
      (*session_->Prepare(Sql("SELECT t, d, CAST(d AS char), DATE(d), TIME(d) FROM m")))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<Micros>(0), when);
  EXPECT_EQ(rows.Get<Micros>(1), when);
  EXPECT_EQ(rows.Get<std::string>(2), "2023-11-14 22:13:20.123456");
  EXPECT_EQ(rows.Get<std::string>(3), "2023-11-14");
  EXPECT_EQ(rows.Get<std::string>(4), "22:13:20.123456");
}

// Of reports about MatrixOne, Icinga and MariaDB (341): FROM_UNIXTIME knows 1970 to 2038 alone, and gives NULL.
TEST_F(MysqlStatementsTest, MomentsOfAnyYearComeBack) {
  ASSERT_OK(session_->RunScript("DROP TABLE IF EXISTS m; CREATE TABLE m(d datetime(6) NOT NULL)"));
  const Sql add("INSERT INTO m VALUES (TIMESTAMPADD(MICROSECOND, $1, '1970-01-01'))");
  for (const int64_t micros :
       {int64_t{-62'135'596'800'000'000}, int64_t{-1}, int64_t{0}, int64_t{2'147'483'648'000'000},
        int64_t{9'007'199'254'740'993}, int64_t{253'402'300'799'999'999}}) {
    ASSERT_OK(session_->RunScript("DELETE FROM m"));
    ASSERT_OK(session_->Run(add, Micros{micros}));
    const absl::StatusOr<Micros> back = QueryOne<Micros>(*session_, Sql("SELECT d FROM m"));
    ASSERT_OK(back.status());
    EXPECT_EQ(*back, Micros{micros});
  }
  EXPECT_EQ(session_->Run(add, Micros{253'402'300'800'000'000}).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(MysqlStatementsTest, ADateOfZerosIsText) {
  ASSERT_OK(session_->RunScript(
      "SET sql_mode = ''; DROP TABLE IF EXISTS z; CREATE TABLE z(d datetime); "
      "INSERT INTO z VALUES ('0000-00-00'), ('1972-00-27 01:02:03'), ('2023-11-15')"));
  Rows rows = (*session_->Prepare(Sql("SELECT d FROM z")))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<std::string>(0), "0000-00-00 00:00:00");
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::string>(0), "1972-00-27 01:02:03");
  // Of reports about node-mysql2: midnight lost its time.
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<Micros>(0), Micros{1'700'006'400'000'000});
}

TEST_F(MysqlStatementsTest, TextThatIsNotUtf8IsBytes) {
  ASSERT_OK(session_->RunScript(
      "DROP TABLE IF EXISTS x; CREATE TABLE x(a text CHARACTER SET utf8mb4, b text CHARACTER SET "
      "latin1); INSERT INTO x VALUES ('ü', 'ü')"));
  EXPECT_EQ(session_.Ask("SELECT a FROM x"), "ü");
  EXPECT_EQ(session_.Ask("SELECT b FROM x"), "ü");
  EXPECT_EQ(TypeOf("SELECT x'fffe'"), Value::Type::kBlob);
  EXPECT_EQ(TypeOf("SELECT CAST(a AS binary) FROM x"), Value::Type::kBlob);
}

// Each kind that other databases have not, as the library's binary protocol gives it.
TEST_F(MysqlStatementsTest, ValuesOfKindsThatOnlyMysqlHas) {
  ASSERT_OK(session_->RunScript(
      "SET sql_mode = ''; DROP TABLE IF EXISTS k; CREATE TABLE k(t time(3), n time, d date, z "
      "date, "
      "y year, b1 bit(1), b64 bit(64), e enum('a', 'ü'), s set('a', 'b', 'c'), j json, g geometry, "
      "m decimal(65, 30), u bigint unsigned, f float, c char(5), x varbinary(5)); "
      "INSERT INTO k VALUES ('838:59:59.5', '-25:00:01', '9999-12-31', '0000-00-00', '1901', b'1', "
      "b'1111111111111111111111111111111111111111111111111111111111111111', 'ü', 'c,a', "
      "'{\"a\": 1}', POINT(1, 2), 12345678901234567890.5, 9223372036854775808, 0.1, 'ab', "
      "x'00ff')"));
  Rows rows = (*session_->Prepare(Sql("SELECT * FROM k")))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<std::string>(0), "838:59:59.5") << "more than a day";
  EXPECT_EQ(rows.Get<std::string>(1), "-25:00:01");
  EXPECT_EQ(rows.Get<std::string>(2), "9999-12-31");
  EXPECT_EQ(rows.Get<std::string>(3), "0000-00-00");
  EXPECT_EQ(rows.Get<int>(4), 1901);
  EXPECT_EQ(rows.Get<int>(5), 1);
  EXPECT_EQ(rows.Get<uint64_t>(6), ~uint64_t{0});
  EXPECT_EQ(rows.Get<std::string>(7), "ü");
  EXPECT_EQ(rows.Get<std::string>(8), "a,c");
  EXPECT_EQ(rows.Get<std::string>(9), "{\"a\": 1}");
  EXPECT_EQ(rows.Get<Value>(10).type(), Value::Type::kBlob);
  EXPECT_EQ(rows.Get<Blob>(10).size(), 25u) << "four bytes of the system, and the point";
  EXPECT_EQ(rows.Get<double>(11), 12345678901234567890.5);
  EXPECT_EQ(rows.Get<std::string>(12), "9223372036854775808");
  EXPECT_EQ(rows.Get<float>(13), 0.1F);
  EXPECT_EQ(rows.Get<std::string>(14), "ab");
  EXPECT_EQ(rows.Get<Blob>(15).size(), 2u);
  EXPECT_FALSE(rows.Next());
}

// What comes back is what went in, for text, bytes and numbers at their bounds.
TEST_F(MysqlStatementsTest, ValuesAtTheirBoundsComeBack) {
  ASSERT_OK(session_->RunScript(
      "DROP TABLE IF EXISTS w; CREATE TABLE w(i bigint, r double, s text, b blob, d datetime(6))"));
  const std::string text("a\0b'\"\\ \xf0\x9f\x90\xa6", 11);
  const std::string bytes("\xff\xfe\0", 3);
  const Micros before{-62'135'596'800'000'000};  // 0001-01-01
  ASSERT_OK(session_->Run(Sql("INSERT INTO w VALUES ($1, $2, $3, $4, TIMESTAMPADD(MICROSECOND, $5, "
                              "'1970-01-01'))"),
                          INT64_MIN, 4.9e-324, text, std::as_bytes(std::span(bytes)), before));
  Rows rows = (*session_->Prepare(Sql("SELECT * FROM w")))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<int64_t>(0), INT64_MIN);
  EXPECT_EQ(rows.Get<double>(1), 4.9e-324);
  EXPECT_EQ(rows.Get<std::string>(2), text);
  EXPECT_EQ(rows.Get<Blob>(3).size(), 3u);
  EXPECT_EQ(rows.Get<Micros>(4), before);
}

// Text that is not UTF-8 is no text for the server, and bytes where it takes bytes.
TEST_F(MysqlStatementsTest, WrongUtf8IsRefusedAsText) {
  ASSERT_OK(session_->RunScript("DROP TABLE IF EXISTS v; CREATE TABLE v(s text, b blob)"));
  EXPECT_EQ(MysqlErrno(session_->Run(Sql("INSERT INTO v(s) VALUES ($1)"), "a\xff")), 1366);
  EXPECT_OK(session_->Run(Sql("INSERT INTO v(b) VALUES ($1)"), "a\xff"));
  EXPECT_EQ(TypeOf("SELECT b FROM v"), Value::Type::kBlob);
  for (const double none :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(session_->Run(Sql("INSERT INTO v(s) VALUES ($1)"), none).code(),
              StatusCode::kInvalidArgument);
  }
}

TEST_F(MysqlStatementsTest, AStrictServerRefusesWhatDoesNotFit) {
  ASSERT_OK(session_->RunScript("DROP TABLE IF EXISTS s; CREATE TABLE s(t tinyint, c char(3))"));
  for (const auto& [sql, number] : {std::pair{"INSERT INTO s(t) VALUES (300)", 1264},
                                    {"INSERT INTO s(c) VALUES ('four')", 1406},
                                    {"INSERT INTO s(t) VALUES ('x')", 1366}}) {
    const absl::Status status = session_->Run(Sql(sql));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(MysqlErrno(status), number) << status;
  }
}

TEST_F(MysqlStatementsTest, APlaceholderThatComesTwiceIsBoundTwice) {
  absl::StatusOr<int64_t> sum =
      QueryOne<int64_t>(*session_,
                        Sql("SELECT CAST($2 AS signed) * 100 + CAST($1 AS signed) * 10 + "
                            "CAST($2 AS signed)"),
                        1, 2);
  ASSERT_OK(sum.status());
  EXPECT_EQ(*sum, 212);
}

TEST_F(MysqlStatementsTest, TheModeOfTheSessionDecidesAboutBackslashes) {
  EXPECT_FALSE(session_->Prepare(Sql("SELECT CONCAT('a\\', $1)")).ok()) << "an open quote";
  ASSERT_OK(session_->RunScript("SET sql_mode = 'NO_BACKSLASH_ESCAPES'"));
  const absl::StatusOr<std::string> text =
      QueryOne<std::string>(*session_, Sql("SELECT CONCAT('a\\', $1)"), "b");
  ASSERT_OK(text.status());
  EXPECT_EQ(*text, "a\\b");
}

TEST_F(MysqlStatementsTest, AColumnThatGrowsInTheMiddleOfItsRows) {
  const std::string shorter(200, 's');
  const std::string longer(50'000, 'l');
  ASSERT_OK(
      session_->RunScript("DROP TABLE IF EXISTS g; CREATE TABLE g(i int, a longtext, b longblob)"));
  for (int i = 0; i < 6; ++i) {
    const std::string& text = i % 2 == 0 ? shorter : longer;
    ASSERT_OK(session_->Run(Sql("INSERT INTO g VALUES ($1, $2, $3)"), i, text,
                            std::as_bytes(std::span(text))));
  }
  Rows rows = (*session_->Prepare(Sql("SELECT a, b FROM g ORDER BY i")))->Query();
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(rows.Next()) << rows.status();
    const std::string& text = i % 2 == 0 ? shorter : longer;
    EXPECT_EQ(rows.Get<std::string_view>(0), text) << i;
    EXPECT_EQ(rows.Get<Blob>(1).size(), text.size()) << i;
  }
}

TEST_F(MysqlStatementsTest, ARowThatIsTooLongClosesTheConnection) {
  Session small(MysqlOptions{.uri = Server().Uri(), .max_result_bytes = 64 << 10});
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_EQ(small.Count("SELECT LENGTH(REPEAT('x', 100))"), 100);
  const absl::Status status = small->Run(Sql("SELECT REPEAT('x', 200000)"));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(NextStep(status), Advice::kShed) << "tried again it is as long";
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("a row of the answer is longer than max_result_bytes, which is 65536"),
            HasSubstr("ask for less at a time, or raise max_result_bytes")));
  EXPECT_EQ(ConnectionAccess::Inspect(*small), SessionState::kBroken);
  EXPECT_EQ(ConnectionAccess::fault_scope(*small), FaultScope::kConnection);
}

// In each way to ask, and of a packet in several frames as of one.
TEST_F(MysqlStatementsTest, ARowThatIsTooLongIsNoBrokenLink) {
  ASSERT_OK(session_->RunScript(
      "DROP TABLE IF EXISTS l; CREATE TABLE l(a int AUTO_INCREMENT PRIMARY KEY, t longtext)"));
  const std::string more(100'000, 'x');
  const auto of = [](auto&& ask) {
    Session small(MysqlOptions{.uri = Server().Uri(), .max_result_bytes = 64 << 10});
    return ask(small);
  };
  EXPECT_EQ(of([](Session& session) {
              return session->RunScript("SELECT 1; SELECT REPEAT('x', 200000)");
            }).code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(of([](Session& session) {
              return QueryOne<std::string>(*session, Sql("SELECT REPEAT('x', 16777216)")).status();
            }).code(),
            StatusCode::kResourceExhausted);
  // The second row of a result, in a transaction, whose code the commit repeats.
  EXPECT_EQ(of([](Session& session) {
              absl::StatusOr<Transaction> transaction = session->Begin();
              Rows rows = (*session->Prepare(Sql("SELECT REPEAT('x', seq) FROM seq_1_to_70000_step_"
                                                 "69999")))
                              ->Query();
              EXPECT_TRUE(rows.Next());
              EXPECT_FALSE(rows.Next());
              EXPECT_EQ(rows.status().code(), StatusCode::kResourceExhausted) << rows.status();
              return transaction->Commit();
            }).code(),
            StatusCode::kResourceExhausted);
  const absl::Status unsure = of([&](Session& session) {
    return session->Run(Sql("INSERT INTO l(t) VALUES ($1) RETURNING t"), more);
  });
  EXPECT_EQ(unsure.code(), StatusCode::kUnknown) << unsure;
  EXPECT_THAT(std::string(unsure.message()), HasSubstr("max_result_bytes"));
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM l"), 1) << "it was done";
}

TEST_F(MysqlStatementsTest, EqualRowsOfAnUpdateCountAsTheServerCountsThem) {
  ASSERT_OK(
      session_->RunScript("DROP TABLE IF EXISTS u; CREATE TABLE u(a int PRIMARY KEY, b int); "
                          "INSERT INTO u VALUES (1, 1)"));
  Statement* const put =
      *session_->Prepare(Sql("INSERT INTO u VALUES ($1, $2) ON DUPLICATE KEY UPDATE b = $2"));
  ASSERT_OK(put->Run(2, 2));
  EXPECT_EQ(put->changes(), 1) << "new";
  ASSERT_OK(put->Run(2, 2));
  EXPECT_EQ(put->changes(), 0) << "equal";
  ASSERT_OK(put->Run(2, 3));
  EXPECT_EQ(put->changes(), 2) << "changed";
}

// Of reports about node-mysql2 and mysql_async: statements were left at the server until it had no more.
TEST_F(MysqlStatementsTest, WhatTheCacheGivesUpIsGivenUpAtTheServer) {
  const auto count = [&] {
    return std::stoi(
        Server().Sql("SELECT variable_value FROM information_schema.global_status WHERE "
                     "variable_name = 'PREPARED_STMT_COUNT'"));
  };
  const int before = count();
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(session_.Count("SELECT " + std::to_string(i)), i);
  }
  EXPECT_LE(count(), before + 8);
}

TEST_F(MysqlStatementsTest, WithoutRoomForStatementsItSaysSo) {
  Server().Sql("SET GLOBAL max_prepared_stmt_count = 0");
  const absl::Status status = session_->Run(Sql("SELECT 'no room'"));
  Server().Sql("SET GLOBAL max_prepared_stmt_count = 16382");
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(MysqlErrno(status), 1461);
  EXPECT_EQ(session_.Count("SELECT 1"), 1);
}

TEST_F(MysqlStatementsTest, SealWantsAServerThatSyncs) {
  EXPECT_OK(session_->Seal());
  Session other;
  Server().Sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
  const absl::Status refused = other->Seal();
  const absl::Status begun = other->Begin(Durability::kSealed).status();
  Server().Sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused;
  EXPECT_EQ(begun.code(), StatusCode::kFailedPrecondition) << begun;
  EXPECT_OK(other->Seal());
}

TEST_F(MysqlStatementsTest, AfterAnOrdinaryMistakeTheSessionGoesOn) {
  const unsigned long id = session_.id();
  for (const auto& [sql, number] :
       {std::pair{"SET nope = 1", 1193}, std::pair{"SELECT @@nope", 1193},
        std::pair{"SET time_zone = 'nope'", 1298}, std::pair{"CREATE DATABASE farm", 1007},
        std::pair{"KILL 999999", 1094}, std::pair{"INSERT INTO seq_1_to_5 VALUES (1)", 1031}}) {
    const absl::Status status = session_->Run(Sql(sql));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << sql << ": " << status;
    EXPECT_EQ(MysqlErrno(status), number) << status;
    EXPECT_EQ(session_.Count("SELECT CONNECTION_ID()"), static_cast<int64_t>(id)) << sql;
  }
}

TEST_F(MysqlStatementsTest, FilesOfThisMachineAreNotSent) {
  ASSERT_OK(session_->RunScript("DROP TABLE IF EXISTS f; CREATE TABLE f(a text)"));
  EXPECT_FALSE(session_->RunScript("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE f").ok());
}

}  // namespace
}  // namespace roost::mysql
