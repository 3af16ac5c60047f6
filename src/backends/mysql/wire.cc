#include "backends/mysql/wire.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "backends/mysql/errors.h"
#include "backends/mysql/handle_watch.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::mysql {
namespace {

using internal::Concat;
using internal::Quoted;

// How much of a server's text is read at all.
constexpr size_t kMostRead = 2048;
// Whatever the session's completion_type says.
constexpr char kRollback[] = "ROLLBACK AND NO CHAIN NO RELEASE";
// An answer that is owed for so long will not come: the link was cut.
constexpr Duration kOwedTooLong = std::chrono::seconds(10);
// GET DIAGNOSTICS knows ROW_NUMBER.
constexpr unsigned long kNamesRows = 100700;

}  // namespace

void Wire::Adopt(ConnectAttempt& attempt) {
  endpoint_ = attempt.endpoint();
  wait_timeout_ = attempt.wait_timeout();
  link_.Take(attempt.link());
  peer_.is_pooler = attempt.transaction_pooler();
  peer_.runs_at_once = !peer_.is_pooler && link_.IsMariadb();
  peer_.names_rows = peer_.runs_at_once && lib().mysql_get_server_version(handle()) >= kNamesRows;
  NoteAnswer();
}

// ---- state --------------------------------------------------------------------------------------

void Wire::NoteAnswer() { answered_ = session_.platform().CoarseNow(); }

bool Wire::InTransaction() const {
  return link_.open() && !owes_ && (handle()->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

bool Wire::CommitsEach() const { return (handle()->server_status & SERVER_STATUS_AUTOCOMMIT) != 0; }

SqlMode Wire::mode() const {
  return {.backslash_escapes = (handle()->server_status & SERVER_STATUS_NO_BACKSLASH_ESCAPES) == 0};
}

bool Wire::has_moved() const {
  const absl::StatusOr<Settings> settings = ParseUri(backend_.options().uri);
  const char* const now = handle()->db;
  return !settings.ok() || settings->database != (now == nullptr ? "" : now);
}

bool Wire::is_stale(TimePoint now) const {
  return wait_timeout_ > Duration::zero() && now - answered_ > wait_timeout_ * 4 / 5;
}

void Wire::RecordStart(Statement& statement) {
  reader_ = &statement;
  session_.RecordStart();
}

void Wire::RecordFinish(const Statement& statement) {
  if (reader_ == &statement) reader_ = nullptr;
  session_.RecordFinish();
  RecordTransaction();
}

// ---- asking -------------------------------------------------------------------------------------

absl::Status Wire::CheckTransaction() const {
  if (!session_.transaction().ours()) return absl::OkStatus();
  if (was_undone_) return session_.FailedBefore();
  if (!was_replaced_ && !session_.transaction().IsLost(InTransaction())) return absl::OkStatus();
  return absl::UnknownError(
      "the transaction was ended, perhaps through the raw handle or by a procedure, and may have "
      "been "
      "committed: whether it was is unknown");
}

// What the program has SET or CALLed is its own.
absl::Status Wire::CheckLeft(bool may_open) {
  RecordTransaction();
  if (session_.transaction().ours()) return CheckTransaction();
  if (may_open || !InTransaction() || session_.IsTainted() || session_.IsRaw()) {
    return absl::OkStatus();
  }
  return Condemn(absl::FailedPreconditionError(
                     "the server has opened a transaction by itself, as with autocommit off, and "
                     "what was done "
                     "is not committed: the connection is closed, which rolls it back"),
                 FaultScope::kConnection);
}

absl::Status Wire::Ready() {
  if (session_.IsForked()) return backends::Session::UsedAfterFork();
  if (!condemned_.ok()) return condemned_;
  if (!link_.open()) return absl::FailedPreconditionError("the connection is not open");
  if (reader_ != nullptr) {
    return absl::FailedPreconditionError(
        Concat({Quoted(reader_->sql()),
                " is still being read, and MySQL does one thing at a time on a connection: end its "
                "Rows first"}));
  }
  if (session_.IsRaw()) {
    link_.Reclaim();
    RecordTransaction();
  }
  absl::Status status = CheckTransaction();
  if (!status.ok()) return status;
  if (session_.IsLate()) return backends::Session::TooLate();
  return Settle();
}

absl::Status Wire::Finish(const Doing& doing) {
  if (!link_.Finish(session_.deadline())) return Late(doing);
  if (link_.overran()) return Overran(doing);
  NoteAnswer();
  // In the midst of ours none begins or ends, but in a procedure.
  const bool another = link_.open() && TakeTransactionMark(lib(), handle()) && InTransaction();
  was_replaced_ = was_replaced_ || (another && session_.transaction().ours());
  return absl::OkStatus();
}

absl::Status Wire::Settle() {
  if (!owes_) return absl::OkStatus();
  const Doing doing{.sql = "ROLLBACK", .operation = Operation::kIdle};
  absl::Status status = Finish(doing);
  if (!status.ok()) return status;
  return TakeOwed() ? absl::OkStatus() : condemned_;
}

bool Wire::TakeOwed() {
  if (!owes_) return true;
  link_.Advance();
  if (link_.pending()) {
    if (session_.platform().CoarseNow() - owed_since_ > kOwedTooLong) {
      Condemn(
          absl::UnavailableError("the server has not answered for 10 s: the link is taken for cut"),
          FaultScope::kConnectionSuspectOlder)
          .IgnoreError();
    }
    return false;
  }
  owes_ = false;
  NoteAnswer();
  // It warns of nothing else.
  kept_rows_ = handle()->warning_count > 0;
  if (link_.code() == 0) return true;
  absl::Status status = Fail({.sql = "ROLLBACK", .operation = Operation::kIdle});
  Condemn(std::move(status), FaultScope::kConnection).IgnoreError();
  return false;
}

// The rows of all results, as they come; the first error counts.
absl::Status Wire::TakeRows(const Doing& doing, std::string* value) {
  for (;;) {
    if (lib().mysql_field_count(handle()) != 0) {
      MYSQL_RES* const rows = lib().mysql_use_result(handle());
      if (rows == nullptr) return Fail(doing);
      do {
        link_.FetchRow(rows);
        absl::Status status = Finish(doing);
        if (!status.ok()) return status;  // what it was reading is freed with the handle
        if (session_.IsLate()) return Late(doing);
        const bool has_value = link_.code() == 1 && link_.row()[0] != nullptr;
        if (value != nullptr && has_value) *std::exchange(value, nullptr) = link_.row()[0];
      } while (link_.code() == 1);
      const bool failed = lib().mysql_errno(handle()) != 0;
      lib().mysql_free_result(rows);  // it is at its end: nothing to wait for
      if (failed) return Fail(doing);
    }
    ++results_;
    if (lib().mysql_more_results(handle()) == 0) return absl::OkStatus();
    // Results without rows may all be there: then nothing else looks at the clock.
    if (session_.IsLate()) return Late(doing);
    link_.NextResult();
    absl::Status status = Finish(doing);
    if (!status.ok()) return status;
    if (link_.code() > 0) return Fail(doing);
  }
}

absl::Status Wire::AskFor(std::string_view sql, const Doing& doing, std::string* value) {
  results_ = 0;
  link_.Query(sql);
  absl::Status status = Finish(doing);
  if (!status.ok()) return status;
  if (link_.code() != 0) return Fail(doing);
  return TakeRows(doing, value);
}

absl::Status Wire::AskScript(std::string_view sql, const Doing& doing) {
  link_.AllowSeveralStatements(true);
  absl::Status status = Finish({});
  if (!status.ok()) return status;
  if (link_.code() != 0) return Fail({});
  absl::Status answer = Ask(sql, doing);
  if (!condemned_.ok()) return answer;
  link_.AllowSeveralStatements(false);
  status = Finish({});
  if (status.ok() && link_.code() != 0) status = Fail({});
  return answer.ok() ? status : answer;
}

absl::Status Wire::SendRollback() {
  kept_rows_ = false;
  was_undone_ = was_replaced_ = false;
  if (!condemned_.ok()) return condemned_;
  if (!InTransaction()) {
    RecordTransaction();
    return absl::OkStatus();
  }
  link_.Query(kRollback);
  owes_ = true;
  owed_since_ = session_.platform().CoarseNow();
  RecordTransaction();
  return absl::OkStatus();
}

absl::Status Wire::ResetSession() {
  link_.ResetSession();
  const Doing doing{.sql = "reset of the session", .operation = Operation::kIdle};
  absl::Status status = Finish(doing);
  if (!status.ok()) return status;
  if (link_.code() != 0) return Fail(doing);
  status = Ask(kSetUp, {.sql = kSetUp, .operation = Operation::kIdle});
  const std::string& on_connect = backend_.options().on_connect;
  if (status.ok() && !on_connect.empty()) {
    status = Ask(on_connect, {.sql = on_connect, .operation = Operation::kIdle});
    if (status.ok()) status = CheckLeftByOnConnect(lib(), handle());
  }
  return status;
}

// ---- what went wrong ----------------------------------------------------------------------------

absl::Status Wire::Condemn(absl::Status status, FaultScope scope) {
  session_.MarkFailed(scope);
  if (condemned_.ok()) condemned_ = std::move(status);
  return condemned_;
}

absl::Status Wire::Report(const Evidence& evidence, const Doing& doing) {
  const Finding finding = ClassifyInSession(evidence);
  if (LostRole(evidence)) backend_.endpoints().Leave(endpoint_);
  std::string message(internal::CutUtf8(evidence.message, kMostRead));
  if (MayQuoteValues(evidence.number)) message = WithoutValues(message);
  absl::Status status =
      MakeStatus(finding.code, evidence.number,
                 {.sql = doing.sql, .message = message, .advice = finding.advice});
  if (finding.fault_scope != FaultScope::kStatement) {
    return Condemn(std::move(status), finding.fault_scope);
  }
  // It rolls the statement back, or all of the transaction; to us it is always all.
  if (UndoesTransaction(evidence.number) && session_.transaction().ours()) {
    session_.transaction().NoteFailure(status);
    absl::Status sent = SendRollback();
    if (!sent.ok()) return sent;
    was_undone_ = true;
  }
  return status;
}

absl::Status Wire::Fail(const Doing& doing) {
  if (link_.overran() || link_.refused_packet()) return Overran(doing);
  return Report({.number = lib().mysql_errno(handle()),
                 .sqlstate = lib().mysql_sqlstate(handle()),
                 .message = lib().mysql_error(handle()),
                 .operation = doing.operation},
                doing);
}

// What goes wrong while rows come, the library notes at the handle alone.
absl::Status Wire::Fail(MYSQL_STMT* statement, const Doing& doing) {
  if (link_.overran() || link_.refused_packet() || lib().mysql_stmt_errno(statement) == 0) {
    return Fail(doing);
  }
  return Report({.number = lib().mysql_stmt_errno(statement),
                 .sqlstate = lib().mysql_stmt_sqlstate(statement),
                 .message = lib().mysql_stmt_error(statement),
                 .operation = doing.operation},
                doing);
}

absl::Status Wire::Late(const Doing& doing) {
  gave_up_ = true;
  const Finding finding = ClassifyDeadline(doing.operation);
  return Condemn(MakeStatus(finding.code, 0,
                            {.sql = doing.sql,
                             .message = "the deadline passed before the answer came",
                             .advice = finding.advice}),
                 finding.fault_scope);
}

// Only this connection is given up: another one would be told the same.
absl::Status Wire::Overran(const Doing& doing) {
  const bool refused =
      !link_.overran();  // by the library, which has ended the link, so that the server knows
  gave_up_ = gave_up_ || !refused;
  const Finding finding =
      ClassifyInSession({.number = kPacketTooLong, .operation = doing.operation});
  const std::string message =
      Concat({refused ? "a row of the answer is" : "the columns of the answer, or one row, are",
              " longer than max_result_bytes, which is ",
              internal::Digits(backend_.options().max_result_bytes)});
  return Condemn(
      MakeStatus(finding.code, 0, {.sql = doing.sql, .message = message, .advice = finding.advice}),
      FaultScope::kConnection);
}

// Between two questions a server has nothing to say: whatever can be read is the end.
Liveness Wire::Look() {
  if (owes_) {
    TakeOwed();
    return condemned_.ok() ? Liveness::kAlive : Liveness::kDead;
  }
  const IoEvents seen = session_.platform().WaitForDescriptor(link_.descriptor(),
                                                              {.readable = true}, Deadline::Past());
  if (!seen.any()) return Liveness::kAlive;
  Condemn(absl::UnavailableError("the server has ended the session"),
          FaultScope::kConnectionSuspectOlder)
      .IgnoreError();
  return Liveness::kDead;
}

}  // namespace roost::mysql
