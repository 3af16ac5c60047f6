#include "backends/sqlite/explain.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "backends/sqlite/errors.h"
#include "roost/sqlite.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using absl::StatusCode;
using internal::Concat;
using internal::Digits;

struct Reason {
  StatusCode code;
  std::string sentence;
};

// linux/magic.h, and what is in no header.
struct FileSystem {
  uint32_t magic;
  std::string_view name;
};
constexpr FileSystem kFileSystems[] = {
    {0x6969, "NFS"},        {0x517B, "SMB"},      {0xFF534D42, "CIFS"}, {0xFE534D42, "SMB2"},
    {0x01021997, "9p"},     {0x65735546, "FUSE"}, {0x4D44, "FAT"},      {0x2011BAB0, "exFAT"},
    {0x786F4256, "vboxsf"}, {0x5346544E, "NTFS"},
};

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// "the file system (9p)"
std::string FileSystemOf(const std::string& folder) {
  struct statfs found {};
  if (::statfs(folder.c_str(), &found) != 0) return "the file system";
  const auto magic = static_cast<uint32_t>(found.f_type);
  for (const FileSystem& known : kFileSystems) {
    if (known.magic == magic) return Concat({"the file system (", known.name, ")"});
  }
  return "the file system";
}

std::string UserOf(uid_t user) {
  return user == 0 ? std::string("root") : Concat({"user ", Digits(user)});
}

bool May(const std::string& name, int mode) {
  return ::faccessat(AT_FDCWD, name.c_str(), mode, AT_EACCESS) == 0 || errno != EACCES;
}

// `name` is there, and this process may not use it.
std::optional<Reason> OfOwner(const std::string& name, int mode, std::string_view what) {
  struct stat found {};
  if (::stat(name.c_str(), &found) != 0 || May(name, mode)) return std::nullopt;
  const std::string user = UserOf(::geteuid());
  return Reason{
      StatusCode::kPermissionDenied,
      Concat({what, " ", name, " belongs to ", UserOf(found.st_uid), ", this process runs as ",
              user, " and may not write it: chown it to ", user, ", or run as its owner"})};
}

// What is wrong where a file could not be made or written in `folder`. `files`: those that are there.
std::optional<Reason> OfWriting(const std::string& folder,
                                std::initializer_list<const std::string*> files) {
  struct statvfs found {};
  if (::statvfs(folder.c_str(), &found) != 0) return std::nullopt;
  if ((found.f_flag & ST_RDONLY) != 0) {
    return Reason{StatusCode::kFailedPrecondition,
                  Concat({"the file system of ", folder,
                          " is mounted read only: remount it writable, and it is taken at the next "
                          "try"})};
  }
  for (const std::string* name : files) {
    if (auto reason = OfOwner(*name, R_OK | W_OK, "the file")) return reason;
  }
  if (auto reason = OfOwner(folder, W_OK | X_OK, "the directory")) return reason;
  if (found.f_files > 0 && found.f_favail == 0) {
    return Reason{StatusCode::kResourceExhausted,
                  Concat({"the file system of ", folder,
                          " has no inode left for a new file: delete files, of any size"})};
  }
  if (found.f_blocks > 0 && found.f_bavail == 0) {
    return Reason{StatusCode::kResourceExhausted,
                  Concat({"the file system of ", folder,
                          " is full: free space outside of the database first"})};
  }
  return std::nullopt;
}

// What is wrong where SQLite could not open, make or write a file.
std::optional<Reason> OfWriting(const FileNames& names) {
  return OfWriting(FolderOf(names.database), {&names.database, &names.log, &names.index});
}

bool IsMissing(const std::string& name) {
  struct stat found {};
  return ::stat(name.c_str(), &found) != 0 && errno == ENOENT;
}

// Where SQLite could not open or make a file of a database that is only to be read.
std::optional<Reason> OfReading(const FileNames& names) {
  if (IsMissing(names.database)) {
    return Reason{StatusCode::kNotFound,
                  "the file is not there, and a backend with read_only makes none"};
  }
  if (auto reason = OfOwner(names.database, R_OK, "the file")) return reason;
  if (!IsMissing(names.index)) return std::nullopt;
  const std::string folder = FolderOf(names.database);
  if (!OfWriting(folder, {}).has_value()) return std::nullopt;
  return Reason{
      StatusCode::kFailedPrecondition,
      Concat({names.index,
              " is not there, which SQLite needs also to read a database with a "
              "write-ahead log, and ",
              folder, " takes no file: make it writable, or read a copy that roost::Backup made"})};
}

std::optional<Reason> ReasonFor(int code, const FileNames& names, bool only_reads) {
  const std::string folder = FolderOf(names.database);
  switch (code) {
    case SQLITE_IOERR_SHMMAP:
    case SQLITE_IOERR_SHMOPEN:
    case SQLITE_IOERR_SHMLOCK:
      return Reason{StatusCode::kFailedPrecondition,
                    Concat({FileSystemOf(folder), " of ", folder,
                            " has no shared memory maps, which a write-ahead log needs: put the "
                            "database on a local disk (ext4, for one)"})};
    case SQLITE_IOERR_LOCK:
    case SQLITE_IOERR_RDLOCK:
    case SQLITE_IOERR_UNLOCK:
    case SQLITE_IOERR_CHECKRESERVEDLOCK:
      return Reason{StatusCode::kFailedPrecondition,
                    Concat({FileSystemOf(folder), " of ", folder,
                            " takes no file locks: put the database on a local disk (ext4, for "
                            "one)"})};
    default:
      break;
  }
  switch (code & 0xFF) {
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      if (code == SQLITE_CANTOPEN_SYMLINK || code == SQLITE_CANTOPEN_ISDIR) return std::nullopt;
      if (IsMissing(folder)) {
        return Reason{StatusCode::kNotFound, Concat({"the directory ", folder,
                                                     " is not there: make it, or mount its card"})};
      }
      return only_reads ? OfReading(names) : OfWriting(names);
    case SQLITE_IOERR:
      return code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_DELETE ? OfWriting(names)
                                                                       : std::nullopt;
    case SQLITE_BUSY: {
      const std::string file_system = FileSystemOf(folder);
      if (file_system.back() != ')') return std::nullopt;
      return Reason{StatusCode::kUnavailable,
                    Concat({"or ", file_system, " of ", folder,
                            " has no locks: if nobody else uses it, put it on a local disk"})};
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::Status Explain(const absl::Status& status, const FileNames& names, bool only_reads) {
  const int code = SqliteCode(status);
  const std::optional<Reason> reason = ReasonFor(code, names, only_reads);
  if (!reason.has_value()) return status;
  return MakeStatus(
      reason->code, code,
      {.where = names.database, .message = sqlite3_errstr(code), .advice = reason->sentence});
}

absl::Status CheckFolder(const std::string& folder) {
  const std::optional<Reason> reason = OfWriting(folder, {});
  return reason.has_value() ? absl::Status(reason->code, reason->sentence) : absl::OkStatus();
}

}  // namespace roost::sqlite
