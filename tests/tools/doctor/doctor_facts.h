// tests/tools/doctor/doctor_facts.h - the facts of a program in which no rule of `roostctl doctor` finds anything, and
// every rule can look.
#ifndef ROOST_TESTS_TOOLS_DOCTOR_DOCTOR_FACTS_H_
#define ROOST_TESTS_TOOLS_DOCTOR_DOCTOR_FACTS_H_

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "tools/roostctl/doctor/rules.h"

namespace roost::testing {

// A pool of SQLite, "local", and one of PostgreSQL, "remote", of a node that has run for a week.
inline tools::doctor::Facts HealthyFacts() {
  using namespace std::chrono_literals;
  using tools::doctor::PoolFacts;
  tools::doctor::Facts facts;
  facts.name = "greenhouse";
  facts.source = "socket";
  facts.pid = 4711;
  facts.running = std::chrono::hours(24 * 7);
  facts.has_answer = true;
  facts.has_events = true;
  facts.has_before = true;
  facts.rss_bytes = 20 << 20;
  facts.rss_before = 20 << 20;
  facts.memory_limit = 64 << 20;
  facts.lines = {"started"};
  facts.checks = {{.name = "board.voltage", .verdict = tools::selftest::Verdict::kPass},
                  {.name = "card.space", .verdict = tools::selftest::Verdict::kPass}};
  facts.node.emplace();
  facts.node->seal = {.count = 1000, .p50 = 8ms, .p99 = 20ms, .max = 30ms};
  facts.node->seal_every = 5s;
  facts.node->arena_size = 1000 * 1024;
  facts.node->arena_peak = 600 * 1024;
  PoolFacts pool;
  pool.name = "local";
  pool.backend = "sqlite";
  pool.target = "/var/lib/roost/node.db";
  pool.profile = "raspberry_pi";
  pool.pool_size = 2;
  pool.max_overflow = 1;
  pool.capacity = 3;
  pool.pool_timeout = 30s;
  pool.pool_recycle = 1h;
  pool.keep_alive = 0s;
  pool.linger = 0s;
  pool.leak_after = 10s;
  pool.pre_ping = "never";
  pool.open = 2;
  pool.peak_in_use = 3;
  pool.span = 90s;
  pool.total.checkouts = 100'000;
  pool.total.opens = 20;
  pool.total_hold = {.count = 100'000, .p50 = 16ms, .p99 = 64ms, .max = 300ms};
  pool.window.checkouts = 400;
  pool.wait = {.count = 400, .p50 = 1us, .p99 = 2ms, .max = 4ms};
  pool.hold = {.count = 400, .p50 = 16ms, .p99 = 64ms, .max = 100ms};
  pool.hold_before = pool.hold;
  pool.sqlite.emplace();
  pool.sqlite->wal_frames = 400;
  pool.sqlite->wal_done = 400;
  pool.cache = {{.hits = 1000, .misses = 8, .evictions = 0}};
  PoolFacts remote = pool;
  remote.name = "remote";
  remote.backend = "postgresql";
  remote.target = "db.example.org:5432/farm";
  remote.profile = "production";
  remote.pre_ping = "after_idle";
  remote.keep_alive = 60s;
  remote.sqlite.reset();
  facts.pools = {pool, remote};
  return facts;
}

inline tools::doctor::PoolFacts& Local(tools::doctor::Facts& facts) { return facts.pools[0]; }
inline tools::doctor::PoolFacts& Remote(tools::doctor::Facts& facts) { return facts.pools[1]; }

// "D01 D02": what was found, in the order of the ids.
inline std::string RulesOf(const tools::doctor::Diagnosis& diagnosis) {
  std::vector<std::string> ids;
  for (const tools::doctor::Finding& finding : diagnosis.findings) ids.push_back(finding.rule);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : " ") + id;
  return text;
}

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_DOCTOR_DOCTOR_FACTS_H_
