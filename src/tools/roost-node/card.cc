#include "tools/roost-node/card.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <cstdint>
#include <filesystem>

namespace roost::tools {

std::string FolderOf(const std::string& db) {
  return db == ":memory:" ? std::string() : std::filesystem::path(db).parent_path().string();
}

absl::Status CheckCard(const std::string& db) {
  if (db == ":memory:") return absl::OkStatus();
  const std::string folder = FolderOf(db);
  struct statvfs seen {};
  // What cannot be asked shows when the database is opened.
  if (statvfs(folder.empty() ? "." : folder.c_str(), &seen) != 0) return absl::OkStatus();
  if ((seen.f_flag & ST_RDONLY) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      "its file system is mounted read-only; the node waits until it takes writes (dmesg says why; "
      "mount -o remount,rw)");
}

bool IsInMemory(const std::string& path) {
  const std::string folder = FolderOf(path);
  struct statfs seen {};
  if (statfs(folder.empty() ? "." : folder.c_str(), &seen) != 0) return false;
  // The type is signed on some machines.
  const auto type = static_cast<uint32_t>(seen.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

}  // namespace roost::tools
