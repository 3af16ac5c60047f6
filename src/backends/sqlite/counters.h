// backends/sqlite/counters.h - what a SqliteBackend counts for operators: Backend::AddFigures.
//
// Threads:  any; its connections write, and whoever looks reads
// Blocks:   never
// Memory:   fixed
#ifndef ROOST_BACKENDS_SQLITE_COUNTERS_H_
#define ROOST_BACKENDS_SQLITE_COUNTERS_H_

#include <atomic>
#include <cstdint>

#include "backends/sqlite/deadline_handler.h"
#include "roost/stats.h"
#include "statements/statement_cache.h"

struct sqlite3;

namespace roost::sqlite {

class WriteAheadLog;

class Counters {
 public:
  BusyAccount& busy() { return busy_; }
  internal::StatementCacheCounts& statements() { return statements_; }

  // What the log is like, after a commit.
  void RecordLog(const WriteAheadLog& log);
  // The same after a checkpoint that ended with SQLite's `code`.
  void CountCheckpoint(const WriteAheadLog& log, int code);

  // How long the database's file is: after an open and after each checkpoint, as a commit adds to the log alone.
  // One system call, of a file that is open. REQUIRES: the database has a log.
  void NoteSize(sqlite3* db);

  void AddTo(TimePoint now, Figures& out) const;

 private:
  BusyAccount busy_;
  internal::StatementCacheCounts statements_;
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<uint64_t> blocked_checkpoints_{0};
  std::atomic<int> frames_{0};
  std::atomic<int> copied_frames_{0};
  std::atomic<int64_t> frame_bytes_{0};      // 0: no log has been seen
  std::atomic<int64_t> database_bytes_{-1};  // below 0: not known
  std::atomic<TimePoint> pinned_since_{TimePoint::max()};
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_COUNTERS_H_
