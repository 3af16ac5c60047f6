// What goes into a column of each type, and what comes out.
#include <cmath>
#include <limits>
#include <optional>

#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::postgres {
namespace {

constexpr char kTable[] =
    "CREATE TEMP TABLE kinds(i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, b bool, "
    "t text, v varchar(20), c char(3), y bytea, tz timestamptz, ts timestamp, j json, jb jsonb, "
    "u uuid)";
constexpr Sql kInsert{
    "INSERT INTO kinds VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)"};
constexpr Sql kSelect{"SELECT * FROM kinds"};
constexpr Micros kWhen{1'700'000'000'123'456};
constexpr std::string_view kUuid = "0b5e7c1a-7f3d-4c55-9a51-1d2f3e4c5b6a";

class TypesTest : public SessionTest {
 protected:
  TypesTest() { EXPECT_OK(session->RunScript(kTable)); }

  Blob Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
  absl::Status Insert() {
    return session->Run(kInsert, -7, 1 << 30, int64_t{1} << 40, 0.5, 0.1, 12.25, true, "Grüße",
                        "short", "abc", Bytes(std::string_view("\0\xFF", 2)), kWhen, kWhen,
                        "{\"a\": 1}", "{\"a\":1}", kUuid);
  }
  void ExpectInserted() {
    Rows rows = (*session->Prepare(kSelect))->Query();
    ASSERT_TRUE(rows.Next()) << rows.status();
    EXPECT_EQ(rows.Get<int>(0), -7);
    EXPECT_EQ(rows.Get<int>(1), 1 << 30);
    EXPECT_EQ(rows.Get<int64_t>(2), int64_t{1} << 40);
    EXPECT_EQ(rows.Get<double>(3), 0.5);
    EXPECT_EQ(rows.Get<double>(4), 0.1);
    EXPECT_EQ(rows.Get<double>(5), 12.25);
    EXPECT_TRUE(rows.Get<bool>(6));
    EXPECT_EQ(rows.Get<std::string_view>(7), "Grüße");
    EXPECT_EQ(rows.Get<std::string_view>(8), "short");
    EXPECT_EQ(rows.Get<std::string_view>(9), "abc");
    EXPECT_EQ(rows.Get<Blob>("y").size(), 2u);
    EXPECT_EQ(rows.Get<Blob>("y")[1], std::byte{0xFF}) << "read twice";
    EXPECT_EQ(rows.Get<Micros>("tz"), kWhen);
    EXPECT_EQ(rows.Get<Micros>("ts"), kWhen);
    EXPECT_EQ(rows.Get<std::string_view>("j"), "{\"a\": 1}");
    EXPECT_EQ(rows.Get<std::string_view>("jb"), "{\"a\": 1}");
    EXPECT_EQ(rows.Get<std::string_view>("u"), kUuid);
    EXPECT_FALSE(rows.Next());
    EXPECT_OK(rows.status());
  }

  Session session;
};

TEST_F(TypesTest, EveryColumnTakesWhatFitsItWhenPreparedBefore) {
  ASSERT_OK(session->Prepare(kInsert).status());
  ASSERT_OK(Insert());
  ExpectInserted();
}

TEST_F(TypesTest, EveryColumnTakesWhatFitsItWhenRunAtOnce) {
  ASSERT_OK(Insert());
  ExpectInserted();
}

TEST_F(TypesTest, EveryColumnTakesWhatFitsItThroughAPooler) {
  Session unnamed(PostgresOptions{.uri = Server().Uri(), .transaction_pooler = true});
  constexpr Sql kEcho{"SELECT $1::int8, $2::timestamptz, $3::bytea, $4::text, $5::numeric"};
  for (int i = 0; i < 2; ++i) {
    Rows rows = (*unnamed->Prepare(kEcho))->Query(5, kWhen, Bytes("xyz"), "words", 0.25);
    ASSERT_TRUE(rows.Next()) << rows.status();
    EXPECT_EQ(rows.Get<int>(0), 5);
    EXPECT_EQ(rows.Get<Micros>(1), kWhen);
    EXPECT_EQ(rows.Get<Blob>(2).size(), 3u);
    EXPECT_EQ(rows.Get<std::string_view>(3), "words");
    EXPECT_EQ(rows.Get<double>(4), 0.25);
  }
  EXPECT_EQ(unnamed.Ask("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"), "0");
}

TEST_F(TypesTest, AMomentIsTakenByBothKindsOfColumnsInEveryTimeZone) {
  ASSERT_OK(session->RunScript("SET TimeZone = 'Asia/Kathmandu'"));
  const Sql kEcho("SELECT $1::timestamptz, $1::timestamptz AT TIME ZONE 'UTC', $2::int8");
  Rows rows = (*session->Prepare(kEcho))->Query(kWhen, kWhen);
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<Micros>(0), kWhen);
  EXPECT_EQ(rows.Get<Micros>(1), kWhen);
  EXPECT_EQ(rows.Get<int64_t>(2), kWhen.count);
}

// Four bytes would be an int4, eight a float8 or a moment.
TEST_F(TypesTest, BytesAreNoNumberAndNoMoment) {
  Session unnamed(PostgresOptions{.uri = Server().Uri(), .transaction_pooler = true});
  for (Session* one : {&session, &unnamed}) {
    for (const char* sql :
         {"SELECT $1::int4", "SELECT $1::int8", "SELECT $1::float8", "SELECT $1::timestamptz",
          "SELECT $1::bool", "SELECT $1::numeric", "SELECT $1::int2"}) {
      for (const std::string_view bytes : {"1", "12", "1234", "12345678"}) {
        const absl::Status status = (*one)->Run(Sql(sql), Bytes(bytes));
        EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << sql << bytes.size() << status;
      }
    }
    EXPECT_OK((*one)->Run(Sql("SELECT $1::bytea, $2::text"), Bytes("1234"), Bytes("1234")));
  }
}

TEST_F(TypesTest, AnIntegerIsNoMoment) {
  const absl::Status status =
      session->Run(Sql("INSERT INTO kinds(tz) VALUES ($1)"), int64_t{1'700'000'000'123'456});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
}

TEST_F(TypesTest, NullGoesEverywhere) {
  ASSERT_OK(session->Run(kInsert, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                         nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                         nullptr));
  Rows rows = (*session->Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(rows.Get<Value>(i).is_null()) << i;
}

TEST_F(TypesTest, AnArrayIsBoundAsItsText) {
  Statement* const statement = *session->Prepare(
      Sql("SELECT count(*), sum(x) FROM unnest($1::int8[], $2::float8[]) AS u(x, y)"));
  Rows rows = statement->Query("{1,2,3}", "{0.5,NULL,1e300}");
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<int>(0), 3);
  EXPECT_EQ(rows.Get<double>(1), 6.0);
}

TEST_F(TypesTest, ATextWithAZeroByteIsRefusedBeforeAnythingIsSent) {
  const std::string_view text("a\0b", 3);
  EXPECT_EQ(session->Run(Sql("INSERT INTO kinds(t) VALUES ($1)"), text).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(session->Prepare(Sql(std::string_view("SELECT 1\0", 9))).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kStatement);
}

TEST_F(TypesTest, EveryDoubleIsTakenByNumericAndWhatIsWholeByIntegers) {
  using Real = std::numeric_limits<double>;
  const Sql echo("SELECT $1::numeric::text, $2::float8");
  for (const double number : {-Real::quiet_NaN(), Real::infinity(), -Real::infinity(), 1e5, 1e16,
                              1e300, -0.0, 0.1, 9.3e18, -123456789012345680.0}) {
    Rows rows = (*session->Prepare(echo))->Query(number, number);
    ASSERT_TRUE(rows.Next()) << number << rows.status();
    const double back = rows.Get<double>(1);
    EXPECT_TRUE(back == number || (std::isnan(back) && std::isnan(number))) << number;
    EXPECT_EQ(std::signbit(back), !std::isnan(number) && std::signbit(number));
  }
  for (const double whole : {1e5, 1e16, -1e18, -0.0}) {
    Rows rows = (*session->Prepare(Sql("SELECT $1::int8")))->Query(whole);
    ASSERT_TRUE(rows.Next()) << whole << rows.status();
    EXPECT_EQ(static_cast<double>(rows.Get<int64_t>(0)), whole);
  }
}

TEST_F(TypesTest, TheSumOfIntegersIsAnInteger) {
  const Sql sum("SELECT sum(x) FROM unnest('{9007199254740993,1}'::int8[]) AS u(x)");
  Rows rows = (*session->Prepare(sum))->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<int64_t>(0), 9007199254740994);
}

TEST_F(TypesTest, AMomentBeyondTheCalendarIsRefused) {
  const Sql kTz("INSERT INTO kinds(tz) VALUES ($1)");
  EXPECT_EQ(session->Run(kTz, Micros{INT64_MIN}).code(), StatusCode::kInvalidArgument);
}

std::string Placeholders(int count) {
  std::string sql = "SELECT $1::int";
  for (int i = 2; i <= count; ++i) sql += "+$" + std::to_string(i) + "::int";
  return sql;
}

TEST_F(TypesTest, SixtyThreePlaceholdersAreTheMost) {
  const std::string most = Placeholders(63);
  absl::StatusOr<Statement*> statement = session->Prepare(Sql(most));
  ASSERT_OK(statement.status());
  EXPECT_EQ((*statement)->parameters(), 63);
  const std::vector<Value> values(64, Value(1));
  EXPECT_OK((*statement)->Execute(std::span(values).first(63)));
  const std::string more = Placeholders(64);
  EXPECT_EQ(session->Prepare(Sql(more)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kStatement);
}

class OddRoleTest : public SessionTest {
 protected:
  static void SetUpTestSuite() {
    Server().Sql(
        "CREATE ROLE odd LOGIN; ALTER ROLE odd SET DateStyle = 'German';"
        "ALTER ROLE odd SET extra_float_digits = -3");
  }
  // Of one row: a moment, and a number that needs all of its digits.
  static void ExpectExact(Session& session) {
    const Sql sql(
        "SELECT timestamptz '2023-11-14 22:13:20.123456+00', 0.1::float8 + 0.2, "
        "123456.789::float4");
    Rows rows = (*session->Prepare(sql))->Query();
    ASSERT_TRUE(rows.Next()) << rows.status();
    EXPECT_EQ(rows.Get<Micros>(0), kWhen);
    EXPECT_EQ(rows.Get<double>(1), 0.1 + 0.2);
    EXPECT_EQ(static_cast<float>(rows.Get<double>(2)), 123456.789F);
    EXPECT_OK(rows.status());
  }
};

TEST_F(OddRoleTest, ValuesAreExactWhateverTheRoleHasSet) {
  Session session(Server().Uri("", "odd"));
  ExpectExact(session);
  ASSERT_OK(session->RunScript("SET DateStyle = 'SQL'; SET extra_float_digits = 0"));
  ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
  ExpectExact(session);
}

TEST_F(OddRoleTest, ARollbackDoesNotTakeThatAway) {
  Session session(Server().Uri("", "odd"));
  ASSERT_OK(session->RunScript("BEGIN"));
  ASSERT_OK(session->Run(Sql("SELECT 1")));
  ASSERT_OK(session->RunScript("ROLLBACK"));
  ExpectExact(session);
  {
    const absl::StatusOr<Transaction> rolled_back = session->Begin();
    ExpectExact(session);
  }
  ExpectExact(session);
}

TEST_F(TypesTest, AFormThatTheServerWasToldToUseInsteadIsAnErrorAndNotAGuess) {
  ASSERT_OK(session->RunScript("SET bytea_output = escape; SET DateStyle = German"));
  ASSERT_OK(Insert());
  Rows bytes = (*session->Prepare(Sql("SELECT y FROM kinds")))->Query();
  EXPECT_FALSE(bytes.Next());
  EXPECT_EQ(bytes.status().code(), StatusCode::kFailedPrecondition);
  Rows moment = (*session->Prepare(Sql("SELECT tz FROM kinds")))->Query();
  ASSERT_TRUE(moment.Next());
  moment.Get<Micros>(0);
  EXPECT_EQ(moment.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roost::postgres
