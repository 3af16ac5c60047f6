#include "backends/sqlite/database_copy.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "backends/sqlite/backup_file.h"
#include "backends/sqlite/errors.h"
#include "backends/sqlite/options.h"
#include "roost/sqlite_backup.h"
#include "statements/text.h"

namespace roost {

using internal::Concat;
using internal::Digits;

namespace sqlite {
namespace {

using std::chrono::milliseconds;

constexpr int kFirstPages = 16;
// Synced once for so many pages: 1 MiB.
constexpr int kMostPages = 256;
constexpr Duration kShortStep = milliseconds(5);
constexpr Duration kLongStep = milliseconds(10);

// Nobody else sees the file before it is whole: no journal, no syncs, no locks but the file's own. And
// dirty pages are kept from the slab that all connections share.
constexpr char kTargetPragmas[] =
    "PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF;PRAGMA cache_size=2;PRAGMA mmap_size=0";

bool IsOfWriting(int code) {
  return (code & 0xFF) == SQLITE_FULL || code == SQLITE_IOERR_WRITE ||
         code == SQLITE_IOERR_TRUNCATE;
}

int LastErrno(sqlite3* db, int code) {
  int last = 0;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &last);
  return last != 0 ? last : (code & 0xFF) == SQLITE_FULL ? ENOSPC : EIO;
}

}  // namespace

DatabaseCopy::DatabaseCopy(SqliteBackend& backend, Platform& platform, Deadline deadline)
    : backend_(backend), platform_(platform), handler_(platform) {
  handler_.SetDeadline(deadline);
}

DatabaseCopy::~DatabaseCopy() { sqlite3_backup_finish(copy_); }

absl::Status DatabaseCopy::Into(std::string_view path, const BackupOptions& options) {
  const bool in_memory = IsMemory(backend_.options());
  BackupFile file(path, in_memory ? nullptr : backend_.names_.get());
  absl::Status status = file.Check();
  if (status.ok()) status = OpenSource();
  if (!status.ok()) return status;
  const int64_t spare = int64_t{4} * backend_.options().checkpoint_pages * page_bytes_;
  status = file.CheckRoom(pages_ * page_bytes_, spare);
  if (status.ok()) status = file.Create();
  if (status.ok()) status = OpenTarget(file);
  if (status.ok()) status = CopyAll(file, options);
  sqlite3_backup_finish(std::exchange(copy_, nullptr));
  target_ = Handle();
  if (status.ok() && handler_.HasPassed()) status = TooLate();
  return status.ok() ? file.Publish(pages_ * page_bytes_) : status;
}

// A snapshot that is held is what keeps the copy from being begun anew by each commit.
absl::Status DatabaseCopy::OpenSource() {
  const SqliteOptions& options = backend_.options();
  const bool in_memory = IsMemory(options);
  absl::StatusOr<Handle> handle = OpenHandle(in_memory ? backend_.memory_name_ : options.path,
                                             options, Access::kRead, handler_);
  if (!handle.ok()) return handle.status();
  source_ = *std::move(handle);
  sqlite3* const db = source_.get();
  const absl::StatusOr<std::string> mode = QueryText(db, options, "PRAGMA journal_mode");
  if (!mode.ok()) return mode.status();
  holds_snapshot_ = *mode == "wal";
  if (holds_snapshot_) {
    absl::Status held = Execute(db, options, "BEGIN;SELECT 1 FROM sqlite_schema LIMIT 1");
    if (!held.ok()) return held;
  }
  const absl::StatusOr<int64_t> page_bytes = QueryInt(db, options, "PRAGMA page_size");
  if (!page_bytes.ok()) return page_bytes.status();
  page_bytes_ = *page_bytes;
  const absl::StatusOr<int64_t> pages = QueryInt(db, options, "PRAGMA page_count");
  if (!pages.ok()) return pages.status();
  pages_ = *pages;
  return absl::OkStatus();
}

absl::Status DatabaseCopy::OpenTarget(const BackupFile& file) {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  sqlite3* db = nullptr;
  int code = sqlite3_open_v2(file.part().c_str(), &db, kFlags, "unix-none");
  target_ = Handle(db);
  if (db == nullptr) code = SQLITE_NOMEM;
  if (code == SQLITE_OK) code = sqlite3_exec(db, kTargetPragmas, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) copy_ = sqlite3_backup_init(db, "main", source_.get(), "main");
  if (copy_ != nullptr) return absl::OkStatus();
  if (code == SQLITE_OK) code = sqlite3_errcode(db);
  return Failed(file, code);
}

absl::Status DatabaseCopy::CopyAll(const BackupFile& file, const BackupOptions& options) {
  int pages = kFirstPages;
  int unsynced = 0;
  for (int code = SQLITE_OK; code != SQLITE_DONE;) {
    if (handler_.HasPassed()) return TooLate();
    const TimePoint begun = platform_.Now();
    code = sqlite3_backup_step(copy_, pages);
    const Duration took = platform_.Now() - begun;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
      if (!handler_.Pause()) return TooLate();
      continue;
    }
    if (code != SQLITE_OK && code != SQLITE_DONE) return Failed(file, code);
    pages_ = sqlite3_backup_pagecount(copy_);
    copied_ = pages_ - sqlite3_backup_remaining(copy_);
    if (options.on_step && !options.on_step({.copied = copied_, .pages = pages_})) {
      return absl::CancelledError("Backup: on_step ended it; nothing was left behind");
    }
    absl::Status status = CheckLog();
    unsynced += pages;
    if (status.ok() && std::exchange(unsynced, unsynced % kMostPages) >= kMostPages)
      status = file.Sync();
    if (!status.ok()) return status;
    if (took < kShortStep) pages = std::min(2 * pages, kMostPages);
    if (took > kLongStep) pages = std::max(pages / 2, 1);
  }
  return absl::OkStatus();
}

// What the snapshot keeps in the log, writers would soon be refused for.
absl::Status DatabaseCopy::CheckLog() const {
  const int64_t most = MaxLogPages(backend_.options());
  const int64_t log = backend_.log_pages_.load(std::memory_order_relaxed);
  if (!holds_snapshot_ || log < most / 4 * 3) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      Concat({"Backup: the log, which is not cut while the copy is made, has grown to ",
              Digits(log), " pages of at most ", Digits(most), "; ", SoFar(),
              ": raise SqliteOptions::max_log_pages, or choose an hour with less to write"}));
}

std::string DatabaseCopy::SoFar() const {
  return Concat(
      {Digits(copied_), " of ", Digits(pages_), " pages were copied, and nothing was left behind"});
}

absl::Status DatabaseCopy::TooLate() const {
  return absl::DeadlineExceededError(
      Concat({"Backup: the deadline passed; ", SoFar(), ": give it more time"}));
}

absl::Status DatabaseCopy::Failed(const BackupFile& file, int code) const {
  if (IsOfWriting(code)) return file.WriteError(LastErrno(target_.get(), code));
  if ((code & 0xFF) != SQLITE_CANTOPEN)
    return OpenError(source_.get(), code, backend_.options(), "");
  return MakeStatus(absl::StatusCode::kUnavailable, code,
                    {.where = file.part(), .message = sqlite3_errstr(code), .advice = "try again"});
}

}  // namespace sqlite

absl::Status internal::CopyDatabase(Backend& backend, Platform& platform, std::string_view path,
                                    Deadline deadline, const BackupOptions& options) {
  if (backend.kind() != "sqlite") {
    return absl::InvalidArgumentError(
        Concat({"Backup copies a database of SQLite, and the pool's is of ", backend.kind(),
                ": use the tools of its server"}));
  }
  sqlite::DatabaseCopy copy(static_cast<SqliteBackend&>(backend), platform, deadline);
  return copy.Into(path, options);
}

}  // namespace roost
