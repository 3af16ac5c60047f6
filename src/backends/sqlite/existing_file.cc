#include "backends/sqlite/existing_file.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string>

#include "backends/sqlite/errors.h"
#include "backends/sqlite/handle.h"
#include "backends/sqlite/options.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using internal::Concat;
using internal::Digits;

constexpr int kDamagedKept = 2;

// Of a file that has no application_id.
absl::Status CheckTables(sqlite3* db, const SqliteOptions& options) {
  char sql[256];
  sqlite3_snprintf(
      sizeof sql, sql,
      "SELECT (SELECT count(*) FROM sqlite_schema) > 0 AND "
      "NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = %Q COLLATE NOCASE)",
      options.own_table.c_str());
  const absl::StatusOr<int64_t> foreign = QueryInt(db, options, sql);
  if (!foreign.ok() || *foreign == 0) return foreign.status();
  return absl::InvalidArgumentError(
      Concat({internal::PlainText(options.path),
              " is another program's database: it has tables, and no \"", options.own_table,
              "\" among them; nothing was written, choose another file"}));
}

bool Exists(const std::string& name, int64_t* bytes) {
  struct stat found {};
  if (::stat(name.c_str(), &found) != 0) return false;
  *bytes = found.st_size;
  return true;
}

std::string DamagedName(const FileNames& names, int number) {
  return names.database + ".damaged-" + Digits(number);
}

// A lock that nobody who has the file open leaves room for. Closing the handle ends it.
class SoleUser {
 public:
  explicit SoleUser(const SqliteOptions& options) {
    const char* vfs = options.vfs.empty() ? nullptr : options.vfs.c_str();
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_READWRITE;
    const int code = sqlite3_open_v2(options.path.c_str(), &db_, flags, vfs);
    sqlite3_file* file = nullptr;
    if (code != SQLITE_OK ||
        sqlite3_file_control(db_, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file->pMethods == nullptr || file->pMethods->xLock(file, SQLITE_LOCK_SHARED) != SQLITE_OK) {
      return;
    }
    file_ = file;
    is_sole_ = file->pMethods->xLock(file, SQLITE_LOCK_EXCLUSIVE) == SQLITE_OK;
  }
  ~SoleUser() {
    if (file_ != nullptr) file_->pMethods->xUnlock(file_, SQLITE_LOCK_NONE);
    sqlite3_close(db_);
  }
  SoleUser(const SoleUser&) = delete;
  SoleUser& operator=(const SoleUser&) = delete;

  bool is_sole() const { return is_sole_; }
  // The header names another program. REQUIRES: is_sole()
  bool IsForeign(int32_t ours) const {
    constexpr int kIdAt = 68;
    unsigned char id[4] = {};
    if (ours == 0 || file_->pMethods->xRead(file_, id, sizeof id, kIdAt) != SQLITE_OK) return false;
    const uint32_t found =
        uint32_t{id[0]} << 24 | uint32_t{id[1]} << 16 | uint32_t{id[2]} << 8 | uint32_t{id[3]};
    return found != 0 && found != static_cast<uint32_t>(ours);
  }

 private:
  sqlite3* db_ = nullptr;
  sqlite3_file* file_ = nullptr;
  bool is_sole_ = false;
};

// With the working directory in front of it.
size_t FullLength(const std::string& path) {
  if (path.starts_with('/')) return path.size();
  char here[PATH_MAX];
  return ::getcwd(here, sizeof here) == nullptr ? path.size() : std::strlen(here) + 1 + path.size();
}

absl::Status TooLong(std::string_view what, int64_t length, std::string_view end, int64_t most,
                     std::string_view who) {
  return absl::InvalidArgumentError(
      Concat({"SqliteOptions: the ", what, " has ", Digits(length), " bytes with \"", end,
              "\" behind it, and ", who, " takes ", Digits(most)}));
}

// A database has whole pages, also one whose header is lost. Anything else with a wrong header never
// was one.
bool MayBeDatabase(const FileNames& names, const absl::Status& damage) {
  constexpr int64_t kSmallestPage = 512;
  int64_t bytes = 0;
  if ((SqliteCode(damage) & 0xFF) != SQLITE_NOTADB) return true;
  return Exists(names.database, &bytes) && bytes > 0 && bytes % kSmallestPage == 0;
}

absl::Status LaterVersion(const SqliteOptions& options, int64_t version) {
  return absl::InvalidArgumentError(
      Concat({internal::PlainText(options.path),
              " is of a later version of this program: its user_version is ", Digits(version),
              ", the latest known here is ", Digits(LatestVersion(options)),
              "; nothing was written, install that version or choose another file"}));
}

}  // namespace

absl::Status CheckLength(const FileNames& names, const SqliteOptions& options) {
  const std::string& path = names.database;
  const bool moves = options.when_damaged == WhenDamaged::kMoveAside;
  const std::string_view end = moves ? ".damaged-1-wal" : "-journal";
  sqlite3_vfs* const vfs = sqlite3_vfs_find(options.vfs.empty() ? nullptr : options.vfs.c_str());
  const auto whole = static_cast<int64_t>(FullLength(path) + end.size());
  if (vfs != nullptr && whole > vfs->mxPathname) {
    return TooLong(Concat({"path ", internal::PlainText(path)}), whole, end, vfs->mxPathname,
                   "SQLite");
  }
  const size_t slash = path.rfind('/');
  const size_t name_at = slash == std::string::npos ? 0 : slash + 1;
  const std::string_view whole_path = path;
  const std::string_view name = whole_path.substr(name_at);
  const auto longest = static_cast<int64_t>(name.size() + end.size());
  // Not on the heap: a node opens anew for years. What is longer is no path of the system.
  std::array<char, PATH_MAX> folder{'.'};
  if (name_at > 0 && name_at < folder.size()) path.copy(folder.data(), name_at);
  const int64_t most = ::pathconf(folder.data(), _PC_NAME_MAX);
  if (most > 0 && longest > most) {
    return TooLong(Concat({"name ", internal::PlainText(name)}), longest, end, most,
                   "the file system");
  }
  return absl::OkStatus();
}

absl::Status CheckIsFile(const FileNames& names) {
  struct stat found {};
  if (::stat(names.database.c_str(), &found) != 0) {
    if (errno != ENAMETOOLONG) return absl::OkStatus();
    return absl::InvalidArgumentError(
        Concat({"SqliteOptions: the path ", internal::PlainText(names.database),
                " has a name that is longer than its file system "
                "takes"}));
  }
  if (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({internal::PlainText(names.database),
              " is a device, a named pipe or a socket: name a file"}));
}

absl::Status CheckOwner(sqlite3* db, const SqliteOptions& options) {
  if (options.application_id == 0) return absl::OkStatus();
  const absl::StatusOr<int64_t> id = QueryInt(db, options, "PRAGMA application_id");
  if (!id.ok()) return id.status();
  if (*id == 0) return CheckTables(db, options);
  if (*id != options.application_id) {
    return absl::InvalidArgumentError(
        Concat({internal::PlainText(options.path),
                " is another program's database: its application_id is ", Digits(*id), ", ours is ",
                Digits(options.application_id), "; nothing was written, choose another file"}));
  }
  const absl::StatusOr<int64_t> version = QueryInt(db, options, "PRAGMA user_version");
  if (!version.ok() || *version <= LatestVersion(options)) return version.status();
  return LaterVersion(options, *version);
}

absl::Status CheckVersion(sqlite3* db, const SqliteOptions& options) {
  if (options.migrations.empty()) return absl::OkStatus();
  const absl::StatusOr<int64_t> version = QueryInt(db, options, "PRAGMA user_version");
  if (!version.ok() || *version == 0) return version.status();
  if (*version > LatestVersion(options)) return LaterVersion(options, *version);
  std::string known;
  for (const Migration& migration : options.migrations) {
    if (migration.version == *version) return absl::OkStatus();
    known += known.empty() ? "" : ", ";
    known += Digits(migration.version);
  }
  return absl::InvalidArgumentError(
      Concat({internal::PlainText(options.path), " has user_version ", Digits(*version),
              ", and no migration has that number (", known,
              "): nothing was written; install a version of this program that knows it"}));
}

absl::Status MarkOwner(sqlite3* db, const SqliteOptions& options) {
  if (options.application_id == 0) return absl::OkStatus();
  const absl::StatusOr<int64_t> id = QueryInt(db, options, "PRAGMA application_id");
  const absl::StatusOr<int64_t> version = QueryInt(db, options, "PRAGMA user_version");
  if (!id.ok() || !version.ok()) return id.ok() ? version.status() : id.status();
  if (*id == options.application_id && *version == LatestVersion(options)) return absl::OkStatus();
  char sql[128];
  sqlite3_snprintf(sizeof sql, sql, "PRAGMA application_id=%d;PRAGMA user_version=%d",
                   options.application_id, LatestVersion(options));
  return Execute(db, options, sql);
}

bool WasLeftOpen(const FileNames& names) {
  int64_t bytes = 0;
  return Exists(names.log, &bytes) && bytes > 0;
}

int CountDamaged(const FileNames& names) {
  int count = 0;
  int64_t bytes = 0;
  for (int number = 1; number <= kDamagedKept; ++number) {
    count += Exists(DamagedName(names, number), &bytes) ? 1 : 0;
  }
  return count;
}

// The log and the index first: what is cut off between is found by the next try, under one name.
absl::Status MoveAside(const SqliteOptions& options, const FileNames& names,
                       const absl::Status& damage) {
  if (!MayBeDatabase(names, damage)) {
    return absl::InvalidArgumentError(
        Concat({internal::PlainText(options.path),
                " is not a database of SQLite, and was left alone: choose another file"}));
  }
  const SoleUser user(options);
  if (!user.is_sole()) {
    absl::Status in_use(damage.code(),
                        Concat({std::string_view(damage.message().data(), damage.message().size()),
                                "; it is moved aside when nobody has it open any more"}));
    return in_use;
  }
  const bool has_header = (SqliteCode(damage) & 0xFF) != SQLITE_NOTADB;
  if (has_header && user.IsForeign(options.application_id)) {
    return absl::InvalidArgumentError(
        Concat({internal::PlainText(options.path),
                " is another program's database, and damaged; it was left alone: "
                "choose another file"}));
  }
  int64_t bytes = 0;
  int number = 1;
  while (number < kDamagedKept && Exists(DamagedName(names, number), &bytes)) ++number;
  const FileNames aside(DamagedName(names, number));
  // A log of the one that had the name before is not this one's.
  for (const std::string* old : {&aside.log, &aside.index}) std::remove(old->c_str());
  std::rename(names.log.c_str(), aside.log.c_str());
  std::rename(names.index.c_str(), aside.index.c_str());
  return std::rename(names.database.c_str(), aside.database.c_str()) == 0 ? absl::OkStatus()
                                                                          : damage;
}

}  // namespace roost::sqlite
