// tests/support/pgbouncer.h - PgBouncer in transaction mode in front of a throw-away server.
//
// Threads:  one
// Blocks:   the constructor, until it takes connections
// Memory:   the heap; a temporary folder
// Errors:   Fail, with its log
#ifndef ROOST_TESTS_SUPPORT_PGBOUNCER_H_
#define ROOST_TESTS_SUPPORT_PGBOUNCER_H_

#include "tests/support/loopback_port.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace roost::support {

// The environment's name for the file that gets a line for each death. Set by roost_pooler_main, the
// object library that each program with PgBouncer links: it repeats the tests that PgBouncer died in.
inline constexpr char kPoolerDeaths[] = "ROOST_POOLER_DEATHS";

class PgBouncer {
 public:
  // Lends `sessions` sessions of the role "node" to its clients, for a transaction each.
  // REQUIRES: `server` outlives this.
  PgBouncer(const PostgresServer& server, int sessions);
  PgBouncer(const PgBouncer&) = delete;
  PgBouncer& operator=(const PgBouncer&) = delete;

  // Waits until it takes connections.
  int port() const;

  // Kills it; it is started again.
  void Crash();

 private:
  TempDir dir_{};
  LoopbackPort port_{};
  Process process_{};
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_PGBOUNCER_H_
