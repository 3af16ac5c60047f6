// include/roost/sqlite_backup.h - copies a live SQLite database into a file.
//
// The copy is the database of one moment, and writers commit meanwhile. It grows as PATH.part, is
// synced, and has the name PATH when it is whole. A Backup that fails removes PATH.part. One that was
// killed leaves it behind with the sticky bit among its permissions, by which the next Backup into PATH knows
// it and replaces it; a file system without permissions (FAT) keeps no such bit: remove it by hand.
//
// While the copy is made the log is not cut. Where it reaches three quarters of
// SqliteOptions::max_log_pages the Backup gives up at its next step (kResourceExhausted), so that writers go on.
// A database in memory has no log: a commit waits for a step of the copy and lets it begin anew.
//
// The file is a database without a log of its own, to be opened by any SQLite. To put it back:
// stop the program, remove the database's -wal and -shm, and rename the copy over the database.
//
// Threads:  any; several at once into different paths
// Blocks:   for the copy, up to the deadline; a sync or a rename that was begun is not cut
// Memory:   two handles of SQLite and their pages: 200 KiB of heap. With a SqliteMemory the block, and
//           64 KiB of heap where that is full. Texts
// Errors:   those of Pool::Acquire. kInvalidArgument: PATH is no name of a file, or one of the
//           database's own. kFailedPrecondition: something is at PATH or beside it, and stays as it
//           is. kNotFound, kPermissionDenied: its directory. kResourceExhausted: there is no room for
//           the copy. kUnavailable: another Backup into PATH runs, or the card failed. Each says what
//           to do
// Example:
//   const absl::Status copied = roost::Backup(pool, "/media/stick/copy.db", pool.In(60s));
#ifndef ROOST_SQLITE_BACKUP_H_
#define ROOST_SQLITE_BACKUP_H_

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/deadline.h"
#include "roost/lease.h"
#include "roost/pool.h"
#include "roost/source_line.h"
#include "roost/types.h"

#pragma GCC visibility push(default)
namespace roost {

// How far a Backup has come.
struct BackupProgress {
  // Pages in the copy, and those that it will have. A database in memory may take `copied` back.
  int64_t copied = 0;
  int64_t pages = 0;
};

// What a Backup may be told besides.
struct BackupOptions {
  // Called after each step, some 10 ms long, in the thread that called Backup. False ends the Backup
  // with kCancelled. Empty: it is not called.
  std::function<bool(const BackupProgress&)> on_step{};
};

namespace internal {

// In the library of the SQLite backend. `backend` is any pool's.
absl::Status CopyDatabase(Backend& backend, Platform& platform, std::string_view path,
                          Deadline deadline, const BackupOptions& options);

}  // namespace internal

// Copies the database of `pool` into a new file. Takes a read lease at its beginning and gives it back:
// the copy is read by a handle of its own, and the pool lends all its connections meanwhile. The file
// has the database's permissions, those of the group only where both have the same group.
inline absl::Status Backup(Pool& pool, std::string_view path, Deadline deadline,
                           const BackupOptions& options = {},
                           SourceLine where = SourceLine::Here()) {
  absl::StatusOr<Lease> lease = pool.Acquire(kRead, deadline, where);
  if (!lease.ok()) return lease.status();
  lease->Return();
  return internal::CopyDatabase(pool.backend(), pool.platform(), path, deadline, options);
}

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_SQLITE_BACKUP_H_
