// backends/sqlite/write_ahead_log.h - the write-ahead log of a connection: its length, its sync.
//
//   pages in the log       what happens                       where
//   > checkpoint_pages     copied into the database           Maintain, while idle
//   > 2 x                  and the file cut back to nothing   Maintain, while idle
//   > 4 x                  Maintain is asked for              at the return of the lease
//   > 8 x (1000 at least)  copied                             inside the commit
//
//   >= max_log_pages       cut, or writes are refused         at their begin
//
// The row before the last is for a writer that never returns its lease; the last one is for a
// reader that never ends.
#ifndef ROOST_BACKENDS_SQLITE_WRITE_AHEAD_LOG_H_
#define ROOST_BACKENDS_SQLITE_WRITE_AHEAD_LOG_H_

#include "roost/deadline.h"
#include "roost/sqlite.h"

struct sqlite3;

namespace roost::sqlite {

class WriteAheadLog {
 public:
  // REQUIRES: options outlives this.
  explicit WriteAheadLog(const SqliteOptions& options);

  // The database is in WAL mode: it has a log. No: nothing here has anything to do.
  void set_present(bool present) { present_ = present; }
  bool present() const { return present_; }
  void set_page_bytes(int64_t bytes) { page_bytes_ = bytes; }

  // ---- Its length ----

  // After a commit that left so many pages in it.
  void RecordCommit(int pages);
  // Maintain is wanted at the return of the lease.
  bool IsLong() const { return pages_ > long_at_; }
  // To be copied inside the commit.
  bool IsTooLong() const;
  bool WantsCheckpoint() const {
    return present_ && (pages_ > options_.checkpoint_pages || wants_room_);
  }
  // The card has no room for the log to grow: the next checkpoint makes room in it.
  void WantRoom() { wants_room_ = true; }
  // Before a commit that leaves `pages` in the database: takes the room of the card that its
  // checkpoint will need. Returns SQLite's code; SQLITE_FULL: there is none.
  int TakeRoom(sqlite3* db, int64_t pages);
  // Copies it, and cuts it back where it is long. Returns SQLite's code. SQLITE_BUSY or
  // SQLITE_LOCKED: a reader blocks it, and what is left is for later. Waits as long as the busy
  // handler of `db` allows. REQUIRES: now is the present.
  int Checkpoint(sqlite3* db, TimePoint now);
  // Inside of a commit: copies what no reader needs, and waits for nobody. REQUIRES: as Checkpoint.
  int CopyAtOnce(sqlite3* db, TimePoint now);
  // In the file, copied or not.
  int length() const { return length_; }
  int64_t page_bytes() const { return page_bytes_; }
  // Of the length, those that the latest checkpoint found or put in the database; fewer commits since
  // have begun the log anew: none.
  int copied() const { return copied_; }
  // Why the latest checkpoint failed; SQLITE_OK also where a reader blocked it.
  int error() const { return error_; }
  // As long as it may become.
  bool IsFull() const { return length_ >= max_pages_; }
  // Since when a reader has kept it from being cut, as far as checkpoints have tried; max: none has.
  TimePoint pinned_since() const { return pinned_since_; }

  // ---- Its sync ----

  // A sync failed: never sync again, because the next one may succeed without having written.
  void RecordFailedSync() { sync_failed_ = true; }
  bool sync_failed() const { return sync_failed_; }
  // One sync of the log's file covers every commit in it, and writes no page. SQLite itself offers
  // this only as a part of a further commit. Nothing to do: SQLITE_OK. REQUIRES: no sync failed.
  int Sync(sqlite3* db);

 private:
  // What a checkpoint has told.
  void Note(int code, int pages, int copied, TimePoint now);
  // Commits are not synced by themselves.
  bool batches() const { return options_.durability == SqliteDurability::kBatch; }

  const SqliteOptions& options_;
  bool present_ = false;
  bool sync_failed_ = false;
  bool unsealed_ = true;  // there may be commits that no sync has covered
  const int max_pages_;
  int length_ = 0;
  int copied_ = 0;
  int error_ = 0;
  bool wants_room_ = false;
  int64_t page_bytes_ = 4096;
  int64_t room_pages_ = 0;  // for so many the database file has room
  int pages_;               // that may not be in the database file yet
  TimePoint pinned_since_ = TimePoint::max();
  int long_at_;  // how many are too many for the next borrower
};

// The code says that another connection or process has the database.
bool IsBlocked(int code);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_WRITE_AHEAD_LOG_H_
