#include "backends/postgres/stepped_run.h"

#include <utility>

#include "backends/postgres/errors.h"
#include "backends/postgres/pipeline.h"
#include "backends/postgres/statement.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using Kind = Reply::Kind;

// Results of a command that gives one. No server has a reason for more.
constexpr int kMostResults = 1000;
// Pieces of one step: a server that goes on sending does not keep its client here.
constexpr int kPieces = 64;

Step Await(Pipeline& pipeline) {
  PqConnection& link = pipeline.link();
  const IoEvents wanted{.readable = true, .writable = link.Unsent()};
  return {.wait = {.fd = link.descriptor(), .wanted = wanted}, .at = pipeline.session().deadline()};
}

}  // namespace

Doing SteppedRun::DoingOf(const PostgresStatement& s) {
  return {.sql = s.sql(), .operation = s.commits_ ? Operation::kCommit : Operation::kStatement};
}

SteppedRun& SteppedRun::Of(Pipeline& pipeline) { return pipeline.stepped_; }

absl::StatusOr<Step> SteppedRun::Start(PostgresStatement& s, std::span<const Value> values) {
  absl::Status status = s.CheckStart(values);
  if (!status.ok()) return status;
  *this = {};
  values_ = values;
  in_transaction_ = s.pipeline_.InTransaction();
  return SendExchange(s);
}

absl::StatusOr<Step> SteppedRun::SendExchange(PostgresStatement& s) {
  absl::Status status = Send(s);
  if (!status.ok()) {
    *this = {};
    return status;
  }
  s.rows_ = Result();
  s.row_ = 0;
  s.changes_ = 0;
  s.reading_ = true;
  s.ended_ = false;
  s.gathers_ = true;
  s.pipeline_.RecordStart(s);
  return Await(s.pipeline_);
}

absl::Status SteppedRun::Send(PostgresStatement& s) {
  results_ = 0;
  relies_on_the_past_ = s.prepared_ || s.described();
  describes_ = !s.described() && NeedTypes(values_);
  prepares_ = describes_;
  phase_ = Phase::kOwed;
  if (describes_) {
    s.commits_ = false;
    const bool sent =
        s.pipeline_.Begin(/*with_begin=*/false) && s.SendPreparing({}) && s.pipeline_.Send();
    return sent ? absl::OkStatus() : s.pipeline_.failures().Lost(DoingOf(s));
  }
  PostgresStatement::Sent sent;
  absl::Status status = s.Send(values_, /*gathers=*/true, sent);
  prepares_ = sent.prepares;
  if (sent.alone) phase_ = Phase::kAnswer;
  return status;
}

absl::StatusOr<Step> SteppedRun::Advance(PostgresStatement& s, TimePoint now) {
  if (!s.reading_ || !is_under_way()) return Step{.done = true};
  if (s.pipeline_.session().IsForked()) return backends::Session::UsedAfterFork();
  const bool late = s.pipeline_.session().deadline().HasPassed(now);
  for (int piece = 0; piece < kPieces; ++piece) {
    const absl::StatusOr<bool> taken = TakePhase(s);
    if (!taken.ok()) {
      failed_ = taken.status();
      phase_ = Phase::kSync;
      results_ = 0;
      continue;
    }
    if (!is_under_way()) return EndExchange(s);
    if (*taken) continue;
    if (!late) return Await(s.pipeline_);
    break;
  }
  if (!late) return Step{.at = Deadline::At(now)};
  return Fail(s, s.pipeline_.failures().Late(DoingOf(s)));
}

absl::StatusOr<bool> SteppedRun::TakePhase(PostgresStatement& s) {
  const Doing doing = DoingOf(s);
  Pipeline& pipeline = s.pipeline_;
  absl::StatusOr<bool> taken = true;
  switch (phase_) {
    case Phase::kOwed:
      taken = pipeline.TakeOwed(1, Deadline::Past(), doing);
      if (taken.ok() && *taken) phase_ = Phase::kBegin;
      return taken;
    case Phase::kBegin:
      taken = TakeBegin(pipeline, doing);
      if (taken.ok() && *taken) phase_ = prepares_ ? Phase::kParse : Phase::kAnswer;
      return taken;
    case Phase::kParse:
      taken = TakeCommand(pipeline, doing, s.rows_);
      if (!taken.ok() || !*taken) return taken;
      s.prepared_ = !pipeline.pooler();
      phase_ = Phase::kDescribe;
      return true;
    case Phase::kDescribe: {
      taken = TakeCommand(pipeline, doing, s.rows_);
      if (!taken.ok() || !*taken) return taken;
      absl::Status status = s.NoteDescribed(std::exchange(s.rows_, Result()));
      if (status.ok()) status = s.CheckCount(values_.size());
      if (!status.ok()) return status;
      phase_ = describes_ ? Phase::kSync : Phase::kAnswer;
      return true;
    }
    case Phase::kAnswer:
      return TakeAnswer(s);
    case Phase::kSync:
      return TakeSync(s);
    case Phase::kNone:
      break;
  }
  return true;
}

absl::StatusOr<bool> SteppedRun::TakeBegin(Pipeline& pipeline, const Doing& doing) {
  Result begun;
  while (pipeline.begin_commands_ > 0) {
    absl::StatusOr<bool> taken =
        TakeCommand(pipeline, {.sql = "BEGIN", .operation = doing.operation}, begun);
    if (!taken.ok() || !*taken) return taken;
    --pipeline.begin_commands_;
    pipeline.in_transaction_ = true;
  }
  return true;
}

absl::StatusOr<bool> SteppedRun::TakeCommand(Pipeline& pipeline, const Doing& doing, Result& last) {
  for (;;) {
    Reply reply = pipeline.link().ReceiveNow(/*gathers=*/false);
    if (reply.kind == Kind::kLate) return false;
    if (reply.kind == Kind::kEnd) break;
    if (++results_ > kMostResults) return pipeline.failures().OutOfOrder(doing);
    if (!reply.good()) return pipeline.failures().Fail(reply, doing);
    last = std::move(reply.result);
  }
  results_ = 0;
  return true;
}

bool SteppedRun::TakeAnswer(PostgresStatement& s) {
  Reply reply = s.pipeline_.link().ReceiveNow(/*gathers=*/true);
  if (reply.kind == Kind::kLate) return false;
  phase_ = Phase::kSync;
  results_ = 0;
  if (reply.good()) {
    failed_ = s.TakeEnd(reply);
    s.rows_ = std::move(reply.result);
    return true;
  }
  absl::Status failed = s.pipeline_.failures().Fail(reply, DoingOf(s));
  failed_ = s.commits_ ? failed : internal::UndoneWithOthers(std::move(failed));
  return true;
}

// What fails here fails the statement: one without a transaction commits after it has said that it is
// complete.
bool SteppedRun::TakeSync(PostgresStatement& s) {
  Pipeline& pipeline = s.pipeline_;
  while (pipeline.condemned().ok() && pipeline.link().owed() > 0) {
    const Reply reply = pipeline.link().ReceiveNow(/*gathers=*/false);
    if (reply.kind == Kind::kLate) return false;
    const bool failed = reply.failed() && failed_.ok();
    const bool too_many = reply.kind == Kind::kResult && ++results_ > kMostResults;
    if (reply.kind != Kind::kLost && !reply.copies() && !failed && !too_many) continue;
    Failures& failures = pipeline.failures();
    const absl::Status failure =
        too_many ? failures.OutOfOrder(DoingOf(s)) : failures.Fail(reply, DoingOf(s));
    if (failed_.ok()) failed_ = failure;
  }
  pipeline.RecordTransaction();
  phase_ = Phase::kNone;
  return true;
}

absl::Status SteppedRun::Fail(PostgresStatement& s, absl::Status status) {
  *this = {};
  s.ended_ = true;
  s.Finish();
  return status;
}

absl::StatusOr<Step> SteppedRun::EndExchange(PostgresStatement& s) {
  if (failed_.ok() && !describes_) return End(s);
  const absl::Status failed = std::exchange(failed_, absl::OkStatus());
  const std::string_view sqlstate = PostgresSqlState(failed);
  // As in PostgresStatement::Start: the session has lost it, or its types have changed.
  const bool outdated = s.MayBeOutdated(sqlstate) && !describes_ && !is_second_ &&
                        (relies_on_the_past_ || sqlstate == "42P05");
  SteppedRun next;
  next.values_ = values_;
  next.in_transaction_ = in_transaction_;
  next.is_second_ = is_second_ || outdated;
  absl::Status status = Fail(s, failed);
  if (outdated) {
    s.Unlearn();
    if (next.in_transaction_) {
      status = LostInTransaction(s.sql(), sqlstate);
      s.pipeline_.session().transaction().NoteFailure(status);
      return status;
    }
    status = s.pipeline_.Ready();
  }
  if (!status.ok()) return status;
  *this = next;
  return SendExchange(s);
}

absl::StatusOr<Step> SteppedRun::End(PostgresStatement& s) {
  *this = {};
  s.ended_ = true;
  if (s.pipeline_.pq().PQntuples(s.rows_.get()) > 0) {
    const absl::StatusOr<bool> decoded = s.DecodeBytes();
    if (!decoded.ok()) return Fail(s, decoded.status());
    s.waiting_row_ = true;
  }
  return Step{.done = true};
}

void SteppedRun::GiveUp(PostgresStatement& s) {
  *this = {};
  s.pipeline_.failures()
      .Condemn(absl::CancelledError(
                   internal::Concat({internal::Quoted(s.sql()),
                                     " was given up before its answer had come: the connection is "
                                     "closed"})),
               FaultScope::kConnection)
      .IgnoreError();
}

}  // namespace roost::postgres
