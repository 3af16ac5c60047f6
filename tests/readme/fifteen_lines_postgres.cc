// The program of README.md with PostgreSQL instead of SQLite: the same Store.
// tests/readme/postgres_readme_test.cc runs it.
// Only a real main may end without a return.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"
#define main sqlite_main
#include "tests/readme/fifteen_lines.cc"  // NOLINT(bugprone-suspicious-include): that is the point
#undef main
#pragma GCC diagnostic pop

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
  const Reading r = ReadSensor();
  if (!Store(pool, r, pool.In(2s)).ok()) spool.Keep(r);
}
// [remote]
// clang-format on
