// Stores a reading and reads it back, through a pool of the selected profile.
#include <cstdio>

#include "roost/pool.h"
#ifndef WITHOUT_POSTGRES
#include "roost/postgres.h"
#endif
#include "roost/selected_profile.h"
#include "roost/sqlite.h"

using namespace std::chrono_literals;

constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2)"};
constexpr roost::Sql kSelect{"SELECT level FROM reading WHERE node = $1"};

absl::Status StoreAndRead(roost::Pool& pool) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(10s));
  if (!lease.ok()) return lease.status();
  absl::Status stored = lease->Run(kInsert, "attic", 21.5);
  if (!stored.ok()) return stored;
  absl::StatusOr<roost::Statement*> select = lease->Prepare(kSelect);
  if (!select.ok()) return select.status();
  roost::Rows rows = (*select)->Query("attic");
  while (rows.Next()) std::printf("level %.1f\n", rows.Get<double>("level"));
  return rows.status();
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  roost::SqliteBackend backend({.path = argv[1], .schema = "CREATE TABLE reading(node, level)"});
  roost::PoolFor<roost::SelectedProfile> pool(backend);
  std::printf("profile %s\n", pool.settings().profile);
#ifndef WITHOUT_POSTGRES
  // Needs neither libpq nor its header: the first open would load it.
  roost::PostgresBackend remote({.uri = "postgresql://node@db.example.org/farm"});
  if (remote.target() != "db.example.org:5432/farm") return 1;
#endif
  const absl::Status status = StoreAndRead(pool);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
