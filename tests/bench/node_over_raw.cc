// tests/bench/node_over_raw.cc - the same small node through three SQLite connections: as raw
// handles, or through a pool, which keeps its connections and statements in itself. What a program
// with a pool takes more of memory is what node_memory.py asserts and bench.py reports.
//
// Usage: node_over_raw DATABASE     prints one line of JSON: how long until the first row is stored,
//                                   resident and private dirty memory, threads, shared libraries
//
// Built twice: with ROOST_RAW=1 nothing of roostpool is in it. Same schema, statements and settings.
#include <sqlite3.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#if !ROOST_RAW
#include "roost/pool.h"
#include "roost/sqlite.h"
#endif

namespace {

constexpr char kSchema[] = "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, a, b)";
constexpr std::array kTexts{"INSERT INTO reading(a, b) VALUES (1, 20.5)",
                            "SELECT count(*) FROM reading", "SELECT max(id) FROM reading",
                            "SELECT a, b FROM reading WHERE id = 7"};
constexpr int kRounds = 200;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "node_over_raw: %s\n", what.c_str());
  std::exit(1);
}

double NowUs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

#if ROOST_RAW

void Check(sqlite3* db, int code) {
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) Fail(sqlite3_errmsg(db));
}

struct Kept {
  sqlite3* db = nullptr;
  std::array<sqlite3_stmt*, kTexts.size()> statements{};
};

// With the settings that the pool gives its connections.
Kept Open(const std::string& path) {
  constexpr char kPragmas[] =
      "PRAGMA journal_mode=WAL;PRAGMA cache_size=-256;PRAGMA synchronous=NORMAL;"
      "PRAGMA wal_autocheckpoint=0";
  Kept kept;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  Check(kept.db, sqlite3_open_v2(path.c_str(), &kept.db, flags, nullptr));
  Check(kept.db, sqlite3_exec(kept.db, kPragmas, nullptr, nullptr, nullptr));
  Check(kept.db, sqlite3_exec(kept.db, kSchema, nullptr, nullptr, nullptr));
  for (size_t i = 0; i < kTexts.size(); ++i) {
    Check(kept.db, sqlite3_prepare_v3(kept.db, kTexts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &kept.statements[i], nullptr));
  }
  return kept;
}

void Step(const Kept& kept, size_t statement) {
  Check(kept.db, sqlite3_step(kept.statements[statement]));
  sqlite3_reset(kept.statements[statement]);
}

// Calls `stored` after the first row and `done` while everything is still open.
template <class Stored, class Done>
void Work(const std::string& path, Stored stored, Done done) {
  std::array<Kept, 3> all{Open(path)};
  Step(all[0], 0);
  stored();
  all[1] = Open(path);
  all[2] = Open(path);
  for (int round = 0; round < kRounds; ++round) {
    Step(all[0], 0);
    for (const Kept& kept : all) {
      for (size_t i = 1; i < kTexts.size(); ++i) Step(kept, i);
    }
  }
  done();
  for (const Kept& kept : all) {
    for (sqlite3_stmt* const statement : kept.statements) sqlite3_finalize(statement);
    sqlite3_close(kept.db);
  }
}

#else

struct Profile : roost::profiles::RaspberryPi {
  static constexpr roost::Duration kLinger = std::chrono::hours(1);  // the third stays open
};

void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

void Ask(roost::Lease& lease, const char* text) {
  const absl::StatusOr<roost::Statement*> statement = lease->Prepare(roost::Sql(text));
  Check(statement.status());
  roost::Rows rows = (*statement)->Query();
  rows.Next();
  Check(rows.status());
}

void Store(roost::Pool& pool) {
  absl::StatusOr<roost::Lease> writer = pool.Acquire(roost::kWrite);
  Check(writer.status());
  Check(writer->Run(roost::Sql(kTexts[0])));
}

// Calls `stored` after the first row and `done` while everything is still open.
template <class Stored, class Done>
void Work(const std::string& path, Stored stored, Done done) {
  roost::SqliteBackend backend({.path = path, .schema = kSchema});
  roost::PoolFor<Profile> pool(backend);
  Store(pool);
  stored();
  for (int round = 0; round < kRounds; ++round) {
    Store(pool);
    absl::StatusOr<roost::Lease> writer = pool.Acquire(roost::kWrite);
    absl::StatusOr<roost::Lease> reader = pool.Acquire(roost::kRead);
    absl::StatusOr<roost::Lease> second = pool.Acquire(roost::kRead);
    for (absl::StatusOr<roost::Lease>* const lease : {&writer, &reader, &second}) {
      Check(lease->status());
      for (size_t i = 1; i < kTexts.size(); ++i) Ask(**lease, kTexts[i]);
    }
  }
  done();
}

#endif

std::string Content(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

long Field(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + ":");
  return at == std::string::npos ? -1 : std::stol(text.substr(at + name.size() + 2));
}

// The names of the shared libraries in memory, as a list of JSON.
std::string Libraries() {
  std::istringstream maps(Content("/proc/self/maps"));
  std::string names;
  std::string last;
  for (std::string line; std::getline(maps, line);) {
    const std::string name = line.substr(line.rfind('/') + 1);
    if (name == last || name.find(".so") == std::string::npos) continue;
    names += (names.empty() ? "\"" : ", \"") + name + "\"";
    last = name;
  }
  return names;
}

void PrintSelf(double first_row_us) {
  const std::string memory = Content("/proc/self/smaps_rollup");
  const long threads = Field(Content("/proc/self/status"), "Threads");
  std::printf(
      "{\"first_row_us\": %.1f, \"rss_kib\": %ld, \"private_dirty_kib\": %ld, \"threads\": %ld, "
      "\"libraries\": [%s]}\n",
      first_row_us, Field(memory, "Rss"), Field(memory, "Private_Dirty"), threads,
      Libraries().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) Fail("name a database file that may be made");
  const double start = NowUs();
  double first_row_us = 0;
  Work(
      argv[1], [&] { first_row_us = NowUs() - start; }, [&] { PrintSelf(first_row_us); });
}
