#include "backends/sqlite/statement.h"

#include <sqlite3.h>

#include <charconv>
#include <cmath>
#include <string>

#include "backends/sqlite/connection.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using internal::Concat;
using internal::Digits;
using internal::Quoted;

absl::Status WrongPlaceholder(sqlite3_stmt* statement, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat({Quoted(sqlite3_sql(statement)), ": ", what, "; placeholders are $1, $2, ..., $",
              Digits(ParameterMap::kMax)}));
}

// SQLite would store NULL.
absl::Status HasNoNumber(size_t index, std::string_view sql) {
  return absl::InvalidArgumentError(
      Concat({"$", Digits(static_cast<int64_t>(index) + 1), " of ", Quoted(sql),
              " is NaN, which SQLite has not: bind an empty std::optional, which is NULL"}));
}

absl::Status IsTooLarge(size_t index, std::string_view sql) {
  return absl::InvalidArgumentError(
      Concat({"$", Digits(static_cast<int64_t>(index) + 1), " of ", Quoted(sql),
              " is beyond the integers of 64 bits that SQLite has"}));
}

absl::Status IsArray(size_t index, std::string_view sql) {
  return absl::InvalidArgumentError(
      Concat({"$", Digits(static_cast<int64_t>(index) + 1), " of ", Quoted(sql),
              " is an array, which SQLite has not: run a statement for one element with RunAll, or "
              "bind a JSON text and read it with json_each()"}));
}

// The n of "$n", written without leading zeros; 0 for anything else.
int PlaceholderNumber(const char* name) {
  if (name == nullptr || name[0] != '$' || name[1] == '0') return 0;
  const std::string_view digits(name + 1);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() && number > 0 ? number : 0;
}

}  // namespace

absl::Status ParameterMap::Read(sqlite3_stmt* statement) {
  const int found = sqlite3_bind_parameter_count(statement);
  if (found > kMax) {
    return WrongPlaceholder(statement, Concat({"it has ", Digits(found), " placeholders"}));
  }
  for (int i = 1; i <= found; ++i) {
    const char* name = sqlite3_bind_parameter_name(statement, i);
    const int placeholder = PlaceholderNumber(name);
    if (placeholder == 0) {
      return WrongPlaceholder(
          statement, Concat({"placeholder ", internal::QuotedName(name == nullptr ? "?" : name),
                             " has no meaning"}));
    }
    if (placeholder > found) {
      return WrongPlaceholder(statement,
                              Concat({"it has ", name, " but only ", Digits(found),
                                      found == 1 ? " placeholder" : " placeholders",
                                      ": a number is left out, or beyond what there is"}));
    }
    number[static_cast<size_t>(placeholder - 1)] = static_cast<uint8_t>(i);
  }
  count = static_cast<uint8_t>(found);
  return absl::OkStatus();
}

SqliteStatement::SqliteStatement(SqliteConnection& connection, sqlite3_stmt* statement,
                                 const ParameterMap& map, Effects effects)
    : connection_(connection),
      statement_(statement),
      effects_(effects),
      writes_(sqlite3_stmt_readonly(statement) == 0),
      only_reads_(!writes_ && effects.trace == Trace::kNothing &&
                  sqlite3_column_count(statement) > 0),
      plain_(only_reads_ && map.count == 0),
      map_(map) {}

SqliteStatement::~SqliteStatement() {
  if (statement_ == nullptr) return;
  Finish();
  sqlite3_finalize(statement_);
}

// Whether the deadline has passed is asked by the first Step, where the work begins.
absl::Status SqliteStatement::CheckStart(size_t values) {
  if (reading()) return backends::StillBeingRead(sql());
  absl::Status status = connection_.CheckSound();
  if (status.ok() && effects_.bounds_transaction && connection_.transaction().ours()) {
    return backends::Session::BoundsTransaction(sql());
  }
  return status.ok() ? backends::CheckCount(sql(), map_.count, values) : status;
}

// A null pointer would bind NULL, so that empty text gets an address.
int SqliteStatement::BindOne(int number, const Value& value, Keeper keeper) {
  const sqlite3_destructor_type owner = keeper == kCopied ? SQLITE_TRANSIENT : SQLITE_STATIC;
  switch (value.type()) {
    case Value::Type::kNull:
      return sqlite3_bind_null(statement_, number);
    case Value::Type::kInt64:
      return sqlite3_bind_int64(statement_, number, value.int64());
    case Value::Type::kDouble:
      if (std::isnan(value.real())) return SQLITE_MISMATCH;
      return sqlite3_bind_double(statement_, number, value.real());
    case Value::Type::kText: {
      const std::string_view text = value.text();
      const char* data = text.data() == nullptr ? "" : text.data();
      return sqlite3_bind_text64(statement_, number, data, text.size(), owner, SQLITE_UTF8);
    }
    case Value::Type::kBlob: {
      const Blob blob = value.blob();
      if (blob.empty()) return sqlite3_bind_zeroblob(statement_, number, 0);
      return sqlite3_bind_blob64(statement_, number, blob.data(), blob.size(), owner);
    }
    case Value::Type::kTooLarge:
      return SQLITE_RANGE;
    case Value::Type::kArray:
      return SQLITE_FORMAT;
  }
  return SQLITE_MISUSE;
}

absl::Status SqliteStatement::Bind(std::span<const Value> values, Keeper keeper) {
  for (size_t i = 0; i < values.size(); ++i) {
    const int code = BindOne(map_.number[i], values[i], keeper);
    if (code == SQLITE_OK) continue;
    sqlite3_clear_bindings(statement_);
    if (code == SQLITE_MISMATCH) return HasNoNumber(i, sql());
    if (code == SQLITE_RANGE) return IsTooLarge(i, sql());
    if (code == SQLITE_FORMAT) return IsArray(i, sql());
    return connection_.Fail(code, Operation::kStatement, connection_.InTransaction(),
                            Concat({"$", Digits(static_cast<int64_t>(i) + 1), " of ", sql()}));
  }
  return absl::OkStatus();
}

// An untouched connection has no transaction, none of its statements is being read, no sync failed.
inline bool SqliteStatement::StartPlain(std::span<const Value> values) {
  if (!plain_ || !values.empty() || !connection_.IsPristine() || connection_.IsForked()) {
    return false;
  }
  in_transaction_ = false;
  stage_ = connection_.BeginsLease() ? Stage::kRunning : Stage::kStarted;
  connection_.RecordStart();
  return true;
}

absl::Status SqliteStatement::Start(std::span<const Value> values) {
  return StartPlain(values) ? absl::OkStatus() : StartWithLook(values, kCopied);
}

absl::Status SqliteStatement::StartBorrowing(std::span<const Value> values) {
  return StartPlain(values) ? absl::OkStatus() : StartWithLook(values, kBorrowed);
}

absl::Status SqliteStatement::StartWithLook(std::span<const Value> values, Keeper keeper) {
  if (connection_.IsForked()) return backends::Session::UsedAfterFork();
  const bool untouched = connection_.IsPristine();
  absl::Status status;
  if (!untouched || values.size() != map_.count) status = CheckStart(values.size());
  if (status.ok()) status = Bind(values, keeper);
  if (!status.ok()) return status;
  in_transaction_ = !untouched && connection_.InTransaction();
  const bool begins = connection_.BeginsLease();
  stage_ = untouched && only_reads_ && begins ? Stage::kRunning : Stage::kStarted;
  changes_ = 0;
  commits_before_ = connection_.late_look_.commits();
  if (writes_) changes_before_ = sqlite3_total_changes64(connection_.db());
  connection_.RecordStart();
  return absl::OkStatus();
}

absl::StatusOr<bool> SqliteStatement::Step() {
  return stage_ == Stage::kRunning ? StepNow() : StepInTime();
}

inline absl::StatusOr<bool> SqliteStatement::StepNow() {
  if (connection_.IsForked()) return RefuseAfterFork();
  connection_.Continue();
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  return End(code);
}

absl::StatusOr<bool> SqliteStatement::RefuseAfterFork() {
  return backends::Session::UsedAfterFork();
}

absl::StatusOr<bool> SqliteStatement::StepInTime() {
  if (stage_ != Stage::kStarted) return false;
  stage_ = Stage::kRunning;
  if (connection_.IsLate()) {
    stage_ = Stage::kEnded;
    return backends::Session::TooLate();
  }
  if (!only_reads_) {
    absl::Status status = PrepareToChange();
    if (!status.ok()) return status;
  }
  return StepNow();
}

absl::Status SqliteStatement::PrepareToChange() {
  if (effects_.trace != Trace::kNothing) connection_.Taint(effects_.trace);
  absl::Status status = connection_.MakeRoom(writes_);
  if (!status.ok()) stage_ = Stage::kEnded;
  if (status.ok() && effects_.frees_room) connection_.LendReserve(true);
  return status;
}

absl::StatusOr<bool> SqliteStatement::End(int code) {
  stage_ = Stage::kEnded;
  if (effects_.frees_room) connection_.LendReserve(false);
  connection_.RecordTransaction();
  if (code == SQLITE_DONE ||
      (!only_reads_ &&
       connection_.late_look_.WasDone(code, statement_, in_transaction_, commits_before_))) {
    CountChanges();
    return false;
  }
  const bool commits = !in_transaction_ && sqlite3_stmt_readonly(statement_) == 0;
  absl::Status status = connection_.Fail(code, commits ? Operation::kCommit : Operation::kStatement,
                                         in_transaction_, sql());
  // INSERT OR FAIL leaves in what it has done; of everything else SQLite says that nothing was changed.
  CountChanges();
  return status;
}

// sqlite3_changes keeps the count of an earlier statement when this one changes no rows.
void SqliteStatement::CountChanges() {
  if (writes_ && sqlite3_total_changes64(connection_.db()) != changes_before_)
    changes_ = sqlite3_changes64(connection_.db());
}

void SqliteStatement::Finish() {
  if (!reading() || statement_ == nullptr) return;
  // In the child of a fork a reset could commit what the parent has begun to write. What only reads
  // gives back locks that the child does not have.
  if (plain_) {
    if (const int code = sqlite3_reset(statement_); code != SQLITE_OK) CleanUp(code);
  } else if (!connection_.IsForked()) {
    CleanUp(sqlite3_reset(statement_));
  }
  stage_ = Stage::kIdle;
  connection_.RecordFinish();
}

void SqliteStatement::CleanUp(int code) {
  if (map_.count != 0) sqlite3_clear_bindings(statement_);
  if (stage_ == Stage::kEnded) return;
  if (effects_.frees_room) connection_.LendReserve(false);
  // A run that was left before its end commits here. Only the pool can be told of an error.
  if (code != SQLITE_OK) {
    connection_.Fail(code, Operation::kCommit, in_transaction_, sql()).IgnoreError();
  }
  CountChanges();
}

// ---- many rows ----------------------------------------------------------------------------------

absl::Status SqliteStatement::ExecuteEach(const internal::ManyRows& rows, int64_t& partly) {
  absl::Status status;
  int64_t changed = 0;
  for (size_t row = 0; row < rows.size() && status.ok(); ++row) {
    changes_ = 0;
    rows.With(row, [this, &status](std::span<const Value> values) { status = Execute(values); });
    changed += changes_;
    if (!status.ok()) {
      set_failed_row(static_cast<int>(row));
      partly = changes_;
    }
  }
  changes_ = changed;
  return status;
}

// No rows: what the first one would have met.
absl::Status SqliteStatement::TellOfConnection() {
  absl::Status status = connection_.Ready();
  if (!status.ok()) return status;
  if (connection_.fault_scope() != FaultScope::kStatement) {
    return absl::UnavailableError("the connection met an error, and is closed at its return");
  }
  return connection_.CheckFiles();
}

// One transaction for all rows: one commit, and an error takes back what was done before it.
absl::Status SqliteStatement::ExecuteAll(const internal::ManyRows& rows) {
  set_failed_row(-1);
  changes_ = 0;
  if (reading()) return backends::StillBeingRead(sql());
  if (connection_.IsForked()) return backends::Session::UsedAfterFork();
  if (effects_.bounds_transaction) return backends::BoundsTransactionOfRows(sql());
  if (rows.size() == 0) return TellOfConnection();
  absl::Status status = connection_.CheckSound();
  const bool own = status.ok() && !connection_.InTransaction();
  if (own) status = connection_.BeginTransaction(Durability::kDefault);
  if (!status.ok()) return status;
  int64_t partly = 0;
  status = ExecuteEach(rows, partly);
  backends::RowError error{
      .row = static_cast<size_t>(failed_row()), .size = rows.size(), .partly = partly};
  if (status.ok() && own) {
    status = connection_.CommitTransaction();
    error.row = rows.size();
    if (absl::IsUnknown(status)) error.fate = backends::RowsFate::kUnknown;
  }
  if (status.ok()) return status;
  if (!own && connection_.InTransaction()) {
    error.fate = backends::RowsFate::kKept;
    return backends::OfRow(status, error);
  }
  changes_ = 0;
  if (!own) {
    error.fate = backends::RowsFate::kGivenUp;
  } else if (!connection_.RollbackTransaction().ok()) {
    connection_.MarkFailed(FaultScope::kConnection);
  }
  return backends::OfRow(status, error);
}

int SqliteStatement::columns() const { return sqlite3_column_count(statement_); }

std::string_view SqliteStatement::column_name(int column) const {
  const char* name = sqlite3_column_name(statement_, column);
  return name == nullptr ? std::string_view() : name;
}

// By the sqlite3_value of the column: its type and its content then cost one look at the row, not
// two. SQLite calls such a value unprotected: it may be used by one thread at a time, as the whole
// connection may.
Value SqliteStatement::column(int column) const {
  sqlite3_value* const found = sqlite3_column_value(statement_, column);
  const int type = sqlite3_value_type(found);
  if (type != SQLITE_INTEGER) return ReadOther(found, type, column);
  return Value(static_cast<int64_t>(sqlite3_value_int64(found)));
}

Value SqliteStatement::ReadOther(sqlite3_value* found, int type, int column) const {
  switch (type) {
    case SQLITE_FLOAT:
      return Value(sqlite3_value_double(found));
    case SQLITE_TEXT: {
      // Not sqlite3_value_text: it copies the text to put a zero behind it, and may fail to.
      const void* data = sqlite3_value_blob(found);
      const int size = sqlite3_value_bytes(found);
      return Value(std::string_view(static_cast<const char*>(data), static_cast<size_t>(size)));
    }
    case SQLITE_BLOB: {
      // Not sqlite3_value_blob: it would keep to itself that there was no memory for a zeroblob().
      const void* data = sqlite3_column_blob(statement_, column);
      const int size = sqlite3_column_bytes(statement_, column);
      if (data == nullptr && size > 0) return Value();
      return Value(Blob(static_cast<const std::byte*>(data), static_cast<size_t>(size)));
    }
    default:  // SQLite says NULL for a column that is not there, too
      return column >= 0 && column < columns() ? Value() : Value::NoColumn();
  }
}

std::string_view SqliteStatement::sql() const {
  const char* text = sqlite3_sql(statement_);
  return text == nullptr ? std::string_view() : text;
}

}  // namespace roost::sqlite
