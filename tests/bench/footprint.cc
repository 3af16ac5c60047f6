// footprint - a small node, with the pool (ROOST_FOOTPRINT_POOL) or with three raw handles: what
// each takes of memory, and how long until the first row is stored.
//
// Usage: footprint DATABASE     prints one line of JSON
//
// Both store and read by kept statements on one connection that writes and two that read.
#include <sqlite3.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

#ifdef ROOST_FOOTPRINT_POOL
#include "roost/pool.h"
#include "roost/sqlite.h"
#endif

namespace {

constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, node TEXT, level_db REAL)";
constexpr char kInsert[] = "INSERT INTO reading(node, level_db) VALUES ($1, $2)";
constexpr char kLatest[] = "SELECT node, level_db FROM reading ORDER BY id DESC LIMIT 60";
constexpr int kRounds = 200;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

void Require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "footprint: %s failed\n", what);
  std::exit(1);
}

#ifdef ROOST_FOOTPRINT_POOL

class Node {
 public:
  explicit Node(const std::string& path)
      : backend_({.path = path, .schema = kSchema}), pool_(backend_) {}
  void Store() {
    absl::StatusOr<roost::Lease> lease = pool_.Acquire();
    Require(lease.ok() && lease->Run(roost::Sql{kInsert}, "node-17", 61.5).ok(), "storing");
  }
  void Read() {
    absl::StatusOr<roost::Lease> one = pool_.Acquire(roost::kRead);
    Require(one.ok() && one->Run(roost::Sql{kLatest}).ok(), "reading");
    absl::StatusOr<roost::Lease> two = pool_.Acquire(roost::kRead);
    Require(two.ok() && two->Run(roost::Sql{kLatest}).ok(), "reading");
  }

 private:
  roost::SqliteBackend backend_;
  roost::PoolFor<roost::profiles::RaspberryPi> pool_;
};

#else

class Handle {
 public:
  Handle(const std::string& path, const char* sql) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    Require(sqlite3_open_v2(path.c_str(), &db_, kFlags, nullptr) == SQLITE_OK, "opening");
    Run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-256");
    Run(kSchema);
    Require(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) ==
                SQLITE_OK,
            "preparing");
  }
  ~Handle() {
    sqlite3_finalize(statement_);
    sqlite3_close(db_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void Step() {
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) code = sqlite3_step(statement_);
    Require(code == SQLITE_DONE, "a statement");
    sqlite3_reset(statement_);
  }
  sqlite3_stmt* statement() const { return statement_; }

 private:
  void Run(const char* sql) {
    Require(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK, sql);
  }
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

class Node {
 public:
  explicit Node(const std::string& path)
      : writer_(path, kInsert), one_(path, kLatest), two_(path, kLatest) {}
  void Store() {
    sqlite3_bind_text(writer_.statement(), 1, "node-17", -1, SQLITE_STATIC);
    sqlite3_bind_double(writer_.statement(), 2, 61.5);
    writer_.Step();
  }
  void Read() {
    one_.Step();
    two_.Step();
  }

 private:
  Handle writer_;
  Handle one_;
  Handle two_;
};

#endif

// A figure of /proc/self/FILE, in its own unit.
int64_t Figure(const char* file, const std::string& name) {
  std::ifstream lines(std::string("/proc/self/") + file);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::atoll(line.c_str() + name.size() + 1);
  }
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  Require(argc == 2, "the arguments (one: DATABASE)");
  const int64_t start = Now();
  Node node(argv[1]);
  node.Store();
  const int64_t first = Now() - start;
  for (int i = 0; i < kRounds; ++i) {
    node.Store();
    node.Read();
  }
  std::printf(
      "{\"first_row_us\": %.1f, \"rss_kib\": %lld, \"private_dirty_kib\": %lld, \"threads\": "
      "%lld}\n",
      static_cast<double>(first) * 1e-3, static_cast<long long>(Figure("smaps_rollup", "Rss")),
      static_cast<long long>(Figure("smaps_rollup", "Private_Dirty")),
      static_cast<long long>(Figure("status", "Threads")));
  return 0;
}
