// backends/sqlite/timed_reads.h - a deadline for what SQLite does in one step.
//
// The progress handler is asked between the steps of a statement. A check of the database walks over
// all pages in one step. It looks at sqlite3_interrupt between two pages, and a page that is not in
// the cache is read from the file: there the deadline is looked at.
#ifndef ROOST_BACKENDS_SQLITE_TIMED_READS_H_
#define ROOST_BACKENDS_SQLITE_TIMED_READS_H_

#include <sqlite3.h>

#include "backends/sqlite/deadline_handler.h"

namespace roost::sqlite {

class TimedReads {
 public:
  // Until the end of this each read of the database file looks at the deadline of `handler`. REQUIRES:
  // `db` stays open, and no statement of it is run or ended by others.
  TimedReads(sqlite3* db, DeadlineHandler& handler);
  ~TimedReads();
  TimedReads(const TimedReads&) = delete;
  TimedReads& operator=(const TimedReads&) = delete;

  // The deadline has passed at a read: what a statement says since is not to be relied on.
  bool interrupted() const { return interrupted_; }

 private:
  struct Methods : sqlite3_io_methods {
    TimedReads* self;
  };
  static int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 at);

  sqlite3* const db_;
  DeadlineHandler& handler_;
  sqlite3_file* file_ = nullptr;
  const sqlite3_io_methods* before_ = nullptr;
  Methods methods_{};
  bool interrupted_ = false;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_TIMED_READS_H_
