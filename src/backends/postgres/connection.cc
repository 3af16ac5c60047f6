// Opening, preparing, transactions, and the pool's half; pipeline.cc has the exchanges.
#include "backends/postgres/connection.h"

#include <chrono>
#include <string>
#include <utility>

#include "roost/internal/pool_memory.h"
#include "statements/text.h"

namespace roost {
namespace postgres {
namespace {

using internal::Concat;
using internal::Quoted;

static_assert(sizeof(PostgresConnection) <= internal::kConnectionBytes,
              "a PostgresConnection does not fit into internal::kConnectionBytes: raise it");
static_assert(StatementCache<PostgresStatement>::EntryBytes() <= internal::kStatementBytes,
              "a cached PostgresStatement does not fit into internal::kStatementBytes: raise it");
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

absl::Status NotOpen() { return absl::FailedPreconditionError("the connection is not open"); }

}  // namespace

size_t PostgresConnection::BytesFor(int statements) {
  return sizeof(PostgresConnection) + StatementCache<PostgresStatement>::BytesFor(statements);
}

PostgresConnection::PostgresConnection(BackendState& backend, const OpenRequest& request)
    : backend_(backend),
      platform_(*request.platform),
      role_(request.role),
      attempt_(std::make_unique<ConnectAttempt>(backend, request)),
      link_(platform_),
      cache_(request.memory.data + sizeof(PostgresConnection), request.memory.statements) {}

PostgresConnection::~PostgresConnection() { Close(); }

// ---- opening ------------------------------------------------------------------------------------

absl::Status PostgresConnection::Start() { return attempt_->Start(); }

absl::StatusOr<Step> PostgresConnection::Advance(TimePoint now) {
  return attempt_ != nullptr ? AdvanceOpen(now) : AdvancePing(now);
}

absl::StatusOr<Step> PostgresConnection::AdvanceOpen(TimePoint now) {
  absl::StatusOr<Step> step = attempt_->Advance(now);
  if (!step.ok()) {
    MarkFailed(attempt_->fault_scope());
  } else if (step->done) {
    Adopt();
  }
  return step;
}

void PostgresConnection::Adopt() {
  endpoint_ = attempt_->endpoint();
  wants_primary_ = attempt_->wants_primary();
  link_.Adopt(backend_.pq(), attempt_->Release());
  attempt_.reset();
}

// ---- preparing ----------------------------------------------------------------------------------

absl::Status PostgresConnection::CheckSql(std::string_view sql, SqlTraits traits) const {
  if (sql.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(Concat({Quoted(sql), " has a zero byte in it"}));
  }
  if (traits.taints && pooler()) {
    return absl::InvalidArgumentError(
        Concat({Quoted(sql),
                " changes the session, which a transaction pooler gives to another client next: "
                "use SET LOCAL inside a transaction"}));
  }
  return absl::OkStatus();
}

absl::StatusOr<PostgresStatement*> PostgresConnection::FindOrAdd(const Sql& sql) {
  if (PostgresStatement* found = cache_.Find(sql); found != nullptr) return found;
  if (!cache_.HasRoom()) {
    return absl::ResourceExhaustedError(
        Concat({Quoted(sql.text()), " cannot be prepared: all ", std::to_string(cache_.capacity()),
                " statements of this connection's cache are being read; end some Rows first"}));
  }
  if (sql.text().empty()) return absl::InvalidArgumentError("the SQL is empty");
  const SqlTraits traits = ReadTraits(sql.text());
  absl::Status status = CheckSql(sql.text(), traits);
  if (status.ok()) status = Ready();
  if (!status.ok()) return status;
  StatementText text(pq(), sql.text());
  if (!text.ok()) {
    return absl::ResourceExhaustedError(Concat({Quoted(sql.text()), ": libpq has no memory"}));
  }
  cache_.MakeRoom();
  return cache_.Add(sql, *this, std::move(text), sql, traits);
}

absl::StatusOr<Statement*> PostgresConnection::Prepare(const Sql& sql) {
  const absl::StatusOr<PostgresStatement*> found = FindOrAdd(sql);
  if (!found.ok()) return found.status();
  if (!(*found)->described()) {
    absl::Status status = (*found)->Describe();
    if (!status.ok()) return status;
  }
  return *found;
}

absl::StatusOr<Statement*> PostgresConnection::PrepareToRun(const Sql& sql) {
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
  if (status.ok()) status = Ready();
  if (status.ok()) status = Settle({.sql = sql});
  if (!status.ok()) return status;
  if (traits.taints) Taint();
  return RunSettled(sql, doing);
}

// ---- transactions -------------------------------------------------------------------------------

void PostgresConnection::NoteTransaction() {
  if (link_.open() && link_.owed() == 0) {
    const PGTransactionStatusType state = pq().PQtransactionStatus(link_.handle());
    in_transaction_ = state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
  }
  if (our_transaction_ || InTransaction()) {
    SetDirty(kDirtyTransaction);
  } else {
    ClearDirty(kDirtyTransaction);
  }
}

absl::Status PostgresConnection::BeginTransaction(Durability durability) {
  absl::Status status = Ready();
  if (!status.ok()) return status;
  our_transaction_ = true;
  begin_pending_ = true;
  seal_commit_ = durability == Durability::kSealed && role_ != Role::kReader;
  NoteTransaction();
  return absl::OkStatus();
}

absl::Status PostgresConnection::CommitTransaction() {
  const Doing doing{.sql = "COMMIT", .operation = Operation::kCommit};
  if (!condemned_.ok()) return condemned_;
  if (begin_pending_) {  // nothing was run in it
    our_transaction_ = begin_pending_ = false;
    NoteTransaction();
    return absl::OkStatus();
  }
  absl::Status status = Ready();
  if (!status.ok()) return status;
  our_transaction_ = false;
  const absl::StatusOr<Result> answer = Ask(doing.sql.data(), doing);
  if (!answer.ok()) return answer.status();
  // The server's answer to the COMMIT of a transaction that has failed is no error.
  if (answer->command() != "ROLLBACK") return absl::OkStatus();
  return absl::AbortedError(
      "the transaction was rolled back, because a statement in it had failed: run it again from "
      "the "
      "start");
}

absl::Status PostgresConnection::RollbackTransaction() {
  our_transaction_ = false;
  const bool begun = !std::exchange(begin_pending_, false);
  if (reader_ != nullptr) reader_->Finish();
  if (!condemned_.ok()) return condemned_;
  absl::Status status;
  if (begun && in_transaction_) status = SendAlone("ROLLBACK");
  in_transaction_ = false;
  NoteTransaction();
  return status;
}

absl::Status PostgresConnection::Seal() {
  const Doing doing{.sql = kSealSql};
  absl::Status status = Ready();
  if (!status.ok()) return status;
  if (InTransaction()) {
    return absl::FailedPreconditionError("a transaction is open: commit it before Seal");
  }
  return Ask(kSealSql, doing).status();
}

// ---- for the pool -------------------------------------------------------------------------------

bool PostgresConnection::HandleIsIdle() const {
  if (link_.owed() > 0) return true;
  const PGTransactionStatusType state = pq().PQtransactionStatus(link_.handle());
  return pq().PQpipelineStatus(link_.handle()) == PQ_PIPELINE_OFF && state != PQTRANS_ACTIVE &&
         state != PQTRANS_UNKNOWN;
}

SessionState PostgresConnection::Inspect() {
  if (!link_.open() || !condemned_.ok() || fault_scope() != FaultScope::kStatement)
    return SessionState::kBroken;
  if (IsDirty(kDirtyRaw)) return HandleIsIdle() ? SessionState::kDirty : SessionState::kBroken;
  const bool dirty =
      our_transaction_ || InTransaction() || reader_ != nullptr || IsDirty(kDirtyTainted);
  return dirty ? SessionState::kDirty : SessionState::kClean;
}

absl::Status PostgresConnection::Reset(Deadline deadline) {
  if (!link_.open()) return NotOpen();
  if (reader_ != nullptr) {
    const Deadline lease_deadline = this->deadline();
    set_deadline(deadline);
    reader_->Finish();
    set_deadline(lease_deadline);
  }
  if (!condemned_.ok()) return condemned_;
  if (IsDirty(kDirtyRaw)) {
    if (!HandleIsIdle()) {
      return absl::FailedPreconditionError(
          "the raw handle was left in the middle of a query, a COPY or a pipeline");
    }
    link_.Listen();
    NoteTransaction();
  }
  absl::Status status = RollbackTransaction();
  if (status.ok() && (IsDirty(kDirtyTainted) || IsDirty(kDirtyRaw))) status = UndoSession();
  if (status.ok()) ClearDirtyFlags();
  return status;
}

// Through a pooler there is no session of ours to undo; SQL that would change it was refused.
absl::Status PostgresConnection::UndoSession() {
  if (pooler()) return absl::OkStatus();
  absl::Status status = SendAlone("DISCARD ALL");
  if (!status.ok()) return status;
  cache_.ForEach([](PostgresStatement& statement) { statement.Forget(); });
  unwanted_ = {};
  on_connect_pending_ = !backend_.options().on_connect.empty();
  return absl::OkStatus();
}

Liveness PostgresConnection::Probe() {
  if (!link_.open() || !condemned_.ok()) return Liveness::kDead;
  if (link_.owed() > 0 && platform_.CoarseNow() - link_.owed_since() > kOwedTooLong) {
    CondemnFor(absl::UnavailableError(
                   Concat({Where(), " has not answered for 10 s: the link is taken for cut"})),
               FaultScope::kConnectionSuspectOlder)
        .IgnoreError();
    return Liveness::kDead;
  }
  const Liveness seen = link_.Look();
  if (seen == Liveness::kDead) {
    CheckAlive().IgnoreError();
    return Liveness::kDead;
  }
  return TakeOwed(0, Deadline::Past()).ok() ? seen : Liveness::kDead;
}

absl::Status PostgresConnection::Ping(Deadline deadline) {
  absl::StatusOr<Step> step = BeginPing(deadline);
  if (!step.ok() || step->done) return step.status();
  const absl::StatusOr<bool> answered = TakeOwed(0, deadline);
  if (!answered.ok()) return answered.status();
  return *answered ? absl::OkStatus() : Late({.operation = Operation::kIdle});
}

absl::StatusOr<Step> PostgresConnection::BeginPing(Deadline deadline) {
  if (!link_.open()) return NotOpen();
  if (!condemned_.ok()) return condemned_;
  if (reader_ != nullptr || !HandleIsIdle()) {
    return absl::FailedPreconditionError("the connection is in the middle of an exchange");
  }
  absl::Status sent = SendAlone("");
  if (!sent.ok()) return sent;
  ping_deadline_ = deadline;
  return Step{
      .wait = {.fd = link_.descriptor(), .wanted = {.readable = true, .writable = link_.Unsent()}},
      .at = deadline};
}

absl::StatusOr<Step> PostgresConnection::AdvancePing(TimePoint now) {
  if (!link_.open()) return NotOpen();
  if (!condemned_.ok()) return condemned_;
  const absl::StatusOr<bool> answered = TakeOwed(0, Deadline::Past());
  if (!answered.ok()) return answered.status();
  if (*answered) return Step{.done = true};
  if (ping_deadline_.HasPassed(now)) return Late({.operation = Operation::kIdle});
  return Step{
      .wait = {.fd = link_.descriptor(), .wanted = {.readable = true, .writable = link_.Unsent()}},
      .at = ping_deadline_};
}

// Does not wait: whether the answer came is seen at the next maintenance or the next use.
absl::Status PostgresConnection::Maintain(Deadline /*deadline*/) {
  if (!link_.open()) return NotOpen();
  if (Probe() == Liveness::kDead) return condemned_;
  return link_.owed() == 0 ? SendAlone("") : absl::OkStatus();
}

// The session ends, or is somebody else's: nothing has to be told to it.
void PostgresConnection::DropStatements() {
  cache_.ForEach([](PostgresStatement& statement) { statement.Drop(); });
  cache_.Clear();
  reader_ = nullptr;
}

void PostgresConnection::Close() {
  attempt_.reset();
  DropStatements();
  link_.Close();
}

void PostgresConnection::Abandon() {
  if (attempt_ != nullptr) attempt_->Abandon();
  DropStatements();
  link_.Abandon();
}

NativeHandle PostgresConnection::Detach() {
  if (reader_ != nullptr) reader_->Finish();
  if (condemned_.ok() && Settle({}).ok() && HandleIsIdle()) {
    cache_.ForEach([this](PostgresStatement& statement) { Deallocate(statement.name()); });
    if (QueueUnwanted()) TakeOwed(0, deadline()).IgnoreError();
  }
  DropStatements();
  return {link_.Release()};
}

void* PostgresConnection::RawHandle() {
  if (condemned_.ok() && reader_ == nullptr) Settle({}).IgnoreError();
  return link_.handle();
}

}  // namespace postgres

pg_conn* PostgresHandle(Connection& connection) { return static_cast<pg_conn*>(connection.Raw()); }

}  // namespace roost
