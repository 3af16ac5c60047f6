// Rows: reading typed columns, and the errors of a program that reads them wrongly.
#include <string>
#include <utility>

#include "roost/internal/check.h"
#include "roost/statement.h"
#include "statements/text.h"

namespace roost {
namespace {

using internal::Concat;
using internal::Quoted;

// `column 2 ("level") of "SELECT ..."`. People count columns from 1, Get counts from 0.
std::string ColumnText(const Statement& statement, int column) {
  return Concat({"column ", std::to_string(column + 1), " (\"", statement.column_name(column),
                 "\", counted from 1) of ", Quoted(statement.sql())});
}

std::string ColumnNames(const Statement& statement) {
  std::string names;
  for (int i = 0; i < statement.columns(); ++i) {
    names += Concat({i == 0 ? "\"" : ", \"", statement.column_name(i), "\""});
  }
  return names.empty() ? "no columns" : names;
}

// What `value` becomes when it is read as `type`; false when it cannot be.
bool Convert(Value::Type type, Value& value) {
  if (value.type() == type) return true;
  if (type == Value::Type::kDouble && value.type() == Value::Type::kInt64) {
    value = Value(static_cast<double>(value.int64()));
    return true;
  }
  if (type == Value::Type::kBlob && value.type() == Value::Type::kText) {
    const std::string_view text = value.text();
    value = Value(Blob(reinterpret_cast<const std::byte*>(text.data()), text.size()));
    return true;
  }
  return false;
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
  }
  return "unknown";
}

// A statement that could not start is not ours to finish: an earlier Rows may be reading it.
Rows::Rows(Statement* statement, absl::Status status)
    : statement_(status.ok() ? statement : nullptr), status_(std::move(status)) {}

Rows::Rows(Rows&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)),
      on_row_(std::exchange(other.on_row_, false)),
      status_(std::move(other.status_)) {}

Rows::~Rows() {
  if (statement_ != nullptr) statement_->Finish();
}

bool Rows::Next() {
  on_row_ = false;
  if (!status_.ok() || statement_ == nullptr) return false;
  const absl::StatusOr<bool> stepped = statement_->Step();
  if (!stepped.ok()) status_ = stepped.status();
  on_row_ = stepped.ok() && *stepped;
  // At the end the statement is free at once, not only when this object goes out of scope.
  if (!on_row_) std::exchange(statement_, nullptr)->Finish();
  return on_row_;
}

int Rows::Find(std::string_view name) {
  if (!on_row_ && !status_.ok()) return -1;
  ROOST_CHECK(on_row_, "Rows::Get was called without a row: call it only after Next() said true");
  for (int i = 0; i < statement_->columns(); ++i) {
    if (statement_->column_name(i) == name) return i;
  }
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(
        Concat({"no column \"", name, "\" in ", Quoted(statement_->sql()), "; it has ",
                ColumnNames(*statement_)}));
  }
  return -1;
}

bool Rows::ReadAny(int column, Value& value) {
  if (!on_row_ && !status_.ok()) return false;
  ROOST_CHECK(on_row_, "Rows::Get was called without a row: call it only after Next() said true");
  if (column >= 0 && column < statement_->columns()) {
    value = statement_->column(column);
    return true;
  }
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(
        Concat({"column ", std::to_string(column + 1), " (counted from 1) is out of range in ",
                Quoted(statement_->sql()), "; it has ", std::to_string(statement_->columns()), ": ",
                ColumnNames(*statement_)}));
  }
  return false;
}

bool Rows::Read(int column, Value::Type type, Value& value) {
  if (Convert(type, value)) return true;
  if (!status_.ok()) return false;
  const std::string_view advice =
      value.is_null() ? "; read it as a std::optional, where NULL is empty" : "";
  status_ =
      absl::InvalidArgumentError(Concat({ColumnText(*statement_, column), " is ",
                                         Name(value.type()), ", wanted ", Name(type), advice}));
  return false;
}

void Rows::FailRange(int column, std::string_view wanted) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(
      Concat({ColumnText(*statement_, column), " is ",
              std::to_string(statement_->column(column).int64()), ", wanted ", wanted}));
}

}  // namespace roost
