// tests/bench/writer_gate.cc - how long writers wait: in the pool's wait queue, and on
// sqlite3_busy_timeout.
//
// Three threads write transactions of five rows and three read, first through a pool of the profile
// raspberry_pi, then with a connection each and sqlite3_busy_timeout, as is common. Both hold the
// write lock for the same time. Ends with 1 when a BUSY, an aborted transaction or a missed
// deadline ever reached a caller of the pool.
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "roost/platform.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace std::chrono_literals;
using roost::Deadline;
using roost::Duration;
using roost::TimePoint;

constexpr int kThreads = 3;
constexpr int kRows = 5;
constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, node INTEGER, level REAL)";
constexpr roost::Sql kInsert{"INSERT INTO reading(node, level) VALUES ($1, $2)"};
constexpr roost::Sql kLatest{"SELECT node, level FROM reading ORDER BY id DESC LIMIT 60"};

struct Options {
  std::chrono::seconds seconds{10};  // for each side
  std::chrono::microseconds hold{2000};
  std::chrono::microseconds pause{200};  // of a writer between two transactions
  bool json = false;
};

// What one thread saw.
struct Seen {
  int64_t done = 0;
  int64_t busy = 0;    // BUSY, aborted, deadline
  int64_t failed = 0;  // anything else
  std::string error;   // the first
  std::vector<Duration> waits;
  void Note(const absl::Status& status) {
    if (status.ok()) {
      ++done;
      return;
    }
    const bool was_busy = absl::IsAborted(status) || absl::IsDeadlineExceeded(status) ||
                          (roost::SqliteCode(status) & 0xFF) == SQLITE_BUSY;
    ++(was_busy ? busy : failed);
    if (error.empty()) error = status.ToString();
  }
};

struct Side {
  const char* name;
  std::vector<Seen> writers = std::vector<Seen>(kThreads);
  std::vector<Seen> readers = std::vector<Seen>(kThreads);

  int64_t Sum(const std::vector<Seen>& all, int64_t Seen::*count) const {
    int64_t sum = 0;
    for (const Seen& seen : all) sum += seen.*count;
    return sum;
  }
  int64_t busy() const { return Sum(writers, &Seen::busy) + Sum(readers, &Seen::busy); }
  int64_t failed() const { return Sum(writers, &Seen::failed) + Sum(readers, &Seen::failed); }
  std::vector<Duration> SortedWaits() const {
    std::vector<Duration> waits;
    for (const Seen& seen : writers) {
      waits.insert(waits.end(), seen.waits.begin(), seen.waits.end());
    }
    std::sort(waits.begin(), waits.end());
    return waits;
  }
};

double Milliseconds(Duration span) {
  return std::chrono::duration<double, std::milli>(span).count();
}

double Percentile(const std::vector<Duration>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
  return Milliseconds(sorted[index]);
}

TimePoint Now() { return roost::NativePlatform().Now(); }

// Runs `write` and `read` in three threads each until the time is over.
void RunThreads(const Options& options, Side& side, const std::function<void(int, Seen&)>& write,
                const std::function<void(int, Seen&)>& read) {
  const TimePoint end = Now() + options.seconds;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    Seen& written = side.writers[static_cast<size_t>(i)];
    Seen& seen = side.readers[static_cast<size_t>(i)];
    threads.emplace_back([&, i] {
      while (Now() < end) {
        write(i, written);
        std::this_thread::sleep_for(options.pause);
      }
    });
    threads.emplace_back([&, i] {
      while (Now() < end) {
        read(i, seen);
        std::this_thread::sleep_for(1ms);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// ---- through the pool ---------------------------------------------------------------------------

absl::Status WriteThrough(roost::Pool& pool, const Options& options, int node, Seen& seen) {
  const TimePoint asked = Now();
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(30s));
  if (!lease.ok()) return lease.status();
  absl::StatusOr<roost::Transaction> batch = (*lease)->Begin();
  if (!batch.ok()) return batch.status();
  seen.waits.push_back(Now() - asked);
  for (int i = 0; i < kRows; ++i) {
    absl::Status status = (*lease)->Run(kInsert, node, 60.0 + i);
    if (!status.ok()) return status;
  }
  std::this_thread::sleep_for(options.hold);
  return batch->Commit();
}

absl::Status ReadThrough(roost::Pool& pool) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kRead, pool.In(30s));
  if (!lease.ok()) return lease.status();
  absl::StatusOr<roost::Statement*> latest = (*lease)->Prepare(kLatest);
  if (!latest.ok()) return latest.status();
  roost::Rows rows = (*latest)->Query();
  while (rows.Next()) rows.Get<double>(1);
  return rows.status();
}

Side RunPool(const Options& options, const std::string& path) {
  Side side{"pool (raspberry_pi)"};
  roost::SqliteBackend backend({.path = path, .schema = kSchema});
  roost::PoolFor<roost::profiles::RaspberryPi> pool(backend);
  // The other side opens its connections before the clock runs, too.
  const absl::Status filled = pool.Fill(2, pool.In(10s));
  if (!filled.ok()) side.writers[0].Note(filled);
  RunThreads(
      options, side,
      [&](int node, Seen& seen) { seen.Note(WriteThrough(pool, options, node, seen)); },
      [&](int, Seen& seen) { seen.Note(ReadThrough(pool)); });
  const absl::Status closed = pool.Close(pool.In(10s));
  if (!closed.ok()) side.writers[0].Note(closed);
  return side;
}

// ---- with sqlite3_busy_timeout ------------------------------------------------------------------

class Raw {
 public:
  explicit Raw(const std::string& path) {
    Check(sqlite3_open_v2(path.c_str(), &db_,
                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                          nullptr));
    sqlite3_busy_timeout(db_, 30'000);
    Check(sqlite3_exec(db_, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", nullptr, nullptr,
                       nullptr));
    Check(sqlite3_exec(db_, kSchema, nullptr, nullptr, nullptr));
    begin_ = Prepare("BEGIN IMMEDIATE");
    insert_ = Prepare(kInsert.text().data());
    commit_ = Prepare("COMMIT");
    rollback_ = Prepare("ROLLBACK");
    latest_ = Prepare(kLatest.text().data());
  }
  ~Raw() {
    for (sqlite3_stmt* statement : {begin_, insert_, commit_, rollback_, latest_}) {
      sqlite3_finalize(statement);
    }
    sqlite3_close(db_);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  absl::Status Write(const Options& options, int node, Seen& seen) {
    const TimePoint asked = Now();
    int code = Step(begin_);
    if (code != SQLITE_DONE) return Status(code);
    seen.waits.push_back(Now() - asked);
    for (int i = 0; i < kRows && code == SQLITE_DONE; ++i) {
      sqlite3_bind_int(insert_, 1, node);
      sqlite3_bind_double(insert_, 2, 60.0 + i);
      code = Step(insert_);
    }
    std::this_thread::sleep_for(options.hold);
    if (code == SQLITE_DONE) code = Step(commit_);
    if (code != SQLITE_DONE) Step(rollback_);
    return Status(code);
  }
  absl::Status Read() { return Status(Step(latest_)); }

 private:
  sqlite3_stmt* Prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
    return statement;
  }
  // Reads to the end.
  static int Step(sqlite3_stmt* statement) {
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code;
  }
  static absl::Status Status(int code) {
    if (code == SQLITE_DONE) return absl::OkStatus();
    return (code & 0xFF) == SQLITE_BUSY ? absl::AbortedError("SQLITE_BUSY")
                                        : absl::UnavailableError(sqlite3_errstr(code));
  }
  void Check(int code) {
    if (code == SQLITE_OK) return;
    std::fprintf(stderr, "writer_gate: %s\n", sqlite3_errmsg(db_));
    std::exit(1);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* begin_;
  sqlite3_stmt* insert_;
  sqlite3_stmt* commit_;
  sqlite3_stmt* rollback_;
  sqlite3_stmt* latest_;
};

Side RunBusyTimeout(const Options& options, const std::string& path) {
  Side side{"sqlite3_busy_timeout"};
  std::vector<std::unique_ptr<Raw>> writers;
  std::vector<std::unique_ptr<Raw>> readers;
  for (int i = 0; i < kThreads; ++i) {
    writers.push_back(std::make_unique<Raw>(path));
    readers.push_back(std::make_unique<Raw>(path));
  }
  RunThreads(
      options, side,
      [&](int node, Seen& seen) {
        seen.Note(writers[static_cast<size_t>(node)]->Write(options, node, seen));
      },
      [&](int node, Seen& seen) { seen.Note(readers[static_cast<size_t>(node)]->Read()); });
  return side;
}

// ---- what was seen ------------------------------------------------------------------------------

double WorstWait(const Side& side) { return Percentile(side.SortedWaits(), 1); }

double Ratio(const Side& pool, const Side& raw) {
  const double worst = WorstWait(pool);
  return worst > 0 ? WorstWait(raw) / worst : 0;
}

void PrintRow(const Side& side) {
  const std::vector<Duration> waits = side.SortedWaits();
  std::string each;
  for (const Seen& seen : side.writers) {
    each += (each.empty() ? "" : "/") + std::to_string(seen.done);
  }
  std::printf("%-22s %8lld %18s %8lld %8.2f %8.2f %9.2f %6lld %7lld\n", side.name,
              static_cast<long long>(side.Sum(side.writers, &Seen::done)), each.c_str(),
              static_cast<long long>(side.Sum(side.readers, &Seen::done)), Percentile(waits, 0.5),
              Percentile(waits, 0.99), Percentile(waits, 1), static_cast<long long>(side.busy()),
              static_cast<long long>(side.failed()));
}

void PrintTable(const Options& options, const Side& pool, const Side& raw) {
  std::printf("%d writers of %d rows, lock held %.1f ms, pause %.1f ms, %d readers, %lld s each\n",
              kThreads, kRows, Milliseconds(options.hold), Milliseconds(options.pause), kThreads,
              static_cast<long long>(options.seconds.count()));
  std::printf("%-22s %8s %18s %8s %8s %8s %9s %6s %7s\n", "", "writes", "of each thread", "reads",
              "p50 ms", "p99 ms", "worst ms", "busy", "failed");
  PrintRow(pool);
  PrintRow(raw);
  std::printf("the worst wait in the pool is %.1f times shorter\n", Ratio(pool, raw));
}

void PrintJsonSide(const char* key, const Side& side) {
  const std::vector<Duration> waits = side.SortedWaits();
  std::printf(
      "\"%s\": {\"writes\": %lld, \"reads\": %lld, \"wait_ms\": {\"p50\": %.3f, \"p99\": "
      "%.3f, \"max\": %.3f}, \"busy\": %lld, \"failed\": %lld}",
      key, static_cast<long long>(side.Sum(side.writers, &Seen::done)),
      static_cast<long long>(side.Sum(side.readers, &Seen::done)), Percentile(waits, 0.5),
      Percentile(waits, 0.99), Percentile(waits, 1), static_cast<long long>(side.busy()),
      static_cast<long long>(side.failed()));
}

void PrintJson(const Options& options, const Side& pool, const Side& raw) {
  std::printf("{\"seconds\": %lld, \"hold_us\": %lld, ",
              static_cast<long long>(options.seconds.count()),
              static_cast<long long>(options.hold.count()));
  PrintJsonSide("pool", pool);
  std::printf(", ");
  PrintJsonSide("busy_timeout", raw);
  std::printf(", \"worst_wait_ratio\": %.2f}\n", Ratio(pool, raw));
}

[[noreturn]] void Usage(const char* wrong) {
  std::fprintf(
      stderr,
      "writer_gate: %s\n"
      "usage: writer_gate [--seconds N] [--hold-us N] [--pause-us N] [--json]\n"
      "  --seconds N   how long each side runs, 1 to 3600 (10)\n"
      "  --hold-us N   how long a transaction holds the lock beside its rows, 0 to 1000000 "
      "(2000)\n"
      "  --pause-us N  how long a writer pauses between two transactions, 0 to 1000000 (200)\n"
      "  --json        one object instead of the table\n",
      wrong);
  std::exit(2);
}

int64_t Number(const char* flag, const char* text, int64_t least, int64_t most) {
  if (text == nullptr) Usage((std::string(flag) + " needs a number").c_str());
  char* end = nullptr;
  const int64_t number = std::strtoll(text, &end, 10);
  if (*text == '\0' || *end != '\0' || number < least || number > most) {
    Usage((std::string(flag) + " " + text + ": expected a number from " + std::to_string(least) +
           " to " + std::to_string(most))
              .c_str());
  }
  return number;
}

Options Parse(char** argv) {
  Options options;
  while (const char* const flag = *++argv) {
    if (std::strcmp(flag, "--seconds") == 0) {
      options.seconds = std::chrono::seconds(Number(flag, argv[1], 1, 3600));
      ++argv;
    } else if (std::strcmp(flag, "--hold-us") == 0) {
      options.hold = std::chrono::microseconds(Number(flag, argv[1], 0, 1'000'000));
      ++argv;
    } else if (std::strcmp(flag, "--pause-us") == 0) {
      options.pause = std::chrono::microseconds(Number(flag, argv[1], 0, 1'000'000));
      ++argv;
    } else if (std::strcmp(flag, "--json") == 0) {
      options.json = true;
    } else {
      Usage((std::string("unknown flag ") + flag).c_str());
    }
  }
  return options;
}

}  // namespace

int main(int, char** argv) {
  const Options options = Parse(argv);
  const roost::support::TempDir folder;
  const Side pool = RunPool(options, folder.File("pool.db"));
  const Side raw = RunBusyTimeout(options, folder.File("raw.db"));
  options.json ? PrintJson(options, pool, raw) : PrintTable(options, pool, raw);
  const bool good = pool.busy() == 0 && pool.failed() == 0;
  for (const std::vector<Seen>* side : {&pool.writers, &pool.readers}) {
    for (const Seen& seen : *side) {
      if (!seen.error.empty()) std::fprintf(stderr, "writer_gate: %s\n", seen.error.c_str());
    }
  }
  return good ? 0 : 1;
}
