// Binding and reading: what goes in comes out, and what does not fit is said.
#include <limits>
#include <optional>
#include <string>

#include "tests/contract/fixture.h"
#include "tests/support/connection_access.h"

namespace roost::contract {
namespace {

using namespace std::string_view_literals;

ROOST_CONTRACT_SUITE(StatementContract, 0);

Blob Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST_P(StatementContract, CountsItsParametersAndColumns) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  Statement* const insert = *writer().Prepare(kInsert);
  EXPECT_EQ(insert->parameters(), 5);
  EXPECT_EQ(insert->columns(), 0);
  Statement* const select = *writer().Prepare(kSelect);
  EXPECT_EQ(select->parameters(), 0);
  EXPECT_EQ(select->columns(), 5);
}

TEST_P(StatementContract, OutlivesTheTextThatItWasMadeOf) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  std::string text(kSelect.text());
  Statement* const select = *writer().Prepare(Sql(text));
  text.assign(text.size(), 'x');
  EXPECT_EQ(select->sql(), kSelect.text());
  {
    Rows rows = select->Query();
    EXPECT_TRUE(rows.Next()) << rows.status();
  }
  EXPECT_EQ(*writer().Prepare(kSelect), select);
}

TEST_P(StatementContract, EveryTypeComesBackAsItWasBound) {
  const std::string_view words = "Grüße, 世界 \U0001F426 'quoted' \"twice\" $1 ?";
  const std::string_view bytes = "\0\1\xff\0 end"sv;
  ASSERT_TRUE(writer().Run(kInsert, 7, int64_t{1} << 40, 0.1, words, Bytes(bytes)).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(0), 7);
  EXPECT_EQ(rows.Get<int64_t>(1), int64_t{1} << 40);
  EXPECT_EQ(rows.Get<double>(2), 0.1);
  EXPECT_EQ(rows.Get<std::string_view>(3), words);
  const Blob blob = rows.Get<Blob>(4);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(blob.data()), blob.size()), bytes);
  EXPECT_FALSE(rows.Next());
  EXPECT_TRUE(rows.status().ok()) << rows.status();
}

TEST_P(StatementContract, TheEndsOfEveryRangeComeBack) {
  using Whole = std::numeric_limits<int64_t>;
  using Real = std::numeric_limits<double>;
  const int64_t wholes[] = {Whole::min(), -1, 0, 1, Whole::max()};
  const double reals[] = {Real::lowest(), -1e-300, 1e-300, Real::epsilon(), Real::max()};
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(writer().Run(kInsert, i, wholes[i], reals[i], nullptr, nullptr).ok());
  }
  Rows rows = (*writer().Prepare(kSelect))->Query();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(rows.Get<int64_t>(1), wholes[i]);
    EXPECT_EQ(rows.Get<double>(2), reals[i]);
  }
}

TEST_P(StatementContract, TimeAndTruthAreIntegers) {
  const Micros when{1'700'000'000'123'456};
  ASSERT_TRUE(writer().Run(kInsert, 1, when, nullptr, nullptr, nullptr).ok());
  ASSERT_TRUE(writer().Run(kInsert, 2, true, nullptr, nullptr, nullptr).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<Micros>(1), when);
  ASSERT_TRUE(rows.Next());
  EXPECT_TRUE(rows.Get<bool>(1));
  EXPECT_EQ(rows.Get<int>(1), 1);
}

TEST_P(StatementContract, NullIsNotZeroAndNotEmpty) {
  ASSERT_TRUE(writer().Run(kInsert, 1, nullptr, nullptr, nullptr, nullptr).ok());
  ASSERT_TRUE(writer().Run(kInsert, 2, 0, 0.0, "", Blob()).ok());
  ASSERT_TRUE(writer()
                  .Run(kInsert, 3, std::optional<int>(), std::optional<double>(1.5),
                       static_cast<const char*>(nullptr), Bytes(""))
                  .ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::optional<int64_t>>(1), std::nullopt);
  EXPECT_EQ(rows.Get<std::optional<double>>(2), std::nullopt);
  EXPECT_EQ(rows.Get<std::optional<std::string_view>>(3), std::nullopt);
  EXPECT_EQ(rows.Get<Value>(4).type(), Value::Type::kNull);
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::optional<int64_t>>(1), 0);
  EXPECT_EQ(rows.Get<std::optional<double>>(2), 0.0);
  EXPECT_EQ(rows.Get<std::optional<std::string_view>>(3), "");
  EXPECT_EQ(rows.Get<Value>(3).type(), Value::Type::kText);
  EXPECT_EQ(rows.Get<Value>(4).type(), Value::Type::kBlob);
  ASSERT_TRUE(rows.Next());
  EXPECT_TRUE(rows.Get<Value>(1).is_null());
  EXPECT_EQ(rows.Get<std::optional<double>>(2), 1.5);
  EXPECT_TRUE(rows.Get<Value>(3).is_null());
  EXPECT_EQ(rows.Get<Value>(4).type(), Value::Type::kBlob);
  EXPECT_TRUE(rows.Get<Blob>(4).empty());
  EXPECT_TRUE(rows.status().ok()) << rows.status();
}

TEST_P(StatementContract, NullReadAsAValueIsAnErrorOfTheProgram) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int64_t>(1), 0);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StatementContract, AnIntegerReadsAsADoubleAndTextAsBytes) {
  ASSERT_TRUE(writer().Run(kInsert, 1, 42, nullptr, "abc", nullptr).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<double>(1), 42.0);
  EXPECT_EQ(rows.Get<Blob>(3).size(), 3u);
  EXPECT_TRUE(rows.status().ok()) << rows.status();
}

// Reads column 1, 3 of a row (1, 300, NULL, "abc", NULL) as something that it is not.
template <class T>
absl::Status ReadWrongly(Connection& connection, int column) {
  Rows rows = (*connection.Prepare(kSelect))->Query();
  EXPECT_TRUE(rows.Next());
  rows.Get<T>(column);
  EXPECT_FALSE(rows.Next());
  return rows.status();
}

TEST_P(StatementContract, AWrongTypeNamesTheSqlAndEndsTheReading) {
  ASSERT_TRUE(writer().Run(kInsert, 1, 300, nullptr, "abc", nullptr).ok());
  for (const absl::Status& status :
       {ReadWrongly<int64_t>(writer(), 3), ReadWrongly<double>(writer(), 3),
        ReadWrongly<std::string_view>(writer(), 1), ReadWrongly<Blob>(writer(), 1),
        ReadWrongly<bool>(writer(), 1), ReadWrongly<uint8_t>(writer(), 1),
        ReadWrongly<int>(writer(), 5), ReadWrongly<int>(writer(), -1),
        ReadWrongly<std::optional<int>>(writer(), 5)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_NE(status.message().find("FROM kinds"), absl::string_view::npos) << status;
  }
  EXPECT_EQ(ConnectionAccess::fault_scope(writer()), FaultScope::kStatement);
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(StatementContract, AWrongNumberOfValuesIsRefusedAndNamesTheSql) {
  Statement* const insert = *writer().Prepare(kInsert);
  for (const absl::Status& status : {insert->Run(), insert->Run(1), insert->Run(1, 2, 3, 4, 5, 6),
                                     insert->Query(1, 2).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("INSERT INTO kinds"), absl::string_view::npos) << status;
  }
  EXPECT_EQ(CountRows(), 0);
  EXPECT_EQ(ConnectionAccess::fault_scope(writer()), FaultScope::kStatement);
}

TEST_P(StatementContract, ManyRowsComeInOrder) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(writer().Run(kInsert, i, i * i, i / 2.0, std::to_string(i).c_str(), nullptr).ok());
  }
  Rows rows = (*writer().Prepare(kSelect))->Query();
  int count = 0;
  while (rows.Next()) {
    EXPECT_EQ(rows.Get<int>(0), count);
    EXPECT_EQ(rows.Get<int>(1), count * count);
    EXPECT_EQ(rows.Get<std::string_view>(3), std::to_string(count));
    ++count;
  }
  EXPECT_TRUE(rows.status().ok()) << rows.status();
  EXPECT_EQ(count, 300);
  EXPECT_FALSE(rows.Next()) << "the end stays the end";
}

TEST_P(StatementContract, NoRowsIsAnEndAndNoError) {
  Rows rows = (*writer().Prepare(kSelect))->Query();
  EXPECT_FALSE(rows.Next());
  EXPECT_TRUE(rows.status().ok());
}

TEST_P(StatementContract, RowsDroppedEarlyFreeTheStatement) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  Statement* const select = *writer().Prepare(kSelect);
  for (int i = 0; i < 3; ++i) {
    Rows rows = select->Query();
    EXPECT_TRUE(rows.Next());
  }
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
  EXPECT_EQ(CountRows(), 2);
}

TEST_P(StatementContract, ASecondReadingOfTheSameStatementIsRefused) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  Statement* const select = *writer().Prepare(kSelect);
  Rows first = select->Query();
  ASSERT_TRUE(first.Next());
  {
    Rows second = select->Query();
    EXPECT_FALSE(second.Next());
    EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(first.Get<int>(0), 1) << "the refused reading must not end the first";
  EXPECT_TRUE(first.Next());
}

TEST_P(StatementContract, RowsThatWereMovedGoOn) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  Rows first = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(first.Next());
  Rows second = std::move(first);
  EXPECT_EQ(second.Get<int>(0), 1);
  EXPECT_FALSE(second.Next());
  EXPECT_TRUE(second.status().ok());
}

TEST_P(StatementContract, ChangesCountsRows) {
  Statement* const insert = *writer().Prepare(kInsert);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(insert->Run(i, 0, 0.0, "", nullptr).ok());
    EXPECT_EQ(insert->changes(), 1);
  }
  Statement* const erase = *writer().Prepare(kDelete);
  ASSERT_TRUE(erase->Run().ok());
  EXPECT_EQ(erase->changes(), 3);
}

TEST_P(StatementContract, RunThrowsRowsAway) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_TRUE(writer().Run(kSelect).ok());
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
}

TEST_P(StatementContract, BoundValuesAreForgottenAfterTheRun) {
  Statement* const insert = *writer().Prepare(kInsert);
  {
    const std::string gone(100, 'x');
    ASSERT_TRUE(insert->Run(1, 1, 1.0, gone.c_str(), nullptr).ok());
  }
  ASSERT_TRUE(insert->Run(2, nullptr, nullptr, nullptr, nullptr).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next() && rows.Next());
  EXPECT_TRUE(rows.Get<Value>(3).is_null());
}

}  // namespace
}  // namespace roost::contract
