// tools/roostctl/node_file.h - a node's database, read while the node runs on it, without its notice:
//
//   * Without a log beside it no program has it open: it is read as an immutable file. SQLite then
//     takes no lock and makes no file, so that no log of another owner is left in the node's folder.
//   * With a log it is opened for reading, by another user than the owner without touching the
//     log's index, and takes the place of a reader. Readers of a write-ahead log make no writer wait. A
//     checkpoint that would cut the log back waits 5 ms for readers at the most and then leaves it for
//     later (src/backends/sqlite/write_ahead_log.cc).
//   * Closing makes no checkpoint (NO_CKPT_ON_CLOSE), so that it never takes the write lock.
//   * A database in another mode than the log is not to be opened: there a reader makes a writer wait.
//
// Threads:  one
// Blocks:   for the read of a header; SQLite's calls
// Errors:   SQLite's codes
#ifndef ROOST_TOOLS_ROOSTCTL_NODE_FILE_H_
#define ROOST_TOOLS_ROOSTCTL_NODE_FILE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

namespace roost::tools {

struct CloseNodeFile {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using NodeFile = std::unique_ptr<sqlite3, CloseNodeFile>;

enum class FileKind : uint8_t { kAbsent, kUnreadable, kEmpty, kForeign, kOtherMode, kLog };
// Before SQLite has the file open in this process: closing any descriptor of it drops SQLite's
// locks on it.
FileKind FileKindOf(const std::string& path);
// Also an empty one: a node that has just cut it back.
bool HasLog(const std::string& path);
// Why it cannot be read as a node's, in a sentence; empty: it can.
std::string WhyNotReadable(const std::string& path);
// `immutable`: of a file without a log.
NodeFile OpenToRead(const std::string& path, bool immutable, int& code);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_NODE_FILE_H_
