#include "backends/postgres/failures.h"

#include <algorithm>
#include <utility>

#include "backends/postgres/errors.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;
using internal::Quoted;
using Kind = Reply::Kind;

// How much of a server's text is read at all.
constexpr size_t kMostRead = 2048;
// Answers behind an error, up to the end of its exchange.
constexpr int kMostRest = 100;
// What every statement is told behind the one that made the transaction fail.
constexpr std::string_view kEchoOfFailure = "25P02";

// `value "12x" is out of range` -> `value "..." is out of range`: what was bound is not for a log.
std::string WithoutQuotes(std::string_view message) {
  std::string shown;
  bool inside = false;
  for (const char c : message) {
    if (c == '"') shown.append(inside ? "...\"" : "\"");
    if (c == '"') inside = !inside;
    if (c != '"' && !inside) shown.push_back(c);
  }
  return shown;
}

}  // namespace

std::string Failures::Where() const {
  const auto text = [](const char* part) { return part == nullptr ? "" : part; };
  PGconn* const handle = link_.handle();
  return Concat(
      {text(pq().PQhost(handle)), ":", text(pq().PQport(handle)), "/", text(pq().PQdb(handle))});
}

absl::Status Failures::Condemn(absl::Status status, FaultScope scope) {
  session_.MarkFailed(scope);
  if (condemned_.ok()) condemned_ = std::move(status);
  return condemned_;
}

absl::Status Failures::Report(const Finding& finding, std::string_view sqlstate,
                              std::string_view message, std::string_view sql) {
  const std::string where = Where();
  absl::Status status =
      MakeStatus(finding.code, sqlstate,
                 {.sql = sql, .where = where, .message = message, .advice = finding.advice});
  if (finding.fault_scope == FaultScope::kStatement) return status;
  return Condemn(std::move(status), finding.fault_scope);
}

// Whether the server itself only reads, and not just this transaction.
ReadsOnly Failures::WhyReadOnly() const {
  const auto is_on = [this](const char* parameter) {
    const char* const value = pq().PQparameterStatus(link_.handle(), parameter);
    return value != nullptr && std::string_view(value) == "on";
  };
  if (WantsPrimary()) {
    const bool lost = is_on("in_hot_standby") || is_on("default_transaction_read_only");
    return lost ? ReadsOnly::kLostRole : ReadsOnly::kTransaction;
  }
  // The address led to a standby, perhaps for a moment.
  return is_on("in_hot_standby") ? ReadsOnly::kStandby : ReadsOnly::kTransaction;
}

// A server tells what it has become only with the end of the exchange, behind the error.
void Failures::TakeRest() {
  for (int taken = 0; condemned_.ok() && link_.owed() > 0 && taken < kMostRest; ++taken) {
    const Reply reply = link_.IsStepped() ? link_.ReceiveNow(/*gathers=*/false)
                                          : link_.Receive(session_.deadline());
    if (reply.kind == Kind::kLate || reply.kind == Kind::kLost) {
      return;  // the end of the exchange comes upon it, too
    }
    if (reply.copies()) return;
  }
}

absl::Status Failures::FailWith(const Result& result, const Doing& doing) {
  const std::string_view sqlstate = result.sqlstate();
  if (sqlstate.empty()) return Lost(doing);
  ReadsOnly reads_only = ReadsOnly::kTransaction;
  if (sqlstate == "25006" && (WantsPrimary() || wanted_ == WantedRole::kAny)) {
    TakeRest();
    reads_only = WhyReadOnly();
  }
  if (reads_only != ReadsOnly::kTransaction) backend_.endpoints().Leave(endpoint_);
  Finding finding =
      Classify({.sqlstate = sqlstate, .operation = doing.operation, .reads_only = reads_only});
  backends::TransactionState& transaction = session_.transaction();
  if (sqlstate == kEchoOfFailure && transaction.ours()) {
    const absl::Status before = session_.FailedBefore();
    finding = {.code = before.code()};
    return internal::UndoneWithOthers(
        Report(finding, sqlstate, internal::MessageOf(before), doing.sql));
  }
  std::string shown;
  std::string_view message = result.message();
  if (MayQuoteValues(sqlstate)) {
    shown = WithoutQuotes(internal::CutUtf8(message, kMostRead));
    message = shown;
  }
  absl::Status status = Report(finding, sqlstate, message, doing.sql);
  if (transaction.ours()) transaction.NoteFailure(status);
  return status;
}

// What the server said before it went, if it said anything, explains more than libpq does.
absl::Status Failures::Lost(const Doing& doing) {
  if (link_.notice() != FaultScope::kStatement) {
    Finding finding = Classify({.sqlstate = link_.notice_sqlstate(), .operation = doing.operation});
    finding.fault_scope = std::max(finding.fault_scope, link_.notice());
    return Report(finding, link_.notice_sqlstate(), "the server ended the session", doing.sql);
  }
  if (link_.refusal() != Refusal::kNone) return Refused(doing);
  const Finding finding = Classify({.cause = Cause::kLink, .operation = doing.operation});
  const char* const message = pq().PQerrorMessage(link_.handle());
  return Report(finding, "", message == nullptr || *message == '\0' ? "the link broke" : message,
                doing.sql);
}

// Only this connection is given up: what a server says on one tells nothing about another.
absl::Status Failures::Refused(const Doing& doing) {
  Finding finding = Classify({.cause = Cause::kLink, .operation = doing.operation});
  finding.fault_scope = FaultScope::kConnection;
  if (link_.refusal() == Refusal::kOutOfOrder) {
    return Report(finding, "", "the server sends what nobody asked for", doing.sql);
  }
  if (doing.operation != Operation::kCommit) {
    finding.code = absl::StatusCode::kResourceExhausted;
    finding.advice = "ask for less at a time, or raise max_result_bytes";
  }
  return Report(finding, "", "the server's answer is longer than max_result_bytes", doing.sql);
}

absl::Status Failures::Late(const Doing& doing) {
  const Finding finding = Classify({.cause = Cause::kDeadline, .operation = doing.operation});
  return Report(finding, "", "the deadline passed before the answer came", doing.sql);
}

absl::Status Failures::Fail(const Reply& reply, const Doing& doing) {
  switch (reply.kind) {
    case Kind::kLate:
      return Late(doing);
    case Kind::kLost:
      return Lost(doing);
    case Kind::kResult:
      if (reply.failed()) return FailWith(reply.result, doing);
      if (!reply.copies()) break;
      return Condemn(absl::InvalidArgumentError(Concat(
                         {Quoted(doing.sql), " is a COPY with the client: use the raw handle"})),
                     FaultScope::kConnection);
    case Kind::kEnd:
    case Kind::kSync:
      break;
  }
  return OutOfOrder(doing);
}

absl::Status Failures::OutOfOrder(const Doing& doing) {
  return Condemn(absl::InternalError(Concat({Quoted(doing.sql), ": answers out of order"})),
                 FaultScope::kConnection);
}

}  // namespace roost::postgres
