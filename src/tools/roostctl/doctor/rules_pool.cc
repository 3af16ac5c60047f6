// tools/roostctl/doctor/rules_pool.cc - rules about a pool and those who use it.
#include <algorithm>
#include <cmath>

#include "tools/common/text.h"
#include "tools/roostctl/doctor/rules.h"
#include "tools/roostctl/sizing.h"

namespace roost::tools::doctor {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Percentiles of fewer say nothing.
constexpr uint64_t kEnough = 20;
constexpr Duration kDay = hours(24);

// A caller that waits for so long feels it, whatever the time-out is.
constexpr Duration kSlowAcquire = milliseconds(100);
constexpr double kOftenWaited = 0.2;

// The connections with which one caller in a hundred would still wait, by the rate and the time of use that were
// seen. 0: they were not.
int64_t SizeFor(const PoolFacts& pool) {
  constexpr double kMostLoad = 1000;
  if (pool.span <= Duration::zero() || pool.hold.count < kEnough ||
      pool.hold.p50 <= Duration::zero()) {
    return 0;
  }
  const Load load{.requests = 1,
                  .query = pool.hold.p50,
                  .wait = std::max<Duration>(pool.pool_timeout / 100, milliseconds(1)),
                  .rate = static_cast<double>(pool.window.checkouts + pool.window.exhausted()) /
                          Seconds(pool.span)};
  if (load.rate <= 0 || OfferedLoad(load.rate, load.query) > kMostLoad) return 0;
  return SmallestSize(load, 0.01);
}

Finding TooSmall(const Facts& facts, const PoolFacts& pool) {
  Finding finding{.rule = "D01", .pool = pool.name};
  finding.figures =
      Json{{"window_s", Seconds(pool.span)},       {"timeouts", pool.window.exhausted()},
           {"waited", pool.window.waited},         {"checkouts", pool.window.checkouts},
           {"wait_p99_s", Seconds(pool.wait.p99)}, {"hold_p50_s", Seconds(pool.hold.p50)},
           {"peak_in_use", pool.peak_in_use},      {"capacity", pool.capacity}};
  finding.check = StatusCommandOf(facts);
  // One that uses a connection for very different times is not helped for sure.
  const bool even = pool.hold.count >= kEnough && pool.hold.p99 <= 4 * pool.hold.p50;
  finding.sureness = even ? Sureness::kCertain : Sureness::kLikely;
  if (pool.IsSqlite() && pool.waits_in == "writer") {
    finding.change.text =
        "shorter write transactions, or several writes in one: SQLite has one writer, and a larger "
        "pool_size adds none";
    return finding;
  }
  const int64_t more = pool.capacity + std::max(1, std::min(pool.peak_waiting, pool.capacity));
  const int64_t wanted = SizeFor(pool);
  const int64_t capacity = wanted > pool.capacity ? wanted : more;
  if (pool.capacity > 0) {
    finding.change = {.setting = "pool_size",
                      .from = std::to_string(pool.pool_size),
                      .to = std::to_string(capacity - pool.max_overflow),
                      .text = "or use each connection for a shorter time"};
  }
  return finding;
}

}  // namespace

void LookTooSmall(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (pool.away || pool.paused) continue;
    const bool was_full = pool.capacity == 0 || pool.peak_in_use >= pool.capacity;
    const bool times_out = pool.window.exhausted() > 0;
    const bool waits_long = pool.pool_timeout > Duration::zero() &&
                            (2 * pool.oldest_wait > pool.pool_timeout ||
                             (pool.wait.count >= kEnough && 2 * pool.wait.p99 > pool.pool_timeout));
    const bool waits_often = pool.wait.count >= kEnough && pool.wait.p99 >= kSlowAcquire &&
                             static_cast<double>(pool.window.waited) >=
                                 kOftenWaited * static_cast<double>(pool.window.checkouts);
    if (!was_full || !(times_out || waits_long || waits_often)) continue;
    Finding finding = TooSmall(facts, pool);
    const std::string size =
        pool.capacity > 0 ? "of " + std::to_string(pool.capacity) + " connections " : "";
    const std::string span =
        pool.span > Duration::zero() ? " in the last " + FormatDuration(pool.span) : "";
    if (times_out) {
      finding.severity = Severity::kFail;
      finding.sentence = "the pool " + size + "was fully lent, and callers timed out " +
                         Times(pool.window.exhausted()) + span;
    } else if (waits_long) {
      finding.severity = Severity::kFail;
      finding.sentence = "the pool " + size +
                         "is fully lent, and callers wait for more than half of " +
                         "the time-out of " + FormatDuration(pool.pool_timeout);
    } else {
      finding.sentence = "callers wait for the pool " + size +
                         "often: " + std::to_string(pool.window.waited) + " of " +
                         std::to_string(pool.window.checkouts) + span + ", p99 " +
                         FormatDuration(pool.wait.p99);
    }
    found.push_back(std::move(finding));
  }
}

void LookLeak(const Facts& facts, std::vector<Finding>& found) {
  constexpr Duration kNoLimit = minutes(1);
  for (const PoolFacts& pool : facts.pools) {
    const bool has_limit = pool.leak_after.has_value() && *pool.leak_after > Duration::zero();
    Duration limit = has_limit ? *pool.leak_after : kNoLimit;
    const bool measured = pool.total_hold.count >= kEnough;
    if (measured) limit = std::max(limit, 20 * pool.total_hold.p99);
    // A journal tells of those alone that the pool has found.
    const bool told = facts.source == "journal";
    for (const LeaseFacts& lease : pool.leases) {
      if (!told && lease.held <= limit) continue;
      Finding finding{.rule = "D02", .severity = Severity::kFail, .pool = pool.name};
      finding.sureness = pool.total.leaks > 0 || told ? Sureness::kLikely : Sureness::kPossible;
      if (lease.held > 10 * limit) finding.sureness = Sureness::kCertain;
      const std::string where = lease.where.empty() ? "somebody" : lease.where;
      finding.sentence = where + " has held slot " + std::to_string(lease.slot) + " for " +
                         FormatDuration(lease.held) + " and not given it back";
      if (measured) {
        finding.sentence += "; other leases take " + FormatDuration(pool.total_hold.p99) + " (p99)";
        finding.figures["hold_p99_s"] = Seconds(pool.total_hold.p99);
      }
      finding.figures["held_s"] = Seconds(lease.held);
      if (!told) finding.figures["limit_s"] = Seconds(limit);
      finding.figures["slot"] = lease.slot;
      finding.change.text =
          "let the lease of " + where +
          " end, as its scope does or Return; a larger pool_size would be used up, too";
      finding.check = StatusCommandOf(facts);
      found.push_back(std::move(finding));
    }
  }
}

void LookSlowQueries(const Facts& facts, std::vector<Finding>& found) {
  constexpr Duration kFelt = milliseconds(10);
  for (const PoolFacts& pool : facts.pools) {
    if (pool.hold.count < kEnough || pool.hold.p50 < kFelt) continue;
    SpanFacts before = pool.hold_before;
    if (before.count < kEnough) {
      // Most of what was ever counted has to be of before the window.
      if (pool.total_hold.count < 2 * pool.hold.count + kEnough) continue;
      before = pool.total_hold;
    }
    if (before.p50 <= Duration::zero() || pool.hold.p50 < 3 * before.p50) continue;
    Finding finding{.rule = "D03", .severity = Severity::kWarn, .pool = pool.name};
    if (pool.window.exhausted() > 0) finding.severity = Severity::kFail;
    finding.sentence = "connections are used for longer than before: p50 " +
                       FormatDuration(pool.hold.p50) + " in the last " + FormatDuration(pool.span) +
                       ", " + FormatDuration(before.p50) + " earlier";
    finding.figures = Json{{"hold_p50_s", Seconds(pool.hold.p50)},
                           {"hold_p50_before_s", Seconds(before.p50)},
                           {"leases", pool.hold.count}};
    finding.change.text =
        "find what has become slow: an index that is missing, a plan, a lock; bound it by a "
        "time-out";
    finding.check = pool.IsRemote()
                        ? "psql -c \"SELECT pid, now() - query_start AS ago, state, query FROM "
                          "pg_stat_activity ORDER BY 2 DESC LIMIT 5\""
                        : StatusCommandOf(facts);
    found.push_back(std::move(finding));
  }
}

void LookNested(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (pool.refused_nested == 0) continue;
    Finding finding{.rule = "D04",
                    .severity = Severity::kFail,
                    .sureness = Sureness::kCertain,
                    .pool = pool.name};
    std::string where;
    for (const EventFacts& event : facts.events) {
      if (event.pool == pool.name && event.kind == "refused" && !event.where.empty()) {
        where = event.where;
      }
    }
    finding.sentence = "threads that hold a connection wait for another one of the same pool; " +
                       std::to_string(pool.refused_nested) +
                       " acquires were refused, as they could only have deadlocked" +
                       (where.empty() ? "" : ", the latest at " + where);
    finding.figures = Json{{"refused_nested", pool.refused_nested}, {"capacity", pool.capacity}};
    finding.change.text =
        "hand the lease down instead of acquiring again, or take a pool_size of one more than "
        "there "
        "are threads";
    finding.check = StatusCommandOf(facts);
    found.push_back(std::move(finding));
  }
}

void LookPrePingWaste(const Facts& facts, std::vector<Finding>& found) {
  constexpr uint64_t kMany = 1000;
  for (const PoolFacts& pool : facts.pools) {
    if (pool.pre_ping != "always" || facts.running < kDay || pool.total.checkouts < kMany) continue;
    if (pool.total.ping_failures > 0 || pool.pings * 10 < pool.total.checkouts * 9) continue;
    Finding finding{.rule = "D12", .pool = pool.name};
    finding.sentence = "each lease costs a ping, and none of " + std::to_string(pool.pings) +
                       " has found a dead connection in " + FormatDuration(facts.running);
    finding.figures = Json{{"pings", pool.pings},
                           {"ping_failures", pool.total.ping_failures},
                           {"checkouts", pool.total.checkouts},
                           {"running_s", Seconds(facts.running)}};
    finding.change = {.setting = "pre_ping", .from = "always", .to = "after_idle", .text = {}};
    finding.check = StatusCommandOf(facts);
    found.push_back(std::move(finding));
  }
}

void LookChurn(const Facts& facts, std::vector<Finding>& found) {
  constexpr uint64_t kMany = 100;
  for (const PoolFacts& pool : facts.pools) {
    const uint64_t opens = pool.total.opens;
    if (pool.total.checkouts < kMany || opens * 10 <= pool.total.checkouts) continue;
    if (pool.closed_above_size * 2 < opens) continue;  // recycled, broken, idle
    Finding finding{.rule = "D13", .sureness = Sureness::kCertain, .pool = pool.name};
    finding.sentence = "connections above pool_size are opened and closed again and again: " +
                       std::to_string(opens) + " opens for " +
                       std::to_string(pool.total.checkouts) + " leases";
    finding.figures = Json{{"opens", opens},
                           {"checkouts", pool.total.checkouts},
                           {"closed_above_size", pool.closed_above_size},
                           {"pool_size", pool.pool_size}};
    if (pool.linger.has_value() && *pool.linger == Duration::zero()) {
      finding.change = {.setting = "linger", .from = "closes at once", .to = "30 s", .text = {}};
    } else {
      finding.change = {.setting = "pool_size",
                        .from = std::to_string(pool.pool_size),
                        .to = std::to_string(pool.pool_size + 1),
                        .text = {}};
    }
    finding.check = StatusCommandOf(facts);
    found.push_back(std::move(finding));
  }
}

void LookOversized(const Facts& facts, std::vector<Finding>& found) {
  constexpr int kSmall = 4;
  constexpr uint64_t kMany = 1000;
  for (const PoolFacts& pool : facts.pools) {
    if (facts.running < kDay || pool.total.checkouts < kMany || pool.pool_size < kSmall) continue;
    if (2 * pool.peak_in_use > pool.pool_size) continue;
    Finding finding{.rule = "D14", .pool = pool.name};
    finding.sentence = "no more than " + std::to_string(pool.peak_in_use) + " of " +
                       std::to_string(pool.pool_size) + " connections were lent at once in " +
                       FormatDuration(facts.running) + "; " + std::to_string(pool.open) +
                       " are open";
    finding.figures = Json{{"peak_in_use", pool.peak_in_use},
                           {"pool_size", pool.pool_size},
                           {"open", pool.open},
                           {"running_s", Seconds(facts.running)}};
    finding.change = {.setting = "pool_size",
                      .from = std::to_string(pool.pool_size),
                      .to = std::to_string(std::max(pool.peak_in_use + 1, 2)),
                      .text = "each connection less saves its memory here and on the server"};
    finding.check = StatusCommandOf(facts);
    found.push_back(std::move(finding));
  }
}

void LookFork(const Facts& facts, std::vector<Finding>& found) {
  const auto tells = [](std::string_view text) { return Contains(text, "before fork()"); };
  uint64_t count = 0;
  for (const std::string& line : facts.lines) count += tells(line) ? 1u : 0u;
  if (facts.source != "journal") {
    for (const EventFacts& event : facts.events) count += tells(event.text) ? 1u : 0u;
  }
  if (count == 0) return;
  Finding finding{.rule = "D23", .severity = Severity::kFail, .sureness = Sureness::kCertain};
  finding.sentence =
      "a process that was made by fork() uses the pool of its parent; it was refused " +
      Times(count);
  finding.figures = Json{{"refused", count}};
  finding.change.text = "let the child exec, or make the pool after the fork";
  finding.check = "ps -o pid,ppid,lstart,cmd -C PROGRAM";
  found.push_back(std::move(finding));
}

void LookPaused(const Facts& facts, std::vector<Finding>& found) {
  constexpr Duration kLong = minutes(1);
  for (const PoolFacts& pool : facts.pools) {
    if (!pool.paused || pool.span < kLong) continue;
    // Without a look before: nothing was lent for as long as the window is.
    if (!(facts.has_before ? pool.was_paused : pool.window.checkouts == 0)) continue;
    Finding finding{.rule = "D24", .severity = Severity::kFail, .pool = pool.name};
    finding.sureness = facts.has_before ? Sureness::kCertain : Sureness::kLikely;
    finding.sentence = "the pool is paused and has lent nothing for " + FormatDuration(pool.span) +
                       "; " + std::to_string(pool.waiting) + " callers wait";
    finding.figures = Json{{"window_s", Seconds(pool.span)}, {"waiting", pool.waiting}};
    finding.change.text = "whoever called Pool::Pause has to call Pool::Resume";
    finding.check = StatusCommandOf(facts);
    found.push_back(std::move(finding));
  }
}

void LookStatements(const Facts& facts, std::vector<Finding>& found) {
  constexpr uint64_t kMany = 100;
  constexpr uint64_t kSomeEvictions = 10;
  for (const PoolFacts& pool : facts.pools) {
    if (!pool.cache.has_value() || pool.cache->evictions < kSomeEvictions) continue;
    const uint64_t uses = pool.cache->hits + pool.cache->misses;
    if (uses < kMany || pool.cache->misses * 5 <= uses) continue;
    Finding finding{.rule = "D27", .pool = pool.name};
    finding.sentence =
        "statements are prepared again and again: " + std::to_string(pool.cache->misses) + " of " +
        std::to_string(uses) + " uses found none prepared, as others had taken their places";
    finding.figures = Json{{"hits", pool.cache->hits},
                           {"misses", pool.cache->misses},
                           {"evictions", pool.cache->evictions}};
    finding.change = {.setting = "statements",
                      .from = "of profile " + (pool.profile.empty() ? "?" : pool.profile),
                      .to = "the number of different statements",
                      .text = "with values bound instead of written into the text"};
    finding.check = "roostctl profiles " + (pool.profile.empty() ? "NAME" : pool.profile);
    found.push_back(std::move(finding));
  }
}

namespace {

Finding Setting(const PoolFacts& pool, std::string sentence, Change change) {
  Finding finding{.rule = "D29", .pool = pool.name};
  finding.sentence = std::move(sentence);
  finding.change = std::move(change);
  finding.check = "roostctl profiles " + (pool.profile.empty() ? "NAME" : pool.profile);
  return finding;
}

}  // namespace

void LookSettings(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (!pool.IsRemote()) continue;
    // What is maintained while it rests is checked, too.
    const bool rests_unchecked =
        pool.keep_alive.has_value() && *pool.keep_alive == Duration::zero();
    if (pool.pre_ping == "never" && rests_unchecked) {
      found.push_back(Setting(
          pool,
          "connections to a server are lent unchecked, and one that died is found by its user",
          {.setting = "pre_ping", .from = "never", .to = "after_idle", .text = {}}));
    }
    if (pool.pool_recycle.has_value() && *pool.pool_recycle == Duration::zero()) {
      found.push_back(Setting(
          pool, "connections to a server have no bound of age: what they gather in memory stays",
          {.setting = "pool_recycle",
           .from = "never",
           .to = "30 min",
           .text = "less than what the server and what is between allow"}));
    }
    const int64_t limit = facts.max_connections;
    if (limit > 0 && int64_t{pool.capacity} * 10 > limit * 3) {
      const Budget budget = BudgetFor(pool.capacity, limit);
      Finding finding = Setting(
          pool,
          "the pool may take " + std::to_string(pool.capacity) + " of the server's " +
              std::to_string(limit) + " connections: more than 30 %",
          {.setting = "pool_size",
           .from = std::to_string(pool.pool_size),
           .to = std::to_string(std::max<int64_t>(budget.high - pool.max_overflow, 1)),
           .text = "or raise max_connections to " + std::to_string(budget.max_connections)});
      finding.sureness = Sureness::kCertain;
      finding.figures = Json{{"capacity", pool.capacity}, {"max_connections", limit}};
      finding.check = "roostctl status --server URI";
      found.push_back(std::move(finding));
    }
  }
}

}  // namespace roost::tools::doctor
