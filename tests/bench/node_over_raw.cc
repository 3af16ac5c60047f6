// The same few statements through three SQLite connections: as raw handles, or through a pool,
// which keeps its connections and statements in itself. What a program with a pool takes more is
// what node_memory.py prints.
//
// Built twice: with ROOST_RAW=1 nothing of roostpool is in it. Prints its resident and private dirty
// memory in KiB, its threads, and its shared libraries.
#include <sqlite3.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>
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
  std::cerr << "node_over_raw: " << what << "\n";
  std::exit(1);
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

template <class Then>
void Work(const std::string& path, Then then) {
  std::array<Kept, 3> all{Open(path), Open(path), Open(path)};
  for (int round = 0; round < kRounds; ++round) {
    for (Kept& kept : all) {
      for (size_t i = &kept == &all[0] ? 0 : 1; i < kTexts.size(); ++i) {
        Check(kept.db, sqlite3_step(kept.statements[i]));
        sqlite3_reset(kept.statements[i]);
      }
    }
  }
  then();
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

template <class Then>
void Work(const std::string& path, Then then) {
  roost::SqliteBackend backend({.path = path, .schema = kSchema});
  roost::PoolFor<Profile> pool(backend);
  for (int round = 0; round < kRounds; ++round) {
    absl::StatusOr<roost::Lease> writer = pool.Acquire(roost::kWrite);
    Check(writer.status());
    Check(writer->Run(roost::Sql(kTexts[0])));
    absl::StatusOr<roost::Lease> reader = pool.Acquire(roost::kRead);
    absl::StatusOr<roost::Lease> second = pool.Acquire(roost::kRead);
    for (absl::StatusOr<roost::Lease>* const lease : {&writer, &reader, &second}) {
      Check(lease->status());
      for (size_t i = 1; i < kTexts.size(); ++i) Ask(**lease, kTexts[i]);
    }
  }
  then();
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

void PrintLibraries() {
  std::istringstream maps(Content("/proc/self/maps"));
  std::string last;
  for (std::string line; std::getline(maps, line);) {
    const std::string name = line.substr(line.rfind('/') + 1);
    if (name == last || name.find(".so") == std::string::npos) continue;
    std::cout << "library " << name << "\n";
    last = name;
  }
}

void PrintSelf() {
  const std::string memory = Content("/proc/self/smaps_rollup");
  std::cout << "rss_kib " << Field(memory, "Rss") << "\nprivate_dirty_kib "
            << Field(memory, "Private_Dirty") << "\nthreads "
            << Field(Content("/proc/self/status"), "Threads") << "\n";
  PrintLibraries();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) Fail("name a database file that may be made");
  // What any program of C++ has touched before: streams, texts, numbers.
  std::cout << "began_with_kib " << Field(Content("/proc/self/smaps_rollup"), "Rss") << std::endl;
  Work(argv[1], PrintSelf);
}
