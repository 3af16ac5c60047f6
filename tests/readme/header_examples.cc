// The examples in the first comments of the public headers: compiled, never linked. docs_test.py
// compares each with its header, without regard to white space.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "roost/async.h"
#include "roost/housekeeper.h"
#include "roost/mysql.h"
#include "roost/next_step.h"
#include "roost/outbox.h"
#include "roost/outbox_server.h"
#include "roost/pool.h"
#include "roost/postgres.h"
#include "roost/query.h"
#include "roost/selected_profile.h"
#include "roost/settings.h"
#include "roost/sqlite.h"
#include "roost/sqlite_backup.h"
#include "roost/sqlite_memory.h"
#include "roost/status.h"
#include "roost/transaction.h"
#include "roost/version.h"

using namespace std::chrono_literals;

// [version.h]
static_assert(ROOST_VERSION >= 1000, "this firmware needs roostpool 0.1");
// [version.h]

namespace examples {

roost::Deadline Deadlines(roost::Platform& platform) {
  // [deadline.h]
  roost::Deadline by = roost::Deadline::At(platform.Now() + 50ms);
  // [deadline.h]
  return by;
}

struct Loop {};
void RingTheLoop(void* loop);
void OnDone(void* self);

struct Sensor {
  void Ask(Loop& loop, roost::Pool& pool, roost::Platform& platform) {
    roost::TimePoint next;
    // clang-format off
    // [async.h]
    roost::AcquireQueue queue({.function = RingTheLoop, .context = &loop});
    roost::PendingAcquire pending;
    if (pending.Start(queue, pool, {.deadline = pool.In(100ms)}, OnDone, this)) OnDone(this);
    next = queue.Run(platform.Now());  // in the loop, when rung or due
    // [async.h]
    // clang-format on
    static_cast<void>(next);
  }
};

void MakeOutbox(Loop& loop, roost::Pool& local, roost::Pool& remote,
                const roost::OutboxSource& source, int64_t epoch) {
  // clang-format off
  // [outbox_server.h]
  roost::outbox::PoolServer server(
      remote, {.function = RingTheLoop, .context = &loop},
      {.node = "hive-1", .token_file = "/etc/roost/token", .epoch = epoch, .sqlstate = &roost::PostgresSqlState});
  roost::Outbox outbox(local, server, source, {.epoch = epoch});
  // [outbox_server.h]
  // clang-format on
}

struct Reading {
  std::string_view node;
  roost::Micros taken;
  double level;
};

struct Kept {
  void DropOldest();
  void Add(const Reading& reading);
};

void WhatNext(const absl::Status& stored, Kept& kept, const Reading& reading) {
  // [next_step.h]
  const roost::Advice advice = roost::NextStep(stored);
  if (advice == roost::Advice::kShed) kept.DropOldest();
  if (advice != roost::Advice::kOk) kept.Add(reading);
  // [next_step.h]
}

double QueryTheLast(absl::StatusOr<roost::Lease>& lease, std::string_view node) {
  constexpr roost::Sql kCount{"SELECT count(*) FROM reading WHERE node = $1"};
  constexpr roost::Sql kLast{"SELECT taken, level FROM reading WHERE node = $1 LIMIT 1"};
  struct Level {
    int64_t taken;
    double level;
  };
  // [query.h]
  const absl::StatusOr<int64_t> stored = roost::QueryOne<int64_t>(*lease, kCount, node);
  const absl::StatusOr<Level> last = roost::QueryOne<Level>(*lease, kLast, node);
  // [query.h]
  return stored.ok() && last.ok() ? last->level : 0;
}

absl::Status StoreAll(roost::Lease& lease, std::span<const Reading> readings) {
  constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2, $3)"};
  // [many rows]
  return lease.RunAll(kInsert, readings);  // all or nothing, 500 rows to a round trip
  // [many rows]
}

absl::Status Move(roost::Pool& pool, int amount, int from, int to) {
  constexpr roost::Sql kTake{"UPDATE tank SET litres = litres - $1 WHERE id = $2"};
  constexpr roost::Sql kGive{"UPDATE tank SET litres = litres + $1 WHERE id = $2"};
  // [transaction.h]
  const absl::Status moved = roost::RunInTransaction(
      pool, roost::kWrite, pool.In(2s), [&](roost::Connection& connection) -> absl::Status {
        absl::Status status = connection.Run(kTake, amount, from);
        if (!status.ok()) return status;
        return connection.Run(kGive, amount, to);
      });
  // [transaction.h]
  return moved;
}

absl::Status Connections(absl::StatusOr<roost::Lease>& lease, std::span<const Reading> readings) {
  constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2, $3)"};
  // [connection.h]
  absl::StatusOr<roost::Transaction> batch = lease->Begin(roost::Durability::kSealed);
  if (!batch.ok()) return batch.status();
  for (const Reading& r : readings) {
    absl::Status stored = lease->Run(kInsert, r.node, r.taken, r.level);
    if (!stored.ok()) return stored;
  }
  return batch->Commit();
  // [connection.h]
}

void Keep(roost::Pool& local, roost::Pool& remote) {
  // clang-format off
  // [housekeeper.h]
  roost::Housekeeper keeper;
  keeper.Add(local); keeper.Add(remote);
  keeper.Start();
  // [housekeeper.h]
  // clang-format on
}

absl::Status Leases(roost::Pool& pool, std::string_view node, roost::Micros taken, double level) {
  constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2, $3)"};
  // [lease.h]
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(50ms));
  if (!lease.ok()) return lease.status();
  return lease->Run(kInsert, node, taken, level);
  // [lease.h]
}

namespace observer {
extern roost::Backend& backend;
// [observer.h]
struct Counter : roost::Observer {
  void OnEvent(const roost::Event& event) override {
    if (event.kind == roost::EventKind::kTimeout) ++timeouts;
  }
  std::atomic<int> timeouts = 0;
};
struct Node : roost::profiles::RaspberryPi {
  static constexpr const char* kName = "node";
  static constexpr bool kWatchStatements = true;
  static constexpr roost::Duration kSlowStatement = 50ms;
};
Counter counter;
roost::EchoStatements echo;
roost::PoolFor<Node> pool(backend, {.observer = &counter, .statement_observer = &echo});
// [observer.h]
}  // namespace observer

absl::Status SendOn(roost::Pool& pool, roost::OutboxServer& server, roost::Platform& platform,
                    int64_t epoch, const std::atomic<bool>& stopped) {
  // clang-format off
  // [outbox.h]
  constexpr roost::Sql kRows{"SELECT seq, epoch, t, 0, name, unit, value FROM reading "
                             "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"};
  constexpr roost::Sql kNewest{"SELECT max(seq) FROM reading"};
  roost::Outbox outbox(pool, server, {.rows = kRows, .newest = kNewest}, {.epoch = epoch});
  if (absl::Status status = outbox.Start(pool.In(10s)); !status.ok()) return status;
  while (!stopped) {
    const roost::TimePoint next = outbox.Turn(platform.Now());
    std::array<roost::DescriptorWait, 8> waits;
    const size_t count = std::min(outbox.Descriptors(waits), waits.size());
    platform.WaitForDescriptors(std::span(waits).first(count), roost::Deadline::At(next));
  }
  return outbox.Drain(pool.In(2s));
  // [outbox.h]
  // clang-format on
}

void Pools() {
  // [pool.h]
  roost::SqliteBackend backend({.path = "/var/lib/node/readings.db"});
  roost::PoolFor<roost::profiles::RaspberryPi> pool(backend);
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(50ms));
  // [pool.h]
}

void Postgres() {
  // [postgres.h]
  roost::PostgresBackend backend({.uri = "postgresql://node7@db.example.org/farm"});
  roost::PoolFor<roost::profiles::RaspberryPiRemote> pool(backend);
  // [postgres.h]
}

void Mysql() {
  // [mysql.h]
  roost::MysqlBackend backend({.uri = "mysql://node7@db.example.org/farm"});
  roost::PoolFor<roost::profiles::RaspberryPiRemote> pool(backend);
  // [mysql.h]
}

namespace profile {
extern roost::Backend& backend;
// [profile.h]
struct Node : roost::profiles::RaspberryPi {
  static constexpr const char* kName = "node";
  static constexpr int kMaxOverflow = 2;
};
roost::PoolFor<Node> pool(backend);
// [profile.h]
}  // namespace profile

void Log(std::string_view text);

void Settings(roost::Pool& pool) {
  // [settings.h]
  std::array<char, roost::kDescriptionBytes> buffer;
  Log(roost::Describe(pool.settings(), buffer));
  // [settings.h]
}

void Selected(roost::Backend& backend) {
  // [selected_profile.h]
  roost::PoolFor<roost::SelectedProfile> pool(backend);
  // [selected_profile.h]
}

void Sqlite() {
  // clang-format off
  // [sqlite.h]
  roost::SqliteBackend backend({.path = "/var/lib/node/readings.db",
                                .schema = "CREATE TABLE IF NOT EXISTS reading(...)"});
  // [sqlite.h]
  // clang-format on
}

void Warn(const absl::Status& status);

void Copy(roost::Pool& pool) {
  // [sqlite_backup.h]
  const absl::Status copied = roost::Backup(pool, "/media/stick/copy.db", pool.In(60s));
  // [sqlite_backup.h]
  if (!copied.ok()) Warn(copied);
}

void Memory() {
  // [sqlite_memory.h]
  static roost::SqliteMemoryFor<roost::SelectedProfile> memory;
  if (!memory.status().ok()) Warn(memory.status());
  // [sqlite_memory.h]
}

void Show(std::string_view name, std::string_view unit, uint64_t value);

void Metrics(roost::Pool& pool) {
  // [stats.h]
  const roost::Stats stats = pool.stats();
  roost::ForEachMetric(stats, [](const roost::Metric& metric, const auto& member) {
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(member)>>) {
      Show(metric.name, metric.unit, static_cast<uint64_t>(member));
    }
  });
  // [stats.h]
}

void Visible(roost::Backend& backend) {
  // clang-format off
  // [status.h]
  roost::StatusServer status({.name = "greenhouse"});
  roost::PoolFor<roost::profiles::RaspberryPi> watched(backend, {.observer = &status});
  status.Add(watched);
  roost::Housekeeper watchman;
  watchman.Add(watched); watchman.Add(status);
  watchman.Start();
  // [status.h]
  // clang-format on
}

void Show(std::string_view node, double level);

absl::Status Statements(absl::StatusOr<roost::Lease>& lease) {
  // [statement.h]
  constexpr roost::Sql kLouder{"SELECT node, level FROM reading WHERE level > $1"};
  absl::StatusOr<roost::Statement*> louder = lease->Prepare(kLouder);
  if (!louder.ok()) return louder.status();
  roost::Rows rows = (*louder)->Query(60.0);
  while (rows.Next()) Show(rows.Get<std::string_view>(0), rows.Get<double>(1));
  return rows.status();
  // [statement.h]
}

}  // namespace examples
