#include "backends/sqlite/deadline_handler.h"

#include <sqlite3.h>

#include <algorithm>

namespace roost::sqlite {
namespace {

// Measured: 1000 operations stop a runaway scan within 0.1 ms of its deadline and cost 3 % of it.
constexpr int kOperationsPerLook = 1000;
// Short enough that a lock freed by another process is taken at once, long enough not to burn a
// core.
constexpr Duration kPause = std::chrono::milliseconds(1);

}  // namespace

void DeadlineHandler::Install(sqlite3* db) {
  sqlite3_busy_handler(db, &OnBusy, this);
  sqlite3_progress_handler(db, kOperationsPerLook, &OnProgress, this);
}

void DeadlineHandler::Uninstall(sqlite3* db) {
  sqlite3_busy_handler(db, nullptr, nullptr);
  sqlite3_progress_handler(db, 0, nullptr, nullptr);
}

bool DeadlineHandler::Pause() {
  const TimePoint now = platform_.Now();
  if (deadline_.HasPassed(now)) {
    if (account_ != nullptr) account_->gave_up.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  platform_.Wait(nobody_wakes_, 0, std::min(deadline_, Deadline::After(now, kPause)));
  // Counted pause by pause, so that a wait that goes on can be seen.
  if (account_ != nullptr) {
    account_->waited_ns.fetch_add((platform_.Now() - now).count(), std::memory_order_relaxed);
  }
  return true;
}

int DeadlineHandler::OnBusy(void* self, int /*count*/) {
  DeadlineHandler& handler = *static_cast<DeadlineHandler*>(self);
  if (handler.Pause()) return 1;
  handler.gave_up_ = true;
  return 0;
}

int DeadlineHandler::OnProgress(void* self) {
  DeadlineHandler& handler = *static_cast<DeadlineHandler*>(self);
  return !handler.uninterruptible_ && handler.HasPassed() ? 1 : 0;
}

}  // namespace roost::sqlite
