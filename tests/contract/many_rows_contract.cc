// Many rows in one go: all or nothing, in and outside of a transaction, of every kind of row.
#include <array>
#include <deque>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "roost/next_step.h"
#include "roost/query.h"
#include "tests/contract/fixture.h"
#include "tests/support/connection_access.h"
#include "tests/support/status_macros.h"

namespace roost::contract {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

constexpr Sql kIds{"INSERT INTO kinds(id) VALUES ($1)"};

struct Kind {
  int id = 0;
  std::optional<int64_t> amount{};
  double level = 0;
  std::string words{};
  std::optional<std::vector<std::byte>> bytes{};
};

std::vector<Kind> Kinds(int count, int first = 0) {
  std::vector<Kind> kinds;
  for (int i = first; i < first + count; ++i) {
    kinds.push_back({.id = i, .amount = 10 * i, .level = i / 4.0, .words = std::to_string(i)});
  }
  return kinds;
}

// Its rows exist only while they are looked at, and their text only in them.
class MadeUpRows {
 public:
  explicit MadeUpRows(size_t size) : size_(size) {}
  class Iterator {
   public:
    Kind operator[](std::ptrdiff_t row) const { return Kinds(1, static_cast<int>(row)).front(); }
  };
  Iterator begin() const { return {}; }
  size_t size() const { return size_; }

 private:
  size_t size_;
};

std::string Text(const absl::Status& status) { return std::string(status.message()); }

class Many : public ContractTest {
 protected:
  Statement& Prepared(const Sql& sql = kInsert) {
    absl::StatusOr<Statement*> statement = writer().Prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.status();
    return **statement;
  }
  void ExpectClean() {
    EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
    EXPECT_TRUE(ConnectionAccess::IsPristine(writer()));
  }
};

class ManyRowsContract : public Many {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ManyRowsContract);
INSTANTIATE_TEST_SUITE_P(Backend, ManyRowsContract, ::testing::ValuesIn(SubjectsThat(0)), NameOf);

class ManySqlRowsContract : public Many {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ManySqlRowsContract);
INSTANTIATE_TEST_SUITE_P(Backend, ManySqlRowsContract, ::testing::ValuesIn(SubjectsThat(kSql)),
                         NameOf);

TEST_P(ManyRowsContract, AllAreIn) {
  Statement& insert = Prepared();
  ASSERT_OK(insert.RunAll(Kinds(100)));
  EXPECT_EQ(insert.changes(), 100);
  EXPECT_EQ(insert.failed_row(), -1);
  EXPECT_EQ(CountRows(), 100);
  Rows rows = Prepared(kSelect).Query();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(rows.Next());
    const Kind kind = rows.As<Kind>();
    EXPECT_EQ(kind.amount, 10 * kind.id);
    EXPECT_EQ(kind.words, std::to_string(kind.id));
  }
  EXPECT_FALSE(rows.Next());
  ASSERT_OK(rows.status());
  ExpectClean();
}

TEST_P(ManyRowsContract, NoRowsAreNothing) {
  Statement& insert = Prepared();
  ASSERT_OK(insert.RunAll(std::vector<Kind>()));
  EXPECT_EQ(insert.changes(), 0);
  EXPECT_EQ(CountRows(), 0);
  ExpectClean();
}

TEST_P(ManyRowsContract, OneRowIsEnough) {
  ASSERT_OK(writer().RunAll(kInsert, Kinds(1)));
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(ManyRowsContract, MoreThanOneRoundTripTakesAllTheSame) {
  Statement& insert = Prepared();
  ASSERT_OK((insert.RunAll<7>(Kinds(100))));
  EXPECT_EQ(insert.changes(), 100);
  ASSERT_OK((insert.RunAll<1000, 200>(Kinds(50, 100))));
  ASSERT_OK((insert.RunAll<1, 1>(Kinds(5, 150))));  // each is longer than that
  EXPECT_EQ(CountRows(), 155);
  ExpectClean();
}

TEST_P(ManyRowsContract, ARowOfEachForm) {
  using Tuple = std::tuple<int, std::nullptr_t, double, const char*, std::optional<Blob>>;
  const std::array<Tuple, 2> tuples{Tuple{1, nullptr, 0.5, "one", {}},
                                    Tuple{2, nullptr, 0.5, "two", {}}};
  ASSERT_OK(writer().RunAll(kInsert, tuples));
  const Tuple plain[] = {{3, nullptr, 0.5, "three", {}}};
  ASSERT_OK(writer().RunAll(kInsert, plain));
  const std::vector<Kind> kinds = Kinds(3, 3);
  ASSERT_OK(writer().RunAll(kInsert, std::span(kinds).subspan(1, 1)));
  const std::deque<std::array<Value, 5>> values{{5, nullptr, nullptr, "five", nullptr}};
  ASSERT_OK(writer().RunAll(kInsert, values));
  const std::vector<std::vector<Value>> counted{{6, nullptr, nullptr, "six", nullptr}};
  ASSERT_OK(writer().RunAll(kInsert, counted));
  EXPECT_EQ(CountRows(), 6);
}

TEST_P(ManyRowsContract, RowsMayBeMadeAsTheyAreAskedFor) {
  ASSERT_OK((writer().RunAll<3>(kInsert, MadeUpRows(10))));
  Rows rows = Prepared(kSelect).Query();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(rows.As<Kind>().words, std::to_string(i));
  }
}

// Of a report about SOCI: what was bound first was bound again.
TEST_P(ManyRowsContract, TheSecondTimeTheValuesAreThoseOfTheSecondTime) {
  Statement& insert = Prepared();
  std::vector<Kind> kinds = Kinds(3);
  ASSERT_OK(insert.RunAll(kinds));
  kinds = Kinds(2, 3);
  ASSERT_OK(insert.RunAll(kinds));
  EXPECT_EQ(CountRows(), 5);
}

TEST_P(ManyRowsContract, InATransactionTheyBelongToIt) {
  {
    absl::StatusOr<Transaction> transaction = writer().Begin();
    ASSERT_OK(transaction.status());
    ASSERT_OK(writer().RunAll(kInsert, Kinds(3)));
    EXPECT_EQ(CountRows(), 3);
    ASSERT_OK(transaction->Rollback());
  }
  EXPECT_EQ(CountRows(), 0);
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_OK(transaction.status());
  ASSERT_OK(writer().RunAll(kInsert, Kinds(3)));
  ASSERT_OK((writer().RunAll<2>(kInsert, Kinds(3, 3))));
  ASSERT_OK(transaction->Commit());
  EXPECT_EQ(CountRows(), 6);
  ExpectClean();
}

TEST_P(ManyRowsContract, AWrongValueIsNamedAndNoRowIsIn) {
  std::vector<std::vector<Value>> rows(5, std::vector<Value>(5));
  for (size_t i = 0; i < 5; ++i) rows[i][0] = i;
  rows[3][1] = ~uint64_t{0};
  Statement& insert = Prepared();
  const absl::Status refused = insert.RunAll(rows);
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  EXPECT_THAT(Text(refused), HasSubstr("row 4 of 5: "));
  EXPECT_EQ(insert.failed_row(), 3);
  EXPECT_EQ(insert.changes(), 0);
  EXPECT_EQ(CountRows(), 0);
  ExpectClean();
  rows[3][1] = 1;
  ASSERT_OK(insert.RunAll(rows));
  EXPECT_EQ(insert.failed_row(), -1);
  EXPECT_EQ(CountRows(), 5);
}

TEST_P(ManyRowsContract, AWrongNumberOfValuesIsNamed) {
  const std::vector<std::tuple<int, int>> rows{{1, 2}};
  const absl::Status refused = writer().RunAll(kInsert, rows);
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  EXPECT_THAT(Text(refused), HasSubstr("row 1 of 1: "));
  EXPECT_EQ(CountRows(), 0);
  ExpectClean();
}

TEST_P(ManyRowsContract, WhileItsRowsAreReadItIsRefused) {
  ASSERT_OK(Insert(writer(), 1));
  Statement& select = Prepared(kSelect);
  Rows rows = select.Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(select.RunAll(std::vector<std::tuple<>>(2)).code(), StatusCode::kFailedPrecondition);
  EXPECT_FALSE(rows.Next());
  ASSERT_OK(rows.status());
}

TEST_P(ManySqlRowsContract, AfterTheDeadlineNothingIsBegun) {
  Statement& insert = Prepared();
  writer().set_deadline(Deadline::After(platform().Now(), -std::chrono::seconds(1)));
  const absl::Status late = insert.RunAll(Kinds(3));
  EXPECT_EQ(late.code(), StatusCode::kDeadlineExceeded) << late;
  // As GROOVY-8288: what an empty batch says was left to each driver.
  const absl::Status none = insert.RunAll(std::vector<Kind>());
  EXPECT_EQ(none.code(), StatusCode::kDeadlineExceeded) << none;
  writer().set_deadline(InTime());
  EXPECT_EQ(CountRows(), 0);
}

TEST_P(ManySqlRowsContract, ARowThatAConstraintRefusesTakesTheOthersAlong) {
  ASSERT_OK(Insert(writer(), 7));
  Statement& insert = Prepared();
  const absl::Status taken = insert.RunAll(Kinds(10));
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists) << taken;
  EXPECT_THAT(Text(taken), HasSubstr("row 8 of 10: "));
  EXPECT_THAT(Text(taken), HasSubstr("; 0 rows are in"));
  EXPECT_EQ(insert.failed_row(), 7);
  EXPECT_EQ(CountRows(), 1);
  ExpectClean();
  ASSERT_OK(insert.RunAll(Kinds(7)));
}

// Of a report about pgjdbc: rows of an earlier round trip had been committed by then.
TEST_P(ManySqlRowsContract, SoDoesOneOfALaterRoundTrip) {
  ASSERT_OK(Insert(writer(), 7));
  Statement& insert = Prepared();
  const absl::Status taken = insert.RunAll<3>(Kinds(10));
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists) << taken;
  EXPECT_THAT(Text(taken), HasSubstr("row 8 of 10: "));
  EXPECT_EQ(insert.failed_row(), 7);
  EXPECT_EQ(CountRows(), 1);
  ExpectClean();
}

TEST_P(ManySqlRowsContract, TheFirstOfTwoErrorsCounts) {
  std::vector<Kind> kinds = Kinds(10);
  kinds[4].id = 3;
  kinds[6].id = 3;
  Statement& insert = Prepared();
  const absl::Status taken = insert.RunAll(kinds);
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(NextStep(taken), Advice::kStop) << "no row is stored";
  EXPECT_EQ(insert.failed_row(), 4);
}

TEST_P(ManySqlRowsContract, AnErrorInATransactionLeavesItToBeRolledBack) {
  ASSERT_OK(Insert(writer(), 2));
  {
    absl::StatusOr<Transaction> transaction = writer().Begin();
    ASSERT_OK(transaction.status());
    const absl::Status taken = writer().RunAll(kInsert, Kinds(5));
    EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists) << taken;
    EXPECT_THAT(Text(taken), HasSubstr("row 3 of 5: "));
    EXPECT_THAT(Text(taken), HasSubstr("roll it back"));
    ASSERT_OK(transaction->Rollback());
  }
  EXPECT_EQ(CountRows(), 1);
  ExpectClean();
}

TEST_P(ManySqlRowsContract, OneColumnNeedsNoTuple) {
  ASSERT_OK(writer().RunAll(kIds, std::vector<int>{3, 1, 2}));
  EXPECT_EQ(CountRows(), 3);
  const std::array<std::string_view, 2> words{"a", "b"};
  ASSERT_OK(writer().RunAll(Sql("UPDATE kinds SET words = $1 WHERE id = 1"), words));
  EXPECT_EQ(*QueryOne<std::string>(writer(), Sql("SELECT words FROM kinds WHERE id = 1")), "b");
}

TEST_P(ManySqlRowsContract, RowsThatItGivesAreThrownAway) {
  ASSERT_OK(writer().RunAll(kIds, std::vector<int>{1, 2, 3}));
  Statement& all = Prepared(Sql("SELECT id FROM kinds WHERE id > $1"));
  ASSERT_OK(all.RunAll(std::vector<int>{0, 1, 2}));
  EXPECT_EQ(all.changes(), 0);
  Statement& giving = Prepared(Sql("INSERT INTO kinds(id) VALUES ($1) RETURNING id"));
  ASSERT_OK(giving.RunAll(std::vector<int>{4, 5}));
  EXPECT_EQ(giving.changes(), 2);
  EXPECT_EQ(CountRows(), 5);
}

TEST_P(ManySqlRowsContract, WhatBoundsATransactionIsRefused) {
  absl::StatusOr<Statement*> commit = writer().Prepare(Sql("COMMIT"));
  ASSERT_OK(commit.status());
  const absl::Status refused = (*commit)->RunAll(std::vector<std::tuple<>>(2));
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused;
  ExpectClean();
}

// PgBouncer cuts what it forwards into pieces of its own.
TEST_P(ManySqlRowsContract, ARowThatIsLargerThanARoundTripGoesAlone) {
  std::vector<Kind> kinds = Kinds(5);
  kinds[2].words = std::string(80'000, 'w');
  Statement& insert = Prepared();
  ASSERT_OK(insert.RunAll(kinds));
  EXPECT_EQ(*QueryOne<int64_t>(writer(), Sql("SELECT length(words) FROM kinds WHERE id = 2")),
            80'000);
  EXPECT_EQ(CountRows(), 5);
}

}  // namespace
}  // namespace roost::contract
