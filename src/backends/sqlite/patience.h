// Patience: how long SQLite may wait for another process, and how long a statement may run.
//
// Never sqlite3_busy_timeout: its pauses grow to 100 ms and starve, and a borrower's pragma
// replaces it. Never sqlite3_interrupt from another thread: it may hit the next lease.
#ifndef ROOST_BACKENDS_SQLITE_PATIENCE_H_
#define ROOST_BACKENDS_SQLITE_PATIENCE_H_

#include <atomic>
#include <cstdint>

#include "roost/deadline.h"
#include "roost/platform.h"

struct sqlite3;

namespace roost::sqlite {

class Patience {
 public:
  explicit Patience(Platform& platform) : platform_(platform) {}
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  // Installs the busy and the progress handler. REQUIRES: this outlives `db`, or Leave is called.
  void Guard(sqlite3* db);
  static void Leave(sqlite3* db);

  // Begins something that has to end by `until`.
  void Until(Deadline until) {
    until_ = until;
    gave_up_ = false;
  }
  Deadline until() const { return until_; }
  bool HasPassed() { return !until_.IsNever() && until_.HasPassed(platform_.Now()); }
  // Sleeps for about a millisecond. False when the deadline passed.
  bool Pause();
  // Whether the busy handler gave up since Until.
  bool gave_up() const { return gave_up_; }

  // While it lives, statements are not cut: a commit or a rollback, once begun, ends.
  class Uncut {
   public:
    explicit Uncut(Patience& patience) : patience_(patience) { patience_.uncut_ = true; }
    ~Uncut() { patience_.uncut_ = false; }
    Uncut(const Uncut&) = delete;
    Uncut& operator=(const Uncut&) = delete;

   private:
    Patience& patience_;
  };

 private:
  static int OnBusy(void* self, int count);
  static int OnProgress(void* self);

  Platform& platform_;
  Deadline until_ = Deadline::Never();
  const std::atomic<uint32_t> nobody_wakes_{0};
  bool gave_up_ = false;
  bool uncut_ = false;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_PATIENCE_H_
