#include "backends/sqlite/write_ahead_log.h"

#include <sqlite3.h>

#include <algorithm>

#include "backends/sqlite/checkpoint_memory.h"
#include "backends/sqlite/options.h"

namespace roost::sqlite {

// What an earlier process left in the log is not known: the first maintenance looks.
WriteAheadLog::WriteAheadLog(const SqliteOptions& options)
    : options_(options),
      max_pages_(MaxLogPages(options)),
      pages_(options.checkpoint_pages + 1),
      long_at_(4 * options.checkpoint_pages) {}

void WriteAheadLog::RecordCommit(int pages) {
  unsealed_ = batches();
  pages_ = pages;
  if (pages < length_) copied_ = 0;
  length_ = pages;
}

bool WriteAheadLog::IsTooLong() const {
  return pages_ > std::max(1000, 8 * options_.checkpoint_pages);
}

int WriteAheadLog::CopyAtOnce(sqlite3* db, TimePoint now) {
  const CheckpointMemory memory;
  int pages = 0;
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
  if (code == SQLITE_OK) Note(code, pages, copied, now);
  return code;
}

void WriteAheadLog::Note(int code, int pages, int copied, TimePoint now) {
  if (pages >= 0) length_ = pages;
  if (pages >= 0 && copied >= 0) copied_ = std::min(copied, pages);
  const bool pinned = IsBlocked(code) || (code == SQLITE_OK && copied < pages);
  pinned_since_ = pinned ? std::min(pinned_since_, now) : TimePoint::max();
}

int WriteAheadLog::Checkpoint(sqlite3* db, TimePoint now) {
  const CheckpointMemory memory;
  const bool cut_back = pages_ > 2 * options_.checkpoint_pages;
  const int mode = cut_back ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  int pages = 0;
  int copied = 0;
  int code = sqlite3_wal_checkpoint_v2(db, "main", mode, &pages, &copied);
  // Another program has made it long.
  if (code == SQLITE_OK && !cut_back && pages > 2 * options_.checkpoint_pages && copied == pages) {
    code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, &pages, &copied);
  }
  error_ = IsBlocked(code) ? SQLITE_OK : code;
  wants_room_ = false;
  room_pages_ = 0;  // another process may have cut the file
  if (code == SQLITE_OK) pages_ = std::max(0, pages - copied);
  Note(code, pages, copied, now);
  // While a reader keeps the log from being cut, do not stop at every return to try again.
  const bool left = IsBlocked(code) || pages_ > 0;
  long_at_ = 4 * options_.checkpoint_pages + (left ? pages_ : 0);
  return code;
}

// The file grows in steps of a chunk: without one SQLite ignores the hint.
int WriteAheadLog::TakeRoom(sqlite3* db, int64_t pages) {
  if (!present_ || pages <= room_pages_) return SQLITE_OK;
  constexpr int kChunkBytes = 64 * 1024;
  int chunk = kChunkBytes;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
  sqlite3_int64 bytes = pages * page_bytes_;
  const int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_SIZE_HINT, &bytes);
  // A VFS without hints has files that need none.
  if (code != SQLITE_OK && code != SQLITE_NOTFOUND) return SQLITE_FULL;
  room_pages_ = pages;
  return SQLITE_OK;
}

int WriteAheadLog::Sync(sqlite3* db) {
  if (!present_ || !unsealed_) return SQLITE_OK;
  sqlite3_file* log = nullptr;
  int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (code == SQLITE_OK && log != nullptr && log->pMethods != nullptr) {
    code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  }
  // Only where every later commit is synced by itself can a further seal be spared: another process
  // may commit without syncing.
  if (code == SQLITE_OK) unsealed_ = batches();
  return code;
}

bool IsBlocked(int code) { return (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED; }

}  // namespace roost::sqlite
