// backends/sqlite/existing_file.h - what is at the path already: somebody else's, or damaged.
//
// Threads:  any
// Blocks:   for the reads
// Memory:   texts
#ifndef ROOST_BACKENDS_SQLITE_EXISTING_FILE_H_
#define ROOST_BACKENDS_SQLITE_EXISTING_FILE_H_

#include "absl/status/status.h"
#include "backends/sqlite/open_files.h"
#include "roost/sqlite.h"

struct sqlite3;

namespace roost::sqlite {

// kInvalidArgument when the path, or its last name, is too long with what SQLite writes behind it
// ("-journal"), and what the backend does ("-wal" of a damaged file).
absl::Status CheckLength(const FileNames& names, const SqliteOptions& options);
// kInvalidArgument when something else than a file is at the path: a device, a named pipe, a socket;
// or when a folder on the way has too long a name. A directory is for SQLite to refuse.
absl::Status CheckIsFile(const FileNames& names);
// kInvalidArgument when the database is another program's or of a later version of this one. Writes
// nothing.
absl::Status CheckOwner(sqlite3* db, const SqliteOptions& options);
// kInvalidArgument when the database has a user_version that none of the migrations has, or a later
// one. Writes nothing.
absl::Status CheckVersion(sqlite3* db, const SqliteOptions& options);
// Marks a database that CheckOwner has passed, unless it is marked.
absl::Status MarkOwner(sqlite3* db, const SqliteOptions& options);

// Whether the log of an earlier process is there: it did not close the database.
bool WasLeftOpen(const FileNames& names);
// How many damaged files are beside the database.
int CountDamaged(const FileNames& names);
// Gives a damaged database another name. OK: there is no database any more. `damage` is returned
// when the file is in use or cannot be renamed; kInvalidArgument when it was never a database.
absl::Status MoveAside(const SqliteOptions& options, const FileNames& names,
                       const absl::Status& damage);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_EXISTING_FILE_H_
