// backends/sqlite/database_copy.h - a Backup while it runs.
//
// Threads:  one
// Blocks:   up to the deadline; see sqlite_backup.h
#ifndef ROOST_BACKENDS_SQLITE_DATABASE_COPY_H_
#define ROOST_BACKENDS_SQLITE_DATABASE_COPY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "backends/sqlite/checkpoint_memory.h"
#include "backends/sqlite/deadline_handler.h"
#include "backends/sqlite/handle.h"
#include "roost/sqlite_backup.h"

struct sqlite3_backup;

namespace roost::sqlite {

class BackupFile;

class DatabaseCopy {
 public:
  // REQUIRES: both outlive this; a connection of `backend` was open.
  DatabaseCopy(SqliteBackend& backend, Platform& platform, Deadline deadline);
  ~DatabaseCopy();
  DatabaseCopy(const DatabaseCopy&) = delete;
  DatabaseCopy& operator=(const DatabaseCopy&) = delete;

  // Once.
  absl::Status Into(std::string_view path, const BackupOptions& options);

 private:
  absl::Status OpenSource();
  absl::Status OpenTarget(const BackupFile& file);
  absl::Status CopyAll(const BackupFile& file, const BackupOptions& options);
  absl::Status CheckLog() const;
  std::string SoFar() const;
  absl::Status TooLate() const;
  absl::Status Failed(const BackupFile& file, int code) const;

  SqliteBackend& backend_;
  Platform& platform_;
  const BackupMemory memory_{};
  DeadlineHandler handler_;  // the source's
  Handle source_{};
  Handle target_{};
  sqlite3_backup* copy_ = nullptr;
  bool holds_snapshot_ = false;
  int64_t page_bytes_ = 0;
  int64_t pages_ = 0;
  int64_t copied_ = 0;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_DATABASE_COPY_H_
