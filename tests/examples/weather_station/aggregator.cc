// Sums up what has come in since the last time: read and written in one transaction.
#include "roost/query.h"
#include "roost/transaction.h"
#include "station.h"

namespace {

constexpr roost::Sql kSummedUp{"SELECT coalesce(max(last_id), 0) FROM summary"};
constexpr roost::Sql kNew{"SELECT count(*), max(id), avg(celsius) FROM reading WHERE id > $1"};
constexpr roost::Sql kSum{"INSERT INTO summary VALUES ($1, $2, $3)"};

struct Sum {
  int64_t count;
  std::optional<int64_t> last_id;  // NULL: there is no reading
  std::optional<double> celsius;
};

absl::Status SumUp(roost::Connection& connection) {
  const absl::StatusOr<int64_t> summed_up = roost::QueryOne<int64_t>(connection, kSummedUp);
  if (!summed_up.ok()) return summed_up.status();
  const absl::StatusOr<Sum> sum = roost::QueryOne<Sum>(connection, kNew, *summed_up);
  if (!sum.ok()) return sum.status();
  if (sum->count == 0) return absl::OkStatus();
  return connection.Run(kSum, sum->last_id, sum->count, sum->celsius);
}

}  // namespace

void Aggregate(const Station& station) {
  while (station.Pause(10 * station.period_ms)) {
    const roost::Deadline deadline = station.local.In(std::chrono::seconds(1));
    // What fails is done the next time.
    (void)roost::RunInTransaction(station.local, roost::kWrite, deadline, SumUp);
  }
}
