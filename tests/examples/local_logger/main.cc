// Stores a reading in a SQLite file, by a deadline.
#include <cstdio>

#include "roost/pool.h"
#include "roost/sqlite.h"

using namespace std::chrono_literals;
constexpr char kSchema[] = "CREATE TABLE IF NOT EXISTS reading(node, taken_us, level_db)";
constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2, $3)"};

absl::Status Store(roost::Pool& pool, const char* node, double level_db, roost::Deadline by) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, by);
  if (!lease.ok()) return lease.status();
  return lease->Run(kInsert, node, pool.platform().UnixMicros(), level_db);
}

int main() {
  roost::SqliteBackend backend({.path = "readings.db", .schema = kSchema});
  roost::PoolFor<roost::profiles::RaspberryPi> pool(backend);
  const absl::Status stored = Store(pool, "roof", 41.5, pool.In(2s));
  if (!stored.ok()) std::fprintf(stderr, "not stored: %s\n", stored.ToString().c_str());
  return stored.ok() ? 0 : 1;
}
