#include "tools/roostctl/wal_locks.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace roost::tools {
namespace {

// Bytes of the -shm file that SQLite locks, by its file format (walformat.html).
constexpr int64_t kWriter = 120;
constexpr int64_t kCheckpointer = 121;
constexpr int64_t kFirstReader = 123;
constexpr int64_t kLastReader = 127;

std::string_view WhatOf(int64_t from, int64_t to) {
  if (from <= kWriter && kWriter <= to) return "writes, and keeps others from writing";
  if (from <= kCheckpointer && kCheckpointer <= to) return "copies the log into the database";
  if (from <= kLastReader && kFirstReader <= to) {
    return "reads an old state, which keeps the log from being cut";
  }
  return "";
}

std::string CommandOf(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

std::vector<WalLock> WalLocks(const std::string& database, int64_t but, const std::string& locks) {
  std::vector<WalLock> found;
  struct stat file {};
  if (stat((database + "-shm").c_str(), &file) != 0) return found;
  std::array<char, 64> inode;
  std::snprintf(inode.data(), inode.size(), "%02x:%02x:%llu", major(file.st_dev),
                minor(file.st_dev), static_cast<unsigned long long>(file.st_ino));
  std::ifstream lines(locks);
  for (std::string line; std::getline(lines, line);) {
    // "7: POSIX  ADVISORY  WRITE 4711 08:01:131 120 120"; one that waits has "->" behind the number.
    std::istringstream fields(line);
    std::string number, kind, mode, access, where, to;
    int64_t pid = 0;
    int64_t from = 0;
    if (!(fields >> number >> kind >> mode >> access >> pid >> where >> from >> to)) continue;
    if (where != inode.data() || pid <= 0 || pid == but) continue;
    const int64_t end = to == "EOF" ? INT64_MAX : std::strtoll(to.c_str(), nullptr, 10);
    const std::string_view what = WhatOf(from, end);
    const bool known = std::any_of(found.begin(), found.end(), [pid, what](const WalLock& lock) {
      return lock.pid == pid && lock.what == what;
    });
    if (!what.empty() && !known) found.push_back({pid, CommandOf(pid), what});
  }
  // Who writes reads, too.
  for (const WalLock& writer : std::vector<WalLock>(found)) {
    if (!writer.what.starts_with("writes")) continue;
    std::erase_if(found, [&writer](const WalLock& lock) {
      return lock.pid == writer.pid && lock.what.starts_with("reads");
    });
  }
  return found;
}

}  // namespace roost::tools
