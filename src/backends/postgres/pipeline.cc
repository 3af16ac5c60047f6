// The exchanges of a PostgresConnection: what is sent together, what is answered, what an error
// means for the connection.
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "backends/postgres/connection.h"
#include "backends/postgres/errors.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;
using internal::Quoted;
using Kind = Reply::Kind;

// How much of a result that its reader left is read for him. More is not worth a connection.
constexpr int kRowsToDrop = 1000;
constexpr Duration kTimeToDrop = std::chrono::milliseconds(250);

constexpr char kBegin[] = "BEGIN";
constexpr char kBeginReading[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr char kBeginSealed[] =
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'";

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

// ---- errors -------------------------------------------------------------------------------------

std::string PostgresConnection::Where() const {
  const auto text = [](const char* part) { return part == nullptr ? "" : part; };
  PGconn* const handle = link_.handle();
  return Concat(
      {text(pq().PQhost(handle)), ":", text(pq().PQport(handle)), "/", text(pq().PQdb(handle))});
}

absl::Status PostgresConnection::CondemnFor(absl::Status status, FaultScope scope) {
  MarkFailed(scope);
  if (condemned_.ok()) condemned_ = std::move(status);
  return condemned_;
}

absl::Status PostgresConnection::Break(const Finding& finding, std::string_view sqlstate,
                                       std::string_view message, std::string_view sql) {
  const std::string where = Where();
  absl::Status status =
      MakeStatus(finding.code, sqlstate,
                 {.sql = sql, .where = where, .message = message, .advice = finding.advice});
  if (finding.fault_scope == FaultScope::kStatement) return status;
  return CondemnFor(std::move(status), finding.fault_scope);
}

// The server itself only reads, and not just this transaction.
bool PostgresConnection::LostItsRole(std::string_view sqlstate) const {
  if (sqlstate != "25006" || !wants_primary_) return false;
  const auto is_on = [this](const char* parameter) {
    const char* const value = pq().PQparameterStatus(link_.handle(), parameter);
    return value != nullptr && std::string_view(value) == "on";
  };
  return is_on("in_hot_standby") || is_on("default_transaction_read_only");
}

// A server tells what it has become only with the end of the exchange, behind the error.
void PostgresConnection::TakeRest() {
  while (condemned_.ok() && link_.owed() > 0) {
    const Kind kind = link_.Receive(deadline()).kind;
    if (kind == Kind::kLate || kind == Kind::kLost) return;  // EndExchange comes upon it, too
  }
}

absl::Status PostgresConnection::FailWith(const Result& result, const Doing& doing) {
  const std::string_view sqlstate = result.sqlstate();
  if (sqlstate.empty()) return Lost(doing);
  if (sqlstate == "25006" && wants_primary_) TakeRest();
  const bool lost_role = LostItsRole(sqlstate);
  if (lost_role) backend_.LostRole(endpoint_);
  const Finding finding =
      Classify({.sqlstate = sqlstate, .operation = doing.operation, .lost_role = lost_role});
  if (MayQuoteValues(sqlstate)) {
    return Break(finding, sqlstate, WithoutQuotes(result.message()), doing.sql);
  }
  return Break(finding, sqlstate, result.message(), doing.sql);
}

// What the server said before it went, if it said anything, explains more than libpq does.
absl::Status PostgresConnection::Lost(const Doing& doing) {
  if (link_.notice() != FaultScope::kStatement) {
    Finding finding = Classify({.sqlstate = link_.notice_sqlstate(), .operation = doing.operation});
    finding.fault_scope = std::max(finding.fault_scope, link_.notice());
    return Break(finding, link_.notice_sqlstate(), "the server ended the session", doing.sql);
  }
  const Finding finding = Classify({.cause = Cause::kLink, .operation = doing.operation});
  const char* const message = pq().PQerrorMessage(link_.handle());
  return Break(finding, "", message == nullptr || *message == '\0' ? "the link broke" : message,
               doing.sql);
}

absl::Status PostgresConnection::Late(const Doing& doing) {
  const Finding finding = Classify({.cause = Cause::kDeadline, .operation = doing.operation});
  return Break(finding, "", "the deadline passed before the answer came", doing.sql);
}

absl::Status PostgresConnection::Fail(const Reply& reply, const Doing& doing) {
  switch (reply.kind) {
    case Kind::kLate:
      return Late(doing);
    case Kind::kLost:
      return Lost(doing);
    case Kind::kResult:
      if (reply.result.failed()) return FailWith(reply.result, doing);
      if (!reply.result.copies()) break;
      return CondemnFor(absl::InvalidArgumentError(Concat(
                            {Quoted(doing.sql), " is a COPY with the client: use the raw handle"})),
                        FaultScope::kConnection);
    case Kind::kEnd:
    case Kind::kSync:
      break;
  }
  return CondemnFor(absl::InternalError(Concat({Quoted(doing.sql), ": answers out of order"})),
                    FaultScope::kConnection);
}

// ---- before an exchange -------------------------------------------------------------------------

// The free look (C1) before anything is sent: what a connection that is known to be dead was not
// sent, has certainly not happened.
absl::Status PostgresConnection::CheckAlive() {
  if (link_.Look() != Liveness::kDead) return absl::OkStatus();
  return Lost({.operation = Operation::kIdle});
}

absl::Status PostgresConnection::Ready() {
  if (!condemned_.ok()) return condemned_;
  if (!link_.open()) return absl::FailedPreconditionError("the connection is not open");
  if (reader_ != nullptr) {
    return absl::FailedPreconditionError(
        Concat({Quoted(reader_->sql()),
                " is still being read, and PostgreSQL does one thing at a time on a connection: "
                "end its Rows first"}));
  }
  if (IsDirty(kDirtyRaw)) {
    if (!HandleIsIdle()) {
      return absl::FailedPreconditionError("the raw handle is in the middle of a query");
    }
    NoteTransaction();
  }
  if (our_transaction_ && !InTransaction()) {
    return absl::AbortedError(
        "the transaction was ended by a statement or by the raw handle: end it and run it again "
        "from the start");
  }
  if (!deadline().IsNever() && deadline().HasPassed(platform_.CoarseNow())) {
    return absl::DeadlineExceededError(
        "the deadline of the lease has passed: no statement is begun");
  }
  absl::Status status = CheckAlive();
  if (!status.ok() || !on_connect_pending_) return status;
  const Doing doing{.sql = backend_.options().on_connect};
  status = Settle(doing);
  if (status.ok()) status = RunSettled(doing.sql, doing);
  if (status.ok()) on_connect_pending_ = false;
  return status;
}

bool PostgresConnection::QueueBegin() {
  if (!begin_pending_) return true;
  begin_pending_ = false;
  begin_commands_ = seal_commit_ ? 2 : 1;
  return link_.Command(role_ == Role::kReader ? kBeginReading : kBegin) &&
         (!seal_commit_ || link_.Command(kBeginSealed));
}

// As an exchange of its own in front: its failure must not be the failure of what follows.
bool PostgresConnection::QueueUnwanted() {
  if (unwanted_[0].serial == 0) return true;
  if (link_.owed() == 0 && pq().PQtransactionStatus(link_.handle()) == PQTRANS_INERROR) {
    return true;  // the server would refuse it: later
  }
  if (!link_.Enter()) return false;
  for (StatementName& name : unwanted_) {
    if (name.serial == 0) continue;
    std::array<char, StatementName::kSize> text;
    name.Write(text);
    std::array<char, StatementName::kSize + 16> sql{"DEALLOCATE "};
    std::copy(text.begin(), text.end(), sql.begin() + 11);
    name = {};
    if (!link_.Command(sql.data())) return false;
  }
  return link_.Sync();
}

void PostgresConnection::Deallocate(StatementName name) {
  if (name.serial == 0 || !condemned_.ok() || !link_.open()) return;
  for (StatementName& place : unwanted_) {
    if (place.serial != 0) continue;
    place = name;
    return;
  }
  // A failed transaction that never ends keeps what it had: at most until the session ends.
  if (reader_ != nullptr || !QueueUnwanted()) return;
  unwanted_[0] = name;
}

bool PostgresConnection::BeginExchange(bool with_begin) {
  begin_commands_ = 0;
  return QueueUnwanted() && link_.Enter() && (!with_begin || QueueBegin());
}

bool PostgresConnection::SendExchange() { return link_.Sync(); }

absl::StatusOr<Result> PostgresConnection::Ask(const char* sql, const Doing& doing) {
  if (!BeginExchange(/*with_begin=*/false) || !link_.Command(sql) || !SendExchange()) {
    return Lost(doing);
  }
  absl::Status status = TakePutOff(doing);
  Result answer;
  if (status.ok()) {
    absl::StatusOr<Result> taken = TakeCommand(doing);
    status = taken.status();
    if (taken.ok()) answer = *std::move(taken);
  }
  const absl::Status ended = EndExchange(doing, /*judge=*/status.ok());
  if (!status.ok()) return status;
  if (!ended.ok()) return ended;
  return answer;
}

absl::Status PostgresConnection::SendAlone(const char* sql) {
  if (link_.Enter() && link_.Command(sql) && link_.Sync()) return absl::OkStatus();
  return Lost({.sql = sql});
}

// ---- answers ------------------------------------------------------------------------------------

// A name that the session no longer has is what was wanted; any other error leaves the connection
// in an unknown state. Where the session goes on, so does what was sent behind the owed command: if
// that may commit, nobody knows.
absl::Status PostgresConnection::JudgeOwed(const Result& result, const Doing& behind) {
  if (!result.failed() || result.sqlstate() == "26000") return absl::OkStatus();
  if (result.sqlstate().empty()) return Lost(behind);  // libpq's own message for a broken link
  absl::Status status = FailWith(result, {.operation = Operation::kIdle});
  if (condemned_.ok() && behind.operation == Operation::kCommit) {
    const auto message = status.message();
    status = absl::UnknownError(
        Concat({Quoted(behind.sql),
                " may have been done or not: what the session was told before failed: ",
                std::string_view{message.data(), message.size()}}));
  }
  return CondemnFor(std::move(status), FaultScope::kConnection);
}

absl::StatusOr<bool> PostgresConnection::TakeOwed(int left, Deadline deadline,
                                                  const Doing& behind) {
  while (link_.owed() > left) {
    const Reply reply = link_.Receive(deadline);
    if (reply.kind == Kind::kLate) return false;
    if (reply.kind == Kind::kLost) return Lost(behind);
    if (reply.kind != Kind::kResult) continue;
    absl::Status status = JudgeOwed(reply.result, behind);
    if (!status.ok()) return status;
  }
  return true;
}

absl::Status PostgresConnection::TakePutOff(const Doing& doing) {
  const absl::StatusOr<bool> taken = TakeOwed(1, deadline(), doing);
  if (!taken.ok()) return taken.status();
  if (!*taken) return Late(doing);
  for (; begin_commands_ > 0; --begin_commands_) {
    absl::Status begun = TakeCommand({.sql = kBegin, .operation = doing.operation}).status();
    if (!begun.ok()) return begun;
    in_transaction_ = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<Result> PostgresConnection::TakeCommand(const Doing& doing) {
  Result last;
  for (;;) {
    Reply reply = link_.Receive(deadline());
    if (reply.kind == Kind::kEnd) return last;
    const bool good =
        reply.kind == Kind::kResult && !reply.result.failed() && !reply.result.copies();
    if (!good) return Fail(reply, doing);
    last = std::move(reply.result);
  }
}

absl::Status PostgresConnection::EndExchange(const Doing& doing, bool judge) {
  absl::Status status;
  while (condemned_.ok() && link_.owed() > 0) {
    const Reply reply = link_.Receive(deadline());
    const bool ends = reply.kind == Kind::kLate || reply.kind == Kind::kLost;
    const bool failed = reply.kind == Kind::kResult && reply.result.failed() && judge;
    if (!ends && !failed) continue;
    const absl::Status failure = Fail(reply, doing);
    if (status.ok()) status = failure;
  }
  NoteTransaction();
  return status;
}

void PostgresConnection::EndReading(const Doing& doing) {
  const Deadline drop_deadline =
      std::min(deadline(), Deadline::After(platform_.Now(), kTimeToDrop));
  int rows = 0;
  while (condemned_.ok() && link_.owed() > 0) {
    const Reply reply = link_.Receive(drop_deadline);
    if (reply.kind == Kind::kLost) Lost(doing).IgnoreError();
    if (reply.kind == Kind::kResult && reply.result.failed()) {
      FailWith(reply.result, doing).IgnoreError();
    }
    if (reply.kind == Kind::kResult && ++rows <= kRowsToDrop) continue;
    if (reply.kind != Kind::kLate && reply.kind != Kind::kResult) continue;
    CondemnFor(absl::UnavailableError(
                   Concat({Quoted(doing.sql),
                           " was not read to its end, and too much was left: the connection is "
                           "closed; read all rows, or bound them with LIMIT"})),
               FaultScope::kConnection)
        .IgnoreError();
  }
  NoteTransaction();
}

// ---- outside of the pipeline --------------------------------------------------------------------

absl::Status PostgresConnection::Settle(const Doing& doing) {
  if (begin_pending_) {
    if (!BeginExchange(/*with_begin=*/true) || !SendExchange()) return Lost(doing);
    absl::Status status = TakePutOff(doing);
    const absl::Status ended = EndExchange(doing, /*judge=*/status.ok());
    return status.ok() ? ended : status;
  }
  const absl::StatusOr<bool> taken = TakeOwed(0, deadline());
  if (!taken.ok()) return taken.status();
  if (!*taken) return Late(doing);
  NoteTransaction();
  return absl::OkStatus();
}

// The simple protocol, which takes several statements at once.
absl::Status PostgresConnection::RunSettled(std::string_view sql, const Doing& doing) {
  Arena arena(pq());
  const char* const text = arena.Copy(sql);
  if (text == nullptr || pq().PQsendQuery(link_.handle(), text) != 1) return Lost(doing);
  absl::Status status;
  while (condemned_.ok()) {
    const Reply reply = link_.Receive(deadline());
    if (reply.kind == Kind::kEnd) break;
    const bool good =
        reply.kind == Kind::kResult && !reply.result.failed() && !reply.result.copies();
    if (good) continue;
    const absl::Status failure = Fail(reply, doing);
    if (status.ok()) status = failure;
  }
  NoteTransaction();
  return status;
}

// ---- reading ------------------------------------------------------------------------------------

void PostgresConnection::Started(PostgresStatement& statement) {
  reader_ = &statement;
  SetDirty(kDirtyReading);
}

void PostgresConnection::Finished(PostgresStatement& statement) {
  if (reader_ == &statement) reader_ = nullptr;
  ClearDirty(kDirtyReading);
}

}  // namespace roost::postgres
