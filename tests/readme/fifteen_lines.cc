// The program of README.md, with what it takes for granted. readme_test.py runs it.
#include <chrono>
#include <cstdint>
#include <vector>

#include "roost/pool.h"
#include "roost/sqlite.h"

namespace {

struct Reading {
  const char* node;
  int64_t taken_us;
  double level_db;
};

Reading ReadSensor() { return {"roof", 1'700'000'000'000'000, 41.5}; }

// Where a node keeps what it could not store.
struct Spool {
  void Keep(const Reading& reading) { kept.push_back(reading); }
  std::vector<Reading> kept;
} spool;

}  // namespace

using namespace std::chrono_literals;

// clang-format off
// [fifteen lines]
struct Node : roost::profiles::RaspberryPi { static constexpr int kMaxOverflow = 1; };
constexpr char kSchema[] = "CREATE TABLE IF NOT EXISTS reading(node, taken_us, level_db)";
constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2, $3)"};

absl::Status Store(roost::Pool& pool, const Reading& r, roost::Deadline by) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, by);
  if (!lease.ok()) return lease.status();
  absl::StatusOr<roost::Statement*> insert = lease->Prepare(kInsert);
  if (!insert.ok()) return insert.status();
  return (*insert)->Run(r.node, r.taken_us, r.level_db);
}

int main() {
  roost::SqliteBackend backend({.path = "readings.db", .schema = kSchema});
  roost::PoolFor<Node> pool(backend);
  const Reading r = ReadSensor();
  if (!Store(pool, r, pool.In(2s)).ok()) spool.Keep(r);
}
// [fifteen lines]
// clang-format on
