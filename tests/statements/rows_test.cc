#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/statement.h"
#include "statements/text.h"

namespace roost {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Gives the rows it was told, then an end or an error.
class CannedStatement : public Statement {
 public:
  CannedStatement(std::vector<std::string> names, std::vector<std::vector<Value>> rows,
                  absl::Status end = absl::OkStatus())
      : names_(std::move(names)), rows_(std::move(rows)), end_(std::move(end)) {}

  absl::Status Execute(std::span<const Value>) override { return absl::OkStatus(); }
  absl::Status ExecuteAll(const internal::ManyRows&) override { return absl::OkStatus(); }
  absl::Status Start(std::span<const Value>) override {
    ++starts_;
    return start_;
  }
  absl::StatusOr<bool> Step() override {
    if (next_ < rows_.size()) {
      ++next_;
      return true;
    }
    if (!end_.ok()) return end_;
    return false;
  }
  void Finish() override { ++finishes_; }
  int parameters() const override { return 0; }
  int columns() const override { return static_cast<int>(names_.size()); }
  std::string_view column_name(int column) const override {
    return names_[static_cast<size_t>(column)];
  }
  Value column(int column) const override {
    if (column < 0 || column >= columns()) return Value::NoColumn();
    return rows_[next_ - 1][static_cast<size_t>(column)];
  }
  int64_t changes() const override { return 0; }
  std::string_view sql() const override { return "SELECT node, level FROM reading"; }

  void RefuseToStart() { start_ = absl::FailedPreconditionError("busy"); }
  int finishes() const { return finishes_; }

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<Value>> rows_;
  absl::Status start_;
  absl::Status end_;
  size_t next_ = 0;
  int starts_ = 0;
  int finishes_ = 0;
};

CannedStatement OneRow(Value node, Value level = Value()) {
  return CannedStatement({"node", "level"}, {{node, level}});
}

// Reads column 0 of the only row as T and gives the message that comes of it.
template <class T>
std::string MessageOf(Value value) {
  CannedStatement statement = OneRow(value);
  Rows rows = statement.Query();
  EXPECT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<T>(0), T{});
  EXPECT_FALSE(rows.Next()) << "an error ends the reading";
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(rows.status().message());
}

TEST(RowsTest, ReadsRowAfterRow) {
  CannedStatement statement({"node", "level"}, {{Value(1), Value(0.5)}, {Value(2), Value(1.5)}});
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(0), 1);
  EXPECT_EQ(rows.Get<double>("level"), 0.5);
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int64_t>("node"), 2);
  EXPECT_FALSE(rows.Next());
  EXPECT_TRUE(rows.status().ok());
}

TEST(RowsTest, FinishesOnceAtTheEnd) {
  CannedStatement statement = OneRow(Value(1));
  {
    Rows rows = statement.Query();
    while (rows.Next()) {
    }
    EXPECT_EQ(statement.finishes(), 1) << "already before the Rows are gone";
    EXPECT_FALSE(rows.Next());
  }
  EXPECT_EQ(statement.finishes(), 1);
}

TEST(RowsTest, FinishesWhenItIsDroppedEarly) {
  CannedStatement statement = OneRow(Value(1));
  {
    Rows rows = statement.Query();
    ASSERT_TRUE(rows.Next());
  }
  EXPECT_EQ(statement.finishes(), 1);
}

TEST(RowsTest, MovedFromItFinishesNothing) {
  CannedStatement statement = OneRow(Value(7));
  {
    Rows rows = statement.Query();
    ASSERT_TRUE(rows.Next());
    Rows moved = std::move(rows);
    EXPECT_EQ(moved.Get<int>(0), 7);
  }
  EXPECT_EQ(statement.finishes(), 1);
}

TEST(RowsTest, AStatementThatDidNotStartIsNotFinished) {
  CannedStatement statement = OneRow(Value(1));
  statement.RefuseToStart();
  {
    Rows rows = statement.Query();
    EXPECT_FALSE(rows.Next());
    EXPECT_EQ(rows.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(rows.Get<int>(0), 0) << "no row, but the error has been told";
    EXPECT_EQ(rows.Get<int>("node"), 0);
  }
  EXPECT_EQ(statement.finishes(), 0) << "somebody else may be reading it";
}

TEST(RowsTest, AnErrorInTheMiddleEndsTheReading) {
  CannedStatement statement({"node"}, {{Value(1)}}, absl::DataLossError("damaged"));
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_FALSE(rows.Next());
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss);
}

TEST(RowsTest, ConvertsOnlyWhatLosesNothing) {
  CannedStatement statement = OneRow(Value(3), Value("text"));
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<double>(0), 3.0);
  EXPECT_EQ(rows.Get<Micros>(0), Micros{3});
  EXPECT_EQ(rows.Get<Blob>(1).size(), 4u);
  EXPECT_EQ(rows.Get<Value>(1).text(), "text");
  EXPECT_TRUE(rows.status().ok()) << rows.status();
}

TEST(RowsTest, NullIsAnEmptyOptional) {
  CannedStatement statement = OneRow(Value(), Value(4));
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::optional<int>>(0), std::nullopt);
  EXPECT_EQ(rows.Get<std::optional<int>>(1), 4);
  EXPECT_TRUE(rows.Get<Value>(0).is_null());
  EXPECT_TRUE(rows.status().ok());
}

TEST(RowsTest, AWrongTypeNamesColumnSqlAndBothTypes) {
  EXPECT_THAT(MessageOf<int64_t>(Value("warm")),
              AllOf(HasSubstr("column 1 (\"node\", counted from 1)"),
                    HasSubstr("\"SELECT node, level FROM reading\""), HasSubstr("is text"),
                    HasSubstr("wanted integer")));
  EXPECT_THAT(MessageOf<double>(Value("warm")), HasSubstr("is text, wanted real"));
  EXPECT_THAT(MessageOf<std::string_view>(Value(1)), HasSubstr("is integer, wanted text"));
  EXPECT_THAT(MessageOf<int64_t>(Value(0.5)), HasSubstr("is real, wanted integer"));
}

TEST(RowsTest, NullReadAsAValueSaysHowToReadIt) {
  EXPECT_THAT(MessageOf<int64_t>(Value()),
              AllOf(HasSubstr("is NULL, wanted integer"), HasSubstr("std::optional")));
}

TEST(RowsTest, ANumberThatDoesNotFitIsNamed) {
  EXPECT_THAT(MessageOf<int32_t>(Value(int64_t{1} << 40)), HasSubstr("is 1099511627776, wanted"));
  EXPECT_THAT(MessageOf<uint8_t>(Value(-1)), HasSubstr("is -1, wanted an integer of this width"));
  EXPECT_THAT(MessageOf<bool>(Value(2)), HasSubstr("is 2, wanted bool (0 or 1)"));
}

TEST(RowsTest, AnUnknownColumnListsThoseThereAre) {
  CannedStatement statement = OneRow(Value(1), Value(2));
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>("levle"), 0);
  EXPECT_FALSE(rows.Next());
  EXPECT_THAT(std::string(rows.status().message()),
              AllOf(HasSubstr("no column \"levle\""), HasSubstr("it has \"node\", \"level\"")));
}

TEST(RowsTest, AColumnOutOfRangeIsNamedAndCountedFromOne) {
  for (const int column : {2, -1}) {
    CannedStatement statement = OneRow(Value(1), Value(2));
    Rows rows = statement.Query();
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(rows.Get<int>(column), 0);
    EXPECT_THAT(std::string(rows.status().message()),
                AllOf(HasSubstr("column " + std::to_string(column + 1)), HasSubstr("out of range"),
                      HasSubstr("it has 2: \"node\", \"level\"")));
  }
}

TEST(RowsTest, TheFirstErrorStays) {
  CannedStatement statement = OneRow(Value("a"), Value("b"));
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  rows.Get<int>(0);
  rows.Get<int>("nothing");
  rows.Get<int>(9);
  EXPECT_THAT(std::string(rows.status().message()), HasSubstr("column 1 (\"node\""));
}

TEST(RowsDeathTest, GetWithoutARowAborts) {
  CannedStatement statement = OneRow(Value(1));
  Rows rows = statement.Query();
  EXPECT_DEATH(rows.Get<int>(0), "only after Next\\(\\) said true");
  EXPECT_DEATH(rows.Get<int>("node"), "only after Next\\(\\) said true");
}

TEST(ValueTest, EveryTypeHasAName) {
  EXPECT_EQ(Name(Value().type()), "NULL");
  EXPECT_EQ(Name(Value(1).type()), "integer");
  EXPECT_EQ(Name(Value(true).type()), "integer");
  EXPECT_EQ(Name(Value(Micros{1}).type()), "integer");
  EXPECT_EQ(Name(Value(1.0).type()), "real");
  EXPECT_EQ(Name(Value("a").type()), "text");
  EXPECT_EQ(Name(Value(Blob()).type()), "blob");
}

TEST(ValueTest, IsToldOfFourGibAndMoreAsOneByteLess) {
  const char* const text = "short";  // only its length is looked at
  constexpr uint64_t kMost = UINT32_MAX;
  for (const uint64_t bytes : {kMost, kMost + 1, kMost + 6}) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(bytes, SIZE_MAX));
    EXPECT_EQ(Value(std::string_view(text, size)).text().size(), size_t{UINT32_MAX});
    const Blob blob(reinterpret_cast<const std::byte*>(text), size);
    EXPECT_EQ(Value(blob).blob().size(), size_t{UINT32_MAX});
  }
}

TEST(TextTest, LongSqlIsCutAndPutOnOneLine) {
  EXPECT_EQ(internal::Quoted(" SELECT 1\n FROM t\t; \n"), "\"SELECT 1  FROM t ;\"");
  const std::string quoted = internal::Quoted(std::string(500, 'x'));
  EXPECT_EQ(quoted, "\"" + std::string(internal::kShownSql, 'x') + "...\"");
}

TEST(TextTest, ACutDoesNotSplitACharacter) {
  // Two bytes each, so that the bound falls inside one.
  std::string text = "x";
  for (int i = 0; i < 100; ++i) text += "\xC3\xA4";
  const std::string quoted = internal::Quoted(text);
  EXPECT_EQ(quoted.size(), internal::kShownSql - 1 + 5);
  EXPECT_EQ(static_cast<unsigned char>(quoted[quoted.size() - 5]), 0xA4);
}

// Names come from the database: they are shown as plain text, and not without end.
TEST(RowsTest, NamesOfColumnsAreShownPlainAndShort) {
  const std::string escape = "a\033[2Jb\n\u009b\u202e\xff";
  CannedStatement odd({escape, std::string(100'000, 'x')}, {{"text", 1}});
  {
    Rows rows = odd.Query();
    ASSERT_TRUE(rows.Next());
    rows.Get<int>(0);
    EXPECT_THAT(rows.status().message(), HasSubstr("(\"a?[2Jb ???\", counted from 1)"));
  }
  CannedStatement many(std::vector<std::string>(1000, "name"),
                       {std::vector<Value>(1000, Value(1))});
  for (CannedStatement* const statement : {&odd, &many}) {
    Rows other = statement->Query();
    if (!other.Next()) continue;
    other.Get<int>(escape + std::string(100'000, 'y'));
    EXPECT_LT(other.status().message().size(), 1500u);
    EXPECT_THAT(other.status().message(), HasSubstr("..."));
  }
}

TEST(RowsTest, AnUnsignedIntegerIsNotReadOutOfANegativeOne) {
  CannedStatement statement({"a"}, {{-1}, {7}});
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<uint64_t>(0), 0u);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  CannedStatement other({"a"}, {{7}});
  Rows good = other.Query();
  ASSERT_TRUE(good.Next());
  EXPECT_EQ(good.Get<uint64_t>(0), 7u);
  EXPECT_TRUE(good.status().ok());
}

// What MySQL's BIGINT UNSIGNED has beyond an int64_t.
TEST(RowsTest, AnUnsignedIntegerBeyondInt64IsReadAsOne) {
  enum class Mask : uint64_t {};
  constexpr uint64_t kMost = ~uint64_t{0};
  const Value most = Value::OfUnsigned("18446744073709551615");
  const Value first = Value::OfUnsigned("9223372036854775808");
  CannedStatement statement({"u", "v"}, {{most, first}, {7, nullptr}});
  Rows rows = statement.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<uint64_t>(0), kMost);
  EXPECT_EQ(rows.Get<unsigned long long>("u"), kMost);
  EXPECT_EQ(rows.Get<std::optional<uint64_t>>(1), uint64_t{1} << 63);
  EXPECT_EQ(rows.Get<Mask>(0), Mask{kMost});
  EXPECT_EQ(rows.Get<double>(1), 0x1p63);
  EXPECT_EQ(rows.Get<float>(0), 0x1p64f);
  EXPECT_EQ(rows.Get<std::string>(0), "18446744073709551615");
  EXPECT_EQ(rows.Get<Value>(0).type(), Value::Type::kText);
  EXPECT_EQ((rows.As<std::tuple<uint64_t, std::optional<uint64_t>>>()),
            std::tuple(kMost, uint64_t{1} << 63));
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(rows.Get<uint64_t>(0), 7u);
  EXPECT_EQ(rows.Get<std::optional<uint64_t>>(1), std::nullopt);
}

template <class T>
std::string RefusalOf(const Value& value) {
  CannedStatement statement({"u"}, {{value}});
  Rows rows = statement.Query();
  if (!rows.Next()) return "no row";
  EXPECT_EQ(rows.Get<T>(0), T{});
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(rows.status().message());
}

TEST(RowsTest, AnIntegerBeyondInt64SaysWhatTakesIt) {
  const Value value = Value::OfUnsigned("9223372036854775808");
  for (const std::string& said :
       {RefusalOf<int64_t>(value), RefusalOf<int>(value), RefusalOf<uint32_t>(value),
        RefusalOf<bool>(value), RefusalOf<Micros>(value),
        RefusalOf<std::chrono::microseconds>(value)}) {
    EXPECT_THAT(said, HasSubstr("9223372036854775808, an integer beyond an int64_t: read it as a "
                                "uint64_t"));
  }
  EXPECT_THAT(RefusalOf<uint64_t>("9223372036854775808"), HasSubstr("is text, wanted integer"))
      << "digits of a text are no number";
}

}  // namespace
}  // namespace roost
