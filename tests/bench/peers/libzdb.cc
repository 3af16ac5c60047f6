// tests/bench/peers/libzdb.cc - libzdb 3.1 in the contest.
#include <zdb.h>

#include <chrono>
#include <thread>

#include "tests/bench/contest.h"
#include "tests/bench/floor.h"

namespace roost::bench {
namespace {

class Libzdb {
 public:
  static constexpr const char* kName = "libzdb";
  static constexpr const char* kNote =
      "asks the database at each take (cannot be turned off); does not wait: retried after 1 ms";
  using Lease = Connection_T;

  Libzdb() : url_(URL_new("sqlite:///file:contest?mode=memory")), pool_(ConnectionPool_new(url_)) {
    ConnectionPool_setInitialConnections(pool_, kConnections);
    ConnectionPool_setMaxConnections(pool_, kConnections);
    ConnectionPool_start(pool_);
  }
  ~Libzdb() {
    ConnectionPool_stop(pool_);
    ConnectionPool_free(&pool_);
    URL_free(&url_);
  }
  Libzdb(const Libzdb&) = delete;
  Libzdb& operator=(const Libzdb&) = delete;

  Lease Take() {
    for (;;) {
      Connection_T const connection = ConnectionPool_getConnection(pool_);
      if (connection != nullptr) return connection;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void Give(Lease connection) { Connection_close(connection); }
  void SelectOne() {
    Connection_T const connection = Take();
    ResultSet_T const rows = Connection_executeQuery(connection, "SELECT 1");
    while (ResultSet_next(rows)) benchmark::DoNotOptimize(ResultSet_getInt(rows, 1));
    Give(connection);
  }

 private:
  URL_T url_;
  ConnectionPool_T pool_;
};

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) {
  using namespace roost::bench;  // NOLINT(build/namespaces): a main of one line
  return ContestMain(argc, argv, EntriesOf<Floor, Libzdb>());
}
