#include "tests/faults/power_cut_node.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <optional>

#include "roost/platform.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/connection_access.h"
#include "tests/support/held_connection.h"
#include "tests/support/power_cut_disk.h"

namespace roost::faults {
namespace {

using support::Chance;
using support::HeldConnection;
using support::PowerCutVfs;

constexpr char kPath[] = "/node.db";
constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, last INTEGER, body BLOB)";
constexpr Sql kStore{"INSERT INTO reading VALUES ($1, $2, randomblob(100))"};
constexpr Sql kSelect{"SELECT id FROM reading"};
constexpr Sql kCount{"SELECT count(*) FROM reading"};

// What the lives have in common: the rhythm of batches.
class Node {
 public:
  virtual ~Node() = default;
  virtual absl::Status Start() = 0;
  // Stores rows first to first + count - 1 as one batch.
  virtual absl::Status Store(int64_t first, int count, Durability durability) = 0;
  virtual absl::Status Seal() = 0;
  // What a pool does after an error: the writer is closed and opened anew, the reader, too, unless
  // it is lent. Then tells how many rows there are.
  virtual absl::StatusOr<int64_t> Recover() = 0;
  // What happens beside the batches.
  virtual void Bystand(Chance& chance) = 0;
  virtual void Stop() = 0;
};

SqliteOptions OptionsFor(const PowerCutVfs& card, SqliteDurability durability) {
  return {.path = kPath,
          .schema = kSchema,
          .durability = durability,
          .checkpoint_pages = 12,
          .vfs = card.name()};
}

absl::Status StoreThrough(Connection& writer, int64_t first, int count, Durability durability) {
  absl::StatusOr<Transaction> batch = writer.Begin(durability);
  if (!batch.ok()) return batch.status();
  for (int i = 0; i < count; ++i) {
    const absl::Status status = writer.Run(kStore, first + i, i == count - 1);
    if (!status.ok()) return status;
  }
  return batch->Commit();
}

class BackendNode : public Node {
 public:
  BackendNode(PowerCutVfs& card, SqliteDurability durability)
      : backend_(OptionsFor(card, durability)) {}

  absl::Status Start() override {
    writer_.emplace(backend_, NativePlatform(), Role::kWriter);
    if (!writer_->ok()) return writer_->status();
    reader_.emplace(backend_, NativePlatform(), Role::kReader);
    return reader_->status();
  }

  absl::Status Store(int64_t first, int count, Durability durability) override {
    return StoreThrough(**writer_, first, count, durability);
  }

  absl::Status Seal() override { return (*writer_)->Seal(); }

  absl::StatusOr<int64_t> Recover() override {
    writer_.reset();
    if (!rows_.has_value()) reader_.reset();
    writer_.emplace(backend_, NativePlatform(), Role::kWriter);
    if (!writer_->ok()) return writer_->status();
    if (!reader_.has_value()) reader_.emplace(backend_, NativePlatform(), Role::kReader);
    if (!reader_->ok()) return reader_->status();
    absl::StatusOr<Statement*> count = (*writer_)->Prepare(kCount);
    if (!count.ok()) return count.status();
    Rows rows = (*count)->Query();
    const int64_t there = rows.Next() ? rows.Get<int64_t>(0) : 0;
    if (!rows.status().ok()) return rows.status();
    return there;
  }

  void Bystand(Chance& chance) override {
    if (chance.Percent(20)) LookOrLookAway();
    if (ConnectionAccess::WantsMaintenance(**writer_) || chance.Percent(5))
      (void)ConnectionAccess::Maintain(**writer_, Soon());
    if (!chance.Percent(3)) return;
    Stop();
    (void)Start();
  }

  void Stop() override {
    rows_.reset();
    reader_.reset();
    writer_.reset();
  }

 private:
  static Deadline Soon() {
    return Deadline::After(NativePlatform().Now(), std::chrono::milliseconds(1));
  }
  // A reader that holds its snapshot over some batches keeps checkpoints from getting far.
  void LookOrLookAway() {
    if (rows_.has_value()) {
      rows_.reset();
      return;
    }
    absl::StatusOr<Statement*> select = (*reader_)->Prepare(kSelect);
    if (!select.ok()) return;
    rows_.emplace((*select)->Query());
    rows_->Next();
  }

  SqliteBackend backend_;
  std::optional<HeldConnection> writer_;
  std::optional<HeldConnection> reader_;
  std::optional<Rows> rows_;
};

// The same through a pool, whose clock runs only when nothing else does.
class PoolNode : public Node {
 public:
  explicit PoolNode(PowerCutVfs& card) : backend_(OptionsFor(card, SqliteDurability::kBatch)) {}

  absl::Status Start() override {
    pool_.emplace(backend_, PoolOptions{.platform = &platform_});
    return pool_->Fill(2, pool_->In(kSoon));
  }
  absl::Status Store(int64_t first, int count, Durability durability) override {
    absl::StatusOr<Lease> lease = pool_->Acquire(kWrite, pool_->In(kSoon));
    return lease.ok() ? StoreThrough(**lease, first, count, durability) : lease.status();
  }
  absl::Status Seal() override {
    absl::StatusOr<Lease> lease = pool_->Acquire(kWrite, pool_->In(kSoon));
    return lease.ok() ? (*lease)->Seal() : lease.status();
  }
  absl::StatusOr<int64_t> Recover() override { return absl::UnimplementedError("not asked"); }

  void Bystand(Chance& chance) override {
    if (chance.Percent(20)) LookOrLookAway();
    if (chance.Percent(10)) {
      platform_.Advance(std::chrono::minutes(1));  // time for maintenance
      pool_->Tick(platform_.Now());
    }
    if (!chance.Percent(3)) return;
    Stop();
    (void)Start();
  }
  void Stop() override {
    rows_.reset();
    reader_.Return();
    EXPECT_TRUE(pool_->Close(pool_->In(kSoon)).ok());
    pool_.reset();
  }

 private:
  static constexpr Duration kSoon = std::chrono::seconds(1);
  void LookOrLookAway() {
    if (reader_) {
      rows_.reset();
      reader_.Return();
      return;
    }
    absl::StatusOr<Lease> lease = pool_->Acquire(kRead, pool_->In(kSoon));
    if (!lease.ok()) return;
    reader_ = *std::move(lease);
    absl::StatusOr<Statement*> select = reader_->Prepare(kSelect);
    if (!select.ok()) return;
    rows_.emplace((*select)->Query());
    rows_->Next();
  }

  fakes::FakePlatform platform_;
  SqliteBackend backend_;
  std::optional<PoolFor<profiles::RaspberryPi>> pool_;
  Lease reader_;
  std::optional<Rows> rows_;
};

// The same without roostpool and without a single sync.
class UnsyncedNode : public Node {
 public:
  explicit UnsyncedNode(PowerCutVfs& card) : card_(card) {}

  absl::Status Start() override {
    sqlite3_open_v2(kPath, &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, card_.name().c_str());
    return Execute(std::string("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                               " PRAGMA wal_autocheckpoint=12; ") +
                   kSchema);
  }
  absl::Status Store(int64_t first, int count, Durability) override {
    std::string sql = "BEGIN IMMEDIATE;";
    for (int i = 0; i < count; ++i) {
      sql += "INSERT INTO reading VALUES (" + std::to_string(first + i) + "," +
             std::to_string(i == count - 1) + ", randomblob(100));";
    }
    return Execute(sql + "COMMIT");
  }
  absl::Status Seal() override { return absl::OkStatus(); }
  absl::StatusOr<int64_t> Recover() override { return absl::UnimplementedError("control"); }
  void Bystand(Chance&) override {}
  void Stop() override { sqlite3_close(std::exchange(db_, nullptr)); }

 private:
  absl::Status Execute(const std::string& sql) {
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : absl::UnavailableError(sqlite3_errmsg(db_));
  }
  PowerCutVfs& card_;
  sqlite3* db_ = nullptr;
};

bool SealsByCall(Life life) {
  return life == Life::kSealed || life == Life::kPool || life == Life::kSealedFailingSync;
}
bool SealsEveryCommit(Life life) {
  return life == Life::kCommit || life == Life::kCommitFailingSync;
}
bool HasFailingSync(Life life) {
  return life == Life::kSealedFailingSync || life == Life::kCommitFailingSync;
}

std::unique_ptr<Node> MakeNode(Life life, PowerCutVfs& card) {
  if (life == Life::kUnsynced) return std::make_unique<UnsyncedNode>(card);
  if (life == Life::kPool) return std::make_unique<PoolNode>(card);
  return std::make_unique<BackendNode>(
      card, SealsEveryCommit(life) ? SqliteDurability::kCommit : SqliteDurability::kBatch);
}

// Whether the batch that failed is there or not, its rows are not acknowledged.
std::string GoOnAfterAnError(Node& node, const PowerCutVfs& card, Outcome& outcome) {
  const absl::StatusOr<int64_t> there = node.Recover();
  if (card.power_is_cut()) return "";
  if (!there.ok()) return "after the error: " + there.status().ToString();
  if (*there < outcome.sealed) return "after the error sealed rows are lost";
  outcome.acknowledged = outcome.written = *there;
  return "";
}

void LiveUntilTheCut(Life life, Node& node, PowerCutVfs& card, Chance& chance, Outcome& outcome) {
  while (!card.power_is_cut() && outcome.trouble.empty()) {
    const int count = static_cast<int>(1 + chance.Below(5));
    const bool seals = chance.Percent(15);
    const bool in_commit =
        seals && (life == Life::kSealedTransactions || (life == Life::kPool && chance.Percent(50)));
    outcome.written += count;
    absl::Status status = node.Store(outcome.acknowledged + 1, count,
                                     in_commit ? Durability::kSealed : Durability::kDefault);
    if (status.ok()) {
      ++outcome.commits;
      outcome.acknowledged += count;
      if (in_commit || SealsEveryCommit(life)) outcome.sealed = outcome.acknowledged;
    }
    if (status.ok() && SealsByCall(life) && seals && !in_commit) {
      status = node.Seal();
      if (status.ok()) outcome.sealed = outcome.acknowledged;
    }
    if (status.ok()) node.Bystand(chance);
    if (status.ok() || card.power_is_cut()) continue;
    outcome.trouble = status.ToString();
    if (HasFailingSync(life)) outcome.trouble = GoOnAfterAnError(node, card, outcome);
  }
}

// The first column of the first row as text; what went wrong otherwise.
std::string Ask(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  std::string answer;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    answer = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  } else {
    answer = sqlite3_errmsg(db);
  }
  sqlite3_finalize(statement);
  return answer;
}

void Examine(PowerCutVfs& card, Outcome& outcome) {
  sqlite3* db = nullptr;
  sqlite3_open_v2(kPath, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, card.name().c_str());
  const std::string intact = Ask(db, "PRAGMA integrity_check");
  if (intact != "ok") outcome.damage = intact;
  if (outcome.damage.empty() && Ask(db, "SELECT count(*) FROM sqlite_schema") == "1") {
    const std::string count = Ask(db, "SELECT count(*) FROM reading");
    const std::string last = Ask(db, "SELECT coalesce(max(id), 0) FROM reading");
    outcome.kept = std::strtoll(count.c_str(), nullptr, 10);
    if (count != last) outcome.damage = "a hole: " + count + " rows, the last is " + last;
    const std::string ends =
        Ask(db, "SELECT coalesce((SELECT last FROM reading ORDER BY id DESC LIMIT 1), 1)");
    if (ends != "1") outcome.damage = "half a batch at row " + last;
  }
  if (outcome.kept > outcome.written) outcome.damage = "rows that nobody wrote";
  sqlite3_close(db);
}

// What was left must also be good to go on with, for a node that starts again.
void GoOn(Life life, PowerCutVfs& card, uint64_t seed, Outcome& outcome) {
  if (life == Life::kUnsynced || !outcome.damage.empty()) return;
  std::unique_ptr<Node> node = MakeNode(life, card);
  absl::Status status = node->Start();
  if (status.ok()) status = node->Store(outcome.kept + 1, 3, Durability::kSealed);
  card.CutPower(seed);
  node->Stop();
  card.Restart();
  Outcome second;
  second.written = outcome.kept + 3;
  Examine(card, second);
  if (!status.ok()) second.damage = status.ToString();
  if (second.kept != outcome.kept + 3)
    second.damage += " the sealed batch after the restart is lost";
  if (!second.damage.empty()) outcome.damage = "second life: " + second.damage;
}

}  // namespace

const char* Name(Life life) {
  static constexpr const char* kNames[] = {"synchronous=OFF (control)",
                                           "batch, no seal",
                                           "batch, sealed transactions",
                                           "batch, Seal()",
                                           "commit",
                                           "batch, sealed, through a pool",
                                           "batch, Seal(), a sync failed",
                                           "commit, a sync failed"};
  return kNames[static_cast<size_t>(life)];
}

Outcome LiveAndDie(Life life, uint64_t seed) {
  Outcome outcome;
  PowerCutVfs card;
  Chance chance(seed);
  std::unique_ptr<Node> node = MakeNode(life, card);
  // One cut in ten falls into the first start, where the database is made.
  const bool early = chance.Percent(10);
  if (early) card.CutPowerAtChange(static_cast<int64_t>(1 + chance.Below(40)), seed);
  const absl::Status started = node->Start();
  if (!started.ok() && !card.power_is_cut()) outcome.trouble = started.ToString();
  if (!early) card.CutPowerAtChange(static_cast<int64_t>(1 + chance.Below(600)), seed);
  if (HasFailingSync(life)) {
    card.Inject({.call = support::IoCall::kSync, .nth = static_cast<int64_t>(1 + chance.Below(8))});
  }
  const support::IoCounts before = card.counts();
  if (started.ok()) LiveUntilTheCut(life, *node, card, chance, outcome);
  outcome.io = card.counts() - before;
  node->Stop();
  card.ClearFaults();
  card.Restart();
  Examine(card, outcome);
  GoOn(life, card, seed + 1, outcome);
  if (card.open_files() != 0) outcome.trouble += " files were left open";
  return outcome;
}

}  // namespace roost::faults
