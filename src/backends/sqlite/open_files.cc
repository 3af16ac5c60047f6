#include "backends/sqlite/open_files.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace roost::sqlite {
namespace {

constexpr int kHeaderBytes = 100;
// Where the file format and the wal-index format (sqlite.org/fileformat2.html, walformat.html) have
// the change counter, and the marks as 32-bit numbers.
constexpr size_t kCounterAt = 24;
constexpr size_t kSaltAt = 8;
constexpr size_t kCopiedAt = 24;
constexpr size_t kAttemptedAt = 32;
constexpr size_t kReadMarkAt = 25;
constexpr size_t kReadMarks = 5;
constexpr unsigned long long kReadLockAt = 123;  // in bytes: the lock of the first mark
constexpr int kIndexRegion = 32 * 1024;

sqlite3_file* FileOf(sqlite3* db) {
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return code == SQLITE_OK && file != nullptr && file->pMethods != nullptr ? file : nullptr;
}

bool HasMoved(sqlite3* db) {
  int moved = 0;
  return sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
         moved != 0;
}

uint32_t BigEndian(const unsigned char* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 |
         uint32_t{bytes[3]};
}

// FNV-1a.
uint32_t SumOf(const unsigned char* bytes, size_t size) {
  uint32_t sum = 2166136261U;
  for (size_t i = 0; i < size; ++i) sum = (sum ^ bytes[i]) * 16777619U;
  return sum;
}

// The folder of `name` lies on another file system than `device`.
bool IsElsewhere(const std::string& name, dev_t device) {
  const size_t slash = name.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : name.substr(0, slash + 1);
  struct stat found {};
  return ::stat(folder.c_str(), &found) == 0 && found.st_dev != device;
}

}  // namespace

const char* Sentence(FileChange change) {
  switch (change) {
    case FileChange::kNone:
      return "the file is the one that was opened";
    case FileChange::kDeleted:
      return "the file was deleted or renamed while it was open";
    case FileChange::kReplaced:
      return "the file was replaced by another one while it was open";
    case FileChange::kCovered:
      return "the file is hidden: another file system was mounted over its directory, or taken "
             "away";
    case FileChange::kLogDeleted:
      return "the file's -wal or -shm was deleted or renamed while it was open";
    case FileChange::kOverwritten:
      return "another file was copied into the file while it was open";
  }
  return "";
}

const char* Advice(FileChange change) {
  switch (change) {
    case FileChange::kNone:
      return "";
    case FileChange::kDeleted:
    case FileChange::kReplaced:
      return "this commit is not acknowledged, what was stored before went with the file, and the "
             "path is opened anew";
    case FileChange::kCovered:
      return "this commit is not acknowledged, what was stored before is in the hidden file, and "
             "the path is opened anew";
    case FileChange::kLogDeleted:
      return "this commit is not acknowledged, and the path is opened anew; never delete these "
             "files while a program uses the database";
    case FileChange::kOverwritten:
      return "rows of both may be mixed: the database is checked and opened anew; stop the program "
             "before you restore a backup";
  }
  return "";
}

OpenFiles::Id OpenFiles::Find(const std::string& name) {
  struct stat found {};
  if (::stat(name.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino};
}

OpenFiles::Content OpenFiles::Read(const struct stat& found) const {
  Content content{.bytes = found.st_size,
                  .written_ns = int64_t{found.st_mtim.tv_sec} * 1000000000 + found.st_mtim.tv_nsec};
  unsigned char header[kHeaderBytes] = {};
  sqlite3_file* const file = FileOf(db_);
  // What a file that is too short lacks, SQLite gives as zeros.
  if (file != nullptr) file->pMethods->xRead(file, header, kHeaderBytes, 0);
  content.header = SumOf(header, sizeof header);
  content.counter = BigEndian(header + kCounterAt);
  return content;
}

// The connection has it mapped; this asks for the address.
const volatile uint32_t* OpenFiles::Index() const {
  sqlite3_file* const file = FileOf(db_);
  if (file == nullptr || file->pMethods->iVersion < 2) return nullptr;
  void volatile* region = nullptr;
  const int code = file->pMethods->xShmMap(file, 0, kIndexRegion, 0, &region);
  return code == SQLITE_OK ? static_cast<const volatile uint32_t*>(region) : nullptr;
}

OpenFiles::Marks OpenFiles::ReadMarks() const {
  const volatile uint32_t* const numbers = Index();
  if (numbers == nullptr) return {};
  return {numbers[kSaltAt], numbers[kCopiedAt], numbers[kAttemptedAt]};
}

void OpenFiles::Remember(sqlite3* db, const FileNames& names, bool has_log) {
  struct stat found {};
  db_ = db;
  names_ = &names;
  is_known_ = ::stat(names.database.c_str(), &found) == 0;
  if (!is_known_) return;
  // The first read opens the log. A map of its index that SQLite has not asked for is never given back.
  has_log_ =
      has_log && sqlite3_exec(db, "PRAGMA schema_version", nullptr, nullptr, nullptr) == SQLITE_OK;
  database_ = {found.st_dev, found.st_ino};
  if (!has_log_) return;
  log_ = Find(names.log);
  index_ = Find(names.index);
  marks_ = ReadMarks();
  content_ = Read(found);
}

// A checkpoint by anybody else between two looks hides an overwritten file whose counter is higher.
bool OpenFiles::IsOverwritten(const struct stat& found) {
  const int64_t written_ns = int64_t{found.st_mtim.tv_sec} * 1000000000 + found.st_mtim.tv_nsec;
  if (found.st_size == content_.bytes && written_ns == content_.written_ns) return false;
  const Content before = content_;
  const Marks marks_before = marks_;
  content_ = Read(found);
  // After the header: a checkpoint that began meanwhile is seen.
  marks_ = ReadMarks();
  if (static_cast<int32_t>(content_.counter - before.counter) < 0) return true;
  // One that goes on has marked more than it has copied.
  const bool is_copying = marks_.attempted > marks_.copied;
  return marks_ == marks_before && !is_copying && content_.header != before.header;
}

FileChange OpenFiles::LookAtDatabase() {
  struct stat found {};
  if (::stat(names_->database.c_str(), &found) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return FileChange::kNone;
    return IsElsewhere(names_->database, database_.device) ? FileChange::kCovered
                                                           : FileChange::kDeleted;
  }
  if (found.st_dev != database_.device) return FileChange::kCovered;
  if (found.st_ino != database_.number) return FileChange::kReplaced;
  return has_log_ && IsOverwritten(found) ? FileChange::kOverwritten : FileChange::kNone;
}

FileChange OpenFiles::Look() {
  if (db_ == nullptr) return FileChange::kNone;
  if (!is_known_) return HasMoved(db_) ? FileChange::kReplaced : FileChange::kNone;
  const FileChange change = LookAtDatabase();
  if (change != FileChange::kNone || !has_log_) return change;
  return Find(names_->log) == log_ && Find(names_->index) == index_ ? FileChange::kNone
                                                                    : FileChange::kLogDeleted;
}

// Not F_GETLK on a descriptor of our own: closing it would drop every lock that SQLite has on the
// file in this process.
int OpenFiles::PinningProcess() const {
  const volatile uint32_t* const numbers = has_log_ ? Index() : nullptr;
  std::FILE* const locks = numbers == nullptr ? nullptr : std::fopen("/proc/locks", "re");
  if (locks == nullptr) return -1;
  int found = -1;
  uint32_t oldest = UINT32_MAX;
  char line[160];
  while (std::fgets(line, sizeof line, locks) != nullptr) {
    int process = 0;
    unsigned long long inode = 0;
    unsigned long long first = 0;
    unsigned long long last = 0;
    // "1: POSIX  ADVISORY  READ 1234 08:01:5678 123 123"
    if (std::sscanf(line, "%*d: POSIX %*s READ %d %*x:%*x:%llu %llu %llu", &process, &inode, &first,
                    &last) != 4 ||
        inode != index_.number || process <= 0) {
      continue;
    }
    for (size_t mark = 0; mark < kReadMarks; ++mark) {
      if (first > kReadLockAt + mark || last < kReadLockAt + mark) continue;
      const uint32_t pages = numbers[kReadMarkAt + mark];
      if (pages >= oldest) continue;
      oldest = pages;
      found = process;
    }
  }
  std::fclose(locks);
  return found;
}

bool OpenFiles::HaveChanged() {
  if (change_ == FileChange::kNone) change_ = Look();
  return change_ != FileChange::kNone;
}

bool OpenFiles::HasLostName() const { return is_known_ && !(Find(names_->database) == database_); }

void OpenFiles::DisownLog() const {
  if (!has_log_ || !HasLostName()) return;
  struct stat found {};
  if (Find(names_->log) == log_ && ::stat(names_->log.c_str(), &found) == 0) {
    if (found.st_size == 0) {
      ::unlink(names_->log.c_str());
    } else {
      ::rename(names_->log.c_str(), (names_->log + ".left").c_str());
    }
  }
  if (Find(names_->index) == index_) ::unlink(names_->index.c_str());
}

}  // namespace roost::sqlite
