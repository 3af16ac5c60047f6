// The write-ahead log of a connection: sealing it and keeping it short.
//
//   log in pages      what happens                          where
//   > checkpoint_pages      copied into the database          Maintain, while idle
//   > 2 x                   and the file cut back to nothing  Maintain, while idle
//   > 4 x                   Maintain is asked for               at the return of the lease
//   > 8 x (1000 at least)   copied                            inside the commit: the backstop of a
//                                                             writer that never returns its lease
#include <sqlite3.h>

#include <algorithm>

#include "backends/sqlite/connection.h"
#include "backends/sqlite/errors.h"

namespace roost::sqlite {
namespace {

// How long a checkpoint waits for a reader of the old pages before it leaves the rest for later.
constexpr Duration kCheckpointTime = std::chrono::milliseconds(5);

int BackstopPages(const SqliteOptions& options) {
  return std::max(1000, 8 * options.checkpoint_pages);
}

}  // namespace

// After each commit that wrote to the log. Always OK: SQLite would report another code as the
// commit's, which has happened.
int SqliteConnection::OnLog(void* self, sqlite3* db, const char* database, int pages) {
  SqliteConnection& connection = *static_cast<SqliteConnection*>(self);
  connection.unsealed_ = connection.options().durability == SqliteDurability::kBatch;
  connection.log_pages_ = pages;
  if (pages > connection.maintain_at_) connection.SetDirty(kDirtyMaintenance);
  if (pages > BackstopPages(connection.options()) && !connection.sync_failed_) {
    const int code =
        sqlite3_wal_checkpoint_v2(db, database, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    if (code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY && (code & 0xFF) != SQLITE_LOCKED) {
      connection.Fail(code, Operation::kSync, false, "checkpoint").IgnoreError();
    }
  }
  return SQLITE_OK;
}

absl::Status SqliteConnection::Seal() {
  if (InTransaction()) {
    return absl::FailedPreconditionError(
        "a transaction is open: commit it before sealing, or begin it with Durability::kSealed");
  }
  return SyncLog(Operation::kSync);
}

// One sync of the log's file covers every commit in it, and writes no page. SQLite itself offers
// this only as a part of a further commit.
absl::Status SqliteConnection::SyncLog(Operation operation) {
  if (sync_failed_) return Fail(SQLITE_IOERR_FSYNC, operation, false, "seal");
  if (!has_log_ || !unsealed_) return absl::OkStatus();
  sqlite3_file* log = nullptr;
  int code = sqlite3_file_control(db_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (code == SQLITE_OK && log != nullptr && log->pMethods != nullptr) {
    code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  }
  if (code != SQLITE_OK) return Fail(code, operation, false, "seal");
  // Only where every later commit is synced by itself can a further seal be spared: another process
  // may commit without syncing.
  unsealed_ = options().durability == SqliteDurability::kBatch;
  return absl::OkStatus();
}

absl::Status SqliteConnection::Maintain(Deadline deadline) {
  ClearDirty(kDirtyMaintenance);
  if (sync_failed_) return Fail(SQLITE_IOERR_FSYNC, Operation::kSync, false, "maintenance");
  absl::Status status;
  if (writes_ && has_log_ && log_pages_ > options().checkpoint_pages) {
    status = Checkpoint(deadline);
  }
  sqlite3_db_release_memory(db_);
  return status;
}

absl::Status SqliteConnection::Checkpoint(Deadline deadline) {
  const bool cut_back = log_pages_ > 2 * options().checkpoint_pages;
  const int mode = cut_back ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  deadline_handler_.SetDeadline(
      std::min(deadline, Deadline::After(platform().Now(), kCheckpointTime)));
  int pages = 0;
  int copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(db_, "main", mode, &pages, &copied);
  const bool blocked = (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED;
  if (code == SQLITE_OK) log_pages_ = std::max(0, pages - copied);
  // While a reader keeps the log from being cut, do not stop at every return to try again.
  const bool left = blocked || log_pages_ > 0;
  maintain_at_ = 4 * options().checkpoint_pages + (left ? log_pages_ : 0);
  if (code == SQLITE_OK || blocked) return absl::OkStatus();
  absl::Status status = Fail(code, Operation::kSync, false, "checkpoint");
  // A full card or too little memory pass without closing anything.
  return fault_scope() == FaultScope::kStatement ? absl::OkStatus() : status;
}

}  // namespace roost::sqlite
