// tests/outbox/world.h - a node and a server: the application's table in memory or on a simulated card, an
// outbox, a scripted server, a clock that is turned by hand.
#ifndef ROOST_TESTS_OUTBOX_WORLD_H_
#define ROOST_TESTS_OUTBOX_WORLD_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roost/outbox.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/fakes/fake_platform.h"
#include "tests/outbox/scripted_server.h"
#include "tests/support/power_cut_disk.h"

namespace roost::outbox {

using namespace std::chrono_literals;

inline constexpr Sql kRows{
    "SELECT seq, epoch, time, clock, name, unit, value FROM reading "
    "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"};
inline constexpr Sql kNewest{"SELECT max(seq) FROM reading"};
inline constexpr char kReading[] =
    "CREATE TABLE IF NOT EXISTS reading(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, "
    "time INTEGER, clock INTEGER NOT NULL, name TEXT, unit TEXT, value);";

class World {
 public:
  explicit World(OutboxOptions options = {}, std::string path = ":memory:", std::string vfs = {})
      : options_(options),
        backend_({.path = path,
                  .schema = std::string(kReading) + kOutboxSchema,
                  .checkpoint_pages = 12,
                  .vfs = vfs}),
        pool_(std::make_unique<PoolFor<profiles::RaspberryPi>>(backend_,
                                                               PoolOptions{.platform = &platform})),
        server(platform) {
    if (options_.epoch == 0) options_.epoch = 1;
    if (options_.seed == 0) options_.seed = 1;
    options_.on_event = {.function =
                             [](void* self, const OutboxEvent& event) {
                               static_cast<World*>(self)->events.push_back(event);
                             },
                         .context = this};
    Restart(options_.epoch);
  }
  ~World() { EXPECT_EQ(server.breaches, ""); }

  // A new process of the node.
  void Restart(int64_t epoch) {
    options_.epoch = epoch;
    outbox.reset();
    server.Disconnect();
    server.Forget();
    outbox = std::make_unique<Outbox>(
        *pool_, server, OutboxSource{.rows = kRows, .newest = kNewest}, options_, platform);
    const absl::Status started = outbox->Start(pool_->In(10s));
    EXPECT_TRUE(started.ok()) << started;
  }
  OutboxOptions& options() { return options_; }
  Pool& pool() { return *pool_; }

  // Seals `count` rows of the present epoch; their values are their numbers. `step`: numbers left out.
  void Take(int count, int64_t step = 1, int clock = 0) {
    absl::StatusOr<Lease> lease = pool_->Acquire(kWrite, pool_->In(10s));
    ASSERT_TRUE(lease.ok()) << lease.status();
    absl::StatusOr<Transaction> batch = lease->Begin(Durability::kSealed);
    ASSERT_TRUE(batch.ok()) << batch.status();
    for (int i = 0; i < count; ++i, next_seq += step) {
      const absl::Status stored =
          lease->Run(kInsert, next_seq, options_.epoch, platform.UnixMicros(), clock,
                     next_seq % 2 == 0 ? "level" : "flow", "mm", static_cast<double>(next_seq));
      ASSERT_TRUE(stored.ok()) << stored;
    }
    ASSERT_TRUE(batch->Commit().ok());
    outbox->RowsSealed();
  }
  void Execute(const std::string& sql) {
    absl::StatusOr<Lease> lease = pool_->Acquire(kWrite, pool_->In(10s));
    ASSERT_TRUE(lease.ok()) << lease.status();
    const absl::Status status = lease->RunScript(sql);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::string Text(const std::string& sql) {
    absl::StatusOr<Lease> lease = pool_->Acquire(kRead, pool_->In(10s));
    EXPECT_TRUE(lease.ok()) << lease.status();
    if (!lease.ok()) return "";
    const absl::StatusOr<Statement*> statement = lease->Prepare(Sql(sql));
    EXPECT_TRUE(statement.ok()) << statement.status();
    Rows rows = (*statement)->Query();
    if (!rows.Next()) return "";
    const auto value = rows.Get<Value>(0);
    if (value.is_null()) return "NULL";
    return value.type() == Value::Type::kInt64 ? std::to_string(value.int64())
                                               : std::string(value.text());
  }
  std::string Segments() {
    return Text(
        "SELECT group_concat(epoch || ':' || lo || '-' || coalesce(hi, '') || '@' || sent, ' ') "
        "FROM (SELECT * FROM segment ORDER BY lo)");
  }

  // Turns until `span` has passed.
  void Run(Duration span) {
    const TimePoint end = platform.Now() + span;
    for (int turns = 0; turns < 2'000'000; ++turns) {
      const TimePoint now = platform.Now();
      const TimePoint next = outbox->Turn(now);
      if (next <= now) continue;
      if (next >= end) break;
      Advance(next - now);
    }
    const TimePoint now = platform.Now();
    if (now < end) Advance(end - now);
  }
  void Advance(Duration span) {
    platform.Advance(span);
    since_start += span;
    platform.set_unix_micros(
        unix_start + std::chrono::duration_cast<std::chrono::microseconds>(since_start).count());
  }
  OutboxStats stats() { return outbox->stats(platform.Now()); }
  size_t Calls() const { return server.calls.size(); }
  std::string States() const {
    std::string text;
    for (const OutboxEvent& event : events) {
      if (event.kind != OutboxEvent::Kind::kState) continue;
      if (!text.empty()) text += ' ';
      text += Name(event.state);
    }
    return text;
  }
  int Count(OutboxEvent::Kind kind) const {
    int count = 0;
    for (const OutboxEvent& event : events) count += event.kind == kind;
    return count;
  }

  fakes::FakePlatform platform;

 private:
  static constexpr Sql kInsert{
      "INSERT INTO reading(seq, epoch, time, clock, name, unit, value) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)"};

  OutboxOptions options_;
  SqliteBackend backend_;
  std::unique_ptr<PoolFor<profiles::RaspberryPi>> pool_;

 public:
  ScriptedServer server;
  std::unique_ptr<Outbox> outbox;
  std::vector<OutboxEvent> events;
  int64_t next_seq = 1;
  int64_t unix_start = 1'700'000'000'000'000;
  Duration since_start{};
};

}  // namespace roost::outbox

#endif  // ROOST_TESTS_OUTBOX_WORLD_H_
