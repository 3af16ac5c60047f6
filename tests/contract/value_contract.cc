// Values of a program's own types, whole rows, and queries of one row, on every backend.
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "roost/query.h"
#include "tests/contract/fixture.h"

namespace roost::contract {
namespace {

using absl::StatusCode;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::system_clock;

ROOST_CONTRACT_SUITE(ValueContract, 0);

enum class Colour : uint8_t { kRed = 3 };

struct Kind {
  int id = 0;
  std::optional<int64_t> amount;
  double level = 0;
  std::string words;
  std::vector<std::byte> bytes;
};

// What may be NULL.
struct Loose {
  int id = 0;
  std::optional<uint64_t> amount;
  std::optional<double> level;
  std::optional<std::string> words;
  std::optional<std::vector<std::byte>> bytes;
};

TEST_P(ValueContract, AnUnsignedIntegerIsBoundWhereItFits) {
  const uint64_t most = std::numeric_limits<int64_t>::max();
  ASSERT_TRUE(writer().Run(kInsert, 1, most, nullptr, nullptr, nullptr).ok());
  EXPECT_EQ(QueryOne<Loose>(writer(), kSelect)->amount, most);
  const absl::Status refused = writer().Run(kInsert, 2, most + 1, nullptr, nullptr, nullptr);
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  // MySQL has such integers, but not in a column that is signed.
  const std::string said(refused.message());
  EXPECT_TRUE(said.find("64 bits") != said.npos || said.find("Out of range") != said.npos) << said;
  EXPECT_EQ(CountRows(writer()), 1);
}

TEST_P(ValueContract, TimesOfTheStandardLibraryAreMicroseconds) {
  const system_clock::time_point moment(nanoseconds(-1'500));
  ASSERT_TRUE(writer().Run(kInsert, 1, milliseconds(7), nullptr, nullptr, nullptr).ok());
  ASSERT_TRUE(writer().Run(kInsert, 2, moment.time_since_epoch(), nullptr, nullptr, nullptr).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<microseconds>(1), milliseconds(7));
  EXPECT_EQ(rows.Get<nanoseconds>(1), milliseconds(7));
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int64_t>(1), -2) << "down to a whole microsecond";
  EXPECT_EQ(rows.Get<system_clock::time_point>(1), system_clock::time_point(microseconds(-2)));
}

TEST_P(ValueContract, ATimeBeyond64BitsIsRefusedBothWays) {
  using Centuries = std::chrono::duration<int64_t, std::ratio<3'155'695'200>>;
  const absl::Status refused =
      writer().Run(kInsert, 1, Centuries(1'000'000), nullptr, nullptr, nullptr);
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  ASSERT_TRUE(writer().Run(kInsert, 1, int64_t{1} << 62, nullptr, nullptr, nullptr).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<nanoseconds>(1), nanoseconds(0));
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(rows.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(rows.status().message().find("fit into this duration"), std::string_view::npos);
}

TEST_P(ValueContract, AnEnumerationAndItsOptionalAreNumbers) {
  ASSERT_TRUE(writer()
                  .Run(kInsert, Colour::kRed, std::optional(Colour::kRed), 1.5F, nullptr, nullptr)
                  .ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<Colour>(0), Colour::kRed);
  EXPECT_EQ(rows.Get<std::optional<Colour>>(1), Colour::kRed);
  EXPECT_EQ(rows.Get<float>(2), 1.5F);
  EXPECT_EQ(rows.Get<std::optional<std::string>>(3), std::nullopt);
}

TEST_P(ValueContract, ADoubleThatIsNoFloatIsAnError) {
  ASSERT_TRUE(writer().Run(kInsert, 1, nullptr, 1e300, nullptr, nullptr).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<float>(2), 0.0F);
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(rows.status().code(), StatusCode::kInvalidArgument) << rows.status();
}

TEST_P(ValueContract, ARowIsReadAsAStruct) {
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}};
  const std::string words = "two words";
  ASSERT_TRUE(writer().Run(kInsert, 1, std::optional<int64_t>(), 2.5, words, bytes).ok());
  ASSERT_TRUE(writer().Run(kInsert, 2, 20, 3, "", std::vector<std::byte>()).ok());
  std::vector<Kind> kinds;
  Rows rows = (*writer().Prepare(kSelect))->Query();
  for (const Kind& kind : rows.Each<Kind>()) kinds.push_back(kind);
  ASSERT_TRUE(rows.status().ok()) << rows.status();
  ASSERT_EQ(kinds.size(), 2u);
  EXPECT_EQ(kinds[0].amount, std::nullopt);
  EXPECT_EQ(kinds[0].words, words);
  EXPECT_EQ(kinds[0].bytes, bytes);
  EXPECT_EQ(kinds[1].amount, 20);
  EXPECT_EQ(kinds[1].level, 3);
}

TEST_P(ValueContract, ARowThatCannotBeReadEndsTheRangeAndKeepsTheError) {
  ASSERT_TRUE(writer().Run(kInsert, 1, 10, nullptr, nullptr, nullptr).ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  ASSERT_TRUE(writer().Run(kInsert, 3, 30, nullptr, nullptr, nullptr).ok());
  std::vector<int> ids;
  Rows rows = (*writer().Prepare(kSelect))->Query();
  using Row = std::tuple<int, int64_t, Value, Value, Value>;
  for (const auto& [id, amount, level, words, bytes] : rows.Each<Row>()) ids.push_back(id);
  EXPECT_EQ(ids, std::vector<int>{1}) << "NULL is no integer";
  EXPECT_EQ(rows.status().code(), StatusCode::kInvalidArgument) << rows.status();
}

TEST_P(ValueContract, ARowOfAnotherWidthIsAnErrorThatCounts) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  const absl::Status status = QueryOne<int, int, int>(writer(), kSelect).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("wanted 3, one for each field"), std::string_view::npos)
      << status;
}

TEST_P(ValueContract, OneRowIsReadAndTheStatementIsFree) {
  ASSERT_TRUE(writer().Run(kInsert, 1, 10, 2.5, "words", nullptr).ok());
  const absl::StatusOr<Kind> kind = QueryOne<Kind>(writer(), kSelect);
  EXPECT_EQ(kind.status().code(), StatusCode::kInvalidArgument) << "no bytes: NULL";
  EXPECT_EQ(QueryOne<Loose>(writer(), kSelect)->words, "words");
  Rows rows = (*writer().Prepare(kSelect))->Query();
  EXPECT_TRUE(rows.Next()) << rows.status();
}

TEST_P(ValueContract, NoRowAndTwoRowsAreErrors) {
  const auto ask = [this] { return QueryOne<Loose>(writer(), kSelect).status(); };
  EXPECT_EQ(ask().code(), StatusCode::kNotFound);
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_TRUE(ask().ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  EXPECT_EQ(ask().code(), StatusCode::kInvalidArgument) << ask();
  EXPECT_NE(ask().message().find("more than one row"), std::string_view::npos);
  ASSERT_TRUE(writer().Run(kDelete).ok()) << "its reading has ended";
}

TEST_P(ValueContract, AWrongQueryForOneRowSaysWhatIsWrong) {
  EXPECT_EQ(QueryOne<int>(writer(), kInsert, 1).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roost::contract
