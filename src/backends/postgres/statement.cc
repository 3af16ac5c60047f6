#include "backends/postgres/statement.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "backends/postgres/errors.h"
#include "backends/postgres/parameters.h"
#include "backends/postgres/values.h"
#include "statements/statement_cache.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;
using internal::Quoted;

}  // namespace

int64_t ChangesOf(const Libpq& pq, const Result& result) {
  const std::string_view command = result.command();
  const bool changes = command.starts_with("INSERT") || command.starts_with("UPDATE") ||
                       command.starts_with("DELETE") || command.starts_with("MERGE");
  if (!changes) return 0;
  const std::string_view digits = pq.PQcmdTuples(result.get());
  int64_t count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return count;
}

StatementText::StatementText(const Libpq& pq, std::string_view text)
    : size_(text.size()), memory_(pq, Take(pq, text)) {}

PGresult* StatementText::Take(const Libpq& pq, std::string_view text) {
  Arena arena(pq);
  text_ = arena.Copy(text);
  return arena.Release();
}

PostgresStatement::PostgresStatement(Pipeline& pipeline, StatementText text, const Sql& sql,
                                     SqlTraits traits)
    : pipeline_(pipeline), text_(std::move(text)), hash_(sql.hash()), traits_(traits) {}

PostgresStatement::~PostgresStatement() {
  if (reading_) Finish();
  pipeline_.Deallocate(name());
}

void PostgresStatement::Drop() {
  prepared_ = false;
  reading_ = false;
}

// ---- preparing ----------------------------------------------------------------------------------

bool PostgresStatement::SendPreparing(std::span<const Oid> types) {
  serial_ = pipeline_.NextSerial();
  std::array<char, StatementName::kSize> name{};
  if (!pipeline_.pooler()) last_name().Write(name);
  const Libpq& pq = pipeline_.pq();
  PGconn* const handle = pipeline_.link().handle();
  pipeline_.link().CountQueued(text_.view().size());
  return pq.PQsendPrepare(handle, name.data(), text_.c_str(), static_cast<int>(types.size()),
                          types.data()) == 1 &&
         pq.PQsendDescribePrepared(handle, name.data()) == 1;
}

// The answers to Parse and Describe. What was sent behind them may have been done even if these do
// not come: `doing` says what that is.
absl::Status PostgresStatement::TakePreparing(const Doing& doing) {
  const absl::StatusOr<Result> parsed = pipeline_.TakeCommand(doing);
  if (!parsed.ok()) return parsed.status();
  prepared_ = !pipeline_.pooler();
  absl::StatusOr<Result> described = pipeline_.TakeCommand(doing);
  if (!described.ok()) return described.status();
  return NoteDescribed(*std::move(described));
}

absl::Status PostgresStatement::NoteDescribed(Result description) {
  description_ = std::move(description);
  parameters_ = static_cast<uint16_t>(pipeline_.pq().PQnparams(description_.get()));
  has_bytes_ = false;
  for (int i = 0; i < columns(); ++i) {
    has_bytes_ = has_bytes_ || pipeline_.pq().PQftype(description_.get(), i) == kBytea;
  }
  if (parameters() <= static_cast<int>(Parameters::kMax)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({Quoted(sql()), " has ", std::to_string(parameters()), " placeholders; at most ",
              std::to_string(Parameters::kMax), " are supported"}));
}

absl::Status PostgresStatement::Describe() {
  const Doing doing{.sql = sql()};
  absl::Status status = pipeline_.Ready();
  if (!status.ok()) return status;
  if (!pipeline_.Begin(/*with_begin=*/false) || !SendPreparing({}) || !pipeline_.Send()) {
    return pipeline_.failures().Lost(doing);
  }
  status = pipeline_.TakePutOff(doing);
  if (status.ok()) status = TakePreparing(doing);
  return Broke(status);
}

// Takes what follows an answer; the first error counts.
absl::Status PostgresStatement::Broke(const absl::Status& status) {
  const absl::Status ended = pipeline_.End({.sql = sql()}, /*judge=*/status.ok());
  return status.ok() ? ended : status;
}

// ---- running ------------------------------------------------------------------------------------

// A moment has two forms, and which one is meant only the server knows. So it is with bytes, which it
// takes for the binary form of any type.
bool NeedTypes(std::span<const Value> values) {
  return std::any_of(values.begin(), values.end(), [](const Value& value) {
    return value.is_moment() || value.type() == Value::Type::kBlob;
  });
}

absl::Status PostgresStatement::Learn(std::span<const Value> values) {
  if (described() || !NeedTypes(values)) return absl::OkStatus();
  absl::Status status = Describe();
  return status.ok() ? CheckCount(values.size()) : status;
}

// What a CALL had committed before such an error would be done twice.
bool PostgresStatement::MayBeOutdated(std::string_view sqlstate) const {
  return WantsPreparing(sqlstate) || (WantsDescribing(sqlstate) && !traits_.taints);
}

absl::Status PostgresStatement::CheckStart(std::span<const Value> values) const {
  if (reading_) return backends::StillBeingRead(sql());
  absl::Status status;
  if (described()) {
    status = CheckCount(values.size());
  } else if (values.size() > Parameters::kMax) {
    status = absl::InvalidArgumentError(
        Concat({Quoted(sql()), " was given ", std::to_string(values.size()), " values; at most ",
                std::to_string(Parameters::kMax), " are supported"}));
  }
  // What could commit is not sent to a connection that can be known to be dead.
  if (status.ok()) status = pipeline_.Ready(traits_.reads);
  if (status.ok() && traits_.bounds_transaction && pipeline_.session().transaction().ours()) {
    status = backends::Session::BoundsTransaction(sql());
  }
  return status;
}

absl::Status PostgresStatement::Start(std::span<const Value> values, bool gathers) {
  absl::Status status = CheckStart(values);
  if (status.ok()) status = Learn(values);
  if (!status.ok()) return status;
  const bool relies_on_the_past = prepared_ || described();
  const bool in_transaction = pipeline_.InTransaction();
  status = RunOnce(values, gathers);
  if (status.ok()) return status;
  const std::string_view sqlstate = PostgresSqlState(status);
  if (!MayBeOutdated(sqlstate) || !(relies_on_the_past || sqlstate == "42P05")) return status;
  // The session lost it, or the types of its columns or parameters have changed: nothing was done.
  // Inside of a transaction that error was its end, and the next run finds the statement prepared
  // anew.
  Unlearn();
  if (in_transaction) {
    status = LostInTransaction(sql(), sqlstate);
    pipeline_.session().transaction().NoteFailure(status);
    return status;
  }
  status = pipeline_.Ready();
  if (status.ok()) status = Learn(values);
  return status.ok() ? RunOnce(values, gathers) : status;
}

void PostgresStatement::Unlearn() {
  pipeline_.Deallocate(name());
  prepared_ = false;
  description_ = Result();
}

absl::Status LostInTransaction(std::string_view sql, std::string_view sqlstate) {
  return MakeStatus(absl::StatusCode::kAborted, sqlstate,
                    {.sql = sql,
                     .message = "the session's prepared form of it was no longer good",
                     .advice = "run the whole transaction again"});
}

bool PostgresStatement::SendPrepared(const Parameters& parameters) {
  pipeline_.link().CountQueued(parameters.bytes());
  std::array<char, StatementName::kSize> name{};
  if (!pipeline_.pooler()) last_name().Write(name);
  return pipeline_.pq().PQsendQueryPrepared(pipeline_.link().handle(), name.data(),
                                            parameters.count(), parameters.values(),
                                            parameters.lengths(), parameters.formats(), 0) == 1;
}

bool PostgresStatement::SendRun(const Parameters& parameters, const Oid* types) {
  const Libpq& pq = pipeline_.pq();
  PGconn* const handle = pipeline_.link().handle();
  if (!pipeline_.pooler()) return SendPrepared(parameters);
  pipeline_.link().CountQueued(parameters.bytes() + text_.view().size());
  return pq.PQsendQueryParams(handle, text_.c_str(), parameters.count(), types, parameters.values(),
                              parameters.lengths(), parameters.formats(), 0) == 1;
}

absl::Status PostgresStatement::Send(std::span<const Value> values, bool gathers, Sent& how) {
  commits_ = !traits_.reads && !pipeline_.InTransaction();
  Parameters parameters(pipeline_.pq());
  absl::Status status = parameters.Read(values, description_.get(), sql());
  if (!status.ok()) return status;
  const bool prepares = pipeline_.pooler() ? !described() : !prepared_;
  // What the description says is of an earlier preparation: the types that the values were written
  // for are declared, so that values for other types are an error and not something else.
  std::array<Oid, Parameters::kMax> places;
  std::span<const Oid> types;
  if (described() && (prepares || pipeline_.pooler())) {
    types = DeclareTypes(pipeline_.pq(), values, description_.get(), places);
  }
  // Alone it has libpq's own Sync behind it, and costs less than half of what the pipeline does.
  const bool alone = !prepares && pipeline_.IsClear();
  gathers_ = alone && gathers;
  const bool sent =
      (alone || (pipeline_.Begin(/*with_begin=*/true) && (!prepares || SendPreparing(types)))) &&
      SendRun(parameters, types.data()) && (alone || pipeline_.Send());
  if (!sent) {
    return pipeline_.failures().Lost(
        {.sql = sql(), .operation = commits_ ? Operation::kCommit : Operation::kStatement});
  }
  if (traits_.taints) pipeline_.session().Taint();
  if (alone) pipeline_.link().RecordAlone(gathers_);
  how = {.alone = alone, .prepares = prepares};
  return status;
}

absl::Status PostgresStatement::RunOnce(std::span<const Value> values, bool gathers) {
  Sent sent;
  absl::Status status = Send(values, gathers, sent);
  if (!status.ok()) return status;
  if (!sent.alone) {
    const Doing doing{.sql = sql(),
                      .operation = commits_ ? Operation::kCommit : Operation::kStatement};
    status = pipeline_.TakePutOff(doing);
    if (status.ok() && sent.prepares) {
      status = TakePreparing(doing);
      if (status.ok()) status = CheckCount(values.size());
    }
    if (!status.ok()) return Broke(status);
    pipeline_.pq().PQsetSingleRowMode(pipeline_.link().handle());
  }
  changes_ = 0;
  reading_ = true;
  ended_ = false;
  pipeline_.RecordStart(*this);
  const absl::StatusOr<bool> first = Take(pipeline_.Receive());
  waiting_row_ = first.ok() && *first;
  if (!first.ok()) Finish();
  return first.status();
}

absl::StatusOr<bool> PostgresStatement::Take(Reply reply) {
  const Doing doing{.sql = sql(),
                    .operation = commits_ ? Operation::kCommit : Operation::kStatement};
  rows_ = Result();
  row_ = 0;
  if (reply.status == PGRES_SINGLE_TUPLE) {
    rows_ = std::move(reply.result);
    return DecodeBytes();
  }
  ended_ = true;
  if (!reply.good()) {
    absl::Status failed = pipeline_.failures().Fail(reply, doing);
    return Broke(commits_ ? failed : internal::UndoneWithOthers(std::move(failed)));
  }
  absl::Status status = TakeEnd(reply);
  // Only now: a statement without a transaction commits after it has said that it is complete.
  const absl::Status end = pipeline_.End(doing, /*judge=*/true);
  if (status.ok()) status = end;
  if (!status.ok()) return status;
  if (!gathers_ || pipeline_.pq().PQntuples(reply.result.get()) == 0) return false;
  rows_ = std::move(reply.result);
  return DecodeBytes();
}

absl::Status PostgresStatement::TakeEnd(const Reply& reply) {
  if (reply.status == PGRES_EMPTY_QUERY) return internal::HoldsNoStatement(sql());
  if (!traits_.reads) changes_ = ChangesOf(pipeline_.pq(), reply.result);
  return absl::OkStatus();
}

absl::StatusOr<bool> PostgresStatement::DecodeBytes() {
  if (prepared_ && !has_bytes_) return true;
  const Libpq& pq = pipeline_.pq();
  for (int i = 0; i < pq.PQnfields(rows_.get()); ++i) {
    if (pq.PQftype(rows_.get(), i) != kBytea || pq.PQgetisnull(rows_.get(), row_, i) != 0) continue;
    // The row is ours alone, and is decoded once.
    const std::span<char> text(pq.PQgetvalue(rows_.get(), row_, i),
                               static_cast<size_t>(pq.PQgetlength(rows_.get(), row_, i)));
    if (DecodeHex(text)) continue;
    return absl::FailedPreconditionError(
        Concat({"column ", std::to_string(i + 1), " of ", Quoted(sql()),
                " cannot be read as bytes: set bytea_output = hex (the default) for the role"}));
  }
  return true;
}

absl::StatusOr<bool> PostgresStatement::Step() {
  if (!reading_) return false;
  if (pipeline_.session().IsForked()) return backends::Session::UsedAfterFork();
  if (std::exchange(waiting_row_, false)) return true;
  if (!ended_) return Take(pipeline_.Receive());
  if (!rows_ || row_ + 1 >= pipeline_.pq().PQntuples(rows_.get())) return false;
  ++row_;
  return DecodeBytes();
}

void PostgresStatement::Finish() {
  if (!reading_) return;
  reading_ = false;
  waiting_row_ = false;
  rows_ = Result();
  pipeline_.RecordFinish(*this);
  if (ended_ || pipeline_.session().IsForked()) return;
  ended_ = true;
  if (SteppedRun& run = SteppedRun::Of(pipeline_); run.is_under_way()) return run.GiveUp(*this);
  pipeline_.EndReading({.sql = sql()});
}

// ---- in steps; see stepped_run.h -----------------------------------------------------------------

absl::StatusOr<roost::Step> PostgresStatement::StartInSteps(std::span<const Value> values) {
  return SteppedRun::Of(pipeline_).Start(*this, values);
}

absl::StatusOr<roost::Step> PostgresStatement::Advance(TimePoint now) {
  return SteppedRun::Of(pipeline_).Advance(*this, now);
}

// ---- reading ------------------------------------------------------------------------------------

int PostgresStatement::parameters() const { return described() ? parameters_ : 0; }

// The row knows best: through a pooler each run has columns of its own.
const PGresult* PostgresStatement::shape() const {
  return rows_ ? rows_.get() : description_.get();
}

int PostgresStatement::columns() const {
  return shape() != nullptr ? pipeline_.pq().PQnfields(shape()) : 0;
}

std::string_view PostgresStatement::column_name(int column) const {
  const char* const name = pipeline_.pq().PQfname(shape(), column);
  return name == nullptr ? std::string_view() : name;
}

Value PostgresStatement::column(int column) const {
  const Libpq& pq = pipeline_.pq();
  const PGresult* const rows = rows_.get();
  if (column < 0 || column >= pq.PQnfields(rows)) return Value::NoColumn();
  const auto size = static_cast<size_t>(pq.PQgetlength(rows, row_, column));
  if (size == 0 && pq.PQgetisnull(rows, row_, column) != 0) return Value();
  const std::string_view text(pq.PQgetvalue(rows, row_, column), size);
  return ReadColumn(pq.PQftype(rows, column), text);
}

}  // namespace roost::postgres
