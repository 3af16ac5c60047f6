#include "tools/roostctl/node_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/common/text.h"

namespace roost::tools {
namespace {

// SQLite's file header: bytes 18 and 19 are 2 for a write-ahead log
// (https://www.sqlite.org/fileformat2.html#file_format_version_numbers).
constexpr size_t kHeaderBytes = 100;
constexpr size_t kWriteVersion = 18;
constexpr char kMagic[] = "SQLite format 3";  // with its zero, which a damaged header may lack

bool IsOwner(const std::string& path) {
  struct stat file {};
  return geteuid() == 0 || (stat(path.c_str(), &file) == 0 && file.st_uid == geteuid());
}

// A path as a URI: the characters that mean something there are escaped.
std::string Uri(const std::string& path, bool immutable) {
  std::string uri = path.starts_with('/') ? "file://" : "file:";
  for (const char c : path) {
    if (c == '%') {
      uri += "%25";
    } else if (c == '?') {
      uri += "%3f";
    } else if (c == '#') {
      uri += "%23";
    } else {
      uri += c;
    }
  }
  if (immutable) return uri + "?immutable=1";
  return uri + (IsOwner(path) ? "?mode=ro" : "?mode=ro&readonly_shm=1");
}

}  // namespace

FileKind FileKindOf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? FileKind::kAbsent : FileKind::kUnreadable;
  char header[kHeaderBytes] = {};
  const ssize_t got = read(fd, header, sizeof header);
  close(fd);
  if (got == 0) return FileKind::kEmpty;
  if (got < ssize_t{kHeaderBytes}) return FileKind::kForeign;
  if (std::memcmp(header, kMagic, sizeof kMagic) != 0) return FileKind::kForeign;
  return header[kWriteVersion] == 2 ? FileKind::kLog : FileKind::kOtherMode;
}

std::string WhyNotReadable(const std::string& path) {
  switch (FileKindOf(path)) {
    case FileKind::kAbsent:
      return "there is no database " + path + "; name the node's with --db";
    case FileKind::kUnreadable:
      return "this user may not read " + path + ": run it as the service's user, or in its group";
    case FileKind::kForeign:
      return path + " is not a SQLite database";
    case FileKind::kOtherMode:
      return path + " has no write-ahead log: no node has written it";
    case FileKind::kEmpty:
      return path + " is empty: no node has written it yet";
    case FileKind::kLog:
      return "";
  }
  return "";
}

bool HasLog(const std::string& path) { return access((path + "-wal").c_str(), F_OK) == 0; }

NodeFile OpenToRead(const std::string& path, bool immutable, int& code) {
  sqlite3* opened = nullptr;
  code = sqlite3_open_v2(Uri(path, immutable).c_str(), &opened,
                         SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
  NodeFile db(opened);
  if (code == SQLITE_OK) {
    code = sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  return db;
}

}  // namespace roost::tools
