#include "tools/roost-node/card.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace roost::tools {
namespace {

// Of the file system that `db` lies on. Nothing: `db` is in memory, or its folder cannot be asked.
std::optional<struct statvfs> Ask(const std::string& db) {
  if (db == ":memory:") return std::nullopt;
  const std::string folder = FolderOf(db);
  struct statvfs seen {};
  if (statvfs(folder.empty() ? "." : folder.c_str(), &seen) != 0) return std::nullopt;
  return seen;
}

}  // namespace

std::string FolderOf(const std::string& db) {
  return db == ":memory:" ? std::string() : std::filesystem::path(db).parent_path().string();
}

absl::Status CheckCard(const std::string& db) {
  const std::optional<struct statvfs> seen = Ask(db);
  // What cannot be asked shows when the database is opened.
  if (!seen.has_value() || (seen->f_flag & ST_RDONLY) == 0) return absl::OkStatus();
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

std::optional<uint64_t> FreeBytes(const std::string& db) {
  const std::optional<struct statvfs> seen = Ask(db);
  if (!seen.has_value()) return std::nullopt;
  return static_cast<uint64_t>(seen->f_bavail) * static_cast<uint64_t>(seen->f_frsize);
}

uint64_t FileBytes(const std::string& path) {
  struct stat seen {};
  return stat(path.c_str(), &seen) == 0 && S_ISREG(seen.st_mode)
             ? static_cast<uint64_t>(seen.st_size)
             : 0;
}

absl::Status MakeReserve(const std::string& path, uint64_t bytes) {
  // A file of before may have another size, or holes where a power cut came in between.
  unlink(path.c_str());
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return absl::UnavailableError(path + ": " + std::strerror(errno));
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  close(fd);
  if (error == 0) return absl::OkStatus();
  unlink(path.c_str());
  return absl::ResourceExhaustedError(path + ": " + std::strerror(error));
}

}  // namespace roost::tools
