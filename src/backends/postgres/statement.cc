#include "backends/postgres/statement.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "backends/postgres/connection.h"
#include "backends/postgres/errors.h"
#include "backends/postgres/parameters.h"
#include "backends/postgres/values.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;
using internal::Quoted;

// The number in an answer such as "INSERT 0 3"; a SELECT changes nothing.
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

}  // namespace

void StatementName::Write(std::array<char, kSize>& out) const {
  constexpr std::string_view kPrefix = "roost_";
  char* at = std::copy(kPrefix.begin(), kPrefix.end(), out.data());
  at = std::to_chars(at, out.data() + out.size(), hash, 16).ptr;
  *at++ = '_';
  *std::to_chars(at, out.data() + out.size() - 1, serial, 16).ptr = '\0';
}

StatementText::StatementText(const Libpq& pq, std::string_view text)
    : size_(text.size()), memory_(pq, Take(pq, text)) {}

PGresult* StatementText::Take(const Libpq& pq, std::string_view text) {
  Arena arena(pq);
  text_ = arena.Copy(text);
  return arena.Release();
}

PostgresStatement::PostgresStatement(PostgresConnection& connection, StatementText text,
                                     const Sql& sql, SqlTraits traits)
    : connection_(connection),
      text_(std::move(text)),
      name_{.hash = sql.hash(), .serial = 0},
      traits_(traits) {}

PostgresStatement::~PostgresStatement() {
  if (reading_) Finish();
  connection_.Deallocate(name());
}

void PostgresStatement::Drop() {
  prepared_ = false;
  reading_ = false;
}

// ---- preparing ----------------------------------------------------------------------------------

bool PostgresStatement::SendPreparing() {
  name_.serial = connection_.NextSerial();
  std::array<char, StatementName::kSize> name{};
  if (!connection_.pooler()) name_.Write(name);
  const Libpq& pq = connection_.pq();
  PGconn* const handle = connection_.link().handle();
  return pq.PQsendPrepare(handle, name.data(), text_.c_str(), 0, nullptr) == 1 &&
         pq.PQsendDescribePrepared(handle, name.data()) == 1;
}

// The answers to Parse and Describe. What was sent behind them may have been done even if these do
// not come: `doing` says what that is.
absl::Status PostgresStatement::TakePreparing(const Doing& doing) {
  const absl::StatusOr<Result> parsed = connection_.TakeCommand(doing);
  if (!parsed.ok()) return parsed.status();
  prepared_ = !connection_.pooler();
  absl::StatusOr<Result> described = connection_.TakeCommand(doing);
  if (!described.ok()) return described.status();
  description_ = *std::move(described);
  if (parameters() <= static_cast<int>(Parameters::kMax)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({Quoted(sql()), " has ", std::to_string(parameters()), " placeholders; at most ",
              std::to_string(Parameters::kMax), " are supported"}));
}

absl::Status PostgresStatement::Describe() {
  const Doing doing{.sql = sql()};
  absl::Status status = connection_.Ready();
  if (!status.ok()) return status;
  if (!connection_.BeginExchange(/*with_begin=*/false) || !SendPreparing() ||
      !connection_.SendExchange()) {
    return connection_.Lost(doing);
  }
  status = connection_.TakePutOff(doing);
  if (status.ok()) status = TakePreparing(doing);
  return Broke(status);
}

// Takes what follows an answer; the first error counts.
absl::Status PostgresStatement::Broke(const absl::Status& status) {
  const absl::Status ended = connection_.EndExchange({.sql = sql()}, /*judge=*/status.ok());
  return status.ok() ? ended : status;
}

// ---- running ------------------------------------------------------------------------------------

absl::Status PostgresStatement::CheckCount(size_t count) const {
  if (count == static_cast<size_t>(parameters())) return absl::OkStatus();
  const int wanted = parameters();
  return absl::InvalidArgumentError(Concat(
      {Quoted(sql()), " takes ", std::to_string(wanted), wanted == 1 ? " value, " : " values, ",
       std::to_string(count), count == 1 ? " was given" : " were given"}));
}

absl::Status PostgresStatement::CheckValues(std::span<const Value> values) const {
  if (reading_) {
    return absl::FailedPreconditionError(
        Concat({Quoted(sql()), " is still being read: end its earlier Rows first"}));
  }
  if (described()) return CheckCount(values.size());
  if (values.size() <= Parameters::kMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({Quoted(sql()), " was given ", std::to_string(values.size()), " values; at most ",
              std::to_string(Parameters::kMax), " are supported"}));
}

absl::Status PostgresStatement::Start(std::span<const Value> values) {
  absl::Status status = CheckValues(values);
  if (status.ok()) status = connection_.Ready();
  // A moment has two forms, and which one is meant only the server knows.
  const auto is_moment = [](const Value& value) { return value.is_moment(); };
  if (status.ok() && !described() && std::any_of(values.begin(), values.end(), is_moment)) {
    status = Describe();
    if (status.ok()) status = CheckCount(values.size());
  }
  if (!status.ok()) return status;
  const bool was_prepared = prepared_;
  const bool in_transaction = connection_.InTransaction();
  status = RunOnce(values);
  const std::string_view sqlstate = PostgresSqlState(status);
  if (!WantsPreparing(sqlstate) || !(was_prepared || sqlstate == "42P05")) return status;
  // The session lost it, or its columns have changed: nothing was run. Inside of a transaction that
  // error was its end, and its next run finds the statement prepared anew.
  connection_.Deallocate(name());
  prepared_ = false;
  if (in_transaction) {
    return MakeStatus(absl::StatusCode::kAborted, sqlstate,
                      {.sql = sql(),
                       .message = "the session's prepared form of it was no longer good",
                       .advice = "run the whole transaction again"});
  }
  status = connection_.Ready();
  return status.ok() ? RunOnce(values) : status;
}

bool PostgresStatement::SendRun(const Parameters& parameters) {
  const Libpq& pq = connection_.pq();
  PGconn* const handle = connection_.link().handle();
  if (connection_.pooler()) {
    return pq.PQsendQueryParams(handle, text_.c_str(), parameters.count(), nullptr,
                                parameters.values(), parameters.lengths(), parameters.formats(),
                                0) == 1;
  }
  std::array<char, StatementName::kSize> name;
  name_.Write(name);
  return pq.PQsendQueryPrepared(handle, name.data(), parameters.count(), parameters.values(),
                                parameters.lengths(), parameters.formats(), 0) == 1;
}

absl::Status PostgresStatement::RunOnce(std::span<const Value> values) {
  commits_ = !traits_.reads && !connection_.InTransaction();
  const Doing doing{.sql = sql(),
                    .operation = commits_ ? Operation::kCommit : Operation::kStatement};
  Parameters parameters(connection_.pq());
  absl::Status status = parameters.Read(values, description_.get(), sql());
  if (!status.ok()) return status;
  const bool prepares = connection_.pooler() ? !described() : !prepared_;
  if (!connection_.BeginExchange(/*with_begin=*/true) || (prepares && !SendPreparing()) ||
      !SendRun(parameters) || !connection_.SendExchange()) {
    return connection_.Lost(doing);
  }
  if (traits_.taints) connection_.Taint();
  status = connection_.TakePutOff(doing);
  if (status.ok() && prepares) {
    status = TakePreparing(doing);
    if (status.ok()) status = CheckCount(values.size());
  }
  if (!status.ok()) return Broke(status);
  changes_ = 0;
  reading_ = true;
  ended_ = false;
  connection_.Started(*this);
  connection_.pq().PQsetSingleRowMode(connection_.link().handle());
  const absl::StatusOr<bool> first = Take(connection_.link().Receive(connection_.deadline()));
  waiting_row_ = first.ok() && *first;
  if (!first.ok()) Finish();
  return first.status();
}

absl::StatusOr<bool> PostgresStatement::Take(Reply reply) {
  const Doing doing{.sql = sql(),
                    .operation = commits_ ? Operation::kCommit : Operation::kStatement};
  row_ = Result();
  if (reply.kind == Reply::Kind::kResult && !reply.result.failed() && !reply.result.copies()) {
    if (reply.result.status() == PGRES_SINGLE_TUPLE) {
      row_ = std::move(reply.result);
      absl::Status decoded = DecodeBytes();
      if (!decoded.ok()) return decoded;
      return true;
    }
    ended_ = true;
    absl::Status status = TakeEnd(reply.result);
    // Only now: a statement without a transaction commits after it has said that it is complete.
    const absl::Status end = connection_.EndExchange(doing, /*judge=*/true);
    if (status.ok()) status = end;
    if (!status.ok()) return status;
    return false;
  }
  ended_ = true;
  absl::Status status = connection_.Fail(reply, doing);
  return Broke(status);
}

absl::Status PostgresStatement::TakeEnd(const Result& result) {
  if (result.status() == PGRES_EMPTY_QUERY) {
    return absl::InvalidArgumentError(
        Concat({Quoted(sql()), " holds no statement, only blanks or comments"}));
  }
  changes_ = ChangesOf(connection_.pq(), result);
  return absl::OkStatus();
}

absl::Status PostgresStatement::DecodeBytes() {
  const Libpq& pq = connection_.pq();
  for (int i = 0; i < pq.PQnfields(row_.get()); ++i) {
    if (pq.PQftype(row_.get(), i) != kBytea || pq.PQgetisnull(row_.get(), 0, i) != 0) continue;
    // The row is ours alone, and is cleared before the next one.
    const std::span<char> text(pq.PQgetvalue(row_.get(), 0, i),
                               static_cast<size_t>(pq.PQgetlength(row_.get(), 0, i)));
    if (DecodeHex(text)) continue;
    return absl::FailedPreconditionError(
        Concat({"column ", std::to_string(i + 1), " of ", Quoted(sql()),
                " cannot be read as bytes: set bytea_output = hex (the default) for the role"}));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PostgresStatement::Step() {
  if (!reading_ || ended_) return false;
  if (std::exchange(waiting_row_, false)) return true;
  return Take(connection_.link().Receive(connection_.deadline()));
}

absl::Status PostgresStatement::Execute(std::span<const Value> values) {
  absl::Status status = Start(values);
  if (!status.ok()) return status;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = Step();
  Finish();
  return more.status();
}

void PostgresStatement::Finish() {
  if (!reading_) return;
  reading_ = false;
  waiting_row_ = false;
  row_ = Result();
  connection_.Finished(*this);
  if (ended_) return;
  ended_ = true;
  connection_.EndReading({.sql = sql()});
}

// ---- reading ------------------------------------------------------------------------------------

int PostgresStatement::parameters() const {
  return description_ ? connection_.pq().PQnparams(description_.get()) : 0;
}

int PostgresStatement::columns() const {
  return description_ ? connection_.pq().PQnfields(description_.get()) : 0;
}

std::string_view PostgresStatement::column_name(int column) const {
  const char* const name = connection_.pq().PQfname(description_.get(), column);
  return name == nullptr ? std::string_view() : name;
}

Value PostgresStatement::column(int column) const {
  const Libpq& pq = connection_.pq();
  if (column < 0 || column >= pq.PQnfields(row_.get())) return Value::NoColumn();
  if (pq.PQgetisnull(row_.get(), 0, column) != 0) return Value();
  const std::string_view text(pq.PQgetvalue(row_.get(), 0, column),
                              static_cast<size_t>(pq.PQgetlength(row_.get(), 0, column)));
  return ReadColumn(pq.PQftype(row_.get(), column), text);
}

}  // namespace roost::postgres
