// tests/bench/sqlite.cc - what the pool adds to SQLite. SELECT and INSERT by kept statements,
// through the pool and by the raw handle, are contestants (see contest.h). Besides:
//
// bench_sqlite --batches FOLDER MS   power-safe rows in batches of 1, 5, 20 and 100, for MS each
// bench_sqlite --bounded FOLDER N    SQLite in its fixed block of memory: N rounds on 3 connections
// bench_sqlite --sizes               bytes of each profile's pool
//
// Each prints one line of JSON.
#include "roost/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "roost/pool.h"
#include "roost/sqlite_memory.h"
#include "tests/bench/contest.h"

namespace roost::bench {
namespace {

using namespace std::chrono_literals;

constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, node TEXT, taken_us INTEGER,"
    " level_db REAL)";
constexpr Sql kSelectOne{"SELECT 1"};
constexpr Sql kInsert{"INSERT INTO reading(node, taken_us, level_db) VALUES ($1, $2, $3)"};
constexpr char kNode[] = "node-0017";
constexpr int kMaxRows = 200'000;  // then the table starts anew, so that memory stays bounded

[[noreturn]] void Die(std::string_view why) {
  std::fprintf(stderr, "bench_sqlite: %.*s\n", static_cast<int>(why.size()), why.data());
  std::exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

template <class T>
T& CheckedValue(absl::StatusOr<T>& result) {
  if (!result.ok()) Die(result.status().ToString());
  return *result;
}

// ---- one statement, through the pool and without ------------------------------------------------

class ThroughPool {
 protected:
  // A lease and its statement, as a caller writes it.
  template <class Use>
  void With(Intent intent, const Sql& sql, Use use) {
    absl::StatusOr<Lease> lease = pool_.Acquire(intent, by_);
    absl::StatusOr<Statement*> statement = CheckedValue(lease).Prepare(sql);
    use(*CheckedValue(statement));
  }
  SqliteBackend backend_{{.path = ":memory:", .schema = kSchema}};
  PoolFor<profiles::RaspberryPi> pool_{backend_};
  const Deadline by_ = pool_.In(10s);
  int rows_ = 0;
};

class RawHandle {
 protected:
  RawHandle() {
    // As the pool's: a database of SQLite's own VFS for memory, one thread at a time.
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    CheckCode(sqlite3_open_v2("file:/raw?vfs=memdb", &db_, flags, nullptr));
    CheckCode(sqlite3_exec(db_, kSchema, nullptr, nullptr, nullptr));
    select_ = Prepare(kSelectOne);
    insert_ = Prepare(kInsert);
  }
  ~RawHandle() {
    sqlite3_finalize(select_);
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }
  RawHandle(const RawHandle&) = delete;
  RawHandle& operator=(const RawHandle&) = delete;

  void CheckCode(int code) const {
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) Die(sqlite3_errmsg(db_));
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  int rows_ = 0;

 private:
  sqlite3_stmt* Prepare(const Sql& sql) {
    sqlite3_stmt* statement = nullptr;
    CheckCode(sqlite3_prepare_v3(db_, sql.text().data(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                                 nullptr));
    return statement;
  }
};

class SelectThroughPool : ThroughPool {
 public:
  static constexpr const char* kName = "SELECT 1, pool";
  static constexpr const char* kNote = "acquire, Prepare (cached), Query, return";
  void Cycle() {
    With(kRead, kSelectOne, [](Statement& statement) {
      Rows rows = statement.Query();
      rows.Next();
      benchmark::DoNotOptimize(rows.Get<int64_t>(0));
    });
  }
};

class SelectRaw : RawHandle {
 public:
  static constexpr const char* kName = "SELECT 1, raw";
  static constexpr const char* kNote = "a kept sqlite3_stmt: step, column, reset";
  void Cycle() {
    CheckCode(sqlite3_step(select_));
    benchmark::DoNotOptimize(sqlite3_column_int64(select_, 0));
    CheckCode(sqlite3_reset(select_));
  }
};

class InsertThroughPool : ThroughPool {
 public:
  static constexpr const char* kName = "INSERT, pool";
  static constexpr const char* kNote = "acquire, Prepare (cached), Run, return; in memory";
  void Cycle() {
    With(kWrite, kInsert, [](Statement& statement) { Check(statement.Run(kNode, 17, 61.5)); });
    if (++rows_ % kMaxRows == 0) Empty();
  }

 private:
  void Empty() {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, by_);
    Check(lease.status());
    Check(lease->RunScript("DELETE FROM reading"));
  }
};

class InsertRaw : RawHandle {
 public:
  static constexpr const char* kName = "INSERT, raw";
  static constexpr const char* kNote = "a kept sqlite3_stmt: bind, step, reset; in memory";
  void Cycle() {
    sqlite3_bind_text(insert_, 1, kNode, sizeof(kNode) - 1, SQLITE_STATIC);
    sqlite3_bind_int64(insert_, 2, 17);
    sqlite3_bind_double(insert_, 3, 61.5);
    CheckCode(sqlite3_step(insert_));
    CheckCode(sqlite3_reset(insert_));
    sqlite3_clear_bindings(insert_);
    if (++rows_ % kMaxRows == 0) {
      CheckCode(sqlite3_exec(db_, "DELETE FROM reading", nullptr, nullptr, nullptr));
    }
  }
};

// ---- power-safe rows ----------------------------------------------------------------------------

// Bytes that this process has had the kernel send to storage so far.
int64_t BytesWritten() {
  std::ifstream io("/proc/self/io");
  std::string name;
  int64_t value = 0;
  while (io >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

struct Batches {
  int rows_each = 0;
  double rows_per_second = 0;
  double commit_ms = 0;  // mean
  double bytes_per_row = 0;
};

absl::Status StoreBatch(Pool& pool, int rows) {
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(30s));
  if (!lease.ok()) return lease.status();
  absl::StatusOr<Transaction> batch = lease->Begin(Durability::kSealed);
  if (!batch.ok()) return batch.status();
  for (int i = 0; i < rows; ++i) {
    absl::Status stored = lease->Run(kInsert, kNode, i, 61.5);
    if (!stored.ok()) return stored;
  }
  return batch->Commit();
}

Batches MeasureBatches(const std::string& folder, int rows, Nanos run) {
  const std::string path = folder + "/batches-" + std::to_string(rows) + ".db";
  SqliteBackend backend({.path = path, .schema = kSchema});
  PoolFor<profiles::RaspberryPi> pool(backend);
  Check(StoreBatch(pool, rows));
  const int64_t bytes_before = BytesWritten();
  const Nanos start = Now();
  int64_t batches = 0;
  for (; Now() - start < run; ++batches) Check(StoreBatch(pool, rows));
  const double seconds = static_cast<double>(Now() - start) * 1e-9;
  Check(pool.Close(pool.In(10s)));  // with the checkpoint that these rows cost
  const auto stored = static_cast<double>(batches * rows);
  return {.rows_each = rows,
          .rows_per_second = stored / seconds,
          .commit_ms = seconds * 1e3 / static_cast<double>(batches),
          .bytes_per_row = static_cast<double>(BytesWritten() - bytes_before) / stored};
}

int RunBatches(const std::string& folder, int64_t ms) {
  std::printf("[");
  const char* comma = "";
  for (const int rows : {1, 5, 20, 100}) {
    const Batches seen = MeasureBatches(folder, rows, ms * 1'000'000);
    std::printf(
        "%s{\"rows\": %d, \"rows_per_second\": %.1f, \"commit_ms\": %.3f, \"bytes_per_row\": %.0f}",
        comma, seen.rows_each, seen.rows_per_second, seen.commit_ms, seen.bytes_per_row);
    comma = ", ";
  }
  std::printf("]\n");
  return 0;
}

// ---- bounded memory -----------------------------------------------------------------------------

// With kInsert eight statements: a full cache of the profile.
constexpr std::array kReads{
    Sql("SELECT count(*) FROM reading WHERE id > 100"),
    Sql("SELECT level_db FROM reading WHERE id = 3"),
    Sql("SELECT avg(level_db) FROM reading WHERE id < 60"),
    Sql("SELECT max(id) FROM reading"),
    Sql("SELECT node, count(*) FROM reading WHERE id < 100 GROUP BY node"),
    Sql("SELECT id FROM reading WHERE id < 60 ORDER BY level_db"),
    Sql("SELECT taken_us FROM reading WHERE id = 5"),
};

void ReadAll(Lease& lease) {
  for (const Sql& sql : kReads) Check(lease.Run(sql));
}

// The writer with its batch of rows, and both readers at once: 3 connections, 24 statements.
void Round(Pool& pool) {
  Check(StoreBatch(pool, 5));
  absl::StatusOr<Lease> writer = pool.Acquire(kWrite, pool.In(10s));
  Check(writer.status());
  writer->ReleaseThread();
  absl::StatusOr<Lease> one = pool.Acquire(kRead, pool.In(10s));
  Check(one.status());
  one->ReleaseThread();
  absl::StatusOr<Lease> two = pool.Acquire(kRead, pool.In(10s));
  Check(two.status());
  for (Lease* lease : {&*writer, &*one, &*two}) ReadAll(*lease);
}

int RunBounded(const std::string& folder, int64_t rounds) {
  static SqliteMemoryFor<profiles::RaspberryPi> memory;
  Check(memory.status());
  {
    SqliteBackend backend({.path = folder + "/bounded.db", .schema = kSchema, .cache_kib = 64});
    PoolFor<profiles::RaspberryPi> pool(backend);
    for (int64_t i = 0; i < rounds; ++i) Round(pool);
    Check(pool.Close(pool.In(10s)));
  }
  const SqliteMemoryStats stats = memory.stats();
  std::printf(
      "{\"block_bytes\": %zu, \"arena_bytes\": %zu, \"arena_peak\": %zu, \"arena_failures\": %llu, "
      "\"pages\": %d, \"pages_peak\": %d}\n",
      sizeof(memory), stats.arena_bytes, stats.arena_peak,
      static_cast<unsigned long long>(stats.arena_failures), stats.pages, stats.pages_peak);
  return 0;
}

// ---- sizes --------------------------------------------------------------------------------------

int PrintSizes() {
  std::printf("{");
  const char* comma = "";
  profiles::ForEach([&comma]<class P>() {
    std::printf("%s\"%s\": %zu", comma, P::kName, sizeof(PoolFor<P>));
    comma = ", ";
  });
  std::printf("}\n");
  return 0;
}

int Main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "--sizes") return PrintSizes();
  if (mode == "--batches" && argc == 4) return RunBatches(argv[2], std::atoll(argv[3]));
  if (mode == "--bounded" && argc == 4) return RunBounded(argv[2], std::atoll(argv[3]));
  return ContestMain(argc, argv,
                     EntriesOf<SelectThroughPool, SelectRaw, InsertThroughPool, InsertRaw>());
}

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) { return roost::bench::Main(argc, argv); }
