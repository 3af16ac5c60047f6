// tests/tools/doctor/facts_test.cc - what `roostctl doctor` takes from answers, files and journals, and what it prints.
#include "tools/roostctl/doctor/facts.h"

#include <sqlite3.h>

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/doctor/doctor_facts.h"
#include "tools/roostctl/doctor/gather.h"
#include "tools/roostctl/doctor/report.h"
#include "tools/roostctl/status.h"

namespace roost::tools::doctor {
namespace {

using namespace std::chrono_literals;
using roost::testing::HealthyFacts;
using roost::testing::Local;
using roost::testing::RulesOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAnswer[] = R"({"format": 1, "name": "node7", "version": "1.0", "pid": 7,
  "running_s": 7200, "suspended_s": 5, "text": "fine",
  "pools": [{"name": "local", "backend": "sqlite", "target": "/a.db", "profile": "raspberry_pi",
    "pool_timeout_s": 30, "pool_recycle_s": 0, "keep_alive_s": 60, "linger_s": 0, "leak_after_s": 10,
    "pre_ping": "never", "hold_times": true,
    "stats": {"pool_size": 2, "max_overflow": 1, "capacity": 3, "in_use": 1, "open": 2, "checkouts": 4096,
      "timeouts": 5, "timeouts_away": 2, "peak_in_use": 3, "opens": 9, "refused_nested": 1,
      "closes": {"overflow": 3, "lingered": 2, "recycled": 1},
      "hold": {"count": 4096, "p50_s": 0.008, "p99_s": 0.064, "max_s": 0.2}},
    "window": {"span_s": 119, "checkouts": 12, "timeouts": 3, "timeouts_away": 1,
               "hold": {"count": 12, "p50_s": 0.008, "p99_s": 0.032, "max_s": 0.032}},
    "lanes": [{"role": "reader"}, {"role": "writer", "waiting": 1, "oldest_wait_s": 2, "away": true,
               "away_s": 60, "next_try_s": 4, "error": "refused", "error_code": "unavailable"}],
    "slots": [{"slot": 0, "state": "leased", "role": "writer", "held_s": 5, "file": "main.cc", "line": 58},
              {"slot": 1, "state": "idle"}],
    "figures": {"sqlite": {"busy_s": 12, "busy_timeouts": 4, "wal_frames": 84,
                           "wal_checkpointed_frames": 80, "checkpoint_busy": 2, "oldest_read_s": 6},
                "statement_cache": {"hits": 5, "misses": 6, "evictions": 7}}}],
  "figures": {"node": {"resident_memory_bytes": 2048, "cpu_temperature_celsius": 81, "cpu_throttled": 1,
                       "seal_every_s": 5, "seal_duration": {"count": 9, "p99_s": 0.02}},
              "sqlite_arena": {"size_bytes": 1000, "peak_bytes": 990, "failures": 1}},
  "events": [{"kind": "timeout", "ago_s": 3, "pool": "local", "slot": 2, "file": "node.cc", "line": 9,
              "reason": "broken", "span_s": 1, "text": "QueuePool limit"}]})";

TEST(FactsTest, AreThoseOfTheAnswer) {
  const Facts facts = FactsOf(Json::parse(kAnswer));
  EXPECT_EQ(facts.name, "node7");
  EXPECT_EQ(facts.pid, 7);
  EXPECT_EQ(facts.rss_bytes, 2048u);
  EXPECT_EQ(facts.running, 7200s);
  ASSERT_EQ(facts.pools.size(), 1u);
  const PoolFacts& pool = facts.pools[0];
  EXPECT_TRUE(pool.IsSqlite());
  EXPECT_EQ(pool.capacity, 3);
  EXPECT_EQ(pool.pool_recycle, Duration::zero());
  EXPECT_EQ(pool.keep_alive, Duration(60s));
  EXPECT_EQ(pool.leak_after, Duration(10s));
  EXPECT_EQ(pool.pre_ping, "never");
  EXPECT_EQ(pool.total.exhausted(), 3u);
  EXPECT_EQ(pool.window.exhausted(), 2u);
  EXPECT_EQ(pool.closed_above_size, 5u);
  EXPECT_EQ(pool.refused_nested, 1u);
  EXPECT_EQ(pool.hold.p99, Duration(32ms));
  EXPECT_TRUE(pool.away);
  EXPECT_EQ(pool.away_for, 60s);
  EXPECT_EQ(pool.error, "refused");
  EXPECT_EQ(pool.waits_in, "writer");
  ASSERT_EQ(pool.leases.size(), 1u);
  EXPECT_EQ(pool.leases[0].where, "main.cc:58");
  EXPECT_EQ(pool.sqlite->oldest_read, 6s);
  EXPECT_EQ(pool.cache->evictions, 7u);
  EXPECT_EQ(facts.node->celsius, 81);
  EXPECT_TRUE(facts.node->throttled);
  EXPECT_EQ(facts.node->arena_failures, 1u);
  ASSERT_EQ(facts.events.size(), 1u);
  EXPECT_EQ(facts.events[0].where, "node.cc:9");
  EXPECT_EQ(facts.events[0].slot, 2);
  EXPECT_FALSE(facts.has_before);
}

TEST(FactsTest, AnAnswerOfOtherTypesIsTakenAllTheSame) {
  for (
      const char* text :
      {R"({})", R"([])", R"(7)",
       R"({"pools": [1, [], null, {"lanes": [7], "slots": "x", "stats": [], "window": {"span_s": 1e300},
            "figures": {"sqlite": [], "statement_cache": 3}}], "figures": {"node": 1}, "events": [null]})"}) {
    const Diagnosis diagnosis = Diagnose(FactsOf(Json::parse(text)));
    EXPECT_EQ(RulesOf(diagnosis), "") << text;
  }
}

TEST(FactsTest, TwoAnswersTellWhatHappenedInBetween) {
  const Json before = Json::parse(kAnswer);
  Json after = before;
  after["running_s"] = 7260;
  after["suspended_s"] = 25;
  after["figures"]["node"]["resident_memory_bytes"] = 4096u;
  after["pools"][0]["stats"]["checkouts"] = 5096u;
  after["pools"][0]["stats"]["timeouts"] = 9u;
  after["pools"][0]["stats"]["timeouts_away"] = 3u;
  const Facts facts = FactsOf(before, after);
  EXPECT_TRUE(facts.has_before);
  EXPECT_EQ(facts.suspended_between, 20s);
  EXPECT_EQ(facts.rss_before, 2048u);
  EXPECT_EQ(facts.pools[0].span, 60s);
  EXPECT_EQ(facts.pools[0].window.checkouts, 1000u);
  EXPECT_EQ(facts.pools[0].window.exhausted(), 3u);
  EXPECT_EQ(facts.pools[0].hold_before.count, 12u);
}

TEST(FactsTest, AnswersOfTwoProcessesAreNotCompared) {
  const Json before = Json::parse(kAnswer);
  Json after = before;
  after["pid"] = 8u;
  EXPECT_FALSE(FactsOf(before, after).has_before);
  after["pid"] = 7u;
  after["running_s"] = 10;
  EXPECT_FALSE(FactsOf(before, after).has_before) << "the number was given out again";
}

TEST(FactsTest, AStatusFileTellsOfItsPools) {
  const Json status = Json::parse(R"({"format": 1, "name": "n", "pid": 7, "refused": "disk is full",
    "memory": {"rss_kib": 4}, "sqlite_memory": {"arena_bytes": 1000, "arena_peak": 960},
    "store": {"card_is_full": true},
    "local": {"name": "local", "backend": "sqlite", "pool_size": 2, "capacity": 3, "timeouts": 4, "peak_in_use": 3},
    "remote": {"state": "away", "last_error": "password authentication failed",
               "pool": {"name": "remote", "backend": "postgresql", "pool_size": 1}}})");
  const Facts facts = FactsOfStatusFile(status);
  EXPECT_EQ(facts.source, "status file");
  EXPECT_EQ(facts.rss_bytes, 4096u);
  EXPECT_EQ(facts.pools.size(), 2u);
  EXPECT_EQ(facts.pools[0].window.timeouts, 4u);
  EXPECT_TRUE(facts.pools[1].away);
  EXPECT_EQ(RulesOf(Diagnose(facts)), "D01 D08 D15 D19");
}

// ---- Journals ----

TEST(JournalTest, EchoedEventsAreTaken) {
  const Facts facts = FactsOfJournal(
      "2026-11-30T21:40:00+0000 pi node[7]: roost: pool=remote event=connect slot=0 span=0.01\n"
      "2026-11-30T21:41:00+0000 pi node[7]: roost: pool=remote event=invalidate slot=0 "
      "reason=ping_failed age=70.0 idle=60.5\n"
      "2026-11-30T21:43:00+0000 pi node[7]: roost: pool=remote event=invalidate slot=1 "
      "reason=ping_failed age=70.0 idle=61.0\n"
      "2026-11-30T21:43:10+0000 pi node[7]: roost: pool=local event=timeout span=30.0 "
      "where=src/node.cc:58 status=\"QueuePool limit of size 2 overflow 1 reached\"\n"
      "2026-11-30T21:43:11+0000 pi node[7]: something else\n");
  ASSERT_EQ(facts.events.size(), 4u);
  EXPECT_EQ(facts.events[1].span, 60500ms);
  EXPECT_EQ(facts.events[1].ago, 130s);
  EXPECT_EQ(facts.events[3].where, "node.cc:58");
  EXPECT_EQ(facts.events[3].text, "QueuePool limit of size 2 overflow 1 reached");
  EXPECT_EQ(facts.pools[1].window.exhausted(), 1u);
  EXPECT_EQ(RulesOf(Diagnose(facts)), "D01 D05");
}

TEST(JournalTest, FieldsOfEventsAreTaken) {
  const Facts facts = FactsOfJournal(
      R"({"__REALTIME_TIMESTAMP": "1764500000000000", "ROOST_POOL": "remote", "ROOST_EVENT": "connect_failed", "ROOST_CODE": "unauthenticated", "ROOST_STATUS": "password authentication failed", "MESSAGE": "pool remote: its database is away"}
{"__REALTIME_TIMESTAMP": "1764500007000000", "ROOST_POOL": "local", "ROOST_EVENT": "leak", "ROOST_SLOT": "1", "ROOST_SPAN_US": "11000000", "CODE_FILE": "src/node.cc", "CODE_LINE": "58", "MESSAGE": "x"}
{"MESSAGE": "systemd: Time has been changed"}
not json
)");
  EXPECT_EQ(RulesOf(Diagnose(facts)), "D02 D08 D22");
  EXPECT_EQ(facts.Find("local")->leases[0].where, "node.cc:58");
  EXPECT_EQ(facts.Find("local")->leases[0].held, 11s);
}

TEST(JournalTest, WhatIsOverIsNotFound) {
  const Facts facts = FactsOfJournal(
      "roost: pool=remote event=connect_failed status=\"password authentication failed\"\n"
      "roost: pool=remote event=connect slot=0\n"
      "roost: pool=local event=leak slot=1 span=11 where=a.cc:1\n"
      "roost: pool=local event=leak_returned slot=1 span=12\n");
  EXPECT_EQ(RulesOf(Diagnose(facts)), "");
}

// ---- Texts that are read ----

TEST(LookAtTextTest, LinesOfOneProgramAreTwoLooks) {
  Json before = Json::parse(kAnswer);
  Json after = before;
  after["running_s"] = 7260;
  const Looked two = LookAtText("a", before.dump() + "\n" + after.dump() + "\n");
  EXPECT_TRUE(two.facts.has_before);
  const Looked one = LookAtText("a", before.dump(2));
  EXPECT_FALSE(one.facts.has_before);
  EXPECT_EQ(one.exit_code, 0);
  EXPECT_EQ(one.facts.name, "node7");
}

TEST(LookAtTextTest, WhatIsNothingOfThatIsSaid) {
  for (const char* text : {"", " \n", "hello", "{}", "{\"a\": ", "[1]", "\x00\xff\xfe"}) {
    const Looked looked = LookAtText("x.txt", text);
    EXPECT_EQ(looked.exit_code, kStatusCannotTell) << text;
    EXPECT_THAT(looked.reason, HasSubstr("x.txt: it is"));
  }
}

// ---- Secrets ----

TEST(RedactTest, TakesPasswordsOut) {
  const struct {
    const char* text;
    const char* shown;
  } kCases[] = {
      {"postgresql://node7:hunter2@db/farm?sslmode=require",
       "postgresql://node7:***@db/farm?sslmode=require"},
      {"mysql://u:p@ss@h/d", "mysql://u:***@h/d"},
      {"host=db user=u password=hunter2 dbname=d", "host=db user=u password=*** dbname=d"},
      {"password='hun ter2' x", "password='***' x"},
      {R"({"password": "hunter2", "a": 1})", R"({"password": "***", "a": 1})"},
      {R"({"text": "{\"password\": \"hunter2\"}"})", R"({"text": "{\"password\": \"***"}"})"},
      {"PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"},
      {"postgresql://db.example.org:5432/farm", "postgresql://db.example.org:5432/farm"},
      {"password authentication failed for user \"node7\"",
       "password authentication failed for user \"node7\""},
      {"passfile=/etc/roost/pgpass", "passfile=/etc/roost/pgpass"},
  };
  for (const auto& one : kCases) {
    EXPECT_THAT(Redact(one.text), Not(HasSubstr("hunter2"))) << one.text;
    if (std::string_view(one.text).find("\\\"") == std::string_view::npos) {
      EXPECT_EQ(Redact(one.text), one.shown);
    }
  }
}

// ---- A log by its index, without its database ----

TEST(WalIndexTest, TellsWhatWaitsToBeCopied) {
  const support::TempDir dir;
  const std::string path = dir.File("node.db");
  EXPECT_FALSE(ReadWalIndex(path).has_value());
  sqlite3* writer = nullptr;
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &writer), SQLITE_OK);
  ASSERT_EQ(sqlite3_open(path.c_str(), &reader), SQLITE_OK);
  const auto run = [](sqlite3* handle, const char* sql) {
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
  };
  run(writer,
      "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1); PRAGMA "
      "wal_checkpoint");
  ASSERT_TRUE(ReadWalIndex(path).has_value());
  EXPECT_EQ(ReadWalIndex(path)->wal_frames, ReadWalIndex(path)->wal_done);
  run(reader, "BEGIN; SELECT * FROM t");
  run(writer,
      "INSERT INTO t SELECT randomblob(40000) FROM t; INSERT INTO t VALUES (2); PRAGMA "
      "wal_checkpoint");
  const SqliteFacts log = *ReadWalIndex(path);
  EXPECT_GT(log.wal_frames, log.wal_done + 5) << "the reader has held it up";
  sqlite3_close(reader);
  sqlite3_close(writer);
}

// ---- What is printed ----

Patient Sick() {
  Patient patient;
  patient.looked.facts = HealthyFacts();
  Facts& facts = patient.looked.facts;
  Local(facts).leases = {{.slot = 1, .role = "any", .where = "node.cc:58", .held = 312s}};
  Local(facts).window.timeouts = 5;
  facts.pools[1].away = true;
  facts.pools[1].error = "cannot reach postgresql://u:hunter2@db\x1b[31m\nIs it running?";
  facts.has_before = false;
  patient.diagnosis = Diagnose(facts);
  return patient;
}

TEST(ReportTest, NoLineIsTooLongAndNothingSecret) {
  for (const int width : {40, 80, 100}) {
    const std::string text = ReportText(Sick(), width);
    EXPECT_THAT(text, HasSubstr("D02 leak: fail, certain, pool local\n"));
    EXPECT_THAT(text, HasSubstr("explained by these: D01 by D02"));
    EXPECT_THAT(text, Not(HasSubstr("hunter2")));
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("    check ")) continue;  // commands stay whole
      EXPECT_LE(line.size(), static_cast<size_t>(width)) << line;
    }
  }
  EXPECT_THAT(
      ReportText(Sick(), 200),
      HasSubstr("greenhouse: 2 findings; 28 rules looked, 1 could not (no second snapshot)"));
  Patient healthy;
  healthy.looked.facts = HealthyFacts();
  healthy.diagnosis = Diagnose(healthy.looked.facts);
  EXPECT_EQ(ReportText(healthy, 80), "greenhouse: nothing found; 29 rules looked\n");
}

TEST(ReportTest, HelpFitsATerminal) {
  std::string all = ListText(80);
  for (const Rule& rule : AllRules()) all += ExplainText(rule, 80);
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(ReportTest, JsonHasTheSame) {
  const Json json = ReportJson({Sick()}, false);
  EXPECT_EQ(json["exit_code"], 1);
  const Json& one = json["programs"][0];
  EXPECT_EQ(one["findings"].size(), 2u);
  const Json& leak = one["findings"][0];
  EXPECT_EQ(leak["rule"], "D02");
  EXPECT_EQ(leak["sureness"], "certain");
  EXPECT_EQ(leak["figures"]["held_s"], 312);
  EXPECT_EQ(one["silenced"][0]["rule"], "D01");
  EXPECT_EQ(one["not_looked"][0]["rule"], "D20");
  EXPECT_THAT(json.dump(), Not(HasSubstr("hunter2")));
}

TEST(ReportTest, ExitCodesAreThoseOfStatus) {
  Patient patient;
  patient.looked.facts = HealthyFacts();
  const auto code = [&patient](bool strict) {
    patient.diagnosis = Diagnose(patient.looked.facts);
    return ExitCodeOf(patient, strict);
  };
  EXPECT_EQ(code(true), kStatusHealthy);
  patient.looked.facts.node->celsius = 85;
  EXPECT_EQ(code(false), kStatusHealthy) << "a warning";
  EXPECT_EQ(code(true), kStatusNotHealthy);
  Local(patient.looked.facts).refused_nested = 1;
  EXPECT_EQ(code(false), kStatusNotHealthy);
  patient.looked.exit_code = kStatusNotRunning;
  EXPECT_EQ(code(false), kStatusNotRunning);
}

TEST(BundleTest, HasAllAndNothingSecret) {
  const support::TempDir dir;
  Patient patient = Sick();
  patient.looked.answer = Json{{"error", "password=hunter2"}, {"long", std::string(300'000, 'x')}};
  const std::string text = BundleText(NativePlatform(), {patient}, false);
  EXPECT_LE(text.size(), kMostBundle);
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  for (const char* part :
       {"== versions\nroostctl ", "== doctor\ngreenhouse", "== selftest", "== status\n"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  const std::string path = dir.File("bundle");
  EXPECT_TRUE(WriteBundle(path, "old").ok());
  EXPECT_TRUE(WriteBundle(path, text).ok());
  struct stat file {};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777u, 0600u);
  EXPECT_EQ(static_cast<size_t>(file.st_size), text.size());
  const absl::Status refused = WriteBundle(dir.File("none/bundle"), text);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("none/bundle: No such file"));
}

}  // namespace
}  // namespace roost::tools::doctor
