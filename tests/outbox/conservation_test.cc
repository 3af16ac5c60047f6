// What was taken is on the server, or waits, or was given up with a record of it; nothing is there twice: over
// power cuts, kills, outages, failovers that lose transactions, restores, and retention.
//
// Everything follows from the seed. ROOST_OUTBOX_SEEDS=10000 asks for more; ROOST_OUTBOX_SEED=17 runs that one
// alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "roost/outbox.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/fakes/fake_platform.h"
#include "tests/outbox/scripted_server.h"
#include "tests/outbox/world.h"
#include "tests/support/power_cut_disk.h"
#include "tests/support/power_cut_vfs.h"

namespace roost::outbox {
namespace {

using Key = ScriptedServer::Key;
using Fate = ScriptedServer::Fate;
using support::Chance;
using support::PowerCutVfs;

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

constexpr Sql kInsert{
    "INSERT INTO reading(seq, epoch, time, clock, name, unit, value) "
    "VALUES ($1, $2, $3, 0, 'level', 'mm', $4)"};
constexpr Sql kAll{"SELECT epoch, seq FROM reading ORDER BY seq"};
constexpr Sql kOldest{
    "SELECT r.epoch, r.seq, EXISTS(SELECT 1 FROM segment s WHERE s.epoch = r.epoch AND "
    "r.seq BETWEEN s.lo AND s.acked) FROM reading r ORDER BY r.seq LIMIT $1"};
constexpr Sql kDelete{"DELETE FROM reading WHERE seq = $1"};
constexpr Sql kGap{
    "INSERT INTO gap(epoch, lo, hi, why) VALUES ($1, $2, $2, $3) ON CONFLICT(epoch, lo) DO "
    "NOTHING"};

// A node that lives and dies, and its server.
class Life {
 public:
  explicit Life(uint64_t seed, OutboxOptions options = {})
      : chance_(seed), options_(options), server(platform_) {
    options_.epoch = 0;
    options_.seed = seed + 1;
    server.isolates = seed % 3 != 0;
    server.spread = 2s;
    Boot();
  }
  ~Life() { Halt(); }

  PowerCutVfs card;

  // ---- A process
  void Boot() {
    ++options_.epoch;
    backend_ = std::make_unique<SqliteBackend>(
        SqliteOptions{.path = "/node.db",
                      .schema = std::string(kReading) + kOutboxSchema,
                      .checkpoint_pages = 12,
                      .vfs = card.name()});
    pool_ = std::make_unique<PoolFor<profiles::RaspberryPi>>(*backend_,
                                                             PoolOptions{.platform = &platform_});
    outbox_ = std::make_unique<Outbox>(
        *pool_, server, OutboxSource{.rows = kRows, .newest = kNewest}, options_, platform_);
    started_ = outbox_->Start(pool_->In(10s)).ok();
    for (const Key& key : Stored()) {
      taken_.insert(key);
      next_seq_ = std::max(next_seq_, key.seq + 1);
    }
  }
  void Halt() {
    outbox_.reset();
    pool_.reset();
    backend_.reset();
    server.Forget();
    server.Disconnect();
  }
  void Kill() {
    Halt();
    Boot();
  }
  void CutPower() {
    card.CutPower(chance_.Below(1 << 30));
    AfterCut();
  }
  // Where the power was cut the machine starts anew.
  void AfterCut() {
    while (card.power_is_cut() || !started_) {
      Halt();
      // What nobody was told is sealed may get its numbers again.
      next_seq_ = greatest_sealed_ + 1;
      card.Restart();
      Boot();
    }
  }

  // ---- What goes on
  void Take(int count, int64_t left_out = 0) {
    next_seq_ += left_out;
    absl::StatusOr<Lease> lease = pool_->Acquire(kWrite, pool_->In(10s));
    if (!lease.ok()) return;
    std::vector<Key> batch;
    {
      absl::StatusOr<Transaction> transaction = lease->Begin(Durability::kSealed);
      if (!transaction.ok()) return;
      for (int i = 0; i < count; ++i) {
        const Key key{.epoch = options_.epoch, .seq = next_seq_ + i};
        if (!lease->Run(kInsert, key.seq, key.epoch, platform_.UnixMicros(), Value(1.0 * key.seq))
                 .ok()) {
          return;
        }
        batch.push_back(key);
      }
      if (!transaction->Commit().ok()) return;
    }
    taken_.insert(batch.begin(), batch.end());
    next_seq_ += count;
    greatest_sealed_ = next_seq_ - 1;
    outbox_->RowsSealed();
  }
  // Deletes up to `count` of the oldest rows. Those that were not acknowledged leave a record.
  void Retain(int count, OutboxWhy why) {
    absl::StatusOr<Lease> lease = pool_->Acquire(kWrite, pool_->In(10s));
    if (!lease.ok()) return;
    std::vector<std::pair<Key, bool>> oldest;
    {
      absl::StatusOr<Statement*> statement = lease->Prepare(kOldest);
      if (!statement.ok()) return;
      Rows rows = (*statement)->Query(count);
      while (rows.Next()) {
        oldest.push_back(
            {{.epoch = rows.Get<int64_t>(0), .seq = rows.Get<int64_t>(1)}, rows.Get<bool>(2)});
      }
    }
    absl::StatusOr<Transaction> transaction = lease->Begin();
    if (!transaction.ok()) return;
    bool is_second = false;
    for (const auto& [key, is_settled] : oldest) {
      is_second = !is_second;
      if (why == OutboxWhy::kThin && is_second) continue;
      given_up_.insert(key);  // at the latest now; a cut may bring it back
      if (!lease->Run(kDelete, key.seq).ok()) return;
      if (!is_settled && !lease->Run(kGap, key.epoch, key.seq, static_cast<int>(why)).ok()) return;
    }
    static_cast<void>(transaction->Commit());
  }
  void Run(Duration span) {
    const TimePoint end = platform_.Now() + span;
    while (!card.power_is_cut()) {
      const TimePoint now = platform_.Now();
      const TimePoint next = outbox_->Turn(now);
      if (next <= now) continue;
      if (next >= end) break;
      platform_.AdvanceTo(next);
    }
    if (platform_.Now() < end) platform_.AdvanceTo(end);
  }

  // One thing that may happen.
  void Step() {
    switch (chance_.Below(18)) {
      case 0:
      case 1:
      case 2:
        Take(1 + static_cast<int>(chance_.Below(40)), chance_.Percent(20) ? 3 : 0);
        break;
      case 3:
        Take(150);
        break;
      case 4:
      case 5:
        Run(std::chrono::milliseconds(chance_.Below(20'000)));
        break;
      case 6:
        Run(std::chrono::seconds(chance_.Below(600)));
        break;
      case 7:
        server.is_away = !server.is_away;
        break;
      case 8:
        server.LoseLast(1 + chance_.Below(4));  // an asynchronous failover
        break;
      case 9:
        if (chance_.Percent(30)) server.LoseLast(server.transactions() * chance_.Below(100) / 100);
        break;
      case 10:
        server.fates.push_back({.kind = Fate::Kind::kCutAfter});
        break;
      case 11:
        server.fates.push_back({.kind = Fate::Kind::kCutBefore});
        break;
      case 12:
        server.fates.push_back(
            {.kind = Fate::Kind::kRefused,
             .hand = chance_.Percent(50) ? OutboxHand::kAgain : OutboxHand::kHold,
             .status = absl::InternalError("refused")});
        break;
      case 13:
        server.fates.push_back({.kind = Fate::Kind::kServed, .takes = 60s});
        break;
      case 14:
        Retain(1 + static_cast<int>(chance_.Below(60)),
               static_cast<OutboxWhy>(1 + chance_.Below(3)));
        break;
      case 15:
        Kill();
        break;
      case 16:
        card.CutPowerAtChange(1 + static_cast<int64_t>(chance_.Below(40)), chance_.Below(1 << 30));
        break;
      default:
        server.bad_values.insert(
            static_cast<double>(next_seq_ + static_cast<int64_t>(chance_.Below(30))));
        break;
    }
    AfterCut();
  }

  // Everything works again, until nothing waits. Then the law.
  void Settle() {
    // A cut that was not reached.
    card.CutPower(1);
    AfterCut();
    server.is_away = false;
    server.fates.clear();
    Take(1);
    outbox_->Retry();
    for (int i = 0; i < 100; ++i) {
      Run(5min);
      if (outbox_->stats(platform_.Now()).waiting == 0) break;
      outbox_->Retry();  // an operator, where too many rows were refused
    }
    EXPECT_EQ(outbox_->stats(platform_.Now()).waiting, 0);
    EXPECT_EQ(server.breaches, "");
    // Each number belongs to one segment. A segment of which everything was settled and deleted is forgotten here;
    // a server that loses it, too, knows nothing of it.
    std::set<int64_t> covered;
    for (const auto& [name, mark] : server.marks()) {
      for (int64_t seq = name.second; seq <= mark; ++seq) {
        EXPECT_TRUE(covered.insert(seq).second) << "in two segments: " << seq;
      }
    }
    int64_t without_row = static_cast<int64_t>(covered.size());
    for (const Key& key : taken_) {
      const bool is_there = server.rows().count(key) > 0 || server.rejects().count(key) > 0;
      without_row -= is_there;
      if (is_there || given_up_.count(key) > 0) continue;
      EXPECT_EQ(server.bad_values.count(1.0 * key.seq), 1u)
          << "lost: " << key.epoch << ":" << key.seq;
    }
    // Sealed rows alone leave.
    for (const auto& [key, value] : server.rows()) {
      EXPECT_EQ(taken_.count(key), 1u) << "never taken: " << key.epoch << ":" << key.seq;
    }
    EXPECT_EQ(without_row, server.gap_numbers());
    for (const Key& key : taken_) {
      if (covered.count(key.seq) > 0) continue;
      EXPECT_EQ(given_up_.count(key), 1u) << "not accounted for: " << key.epoch << ":" << key.seq;
    }
    arrived_ = server.rows().size();
  }
  size_t arrived() const { return arrived_; }
  Chance& chance() { return chance_; }

 private:
  std::vector<Key> Stored() {
    std::vector<Key> keys;
    absl::StatusOr<Lease> lease = pool_->Acquire(kRead, pool_->In(10s));
    if (!lease.ok()) return keys;
    const absl::StatusOr<Statement*> all = lease->Prepare(kAll);
    if (!all.ok()) return keys;
    Rows rows = (*all)->Query();
    while (rows.Next()) {
      keys.push_back({.epoch = rows.Get<int64_t>(0), .seq = rows.Get<int64_t>(1)});
    }
    return keys;
  }

  Chance chance_;
  OutboxOptions options_;
  fakes::FakePlatform platform_;

 public:
  ScriptedServer server;

 private:
  std::unique_ptr<SqliteBackend> backend_;
  std::unique_ptr<PoolFor<profiles::RaspberryPi>> pool_;
  std::unique_ptr<Outbox> outbox_;
  bool started_ = false;
  std::set<Key> taken_;
  std::set<Key> given_up_;
  int64_t next_seq_ = 1;
  int64_t greatest_sealed_ = 0;
  size_t arrived_ = 0;
};

TEST(OutboxConservationTest, WhatWasTakenIsThereOrAccountedForAndNothingTwice) {
  const uint64_t alone = NumberFrom("ROOST_OUTBOX_SEED", 0);
  const uint64_t seeds = alone != 0 ? 1 : NumberFrom("ROOST_OUTBOX_SEEDS", 1000);
  size_t arrived = 0;
  for (uint64_t i = 0; i < seeds; ++i) {
    const uint64_t seed = alone != 0 ? alone : i + 1;
    SCOPED_TRACE("ROOST_OUTBOX_SEED=" + std::to_string(seed));
    Life life(seed,
              {.batch = seed % 2 == 0 ? 500 : 60,
               .order = seed % 5 == 0 ? OutboxOrder::kOldestFirst : OutboxOrder::kFreshFirst});
    for (int step = 0; step < 40; ++step) life.Step();
    life.Settle();
    arrived += life.arrived();
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(arrived, seeds * 100);
}

// The power goes in the middle of each change that the card sees in one short life with every kind of write: the
// first segment, marks, an epoch, a cut, a rewind, a row set aside, retention.
void LiveOnce(Life& life) {
  life.Take(120);
  life.AfterCut();
  life.Run(10s);
  life.AfterCut();
  life.Kill();
  life.Take(30, 2);
  life.AfterCut();
  life.Run(10s);
  life.AfterCut();
  life.server.is_away = true;
  life.Take(300);
  life.AfterCut();
  life.Run(5min);
  life.AfterCut();
  life.Retain(200, OutboxWhy::kFull);
  life.AfterCut();
  life.server.is_away = false;
  life.server.isolates = false;
  life.server.bad_values = {350, 351};
  life.Run(10min);
  life.AfterCut();
  life.server.LoseLast(3);
  life.Take(20);
  life.AfterCut();
  life.Run(10min);
  life.AfterCut();
}

TEST(OutboxConservationTest, APowerCutInTheMiddleOfAnyWriteLosesNothing) {
  int64_t changes = 0;
  {
    Life life(1);
    const int64_t before = life.card.changes();
    LiveOnce(life);
    changes = life.card.changes() - before;
    life.Settle();
  }
  EXPECT_GT(changes, 100);
  for (int64_t nth = 1; nth <= changes && !::testing::Test::HasFailure(); ++nth) {
    SCOPED_TRACE("change " + std::to_string(nth));
    Life life(1);
    life.card.CutPowerAtChange(nth, static_cast<uint64_t>(nth));
    LiveOnce(life);
    life.Settle();
  }
}

}  // namespace
}  // namespace roost::outbox
