// many_rows - rows a second over a link that takes its time: RunAll and arrays beside one statement a
// row, libpqxx's pipeline and COPY, and SOCI's bulk operations.
//
// Usage: many_rows [--json] [--quick]
//   One server, one proxy on the way to it; each round trip takes 0, 50 and 80 ms. Everybody stores
//   the same batches of a hundred readings, each batch in a transaction, on a connection that is open
//   and by a statement that was run before. Prints rows a second and the round trips of a batch.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "roost/pool.h"
#include "roost/postgres.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

#ifdef ROOST_BENCH_PQXX
#include <pqxx/pqxx>
#endif
#ifdef ROOST_BENCH_SOCI
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#endif

namespace roost::bench {
namespace {

using std::chrono::milliseconds;

constexpr size_t kBatch = 100;
constexpr Sql kInsert{"INSERT INTO reading VALUES ($1, $2, $3)"};

// As columns, too, for those who take them so.
struct Readings {
  struct Reading {
    std::string node;
    int64_t taken_us;
    double level;
  };
  std::vector<Reading> rows{};
  std::vector<std::string> nodes{};
  std::vector<int64_t> taken{};
  std::vector<double> levels{};
};

Readings SomeReadings() {
  Readings readings;
  for (size_t i = 0; i < kBatch; ++i) {
    readings.rows.push_back({"node-7", 1'700'000'000'000'000 + static_cast<int64_t>(i), 61.25});
    readings.nodes.push_back(readings.rows.back().node);
    readings.taken.push_back(readings.rows.back().taken_us);
    readings.levels.push_back(readings.rows.back().level);
  }
  return readings;
}

void Check(bool ok, std::string_view what) {
  if (ok) return;
  std::fprintf(stderr, "many_rows: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}
void Check(const absl::Status& status) { Check(status.ok(), status.ToString()); }

// Stores a batch.
using Store = std::function<void(const Readings&)>;
struct Contestant {
  const char* name;
  const char* note;
  std::function<Store(const std::string& uri)> connect;
};

// ---- ours ---------------------------------------------------------------------------------------

struct OpensByItself : profiles::RaspberryPiRemote {
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};

struct Ours {
  explicit Ours(const std::string& uri) : backend({.uri = uri}), pool(backend) {
    absl::StatusOr<Lease> acquired =
        pool.Acquire(kWrite, Deadline::After(NativePlatform().Now(), std::chrono::minutes(2)));
    Check(acquired.status());
    lease = *std::move(acquired);
  }
  PostgresBackend backend;
  PoolFor<OpensByItself> pool;
  Lease lease;
};

Store OneByOne(const std::string& uri) {
  return [ours = std::make_shared<Ours>(uri)](const Readings& readings) {
    absl::StatusOr<Transaction> transaction = ours->lease.Begin();
    Check(transaction.status());
    for (const Readings::Reading& row : readings.rows) {
      Check(ours->lease.Run(kInsert, row.node, row.taken_us, row.level));
    }
    Check(transaction->Commit());
  };
}

Store AllRows(const std::string& uri) {
  return [ours = std::make_shared<Ours>(uri)](const Readings& readings) {
    Check(ours->lease.RunAll(kInsert, readings.rows));
  };
}

Store Arrays(const std::string& uri) {
  constexpr Sql kUnnest{
      "INSERT INTO reading SELECT * FROM unnest($1::text[], $2::bigint[], $3::float8[])"};
  return [ours = std::make_shared<Ours>(uri), kUnnest](const Readings& readings) {
    Check(ours->lease.Run(kUnnest, readings.nodes, readings.taken, readings.levels));
  };
}

// ---- peers --------------------------------------------------------------------------------------

#ifdef ROOST_BENCH_PQXX
// It takes text alone: no parameters, no prepared statements.
Store PqxxPipeline(const std::string& uri) {
  return [connection = std::make_shared<pqxx::connection>(uri)](const Readings& readings) {
    pqxx::work transaction(*connection);
    pqxx::pipeline pipeline(transaction);
    pipeline.retain(static_cast<int>(kBatch));
    for (const Readings::Reading& row : readings.rows) {
      pipeline.insert("INSERT INTO reading VALUES (" + transaction.quote(row.node) + ", " +
                      pqxx::to_string(row.taken_us) + ", " + pqxx::to_string(row.level) + ")");
    }
    pipeline.complete();
    transaction.commit();
  };
}

Store PqxxCopy(const std::string& uri) {
  return [connection = std::make_shared<pqxx::connection>(uri)](const Readings& readings) {
    pqxx::work transaction(*connection);
    pqxx::stream_to copy(transaction, "reading");
    for (const Readings::Reading& row : readings.rows) {
      copy << std::make_tuple(row.node, row.taken_us, row.level);
    }
    copy.complete();
    transaction.commit();
  };
}
#endif

#ifdef ROOST_BENCH_SOCI
Store SociBulk(const std::string& uri) {
  const std::string where = uri;
  return [session =
              std::make_shared<soci::session>(soci::postgresql, where)](const Readings& readings) {
    std::vector<long long> taken(readings.taken.begin(), readings.taken.end());
    soci::transaction transaction(*session);
    *session << "INSERT INTO reading VALUES (:node, :taken, :level)", soci::use(readings.nodes),
        soci::use(taken), soci::use(readings.levels);
    transaction.commit();
  };
}
#endif

std::vector<Contestant> Contestants() {
  return {
      {"roost, a Run for each row", "in a transaction", OneByOne},
      {"roost, RunAll", "all or nothing, the row of an error is told", AllRows},
      {"roost, arrays and unnest", "one statement", Arrays},
#ifdef ROOST_BENCH_PQXX
      {"libpqxx, pipeline", "text without parameters", PqxxPipeline},
      {"libpqxx, stream_to", "COPY: no row of an error, no ON CONFLICT", PqxxCopy},
#endif
#ifdef ROOST_BENCH_SOCI
      {"SOCI, bulk", "use(std::vector)", SociBulk},
#endif
  };
}

// ---- measuring ----------------------------------------------------------------------------------

struct Result {
  const Contestant* contestant;
  int delay_ms;
  double rows_per_second;
  int round_trips;  // of a batch
};

// The best batch: others may use the processors meanwhile.
Result Measure(support::TcpProxy& proxy, const Contestant& contestant, const std::string& uri,
               milliseconds delay, milliseconds time) {
  using Clock = std::chrono::steady_clock;
  const Readings readings = SomeReadings();
  proxy.Delay(milliseconds(0));
  const Store store = contestant.connect(uri);
  store(readings);
  proxy.Delay(delay / 2);
  Result result{&contestant, static_cast<int>(delay.count()), 0, 0};
  const Clock::time_point end = Clock::now() + time;
  do {
    // What still comes of the last batch passes first.
    std::this_thread::sleep_for(delay + milliseconds(5));
    const int before = proxy.counts().round_trips;
    const Clock::time_point start = Clock::now();
    store(readings);
    const std::chrono::duration<double> took = Clock::now() - start;
    result.rows_per_second = std::max(result.rows_per_second, kBatch / took.count());
    result.round_trips = proxy.counts().round_trips - before;
  } while (Clock::now() < end);
  return result;
}

void PrintJson(const std::vector<Result>& results) {
  std::printf("[");
  for (size_t i = 0; i < results.size(); ++i) {
    std::printf(
        "%s{\"name\": \"%s\", \"note\": \"%s\", \"delay_ms\": %d, \"rows_per_second\": %.1f, "
        "\"round_trips\": %d}",
        i == 0 ? "" : ",\n", results[i].contestant->name, results[i].contestant->note,
        results[i].delay_ms, results[i].rows_per_second, results[i].round_trips);
  }
  std::printf("]\n");
}

void PrintTable(const std::vector<Result>& results) {
  std::printf("batches of %zu rows\n%-10s %-28s %12s %12s\n", kBatch, "round trip", "", "rows/s",
              "round trips");
  for (const Result& result : results) {
    std::printf("%7d ms %-28s %12.0f %12d\n", result.delay_ms, result.contestant->name,
                result.rows_per_second, result.round_trips);
  }
}

int Main(int argc, char** argv) {
  bool json = false;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    json = json || std::strcmp(argv[i], "--json") == 0;
    quick = quick || std::strcmp(argv[i], "--quick") == 0;
  }
  support::PostgresServer server({.script =
                                      "CREATE TABLE reading(node text, taken_us bigint, level "
                                      "float8); GRANT ALL ON reading TO node"});
  support::TcpProxy proxy(server.port());
  const std::string uri = server.UriThrough(proxy.port(), "sslmode=disable");
  const std::vector<Contestant> contestants = Contestants();
  std::vector<Result> results;
  for (const int delay : quick ? std::vector<int>{0, 4} : std::vector<int>{0, 50, 80}) {
    for (const Contestant& contestant : contestants) {
      results.push_back(
          Measure(proxy, contestant, uri, milliseconds(delay), milliseconds(quick ? 50 : 2000)));
    }
  }
  json ? PrintJson(results) : PrintTable(results);
  return 0;
}

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) { return roost::bench::Main(argc, argv); }
