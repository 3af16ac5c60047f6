// Rows: reading typed columns, and the errors of a program that reads them wrongly.
#include <charconv>
#include <string>
#include <utility>

#include "roost/internal/check.h"
#include "roost/statement.h"
#include "statements/text.h"

namespace roost {
namespace {

using internal::Concat;
using internal::Digits;
using internal::Quoted;
using internal::QuotedName;

// `column 2 ("level") of "SELECT ..."`. People count columns from 1, Get counts from 0.
std::string ColumnText(const Statement& statement, int column) {
  return Concat({"column ", Digits(column + 1), " (", QuotedName(statement.column_name(column)),
                 ", counted from 1) of ", Quoted(statement.sql())});
}

std::string ColumnNames(const Statement& statement) {
  std::string names;
  for (int i = 0; i < statement.columns(); ++i) {
    if (names.size() > internal::kShownNames) return names + ", ...";
    names += Concat({i == 0 ? "" : ", ", QuotedName(statement.column_name(i))});
  }
  return names.empty() ? "no columns" : names;
}

// What `value` is as `type`, which is another; Value::NoColumn() when it cannot be that.
Value ConvertTo(Value::Type type, const Value& value) {
  if (type == Value::Type::kDouble && value.type() == Value::Type::kInt64) {
    return Value(static_cast<double>(value.int64()));
  }
  if (type == Value::Type::kBlob && value.type() == Value::Type::kText) {
    const std::string_view text = value.text();
    return Value(Blob(reinterpret_cast<const std::byte*>(text.data()), text.size()));
  }
  if (type == Value::Type::kDouble && value.is_unsigned()) {
    return Value(static_cast<double>(value.unsigned_number()));
  }
  return Value::NoColumn();
}

}  // namespace

std::string_view Name(Value::Type type) {
  switch (type) {
    case Value::Type::kNull:
      return "NULL";
    case Value::Type::kInt64:
      return "integer";
    case Value::Type::kDouble:
      return "real";
    case Value::Type::kText:
      return "text";
    case Value::Type::kBlob:
      return "blob";
    case Value::Type::kTooLarge:
      return "too large";
    case Value::Type::kArray:
      return "array";
  }
  return "unknown";
}

uint64_t Value::unsigned_number() const {
  if (type_ != Type::kText) return static_cast<uint64_t>(int64_);
  uint64_t number = 0;
  const std::string_view digits = text();
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

Rows::Rows(Rows&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)),
      reading_(other.reading_),
      on_row_(std::exchange(other.on_row_, false)),
      status_(std::move(other.status_)) {}

// At the end the statement is free at once, not only when this object goes out of scope.
bool Rows::End(const absl::StatusOr<bool>& stepped) {
  if (!stepped.ok()) status_ = stepped.status();
  std::exchange(statement_, nullptr)->Finish();
  return false;
}

int Rows::Find(std::string_view name) {
  if (!on_row_ && !status_.ok()) return -1;
  ROOST_CHECK(on_row_, "Rows::Get was called without a row: call it only after Next() said true");
  CheckLease();
  for (int i = 0; i < statement_->columns(); ++i) {
    if (statement_->column_name(i) == name) return i;
  }
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(
        Concat({"no column ", QuotedName(name), " in ", Quoted(statement_->sql()), "; it has ",
                ColumnNames(*statement_)}));
  }
  return -1;
}

void Rows::FailColumn(int column) {
  if (!status_.ok()) return;
  ROOST_CHECK(on_row_, "Rows::Get was called without a row: call it only after Next() said true");
  status_ = absl::InvalidArgumentError(
      Concat({"column ", Digits(column + 1), " (counted from 1) is out of range in ",
              Quoted(statement_->sql()), "; it has ", Digits(statement_->columns()), ": ",
              ColumnNames(*statement_)}));
}

Value Rows::Convert(int column, Value::Type type, Value value) {
  if (value.is_no_column()) {
    FailColumn(column);
    return value;
  }
  const Value converted = ConvertTo(type, value);
  if (!converted.is_no_column() || !status_.ok()) return converted;
  const std::string_view advice =
      value.is_null() ? "; read it as a std::optional, where NULL is empty" : "";
  if (value.is_unsigned()) {
    status_ = absl::InvalidArgumentError(Concat(
        {ColumnText(*statement_, column), " is ", value.text(),
         ", an integer beyond an int64_t: read it as a uint64_t, a double or a std::string"}));
    return converted;
  }
  status_ =
      absl::InvalidArgumentError(Concat({ColumnText(*statement_, column), " is ",
                                         Name(value.type()), ", wanted ", Name(type), advice}));
  return converted;
}

void Rows::FailRange(int column, std::string_view wanted) {
  if (!status_.ok()) return;
  const Value value = statement_->column(column);
  const bool whole = value.type() == Value::Type::kInt64;
  status_ = absl::InvalidArgumentError(
      Concat({ColumnText(*statement_, column), " is ",
              whole ? Digits(value.int64()) : std::to_string(value.real()), ", wanted ", wanted}));
}

void Rows::FailCount(int fields) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(
      Concat({Quoted(statement_->sql()), " has ", Digits(statement_->columns()),
              statement_->columns() == 1 ? " column (" : " columns (", ColumnNames(*statement_),
              "), wanted ", Digits(fields), ", one for each field"}));
}

}  // namespace roost
