// Stores readings in PostgreSQL over a link that may break at any moment. While the server is
// away they are kept, and tried again after pauses that grow.
// Arguments: URI, the number of readings, the number of tries that may fail.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "roost/housekeeper.h"
#include "roost/next_step.h"
#include "roost/pool.h"
#include "roost/postgres.h"

using namespace std::chrono_literals;
constexpr char kTable[] = "CREATE TABLE IF NOT EXISTS reading(id bigint PRIMARY KEY, level float8)";
// Once, however often it is tried: the outcome of a commit may be unknown.
constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2) ON CONFLICT DO NOTHING"};

absl::Status Store(roost::Pool& pool, int id) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(5s));
  return lease.ok() ? lease->Run(kInsert, id, 41.5) : lease.status();
}

int main(int count, char** arguments) {
  if (count != 4) return 2;
  roost::PostgresBackend backend({.uri = arguments[1], .on_connect = kTable});
  roost::PoolFor<roost::profiles::RaspberryPiRemote> pool(backend);
  roost::Housekeeper keeper;  // opens connections, without a caller having to wait for it
  keeper.Add(pool);
  keeper.Start();

  const int readings = std::atoi(arguments[2]);
  int stored = 0;
  int failures = 0;
  std::chrono::milliseconds pause = 10ms;
  while (stored < readings && failures < std::atoi(arguments[3])) {
    const absl::Status status = Store(pool, stored);
    const roost::Advice advice = roost::NextStep(status);
    if (advice == roost::Advice::kOk) {
      ++stored;
      pause = 10ms;
      continue;
    }
    ++failures;
    std::fprintf(stderr, "reading %d: %s\n", stored, status.ToString().c_str());
    if (advice == roost::Advice::kStop) break;         // the same call gives the same answer
    if (advice == roost::Advice::kRunAgain) continue;  // at once
    poll(nullptr, 0, static_cast<int>(pause.count()));
    pause = std::min<std::chrono::milliseconds>(2 * pause, 30s);
  }
  std::printf("%d stored, %d kept\n", stored, readings - stored);
  const absl::Status closed = pool.Close(pool.In(2s));
  keeper.Stop();
  return closed.ok() && stored == readings ? 0 : 1;
}
