// tests/bench/sqlite_mallocs.cc - how often SQLite asks for memory in each operation of the
// backend, in steady state.
//
// Usage: sqlite_mallocs      prints a table; exit code 1 when a prepared INSERT costs more than it
// may
//
// Counted by a wrapper around SQLite's own allocator, so that nothing of this program is in it.
#include <sqlite3.h>

#include <cstdio>
#include <string>

#include "roost/platform.h"
#include "roost/sqlite.h"
#include "tests/support/connection_access.h"
#include "tests/support/held_connection.h"
#include "tests/support/temp_dir.h"

namespace roost {
namespace {

constexpr int kRuns = 1000;
// A cursor and its row. One more would mean that something is prepared, copied or looked up anew.
constexpr double kMostPerInsert = 2.5;

sqlite3_mem_methods real_memory;
long mallocs = 0;

void* CountedMalloc(int size) {
  ++mallocs;
  return real_memory.xMalloc(size);
}
void* CountedRealloc(void* memory, int size) {
  ++mallocs;
  return real_memory.xRealloc(memory, size);
}

void CountMallocs() {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
  sqlite3_mem_methods counted = real_memory;
  counted.xMalloc = CountedMalloc;
  counted.xRealloc = CountedRealloc;
  sqlite3_config(SQLITE_CONFIG_MALLOC, &counted);
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "sqlite_mallocs: %s\n", status.ToString().c_str());
  std::exit(1);
}

// Runs `operation` until caches are warm, then counts. Prints and returns the mean.
template <class Operation>
double Measure(const char* name, Operation operation) {
  for (int i = 0; i < 10; ++i) operation();
  const long before = mallocs;
  for (int i = 0; i < kRuns; ++i) operation();
  const double mean = static_cast<double>(mallocs - before) / kRuns;
  std::printf("%-52s %6.2f\n", name, mean);
  return mean;
}

constexpr Sql kInsert{"INSERT INTO reading(node, taken_us, level) VALUES ($1, $2, $3)"};
constexpr Sql kSelect{"SELECT level FROM reading WHERE id = $1"};

double MeasureConnection(Connection& writer) {
  double per_insert = 0;
  {
    absl::StatusOr<Transaction> transaction = writer.Begin();
    Check(transaction.status());
    per_insert = Measure("prepared INSERT in a transaction",
                         [&] { Check(writer.Run(kInsert, "node-1", Micros{17}, 0.5)); });
    Check(transaction->Commit());
  }
  Measure("prepared INSERT, a transaction of its own",
          [&] { Check(writer.Run(kInsert, "node-1", Micros{17}, 0.5)); });
  Measure("Begin + Commit of nothing", [&] {
    absl::StatusOr<Transaction> transaction = writer.Begin();
    Check(transaction.status());
    Check(transaction->Commit());
  });
  Measure("sealed transaction of one INSERT", [&] {
    absl::StatusOr<Transaction> transaction = writer.Begin(Durability::kSealed);
    Check(transaction.status());
    Check(writer.Run(kInsert, "node-1", Micros{17}, 0.5));
    Check(transaction->Commit());
  });
  Measure("Seal", [&] { Check(writer.Seal()); });
  Measure("SELECT by key", [&] { Check(writer.Run(kSelect, 5)); });
  Measure("Inspect", [&] { (void)ConnectionAccess::Inspect(writer); });
  Measure("Probe", [&] { (void)ConnectionAccess::Probe(writer); });
  Measure("Ping", [&] { Check(ConnectionAccess::Ping(writer, Deadline::Never())); });
  Measure("RunScript of the same INSERT (prepared anew)", [&] {
    Check(writer.RunScript("INSERT INTO reading(node, taken_us, level) VALUES ('a', 17, 0.5)"));
  });
  return per_insert;
}

int Main() {
  CountMallocs();
  const support::TempDir dir;
  SqliteBackend backend({.path = dir.File("mallocs.db"),
                         .schema = "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY,"
                                   " node TEXT, taken_us INTEGER, level REAL)"});
  support::HeldConnection writer(backend, NativePlatform(), Role::kWriter);
  Check(writer.status());
  std::printf("mallocs of SQLite %s for each\n", sqlite3_libversion());
  const double per_insert = MeasureConnection(*writer);
  Measure("open + close of a reader beside", [&] {
    const support::HeldConnection reader(backend, NativePlatform(), Role::kReader);
    Check(reader.status());
  });
  if (per_insert <= kMostPerInsert) return 0;
  std::fprintf(stderr, "sqlite_mallocs: a prepared INSERT costs %.2f mallocs, may cost %.1f\n",
               per_insert, kMostPerInsert);
  return 1;
}

}  // namespace
}  // namespace roost

int main() { return roost::Main(); }
