// The log of a connection: its seal, its bound, its checkpoints, and the names that lead to it.
#include <sqlite3.h>

#include <algorithm>
#include <string>

#include "backends/sqlite/connection.h"
#include "backends/sqlite/counters.h"
#include "backends/sqlite/errors.h"
#include "backends/sqlite/options.h"
#include "base/duration.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using internal::Concat;

// How long a checkpoint waits for a reader of the old pages before it leaves the rest for later.
constexpr Duration kCheckpointTime = std::chrono::milliseconds(5);

// More than a tree of any depth is split into by one row.
constexpr int64_t kReservePages = 16;

}  // namespace

// After each commit that wrote to the log. SQLite reports another code than OK as the commit's,
// which has happened: only where nobody can read it.
int SqliteConnection::OnLog(void* self, sqlite3* db, const char* /*database*/, int pages) {
  SqliteConnection& connection = *static_cast<SqliteConnection*>(self);
  WriteAheadLog& log = connection.log_;
  log.RecordCommit(pages);
  connection.backend_.RecordLog(pages);
  connection.backend_.counters_->RecordLog(log);
  if (log.IsLong()) connection.SetDirty(kDirtyMaintenance);
  if (log.IsTooLong() && !log.sync_failed()) {
    const int code = log.CopyAtOnce(db, connection.platform().Now());
    connection.backend_.counters_->CountCheckpoint(log, code);
    connection.backend_.counters_->NoteSize(db);
    if (code != SQLITE_OK && !IsBlocked(code)) {
      connection.Fail(code, Operation::kSync, false, "checkpoint").IgnoreError();
    }
  }
  const bool is_sealed = connection.backend_.options().durability == SqliteDurability::kCommit;
  return is_sealed && connection.files_.HaveChanged() ? SQLITE_READONLY_DBMOVED : SQLITE_OK;
}

absl::Status SqliteConnection::Seal() {
  absl::Status status = Ready();
  if (!status.ok()) return status;
  if (InTransaction()) {
    return absl::FailedPreconditionError(
        "a transaction is open: commit it before sealing, or begin it with Durability::kSealed");
  }
  return SyncLog(Operation::kSync);
}

absl::Status SqliteConnection::SyncLog(Operation operation) {
  const int code = log_.sync_failed() ? SQLITE_IOERR_FSYNC : log_.Sync(db_);
  return code == SQLITE_OK ? CheckFiles() : Fail(code, operation, false, "seal");
}

absl::Status SqliteConnection::CheckFiles() {
  if (!files_.HaveChanged()) return absl::OkStatus();
  return Fail(SQLITE_READONLY_DBMOVED, Operation::kSync, false, "");
}

// The log is copied into the file that is open, so that this one is whole, whatever name it has
// now. Not where another file was copied into it: pages of both would be mixed.
void SqliteConnection::LeaveFiles() {
  backend_.Forget();
  if (files_.change() == FileChange::kOverwritten) {
    backend_.overwritten_ = true;
    return backend_.Distrust();
  }
  if (!writes_ || log_.sync_failed()) return;
  deadline_handler_.SetDeadline(Deadline::After(platform().Now(), kCheckpointTime));
  const DeadlineHandler::Unaccounted unaccounted(deadline_handler_);
  log_.Checkpoint(db_, platform().Now());
  files_.DisownLog();
}

// The guard behind CheckLog, for transactions that SQL began while a reader pinned the log: SQLite
// rolls back.
int SqliteConnection::OnCommit(void* self) {
  SqliteConnection& connection = *static_cast<SqliteConnection*>(self);
  if (connection.log_.IsFull()) return 1;
  connection.late_look_.CountCommit();
  return 0;
}

absl::Status SqliteConnection::MakeRoom(bool writes) {
  if (!writes_ || !log_.IsFull() || InTransaction()) return absl::OkStatus();
  absl::Status status = CheckLog();
  return writes ? status : absl::OkStatus();
}

absl::Status SqliteConnection::CheckLog() {
  absl::Status status = Checkpoint(deadline());
  const bool blocked = status.ok() && log_.IsFull() && log_.error() == SQLITE_OK;
  if (blocked && sqlite3_txn_state(db_, "main") == SQLITE_TXN_NONE) {
    // By the writer of another process, perhaps, for which every write waits. A reader lets pass.
    deadline_handler_.SetDeadline(deadline());
    const int code = OwnStatements::RunWhole(own_.begin(), deadline_handler_);
    if (code != SQLITE_OK) return Fail(code, Operation::kBegin, false, sqlite3_sql(own_.begin()));
    OwnStatements::Run(own_.rollback());
    status = Checkpoint(deadline());
  }
  deadline_handler_.SetDeadline(deadline());
  if (!status.ok() || !log_.IsFull()) return status;
  if (log_.error() != SQLITE_OK) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, log_.error(),
                      {.where = backend_.options().path,
                       .message = Concat({"the log has ", internal::Digits(log_.length()),
                                          " pages, which is its bound, and could not be copied: ",
                                          sqlite3_errstr(log_.error())}),
                       .advice = "free space outside of the database; reads go on"});
  }
  const int process = files_.PinningProcess();
  std::string who;
  if (process > 0) who = Concat({" (process ", internal::Digits(process), ")"});
  std::string since;
  if (log_.pinned_since() != TimePoint::max()) {
    since = " for " + internal::FormatDuration(platform().Now() - log_.pinned_since());
  }
  return MakeStatus(
      absl::StatusCode::kResourceExhausted, SQLITE_FULL,
      {.where = backend_.options().path,
       .message = Concat({"a reader", who, " has pinned the log", since, ", which has ",
                          internal::Digits(log_.length()), " pages and may have ",
                          internal::Digits(MaxLogPages(backend_.options()))}),
       .advice = "writes are refused until the reader ends; reads go on"});
}

// A row that is deleted may need pages: its index is balanced anew. They are lent where the file is
// near its bound, and SQLite takes the bound back no further than the file is long.
void SqliteConnection::LendReserve(bool lend) {
  if (lend == lends_reserve_ || max_pages_ == 0) return;
  if (lend && own_.CountPages() + kReservePages < max_pages_) return;
  char sql[64];
  sqlite3_snprintf(sizeof sql, sql, "PRAGMA max_page_count=%lld",
                   static_cast<long long>(max_pages_) + (lend ? kReservePages : 0));
  trusted_ = true;
  if (Execute(db_, backend_.options(), sql).ok()) lends_reserve_ = lend;
  trusted_ = false;
}

absl::Status SqliteConnection::Maintain(Deadline deadline) {
  ClearDirty(kDirtyMaintenance);
  if (log_.sync_failed()) return Fail(SQLITE_IOERR_FSYNC, Operation::kSync, false, "maintenance");
  absl::Status status;
  if (writes_ && log_.WantsCheckpoint()) status = Checkpoint(deadline);
  sqlite3_db_release_memory(db_);
  return status;
}

absl::Status SqliteConnection::Checkpoint(Deadline deadline) {
  deadline_handler_.SetDeadline(
      std::min(deadline, Deadline::After(platform().Now(), kCheckpointTime)));
  const DeadlineHandler::Unaccounted unaccounted(deadline_handler_);
  const int code = log_.Checkpoint(db_, platform().Now());
  backend_.RecordLog(log_.length());
  backend_.counters_->CountCheckpoint(log_, code);
  backend_.counters_->NoteSize(db_);
  backend_.checkpoint_error_ = log_.error();
  if (code == SQLITE_OK || IsBlocked(code)) return absl::OkStatus();
  absl::Status status = Fail(code, Operation::kSync, false, "checkpoint");
  // A full card or too little memory pass without closing anything.
  return fault_scope() == FaultScope::kStatement ? absl::OkStatus() : status;
}

}  // namespace roost::sqlite
