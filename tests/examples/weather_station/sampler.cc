// Takes a reading each period. One that cannot be stored in time is kept, so that a stall of the
// card loses none; the next one waits for no longer than the period allows.
#include <algorithm>
#include <array>
#include <cmath>

#include "roost/next_step.h"
#include "roost/query.h"
#include "roost/transaction.h"
#include "station.h"

namespace {

double ReadSensor(int64_t id) { return 20 + std::sin(static_cast<double>(id) / 100); }

}  // namespace

void Sample(const Station& station) {
  std::array<Reading, 64> kept;
  size_t count = 0;
  int64_t next = 0;
  const roost::Duration patience = std::chrono::milliseconds(station.period_ms) * 4 / 5;
  if (absl::StatusOr<roost::Lease> lease = station.local.Acquire(roost::kRead); lease.ok()) {
    next = roost::QueryOne<int64_t>(*lease, kLastId).value_or(0);
  }
  while (station.Pause(station.period_ms)) {
    if (count == kept.size()) {  // the oldest gives way
      std::copy(kept.begin() + 1, kept.end(), kept.begin());
      --count;
    }
    ++next;
    kept[count++] = {next, {station.local.platform().UnixMicros()}, ReadSensor(next)};
    const absl::Status stored = roost::RunInTransaction(
        station.local, roost::kWrite, station.local.In(patience),
        [&](roost::Connection& connection) -> absl::Status {
          for (size_t i = 0; i < count; ++i) {
            const Reading& r = kept[i];
            absl::Status inserted = connection.Run(kInsert, r.id, r.taken, r.celsius);
            if (!inserted.ok()) return inserted;
          }
          return absl::OkStatus();
        });
    if (roost::NextStep(stored) == roost::Advice::kOk) count = 0;
  }
}
