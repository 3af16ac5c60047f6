// tests/support/spy_vfs.h - the system's VFS with counters, and with faults that a test switches on.
#ifndef ROOST_TESTS_SUPPORT_SPY_VFS_H_
#define ROOST_TESTS_SUPPORT_SPY_VFS_H_

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <string>

namespace roost::sqlite {

class SpyVfs {
 public:
  struct Counts {
    int opens = 0;
    int closes = 0;
    int writes = 0;
    int64_t bytes = 0;  // written
    int syncs = 0;
  };

  // Registered while it lives, as name(). REQUIRES: no connection over it outlives it.
  SpyVfs();
  ~SpyVfs();
  SpyVfs(const SpyVfs&) = delete;
  SpyVfs& operator=(const SpyVfs&) = delete;

  const std::string& name() const { return name_; }

  // By kind of file.
  Counts database;
  Counts log;
  Counts other;
  Counts& Of(int open_flags);
  int calls = 0;  // all of the above, and reads, locks and shared memory

  // 0: works. Else every call of that kind gives this code.
  int fail_sync = 0;
  int fail_log_sync = 0;  // of the log only
  int fail_write = 0;
  int fail_read = 0;
  int fail_lock = 0;
  int fail_map = 0;               // of the log's index
  std::function<void()> on_read;  // of the database
  std::function<void()> on_sync;  // of any file
  bool skip_syncs = false;        // they are counted, and the disk is not asked
  bool refuse_writers = false;  // opening for writing falls back to reading, as on a read-only card

 private:
  std::string name_;
  sqlite3_vfs vfs_{};
};

}  // namespace roost::sqlite

#endif  // ROOST_TESTS_SUPPORT_SPY_VFS_H_
