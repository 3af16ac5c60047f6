// Sends the archive what it does not have yet, a batch at a time. The local lease ends before the
// archive is asked: a slow link holds no connection of the sampler's.
#include <array>
#include <span>

#include "roost/query.h"
#include "roost/transaction.h"
#include "station.h"

namespace {

constexpr roost::Sql kAfter{
    "SELECT id, taken, celsius FROM reading WHERE id > $1 ORDER BY id LIMIT 100"};
using Batch = std::array<Reading, 100>;

absl::StatusOr<int64_t> LastOf(roost::Pool& pool, roost::Deadline deadline) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, deadline);
  if (!lease.ok()) return lease.status();
  return roost::QueryOne<int64_t>(*lease, kLastId);
}

absl::StatusOr<size_t> Load(roost::Pool& pool, roost::Deadline deadline, int64_t after,
                            Batch& batch) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kRead, deadline);
  if (!lease.ok()) return lease.status();
  const absl::StatusOr<roost::Statement*> readings = lease->Prepare(kAfter);
  if (!readings.ok()) return readings.status();
  roost::Rows rows = (*readings)->Query(after);
  size_t count = 0;
  while (rows.Next()) batch[count++] = rows.As<Reading>();
  if (!rows.status().ok()) return rows.status();
  return count;
}

}  // namespace

void Forward(const Station& station) {
  Batch batch;
  // Once more at the end, for what came in since.
  for (bool go_on = true; go_on;) {
    go_on = station.Pause(5 * station.period_ms);
    const roost::Deadline deadline = station.archive.In(std::chrono::seconds(2));
    const absl::StatusOr<int64_t> last = LastOf(station.archive, deadline);
    if (!last.ok()) continue;  // the archive is away: the readings stay
    const absl::StatusOr<size_t> count = Load(station.local, deadline, *last, batch);
    if (!count.ok()) continue;
    // A kUnknown needs no care: what was committed is not sent again, what was not is.
    (void)roost::RunInTransaction(station.archive, roost::kWrite, deadline,
                                  [&](roost::Connection& connection) -> absl::Status {
                                    for (const Reading& r : std::span(batch).first(*count)) {
                                      absl::Status inserted =
                                          connection.Run(kInsert, r.id, r.taken, r.celsius);
                                      if (!inserted.ok()) return inserted;
                                    }
                                    return absl::OkStatus();
                                  });
  }
}
