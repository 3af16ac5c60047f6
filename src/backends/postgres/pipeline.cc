#include "backends/postgres/pipeline.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "backends/common/error.h"
#include "backends/postgres/connect_attempt.h"
#include "backends/postgres/sql_traits.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;
using internal::Quoted;
using Kind = Reply::Kind;

// Results that come where none is wanted, up to the end of an exchange: what was sent behind a
// command that failed, and the few rows of a command of ours. No server has a reason for more.
constexpr int kMostOfRest = 1000;
// Rows drained after a reader stops early; beyond that the connection is closed.
constexpr int kRowsToDrop = 1000;
constexpr Duration kTimeToDrop = std::chrono::milliseconds(250);

// A server that is inside of a statement then looks whether its client is there: the last resort
// where a cancel request does not arrive. What the administrator has set counts; a server on a system
// that cannot look refuses the setting.
constexpr char kCheckClient[] =
    "SELECT pg_catalog.set_config('client_connection_check_interval', '2000', false) WHERE "
    "pg_catalog.current_setting('client_connection_check_interval', true) = '0' AND "
    "pg_catalog.version() LIKE '%linux%'";

constexpr char kBegin[] = "BEGIN";
constexpr char kBeginReading[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr char kBeginSealed[] =
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'";

}  // namespace

void Pipeline::Adopt(ConnectAttempt& attempt) {
  failures_.Adopt(attempt.endpoint(), attempt.wanted());
  link_.Adopt(backend_.pq(), attempt.Release(),
              static_cast<size_t>(backend_.options().max_result_bytes));
  const char* const style = pq().PQparameterStatus(link_.handle(), "DateStyle");
  sets_date_style_ = style != nullptr && !std::string_view(style).starts_with("ISO");
  settings_pending_ = !pooler();
}

// ---- what the session has -----------------------------------------------------------------------

void Pipeline::RecordTransaction() {
  if (link_.open() && link_.owed() == 0) {
    const PGTransactionStatusType state = pq().PQtransactionStatus(link_.handle());
    in_transaction_ = state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
    if (state == PQTRANS_INTRANS) session_.transaction().Forgive();
  }
  session_.RecordTransaction(InTransaction());
  RecordDoom();
}

// Its answers count, but nobody else is lent it.
void Pipeline::RecordDoom() {
  if (!condemned().ok() || !link_.open()) return;
  if (link_.IsDoomed()) failures_.Lost({.operation = Operation::kIdle}).IgnoreError();
  if (link_.grown()) session_.MarkFailed(FaultScope::kConnection);
}

bool Pipeline::CancelBegin() { return std::exchange(begin_pending_, false); }

absl::Status Pipeline::LeaveTransaction(bool tell_server) {
  absl::Status status;
  if (tell_server && in_transaction_) status = SendAlone("ROLLBACK");
  in_transaction_ = false;
  RecordTransaction();
  return status;
}

void Pipeline::RecordDiscard() {
  unwanted_ = {};
  settings_pending_ = !pooler();
  on_connect_pending_ = !backend_.options().on_connect.empty();
}

void Pipeline::RecordStart(Statement& statement) {
  reader_ = &statement;
  session_.RecordStart();
}

void Pipeline::RecordFinish(const Statement& statement) {
  if (reader_ == &statement) reader_ = nullptr;
  session_.RecordFinish();
}

// ---- before an exchange -------------------------------------------------------------------------

absl::Status Pipeline::CheckAlive() {
  if (link_.Look() != Liveness::kDead) return absl::OkStatus();
  return failures_.Lost({.operation = Operation::kIdle});
}

absl::Status Pipeline::Ready(bool reads) {
  if (session_.IsForked()) return backends::Session::UsedAfterFork();
  if (!condemned().ok()) return condemned();
  if (!link_.open()) return absl::FailedPreconditionError("the connection is not open");
  if (reader_ != nullptr) {
    return absl::FailedPreconditionError(
        Concat({Quoted(reader_->sql()),
                " is still being read, and PostgreSQL does one thing at a time on a connection: "
                "end its Rows first"}));
  }
  if (session_.IsRaw()) {
    if (!link_.IsIdle()) {
      return absl::FailedPreconditionError("the raw handle is in the middle of a query");
    }
    RecordTransaction();
  }
  // Not by our SQL: an error leaves it open, and COMMIT and ROLLBACK are refused.
  if (session_.transaction().IsLost(InTransaction())) return backends::Session::EndedByOthers();
  const TimePoint now = session_.platform().CoarseNow();
  if (session_.IsLateAt(now)) return backends::Session::TooLate();
  const bool looks = !reads || !link_.HasAnsweredWithin(kRest, now);
  absl::Status status = looks ? CheckAlive() : absl::OkStatus();
  return status.ok() && on_connect_pending_ ? RunOnConnect() : status;
}

absl::Status Pipeline::RunOnConnect() {
  const Doing doing{.sql = backend_.options().on_connect};
  absl::Status status = Settle(doing);
  if (status.ok()) status = RunSettled(doing.sql, doing);
  if (status.ok()) on_connect_pending_ = false;
  if (status.ok() && in_transaction_) {
    return failures_.Condemn(absl::InvalidArgumentError(kOnConnectInTransaction),
                             FaultScope::kConnection);
  }
  return status;
}

bool Pipeline::QueueBegin() {
  if (!begin_pending_) return true;
  begin_pending_ = false;
  const bool seals = session_.transaction().seal_commit();
  begin_commands_ = seals ? 2 : 1;
  return link_.Command(session_.role() == Role::kReader ? kBeginReading : kBegin) &&
         (!seals || link_.Command(kBeginSealed));
}

// As an exchange of its own in front: its failure must not be the failure of what follows.
bool Pipeline::SendDeallocations() {
  if (unwanted_[0].empty()) return true;
  if (link_.owed() == 0 && pq().PQtransactionStatus(link_.handle()) == PQTRANS_INERROR) {
    return true;  // the server would refuse it: later
  }
  if (!link_.Enter()) return false;
  for (StatementName& name : unwanted_) {
    if (name.empty()) continue;
    std::array<char, StatementName::kSize> text;
    name.Write(text);
    std::array<char, StatementName::kSize + 16> sql{"DEALLOCATE "};
    std::copy(text.begin(), text.end(), sql.begin() + 11);
    name = {};
    if (!link_.Command(sql.data())) return false;
  }
  return link_.Sync();
}

// What role or database have set may make moments unreadable and cut digits off. In a transaction it
// would be undone with it. As an exchange of its own, which travels with the next one.
bool Pipeline::SendSettings() {
  if (in_transaction_) return true;
  settings_pending_ = false;
  constexpr int kChecksItsClient = 140000;  // the first version that can
  const bool checks = pq().PQserverVersion(link_.handle()) >= kChecksItsClient;
  return link_.Enter() && (!sets_date_style_ || link_.Command("SET DateStyle TO ISO")) &&
         (!checks || link_.Command(kCheckClient)) && link_.Command("SET extra_float_digits TO 3") &&
         link_.Sync();
}

void Pipeline::Deallocate(StatementName name) {
  if (name.empty() || !condemned().ok() || !link_.open()) return;
  for (StatementName& place : unwanted_) {
    if (!place.empty()) continue;
    place = name;
    return;
  }
  // A failed transaction that never ends keeps what it had: at most until the session ends.
  if (reader_ != nullptr || !SendDeallocations()) return;
  unwanted_[0] = name;
}

bool Pipeline::Begin(bool with_begin) {
  begin_commands_ = 0;
  return SendDeallocations() && (!settings_pending_ || SendSettings()) && link_.Enter() &&
         (!with_begin || QueueBegin());
}

absl::StatusOr<Result> Pipeline::Ask(const char* sql, const Doing& doing) {
  if (!Begin(/*with_begin=*/false) || !link_.Command(sql) || !Send()) {
    return failures_.Lost(doing);
  }
  absl::Status status = TakePutOff(doing);
  Result answer;
  if (status.ok()) {
    absl::StatusOr<Result> taken = TakeCommand(doing);
    status = taken.status();
    if (taken.ok()) answer = *std::move(taken);
  }
  const absl::Status ended = End(doing, /*judge=*/status.ok());
  if (!status.ok()) return status;
  if (!ended.ok()) return ended;
  return answer;
}

absl::Status Pipeline::SendAlone(const char* sql) {
  if (link_.Enter() && link_.Command(sql) && link_.Sync()) return absl::OkStatus();
  return failures_.Lost({.sql = sql});
}

// ---- answers ------------------------------------------------------------------------------------

// A name that the session no longer has is what was wanted; any other error leaves the connection
// in an unknown state. Where the session goes on, so does what was sent behind the owed command: if
// that may commit, its outcome is unknown.
absl::Status Pipeline::JudgeOwed(const Reply& reply, const Doing& behind) {
  const Result& result = reply.result;
  if (reply.copies()) return failures_.Fail(reply, behind);
  if (!reply.failed()) return absl::OkStatus();
  if (result.sqlstate() == "26000") {
    // Inside of a transaction it was that one's end all the same.
    if (session_.transaction().ours()) {
      session_.transaction().NoteFailure(absl::AbortedError(
          "the session has lost a prepared statement: run the whole transaction again"));
    }
    return absl::OkStatus();
  }
  if (result.sqlstate().empty())
    return failures_.Lost(behind);  // libpq's own message for a broken link
  absl::Status status = failures_.FailWith(result, {.operation = Operation::kIdle});
  if (condemned().ok() && behind.operation == Operation::kCommit) {
    status = absl::UnknownError(
        Concat({Quoted(behind.sql),
                " may have been done or not: what the session was told before failed: ",
                internal::MessageOf(status)}));
  }
  return failures_.Condemn(std::move(status), FaultScope::kConnection);
}

absl::StatusOr<bool> Pipeline::TakeOwed(int left, Deadline deadline, const Doing& behind) {
  int results = 0;
  while (link_.owed() > left) {
    const Reply reply = link_.Receive(deadline);
    if (reply.kind == Kind::kLate) return false;
    if (reply.kind == Kind::kLost) return failures_.Lost(behind);
    if (reply.kind != Kind::kResult) continue;
    absl::Status status = JudgeOwed(reply, behind);
    if (status.ok() && ++results > kMostOfRest) status = failures_.OutOfOrder(behind);
    if (!status.ok()) return status;
  }
  return true;
}

absl::Status Pipeline::TakePutOff(const Doing& doing) {
  const absl::StatusOr<bool> taken = TakeOwed(1, session_.deadline(), doing);
  if (!taken.ok()) return taken.status();
  if (!*taken) return failures_.Late(doing);
  for (; begin_commands_ > 0; --begin_commands_) {
    absl::Status begun = TakeCommand({.sql = kBegin, .operation = doing.operation}).status();
    if (!begun.ok()) return begun;
    in_transaction_ = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<Result> Pipeline::TakeCommand(const Doing& doing) {
  Result last;
  for (int results = 0;; ++results) {
    Reply reply = Receive();
    if (reply.kind == Kind::kEnd) return last;
    if (results > kMostOfRest) return failures_.OutOfOrder(doing);
    if (!reply.good()) return failures_.Fail(reply, doing);
    last = std::move(reply.result);
  }
}

absl::Status Pipeline::End(const Doing& doing, bool judge, size_t commands) {
  absl::Status status;
  size_t results = 0;
  while (condemned().ok() && link_.owed() > 0) {
    const Reply reply = Receive();
    const bool result = reply.kind == Kind::kResult;
    const bool ends = reply.kind == Kind::kLate || reply.kind == Kind::kLost || reply.copies();
    const bool failed = reply.failed() && judge;
    const bool too_many = result && ++results > kMostOfRest + commands;
    if (!ends && !failed && !too_many) continue;
    const absl::Status failure =
        too_many ? failures_.OutOfOrder(doing) : failures_.Fail(reply, doing);
    if (status.ok()) status = failure;
  }
  RecordTransaction();
  return status;
}

void Pipeline::EndReading(const Doing& doing) {
  const Deadline drop_deadline =
      std::min(session_.deadline(), Deadline::After(session_.platform().Now(), kTimeToDrop));
  int rows = 0;
  while (condemned().ok() && link_.owed() > 0) {
    const Reply reply = link_.Receive(drop_deadline);
    if (reply.kind == Kind::kLost) failures_.Lost(doing).IgnoreError();
    if (reply.failed()) {
      failures_.FailWith(reply.result, doing).IgnoreError();
    }
    if (reply.kind == Kind::kResult && ++rows <= kRowsToDrop) continue;
    if (reply.kind != Kind::kLate && reply.kind != Kind::kResult) continue;
    failures_
        .Condemn(absl::UnavailableError(
                     Concat({Quoted(doing.sql),
                             " was not read to its end, and too much was left: the connection is "
                             "closed; read all rows, or bound them with LIMIT"})),
                 FaultScope::kConnection)
        .IgnoreError();
  }
  RecordTransaction();
}

// ---- outside of the pipeline --------------------------------------------------------------------

absl::Status Pipeline::Settle(const Doing& doing) {
  if (begin_pending_) {
    if (!Begin(/*with_begin=*/true) || !Send()) return failures_.Lost(doing);
    absl::Status status = TakePutOff(doing);
    const absl::Status ended = End(doing, /*judge=*/status.ok());
    return status.ok() ? ended : status;
  }
  const absl::StatusOr<bool> taken = TakeOwed(0, session_.deadline());
  if (!taken.ok()) return taken.status();
  if (!*taken) return failures_.Late(doing);
  RecordTransaction();
  return absl::OkStatus();
}

// The simple protocol, which takes several statements at once.
absl::Status Pipeline::RunSettled(std::string_view sql, const Doing& doing) {
  Arena arena(pq());
  const char* const text = arena.Copy(sql);
  if (text == nullptr || !link_.SendScript(text)) return failures_.Lost(doing);
  absl::Status status;
  size_t done = 0;  // statements
  while (condemned().ok()) {
    const Reply reply = Receive();
    if (reply.kind == Kind::kEnd) break;
    if (reply.good()) {
      if (reply.status != PGRES_SINGLE_TUPLE) ++done;
      continue;
    }
    const ScriptPlace place = PlaceIn(sql, done, reply.failed() ? reply.result.position() : 0);
    const absl::Status failure =
        failures_.Fail(reply, {.sql = place.statement, .operation = doing.operation});
    if (status.ok()) status = backends::InScript(failure, sql, place.at);
  }
  RecordTransaction();
  return status;
}

}  // namespace roost::postgres
