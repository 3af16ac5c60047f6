#include "backends/mysql/connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "backends/common/error.h"
#include "backends/mysql/sql_text.h"
#include "roost/internal/storage.h"
#include "statements/text.h"

namespace roost {
namespace mysql {
namespace {

static_assert(sizeof(MysqlConnection) <= MysqlBackend::kConnectionSize.connection,
              "a MysqlConnection does not fit into MysqlBackend::kConnectionSize: raise it");
static_assert(StatementCache<MysqlStatement>::EntryBytes() <=
                  MysqlBackend::kConnectionSize.statement,
              "a cached MysqlStatement does not fit into MysqlBackend::kConnectionSize: raise it");
static_assert(sizeof(MysqlConnection) % alignof(std::max_align_t) == 0,
              "the statement cache behind a MysqlConnection would not be aligned");

// An error with a number of its own, so that no row has to be read.
constexpr char kCheckDurable[] =
    "SELECT 1 FROM (SELECT 1) AS one WHERE @@GLOBAL.innodb_flush_log_at_trx_commit = 1";

absl::Status ChangesSession(std::string_view sql) {
  return absl::InvalidArgumentError(
      internal::Concat({internal::Quoted(sql),
                        " changes the session, or may do so, which a transaction pooler gives to "
                        "another client next: put it into the server's settings, or say "
                        "pooler=session"}));
}

// The server counts, for a session, what begins and ends transactions, also where a procedure does. Text,
// because these are no columns of any table that both servers have.
constexpr char kWhichTransaction[] =
    "SHOW SESSION STATUS WHERE Variable_name IN ('Com_begin', 'Com_commit', 'Com_rollback')";

// Whatever the session's completion_type says.
constexpr char kCommit[] = "COMMIT AND NO CHAIN NO RELEASE";

absl::Status NotOpen() { return absl::FailedPreconditionError("the connection is not open"); }

void NoteServer(Wire& wire, bool writable) {
  const auto text = [](const char* told) { return std::string_view(told == nullptr ? "" : told); };
  const MYSQL* const handle = wire.handle();
  const char* tls = nullptr;
  if (wire.lib().mariadb_get_infov(wire.handle(), MARIADB_CONNECTION_TLS_VERSION, &tls) != 0) {
    tls = "none";
  }
  backends::ServerNotes& notes = wire.backend().server_notes();
  notes.Opened(text(handle->server_version), text(handle->user), text(tls),
               writable ? ServerRole::kPrimary : ServerRole::kUnknown);
  notes.Measure(wire.link().descriptor());
}

}  // namespace

size_t MysqlConnection::BytesFor(int statements) {
  return sizeof(MysqlConnection) + StatementCache<MysqlStatement>::BytesFor(statements);
}

MysqlConnection::MysqlConnection(BackendState& backend, const OpenRequest& request)
    : Session(request),
      attempt_(std::make_unique<ConnectAttempt>(backend, request)),
      timers_(request.tcp_timers),
      wire_(*this, backend),
      cache_(request.memory.data + sizeof(MysqlConnection), request.memory.statements,
             backend.statement_counts()) {}

MysqlConnection::~MysqlConnection() { Close(); }

// ---- opening ------------------------------------------------------------------------------------

absl::Status MysqlConnection::Start() { return attempt_->Start(); }

absl::StatusOr<Step> MysqlConnection::Advance(TimePoint now) {
  if (attempt_ != nullptr) return AdvanceOpen(now);
  absl::StatusOr<Step> step = AdvancePing(now);
  if (step.ok() && step->done) {
    wire_.backend().server_notes().Measure(wire_.link().descriptor());
  }
  return step;
}

absl::StatusOr<Step> MysqlConnection::AdvanceOpen(TimePoint now) {
  // Without a Tick this is where a session that was given up is ended.
  wire_.backend().Continue(now);
  absl::StatusOr<Step> step = attempt_->Advance(now);
  if (!step.ok()) {
    MarkFailed(attempt_->fault_scope());
  } else if (step->done) {
    wire_.Adopt(*attempt_);
    NoteServer(wire_, attempt_->is_writable());
    attempt_.reset();
  }
  return step;
}

// ---- preparing ----------------------------------------------------------------------------------

absl::StatusOr<MysqlStatement*> MysqlConnection::FindOrAdd(const Sql& sql) {
  return cache_.FindOrPrepare(sql, [&] { return Add(sql); });
}

absl::StatusOr<MysqlStatement*> MysqlConnection::Add(const Sql& sql) {
  absl::Status status = internal::CheckNoZero(sql.text());
  if (status.ok()) status = wire_.Ready();
  if (!status.ok()) return status;
  const SqlTraits traits = ReadTraits(sql.text(), wire_.mode());
  if (traits.empty) return internal::HoldsNoStatement(sql.text());
  if (traits.taints && wire_.peer().is_pooler) return ChangesSession(sql.text());
  absl::StatusOr<Translation> translation = Translate(sql.text(), wire_.mode());
  if (!translation.ok()) return translation.status();
  return cache_.Insert(sql, *this, sql, *std::move(translation), traits, wire_.mode());
}

absl::StatusOr<Statement*> MysqlConnection::Prepare(const Sql& sql) {
  const absl::StatusOr<MysqlStatement*> found = FindOrAdd(sql);
  if (!found.ok()) return found.status();
  if (!(*found)->reading()) {
    absl::Status status = (*found)->Prepare();
    if (!status.ok()) return status;
  }
  return *found;
}

absl::StatusOr<Statement*> MysqlConnection::PrepareToRun(const Sql& sql) {
  const absl::StatusOr<MysqlStatement*> found = FindOrAdd(sql);
  if (!found.ok()) return found.status();
  return *found;
}

absl::Status MysqlConnection::RunScript(std::string_view sql) {
  absl::Status status = internal::CheckNoZero(sql);
  if (status.ok()) status = wire_.Ready();
  if (!status.ok()) return status;
  const SqlTraits traits = ReadTraits(sql, wire_.mode());
  if (traits.empty) return absl::OkStatus();
  if (traits.bounds_transaction && transaction().ours()) return BoundsTransaction(sql);
  if (traits.taints && wire_.peer().is_pooler) return ChangesSession(sql);
  if (traits.taints) Taint();
  const bool may_open = traits.bounds_transaction || wire_.InTransaction();
  status =
      wire_.AskScript(WithoutEmptyStatements(sql, wire_.mode()),
                      {.operation = traits.reads ? Operation::kStatement : Operation::kCommit});
  wire_.RecordTransaction();
  if (status.ok()) return wire_.CheckLeft(may_open);
  const ScriptPlace place = PlaceIn(sql, wire_.results(), wire_.mode());
  return backends::InScript(
      internal::WithMessage(status, internal::Concat({internal::Quoted(place.statement), ": ",
                                                      internal::MessageOf(status)})),
      sql, place.at, place.exact);
}

// ---- transactions -------------------------------------------------------------------------------

absl::Status MysqlConnection::BeginTransaction(Durability durability) {
  absl::Status status = wire_.Ready();
  if (status.ok() && durability == Durability::kSealed && role() != Role::kReader) {
    status = CheckDurable();
  }
  if (status.ok()) {
    status =
        wire_.Ask(role() == Role::kReader ? "START TRANSACTION READ ONLY" : "START TRANSACTION",
                  {.sql = "START TRANSACTION"});
  }
  if (status.ok()) transaction().Begin(durability == Durability::kSealed);
  wire_.RecordTransaction();
  which_ = 0;
  if (status.ok() && IsRaw()) NoteTransaction();
  return status;
}

// Before the holder of the raw handle can put another one in its place. Where it cannot be asked, the
// commit meets the same trouble.
void MysqlConnection::NoteTransaction() {
  if (transaction().ours() && which_ == 0) which_ = AskWhichTransaction().value_or(0);
}

absl::StatusOr<uint64_t> MysqlConnection::AskWhichTransaction() {
  const Sql sql(kWhichTransaction);
  absl::StatusOr<Translation> translation = Translate(sql.text(), wire_.mode());
  if (!translation.ok()) return translation.status();
  MysqlStatement ask(*this, sql, *std::move(translation), ReadTraits(sql.text(), wire_.mode()),
                     wire_.mode());
  std::string counts;
  Rows rows = ask.Query();
  while (rows.Next()) {
    counts +=
        internal::Concat({rows.Get<std::string_view>(0), " ", rows.Get<std::string_view>(1), "\n"});
  }
  if (!rows.status().ok()) return rows.status();
  return Sql(counts).hash();
}

absl::Status MysqlConnection::CommitTransaction() {
  if (!wire_.condemned().ok()) return wire_.condemned();
  if (IsForked()) return UsedAfterFork();
  absl::Status status = wire_.CheckTransaction();
  if (status.ok() && IsLate()) status = TooLateToCommit();
  if (status.ok()) status = wire_.Ready();
  if (status.ok() && which_ != 0 && IsRaw()) {
    const absl::StatusOr<uint64_t> which = AskWhichTransaction();
    status = which.status();
    if (status.ok() && *which != which_) return Replaced();
  }
  if (!status.ok()) return status;
  transaction().End();
  status = wire_.Ask(kCommit, {.sql = "COMMIT", .operation = Operation::kCommit});
  // What is open behind it is nobody's.
  if (status.ok() && wire_.InTransaction()) return wire_.SendRollback();
  wire_.RecordTransaction();
  return status;
}

absl::Status MysqlConnection::RollbackTransaction() {
  // What a race has ended was rolled back.
  absl::Status gone = wire_.CheckTransaction();
  absl::Status status = LeaveTransaction();
  return status.ok() && absl::IsUnknown(gone) ? gone : status;
}

absl::Status MysqlConnection::LeaveTransaction() {
  transaction().End();
  FinishReader();
  return wire_.SendRollback();
}

backends::RowsFate MysqlConnection::RollBackRows() {
  const bool lost = absl::IsUnknown(wire_.CheckTransaction());
  const bool condemned = !wire_.condemned().ok();
  absl::Status status = LeaveTransaction();
  if (status.ok()) status = wire_.Settle();
  if (!status.ok()) MarkFailed(FaultScope::kConnection);
  // A link that was lost takes the transaction with it, before COMMIT was sent.
  if (condemned) return backends::RowsFate::kNoneIn;
  if (lost || !status.ok()) return backends::RowsFate::kUntold;
  return wire_.kept_rows() ? backends::RowsFate::kNoTransaction : backends::RowsFate::kNoneIn;
}

// The log is synced at each commit, unless the administrator has said otherwise for all sessions.
absl::Status MysqlConnection::CheckDurable() {
  if (durable_) return absl::OkStatus();
  absl::StatusOr<Statement*> check = PrepareToRun(Sql(kCheckDurable));
  if (!check.ok()) return check.status();
  bool durable = false;
  {
    Rows rows = (*check)->Query();
    durable = rows.Next();
    if (!rows.status().ok()) return rows.status();
  }
  if (!durable) {
    return absl::FailedPreconditionError(
        "the server does not sync its log at each commit: set innodb_flush_log_at_trx_commit = 1");
  }
  durable_ = true;
  return absl::OkStatus();
}

absl::Status MysqlConnection::Seal() {
  absl::Status status = wire_.Ready();
  if (!status.ok()) return status;
  if (wire_.InTransaction()) {
    return absl::FailedPreconditionError("a transaction is open: commit it before Seal");
  }
  return CheckDurable();
}

// ---- for the pool -------------------------------------------------------------------------------

absl::Status MysqlConnection::CheckOpen() const {
  return wire_.handle() != nullptr ? wire_.condemned() : NotOpen();
}

void MysqlConnection::FinishReader() {
  if (Statement* const reader = wire_.reader(); reader != nullptr) {
    static_cast<MysqlStatement*>(reader)->EndRows();
  }
}

bool MysqlConnection::IsLeftInTheMiddle() const {
  return wire_.handle()->status != MYSQL_STATUS_READY && wire_.reader() == nullptr && !wire_.owes();
}

SessionState MysqlConnection::Inspect() {
  if (!CheckOpen().ok() || fault_scope() != FaultScope::kStatement) return SessionState::kBroken;
  if (IsRaw() && IsLeftInTheMiddle()) return SessionState::kBroken;
  return InspectFlags(wire_.InTransaction());
}

absl::Status MysqlConnection::Reset(Deadline deadline) {
  if (wire_.handle() == nullptr) return NotOpen();
  const Deadline lease_deadline = this->deadline();
  set_deadline(deadline);
  absl::Status status;
  if (IsRaw()) {
    if (IsLeftInTheMiddle()) {
      status = absl::FailedPreconditionError("the raw handle was left in the middle of a query");
    }
    wire_.link().Reclaim();
  }
  if (status.ok()) status = LeaveTransaction();
  if (status.ok() && (IsDirty(kDirtyTainted) || IsRaw())) status = UndoSession();
  set_deadline(lease_deadline);
  if (status.ok()) ClearDirtyFlags();
  return status;
}

// The server's reset ends the statements that were prepared, and does not lead back to the database
// of the beginning.
absl::Status MysqlConnection::UndoSession() {
  // Through a pooler there is no session of ours; SQL that would change it was refused.
  if (wire_.peer().is_pooler) return absl::OkStatus();
  absl::Status status = wire_.Settle();
  if (status.ok() && wire_.has_moved()) {
    return absl::FailedPreconditionError("the session uses another database than at first");
  }
  if (status.ok()) cache_.ForEach([](MysqlStatement& statement) { statement.Forget(); });
  return status.ok() ? wire_.ResetSession() : status;
}

Liveness MysqlConnection::Probe() {
  if (!CheckOpen().ok()) return Liveness::kDead;
  const Liveness seen = wire_.Look();
  // The pool closes it, and opens another: no caller meets the server's limit.
  if (seen == Liveness::kAlive && wire_.is_stale(platform().CoarseNow())) {
    wire_
        .Condemn(absl::UnavailableError("idle for most of the server's wait_timeout"),
                 FaultScope::kConnection)
        .IgnoreError();
    return Liveness::kDead;
  }
  return seen;
}

absl::Status MysqlConnection::Ping(Deadline deadline) {
  const Deadline lease_deadline = this->deadline();
  set_deadline(deadline);
  absl::Status status = CheckOpen();
  if (status.ok()) status = wire_.Ready();
  if (status.ok()) {
    wire_.link().Ping();
    const Doing doing{.sql = "ping", .operation = Operation::kIdle};
    status = wire_.Finish(doing);
    if (status.ok() && wire_.link().code() != 0) status = wire_.Fail(doing);
  }
  set_deadline(lease_deadline);
  return status;
}

// What is owed is the first question, and its answer lets the second be sent.
absl::StatusOr<Step> MysqlConnection::BeginPing(Deadline deadline) {
  absl::Status status = CheckOpen();
  if (!status.ok()) return status;
  if (wire_.reader() != nullptr || IsForked()) {
    return absl::FailedPreconditionError("the connection is in the middle of a question");
  }
  ping_deadline_ = deadline;
  ping_ = PingState::kWanted;
  return AdvancePing(platform().Now());
}

absl::StatusOr<Step> MysqlConnection::AdvancePing(TimePoint now) {
  absl::Status status = CheckOpen();
  if (!status.ok()) return status;
  if (ping_ == PingState::kNone) return Step{.done = true};
  Link& link = wire_.link();
  const Doing doing{.sql = "ping", .operation = Operation::kIdle};
  const bool settled = wire_.TakeOwed();
  if (!wire_.condemned().ok()) return wire_.condemned();
  if (settled && ping_ == PingState::kWanted) {
    ping_ = PingState::kAsked;
    link.Ping();
  }
  link.Advance();
  if (link.pending()) {
    if (ping_deadline_.HasPassed(now)) return wire_.Late(doing);
    return Step{.wait = {.fd = link.descriptor(), .wanted = link.wanted()}, .at = ping_deadline_};
  }
  ping_ = PingState::kNone;
  if (link.code() != 0) return wire_.Fail(doing);
  wire_.NoteAnswer();
  return Step{.done = true};
}

absl::Status MysqlConnection::Maintain(Deadline deadline) {
  if (wire_.handle() == nullptr) return NotOpen();
  if (Probe() == Liveness::kDead) return wire_.condemned();
  return Ping(deadline);
}

void MysqlConnection::Close() {
  attempt_.reset();
  wire_.DropReader();
  // A pooler's number may be that of somebody else's session at the server.
  if (wire_.link().open() && wire_.gave_up() && !wire_.peer().is_pooler && !IsForked()) {
    wire_.backend().EndSession(
        {.endpoint = wire_.endpoint(),
         .platform = &platform(),
         .timers = timers_,
         .given_up = {.id = wire_.handle()->thread_id, .local_port = wire_.link().local_port()}});
  }
  // The library then knows that its statements have no session, and frees them silently.
  wire_.link().Close();
  cache_.Clear();
}

void MysqlConnection::Abandon() {
  if (attempt_ != nullptr) attempt_->Abandon();
  wire_.DropReader();
  wire_.link().Abandon();
  cache_.Clear();
}

NativeHandle MysqlConnection::Detach() {
  FinishReader();
  if (wire_.condemned().ok()) wire_.Settle().IgnoreError();
  cache_.Clear();
  if (!wire_.link().open() || wire_.link().pending()) return {};
  return {wire_.link().Release()};
}

void* MysqlConnection::RawHandle() {
  if (wire_.condemned().ok() && wire_.reader() == nullptr) {
    wire_.Settle().IgnoreError();
    NoteTransaction();
  }
  return wire_.handle();
}

}  // namespace mysql

st_mysql* MysqlHandle(Connection& connection) { return static_cast<st_mysql*>(connection.Raw()); }

}  // namespace roost
