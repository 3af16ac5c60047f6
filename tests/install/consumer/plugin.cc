// A plug-in with a pool inside: the archive goes into a shared object.
#include "roost/pool.h"
#include "roost/sqlite.h"

extern "C" int StartPlugin(const char* path) {
  roost::SqliteBackend backend({.path = path});
  roost::PoolFor<roost::profiles::RaspberryPi> pool(backend);
  return pool.Acquire(roost::kRead, pool.In(std::chrono::seconds(10))).ok() ? 0 : 1;
}
