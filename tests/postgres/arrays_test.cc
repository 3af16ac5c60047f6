// Arrays as parameters: each element arrives as it was, whatever is in it.
#include "backends/postgres/arrays.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roost/query.h"
#include "tests/postgres/postgres_test_support.h"

namespace roost::postgres {
namespace {

// `{...}` as it is sent.
std::string Written(const Value& array) {
  std::string text(static_cast<size_t>(MeasureArray(array).size) + 1, '?');
  WriteArray(array, text.data());
  EXPECT_EQ(text.back(), '\0') << "as long as it was measured";
  text.pop_back();
  return text;
}

class ArraysTest : public SessionTest {
 protected:
  // What the server makes of it, one element a row.
  template <class T, class Elements>
  std::vector<T> Back(const std::string& type, const Elements& elements) {
    const std::string sql = "SELECT unnest($1::" + type + "[])";
    absl::StatusOr<Statement*> statement = session->Prepare(Sql(sql));
    EXPECT_OK(statement.status());
    Rows rows = (*statement)->Query(elements);
    std::vector<T> back;
    while (rows.Next()) back.push_back(rows.Get<T>(0));
    EXPECT_OK(rows.status());
    return back;
  }

  Session session;
};

TEST(ArrayTextTest, IsWhatTheServerReads) {
  EXPECT_EQ(Written(Value(std::vector<int32_t>())), "{}");
  EXPECT_EQ(Written(Value(std::vector<int32_t>{1, -2})), "{1,-2}");
  EXPECT_EQ(Written(Value(std::vector<std::optional<int64_t>>{5, {}})), "{5,NULL}");
  EXPECT_EQ(Written(Value(std::array<bool, 2>{true, false})), "{1,0}");
  EXPECT_EQ(Written(Value(std::vector<double>{2, 0.5, -0.0})), "{2,0.5,-0}");
  EXPECT_EQ(Written(Value(std::vector<std::string>{"", "NULL", "a\"\\b"})),
            R"({"","NULL","a\"\\b"})");
}

TEST_F(ArraysTest, NumbersComeBack) {
  const std::vector<int64_t> longs{std::numeric_limits<int64_t>::min(), 0,
                                   std::numeric_limits<int64_t>::max()};
  EXPECT_EQ(Back<int64_t>("bigint", longs), longs);
  const int32_t ints[] = {std::numeric_limits<int32_t>::min(), 7};
  EXPECT_EQ(Back<int32_t>("int", std::span(ints)), (std::vector<int32_t>{ints[0], 7}));
  EXPECT_EQ(Back<double>("numeric", std::span(ints, 1)).front(), ints[0]);
  const std::vector<double> reals{0.1, -1e300, 5e-324, 7, HUGE_VAL, -HUGE_VAL};
  EXPECT_EQ(Back<double>("float8", reals), reals);
  EXPECT_TRUE(std::isnan(Back<double>("float8", std::vector<double>{NAN}).front()));
  EXPECT_EQ(Back<bool>("bool", std::array<bool, 2>{true, false}), (std::vector<bool>{true, false}));
}

// Of reports about ShardingSphere, pg8000, Slick, Rails and others.
TEST_F(ArraysTest, NoTextIsTakenForSomethingElse) {
  const std::vector<std::string> texts{"",
                                       " ",
                                       "NULL",
                                       "null",
                                       "\"",
                                       "\\",
                                       "\\\\\"",
                                       "{}",
                                       "{",
                                       "}",
                                       ",",
                                       "a,b",
                                       "'",
                                       "\r\n",
                                       "\t",
                                       " lead",
                                       "trail ",
                                       "\xc3\xa4\xe2\x82\xac",
                                       "robert'}; drop table t--",
                                       "$1",
                                       "\\x00ff"};
  EXPECT_EQ(Back<std::string>("text", texts), texts);
  std::vector<std::string_view> views(texts.begin(), texts.end());
  EXPECT_EQ(Back<std::string>("text", views), texts);
  EXPECT_EQ(Back<std::string>("varchar", views), texts);
}

TEST_F(ArraysTest, WhatIsMissingIsNull) {
  const std::vector<std::optional<std::string>> texts{"NULL", {}, ""};
  EXPECT_EQ(Back<std::optional<std::string>>("text", texts), texts);
  const std::vector<std::optional<std::string_view>> views{{}, {}};
  EXPECT_EQ(Back<std::optional<std::string>>("text", views).size(), 2u) << "nothing but NULL";
  const std::vector<std::optional<int64_t>> longs{{}, 3};
  EXPECT_EQ(Back<std::optional<int64_t>>("bigint", longs), longs);
  const std::vector<std::optional<double>> reals{0.5, {}};
  EXPECT_EQ(Back<std::optional<double>>("float8", reals), reals);
  const std::vector<std::optional<bool>> bools{{}, true};
  EXPECT_EQ(Back<std::optional<bool>>("bool", bools), bools);
  const std::vector<std::optional<int32_t>> ints{7, {}};
  EXPECT_EQ(Back<std::optional<int32_t>>("int", ints), ints);
}

TEST_F(ArraysTest, AnEmptyOneIsNoNull) {
  EXPECT_EQ(*QueryOne<bool>(*session, Sql("SELECT $1::int[] IS NULL"), std::vector<int32_t>()),
            false);
  EXPECT_TRUE(Back<int32_t>("int", std::vector<int32_t>()).empty());
  const std::optional<std::vector<int32_t>> none;
  EXPECT_EQ(*QueryOne<bool>(*session, Sql("SELECT $1::int[] IS NULL"), none), true);
}

TEST_F(ArraysTest, TwoColumnsAreStoredAtOnce) {
  Server().Sql("DROP TABLE IF EXISTS m; CREATE TABLE m(id bigint, word text)");
  Server().Sql("GRANT ALL ON m TO node");
  constexpr Sql kStore{"INSERT INTO m SELECT * FROM unnest($1::bigint[], $2::text[])"};
  ASSERT_OK(
      session->Run(kStore, std::vector<int64_t>{1, 2, 3}, std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(session.Ask("SELECT string_agg(word, '' ORDER BY id) FROM m"), "abc");
  ASSERT_OK(session->Run(kStore, std::vector<int64_t>{4, 5}, std::vector<std::string>{"d"}));
  EXPECT_EQ(session.Ask("SELECT word FROM m WHERE id = 5"), "NULL") << "unnest fills it up";
  EXPECT_EQ(session.Ask("SELECT count(*) FROM m"), "5");
}

TEST_F(ArraysTest, OneOfThemIsLookedForAndARowMayHaveOne) {
  ASSERT_OK(session->RunAll(kAdd, std::vector<int>{1, 2, 3}));
  EXPECT_EQ(*QueryOne<int64_t>(*session, Sql("SELECT count(*) FROM t WHERE a = ANY($1)"),
                               std::vector<int32_t>{2, 3, 4}),
            2);
  const std::vector<std::tuple<std::vector<int32_t>>> rows{{{4, 5}}, {{6}}};
  ASSERT_OK(session->RunAll(Sql("INSERT INTO t SELECT unnest($1::int[])"), rows));
  EXPECT_EQ(session.CountRows(), 6);
}

TEST_F(ArraysTest, AZeroByteIsNamed) {
  const std::vector<std::string> texts{"a", std::string("b\0c", 3)};
  const absl::Status refused = session->Run(Sql("SELECT $1::text[]"), texts);
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("$1 of"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("element 2 is text with a zero byte"));
}

TEST_F(ArraysTest, AnElementThatDoesNotFitIsAnErrorOfTheServer) {
  const absl::Status refused =
      session->Run(Sql("SELECT $1::int[]"), std::vector<int64_t>{int64_t{1} << 40});
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  EXPECT_EQ(PostgresSqlState(refused), "22003");
}

}  // namespace
}  // namespace roost::postgres
