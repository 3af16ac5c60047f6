// PostgresStatement::ExecuteAll: many rows in few exchanges.
//
//   -> BEGIN | Parse, Describe | row, row, ... row | COMMIT | Sync
//
// BEGIN goes with the first exchange and COMMIT with the last, where no transaction is open. The
// server skips what follows an error up to the Sync, the COMMIT included. A transaction that the
// Sync alone would end is not relied on: it would end with each exchange, and a pooler may put Syncs
// in between.
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "backends/common/error.h"
#include "backends/postgres/errors.h"
#include "backends/postgres/parameters.h"
#include "backends/postgres/statement.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::ManyRows;

constexpr char kCommit[] = "COMMIT";
// What a value counts that is neither text nor bytes, and what each costs beside its content.
constexpr size_t kBytesOfValue = 16;

// The types of all parameters, so that values written for them are an error for other ones.
std::span<const Oid> TypesOf(const Libpq& pq, const PGresult* description, std::span<Oid> places) {
  const int count = std::min(pq.PQnparams(description), static_cast<int>(places.size()));
  for (int i = 0; i < count; ++i) places[static_cast<size_t>(i)] = pq.PQparamtype(description, i);
  return places.first(static_cast<size_t>(count));
}

int Saturated(size_t row) {
  return static_cast<int>(std::min<size_t>(row, std::numeric_limits<int>::max()));
}

// The answers to one row. Rows that it gives are thrown away, as many as there are.
absl::Status TakeRow(Pipeline& pipeline, const Doing& doing, int64_t& changes) {
  for (;;) {
    const Reply reply = pipeline.Receive();
    if (reply.kind == Reply::Kind::kEnd) return absl::OkStatus();
    if (!reply.good() || reply.status == PGRES_PIPELINE_ABORTED)
      return pipeline.failures().Fail(reply, doing);
    if (reply.status != PGRES_SINGLE_TUPLE) {
      changes += ChangesOf(pipeline.pq(), reply.result);
    }
  }
}

absl::Status TakeCommit(Pipeline& pipeline, const Doing& doing) {
  const absl::StatusOr<Result> answer = pipeline.TakeCommand(doing);
  if (!answer.ok()) return answer.status();
  // Now, and not before: an error is to find the transaction as one of ours.
  pipeline.session().transaction().End();
  if (answer->command() != "ROLLBACK") return absl::OkStatus();
  return absl::AbortedError("the server has rolled the transaction back: run it again");
}

}  // namespace

absl::Status PostgresStatement::ExecuteAll(const ManyRows& rows) {
  set_failed_row(-1);
  changes_ = 0;
  if (reading_) return backends::StillBeingRead(sql());
  absl::Status status = pipeline_.Ready();
  if (status.ok() && traits_.bounds_transaction) status = backends::BoundsTransactionOfRows(sql());
  if (!status.ok() || rows.size() == 0) return status;
  if (!described()) {
    status = Describe();
    if (status.ok()) status = pipeline_.Ready();
  }
  if (!status.ok()) return status;
  const bool own = !pipeline_.InTransaction();
  status = RunRows(rows, own);
  const std::string_view sqlstate = PostgresSqlState(status);
  if (status.ok() || !MayBeOutdated(sqlstate) || !pipeline_.condemned().ok()) return status;
  // As for one run; what was done of its own transaction was taken back.
  Unlearn();
  if (!own) {
    const absl::Status lost = LostInTransaction(sql(), sqlstate);
    pipeline_.session().transaction().NoteFailure(lost);
    return backends::OfRow(lost, {.row = static_cast<size_t>(failed_row()),
                                  .size = rows.size(),
                                  .fate = backends::RowsFate::kGivenUp});
  }
  set_failed_row(-1);
  status = pipeline_.Ready();
  if (status.ok()) status = Describe();
  return status.ok() ? RunRows(rows, own) : status;
}

absl::Status PostgresStatement::RunRows(const ManyRows& rows, bool own) {
  changes_ = 0;
  backends::Session& session = pipeline_.session();
  if (own) {
    session.transaction().Begin(/*seal_commit=*/false);
    pipeline_.PutOffBegin();
    pipeline_.RecordTransaction();
  }
  absl::Status status;
  for (Exchange exchange; status.ok() && exchange.first < rows.size();
       exchange = {.first = exchange.end}) {
    exchange.end = exchange.first;
    if (exchange.first > 0) status = pipeline_.Ready();
    if (!status.ok()) set_failed_row(Saturated(exchange.first));
    if (status.ok()) status = RunExchange(rows, own, exchange);
  }
  return status.ok() ? status : FailRows(status, rows, own);
}

bool PostgresStatement::QueueRows(const ManyRows& rows, Exchange& exchange) {
  size_t bytes = 0;
  bool fits = true;
  bool queued = true;
  const auto queue = [&](std::span<const Value> values) {
    exchange.refused = CheckCount(values.size());
    Parameters parameters(pipeline_.pq());
    if (exchange.refused.ok()) {
      exchange.refused = parameters.Read(values, description_.get(), sql());
    }
    if (!exchange.refused.ok()) return;
    const size_t size = parameters.bytes() + kBytesOfValue * values.size();
    fits = bytes == 0 || bytes + size <= rows.max_bytes();
    if (!fits) return;
    bytes += size;
    queued = SendPrepared(parameters);
  };
  while (exchange.end < rows.size() && exchange.end - exchange.first < rows.max_rows()) {
    rows.With(exchange.end, queue);
    if (!fits || !queued || !exchange.refused.ok()) break;
    ++exchange.end;
  }
  return queued;
}

absl::Status PostgresStatement::RunExchange(const ManyRows& rows, bool own, Exchange& exchange) {
  const bool prepares = pipeline_.pooler() || !prepared_;
  std::array<Oid, Parameters::kMax> places;
  const std::span<const Oid> types = TypesOf(pipeline_.pq(), description_.get(), places);
  set_failed_row(Saturated(exchange.first));
  if (!pipeline_.Begin(/*with_begin=*/true) || (prepares && !SendPreparing(types)) ||
      !QueueRows(rows, exchange)) {
    return pipeline_.failures().Lost({.sql = sql()});
  }
  exchange.commits = own && exchange.refused.ok() && exchange.end == rows.size();
  const Doing doing{.sql = sql(),
                    .operation = exchange.commits ? Operation::kCommit : Operation::kStatement};
  if ((exchange.commits && !pipeline_.link().Command(kCommit)) || !pipeline_.Send()) {
    return pipeline_.failures().Lost(doing);
  }
  if (traits_.taints) pipeline_.session().Taint();
  absl::Status status = pipeline_.TakePutOff(doing);
  if (status.ok() && prepares) status = TakePreparing(doing);
  if (status.ok()) status = TakeRows(exchange, doing);
  if (status.ok() && exchange.commits) status = TakeCommit(pipeline_, doing);
  absl::Status ended =
      pipeline_.End(doing, /*judge=*/status.ok(), exchange.end - exchange.first + 1);
  if (!status.ok()) return status;
  if (!ended.ok()) return ended;
  if (exchange.refused.ok()) set_failed_row(-1);
  return exchange.refused;
}

absl::Status PostgresStatement::TakeRows(Exchange& exchange, const Doing& doing) {
  absl::Status status;
  for (size_t row = exchange.first; row < exchange.end && status.ok(); ++row) {
    set_failed_row(Saturated(row));
    status = TakeRow(pipeline_, doing, changes_);
  }
  if (status.ok()) set_failed_row(Saturated(exchange.end));
  return status;
}

absl::Status PostgresStatement::FailRows(const absl::Status& status, const ManyRows& rows,
                                         bool own) {
  changes_ = 0;
  const bool lost = !pipeline_.condemned().ok();
  backends::RowError error{.row = static_cast<size_t>(failed_row()),
                           .size = rows.size(),
                           .fate = backends::RowsFate::kNoneIn,
                           .unanswered = lost};
  if (error.row >= rows.size()) set_failed_row(-1);
  if (own) {
    if (absl::IsUnknown(status)) error.fate = backends::RowsFate::kUnknown;
    pipeline_.session().transaction().End();
    const bool begun = !pipeline_.CancelBegin();
    if (!lost) pipeline_.LeaveTransaction(/*tell_server=*/begun).IgnoreError();
    pipeline_.RecordTransaction();
  } else if (lost || pipeline_.HasFailedTransaction()) {
    error.fate = backends::RowsFate::kGivenUp;
  } else {
    error.fate = backends::RowsFate::kKept;
  }
  return backends::OfRow(status, error);
}

}  // namespace roost::postgres
