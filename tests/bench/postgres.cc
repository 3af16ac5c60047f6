// tests/bench/postgres.cc - what the pool adds to PostgreSQL: one small SELECT by a kept statement,
// through the pool, by libpq alone and through a pool of mutex and condition over libpq, as
// contestants (see contest.h). A cycle is a connection taken, the statement run, its row read, the
// connection given back. Besides:
//
// bench_postgres --serve   starts a server, prints where it is, and stops it when its standard input ends
//
// All others go to the server that ROOST_BENCH_POSTGRES names: its processes are not in their counts.
#include "roost/postgres.h"

#include <libpq-fe.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "roost/pool.h"
#include "roost/query.h"
#include "tests/bench/contest.h"
#include "tests/bench/plain_pools.h"
#include "tests/support/postgres_server.h"

namespace roost::bench {
namespace {

constexpr char kServer[] = "ROOST_BENCH_POSTGRES";
constexpr char kSchema[] =
    "CREATE TABLE reading(id bigint PRIMARY KEY, level float8);"
    "INSERT INTO reading SELECT n, n / 4.0 FROM generate_series(1, 1000) AS n;"
    "ANALYZE reading; GRANT ALL ON reading TO node";
constexpr Sql kSelect{"SELECT id, level FROM reading WHERE id = $1"};
constexpr int64_t kRows = 1000;

[[noreturn]] void Die(std::string_view why) {
  std::fprintf(stderr, "bench_postgres: %.*s\n", static_cast<int>(why.size()), why.data());
  std::exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

std::string ServerUri() {
  const char* const uri = std::getenv(kServer);
  if (uri == nullptr) Die("ROOST_BENCH_POSTGRES names no server: see bench_postgres --serve");
  return uri;
}

// A row's key, one after the other.
class Keys {
 public:
  int64_t Next() { return key_ = key_ % kRows + 1; }

 private:
  int64_t key_ = 0;
};

struct Reading {
  int64_t id = 0;
  double level = 0;
};

void Check(const Reading& row, int64_t id) {
  if (row.id != id || row.level != static_cast<double>(id) / 4) Die("another row");
}

// ---- libpq alone --------------------------------------------------------------------------------

// As a program that knows libpq well: prepared once, values without a heap call.
class RawConnection {
 public:
  RawConnection() : handle_(PQconnectdb(ServerUri().c_str())) {
    if (PQstatus(handle_) != CONNECTION_OK) Die(PQerrorMessage(handle_));
    const std::string sql(kSelect.text());
    PGresult* const prepared = PQprepare(handle_, "select", sql.c_str(), 1, nullptr);
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK) Die(PQerrorMessage(handle_));
    PQclear(prepared);
  }
  ~RawConnection() { PQfinish(handle_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void Select(int64_t id) {
    std::array<char, 24> text;
    *std::to_chars(text.data(), text.data() + text.size(), id).ptr = '\0';
    const char* const value = text.data();
    PGresult* const rows = PQexecPrepared(handle_, "select", 1, &value, nullptr, nullptr, 0);
    if (PQresultStatus(rows) != PGRES_TUPLES_OK || PQntuples(rows) != 1) {
      Die(PQerrorMessage(handle_));
    }
    Check({.id = Read<int64_t>(rows, 0), .level = Read<double>(rows, 1)}, id);
    PQclear(rows);
  }

 private:
  template <class T>
  static T Read(const PGresult* rows, int column) {
    const char* const text = PQgetvalue(rows, 0, column);
    T value{};
    std::from_chars(text, text + PQgetlength(rows, 0, column), value);
    return value;
  }

  PGconn* const handle_;
};

class SelectRaw {
 public:
  static constexpr const char* kName = "small SELECT, libpq";
  static constexpr const char* kNote = "PQexecPrepared on one connection, without a pool";
  void Cycle() { connection_.Select(keys_.Next()); }

 private:
  RawConnection connection_;
  Keys keys_;
};

// ---- with several threads: whoever takes does the whole of a cycle, so that its wait is all of it ----

// `Pool` has Select(id), for every thread.
template <class Pool>
class Selecting {
 public:
  using Lease = int64_t;
  Lease Take() {
    static thread_local Keys keys;
    const int64_t id = keys.Next();
    pool_.Select(id);
    return id;
  }
  void Give(Lease /*id*/) {}

 private:
  Pool pool_;
};

// As people write it: mutex, condition, and a PGconn in each place.
class PlainPool {
 public:
  void Select(int64_t id) {
    const int slot = pool_.Take(std::chrono::steady_clock::now() + std::chrono::seconds(30));
    if (slot == kLate) Die("no connection came free");
    connections_[static_cast<size_t>(slot)].Select(id);
    pool_.Give(slot);
  }

 private:
  BargingPool<true> pool_{kConnections};
  std::array<RawConnection, kConnections> connections_;
};

class SelectPlain : public Selecting<PlainPool> {
 public:
  static constexpr const char* kName = "small SELECT, mutex + condvar over libpq";
  static constexpr const char* kNote = "3 connections, PQexecPrepared";
};

// ---- ours ---------------------------------------------------------------------------------------

template <class P>
class RoostPool {
 public:
  void Select(int64_t id) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kRead, pool_.In(std::chrono::seconds(10)));
    if (!lease.ok()) Check(lease.status());
    if constexpr (P::kRowByRow) {
      absl::StatusOr<Statement*> statement = (*lease)->Prepare(kSelect);
      if (!statement.ok()) Check(statement.status());
      Rows rows = (*statement)->Query(id);
      if (!rows.Next()) Die("no row: " + rows.status().ToString());
      Check(rows.As<Reading>(), id);
    } else {
      const absl::StatusOr<Reading> row = QueryOne<Reading>(*lease, kSelect, id);
      if (!row.ok()) Check(row.status());
      Check(*row, id);
    }
  }

 private:
  PostgresBackend backend_{{.uri = ServerUri()}};
  PoolFor<P> pool_{backend_};
};

// What a node has, but that callers open.
struct OfTheRemote : profiles::RaspberryPiRemote {
  static constexpr const char* kContestant = "small SELECT, pool";
  static constexpr const char* kNote = "profile raspberry_pi_remote: acquire, QueryOne, return";
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
  static constexpr bool kRowByRow = false;
};
// Without a lock at a lease.
struct WithoutDuties : OfTheRemote {
  static constexpr const char* kContestant = "small SELECT, pool without pings and hold times";
  static constexpr const char* kNote = "kPrePing = kNever, kHoldTimes = false";
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr bool kHoldTimes = false;
};
struct RowByRow : WithoutDuties {
  static constexpr const char* kContestant = "small SELECT, pool, Rows";
  static constexpr const char* kNote = "the same by Query and Next: any number of rows";
  static constexpr bool kRowByRow = true;
};
struct Three : OfTheRemote {
  static constexpr const char* kContestant = "small SELECT, pool of 3";
  static constexpr const char* kNote = "profile raspberry_pi_remote with 3 + 0 connections";
  static constexpr int kPoolSize = 3;
  static constexpr int kMaxOverflow = 0;
};

template <class P>
class SelectAlone {
 public:
  static constexpr const char* kName = P::kContestant;
  static constexpr const char* kNote = P::kNote;
  void Cycle() { pool_.Select(keys_.Next()); }

 private:
  RoostPool<P> pool_;
  Keys keys_;
};

template <class P>
class SelectTogether : public Selecting<RoostPool<P>> {
 public:
  static constexpr const char* kName = P::kContestant;
  static constexpr const char* kNote = P::kNote;
};

// ---- the program --------------------------------------------------------------------------------

int Serve() {
  const support::PostgresServer server({.script = kSchema});
  std::printf("%s\n", server.Uri("sslmode=disable").c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--serve") == 0) return Serve();
  return ContestMain(argc, argv,
                     EntriesOf<SelectRaw, SelectAlone<OfTheRemote>, SelectAlone<WithoutDuties>,
                               SelectAlone<RowByRow>, SelectPlain, SelectTogether<Three>>());
}

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) { return roost::bench::Main(argc, argv); }
