// SqliteBackend: prepares the database once, then opens connections.
#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "backends/sqlite/connection.h"
#include "backends/sqlite/counters.h"
#include "backends/sqlite/existing_file.h"
#include "backends/sqlite/explain.h"
#include "backends/sqlite/handle.h"
#include "backends/sqlite/open_files.h"
#include "backends/sqlite/options.h"
#include "backends/sqlite/script.h"
#include "backends/sqlite/timed_reads.h"
#include "base/utf8.h"
#include "roost/internal/check.h"
#include "roost/sqlite.h"
#include "statements/text.h"

namespace roost {

using internal::Concat;
using sqlite::Access;
using sqlite::DeadlineHandler;
using sqlite::Handle;
using sqlite::SqliteConnection;

namespace {

// The leading slash makes the database shared by all who name it in this process. The address is
// unique among living backends; the random number tells this one from an earlier one at the same
// address, whose database a detached handle may keep alive.
std::string NameInMemory(const void* backend, uint32_t random) {
  char name[64];
  sqlite3_snprintf(sizeof name, name, "file:/roost-%p-%08x?vfs=memdb", backend, random);
  return name;
}

// After a sync that failed or damage that was met. A check that runs out of time is not an error
// and not repeated: damage also shows where it is read.
absl::Status CheckDatabase(sqlite3* db, const SqliteOptions& options, DeadlineHandler& handler) {
  const sqlite::TimedReads reads(db, handler);
  const absl::StatusOr<std::string> found = sqlite::QueryText(db, options, "PRAGMA quick_check(1)");
  if (reads.interrupted()) return absl::OkStatus();
  if (!found.ok())
    return absl::IsDeadlineExceeded(found.status()) ? absl::OkStatus() : found.status();
  if (*found == "ok") return absl::OkStatus();
  return absl::DataLossError(
      Concat({internal::PlainText(options.path), " is damaged: ", internal::PlainText(*found),
              "; move the file, its -wal and its -shm aside together, and start a new one"}));
}

// Writes every byte of the log that `db` has open once more. REQUIRES: holds the write lock.
int WriteLogAgain(sqlite3* db) {
  sqlite3_file* log = nullptr;
  int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (code != SQLITE_OK || log == nullptr || log->pMethods == nullptr) return code;
  sqlite3_int64 size = 0;
  code = log->pMethods->xFileSize(log, &size);
  constexpr sqlite3_int64 kStep = 4096;
  char bytes[kStep];
  for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += kStep) {
    const int count = static_cast<int>(std::min(kStep, size - at));
    code = log->pMethods->xRead(log, bytes, count, at);
    if (code == SQLITE_OK) code = log->pMethods->xWrite(log, bytes, count, at);
  }
  if (code == SQLITE_OK) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  return code;
}

// After a sync that failed, the system takes the pages it could not write for clean: the next sync
// succeeds without them, and a power cut leaves a hole in the log, which ends everything after it.
// A checkpoint would bring the pages into the database file, but readers can keep it from doing so;
// writing the same bytes again they cannot.
absl::Status CloseHoles(sqlite3* db, const SqliteOptions& options) {
  absl::Status status = sqlite::Execute(db, options, "BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  const int code = WriteLogAgain(db);
  if (code != SQLITE_OK) status = sqlite::OpenError(db, code, options, "");
  sqlite::Execute(db, options, "ROLLBACK").IgnoreError();
  return status;
}

}  // namespace

SqliteBackend::SqliteBackend(SqliteOptions options)
    : options_(std::move(options)),
      names_(std::make_unique<const sqlite::FileNames>(options_.path)),
      counters_(std::make_unique<sqlite::Counters>()),
      prepared_(std::make_unique<sqlite::OpenFiles>()) {}

SqliteBackend::~SqliteBackend() { sqlite3_close(anchor_); }

size_t SqliteBackend::ConnectionBytes(int statements) const {
  return SqliteConnection::BytesFor(statements);
}

void SqliteBackend::Forget() {
  uint32_t done = kDone;
  bootstrap_.compare_exchange_strong(done, kNeeded);
}

SqliteFileStats SqliteBackend::file_stats() const {
  return {.log_pages = log_pages_,
          .log_pages_peak = log_pages_peak_,
          .max_log_pages = sqlite::MaxLogPages(options_),
          .checkpoint_error = checkpoint_error_,
          .file_changes = file_changes_,
          .damaged_files = damaged_files_};
}

void SqliteBackend::AddFigures(TimePoint now, Figures& out) const { counters_->AddTo(now, out); }

void SqliteBackend::RecordLog(int pages) {
  log_pages_.store(pages, std::memory_order_relaxed);
  if (pages > log_pages_peak_.load(std::memory_order_relaxed)) {
    log_pages_peak_.store(pages, std::memory_order_relaxed);
  }
}

void SqliteBackend::Distrust() {
  distrusted_ = true;
  Forget();
}

absl::Status SqliteBackend::CheckOptions() const {
  absl::Status valid = sqlite::Validate(options_);
  if (!valid.ok() || sqlite::IsMemory(options_)) return valid;
  valid = sqlite::CheckLength(*names_, options_);
  return valid.ok() ? sqlite::CheckIsFile(*names_) : valid;
}

absl::Status SqliteBackend::Prepare(Platform& platform, Deadline deadline) {
  absl::Status status = CheckOptions();
  if (!status.ok()) return status;
  DeadlineHandler handler(platform, &counters_->busy());
  handler.SetDeadline(deadline);
  Handle keeper;
  status = CheckFork(platform);
  if (status.ok())
    status = Bootstrap(handler, {.platform = &platform, .deadline = deadline}, keeper);
  if (status.ok() || sqlite::IsMemory(options_)) return status;
  return sqlite::Explain(status, *names_, options_.read_only);
}

absl::StatusOr<Connection*> SqliteBackend::Open(const OpenRequest& request) {
  ROOST_CHECK(request.platform != nullptr, "SqliteBackend::Open was called without a platform");
  ROOST_CHECK(request.memory.bytes >= ConnectionBytes(request.memory.statements),
              "SqliteBackend::Open was given too little memory; see ConnectionBytes");
  absl::Status valid = CheckOptions();
  if (!valid.ok()) return valid;
  absl::StatusOr<Connection*> connection = OpenOnce(request);
  // The file that was prepared may have been deleted since: then make it anew, once.
  if (absl::IsNotFound(connection.status()) && bootstrap_ == kDone) {
    Forget();
    connection = OpenOnce(request);
  }
  if (!connection.ok() && !sqlite::IsMemory(options_)) {
    connection = sqlite::Explain(connection.status(), *names_, options_.read_only);
  }
  const bool move = options_.when_damaged == WhenDamaged::kMoveAside && !options_.read_only;
  if (!move || !absl::IsDataLoss(connection.status())) return connection;
  return OpenAnew(request, connection.status());
}

// One caller moves the damaged file aside; the others have failed, and find the new one next time.
absl::StatusOr<Connection*> SqliteBackend::OpenAnew(const OpenRequest& request,
                                                    const absl::Status& damage) {
  Forget();
  uint32_t needed = kNeeded;
  if (!bootstrap_.compare_exchange_strong(needed, kRunning)) return damage;
  const absl::Status moved = sqlite::MoveAside(options_, *names_, damage);
  if (moved.ok()) {
    distrusted_ = false;
    damaged_files_ = sqlite::CountDamaged(*names_);
  }
  bootstrap_ = kNeeded;
  request.platform->Wake(&bootstrap_);
  if (moved.ok()) return OpenOnce(request);
  // The pool's own connections are to make room for the next try.
  if (absl::IsDataLoss(moved) && request.fault_scope != nullptr) {
    *request.fault_scope = FaultScope::kAllOlder;
  }
  return moved;
}

absl::StatusOr<Connection*> SqliteBackend::OpenOnce(const OpenRequest& request) {
  // Held until the connection is open, so that closing it is not the last close, which would delete
  // the log for the connection to make again.
  DeadlineHandler handler(*request.platform, &counters_->busy());
  handler.SetDeadline(request.deadline);
  Handle keeper;
  absl::Status status = CheckFork(*request.platform);
  if (status.ok()) status = Bootstrap(handler, request, keeper);
  if (!status.ok()) return status;
  const std::string& name = sqlite::IsMemory(options_) ? memory_name_ : options_.path;
  auto* connection = new (request.memory.data) SqliteConnection(*this, request);
  status = connection->Open(name, request.deadline);
  if (status.ok()) return connection;
  std::destroy_at(connection);
  return status;
}

// A child has the parent's locks in its memory, held by threads that it has not.
absl::Status SqliteBackend::CheckFork(Platform& platform) const {
  const int64_t forks = forks_;
  if (forks < 0 || forks == platform.Forks().load(std::memory_order_relaxed)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      Concat({internal::PlainText(options_.path),
              " was opened before fork(): the child may not use its parent's pool or backend; let "
              "the child exec, or open nothing before the fork"}));
}

// One caller prepares the database; the others wait for it, up to their own deadlines.
absl::Status SqliteBackend::Bootstrap(DeadlineHandler& handler, const OpenRequest& request,
                                      Handle& keeper) {
  if (options_.read_only) return absl::OkStatus();
  while (true) {
    uint32_t seen = kNeeded;
    if (bootstrap_.compare_exchange_strong(seen, kRunning)) break;
    if (seen == kDone) return absl::OkStatus();
    if (!request.platform->Wait(bootstrap_, kRunning, request.deadline)) {
      return absl::DeadlineExceededError(
          Concat({internal::PlainText(options_.path),
                  ": another thread is still preparing the database"}));
    }
  }
  absl::StatusOr<bool> prepared = PrepareDatabase(handler, *request.platform, keeper);
  bootstrap_ = prepared.ok() && *prepared && !distrusted_ ? kDone : kNeeded;
  request.platform->Wake(&bootstrap_);
  return prepared.status();
}

// Before anything is written: whose it is, and whether it is whole.
absl::Status SqliteBackend::LookAtDatabase(sqlite3* db, DeadlineHandler& handler,
                                           Platform& platform) {
  absl::Status status = sqlite::CheckOwner(db, options_);
  if (status.ok()) status = sqlite::CheckVersion(db, options_);
  if (!status.ok()) return status;
  const bool lost_sync = distrusted_.exchange(false);
  if (!lost_sync && !left_open_) return absl::OkStatus();
  const Deadline deadline = handler.deadline();
  if (!lost_sync && !deadline.IsNever()) {
    const TimePoint now = platform.Now();
    handler.SetDeadline(Deadline::After(now, (deadline.time() - now) / 2));
  }
  status = CheckDatabase(db, options_, handler);
  handler.SetDeadline(deadline);
  if (status.ok() && lost_sync && !sqlite::IsMemory(options_)) status = CloseHoles(db, options_);
  if (!status.ok() && lost_sync) distrusted_ = true;
  if (status.ok()) left_open_ = false;
  return status;
}

// True when the database is ready for every role; false when the card takes no writes, so that what
// is there can be read, and preparing it has to wait.
absl::StatusOr<bool> SqliteBackend::PrepareDatabase(DeadlineHandler& handler, Platform& platform,
                                                    Handle& keeper) {
  const bool memory = sqlite::IsMemory(options_);
  forks_ = platform.Forks().load(std::memory_order_relaxed);
  if (memory && memory_name_.empty()) memory_name_ = NameInMemory(this, platform.Random());
  // Another file may have the name of the one that was prepared before; the log is not its own.
  const bool begins_anew = prepared_->HasLostName() || overwritten_;
  prepared_->DisownLog();
  if (!memory && options_.when_damaged == WhenDamaged::kMoveAside && !was_prepared_) {
    left_open_ = sqlite::WasLeftOpen(*names_);
    damaged_files_ = sqlite::CountDamaged(*names_);
  }
  absl::StatusOr<Handle> handle =
      sqlite::OpenHandle(memory ? memory_name_ : options_.path, options_, Access::kCreate, handler);
  if (!handle.ok()) return handle.status();
  sqlite3* const db = handle->get();
  if (sqlite3_db_readonly(db, "main") == 1) return false;
  absl::Status status = LookAtDatabase(db, handler, platform);
  if (!status.ok()) return status;
  if (!memory) status = sqlite::SwitchToLog(db, options_, handler);
  if (status.ok()) status = sqlite::RunSchema(db, options_);
  if (status.ok()) status = sqlite::Migrate(db, options_);
  if (status.ok()) status = sqlite::MarkOwner(db, options_);
  if (!status.ok()) return status;
  if (!memory) prepared_->Remember(db, *names_, true);
  if (begins_anew) ++file_changes_;
  overwritten_ = false;
  was_prepared_ = true;
  sqlite::KeepLogAtClose(db, false);
  DeadlineHandler::Uninstall(db);  // `handler` ends with this call, the handle may not
  if (memory && anchor_ == nullptr) {
    anchor_ = handle->release();
  } else {
    // The connection that is opened next takes the room of its pages, in place of room beside it.
    sqlite3_db_release_memory(db);
    keeper = *std::move(handle);
  }
  return true;
}

}  // namespace roost
