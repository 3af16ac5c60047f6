// tests/bench/peers/cppdb.cc - CppDB 0.3 in the contest.
#include <cppdb/backend.h>
#include <cppdb/frontend.h>
#include <cppdb/pool.h>

#include "tests/bench/contest.h"
#include "tests/bench/floor.h"

namespace roost::bench {
namespace {

class CppDb {
 public:
  static constexpr const char* kName = "CppDB, unbounded";
  static constexpr const char* kNote =
      "no bound: opens one more instead of waiting; caches statements; no check, no reset";
  using Lease = cppdb::ref_ptr<cppdb::backend::connection>;

  Lease Take() { return pool_->open(); }
  void Give(Lease) {}
  void SelectOne() {
    cppdb::session session(pool_->open());
    cppdb::result rows = session << "SELECT 1" << cppdb::row;
    int one = 0;
    rows >> one;
    benchmark::DoNotOptimize(one);
  }

 private:
  cppdb::pool::pointer pool_ = cppdb::pool::create("sqlite3:db=:memory:;@pool_size=3");
};

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) {
  using namespace roost::bench;  // NOLINT(build/namespaces): a main of one line
  return ContestMain(argc, argv, EntriesOf<Floor, CppDb>());
}
