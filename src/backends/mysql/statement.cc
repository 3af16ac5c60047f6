#include "backends/mysql/statement.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "backends/common/error.h"
#include "backends/mysql/connection.h"
#include "backends/mysql/errors.h"
#include "statements/text.h"

namespace roost::mysql {
namespace {

using internal::Concat;
using internal::Quoted;

// Rows drained after a reader stops early; beyond that the connection is closed.
constexpr int kRowsToDrop = 1000;
constexpr Duration kTimeToDrop = std::chrono::milliseconds(250);

// Without a backslash and a double quote a text reads alike in each sql_mode.
bool IsPlain(std::string_view sql) { return sql.find_first_of("\\\"") == std::string_view::npos; }

}  // namespace

MysqlStatement::MysqlStatement(MysqlConnection& connection, const Sql& sql, Translation translation,
                               SqlTraits traits, SqlMode mode)
    : connection_(connection),
      parts_(new Parts{.text = std::string(sql.text()),
                       .translation = std::move(translation),
                       .mode = mode,
                       .is_plain = IsPlain(sql.text()),
                       .parameters = Parameters(0),
                       .columns = {},
                       .binds = {}}),
      traits_(traits) {
  parts_->parameters = Parameters(parts_->translation.places.size());
}

MysqlStatement::~MysqlStatement() {
  if (reading_) Finish();
  Forget();
}

Wire& MysqlStatement::wire() const { return connection_.wire(); }

Doing MysqlStatement::doing() const {
  return {.sql = sql(), .operation = commits_ ? Operation::kCommit : Operation::kStatement};
}

// ---- preparing ----------------------------------------------------------------------------------

// Where the session lives, the server is told, which answers nothing.
void MysqlStatement::Forget() {
  MYSQL_STMT* const statement = std::exchange(parts_->statement, nullptr);
  parts_->columns.clear();
  if (statement == nullptr || wire().session().IsForked()) return;
  Link& link = wire().link();
  if (link.open() && link.pending()) {
    // Something else is under way, so that the handle takes no other call.
    if (!wire().Settle().ok()) link.Break();
  }
  link.CloseStatement(statement);
  if (link.pending()) link.Break();
}

// The session reads backslashes otherwise than when this was read.
absl::Status MysqlStatement::ReadAgain() {
  if (parts_->mode == wire().mode()) return absl::OkStatus();
  absl::StatusOr<Translation> translation = Translate(sql(), wire().mode());
  if (!translation.ok()) return translation.status();
  parts_->mode = wire().mode();
  parts_->translation = *std::move(translation);
  parts_->parameters = Parameters(parts_->translation.places.size());
  traits_ = ReadTraits(sql(), parts_->mode);
  return absl::OkStatus();
}

absl::Status MysqlStatement::Make() {
  absl::Status status = wire().Ready();
  if (status.ok()) status = ReadAgain();
  if (!status.ok()) return status;
  parts_->statement = wire().lib().mysql_stmt_init(wire().handle());
  if (parts_->statement != nullptr) return status;
  return absl::ResourceExhaustedError(Concat({Quoted(sql()), ": libmariadb has no memory"}));
}

absl::Status MysqlStatement::Prepare() {
  if (parts_->statement != nullptr) return absl::OkStatus();
  absl::Status status = Make();
  if (!status.ok()) return status;
  const Libmariadb& lib = wire().lib();
  const Doing preparing{.sql = sql()};
  wire().link().Prepare(parts_->statement, parts_->translation.text);
  status = wire().Finish(preparing);
  if (!status.ok()) return status;
  if (wire().link().code() == 0) {
    if (lib.mysql_stmt_param_count(parts_->statement) != parts_->translation.places.size()) {
      status = absl::InvalidArgumentError(
          Concat({Quoted(sql()), " has other placeholders for the server than for roostpool"}));
    } else {
      status = CheckFields();
    }
    if (status.ok()) return status;
  } else {
    status = wire().Fail(parts_->statement, preparing);
  }
  Forget();
  return status;
}

// ---- running ------------------------------------------------------------------------------------

absl::Status MysqlStatement::CheckStart(size_t count) {
  if (reading_) return backends::StillBeingRead(sql());
  absl::Status status = wire().Ready();
  if (status.ok() && parts_->statement == nullptr) status = ReadAgain();
  if (status.ok()) status = backends::CheckCount(sql(), parameters(), count);
  if (status.ok() && traits_.bounds_transaction && wire().session().transaction().ours()) {
    status = backends::Session::BoundsTransaction(sql());
  }
  return status;
}

absl::Status MysqlStatement::Start(std::span<const Value> values) {
  absl::Status status = CheckStart(values.size());
  for (size_t i = 0; status.ok() && i < values.size(); ++i) {
    status = CheckValue(i, values[i], sql());
  }
  if (!status.ok()) return status;
  const bool relies_on_the_past = parts_->statement != nullptr;
  status = RunOnce(values);
  if (status.ok() || !relies_on_the_past || !wire().condemned().ok() ||
      !WantsPreparing(static_cast<unsigned>(MysqlErrno(status)))) {
    return status;
  }
  // The session lost it, and nothing was done.
  Forget();
  return RunOnce(values);
}

// Where the server may take the text otherwise than it was read here, it says first how many values it
// wants.
bool MysqlStatement::RunsAtOnce() const {
  return parts_->statement == nullptr && parts_->is_plain && wire().peer().runs_at_once;
}

absl::Status MysqlStatement::RunOnce(std::span<const Value> values) {
  const bool at_once = RunsAtOnce();
  absl::Status status = at_once ? Make() : Prepare();
  if (!status.ok()) return status;
  parts_->parameters.Read(values, parts_->translation.places);
  return BindAndExecute(parts_->parameters.binds(), at_once);
}

absl::Status MysqlStatement::BindAndExecute(MYSQL_BIND* binds, bool at_once) {
  const Libmariadb& lib = wire().lib();
  const auto count = static_cast<unsigned>(parts_->translation.places.size());
  const bool in_transaction = wire().InTransaction();
  commits_ = !traits_.reads && !in_transaction;
  may_open_ = traits_.bounds_transaction || in_transaction;
  changes_ = 0;
  if (traits_.taints) wire().session().Taint();
  if (count > 0 && ((at_once && lib.mysql_stmt_attr_set(parts_->statement, STMT_ATTR_PREBIND_PARAMS,
                                                        &count) != 0) ||
                    lib.mysql_stmt_bind_param(parts_->statement, binds) != 0)) {
    return FailWith({.sql = sql()});
  }
  return ExecuteNow(at_once);
}

absl::Status MysqlStatement::ExecuteNow(bool at_once) {
  if (at_once) {
    wire().link().PrepareAndExecute(parts_->statement, parts_->translation.text);
  } else {
    wire().link().Execute(parts_->statement);
  }
  absl::Status status = wire().Finish(doing());
  if (!status.ok()) return status;
  if (wire().link().code() != 0) {
    status = FailWith(doing());
    wire().RecordTransaction();
    if (parts_->statement->state == MYSQL_STMT_INITTED) Forget();  // it was not prepared
    return status;
  }
  if (wire().lib().mysql_stmt_param_count(parts_->statement) != parts_->translation.places.size()) {
    return wire().Condemn(
        absl::InternalError(
            Concat({Quoted(sql()), " had other placeholders for the server than for roostpool"})),
        FaultScope::kConnection);
  }
  reading_ = true;
  ended_ = false;
  wire().RecordStart(*this);
  if (columns() > 0) {
    status = BindColumns() ? CheckFields() : FailWith(doing());
    if (status.ok()) return status;
  } else {
    status = TakeEnd().status();
  }
  if (!status.ok()) Finish();
  return status;
}

absl::Status MysqlStatement::FailWith(const Doing& doing) {
  absl::Status failed = wire().Fail(parts_->statement, doing);
  return commits_ ? failed : internal::UndoneWithOthers(std::move(failed));
}

absl::Status MysqlStatement::CheckFields() const {
  const MYSQL_FIELD* const fields = wire().lib().mariadb_stmt_fetch_fields(parts_->statement);
  absl::Status status;
  for (int i = 0; status.ok() && i < columns(); ++i) status = CheckField(fields[i], sql());
  return status;
}

// The columns of this run: a table may have changed since the last.
bool MysqlStatement::BindColumns() {
  const Libmariadb& lib = wire().lib();
  const MYSQL_FIELD* const fields = lib.mariadb_stmt_fetch_fields(parts_->statement);
  const auto count = static_cast<size_t>(columns());
  std::vector<Column>& columns = parts_->columns;
  const auto fits = [&] {
    if (columns.size() != count) return false;
    for (size_t i = 0; i < count; ++i) {
      if (!columns[i].IsOf(fields[i])) return false;
    }
    return true;
  };
  if (!fits()) {
    columns.clear();
    columns.reserve(count);
    for (size_t i = 0; i < count; ++i) columns.emplace_back(fields[i]);
  }
  return BindRoom();
}

bool MysqlStatement::BindRoom() {
  std::vector<MYSQL_BIND>& binds = parts_->binds;
  binds.clear();
  for (Column& column : parts_->columns) binds.push_back(column.Bind());
  return wire().lib().mysql_stmt_bind_result(parts_->statement, binds.data()) == 0;
}

// For a row that was read. The library of MariaDB 10.11.18 sets the lengths of its values to zero.
bool MysqlStatement::BindRoomAnew() {
  std::vector<Column::Answer> answers;
  for (const Column& column : parts_->columns) answers.push_back(column.answer());
  if (!BindRoom()) return false;
  for (size_t i = 0; i < answers.size(); ++i) parts_->columns[i].set_answer(answers[i]);
  return true;
}

// ---- reading ------------------------------------------------------------------------------------

absl::StatusOr<bool> MysqlStatement::Step() {
  if (!reading_ || ended_) return false;
  if (wire().session().IsForked()) return backends::Session::UsedAfterFork();
  // Rows that are there already meet the deadline, too.
  if (wire().session().IsLate()) {
    ended_ = true;
    return wire().Late(doing());
  }
  wire().link().Fetch(parts_->statement);
  absl::Status status = wire().Finish(doing());
  if (!status.ok()) {
    ended_ = true;
    return status;
  }
  return TakeRow(wire().link().code());
}

absl::StatusOr<bool> MysqlStatement::TakeRow(int code) {
  if (code == MYSQL_NO_DATA) return TakeEnd();
  if (code != 0 && code != MYSQL_DATA_TRUNCATED) {
    ended_ = true;
    return FailWith(doing());
  }
  ++rows_;
  bool grown = false;
  for (size_t i = 0; i < parts_->columns.size(); ++i) {
    if (!parts_->columns[i].Grow()) continue;
    grown = true;
    MYSQL_BIND bind = parts_->columns[i].Bind();
    wire().lib().mysql_stmt_fetch_column(parts_->statement, &bind, static_cast<unsigned>(i), 0);
  }
  if (grown && !BindRoomAnew()) {
    ended_ = true;
    return FailWith(doing());
  }
  return true;
}

// Behind a CALL comes at least one more result.
absl::StatusOr<bool> MysqlStatement::TakeEnd() {
  ended_ = true;
  CountChanges();
  absl::Status status = TakeFurtherResults();
  wire().RecordTransaction();
  if (status.ok()) status = wire().CheckLeft(may_open_);
  if (!status.ok()) return status;
  return false;
}

// A statement that gives rows says no number: INSERT ... RETURNING gives those that it has changed.
void MysqlStatement::CountChanges() {
  if (traits_.reads) return;
  if (columns() > 0) {
    changes_ = rows_;
    return;
  }
  const unsigned long long count = wire().lib().mysql_stmt_affected_rows(parts_->statement);
  changes_ = count > static_cast<unsigned long long>(INT64_MAX) ? 0 : static_cast<int64_t>(count);
}

absl::Status MysqlStatement::TakeFurtherResults() {
  const Libmariadb& lib = wire().lib();
  while (lib.mysql_stmt_more_results(parts_->statement) != 0) {
    if (wire().session().IsLate()) return wire().Late(doing());
    // The columns of another result would be those of this statement for its next run.
    further_ = true;
    wire().link().NextResult(parts_->statement);
    absl::Status status = wire().Finish(doing());
    if (!status.ok()) return status;
    if (wire().link().code() > 0) return FailWith(doing());
    if (lib.mysql_stmt_field_count(parts_->statement) == 0) {
      if (lib.mysql_stmt_more_results(parts_->statement) == 0) continue;
      // No server has one without rows before the last, and the library dies of the next.
      return wire().Condemn(absl::UnavailableError(Concat(
                                {Quoted(sql()), ": the server answers what no server does"})),
                            FaultScope::kConnection);
    }
    status = TakeRestOfResult();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status MysqlStatement::TakeRestOfResult() {
  parts_->columns.clear();
  if (!BindColumns()) return FailWith(doing());
  for (;;) {
    if (wire().session().IsLate()) return wire().Late(doing());
    wire().link().Fetch(parts_->statement);
    absl::Status status = wire().Finish(doing());
    if (!status.ok()) return status;
    const int code = wire().link().code();
    if (code == MYSQL_NO_DATA) return absl::OkStatus();
    if (code != 0 && code != MYSQL_DATA_TRUNCATED) return FailWith(doing());
  }
}

void MysqlStatement::Finish() {
  if (!reading_) return;
  if (!ended_ && wire().condemned().ok() && !wire().session().IsForked()) DropRest();
  reading_ = false;
  ended_ = true;
  rows_ = 0;
  for (Column& column : parts_->columns) column.Shrink();
  // Its next run begins with the columns of its first result.
  if (std::exchange(further_, false) && wire().condemned().ok() && wire().link().open() &&
      !wire().session().IsForked()) {
    Forget();
  }
  wire().RecordFinish(*this);
}

// What was not read must not meet the next question.
void MysqlStatement::DropRest() {
  backends::Session& session = wire().session();
  const Deadline before = session.deadline();
  session.set_deadline(std::min(before, Deadline::After(session.platform().Now(), kTimeToDrop)));
  bool more = true;
  for (int row = 0; more && row < kRowsToDrop; ++row) {
    const absl::StatusOr<bool> stepped = Step();
    more = stepped.ok() && *stepped;
  }
  session.set_deadline(before);
  if (!more) return;
  wire().NoteGivenUp();
  wire()
      .Condemn(absl::UnavailableError(
                   Concat({Quoted(sql()),
                           " was not read to its end, and too much was left: the connection is "
                           "closed; read all rows, or bound them with LIMIT"})),
               FaultScope::kConnection)
      .IgnoreError();
}

// ---- what it is ---------------------------------------------------------------------------------

int MysqlStatement::columns() const {
  if (parts_->statement == nullptr) return 0;
  return static_cast<int>(wire().lib().mysql_stmt_field_count(parts_->statement));
}

std::string_view MysqlStatement::column_name(int column) const {
  if (column < 0 || column >= columns()) return {};
  const MYSQL_FIELD& field = wire().lib().mariadb_stmt_fetch_fields(parts_->statement)[column];
  return {field.name, field.name_length};
}

Value MysqlStatement::column(int column) const {
  if (column < 0 || static_cast<size_t>(column) >= parts_->columns.size()) {
    return Value::NoColumn();
  }
  return parts_->columns[static_cast<size_t>(column)].Read();
}

}  // namespace roost::mysql
