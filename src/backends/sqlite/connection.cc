#include "backends/sqlite/connection.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "backends/sqlite/counters.h"
#include "backends/sqlite/errors.h"
#include "backends/sqlite/options.h"
#include "backends/sqlite/script.h"
#include "base/utf8.h"
#include "roost/internal/check.h"
#include "roost/internal/storage.h"
#include "statements/text.h"

namespace roost {
namespace sqlite {
namespace {

using internal::Concat;
using internal::Quoted;

static_assert(sizeof(SqliteConnection) <= SqliteBackend::kConnectionSize.connection,
              "a SqliteConnection does not fit into SqliteBackend::kConnectionSize: raise it");
static_assert(
    StatementCache<SqliteStatement>::EntryBytes() <= SqliteBackend::kConnectionSize.statement,
    "a cached SqliteStatement does not fit into SqliteBackend::kConnectionSize: raise it");
static_assert(sizeof(SqliteConnection) % alignof(std::max_align_t) == 0,
              "the statement cache behind a SqliteConnection would not be aligned");

// What may follow a statement: blanks and semicolons.
std::string_view SkipBlanks(std::string_view sql) {
  const size_t start = sql.find_first_not_of(" \t\r\n;");
  return start == std::string_view::npos ? std::string_view() : sql.substr(start);
}

// Blanks, semicolons and comments may follow a statement, another statement may not.
absl::Status CheckSingle(sqlite3* db, std::string_view sql, std::string_view rest) {
  rest = SkipBlanks(rest);
  if (rest.empty()) return absl::OkStatus();
  sqlite3_stmt* second = nullptr;
  const int code =
      sqlite3_prepare_v3(db, rest.data(), static_cast<int>(rest.size()), 0, &second, nullptr);
  const bool only_comments = code == SQLITE_OK && second == nullptr;
  sqlite3_finalize(second);
  if (only_comments) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({Quoted(sql), " holds more than one statement (the second begins at ", Quoted(rest),
              "): prepare them one by one, or use RunScript"}));
}

bool IsNoMemory(int code) { return (code & 0xFF) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM; }

Access AccessFor(bool writes) { return writes ? Access::kWrite : Access::kRead; }

}  // namespace

size_t SqliteConnection::BytesFor(int statements) {
  return sizeof(SqliteConnection) + StatementCache<SqliteStatement>::BytesFor(statements);
}

SqliteConnection::SqliteConnection(SqliteBackend& backend, const OpenRequest& request)
    : Session(request),
      backend_(backend),
      writes_(request.role != Role::kReader && !backend.options().read_only),
      log_(backend.options()),
      cache_(request.memory.data + sizeof(SqliteConnection), request.memory.statements,
             backend.counters_->statements()),
      deadline_handler_(platform(), &backend.counters_->busy()) {}

SqliteConnection::~SqliteConnection() { Close(); }

// ---- opening ------------------------------------------------------------------------------------

absl::Status SqliteConnection::Open(const std::string& name, Deadline deadline) {
  deadline_handler_.SetDeadline(deadline);
  absl::StatusOr<Handle> handle =
      OpenHandle(name, backend_.options(), AccessFor(writes_), deadline_handler_);
  if (!handle.ok()) return handle.status();
  db_ = handle->release();
  absl::Status status = CheckMode();
  if (status.ok()) status = own_.Prepare(db_, writes_, backend_.options());
  // This loads the schema: a file that is no database, or a damaged one, shows here and not at a
  // borrower.
  if (status.ok()) {
    const int code = OwnStatements::Run(own_.ping());
    if (code != SQLITE_OK) status = OpenError(db_, code, backend_.options(), "");
  }
  if (status.ok()) {
    if (!IsMemory(backend_.options())) files_.Remember(db_, *backend_.names_, log_.present());
    KeepLogAtClose(db_, false);
    deadline_handler_.Install(db_);
    sqlite3_set_authorizer(db_, &OnAuthorize, this);
    sqlite3_rollback_hook(db_, &LateLook::OnRollback, &late_look_);
    if (writes_) sqlite3_wal_hook(db_, &OnLog, this);
    if (writes_) sqlite3_commit_hook(db_, &OnCommit, this);
    if (log_.present()) backend_.counters_->NoteSize(db_);
  } else {
    Close();
  }
  return status;
}

absl::Status SqliteConnection::CheckMode() {
  absl::StatusOr<std::string> mode = QueryText(db_, backend_.options(), "PRAGMA journal_mode");
  if (!mode.ok()) return mode.status();
  log_.set_present(*mode == "wal");
  if (!writes_) return absl::OkStatus();
  absl::StatusOr<std::string> page = QueryText(db_, backend_.options(), "PRAGMA page_size");
  if (!page.ok()) return page.status();
  const int64_t page_bytes = std::strtoll(page->c_str(), nullptr, 10);
  log_.set_page_bytes(page_bytes);
  max_pages_ = MaxPages(backend_.options(), page_bytes);
  // SQLite silently falls back to reading where the card or the file refuses writes. A
  // writer is no use then; a connection that does both can still read, and its writes will fail.
  if (sqlite3_db_readonly(db_, "main") == 1) {
    return role() == Role::kAny ? absl::OkStatus()
                                : OpenError(db_, SQLITE_READONLY, backend_.options(), "");
  }
  if (log_.present() || IsMemory(backend_.options())) return absl::OkStatus();
  backend_.Forget();
  return absl::FailedPreconditionError(Concat(
      {internal::PlainText(backend_.options().path),
       " was taken out of WAL mode by somebody else (it is in \"", internal::PlainText(*mode),
       "\" mode): its readers and writers would block each other; the next open switches it "
       "back"}));
}

// ---- preparing ----------------------------------------------------------------------------------

int SqliteConnection::OnAuthorize(void* self, int action, const char* first, const char* second,
                                  const char* /*database*/, const char* /*trigger*/) {
  SqliteConnection& connection = *static_cast<SqliteConnection*>(self);
  if (connection.trusted_) return SQLITE_OK;
  const Permit permit = Authorize(action, first, second, IsMarked(connection.backend_.options()));
  if (!permit.allowed) {
    connection.refusal_ = permit.reason;
    return SQLITE_DENY;
  }
  connection.rows_ = std::max(connection.rows_, permit.rows);
  connection.bounds_transaction_ = connection.bounds_transaction_ || permit.bounds_transaction;
  if (permit.trace != Trace::kNothing) {
    connection.trace_ = std::max(connection.trace_, permit.trace);
    connection.Taint(permit.trace);
  }
  return SQLITE_OK;
}

void SqliteConnection::Taint(Trace trace) {
  taint_ = std::max(taint_, trace);
  Session::Taint();
}

// The first statement of `sql`: nullptr when there is none. `rest` is what follows it.
absl::StatusOr<sqlite3_stmt*> SqliteConnection::PrepareOne(std::string_view sql, unsigned flags,
                                                           std::string_view* rest, size_t zero) {
  trace_ = Trace::kNothing;
  bounds_transaction_ = false;
  rows_ = RowChange::kNone;
  refusal_ = nullptr;
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int size = static_cast<int>(std::min<size_t>(sql.size() + zero, INT32_MAX));
  const int code = sqlite3_prepare_v3(db_, sql.data(), size, flags, &statement, &tail);
  if (code != SQLITE_OK) return Fail(code, Operation::kStatement, InTransaction(), sql);
  *rest = sql.substr(static_cast<size_t>(tail - sql.data()));
  return statement;
}

absl::StatusOr<Statement*> SqliteConnection::Prepare(const Sql& sql) {
  if (cache_.IsLast(sql)) return cache_.last();
  return PrepareOther(sql);
}

absl::StatusOr<Statement*> SqliteConnection::PrepareOther(const Sql& sql) {
  return cache_.FindOrPrepare(sql, [&] { return PrepareNew(sql); });
}

absl::StatusOr<SqliteStatement*> SqliteConnection::PrepareNew(const Sql& sql) {
  absl::Status status = IsForked() ? UsedAfterFork() : internal::CheckNoZero(sql.text());
  if (!status.ok()) return status;
  deadline_handler_.SetDeadline(deadline());
  std::string_view rest;
  absl::StatusOr<sqlite3_stmt*> prepared = PrepareOne(sql.text(), SQLITE_PREPARE_PERSISTENT, &rest);
  if (!prepared.ok()) return prepared.status();
  const SqliteStatement::Effects effects{.trace = trace_,
                                         .bounds_transaction = bounds_transaction_,
                                         .frees_room = rows_ == RowChange::kDeletes};
  ParameterMap map;
  if (*prepared == nullptr) {
    status = internal::HoldsNoStatement(sql.text());
  } else {
    status = CheckSingle(db_, sql.text(), rest);
    if (status.ok()) status = map.Read(*prepared);
  }
  if (status.ok()) return cache_.Insert(sql, *this, *prepared, map, effects);
  sqlite3_finalize(*prepared);
  return status;
}

absl::Status SqliteConnection::RunScript(std::string_view sql) {
  absl::Status status = internal::CheckNoZero(sql);
  if (!status.ok()) return status;
  // With a zero at its end SQLite bounds each statement of it, and not the whole.
  const std::string script(sql);
  for (const char* at = SkipToStatement(script.c_str()); *at != '\0'; at = SkipToStatement(at)) {
    const std::string_view begin(at, script.size() - static_cast<size_t>(at - script.data()));
    std::string_view rest;
    size_t place = script.size() - begin.size();
    status = RunOne(begin, rest, place);
    if (!status.ok()) return backends::InScript(status, script, place);
    at = rest.data();
  }
  return absl::OkStatus();
}

absl::Status SqliteConnection::RunOne(std::string_view script, std::string_view& rest,
                                      size_t& place) {
  absl::Status status = Ready();
  if (!status.ok()) return status;
  const absl::StatusOr<sqlite3_stmt*> prepared = PrepareOne(script, 0, &rest, /*zero=*/1);
  if (!prepared.ok()) {
    place += static_cast<size_t>(std::max(0, sqlite3_error_offset(db_)));
    return prepared.status();
  }
  sqlite3_stmt* const statement = *prepared;
  if (statement == nullptr) return absl::OkStatus();
  const std::string_view sql = script.substr(0, script.size() - rest.size());
  if (bounds_transaction_ && transaction().ours()) {
    sqlite3_finalize(statement);
    return BoundsTransaction(sql);
  }
  const bool in_transaction = InTransaction();
  const uint32_t commits_before = late_look_.commits();
  const bool commits = !in_transaction && sqlite3_stmt_readonly(statement) == 0;
  status = MakeRoom(commits);
  if (rows_ == RowChange::kDeletes) LendReserve(true);
  int code = status.ok() ? SQLITE_ROW : SQLITE_DONE;
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  if (code != SQLITE_DONE && !late_look_.WasDone(code, statement, in_transaction, commits_before)) {
    status = Fail(code, commits ? Operation::kCommit : Operation::kStatement, in_transaction, sql);
  }
  sqlite3_finalize(statement);
  LendReserve(false);
  RecordTransaction();
  return status;
}

// ---- running ------------------------------------------------------------------------------------

absl::Status SqliteConnection::Ready() {
  if (IsForked()) return UsedAfterFork();
  deadline_handler_.SetDeadline(deadline());
  absl::Status status = CheckSound();
  if (status.ok() && IsLate()) return TooLate();
  return status;
}

absl::Status SqliteConnection::CheckSound() {
  // A commit would be synced without what the failed sync left out.
  if (log_.sync_failed()) return Fail(SQLITE_IOERR_FSYNC, Operation::kSync, false, "");
  if (!transaction().IsLost(InTransaction())) return absl::OkStatus();
  // By our SQL only an error ends it, which is a rollback; the driver's handle commits, too.
  return transaction().failure().ok() ? EndedByOthers() : FailedBefore();
}

bool SqliteConnection::InTransaction() const { return sqlite3_get_autocommit(db_) == 0; }

absl::Status SqliteConnection::Fail(int code, Operation operation, bool in_transaction,
                                    std::string_view sql) {
  // What SQLite makes of the code of OnLog.
  if (code == SQLITE_ERROR && files_.change() != FileChange::kNone) code = SQLITE_READONLY_DBMOVED;
  const Finding finding = Classify({.code = code,
                                    .system_errno = SystemErrno(db_, code),
                                    .operation = operation,
                                    .in_transaction = in_transaction,
                                    .may_write = writes_,
                                    .gave_up = deadline_handler_.gave_up()});
  // By OnCommit. The reader may have ended since: then there is room for the next try.
  if (code == SQLITE_CONSTRAINT_COMMITHOOK && log_.IsFull()) {
    RecordTransaction();
    if (absl::Status full = CheckLog(); !full.ok()) return full;
  }
  const bool refused = code == SQLITE_AUTH && refusal_ != nullptr;
  const bool moved = code == SQLITE_READONLY_DBMOVED && files_.change() != FileChange::kNone;
  absl::Status status = MakeStatus(finding.code, code,
                                   {.sql = sql,
                                    .where = backend_.options().path,
                                    .message = moved     ? Sentence(files_.change())
                                               : refused ? refusal_
                                                         : MessageFor(db_, code),
                                    .advice = moved ? Advice(files_.change()) : finding.advice});
  MarkFailed(finding.fault_scope);
  if (LacksSync(code)) {
    // Closing must not try again what failed: a second sync may succeed without having written.
    log_.RecordFailedSync();
    KeepLogAtClose(db_, true);
  }
  if (finding.code == absl::StatusCode::kDataLoss || LacksSync(code)) {
    backend_.Distrust();
    // The file is moved aside when no connection has it open.
    if (backend_.options().when_damaged == WhenDamaged::kMoveAside) {
      MarkFailed(FaultScope::kAllOlder);
      KeepLogAtClose(db_, true);
    }
  }
  if (moved) LeaveFiles();
  if (writes_ && (code & 0xFF) == SQLITE_FULL) {
    log_.WantRoom();
    SetDirty(kDirtyMaintenance);
  }
  if (IsNoMemory(code)) {
    if (transaction().ours() && InTransaction()) OwnStatements::Run(own_.rollback());
    sqlite3_db_release_memory(db_);
  }
  RecordTransaction();
  if (in_transaction && transaction().IsLost(InTransaction())) {
    // What was being read meanwhile is cut off for the same reason.
    if (!transaction().failure().ok() && code == SQLITE_ABORT_ROLLBACK) return FailedBefore();
    if (transaction().failure().ok()) transaction().NoteFailure(status);
  }
  return in_transaction ? internal::UndoneWithOthers(std::move(status)) : status;
}

// ---- transactions -------------------------------------------------------------------------------

absl::Status SqliteConnection::BeginTransaction(Durability durability) {
  absl::Status status = Ready();
  if (!status.ok()) return status;
  // What would not be acknowledged is not written, either.
  if (durability == Durability::kSealed) status = CheckFiles();
  if (status.ok() && writes_ && log_.IsFull()) status = CheckLog();
  if (!status.ok()) return status;
  // Cut behind its last operation it would stay open.
  const int code = OwnStatements::RunWhole(own_.begin(), deadline_handler_);
  if (code != SQLITE_OK) return Fail(code, Operation::kBegin, false, sqlite3_sql(own_.begin()));
  late_look_.NoteBegin();
  // With synchronous=FULL every commit is sealed by itself.
  transaction().Begin(durability == Durability::kSealed && writes_ &&
                      backend_.options().durability == SqliteDurability::kBatch);
  RecordTransaction();
  return absl::OkStatus();
}

absl::Status SqliteConnection::CommitTransaction() {
  absl::Status status = Ready();
  if (!status.ok()) return absl::IsDeadlineExceeded(status) ? TooLateToCommit() : status;
  if (late_look_.HasEnded()) return Replaced();
  // Once begun it ends.
  const DeadlineHandler::Uninterruptible uninterruptible(deadline_handler_);
  if (writes_ && log_.TakeRoom(db_, own_.CountPages()) != SQLITE_OK) {
    status = Fail(SQLITE_FULL, Operation::kCommit, true, "COMMIT");
    OwnStatements::Run(own_.rollback());
    RecordTransaction();
    return status;
  }
  const int code = OwnStatements::Run(own_.commit());
  if (code != SQLITE_OK) return Fail(code, Operation::kCommit, true, "COMMIT");
  transaction().End();
  RecordTransaction();
  // Sealed by a sync of the log after the commit, not by synchronous=FULL around it: the same one
  // sync, but the pragma would be compiled twice for each transaction, with some 60 allocations.
  return transaction().seal_commit() ? SyncLog(Operation::kCommit) : absl::OkStatus();
}

absl::Status SqliteConnection::RollbackTransaction() {
  const bool lost = db_ != nullptr && transaction().IsLost(InTransaction());
  transaction().End();
  if (db_ == nullptr) return absl::OkStatus();
  absl::Status status;
  // An error's own rollback is one.
  if (lost && IsRaw() && transaction().failure().ok()) status = EndedByOthers();
  if (InTransaction()) {
    const int code = OwnStatements::RunWhole(own_.rollback(), deadline_handler_);
    if (InTransaction()) {
      status = Fail(code, Operation::kStatement, true, "ROLLBACK");
      MarkFailed(FaultScope::kConnection);
    }
  }
  RecordTransaction();
  return status;
}

// ---- for the pool -------------------------------------------------------------------------------

SessionState SqliteConnection::Inspect() {
  if (db_ == nullptr || fault_scope() != FaultScope::kStatement) return SessionState::kBroken;
  return InspectFlags(InTransaction());
}

absl::Status SqliteConnection::Reset(Deadline deadline) {
  if (db_ == nullptr) return absl::FailedPreconditionError("the connection is closed");
  deadline_handler_.SetDeadline(deadline);
  EndStatements();
  absl::Status status = RollbackTransaction();
  if (!status.ok()) return status;
  if (fault_scope() != FaultScope::kStatement)
    return absl::UnavailableError("the connection met an error");
  if (taint_ == Trace::kSession || sqlite3_db_name(db_, 2) != nullptr) {
    return absl::FailedPreconditionError(
        "a pragma changed the session: only a new connection undoes that");
  }
  // Hooks, functions and limits cannot all be asked for.
  if (IsRaw()) {
    return absl::FailedPreconditionError(
        "the driver's handle was taken: only a new connection undoes what it may have changed");
  }
  if (taint_ == Trace::kTemporary) {
    // Changing where temporary tables live drops them all.
    trusted_ = true;
    status = Execute(db_, backend_.options(), "PRAGMA temp_store=MEMORY;PRAGMA temp_store=FILE");
    trusted_ = false;
  }
  if (!status.ok()) return status;
  taint_ = Trace::kNothing;
  sqlite3_set_last_insert_rowid(db_, 0);
  const bool wants_maintenance = WantsMaintenance();
  ClearDirtyFlags();
  if (wants_maintenance) SetDirty(kDirtyMaintenance);
  return absl::OkStatus();
}

// Before anything else: a statement left running pins a snapshot, refuses the rollback's end, and
// holds pointers to values that are gone.
void SqliteConnection::EndStatements() {
  cache_.ForEach([](SqliteStatement& statement) { statement.EndRows(); });
  sqlite3_stmt* next = sqlite3_next_stmt(db_, nullptr);
  while (next != nullptr) {
    sqlite3_stmt* const statement = next;
    next = sqlite3_next_stmt(db_, statement);
    bool ours = own_.Has(statement);
    cache_.ForEach([&](SqliteStatement& cached) { ours = ours || cached.handle() == statement; });
    if (!ours) sqlite3_finalize(statement);
  }
}

Liveness SqliteConnection::Probe() {
  if (db_ == nullptr || fault_scope() != FaultScope::kStatement) return Liveness::kDead;
  // The damaged file is moved aside when no connection has it open, of whichever pool.
  if (backend_.distrusted_ && backend_.options().when_damaged == WhenDamaged::kMoveAside) {
    return Liveness::kDead;
  }
  if (!files_.HaveChanged()) return Liveness::kAlive;
  // What is written here has no reader. The next one has to be made anew.
  backend_.Forget();
  return Liveness::kDead;
}

absl::Status SqliteConnection::Ping(Deadline deadline) {
  if (Probe() == Liveness::kDead) {
    return files_.change() != FileChange::kNone
               ? Fail(SQLITE_READONLY_DBMOVED, Operation::kStatement, InTransaction(), "")
               : absl::UnavailableError("the connection is closed");
  }
  deadline_handler_.SetDeadline(deadline);
  const int code = OwnStatements::Run(own_.ping());
  if (code == SQLITE_OK) return absl::OkStatus();
  return Fail(code, Operation::kStatement, InTransaction(), sqlite3_sql(own_.ping()));
}

void SqliteConnection::Close() {
  if (db_ == nullptr) return;
  // Probe has seen it, and had no time.
  if (files_.change() != FileChange::kNone && fault_scope() == FaultScope::kStatement) LeaveFiles();
  // Whichever connection met the damage: its log is looked at before it is copied.
  if (backend_.distrusted_) KeepLogAtClose(db_, true);
  cache_.Clear();
  own_.Finalize();
  while (sqlite3_stmt* left = sqlite3_next_stmt(db_, nullptr)) sqlite3_finalize(left);
  // sqlite3_close refuses while a backup of the borrower's runs. Then the handle must live as long
  // as that backup; a leak would keep the file and its locks for ever.
  if (sqlite3_close(db_) != SQLITE_OK) sqlite3_close_v2(db_);
  db_ = nullptr;
}

void SqliteConnection::Abandon() {
  cache_.ForEach([](SqliteStatement& statement) { statement.Forget(); });
  cache_.Clear();
  own_.Forget();
  db_ = nullptr;
}

NativeHandle SqliteConnection::Detach() {
  cache_.Clear();
  own_.Finalize();
  DeadlineHandler::Uninstall(db_);
  sqlite3_set_authorizer(db_, nullptr, nullptr);
  sqlite3_commit_hook(db_, nullptr, nullptr);
  sqlite3_rollback_hook(db_, nullptr, nullptr);
  sqlite3_wal_autocheckpoint(db_, 1000);  // SQLite's own default; replaces our hook
  return {std::exchange(db_, nullptr)};
}

}  // namespace sqlite

sqlite3* SqliteHandle(Connection& connection) { return static_cast<sqlite3*>(connection.Raw()); }

}  // namespace roost
