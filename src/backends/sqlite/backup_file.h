// backends/sqlite/backup_file.h - the file of a copy: PATH.part until it is whole, then PATH.
//
// A lock on PATH.part (flock) tells a copy that is being made from what a killed one left behind.
//
// Threads:  one
// Blocks:   for the file system; Sync and Publish for the card
// Memory:   texts
#ifndef ROOST_BACKENDS_SQLITE_BACKUP_FILE_H_
#define ROOST_BACKENDS_SQLITE_BACKUP_FILE_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "backends/sqlite/open_files.h"

namespace roost::sqlite {

class BackupFile {
 public:
  // `database`: whose copy it is; null: of one in memory. REQUIRES: it outlives this.
  BackupFile(std::string_view path, const FileNames* database)
      : given_(path), database_(database) {}
  // Removes PATH.part, unless Publish has renamed it.
  ~BackupFile();
  BackupFile(const BackupFile&) = delete;
  BackupFile& operator=(const BackupFile&) = delete;

  // Whether the copy can be made there. Writes nothing.
  absl::Status Check();
  // kResourceExhausted unless there is room for `bytes`; and `spare` besides, for the log, where the
  // database is on the same file system. REQUIRES: Check was OK.
  absl::Status CheckRoom(int64_t bytes, int64_t spare) const;
  // Makes PATH.part, empty. REQUIRES: Check was OK.
  absl::Status Create();
  // So that the sync at the end is short, and does not hold up those of the database.
  absl::Status Sync() const;
  // Gives the copy its name, durably. `bytes`: how long it has to be. REQUIRES: it is closed.
  absl::Status Publish(int64_t bytes);

  // The whole path of PATH.part, without a symbolic link.
  const std::string& part() const { return part_; }
  // The error of a write into it.
  absl::Status WriteError(int system_errno) const;

 private:
  absl::Status FindFolder();
  absl::Status CheckLength() const;
  absl::Status CheckNames() const;
  absl::Status CheckIsOurs(std::string_view name) const;
  absl::Status CheckBeside() const;
  absl::Status RemoveStale() const;
  bool StillHasItsName() const;
  mode_t Mode() const;
  absl::Status SetMode(mode_t mode) const;
  absl::Status Rename() const;
  absl::Status SyncFolder() const;

  const std::string given_;
  const FileNames* const database_;
  std::string folder_{};
  std::string name_{};
  std::string path_{};
  std::string part_{};
  int file_ = -1;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_BACKUP_FILE_H_
