#include "backends/postgres/connection.h"

#include <chrono>
#include <string>
#include <utility>

#include "backends/postgres/sql_traits.h"
#include "roost/internal/storage.h"
#include "statements/text.h"

namespace roost {
namespace postgres {
namespace {

using internal::Concat;
using internal::Quoted;

static_assert(sizeof(PostgresConnection) <= PostgresBackend::kConnectionSize.connection,
              "a PostgresConnection does not fit into PostgresBackend::kConnectionSize: raise it");
static_assert(
    StatementCache<PostgresStatement>::EntryBytes() <= PostgresBackend::kConnectionSize.statement,
    "a cached PostgresStatement does not fit into PostgresBackend::kConnectionSize: raise it");
static_assert(sizeof(PostgresConnection) % alignof(std::max_align_t) == 0,
              "the statement cache behind a PostgresConnection would not be aligned");

// An answer that is owed for so long will not come: the link was cut.
constexpr Duration kOwedTooLong = std::chrono::seconds(10);

// Nothing where the session commits durably anyway. A setting of 'local' or of the two that wait
// for standbys is left alone.
constexpr char kSealSql[] =
    "SELECT set_config('synchronous_commit', 'on', true), "
    "pg_logical_emit_message(true, 'roostpool', 'seal') "
    "WHERE current_setting('synchronous_commit') = 'off'";

// Of the server's transactions no two have the same. It is known without a transaction number, which only
// what writes has.
constexpr char kWhichTransaction[] =
    "SELECT virtualtransaction FROM pg_catalog.pg_locks "
    "WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'virtualxid'";
// For PostgresConnection::which_: one that has failed, and answers nothing.
constexpr uint64_t kFailed = 1;

absl::Status NotOpen() { return absl::FailedPreconditionError("the connection is not open"); }

void NoteServer(const Libpq& pq, PGconn* handle, backends::ServerNotes& notes) {
  const auto text = [](const char* told) { return std::string_view(told == nullptr ? "" : told); };
  const auto setting = [&](const char* name) { return text(pq.PQparameterStatus(handle, name)); };
  const std::string_view standby = setting("in_hot_standby");
  ServerRole role = ServerRole::kUnknown;  // before PostgreSQL 14, and of poolers
  if (standby == "on") {
    role = ServerRole::kStandby;
  } else if (standby == "off") {
    const bool only_reads = setting("default_transaction_read_only") == "on";
    role = only_reads ? ServerRole::kReadOnly : ServerRole::kPrimary;
  }
  const char* const tls =
      pq.PQsslInUse(handle) == 1 ? pq.PQsslAttribute(handle, "protocol") : "none";
  notes.Opened(setting("server_version"), text(pq.PQuser(handle)), text(tls), role);
  notes.Measure(pq.PQsocket(handle));
}

}  // namespace

size_t PostgresConnection::BytesFor(int statements) {
  return sizeof(PostgresConnection) + StatementCache<PostgresStatement>::BytesFor(statements);
}

PostgresConnection::PostgresConnection(BackendState& backend, const OpenRequest& request)
    : Session(request),
      attempt_(std::make_unique<ConnectAttempt>(backend, request)),
      notes_(backend.server_notes()),
      pipeline_(*this, backend),
      cache_(request.memory.data + sizeof(PostgresConnection), request.memory.statements,
             backend.statement_counts()) {}

PostgresConnection::~PostgresConnection() { Close(); }

// ---- opening ------------------------------------------------------------------------------------

absl::Status PostgresConnection::Start() { return attempt_->Start(); }

absl::StatusOr<Step> PostgresConnection::Advance(TimePoint now) {
  if (attempt_ != nullptr) return AdvanceOpen(now);
  absl::StatusOr<Step> step = AdvancePing(now);
  if (step.ok() && step->done) notes_.Measure(link().descriptor());
  return step;
}

absl::StatusOr<Step> PostgresConnection::AdvanceOpen(TimePoint now) {
  absl::StatusOr<Step> step = attempt_->Advance(now);
  if (!step.ok()) {
    MarkFailed(attempt_->fault_scope());
  } else if (step->done) {
    pipeline_.Adopt(*attempt_);
    place_ = attempt_->TakePlace();
    NoteServer(pq(), link().handle(), notes_);
    attempt_.reset();
  }
  return step;
}

// ---- preparing ----------------------------------------------------------------------------------

absl::Status PostgresConnection::CheckSql(std::string_view sql, SqlTraits traits) const {
  absl::Status status = internal::CheckNoZero(sql);
  if (status.ok() && traits.taints && pipeline_.pooler()) {
    return absl::InvalidArgumentError(Concat({Quoted(sql),
                                              " changes the session, or may do so, which a "
                                              "transaction pooler gives to another client next: "
                                              "use SET LOCAL inside a transaction"}));
  }
  return status;
}

absl::StatusOr<PostgresStatement*> PostgresConnection::FindOrAdd(const Sql& sql) {
  return cache_.FindOrPrepare(sql, [&] { return Add(sql); });
}

absl::StatusOr<PostgresStatement*> PostgresConnection::Add(const Sql& sql) {
  const SqlTraits traits = ReadTraits(sql.text());
  absl::Status status = CheckSql(sql.text(), traits);
  if (status.ok() && traits.empty) status = internal::HoldsNoStatement(sql.text());
  if (status.ok()) status = pipeline_.Ready();
  if (!status.ok()) return status;
  StatementText text(pq(), sql.text());
  if (!text.ok()) {
    return absl::ResourceExhaustedError(Concat({Quoted(sql.text()), ": libpq has no memory"}));
  }
  return cache_.Insert(sql, pipeline_, std::move(text), sql, traits);
}

absl::StatusOr<Statement*> PostgresConnection::Prepare(const Sql& sql) {
  if (cache_.IsLast(sql) && cache_.last()->described()) return cache_.last();
  const absl::StatusOr<PostgresStatement*> found = FindOrAdd(sql);
  if (!found.ok()) return found.status();
  if (!(*found)->described()) {
    absl::Status status = (*found)->Describe();
    if (!status.ok()) return status;
  }
  return *found;
}

absl::StatusOr<Statement*> PostgresConnection::PrepareToRun(const Sql& sql) {
  if (cache_.IsLast(sql)) return cache_.last();
  const absl::StatusOr<PostgresStatement*> found = FindOrAdd(sql);
  if (!found.ok()) return found.status();
  return *found;
}

absl::Status PostgresConnection::RunScript(std::string_view sql) {
  const SqlTraits traits = ReadTraits(sql);
  // A script may hold a COMMIT of its own.
  const Doing doing{.sql = sql,
                    .operation = traits.reads ? Operation::kStatement : Operation::kCommit};
  absl::Status status = CheckSql(sql, traits);
  if (status.ok()) status = pipeline_.Ready();
  if (status.ok() && traits.bounds_transaction && transaction().ours()) {
    status = BoundsTransaction(sql);
  }
  if (status.ok()) status = pipeline_.Settle({.sql = sql});
  if (!status.ok()) return status;
  if (traits.taints) Taint();
  return internal::UndoneWithOthers(pipeline_.RunSettled(sql, doing));
}

// ---- transactions -------------------------------------------------------------------------------

absl::Status PostgresConnection::BeginTransaction(Durability durability) {
  absl::Status status = pipeline_.Ready();
  if (!status.ok()) return status;
  transaction().Begin(durability == Durability::kSealed && role() != Role::kReader);
  pipeline_.PutOffBegin();
  pipeline_.RecordTransaction();
  which_ = 0;
  if (IsRaw()) NoteTransaction();
  return absl::OkStatus();
}

// Before the holder of the raw handle can put another one in its place. Where it cannot be asked, the
// commit meets the same trouble.
void PostgresConnection::NoteTransaction() {
  if (!transaction().ours() || which_ != 0) return;
  which_ = pipeline_.HasFailedTransaction() ? kFailed : AskWhichTransaction().value_or(0);
}

absl::StatusOr<uint64_t> PostgresConnection::AskWhichTransaction() {
  const Sql sql(kWhichTransaction);
  PostgresStatement ask(pipeline_, StatementText(pq(), sql.text()), sql, ReadTraits(sql.text()));
  Rows rows = ask.Query();
  uint64_t which = 0;
  while (rows.Next()) which = Sql(rows.Get<std::string_view>(0)).hash();
  if (!rows.status().ok()) return rows.status();
  return which;
}

absl::Status PostgresConnection::CommitTransaction() {
  const Doing doing{.sql = "COMMIT", .operation = Operation::kCommit};
  if (!pipeline_.condemned().ok()) return pipeline_.condemned();
  if (IsLate()) return TooLateToCommit();
  if (pipeline_.CancelBegin()) {  // nothing was run in it
    transaction().End();
    pipeline_.RecordTransaction();
    return absl::OkStatus();
  }
  absl::Status status = pipeline_.Ready();
  if (!status.ok()) return status;
  if (which_ != 0 && IsRaw() && !pipeline_.HasFailedTransaction()) {
    const absl::StatusOr<uint64_t> which = AskWhichTransaction();
    if (!which.ok()) return which.status();
    if (*which != which_) return Replaced();
  }
  transaction().End();
  const absl::StatusOr<Result> answer = pipeline_.Ask(doing.sql.data(), doing);
  if (!answer.ok()) return answer.status();
  // The server's answer to the COMMIT of a transaction that has failed is no error.
  return answer->command() == "ROLLBACK" ? FailedBefore() : absl::OkStatus();
}

absl::Status PostgresConnection::RollbackTransaction() {
  const bool begun = !pipeline_.CancelBegin();
  const bool condemned = !pipeline_.condemned().ok();
  if (begun && !condemned && IsRaw()) pipeline_.RecordTransaction();
  const bool lost = begun && !condemned && transaction().IsLost(pipeline_.InTransaction());
  transaction().End();
  FinishReader();
  if (!pipeline_.condemned().ok()) return pipeline_.condemned();
  absl::Status status = pipeline_.LeaveTransaction(/*tell_server=*/begun);
  return status.ok() && lost ? EndedByOthers() : status;
}

absl::Status PostgresConnection::Seal() {
  const Doing doing{.sql = kSealSql};
  absl::Status status = pipeline_.Ready();
  if (!status.ok()) return status;
  if (pipeline_.InTransaction()) {
    return absl::FailedPreconditionError("a transaction is open: commit it before Seal");
  }
  return pipeline_.Ask(kSealSql, doing).status();
}

// ---- for the pool -------------------------------------------------------------------------------

absl::Status PostgresConnection::CheckOpen() const {
  return pipeline_.link().open() ? pipeline_.condemned() : NotOpen();
}

void PostgresConnection::FinishReader() {
  if (Statement* const reader = pipeline_.reader(); reader != nullptr) {
    static_cast<PostgresStatement*>(reader)->EndRows();
  }
}

SessionState PostgresConnection::Inspect() {
  if (!CheckOpen().ok() || fault_scope() != FaultScope::kStatement) return SessionState::kBroken;
  if (IsRaw() && !link().IsIdle()) return SessionState::kBroken;
  return InspectFlags(pipeline_.InTransaction());
}

absl::Status PostgresConnection::Reset(Deadline deadline) {
  if (!link().open()) return NotOpen();
  const Deadline lease_deadline = this->deadline();
  set_deadline(deadline);
  FinishReader();
  set_deadline(lease_deadline);
  if (!pipeline_.condemned().ok()) return pipeline_.condemned();
  if (IsRaw()) {
    if (!link().IsIdle()) {
      return absl::FailedPreconditionError(
          "the raw handle was left in the middle of a query, a COPY or a pipeline");
    }
    link().Listen();
    pipeline_.RecordTransaction();
  }
  absl::Status status = RollbackTransaction();
  if (status.ok() && (IsDirty(kDirtyTainted) || IsRaw())) status = UndoSession();
  if (status.ok()) ClearDirtyFlags();
  return status;
}

// Through a pooler there is no session of ours to undo; SQL that would change it was refused.
absl::Status PostgresConnection::UndoSession() {
  if (pipeline_.pooler()) return absl::OkStatus();
  absl::Status status = pipeline_.SendAlone("DISCARD ALL");
  if (!status.ok()) return status;
  cache_.ForEach([](PostgresStatement& statement) { statement.Forget(); });
  pipeline_.RecordDiscard();
  return absl::OkStatus();
}

Liveness PostgresConnection::Probe() {
  if (!CheckOpen().ok()) return Liveness::kDead;
  if (link().owed() > 0 && platform().CoarseNow() - link().owed_since() > kOwedTooLong) {
    Failures& failures = pipeline_.failures();
    failures
        .Condemn(absl::UnavailableError(Concat(
                     {failures.Where(), " has not answered for 10 s: the link is taken for cut"})),
                 FaultScope::kConnectionSuspectOlder)
        .IgnoreError();
    return Liveness::kDead;
  }
  if (link().HasAnsweredWithin(kRest, platform().CoarseNow())) return Liveness::kAlive;
  const Liveness seen = link().Look();
  if (seen == Liveness::kDead) {
    pipeline_.CheckAlive().IgnoreError();
    return Liveness::kDead;
  }
  return pipeline_.TakeOwed(0, Deadline::Past()).ok() ? seen : Liveness::kDead;
}

absl::Status PostgresConnection::Ping(Deadline deadline) {
  absl::StatusOr<Step> step = BeginPing(deadline);
  if (!step.ok() || step->done) return step.status();
  const absl::StatusOr<bool> answered = pipeline_.TakeOwed(0, deadline);
  if (!answered.ok()) return answered.status();
  return *answered ? absl::OkStatus() : pipeline_.failures().Late({.operation = Operation::kIdle});
}

absl::StatusOr<Step> PostgresConnection::BeginPing(Deadline deadline) {
  absl::Status status = CheckOpen();
  if (!status.ok()) return status;
  if (pipeline_.reader() != nullptr || !link().IsIdle()) {
    return absl::FailedPreconditionError("the connection is in the middle of an exchange");
  }
  link().Meter();
  status = pipeline_.SendAlone("");
  if (!status.ok()) return status;
  ping_deadline_ = deadline;
  return AwaitPing();
}

absl::StatusOr<Step> PostgresConnection::AdvancePing(TimePoint now) {
  absl::Status status = CheckOpen();
  if (!status.ok()) return status;
  const absl::StatusOr<bool> answered = pipeline_.TakeOwed(0, Deadline::Past());
  if (!answered.ok()) return answered.status();
  if (*answered) return Step{.done = true};
  if (ping_deadline_.HasPassed(now)) {
    return pipeline_.failures().Late({.operation = Operation::kIdle});
  }
  return AwaitPing();
}

Step PostgresConnection::AwaitPing() {
  const IoEvents wanted{.readable = true, .writable = link().Unsent()};
  return {.wait = {.fd = link().descriptor(), .wanted = wanted}, .at = ping_deadline_};
}

// Does not wait: whether the answer came is seen at the next maintenance or the next use.
absl::Status PostgresConnection::Maintain(Deadline /*deadline*/) {
  if (!link().open()) return NotOpen();
  if (Probe() == Liveness::kDead) return pipeline_.condemned();
  return link().owed() == 0 ? pipeline_.SendAlone("") : absl::OkStatus();
}

// The session ends, or was given away: the server is told nothing.
void PostgresConnection::DropStatements() {
  cache_.ForEach([](PostgresStatement& statement) { statement.Drop(); });
  cache_.Clear();
  pipeline_.DropReader();
}

void PostgresConnection::Close() {
  attempt_.reset();
  DropStatements();
  if (link().IsConnected()) {
    using enum ServerSessions::Place::State;
    const auto state = pipeline_.IsGivenUp() ? kGivenUp : kAtRest;
    const Libpq& libpq = pq();
    place_.End(libpq, link().Release(), state, pipeline_.peer(), platform());
  }
  link().Close();
  place_.Leave();
}

void PostgresConnection::Abandon() {
  if (attempt_ != nullptr) attempt_->Abandon();
  DropStatements();
  link().Abandon();
  place_.Abandon();
}

NativeHandle PostgresConnection::Detach() {
  FinishReader();
  if (pipeline_.condemned().ok() && pipeline_.Settle({}).ok() && link().IsIdle()) {
    cache_.ForEach(
        [this](PostgresStatement& statement) { pipeline_.Deallocate(statement.name()); });
    if (pipeline_.SendDeallocations()) pipeline_.TakeOwed(0, deadline()).IgnoreError();
  }
  DropStatements();
  return {link().Release()};
}

void* PostgresConnection::RawHandle() {
  if (pipeline_.condemned().ok() && pipeline_.reader() == nullptr) {
    pipeline_.Settle({}).IgnoreError();
    NoteTransaction();
  }
  return link().handle();
}

}  // namespace postgres

pg_conn* PostgresHandle(Connection& connection) { return static_cast<pg_conn*>(connection.Raw()); }

}  // namespace roost
