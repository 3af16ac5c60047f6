// backends/sqlite/deadline_handler.h - SQLite's busy and progress handler: both end at a deadline.
//
// It bounds how long SQLite waits for another process, and how long a statement runs.
//
// sqlite3_busy_timeout is not used: its pauses grow to 100 ms, which starves the waiting process,
// and a borrower's pragma replaces it. sqlite3_interrupt from another thread is not used: it may
// arrive when the connection is already lent to the next caller.
#ifndef ROOST_BACKENDS_SQLITE_DEADLINE_HANDLER_H_
#define ROOST_BACKENDS_SQLITE_DEADLINE_HANDLER_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "roost/deadline.h"
#include "roost/platform.h"

struct sqlite3;

namespace roost::sqlite {

// How long all connections of a backend waited for locks that others held: other processes, mostly, as
// the writers of this one stand in the pool's line.
struct BusyAccount {
  std::atomic<int64_t> waited_ns{0};
  std::atomic<uint64_t> gave_up{0};  // waits that a deadline ended
};

class DeadlineHandler {
 public:
  // `account`: where waits are counted, which outlives this; null: nowhere.
  explicit DeadlineHandler(Platform& platform, BusyAccount* account = nullptr)
      : platform_(platform), account_(account) {}
  DeadlineHandler(const DeadlineHandler&) = delete;
  DeadlineHandler& operator=(const DeadlineHandler&) = delete;

  // Sets the busy and the progress handler of `db`. REQUIRES: this outlives `db`, or Uninstall is
  // called before this ends.
  void Install(sqlite3* db);
  static void Uninstall(sqlite3* db);

  // Sets the deadline for the next operation.
  void SetDeadline(Deadline deadline) {
    deadline_ = deadline;
    gave_up_ = false;
  }
  Deadline deadline() const { return deadline_; }
  bool HasPassed() { return !deadline_.IsNever() && deadline_.HasPassed(platform_.Now()); }
  // Sleeps for about a millisecond. False when the deadline passed.
  bool Pause();
  // While it lives, waits are not counted: a checkpoint asks for what it may do without.
  class Unaccounted {
   public:
    explicit Unaccounted(DeadlineHandler& handler)
        : handler_(handler), account_(std::exchange(handler.account_, nullptr)) {}
    ~Unaccounted() { handler_.account_ = account_; }
    Unaccounted(const Unaccounted&) = delete;
    Unaccounted& operator=(const Unaccounted&) = delete;

   private:
    DeadlineHandler& handler_;
    BusyAccount* const account_;
  };
  // Whether the busy handler gave up since SetDeadline.
  bool gave_up() const { return gave_up_; }

  // While it lives, statements are not interrupted: a commit or a rollback, once begun, ends.
  class Uninterruptible {
   public:
    explicit Uninterruptible(DeadlineHandler& handler) : handler_(handler) {
      handler_.uninterruptible_ = true;
    }
    ~Uninterruptible() { handler_.uninterruptible_ = false; }
    Uninterruptible(const Uninterruptible&) = delete;
    Uninterruptible& operator=(const Uninterruptible&) = delete;

   private:
    DeadlineHandler& handler_;
  };

 private:
  static int OnBusy(void* self, int count);
  static int OnProgress(void* self);

  Platform& platform_;
  BusyAccount* account_;
  Deadline deadline_ = Deadline::Never();
  const std::atomic<uint32_t> nobody_wakes_{0};
  bool gave_up_ = false;
  bool uninterruptible_ = false;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_DEADLINE_HANDLER_H_
