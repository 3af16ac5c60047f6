// backends/sqlite/open_files.h - whether the names of a database still lead to the files that a
// connection has open.
//
// A file that is deleted, renamed, replaced or hidden below a mount stays open, takes commits and
// syncs, and has no reader. So the names are looked up before a seal is acknowledged: a stat for
// the database, its log and the log's index each, some microseconds beside a sync of milliseconds.
//
// A file that somebody copies another one into keeps its inode. Only a checkpoint writes into the
// database file of a database in WAL mode, and each one marks the log's index first. So a header
// that changed without such a mark, or a change counter that went back, is somebody else's.
//
// Threads:  one at a time
// Blocks:   for the stats, and a read of 100 bytes when the file changed
// Memory:   none of its own
#ifndef ROOST_BACKENDS_SQLITE_OPEN_FILES_H_
#define ROOST_BACKENDS_SQLITE_OPEN_FILES_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

struct sqlite3;

namespace roost::sqlite {

// The names of the files of one database.
struct FileNames {
  explicit FileNames(const std::string& path)
      : database(path), log(path + "-wal"), index(path + "-shm") {}
  const std::string database;
  const std::string log;
  const std::string index;
};

// What happened to a file that is open.
enum class FileChange : uint8_t {
  kNone,
  kDeleted,      // or renamed: nothing has its name
  kReplaced,     // another file of the same file system has its name
  kCovered,      // another file system is mounted where it was
  kLogDeleted,   // the log or its index was deleted, renamed or replaced
  kOverwritten,  // another file was copied into it
};

// What happened, and what it means for what was stored.
const char* Sentence(FileChange change);
const char* Advice(FileChange change);

class OpenFiles {
 public:
  // After the open of `db`. `has_log`: the database is in WAL mode and its log is open. REQUIRES:
  // both outlive this, or it is not asked any more.
  void Remember(sqlite3* db, const FileNames& names, bool has_log);

  // Whether a name leads elsewhere, or a file was overwritten, since Remember. Stays so.
  bool HaveChanged();
  // What HaveChanged saw.
  FileChange change() const { return change_; }
  // Whether the database's name leads elsewhere by now. Asks the file system only.
  bool HasLostName() const;
  // The process whose read lock is on the oldest pages of the log, and keeps it from being cut; -1:
  // none is seen. Reads /proc/locks.
  int PinningProcess() const;
  // The log and its index lose their names if another file has the database's by now: SQLite would
  // replay them over that one. A log that is not empty is kept as NAME-wal.left.
  void DisownLog() const;

 private:
  struct Id {
    dev_t device = 0;
    ino_t number = 0;
    bool operator==(const Id&) const = default;
  };
  // What shows a foreign write into the database file.
  struct Content {
    int64_t bytes = 0;
    int64_t written_ns = 0;  // the file's time of modification
    uint32_t header = 0;     // a sum of the header
    uint32_t counter = 0;    // the header's change counter
    bool operator==(const Content&) const = default;
  };
  // What a checkpoint changes in the log's index before it writes.
  struct Marks {
    uint32_t salt = 0;
    uint32_t copied = 0;
    uint32_t attempted = 0;
    bool operator==(const Marks&) const = default;
  };

  static Id Find(const std::string& name);
  // The log's index as 32-bit numbers; null: there is none.
  const volatile uint32_t* Index() const;
  Content Read(const struct stat& found) const;
  Marks ReadMarks() const;
  FileChange Look();
  FileChange LookAtDatabase();
  bool IsOverwritten(const struct stat& found);

  sqlite3* db_ = nullptr;
  const FileNames* names_ = nullptr;
  FileChange change_ = FileChange::kNone;
  // A database whose VFS has no files of the system is not known by them.
  bool is_known_ = false;
  bool has_log_ = false;
  Id database_;
  Id log_;
  Id index_;
  Content content_;
  Marks marks_;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_OPEN_FILES_H_
