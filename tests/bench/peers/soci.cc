// tests/bench/peers/soci.cc - SOCI 4.0 in the contest: its leases, with and without a bound, and
// its sessions.
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <chrono>
#include <memory>

#include "tests/bench/contest.h"
#include "tests/bench/floor.h"

namespace roost::bench {
namespace {

// The user opens every connection, and closes it before the pool goes.
class SociPool {
 public:
  SociPool() {
    for (size_t i = 0; i < kConnections; ++i) pool_.at(i).open(soci::sqlite3, ":memory:");
  }

 protected:
  soci::connection_pool pool_{kConnections};
};

// Leases by position, which is all that the pool itself has.
class SociLease : public SociPool {
 public:
  static constexpr const char* kName = "SOCI";
  static constexpr const char* kNote =
      "try_lease, bounded on the wall clock; no check, no age, no reset, no order of waiters";
  using Lease = size_t;

  Lease Take() {
    size_t position = 0;
    while (!pool_.try_lease(position, 600'000)) {
    }
    return position;
  }
  void Give(Lease position) { pool_.give_back(position); }
  bool TakeBy(std::chrono::milliseconds patience) {
    size_t position = 0;
    return pool_.try_lease(position, static_cast<int>(patience.count()));
  }
  void SelectOne() {
    const Lease position = Take();
    int one = 0;
    pool_.at(position) << "SELECT 1", soci::into(one);
    benchmark::DoNotOptimize(one);
    Give(position);
  }
};

class SociEndless : public SociPool {
 public:
  static constexpr const char* kName = "SOCI, endless";
  static constexpr const char* kNote = "lease, which waits for ever; else as above";
  using Lease = size_t;

  Lease Take() { return pool_.lease(); }
  void Give(Lease position) { pool_.give_back(position); }
};

class SociSession : public SociPool {
 public:
  static constexpr const char* kName = "SOCI, session";
  static constexpr const char* kNote = "the RAII session; its wait cannot be bounded";
  using Lease = std::unique_ptr<soci::session>;

  Lease Take() { return std::make_unique<soci::session>(pool_); }
  void Give(Lease) {}
  void Cycle() {  // on the stack, as its users have it
    soci::session session(pool_);
    benchmark::DoNotOptimize(&session);
  }
};

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) {
  using namespace roost::bench;  // NOLINT(build/namespaces): a main of one line
  return ContestMain(argc, argv, EntriesOf<Floor, SociLease, SociEndless, SociSession>());
}
