// include/roost/sqlite.h - SQLite as a backend: one writer, readers, sealed batches.
//
// A pool of size N and overflow M over this backend has one writer, N - 1 kept readers and M
// overflow readers. A pool of size 1 without overflow has one connection that does both. Writers of
// the process wait in the pool's queue instead of polling a lock, so that "database is locked" does
// not reach a caller.
//
// A card that begins to refuse writes does not stop reads: the writer is not opened until the card takes
// writes again (kFailedPrecondition). Where the directory takes no file when the program starts, a database
// with a write-ahead log cannot be read either, because SQLite makes an index of the log beside it
// (kFailedPrecondition); a copy that Backup made can. Before a seal is acknowledged the names of the database, its
// log and the log's index are looked up: where they no longer lead to the files that are open
// (deleted, renamed, replaced, hidden below a mount, overwritten), the seal fails with kUnavailable
// and a sentence, all connections are closed, and the path is opened anew. A full card makes inserts fail with kResourceExhausted; below
// the bound max_kib deletes still work. A reader that never ends keeps the log from being cut; at
// max_log_pages writes fail with kResourceExhausted until it ends. After a sync that failed no connection is trusted: all are
// closed and opened anew.
//
// SQL may not change what the pool relies on. ATTACH, VACUUM, and pragmas such as busy_timeout,
// journal_mode or synchronous with a value are refused (kInvalidArgument). A pragma that changes
// another setting costs a new connection when the lease ends. Placeholders are $1 to $63; a statement
// has at most 16 KiB, also in a script.
//
// A running statement is cut between two of its steps. count(*) and DELETE of a whole table, DROP
// TABLE and PRAGMA integrity_check are one step each, and end late where the table is long.
//
// Name the backend where the pool is made: PoolFor<P, SqliteBackend> stops the build if P has size 1
// with overflow. Such a pool keeps no reader, and each read opens a connection.
//
// Threads:  a backend may serve several pools; a connection belongs to the holder of its lease. In
//           the child of a fork a backend that was used before refuses (kFailedPrecondition)
// Blocks:   statements, up to the lease's deadline: on another process's lock, and inside of long
//           statements. After the deadline no statement, commit or seal is begun (to a tick of
//           the clock, 10 ms), except a read that is its lease's first: that one ends before it
//           waits, or within 1000 steps of SQLite. A commit or a seal that was begun is not cut
// Memory:   connections in the pool; pages and statements in SQLite's own heap, bounded by the
//           options
// Errors:   lease.h; SQLite's extended result code is in the message and in SqliteCode(status)
// Example:
//   roost::SqliteBackend backend({.path = "/var/lib/node/readings.db",
//                                 .schema = "CREATE TABLE IF NOT EXISTS reading(...)"});
#ifndef ROOST_SQLITE_H_
#define ROOST_SQLITE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "roost/backend.h"
#include "roost/internal/storage.h"

struct sqlite3;

#pragma GCC visibility push(default)
namespace roost {

namespace sqlite {
class Counters;
class Handle;
class DatabaseCopy;
class DeadlineHandler;
class OpenFiles;
class SqliteConnection;
struct FileNames;
}  // namespace sqlite

// What a plain commit promises about a power cut. Neither can corrupt the database.
enum class SqliteDurability : uint8_t {
  // synchronous=NORMAL: the commits since the last seal or checkpoint may be lost (some 30 s).
  kBatch,
  // synchronous=FULL: nothing is lost; costs one sync of the card for each commit.
  kCommit,
};

// What is done with a database that is damaged when it is to be opened.
enum class WhenDamaged : uint8_t {
  // The open fails with kDataLoss, and the file stays.
  kRefuse,
  // For a node that nobody looks after: the file, its log and its index are renamed to
  // NAME.damaged-N, and a new database is begun; file_stats() tells it. The first and the latest
  // damaged file are kept, at most two. Not while another process uses its log or reads in it. The
  // pool's own connections are closed: idle ones at once, lent ones at their return. A file that was not closed well is checked
  // before it is used (quick_check), for at most half of the time that the open has. A file whose
  // beginning is not SQLite's and whose size is none of a database is taken for somebody else's:
  // kInvalidArgument, and it stays.
  kMoveAside,
};

// One step of a database's schema.
struct Migration {
  // Greater than that of the one in front of it; 1 or more. The database keeps the number of its last
  // one as its user_version.
  int32_t version = 0;
  // What it does, in one transaction: CREATE, ALTER, UPDATE ... What is refused in
  // SqliteOptions::schema is refused here. Foreign keys are off, so that a table can be made anew
  // (create, copy, drop, rename); a row that would be left without its parent's undoes the migration.
  // An error names the number and the line, counted from 1.
  std::string_view sql{};
};

// What a SqliteBackend is made with.
struct SqliteOptions {
  // The database file, not a device or a pipe, or ":memory:" for a database that lives as long as
  // this backend and is shared by its connections. REQUIRES: an absolute path, or relative to a
  // working directory that does not change. A symbolic link anywhere in it is refused,
  // and so is a path that is too long with "-journal" behind it: of 512 bytes, with a last name of 255
  // (".damaged-1-wal" with kMoveAside).
  std::string path{};
  // Run once, before the first connection is lent, in one transaction, by the connection that may
  // write: CREATE TABLE IF NOT EXISTS ... BEGIN, COMMIT, ROLLBACK, and what SQL may not do elsewhere
  // are refused in it (kInvalidArgument). Empty: nothing.
  std::string schema{};
  // Marks the database as this program's (PRAGMA application_id and user_version). A file with
  // another application_id or a later user_version is refused before anything of ours is written
  // (kInvalidArgument); a transaction that its program left open is rolled back by the look. One without an application_id is taken and marked if it is empty or has the
  // table `own_table`. SQL may read both and set neither
  // (kInvalidArgument). 0: nothing is looked at or marked. SQL may then set them.
  int32_t application_id = 0;
  int32_t user_version = 0;
  std::string own_table{};
  // In place of `schema` and `user_version`: each is run once in the life of a database, in the order
  // of their numbers, and is there with its number or not at all, also where the process is killed.
  // A database with a later number, or with one that is not in the list, is refused
  // (kInvalidArgument), as is SQL that sets user_version. One with a number below the database's counts as run:
  // never add one between. Several processes may open at once. What
  // takes longer than an open: Prepare. REQUIRES: outlives the backend (a constexpr array).
  std::span<const Migration> migrations{};
  WhenDamaged when_damaged = WhenDamaged::kRefuse;
  SqliteDurability durability = SqliteDurability::kBatch;
  // Opens without the right to write, also for the writer. The file has to exist, and `schema` has
  // to be empty.
  bool read_only = false;
  // Page cache of each connection, in KiB. 16 to 65536.
  int cache_kib = 256;
  // The log is checkpointed at maintenance from this size on, and cut back to nothing above twice
  // of it, in pages (4 KiB). 1 to 65536.
  int checkpoint_pages = 256;
  // Upper bound of the log between transactions, in pages; the one that reaches it still ends, however
  // long it is. A reader that never ends keeps the log from being cut; at this length a write cuts the log
  // before it begins, and fails with kResourceExhausted only while a reader pins it. A transaction that
  // SQL began while it was pinned is kAborted if the reader has ended by its COMMIT. 0: 16384 (64 MiB), or 16 times
  // checkpoint_pages if that is more. 1024 to 1048576; with a SqliteMemory at most kSqliteLogPages,
  // so that a checkpoint always has its memory.
  int max_log_pages = 0;
  // Upper bound of the file, in KiB: then writes fail with kResourceExhausted, and deletes still
  // work: what only deletes may take 16 pages more, which an index may need to be balanced. 0: none.
  int64_t max_kib = 0;
  // Longest row, in bytes, and so the longest value is a little less; longer ones are refused. 1 KiB
  // to 1 GiB.
  int max_value_bytes = 1 << 20;
  // A SQLite VFS by name, for tests and special storage. Empty: the default one.
  std::string vfs{};
};

// What a SqliteBackend knows of its files.
struct SqliteFileStats {
  // Pages in the log after the latest commit or checkpoint, the most there were, and the bound.
  int log_pages = 0;
  int log_pages_peak = 0;
  int max_log_pages = 0;
  // SQLite's code of the latest checkpoint if that failed (SQLITE_FULL: the card has no room for
  // it); 0: it did not.
  int checkpoint_error = 0;
  // How often the database was begun anew because its name led to another file than before, or its
  // file had been overwritten: what was stored before is not in it any more.
  int file_changes = 0;
  // Damaged files beside the database, as NAME.damaged-1 and -2: 0 to 2.
  int damaged_files = 0;
};

// Opens connections to a SQLite database.
class SqliteBackend final : public Backend {
 public:
  // What a pool keeps for each connection; see PoolFor.
  static constexpr internal::ConnectionSize kConnectionSize{.connection = 512, .statement = 160};

  // For PoolFor<P, SqliteBackend>: the sizes have to leave a reader that is kept.
  static constexpr LanePlan kLanes = LanePlan::kWriterAndReaders;

  // Wrong options show at the first Open, as kInvalidArgument with a sentence.
  explicit SqliteBackend(SqliteOptions options);
  ~SqliteBackend() override;

  std::string_view kind() const override { return "sqlite"; }
  std::string_view target() const override { return options_.path; }
  LanePlan lanes() const override { return kLanes; }
  size_t ConnectionBytes(int statements) const override;
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override;
  void AddFigures(TimePoint now, Figures& out) const override;

  // Does what the first open does: WAL mode, and the schema or the migrations. Optional, for
  // migrations that take longer than an open may (kOpenTimeout). OK: it is done.
  absl::Status Prepare(Platform& platform, Deadline deadline);

  // What it was made with.
  const SqliteOptions& options() const { return options_; }
  // A snapshot, from any thread, without a lock.
  SqliteFileStats file_stats() const;

 private:
  friend class sqlite::DatabaseCopy;
  friend class sqlite::SqliteConnection;
  enum Preparation : uint32_t { kNeeded, kRunning, kDone };

  absl::Status CheckOptions() const;
  absl::StatusOr<Connection*> OpenOnce(const OpenRequest& request);
  absl::Status CheckFork(Platform& platform) const;
  absl::StatusOr<Connection*> OpenAnew(const OpenRequest& request, const absl::Status& damage);
  absl::Status LookAtDatabase(sqlite3* db, sqlite::DeadlineHandler& handler, Platform& platform);
  absl::Status Bootstrap(sqlite::DeadlineHandler& handler, const OpenRequest& request,
                         sqlite::Handle& keeper);
  absl::StatusOr<bool> PrepareDatabase(sqlite::DeadlineHandler& handler, Platform& platform,
                                       sqlite::Handle& keeper);
  // The file is gone: the next Open prepares a new one.
  void Forget();
  // The file may be damaged: the next Open looks before it lends anything.
  void Distrust();
  void RecordLog(int pages);

  const SqliteOptions options_;
  const std::unique_ptr<const sqlite::FileNames> names_;
  const std::unique_ptr<sqlite::Counters> counters_;
  // WAL mode and the schema are set by one caller, while the others wait for this to change.
  std::atomic<uint32_t> bootstrap_{kNeeded};
  std::atomic<bool> distrusted_{false};
  std::atomic<int> log_pages_{0};
  std::atomic<int> log_pages_peak_{0};
  std::atomic<int> checkpoint_error_{0};
  std::atomic<int> damaged_files_{0};
  std::atomic<int> file_changes_{0};
  std::atomic<bool> overwritten_{false};  // since the latest preparation
  std::atomic<int64_t> forks_{-1};        // Platform::Forks at the latest preparation; -1: none
  // Written while bootstrap_ is kRunning, by the one who made it so; read while it is kDone.
  std::string memory_name_;
  bool was_prepared_ = false;
  bool left_open_ = false;  // by an earlier process, and not checked since
  const std::unique_ptr<sqlite::OpenFiles> prepared_;  // the files of the latest preparation
  sqlite3* anchor_ = nullptr;                          // keeps an in-memory database alive
};

// The driver's handle of a connection of this backend. The connection owns it; see Connection::Raw.
// Costs a new connection when the lease ends: what hooks, functions and limits were set through it,
// SQLite does not tell.
// REQUIRES: `connection` was opened by a SqliteBackend.
sqlite3* SqliteHandle(Connection& connection);

// The status of an open or a statement says that the card or the file takes no writes.
bool IsReadOnlyCard(const absl::Status& status);

// The status of a statement or a seal says that the file is not there any more under its name.
bool IsFileChanged(const absl::Status& status);

// SQLite's extended result code behind a status of this backend (517: SQLITE_BUSY_SNAPSHOT); 0 when
// there is none.
int SqliteCode(const absl::Status& status);

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_SQLITE_H_
