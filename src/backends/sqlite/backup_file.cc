#include "backends/sqlite/backup_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "backends/sqlite/explain.h"
#include "base/byte_size.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using absl::StatusCode;
using internal::Concat;
using internal::FormatBytes;

constexpr std::string_view kPart = ".part";
// What SQLite may have beside a database, and takes for its own by the name.
constexpr std::string_view kBeside[] = {"-journal", "-wal", "-shm"};

absl::Status Wrong(StatusCode code, std::initializer_list<std::string_view> parts) {
  return absl::Status(code, internal::PlainText(Concat(parts)));
}

bool Find(const std::string& name, struct stat& found) {
  return ::lstat(name.c_str(), &found) == 0;
}

bool IsSame(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

StatusCode CodeOf(int system_errno) {
  switch (system_errno) {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
      return StatusCode::kResourceExhausted;
    case EROFS:
    case EFBIG:
      return StatusCode::kFailedPrecondition;
    case EACCES:
    case EPERM:
      return StatusCode::kPermissionDenied;
    case ENOENT:
    case ENOTDIR:
      return StatusCode::kNotFound;
    case ENAMETOOLONG:
    case ELOOP:
      return StatusCode::kInvalidArgument;
    default:
      return StatusCode::kUnavailable;
  }
}

std::string_view AdviceFor(int system_errno) {
  switch (system_errno) {
    case ENOSPC:
      return "; nothing was left behind: free space there, or choose another disk";
    case EDQUOT:
      return "; nothing was left behind: this user's quota is used up";
    case EFBIG:
      return "; nothing was left behind: its file system, or a limit of this process, takes no "
             "file "
             "as large as the database";
    case EIO:
      return "; nothing was left behind: the disk may be failing, choose another";
    case ENAMETOOLONG:
      return "; choose a shorter name";
    default:
      return "; nothing was left behind";
  }
}

absl::Status SystemError(std::string_view what, const std::string& name, int system_errno) {
  return Wrong(CodeOf(system_errno), {what, " ", name, " failed: ", std::strerror(system_errno),
                                      AdviceFor(system_errno)});
}

// What an unfinished copy has among its permissions, and no other database: Linux gives it no meaning for a
// file. A file system without permissions (FAT) does not keep it.
constexpr mode_t kUnfinished = S_ISVTX;

// An unfinished copy of ours, or an empty file: its first page may be in SQLite's memory still.
bool IsUnfinishedCopy(int file) {
  struct stat found {};
  if (::fstat(file, &found) != 0) return false;
  if (found.st_size == 0) return true;
  if ((found.st_mode & kUnfinished) == 0) return false;
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  std::array<char, 16> begin{};
  const ssize_t got = ::pread(file, begin.data(), begin.size(), 0);
  if (got == 0) return true;
  const std::string_view bytes(begin.data(), begin.size());
  return got == 16 &&
         (bytes == kMagic || bytes == std::string_view(std::array<char, 16>{}.data(), 16));
}

}  // namespace

BackupFile::~BackupFile() {
  if (file_ < 0) return;
  if (StillHasItsName()) ::unlink(part_.c_str());
  ::close(file_);
}

// ---- before anything is written -------------------------------------------------------------------

absl::Status BackupFile::Check() {
  absl::Status status = FindFolder();
  if (status.ok()) status = CheckNames();
  if (status.ok()) status = CheckBeside();
  if (status.ok()) status = CheckFolder(folder_);
  return status;
}

// The folder may be reached by symbolic links: it is resolved here, once.
absl::Status BackupFile::FindFolder() {
  const size_t slash = given_.rfind('/');
  name_ = slash == std::string::npos ? given_ : given_.substr(slash + 1);
  if (name_.empty() || name_ == "." || name_ == ".." || given_ == ":memory:" ||
      given_.find('\0') != std::string::npos) {
    return Wrong(StatusCode::kInvalidArgument,
                 {"Backup: \"", given_,
                  "\" is no name of a file: give a directory that is there, and "
                  "the name of a new file in it"});
  }
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : given_.substr(0, slash);
  char* const real = ::realpath(folder.c_str(), nullptr);
  if (real == nullptr) {
    const int error = errno;
    if (error != ENOENT && error != ENOTDIR)
      return SystemError("Backup: looking up", folder, error);
    return Wrong(StatusCode::kNotFound, {"Backup: the directory ", folder,
                                         " is not there: make it, or "
                                         "mount what is to be there"});
  }
  struct stat found {};
  const bool is_folder = ::stat(real, &found) == 0 && S_ISDIR(found.st_mode);
  folder_ = real;
  std::free(real);
  if (!is_folder) {
    return Wrong(
        StatusCode::kInvalidArgument,
        {"Backup: ", folder_, " is no directory: give one, and the name of a new file in it"});
  }
  path_ = folder_ == "/" ? Concat({"/", name_}) : Concat({folder_, "/", name_});
  part_ = Concat({path_, kPart});
  return CheckLength();
}

absl::Status BackupFile::CheckLength() const {
  sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  const auto whole = static_cast<int>(part_.size() + kBeside[0].size());
  const int64_t most = ::pathconf(folder_.c_str(), _PC_NAME_MAX);
  // As SQLite needs room behind it to write the copy once it is a database.
  const auto longest =
      static_cast<int64_t>(name_.size() + std::max(kPart.size(), kBeside[0].size()));
  if (whole <= vfs->mxPathname && (most <= 0 || longest <= most)) return absl::OkStatus();
  return Wrong(StatusCode::kInvalidArgument,
               {"Backup: ", path_, " is too long with \"", kPart, "\" or \"", kBeside[0],
                "\" behind it: choose a shorter name"});
}

absl::Status BackupFile::CheckNames() const {
  for (const std::string& name : {name_, Concat({name_, kPart})}) {
    absl::Status status = CheckIsOurs(name);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Also a name that is free by chance: SQLite would take a file there for a part of the database.
absl::Status BackupFile::CheckIsOurs(std::string_view name) const {
  if (database_ == nullptr) return absl::OkStatus();
  const std::string& database = database_->database;
  const size_t slash = database.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : database.substr(0, slash + 1);
  struct stat here {};
  struct stat there {};
  if (::stat(folder_.c_str(), &here) != 0 || ::stat(folder.c_str(), &there) != 0 ||
      !IsSame(here, there)) {
    return absl::OkStatus();
  }
  const std::string_view whole = database;
  const std::string_view own = whole.substr(slash == std::string::npos ? 0 : slash + 1);
  if (!name.starts_with(own)) return absl::OkStatus();
  const std::string_view rest = name.substr(own.size());
  const bool taken = rest.empty() || rest.starts_with(".damaged-") ||
                     std::find(std::begin(kBeside), std::end(kBeside), rest) != std::end(kBeside);
  if (!taken) return absl::OkStatus();
  return Wrong(StatusCode::kInvalidArgument,
               {"Backup: ", path_,
                rest.empty() ? " or its .part is the database itself"
                             : " or its .part has the name of a file of the database",
                ": choose another name, on another disk if there is one"});
}

absl::Status BackupFile::CheckBeside() const {
  struct stat found {};
  if (Find(path_, found)) {
    const std::string_view what = S_ISLNK(found.st_mode)   ? " is a symbolic link"
                                  : S_ISDIR(found.st_mode) ? " is a directory"
                                                           : " is there already";
    return Wrong(
        StatusCode::kFailedPrecondition,
        {"Backup: ", path_, what, ", and stays as it is: choose another name, or remove it first"});
  }
  for (const std::string_view end : kBeside) {
    if (!Find(Concat({path_, end}), found)) continue;
    return Wrong(StatusCode::kFailedPrecondition,
                 {"Backup: ", path_, end, " is there, and whoever opens ", path_,
                  " would take it for a part of it: remove it, or choose another name"});
  }
  return absl::OkStatus();
}

absl::Status BackupFile::CheckRoom(int64_t bytes, int64_t spare) const {
  struct statvfs found {};
  struct stat here {};
  struct stat there {};
  if (::statvfs(folder_.c_str(), &found) != 0) return absl::OkStatus();
  const bool shared = database_ != nullptr && ::stat(folder_.c_str(), &here) == 0 &&
                      ::stat(database_->database.c_str(), &there) == 0 &&
                      here.st_dev == there.st_dev;
  const auto free = uint64_t{found.f_bavail} * found.f_frsize;
  const auto needed = static_cast<uint64_t>(bytes + (shared ? spare : 0));
  if (free >= needed) return absl::OkStatus();
  return Wrong(StatusCode::kResourceExhausted,
               {"Backup: ", folder_, " has ", FormatBytes(free), " free, and the copy needs ",
                FormatBytes(needed), shared ? " with what the log may take meanwhile" : "",
                ": free space there, or choose another disk"});
}

// ---- PATH.part ------------------------------------------------------------------------------------

// As the database's, where the group is the same one.
mode_t BackupFile::Mode() const {
  struct stat database {};
  struct stat part {};
  if (database_ == nullptr || ::stat(database_->database.c_str(), &database) != 0 ||
      ::fstat(file_, &part) != 0) {
    return S_IRUSR | S_IWUSR;
  }
  const mode_t mode = database.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
  return database.st_gid == part.st_gid ? mode : mode & ~static_cast<mode_t>(S_IRWXG);
}

absl::Status BackupFile::Create() {
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  file_ = ::open(part_.c_str(), kFlags, S_IRUSR | S_IWUSR);
  if (file_ < 0 && errno == EEXIST) {
    absl::Status status = RemoveStale();
    if (!status.ok()) return status;
    file_ = ::open(part_.c_str(), kFlags, S_IRUSR | S_IWUSR);
  }
  if (file_ < 0) return SystemError("Backup: making", part_, errno);
  // Between the two another one may have taken it for stale.
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 || !StillHasItsName()) {
    ::close(std::exchange(file_, -1));
    return Wrong(StatusCode::kUnavailable,
                 {"Backup: another one into ", path_, " was begun: wait for it"});
  }
  return SetMode(Mode() | kUnfinished);
}

absl::Status BackupFile::SetMode(mode_t mode) const {
  if (::fchmod(file_, mode) == 0 || errno == EPERM) return absl::OkStatus();
  return SystemError("Backup: chmod of", part_, errno);
}

absl::Status BackupFile::RemoveStale() const {
  struct stat found {};
  if (!Find(part_, found)) return absl::OkStatus();
  if (!S_ISREG(found.st_mode)) {
    return Wrong(StatusCode::kFailedPrecondition,
                 {"Backup: ", part_, S_ISLNK(found.st_mode) ? " is a symbolic link" : " is no file",
                  ", and is left alone: remove it, or choose another name"});
  }
  const int file = ::open(part_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return SystemError("Backup: opening what an earlier one left in", part_, errno);
  absl::Status status;
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    status = Wrong(StatusCode::kUnavailable, {"Backup: another one into ", path_,
                                              " is running: wait for it, or choose another name"});
  } else if (!IsUnfinishedCopy(file)) {
    status = Wrong(StatusCode::kFailedPrecondition,
                   {"Backup: ", part_,
                    " is not known to be an unfinished copy, and is left alone: remove "
                    "it, or choose another name"});
  } else if (::unlink(part_.c_str()) != 0) {
    status = SystemError("Backup: removing", part_, errno);
  }
  ::close(file);
  return status;
}

bool BackupFile::StillHasItsName() const {
  struct stat ours {};
  struct stat named {};
  return ::fstat(file_, &ours) == 0 && Find(part_, named) && IsSame(ours, named);
}

absl::Status BackupFile::WriteError(int system_errno) const {
  return SystemError("Backup: writing", part_, system_errno);
}

// ---- PATH -----------------------------------------------------------------------------------------

absl::Status BackupFile::Sync() const {
  return ::fdatasync(file_) == 0 ? absl::OkStatus()
                                 : SystemError("Backup: the sync of", part_, errno);
}

absl::Status BackupFile::Publish(int64_t bytes) {
  struct stat found {};
  if (::fstat(file_, &found) != 0 || found.st_size != bytes || !StillHasItsName()) {
    return Wrong(StatusCode::kUnavailable,
                 {"Backup: ", part_,
                  " was changed by somebody else while it was written: try again, in a "
                  "directory that is yours alone"});
  }
  // The header's versions of its format: a copy of a database with a log says that it has one, and
  // whoever opened it would need to write beside it.
  constexpr off_t kVersionsAt = 18;
  constexpr char kRollback[2] = {1, 1};
  if (::pwrite(file_, kRollback, sizeof kRollback, kVersionsAt) != sizeof kRollback) {
    return WriteError(errno);
  }
  absl::Status status = SetMode(Mode());
  if (!status.ok()) return status;
  if (::fsync(file_) != 0) return SystemError("Backup: the sync of", part_, errno);
  status = Rename();
  if (!status.ok()) return status;
  ::close(std::exchange(file_, -1));
  status = SyncFolder();
  // A name that a power cut may take away again is no success.
  if (!status.ok()) ::unlink(path_.c_str());
  return status;
}

absl::Status BackupFile::Rename() const {
  if (::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  // A file system that cannot look and rename in one.
  if (errno == EINVAL || errno == ENOSYS) {
    absl::Status free = CheckBeside();
    if (!free.ok()) return free;
    if (::rename(part_.c_str(), path_.c_str()) == 0) return absl::OkStatus();
  }
  if (errno == EEXIST) return CheckBeside();
  return SystemError("Backup: naming the copy", path_, errno);
}

absl::Status BackupFile::SyncFolder() const {
  const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Some file systems cannot sync a directory, and have no need to.
  const bool synced = folder >= 0 && (::fsync(folder) == 0 || errno == EINVAL);
  const int error = errno;
  if (folder >= 0) ::close(folder);
  return synced ? absl::OkStatus() : SystemError("Backup: the sync of", folder_, error);
}

}  // namespace roost::sqlite
