// The program of README.md with PostgreSQL instead of SQLite: the same Store.
// tests/readme/postgres_readme_test.cc runs it.
#define main sqlite_main
#include "tests/examples/local_logger/main.cc"  // NOLINT(bugprone-suspicious-include): that is the point
#undef main

#include "roost/housekeeper.h"
#include "roost/postgres.h"

// clang-format off
// [remote]
constexpr char kTable[] = "CREATE TABLE IF NOT EXISTS reading(node text, taken_us bigint, level_db float8)";

int main(int, char** uri) {
  roost::PostgresBackend backend({.uri = uri[1], .on_connect = kTable});
  roost::PoolFor<roost::profiles::RaspberryPiRemote> pool(backend);
  roost::Housekeeper keeper;  // opens connections, without a caller having to wait for it
  keeper.Add(pool);
  keeper.Start();
  return Store(pool, "roof", 41.5, pool.In(2s)).ok() ? 0 : 1;
}
// [remote]
// clang-format on
