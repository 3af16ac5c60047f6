// tests/bench/peers/poco.cc - Poco::Data 1.11 in the contest.
#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/SessionPool.h>

#include <chrono>
#include <optional>
#include <thread>

#include "tests/bench/contest.h"
#include "tests/bench/floor.h"

namespace roost::bench {
namespace {

using Poco::Data::Keywords::into;
using Poco::Data::Keywords::now;

class PocoData {
 public:
  static constexpr const char* kName = "Poco::Data";
  static constexpr const char* kNote =
      "throws when exhausted: retried after 1 ms; starts two threads";
  using Lease = std::optional<Poco::Data::Session>;

  PocoData() {
    Poco::Data::SQLite::Connector::registerConnector();
    pool_.emplace("SQLite", ":memory:", kConnections, kConnections);
  }

  Lease Take() {
    for (;;) {
      try {
        return pool_->get();
      } catch (const Poco::Data::SessionPoolExhaustedException&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }
  void Give(Lease lease) { lease.reset(); }
  void SelectOne() {
    Lease lease = Take();
    int one = 0;
    *lease << "SELECT 1", into(one), now;
    benchmark::DoNotOptimize(one);
  }

 private:
  std::optional<Poco::Data::SessionPool> pool_;
};

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) {
  using namespace roost::bench;  // NOLINT(build/namespaces): a main of one line
  return ContestMain(argc, argv, EntriesOf<Floor, PocoData>());
}
