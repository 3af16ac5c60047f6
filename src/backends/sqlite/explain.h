// backends/sqlite/explain.h - the reason behind an open that failed, by a look at the file system.
//
// SQLite's code for a file that cannot be opened or written is the same for a card that is mounted
// read only, a file of another owner, and a folder without an inode left; and the system's error
// number is that of SQLite's second, read-only try.
//
// Threads:  any
// Blocks:   for some stats
// Memory:   texts
#ifndef ROOST_BACKENDS_SQLITE_EXPLAIN_H_
#define ROOST_BACKENDS_SQLITE_EXPLAIN_H_

#include <string>

#include "absl/status/status.h"
#include "backends/sqlite/open_files.h"

namespace roost::sqlite {

// `status` of an open, with another code and a further sentence where the file system has a reason
// of its own. `only_reads`: the backend is read_only. REQUIRES: status is an error.
absl::Status Explain(const absl::Status& status, const FileNames& names, bool only_reads);

// OK: a file can be made in `folder`, as far as can be seen without making one.
absl::Status CheckFolder(const std::string& folder);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_EXPLAIN_H_
