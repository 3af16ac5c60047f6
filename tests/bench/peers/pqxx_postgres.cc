// libpqxx on PostgreSQL: the small SELECT of bench_postgres by a prepared statement, on one connection,
// because it has no pool. The server is the one that ROOST_BENCH_POSTGRES names.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <pqxx/pqxx>

#include "tests/bench/contest.h"

namespace roost::bench {
namespace {

class Pqxx {
 public:
  static constexpr const char* kName = "libpqxx";
  static constexpr const char* kNote = "6.4, exec_prepared in a nontransaction, one connection";
  Pqxx() { connection_.prepare("select", "SELECT id, level FROM reading WHERE id = $1"); }

  void Cycle() {
    key_ = key_ % 1000 + 1;
    pqxx::nontransaction work(connection_);
    const pqxx::row row = work.exec_prepared1("select", key_);
    if (row[0].as<int64_t>() != key_ || row[1].as<double>() < 0) std::abort();
  }

 private:
  pqxx::connection connection_{std::getenv("ROOST_BENCH_POSTGRES")};
  int64_t key_ = 0;
};

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) {
  if (std::getenv("ROOST_BENCH_POSTGRES") == nullptr) {
    std::fprintf(stderr, "bench_pqxx: ROOST_BENCH_POSTGRES names no server\n");
    return 2;
  }
  return roost::bench::ContestMain(argc, argv, roost::bench::EntriesOf<roost::bench::Pqxx>());
}
