#include "backends/sqlite/patience.h"

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

void Patience::Guard(sqlite3* db) {
  sqlite3_busy_handler(db, &OnBusy, this);
  sqlite3_progress_handler(db, kOperationsPerLook, &OnProgress, this);
}

void Patience::Leave(sqlite3* db) {
  sqlite3_busy_handler(db, nullptr, nullptr);
  sqlite3_progress_handler(db, 0, nullptr, nullptr);
}

bool Patience::Pause() {
  const TimePoint now = platform_.Now();
  if (until_.HasPassed(now)) return false;
  platform_.Wait(nobody_wakes_, 0, std::min(until_, Deadline::After(now, kPause)));
  return true;
}

int Patience::OnBusy(void* self, int /*count*/) {
  Patience& patience = *static_cast<Patience*>(self);
  if (patience.Pause()) return 1;
  patience.gave_up_ = true;
  return 0;
}

int Patience::OnProgress(void* self) {
  Patience& patience = *static_cast<Patience*>(self);
  return !patience.uncut_ && patience.HasPassed() ? 1 : 0;
}

}  // namespace roost::sqlite
