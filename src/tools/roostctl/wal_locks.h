// tools/roostctl/wal_locks.h - which other processes hold locks on a SQLite database's write-ahead log, by
// /proc/locks: the database itself is not opened.
//
// Threads:  any
// Blocks:   for the read of a file of the kernel's
// Memory:   the result
// Errors:   none: what cannot be seen is left out
#ifndef ROOST_TOOLS_ROOSTCTL_WAL_LOCKS_H_
#define ROOST_TOOLS_ROOSTCTL_WAL_LOCKS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roost::tools {

struct WalLock {
  int64_t pid = 0;
  std::string command{};    // its name; empty: not known
  std::string_view what{};  // what it does with the lock
};

// The locks on `database`-shm of processes besides `but`, each process once for each kind. `locks`: as /proc/locks
// has them.
std::vector<WalLock> WalLocks(const std::string& database, int64_t but,
                              const std::string& locks = "/proc/locks");

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_WAL_LOCKS_H_
