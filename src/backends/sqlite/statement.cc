#include "backends/sqlite/statement.h"

#include <sqlite3.h>

#include <charconv>
#include <string>

#include "backends/sqlite/connection.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using internal::Concat;
using internal::Quoted;

absl::Status WrongPlaceholder(sqlite3_stmt* statement, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat({Quoted(sqlite3_sql(statement)), ": ", what, "; placeholders are $1, $2, ..., $",
              std::to_string(ParameterMap::kMax)}));
}

// The n of "$n", written without leading zeros; 0 for anything else.
int PlaceholderNumber(const char* name) {
  if (name == nullptr || name[0] != '$' || name[1] == '0') return 0;
  const std::string_view digits(name + 1);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() && number > 0 ? number : 0;
}

// Text and blobs are not copied: they stay where they are until Finish. A null pointer would bind
// NULL, so that empty ones get an address.
int BindOne(sqlite3_stmt* statement, int number, const Value& value) {
  switch (value.type()) {
    case Value::Type::kNull:
      return sqlite3_bind_null(statement, number);
    case Value::Type::kInt64:
      return sqlite3_bind_int64(statement, number, value.int64());
    case Value::Type::kDouble:
      return sqlite3_bind_double(statement, number, value.real());
    case Value::Type::kText: {
      const std::string_view text = value.text();
      const char* data = text.data() == nullptr ? "" : text.data();
      return sqlite3_bind_text64(statement, number, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    case Value::Type::kBlob: {
      const Blob blob = value.blob();
      if (blob.empty()) return sqlite3_bind_zeroblob(statement, number, 0);
      return sqlite3_bind_blob64(statement, number, blob.data(), blob.size(), SQLITE_STATIC);
    }
  }
  return SQLITE_MISUSE;
}

}  // namespace

absl::Status ParameterMap::Read(sqlite3_stmt* statement) {
  const int found = sqlite3_bind_parameter_count(statement);
  if (found > kMax) {
    return WrongPlaceholder(statement, Concat({"it has ", std::to_string(found), " placeholders"}));
  }
  for (int i = 1; i <= found; ++i) {
    const char* name = sqlite3_bind_parameter_name(statement, i);
    const int placeholder = PlaceholderNumber(name);
    if (placeholder == 0) {
      return WrongPlaceholder(
          statement, Concat({"placeholder \"", name == nullptr ? "?" : name, "\" has no meaning"}));
    }
    if (placeholder > found) {
      return WrongPlaceholder(statement,
                              Concat({"it has ", name, " but only ", std::to_string(found),
                                      " placeholders: one is "
                                      "left out"}));
    }
    number[static_cast<size_t>(placeholder - 1)] = static_cast<uint8_t>(i);
  }
  count = static_cast<uint8_t>(found);
  return absl::OkStatus();
}

SqliteStatement::SqliteStatement(SqliteConnection& connection, sqlite3_stmt* statement,
                                 const ParameterMap& map, Trace trace)
    : connection_(connection), statement_(statement), map_(map), trace_(trace) {}

SqliteStatement::~SqliteStatement() {
  if (statement_ == nullptr) return;
  Finish();
  sqlite3_finalize(statement_);
}

absl::Status SqliteStatement::Bind(std::span<const Value> values) {
  if (values.size() != map_.count) {
    const std::string expected = std::to_string(map_.count);
    return absl::InvalidArgumentError(
        Concat({Quoted(sql()), " takes ", expected, map_.count == 1 ? " value, " : " values, ",
                std::to_string(values.size()), values.size() == 1 ? " was given" : " were given"}));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const int code = BindOne(statement_, map_.number[i], values[i]);
    if (code != SQLITE_OK) {
      return connection_.Fail(code, Operation::kStatement, in_transaction_,
                              Concat({"$", std::to_string(i + 1), " of ", sql()}));
    }
  }
  return absl::OkStatus();
}

absl::Status SqliteStatement::Start(std::span<const Value> values) {
  if (reading_) {
    return absl::FailedPreconditionError(
        Concat({Quoted(sql()), " is still being read: end its earlier Rows first"}));
  }
  absl::Status status = connection_.Ready();
  if (!status.ok()) return status;
  in_transaction_ = connection_.InTransaction();
  status = Bind(values);
  if (!status.ok()) {
    sqlite3_clear_bindings(statement_);
    return status;
  }
  if (trace_ != Trace::kNothing) connection_.Taint(trace_);
  changes_ = 0;
  changes_before_ = connection_.TotalChanges();
  reading_ = true;
  ended_ = false;
  connection_.Started();
  return absl::OkStatus();
}

absl::StatusOr<bool> SqliteStatement::Step() {
  if (!reading_ || ended_) return false;
  connection_.Continue();
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  ended_ = true;
  connection_.NoteTransaction();
  if (code == SQLITE_DONE) {
    CountChanges();
    return false;
  }
  const bool commits = !in_transaction_ && sqlite3_stmt_readonly(statement_) == 0;
  return connection_.Fail(code, commits ? Operation::kCommit : Operation::kStatement,
                          in_transaction_, sql());
}

// sqlite3_changes keeps the count of an earlier statement when this one changes no rows.
void SqliteStatement::CountChanges() {
  if (connection_.TotalChanges() != changes_before_) changes_ = connection_.Changes();
}

absl::Status SqliteStatement::Execute(std::span<const Value> values) {
  absl::Status status = Start(values);
  if (!status.ok()) return status;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = Step();
  Finish();
  return more.status();
}

void SqliteStatement::Finish() {
  if (!reading_ || statement_ == nullptr) return;
  const int code = sqlite3_reset(statement_);
  if (map_.count != 0) sqlite3_clear_bindings(statement_);
  // A run that was left before its end commits here; nobody is left to be told but the pool.
  if (code != SQLITE_OK && !ended_) {
    connection_.Fail(code, Operation::kCommit, in_transaction_, sql()).IgnoreError();
  }
  if (!ended_) CountChanges();
  reading_ = false;
  connection_.Finished();
}

int SqliteStatement::columns() const { return sqlite3_column_count(statement_); }

std::string_view SqliteStatement::column_name(int column) const {
  const char* name = sqlite3_column_name(statement_, column);
  return name == nullptr ? std::string_view() : name;
}

Value SqliteStatement::column(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_INTEGER:
      return Value(static_cast<int64_t>(sqlite3_column_int64(statement_, column)));
    case SQLITE_FLOAT:
      return Value(sqlite3_column_double(statement_, column));
    case SQLITE_TEXT: {
      // Not sqlite3_column_text: it copies the text to put a zero behind it, and may fail to.
      const void* data = sqlite3_column_blob(statement_, column);
      const int size = sqlite3_column_bytes(statement_, column);
      return Value(std::string_view(static_cast<const char*>(data), static_cast<size_t>(size)));
    }
    case SQLITE_BLOB: {
      const void* data = sqlite3_column_blob(statement_, column);
      const int size = sqlite3_column_bytes(statement_, column);
      if (data == nullptr && size > 0) return Value();  // no memory to fill a zeroblob()
      return Value(Blob(static_cast<const std::byte*>(data), static_cast<size_t>(size)));
    }
    default:
      return Value();
  }
}

std::string_view SqliteStatement::sql() const {
  const char* text = sqlite3_sql(statement_);
  return text == nullptr ? std::string_view() : text;
}

}  // namespace roost::sqlite
