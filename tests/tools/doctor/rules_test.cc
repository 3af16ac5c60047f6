// tests/tools/doctor/rules_test.cc - each rule of `roostctl doctor` fires alone, and stays silent where it just does
// not have to.
#include "tools/roostctl/doctor/rules.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/doctor/doctor_facts.h"
#include "tools/roostctl/doctor/report.h"

namespace roost::tools::doctor {
namespace {

using namespace std::chrono_literals;
using roost::testing::HealthyFacts;
using roost::testing::Local;
using roost::testing::Remote;
using roost::testing::RulesOf;
using selftest::Verdict;
using ::testing::HasSubstr;
using ::testing::Not;

EventFacts Dead(int slot, Duration ago, Duration rested, const char* reason = "ping_failed") {
  return {.kind = "invalidate",
          .pool = "remote",
          .slot = slot,
          .reason = reason,
          .ago = ago,
          .span = rested,
          .where = {},
          .text = {}};
}

EventFacts Late(Duration span) {
  return {.kind = "late_tick",
          .pool = "local",
          .slot = -1,
          .reason = {},
          .ago = 5s,
          .span = span,
          .where = {},
          .text = {}};
}

void GoAway(PoolFacts& pool, const char* code, const char* error) {
  pool.away = true;
  pool.away_for = 61s;
  pool.next_try = 4s;
  pool.open = 0;
  pool.error_code = code;
  pool.error = error;
  pool.window.open_failures = 7;
  pool.window.timeouts = 3;
  pool.window.timeouts_away = 3;
}

CheckFacts Bad(const char* name, Verdict verdict = Verdict::kFail) {
  return {.name = name,
          .verdict = verdict,
          .measured = "measured",
          .bound = "bound",
          .advice = "advice"};
}

struct Case {
  const char* name;
  const char* expected;  // the rules that are to find something; "": none
  void (*make)(Facts& facts);
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

constexpr Case kCases[] = {
    {"healthy", "", [](Facts&) {}},

    {"D01_times_out", "D01",
     [](Facts& f) {
       Local(f).window.timeouts = 12;
       Local(f).window.waited = 300;
     }},
    {"D01_waits_long", "D01", [](Facts& f) { Local(f).oldest_wait = 16s; }},
    {"D01_waits_often", "D01",
     [](Facts& f) {
       Local(f).window.waited = 100;
       Local(f).wait.p99 = 130ms;
     }},
    {"D01_near_waits_shortly", "",
     [](Facts& f) {
       Local(f).window.waited = 390;  // 8 threads on 3 connections, 5 ms each
       Local(f).wait.p99 = 16ms;
       Local(f).oldest_wait = 15s;
     }},
    {"D01_near_waits_seldom", "",
     [](Facts& f) {
       Local(f).window.waited = 60;
       Local(f).wait.p99 = 130ms;
     }},
    {"D01_near_was_opening", "",
     [](Facts& f) {
       Local(f).window.timeouts = 3;
       Local(f).window.timeouts_opening = 3;
     }},
    {"D01_near_was_never_full", "",
     [](Facts& f) {
       Local(f).peak_in_use = 2;
       Local(f).oldest_wait = 20s;
     }},

    {"D02_leak", "D02",
     [](Facts& f) {
       Local(f).leases = {{.slot = 1, .role = "reader", .where = "node.cc:58", .held = 312s}};
       Local(f).total.leaks = 1;
       Local(f).window.timeouts = 5;  // its consequence
     }},
    {"D02_near_backup", "",
     [](Facts& f) {
       Local(f).leases = {{.slot = 1, .role = "reader", .where = "backup.cc:9", .held = 8s}};
     }},
    {"D02_near_long_leases_are_usual", "",
     [](Facts& f) {
       Local(f).total_hold.p99 = 4s;
       Local(f).leases = {{.slot = 1, .role = "reader", .where = "report.cc:9", .held = 79s}};
     }},

    {"D03_slow_queries", "D03",
     [](Facts& f) {
       Remote(f).hold.p50 = 500ms;
       Remote(f).hold.p99 = 500ms;
       Remote(f).window.timeouts = 5;  // its consequence
     }},
    {"D03_by_one_look", "D03",
     [](Facts& f) {
       f.has_before = false;
       Remote(f).hold_before = {};
       Remote(f).hold.p50 = 500ms;
     }},
    {"D03_near_one_slow_of_99", "",
     [](Facts& f) {
       Remote(f).hold.p99 = 500ms;
       Remote(f).hold.max = 900ms;
     }},
    {"D03_near_too_few", "",
     [](Facts& f) {
       Remote(f).hold.p50 = 500ms;
       Remote(f).hold.count = 19;
     }},
    {"D03_near_fast_all_the_same", "",
     [](Facts& f) {
       Remote(f).hold_before.p50 = 1ms;
       Remote(f).hold.p50 = 8ms;
     }},

    {"D04_nested", "D04",
     [](Facts& f) {
       Local(f).refused_nested = 2;
       Local(f).window.timeouts = 5;
     }},
    {"D04_near_other_refusals", "", [](Facts& f) { Local(f).refused_closed = 1; }},

    {"D05_server_closes_idle", "D05",
     [](Facts& f) {
       f.events = {Dead(0, 90s, 4s), Dead(1, 60s, 5s), Dead(0, 30s, 4s)};
       Remote(f).total.ping_failures = 3;
       Remote(f).pre_ping = "never";  // which D29 would tell, too
       Remote(f).keep_alive = 0s;
     }},
    {"D05_near_once", "", [](Facts& f) { f.events = {Dead(0, 90s, 4s)}; }},
    {"D05_near_in_use", "",
     [](Facts& f) {
       f.events = {Dead(0, 90s, 0s, "broken"), Dead(1, 9s, 0s, "broken")};
     }},
    {"D05_near_asked_for", "",
     [](Facts& f) {
       f.events = {Dead(0, 90s, 4s, "discarded"), Dead(1, 9s, 4s, "discarded")};
     }},

    {"D06_server_restarted", "D06",
     [](Facts& f) {
       f.events = {Dead(0, 30s, 4s), Dead(1, 29500ms, 60s, "suspect")};
     }},
    {"D06_near_one_backend", "",
     [](Facts& f) {
       f.events = {Dead(0, 30s, 4s), Dead(0, 30s, 4s)};
     }},

    {"D06_near_yesterday", "",
     [](Facts& f) {
       f.events = {Dead(0, 25h, 4s), Dead(1, 25h, 60s, "suspect")};
     }},

    {"D07_away", "D07",
     [](Facts& f) { GoAway(Remote(f), "unavailable", "Connection refused\nIs it running?"); }},
    {"D07_near_starting_up_is_no_password", "D07",
     [](Facts& f) {
       GoAway(Remote(f), "unavailable", "FATAL: the database system is starting up");
     }},
    {"D07_near_a_failure_of_before", "",
     [](Facts& f) {
       Remote(f).error_code = "unavailable";
       Remote(f).error = "Connection refused";
       Remote(f).window.open_failures = 1;
     }},

    {"D08_wrong_credentials", "D08",
     [](Facts& f) {
       GoAway(Remote(f), "unauthenticated",
              "FATAL: password authentication failed for user \"node7\"");
     }},
    {"D08_near_it_works_again", "",
     [](Facts& f) {
       Remote(f).error_code = "unauthenticated";
       Remote(f).error = "FATAL: password authentication failed for user \"node7\"";
     }},

    {"D09_server_full", "D09",
     [](Facts& f) {
       GoAway(Remote(f), "resource_exhausted", "FATAL: sorry, too many clients already");
     }},
    {"D09_near_memory_here", "",
     [](Facts& f) {
       Remote(f).error_code = "resource_exhausted";
       Remote(f).window.open_failures = 1;
     }},

    {"D10_dns", "D10",
     [](Facts& f) {
       GoAway(Remote(f), "unavailable",
              "looking up db.example.org: Temporary failure in name resolution");
     }},
    {"D10_near_found_and_refused", "D07",
     [](Facts& f) {
       GoAway(Remote(f), "unavailable", "db.example.org (10.0.0.7): Connection refused");
     }},

    {"D11_tls", "D11",
     [](Facts& f) {
       GoAway(Remote(f), "failed_precondition",
              "server certificate for \"db\" does not match host name \"db.example.org\"");
     }},
    {"D11_near_no_hba_entry", "D08",
     [](Facts& f) {
       GoAway(Remote(f), "permission_denied", "no pg_hba.conf entry for host, SSL off");
     }},

    {"D12_pre_ping_waste", "D12",
     [](Facts& f) {
       Remote(f).pre_ping = "always";
       Remote(f).pings = 99'000;
     }},
    {"D12_near_one_was_dead", "",
     [](Facts& f) {
       Remote(f).pre_ping = "always";
       Remote(f).pings = 99'000;
       Remote(f).total.ping_failures = 1;
     }},
    {"D12_near_an_hour", "",
     [](Facts& f) {
       f.running = 23h;
       Remote(f).pre_ping = "always";
       Remote(f).pings = 99'000;
     }},

    {"D13_churn", "D13",
     [](Facts& f) {
       Local(f).total.opens = 20'000;
       Local(f).closed_above_size = 19'990;
     }},
    {"D13_near_recycled", "",
     [](Facts& f) {
       Local(f).total.opens = 20'000;
       Local(f).closed_above_size = 10;
     }},
    {"D13_near_seldom", "",
     [](Facts& f) {
       Local(f).total.opens = 10'000;
       Local(f).closed_above_size = 9'990;
     }},

    {"D14_oversized", "D14",
     [](Facts& f) {
       Remote(f).pool_size = 50;
       Remote(f).peak_in_use = 4;
     }},
    {"D14_near_nightly_peak", "",
     [](Facts& f) {
       Remote(f).pool_size = 50;
       Remote(f).peak_in_use = 26;
     }},

    {"D15_arena_full", "D15", [](Facts& f) { f.node->arena_peak = 960 * 1024; }},
    {"D15_arena_refuses", "D15", [](Facts& f) { f.node->arena_failures = 1; }},
    {"D15_near_arena", "", [](Facts& f) { f.node->arena_peak = 900 * 1024; }},
    {"D15_near_the_limit", "D15", [](Facts& f) { f.rss_bytes = f.rss_before = 52 << 20; }},
    {"D15_grows", "D15",
     [](Facts& f) {
       f.rss_bytes = 40 << 20;
       Remote(f).pool_recycle = 1h;
     }},
    {"D15_near_79_percent", "", [](Facts& f) { f.rss_bytes = f.rss_before = 50 << 20; }},
    {"D15_near_grows_without_a_server", "",
     [](Facts& f) {
       f.rss_bytes = 40 << 20;
       f.pools.pop_back();
     }},

    {"D16_wal_starved", "D16",
     [](Facts& f) {
       Local(f).sqlite->wal_frames = 2600;
       Local(f).sqlite->wal_done = 100;
       Local(f).sqlite->checkpoint_busy = 3;
       Local(f).sqlite->oldest_read = 40s;
     }},
    {"D16_by_another_process", "D16",
     [](Facts& f) {
       Local(f).sqlite->wal_frames = 2600;
       Local(f).locks = {
           {.pid = 812, .command = "sqlite3", .what = "reads an old state, which keeps"}};
     }},
    {"D16_near_large_and_copied", "",
     [](Facts& f) {
       Local(f).sqlite->wal_frames = 90'000;
       Local(f).sqlite->wal_done = 90'000;
       Local(f).sqlite->checkpoint_busy = 9;
     }},
    {"D16_near_a_short_reader", "",
     [](Facts& f) {
       Local(f).sqlite->wal_frames = 2600;
       Local(f).sqlite->wal_done = 100;
       Local(f).sqlite->oldest_read = 2s;
     }},

    {"D17_foreign_lock", "D17",
     [](Facts& f) {
       Local(f).sqlite->busy = 12s;
       Local(f).sqlite->busy_timeouts = 4;
       Local(f).locks = {{.pid = 812, .command = "sqlite3", .what = "writes, and keeps others"}};
       Local(f).window.timeouts = 4;  // its consequence
     }},
    {"D17_gone", "D17",
     [](Facts& f) {
       Local(f).sqlite->busy = 12s;
       Local(f).sqlite->busy_timeouts = 4;
     }},
    {"D17_near_nobody_waits_for_it", "",
     [](Facts& f) {
       Local(f).locks = {{.pid = 812, .command = "sqlite3", .what = "writes, and keeps others"}};
     }},
    {"D17_near_a_wait_that_ended", "", [](Facts& f) { Local(f).sqlite->busy = 900ms; }},

    {"D18_card_slow", "D18", [](Facts& f) { f.node->seal.p99 = 800ms; }},
    {"D18_above_a_quarter", "D18",
     [](Facts& f) {
       f.node->seal_every = 1s;
       f.node->seal.p99 = 300ms;
     }},
    {"D18_near_one_spike", "", [](Facts& f) { f.node->seal.max = 900ms; }},

    {"D19_no_room", "D19", [](Facts& f) { f.checks.push_back(Bad("card.space")); }},
    {"D19_read_only", "D19", [](Facts& f) { f.checks.push_back(Bad("card.writable")); }},
    {"D19_refuses", "D19",
     [](Facts& f) {
       f.text = "13 database or disk is full";
       f.node->seal.p99 = 2s;  // its consequence
     }},
    {"D19_away", "D19",
     [](Facts& f) {
       GoAway(Local(f), "failed_precondition", "attempt to write a readonly database");
     }},
    {"D19_near_passed", "",
     [](Facts& f) { f.checks.push_back(Bad("card.space", Verdict::kPass)); }},

    {"D20_suspended", "D20",
     [](Facts& f) {
       f.suspended_between = 600s;
       f.events = {Late(20s)};  // its consequence
     }},
    {"D20_near_not_in_between", "", [](Facts& f) { f.suspended_between = 0s; }},

    {"D21_starved", "D21", [](Facts& f) { f.events = {Late(20s)}; }},
    {"D21_often", "D21",
     [](Facts& f) {
       f.events = {Late(500ms), Late(500ms), Late(500ms)};
     }},
    {"D21_near_a_little_late", "",
     [](Facts& f) {
       f.events = {Late(500ms), Late(1900ms)};
     }},

    {"D21_near_yesterday", "",
     [](Facts& f) {
       f.events = {Late(20s)};
       f.events[0].ago = 25h;
     }},

    {"D22_clock_stepped", "D22",
     [](Facts& f) { f.lines.push_back("chronyd: System clock was stepped by 3600.5 seconds"); }},
    {"D22_clock_wrong", "D22",
     [](Facts& f) { f.checks.push_back(Bad("clock.date", Verdict::kWarn)); }},
    {"D22_near_slewed", "",
     [](Facts& f) { f.lines.push_back("chronyd: Frequency 500.0 ppm, slewed 0.2 s"); }},

    {"D23_fork", "D23",
     [](Facts& f) {
       f.lines.push_back("pool local was made before fork() and cannot be used in the child");
     }},
    {"D23_near_closed", "", [](Facts& f) { f.lines.push_back("pool local is closed"); }},

    {"D24_paused", "D24",
     [](Facts& f) {
       Local(f).paused = Local(f).was_paused = true;
       Local(f).oldest_wait = 29s;
     }},
    {"D24_near_two_seconds", "",
     [](Facts& f) {
       Local(f).paused = Local(f).was_paused = true;
       Local(f).span = 2s;
     }},
    {"D24_near_just_now", "", [](Facts& f) { Local(f).paused = true; }},

    {"D25_hung", "D25",
     [](Facts& f) {
       f = Facts{};
       f.hangs = true;
       f.silent_for = 2s;
     }},
    {"D26_dead", "D26",
     [](Facts& f) {
       f = Facts{};
       f.is_gone = true;
     }},
    {"D26_near_no_answer_of_a_stranger", "", [](Facts& f) { f = Facts{}; }},

    {"D27_statements", "D27",
     [](Facts& f) { Local(f).cache = {{.hits = 10, .misses = 900, .evictions = 880}}; }},
    {"D27_near_first_uses", "",
     [](Facts& f) { Local(f).cache = {{.hits = 10, .misses = 900, .evictions = 0}}; }},
    {"D27_near_a_fifth", "",
     [](Facts& f) { Local(f).cache = {{.hits = 800, .misses = 200, .evictions = 180}}; }},

    {"D28_supply", "D28",
     [](Facts& f) {
       f.checks[0] = Bad("board.voltage");
       f.events = {Late(20s)};  // its consequence
     }},
    {"D28_hot", "D28", [](Facts& f) { f.node->celsius = 81; }},
    {"D28_near_79", "", [](Facts& f) { f.node->celsius = 79; }},

    {"D29_no_ping", "D29",
     [](Facts& f) {
       Remote(f).pre_ping = "never";
       Remote(f).keep_alive = 0s;
     }},
    {"D29_no_recycle", "D29", [](Facts& f) { Remote(f).pool_recycle = 0s; }},
    {"D29_share", "D29", [](Facts& f) { f.max_connections = 9; }},
    {"D29_near_maintained_at_rest", "", [](Facts& f) { Remote(f).pre_ping = "never"; }},
    {"D29_near_sqlite", "", [](Facts& f) { Local(f).pool_recycle = 0s; }},
    {"D29_near_30_percent", "", [](Facts& f) { f.max_connections = 10; }},
};

class RuleTest : public ::testing::TestWithParam<Case> {};

TEST_P(RuleTest, FindsThisAndNothingElse) {
  Facts facts = HealthyFacts();
  GetParam().make(facts);
  const Diagnosis diagnosis = Diagnose(facts);
  EXPECT_EQ(RulesOf(diagnosis), GetParam().expected);
  for (const Finding& finding : diagnosis.findings) {
    EXPECT_FALSE(finding.sentence.empty());
    EXPECT_FALSE(finding.check.empty());
    EXPECT_FALSE(finding.change.text.empty() && finding.change.to.empty()) << "what to do";
  }
}

INSTANTIATE_TEST_SUITE_P(All, RuleTest, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(RulesTest, EachIsShownFiringAloneAndSilent) {
  std::set<std::string> fired;
  std::set<std::string> silent;
  for (const Case& one : kCases) {
    const std::string name = one.name;
    if (name.substr(0, 3) == one.expected) fired.insert(one.expected);
    if (name.substr(0, 3) != one.expected && name[0] == 'D') silent.insert(name.substr(0, 3));
  }
  for (const Rule& rule : AllRules()) {
    EXPECT_EQ(fired.count(rule.id), 1u) << rule.id;
    // Of D07, D25 and D26 the silent ones are those of their neighbours, too.
    const bool of_neighbours = std::string_view(rule.id) == "D25";
    EXPECT_TRUE(silent.count(rule.id) == 1 || of_neighbours) << rule.id;
  }
}

TEST(RulesTest, TheTableIsWhole) {
  std::string before;
  for (const Rule& rule : AllRules()) {
    EXPECT_LT(before, rule.id);
    before = rule.id;
    EXPECT_EQ(FindRule(rule.id), &rule);
    EXPECT_EQ(FindRule(rule.name), &rule);
    const std::string silences = rule.silences;
    for (size_t at = 0; at < silences.size(); at += 4) {
      EXPECT_NE(FindRule(silences.substr(at, 3)), nullptr) << rule.id << ": " << silences;
    }
    EXPECT_THAT(ExplainText(rule, 1000), HasSubstr(rule.finds));
  }
  EXPECT_EQ(FindRule("none"), nullptr);
  EXPECT_EQ(AllRules().size(), 29u);
}

TEST(RulesTest, EveryRuleLooksAtAHealthyProgram) {
  const Diagnosis diagnosis = Diagnose(HealthyFacts());
  EXPECT_EQ(diagnosis.looked, 29);
  EXPECT_TRUE(diagnosis.not_looked.empty());
}

TEST(RulesTest, WhatCannotBeLookedAtIsSaid) {
  Facts facts = HealthyFacts();
  facts.pools.pop_back();
  facts.has_before = false;
  const Diagnosis diagnosis = Diagnose(facts);
  std::string missing;
  for (const NotLooked& one : diagnosis.not_looked) missing += one.rule + " " + one.reason + "\n";
  EXPECT_EQ(missing,
            "D05 no pool of a server\nD06 no pool of a server\nD20 no second snapshot\n"
            "D29 no pool of a server\n");
  EXPECT_EQ(diagnosis.looked, 25);
}

TEST(RulesTest, ACauseSilencesItsConsequencesInItsPoolAlone) {
  Facts facts = HealthyFacts();
  GoAway(Remote(facts), "unauthenticated", "password authentication failed");
  Local(facts).window.timeouts = 5;
  const Diagnosis diagnosis = Diagnose(facts);
  EXPECT_EQ(RulesOf(diagnosis), "D01 D08");
  ASSERT_EQ(diagnosis.silenced.size(), 1u);
  EXPECT_EQ(diagnosis.silenced[0].rule, "D07");
  EXPECT_EQ(diagnosis.silenced[0].by, "D08");
  EXPECT_EQ(diagnosis.silenced[0].pool, "remote");
}

TEST(RulesTest, TheWorstAndSurestComesFirst) {
  Facts facts = HealthyFacts();
  Remote(facts).pool_recycle = 0s;  // warn, likely
  facts.node->celsius = 85;         // warn, certain
  Local(facts).leases = {
      {.slot = 1, .role = "any", .where = "a.cc:1", .held = 15s}};  // fail, possible
  Local(facts).refused_nested = 1;                                  // fail, certain
  const Diagnosis diagnosis = Diagnose(facts);
  std::string order;
  for (const Finding& finding : diagnosis.findings) order += finding.rule + " ";
  EXPECT_EQ(order, "D04 D02 D28 D29 ");
}

TEST(RulesTest, OnlySomeAreAsked) {
  Facts facts = HealthyFacts();
  Local(facts).refused_nested = 1;
  Local(facts).window.timeouts = 5;
  facts.node->celsius = 85;
  const Rule* const only[] = {FindRule("too-small"), FindRule("D28")};
  const Diagnosis diagnosis = Diagnose(facts, only);
  EXPECT_EQ(RulesOf(diagnosis), "D28") << "D04, which is not asked, still explains D01";
  EXPECT_EQ(diagnosis.looked, 2);
}

// ---- What a finding says ----

const Finding* FindingOf(const Diagnosis& diagnosis, std::string_view rule) {
  for (const Finding& finding : diagnosis.findings) {
    if (finding.rule == rule) return &finding;
  }
  return nullptr;
}

TEST(FindingTest, ALargerPoolIsProposedByTheRateThatWasSeen) {
  Facts facts = HealthyFacts();
  PoolFacts& pool = Local(facts);
  pool.backend = "postgresql";
  pool.sqlite.reset();
  pool.span = 10s;
  pool.window = {.checkouts = 600, .waited = 500, .timeouts = 200};
  pool.hold = {.count = 600, .p50 = 64ms, .p99 = 64ms, .max = 64ms};
  pool.total_hold = pool.hold_before = pool.hold;
  const Diagnosis diagnosis = Diagnose(facts);
  const Finding* const finding = FindingOf(diagnosis, "D01");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->severity, Severity::kFail);
  EXPECT_EQ(finding->sureness, Sureness::kCertain) << "all leases take about as long";
  EXPECT_EQ(finding->change.setting, "pool_size");
  EXPECT_EQ(finding->change.from, "2");
  // 80 a second for 64 ms each keep 5.1 busy, so that 6 would be too few.
  EXPECT_GE(std::stoi(finding->change.to), 6);
  EXPECT_LE(std::stoi(finding->change.to), 12);
}

TEST(FindingTest, SqlitesOneWriterIsNotHelpedByALargerPool) {
  Facts facts = HealthyFacts();
  Local(facts).waits_in = "writer";
  Local(facts).oldest_wait = 20s;
  const Diagnosis diagnosis = Diagnose(facts);
  const Finding* const finding = FindingOf(diagnosis, "D01");
  ASSERT_NE(finding, nullptr);
  EXPECT_TRUE(finding->change.setting.empty());
  EXPECT_THAT(finding->change.text, HasSubstr("one writer"));
}

TEST(FindingTest, ALeakNamesItsLine) {
  Facts facts = HealthyFacts();
  Local(facts).leases = {{.slot = 1, .role = "any", .where = "node.cc:58", .held = 312s},
                         {.slot = 2, .role = "any", .where = "node.cc:90", .held = 1s}};
  const Diagnosis diagnosis = Diagnose(facts);
  ASSERT_EQ(diagnosis.findings.size(), 1u) << "the other lease is not old";
  EXPECT_THAT(diagnosis.findings[0].sentence, HasSubstr("node.cc:58 has held slot 1 for 5.2 min"));
  EXPECT_EQ(diagnosis.findings[0].sureness, Sureness::kCertain);
}

TEST(FindingTest, AReaderOfTheProgramIsNamedByItsLineAndAStrangerByItsProcess) {
  Facts facts = HealthyFacts();
  Local(facts).sqlite->wal_frames = 2600;
  Local(facts).sqlite->oldest_read = 40s;
  Local(facts).leases = {{.slot = 1, .role = "reader", .where = "report.cc:7", .held = 41s}};
  Local(facts).leak_after = 60s;
  EXPECT_THAT(FindingOf(Diagnose(facts), "D16")->sentence, HasSubstr("report.cc:7"));
  Local(facts).leases.clear();
  Local(facts).locks = {{.pid = 812, .command = "sqlite3", .what = "reads an old state"}};
  EXPECT_THAT(FindingOf(Diagnose(facts), "D16")->sentence, HasSubstr("process 812 (sqlite3)"));
}

TEST(FindingTest, WhatTheServerClosesGivesTheBoundOfKeepAlive) {
  Facts facts = HealthyFacts();
  facts.events = {Dead(0, 900s, 305s), Dead(1, 600s, 300s)};
  const Diagnosis diagnosis = Diagnose(facts);
  const Finding* const finding = FindingOf(diagnosis, "D05");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->change.setting, "keep_alive");
  EXPECT_EQ(finding->change.from, "60 s");
  EXPECT_EQ(finding->change.to, "4 min");
}

TEST(FindingTest, MemoryOfASessionsIsGivenBackByFewerOrYoungerOnes) {
  Facts facts = HealthyFacts();
  facts.rss_bytes = facts.rss_before = 60 << 20;
  Remote(facts).open = Remote(facts).pool_size = 20;
  Remote(facts).peak_in_use = 11;
  EXPECT_EQ(FindingOf(Diagnose(facts), "D15")->change.to, "11");
  Remote(facts).peak_in_use = 20;
  Remote(facts).pool_recycle = 0s;
  EXPECT_EQ(FindingOf(Diagnose(facts), "D15")->change.setting, "pool_recycle");
  Remote(facts).pool_recycle = 1h;
  EXPECT_EQ(FindingOf(Diagnose(facts), "D15")->change.setting, "max_overflow");
}

}  // namespace
}  // namespace roost::tools::doctor
