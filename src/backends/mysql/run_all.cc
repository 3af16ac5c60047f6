// MysqlStatement::ExecuteAll: many rows in few round trips.
//
// MariaDB takes the values of many rows with one run of an INSERT. Those that fit into one round trip are
// one statement, which is all or nothing by itself and needs no transaction:
//
//   -> [prepare] run of all rows
//
// More than that, and what a server does not take together, goes into a transaction: one commit, and an
// error takes back what was done before it.
#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

#include "backends/common/error.h"
#include "backends/mysql/connection.h"
#include "backends/mysql/errors.h"
#include "backends/mysql/row_batch.h"
#include "backends/mysql/statement.h"

namespace roost::mysql {
namespace {

using internal::ManyRows;

// "This command is not supported in the prepared statement protocol yet": not for many rows at a time.
constexpr int kNotTogether = 1295;
constexpr char kNoteRow[] = "GET DIAGNOSTICS CONDITION 1 @roostpool_row = ROW_NUMBER";
constexpr char kReadRow[] = "SELECT @roostpool_row";

int Saturated(size_t row) {
  return static_cast<int>(std::min<size_t>(row, std::numeric_limits<int>::max()));
}

}  // namespace

absl::Status MysqlStatement::CheckRows() {
  if (reading_) return backends::StillBeingRead(sql());
  if (wire().session().IsForked()) return backends::Session::UsedAfterFork();
  if (traits_.bounds_transaction) return backends::BoundsTransactionOfRows(sql());
  absl::Status status = wire().Ready();
  if (status.ok() && parts_->statement == nullptr) status = ReadAgain();
  return status;
}

absl::Status MysqlStatement::ExecuteAll(const ManyRows& rows) {
  set_failed_row(-1);
  changes_ = 0;
  absl::Status status = CheckRows();
  if (!status.ok() || rows.size() == 0) return status;
  const bool own = !wire().InTransaction();
  const bool batches = TakesBatches();
  RowBatch batch(parts_->translation.places);
  Exchange exchange;
  if (batches) Fill(rows, batch, exchange);
  const bool alone = own && wire().CommitsEach() && exchange.end == rows.size();
  if (own && !alone) status = connection_.BeginRows();
  if (!status.ok()) return status;
  status = batches ? RunBatches(rows, batch, exchange) : ExecuteEach(rows);
  if (batches && MysqlErrno(status) == kNotTogether && wire().condemned().ok()) {
    if (own && !alone) connection_.RollBackRows();
    one_by_one_ = true;
    return ExecuteAll(rows);
  }
  backends::RowError error{.row = static_cast<size_t>(std::max(failed_row(), 0)),
                           .size = rows.size()};
  if (status.ok() && own && !alone) {
    status = connection_.CommitRows();
    error.row = rows.size();
  }
  if (status.ok()) return status;
  // Elsewhere the transaction says what is in.
  if (absl::IsUnknown(status) && own && (alone || error.row == rows.size())) {
    error.fate = backends::RowsFate::kUnknown;
  }
  if (batches && error.row < rows.size() && exchange.refused.ok()) {
    error = AskFailedRow(exchange, error);
    set_failed_row(Saturated(error.row));
    const bool may_be_in = error.gone > 0 || error.unanswered;
    if (alone && may_be_in && error.fate == backends::RowsFate::kNoneIn) {
      error.fate = backends::RowsFate::kOneStatement;
    }
  }
  return FailRows(status, rows, own, error);
}

absl::Status MysqlStatement::FailRows(const absl::Status& status, const ManyRows& rows, bool own,
                                      backends::RowError error) {
  changes_ = 0;
  if (own) {
    const backends::RowsFate fate = connection_.RollBackRows();
    if (error.fate == backends::RowsFate::kNoneIn) error.fate = fate;
  } else {
    const bool kept = wire().condemned().ok() && wire().InTransaction();
    error.fate = kept ? backends::RowsFate::kKept : backends::RowsFate::kGivenUp;
  }
  if (error.row >= rows.size()) set_failed_row(-1);
  return backends::OfRow(status, error);
}

absl::Status MysqlStatement::ExecuteEach(const ManyRows& rows) {
  absl::Status status;
  int64_t changed = 0;
  for (size_t row = 0; row < rows.size() && status.ok(); ++row) {
    rows.With(row, [this, &status](std::span<const Value> values) {
      status = StatementBase::Execute(values);
    });
    changed += changes_;
    if (!status.ok()) set_failed_row(Saturated(row));
  }
  changes_ = status.ok() ? changed : 0;
  return status;
}

// ---- many at a time -----------------------------------------------------------------------------

bool MysqlStatement::TakesBatches() const {
  return traits_.inserts && !one_by_one_ && wire().peer().names_rows &&
         parts_->translation.parameters > 0;
}

// As many rows behind exchange.first as fit. A value of another type than those before it in its column
// begins the next round trip.
void MysqlStatement::Fill(const ManyRows& rows, RowBatch& batch, Exchange& exchange) const {
  const auto longest = static_cast<size_t>(wire().backend().options().max_result_bytes) / 2;
  const size_t most = std::min(rows.max_bytes(), longest);
  size_t bytes = 0;
  bool fits = true;
  const auto take = [&](std::span<const Value> values) {
    exchange.refused = backends::CheckCount(sql(), parameters(), values.size());
    for (size_t i = 0; exchange.refused.ok() && i < values.size(); ++i) {
      exchange.refused = CheckValue(i, values[i], sql());
    }
    if (!exchange.refused.ok()) return;
    bytes += RowBatch::BytesOf(values);
    fits = (batch.rows() == 0 || bytes <= most) && batch.Add(values);
  };
  batch.Clear();
  while (exchange.end < rows.size() && exchange.end - exchange.first < rows.max_rows()) {
    rows.With(exchange.end, take);
    if (!exchange.refused.ok() || !fits) return;
    ++exchange.end;
  }
}

absl::Status MysqlStatement::RunBatches(const ManyRows& rows, RowBatch& batch, Exchange& exchange) {
  int64_t changed = 0;
  for (;;) {
    set_failed_row(Saturated(exchange.first));
    absl::Status status = exchange.first > 0 ? wire().Ready() : absl::OkStatus();
    if (status.ok() && batch.rows() > 0) status = RunBatch(batch);
    if (!status.ok()) {
      exchange.refused = absl::OkStatus();
      return status;
    }
    changed += changes_;
    if (!exchange.refused.ok()) {
      set_failed_row(Saturated(exchange.end));
      return exchange.refused;
    }
    if (exchange.end == rows.size()) break;
    exchange = {.first = exchange.end, .end = exchange.end};
    Fill(rows, batch, exchange);
  }
  set_failed_row(-1);
  changes_ = changed;
  return absl::OkStatus();
}

absl::Status MysqlStatement::RunBatch(RowBatch& batch) {
  const bool relies_on_the_past = parts_->statement != nullptr;
  absl::Status status = RunBatchOnce(batch);
  if (status.ok() || !relies_on_the_past || !wire().condemned().ok() ||
      !WantsPreparing(static_cast<unsigned>(MysqlErrno(status)))) {
    return status;
  }
  Forget();
  return RunBatchOnce(batch);
}

absl::Status MysqlStatement::RunBatchOnce(RowBatch& batch) {
  const Libmariadb& lib = wire().lib();
  const auto set_rows = [&](size_t rows) {
    const auto count = static_cast<unsigned>(rows);
    lib.mysql_stmt_attr_set(parts_->statement, STMT_ATTR_ARRAY_SIZE, &count);
  };
  const bool at_once = RunsAtOnce();
  absl::Status status = at_once ? Make() : Prepare();
  if (!status.ok()) return status;
  set_rows(batch.rows());
  status = BindAndExecute(batch.Bind(), at_once);
  // Else the next run of one row would be one of many.
  if (parts_->statement != nullptr) set_rows(0);
  if (status.ok()) Finish();
  return status;
}

// Where the link lives, the server says which row the error is about.
backends::RowError MysqlStatement::AskFailedRow(const Exchange& exchange,
                                                backends::RowError error) {
  std::string number;
  size_t row = 0;
  error.row = exchange.first;
  error.unanswered = true;
  if (!wire().condemned().ok() || wire().owes() || !wire().Ask(kNoteRow, {.sql = kNoteRow}).ok() ||
      !wire().AskFor(kReadRow, {.sql = kReadRow}, &number).ok()) {
    return error;
  }
  std::from_chars(number.data(), number.data() + number.size(), row);
  if (row < 1 || row > exchange.end - exchange.first) return error;
  error.gone = row - 1;
  error.row += error.gone;
  error.unanswered = false;
  return error;
}

}  // namespace roost::mysql
