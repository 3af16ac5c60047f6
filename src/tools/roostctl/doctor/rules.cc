// tools/roostctl/doctor/rules.cc - the table of rules, and how a diagnosis is made of them.
#include "tools/roostctl/doctor/rules.h"

#include <algorithm>
#include <array>

#include "tools/common/text.h"

namespace roost::tools::doctor {
namespace {

constexpr unsigned kAny = 0;

// A new rule is a row here, a function, a case of tests/tools/doctor_rules_test.cc in which it fires alone, and one
// in which it just does not.
constexpr Rule kRules[] = {
    {"D01", "too-small", "callers wait or time out because all connections are lent",
     "time-outs behind a pool that was fully lent, a wait p99 above half of pool_timeout or above "
     "100 ms with every fifth caller waiting; not while the database is away or the pool paused",
     "a larger pool_size, by the rate and the time of use that were seen (roostctl size); for "
     "SQLite's writer shorter transactions",
     "", kAnswer | kLines, LookTooSmall},
    {"D02", "leak", "a lease is out for far longer than leases are",
     "a lease older than leak_after (without it: 1 min) and than 20 times the p99 of the times of "
     "use",
     "fix the line that is named; size does not help", "D01", kAnswer | kLines, LookLeak},
    {"D03", "slow-queries", "all connections are used for longer than before",
     "p50 of the times of use of the window, at least 10 ms and 3 times that of before, of 20 "
     "leases",
     "find the statement that has become slow; a time-out for statements", "D01", kAnswer,
     LookSlowQueries},
    {"D04", "nested", "threads acquire a second connection of a pool while they hold one",
     "refused_nested above 0", "one lease for a task, or a pool_size above the number of threads",
     "D01", kAnswer | kLines, LookNested},
    {"D05", "server-closes-idle", "the server, or what is between, closes connections that rest",
     "connections found dead at two moments or more, after rests of 1 s or more",
     "keep_alive or pool_recycle below the limit; pre_ping", "D29", kRemote | kEvents,
     LookServerClosesIdle},
    {"D06", "server-restarted", "several connections died at one moment",
     "two connections or more found dead within 1 s, once in the last hour, and the database is "
     "there again",
     "nothing; note how long it took", "D01 D05", kRemote | kEvents, LookServerRestarted},
    {"D07", "away", "the database cannot be reached", "a lane that is away, and its latest error",
     "the link, the address, the server", "D01 D03 D05 D06 D13", kAnswer | kLines, LookAway},
    {"D08", "wrong-credentials", "the server refuses user or password",
     "the code unauthenticated or permission denied of an open that failed",
     "the file of the password, the user, pg_hba.conf", "D01 D06 D07", kAnswer | kLines,
     LookCredentials},
    {"D09", "server-full", "the server has no room for one more session",
     "the code resource exhausted of an open that failed (PostgreSQL: 53300)",
     "20 to 30 % of max_connections for all nodes together", "D01 D06 D07", kAnswer | kLines,
     LookServerFull},
    {"D10", "dns", "the server's name cannot be looked up", "the text of an open that failed",
     "the resolver, or an address besides the name", "D01 D06 D07", kAnswer | kLines, LookDns},
    {"D11", "tls", "no encrypted session comes about", "the text of an open that failed",
     "the certificate's names and dates, the file of the authority, the clock", "D01 D06 D07",
     kAnswer | kLines, LookTls},
    {"D12", "pre-ping-waste", "each lease costs a ping that never finds anything",
     "pre_ping always, as many pings as leases, none failed, 1000 leases in a day or more",
     "pre_ping after_idle", "", kAnswer, LookPrePingWaste},
    {"D13", "churn", "connections above pool_size are opened and closed again and again",
     "more than one open for 10 leases, half of them closed for overflow or after linger",
     "linger, or one more of pool_size", "", kAnswer, LookChurn},
    {"D14", "oversized", "half of the pool was never lent",
     "peak_in_use at most half of a pool_size of 4 or more, 1000 leases in a day or more",
     "a smaller pool_size", "", kAnswer, LookOversized},
    {"D15", "memory", "memory runs out, or grows with the connections",
     "SQLite's block filled to 95 % or refusing; the process at 80 % of its control group's limit, "
     "or "
     "grown by a fifth and 10 MiB between two looks, with a pool of a server's connections",
     "sqlite_arena_kib; pool_size, max_overflow and pool_recycle of the pool of the server", "",
     kNode | kAnswer, LookMemory},
    {"D16", "wal-starved", "a reader keeps SQLite's log from being copied",
     "1000 pages or more that wait, with a reader older than 10 s, three checkpoints held up, or "
     "another process that reads (/proc/locks)",
     "end the reader: it is named", "", kSqlite, LookWalStarved},
    {"D17", "foreign-lock", "another process holds the lock of a SQLite database",
     "waits outside of the pool, and who holds the lock by /proc/locks; the database is not "
     "touched",
     "end that process's transaction", "D01 D02 D03", kSqlite, LookForeignLock},
    {"D18", "card-slow", "the card takes long to store a batch",
     "p99 of the seals above 500 ms, or above a quarter of --seal-every, of 20 seals",
     "a faster card, a longer --seal-every", "D01 D03 D21", kNode, LookCardSlow},
    {"D19", "card-full", "the card is full, or takes no writes",
     "what the database refuses; free room and how the card is mounted, by roostctl selftest",
     "room, a shorter retention", "D07 D18", kAnswer | kChecks, LookCardFull},
    {"D20", "suspended", "the machine slept", "suspended_s of two snapshots",
     "a node that does not sleep", "D05 D06 D21", kTwoLooks, LookSuspended},
    {"D21", "starved", "the program was not run when it should have",
     "late ticks of the last hour: one of 2 s or more, or three",
     "the processor, the card, a thread of its own", "", kEvents, LookStarved},
    {"D22", "clock-stepped", "the wall clock was set anew, or is wrong",
     "a journal's lines; the clock's date by roostctl selftest", "one time service", "",
     kLines | kChecks, LookClockStepped},
    {"D23", "fork", "a child of fork() uses its parent's pool",
     "what a pool refuses with in a child", "exec, or make the pool after the fork", "",
     kEvents | kLines, LookFork},
    {"D24", "paused", "a pool is paused and not resumed",
     "paused in both looks, or nothing lent in a window of 1 min or more", "Pool::Resume",
     "D01 D07", kAnswer, LookPaused},
    {"D25", "hung", "the program is there and does not answer",
     "no answer within 2 s from a process that lives", "see what it waits for; restart it", "",
     kAny, LookHung},
    {"D26", "dead", "the program was killed or has crashed",
     "a socket or a file that nobody serves", "see why it ended; start it", "", kAny, LookDead},
    {"D27", "statements", "statements are prepared again and again",
     "more misses of the statement cache than a fifth of 100 uses, with evictions",
     "a larger statements; values bound", "", kAnswer, LookStatements},
    {"D28", "board", "the board's supply, heat, or speed",
     "the checks of roostctl selftest, what a node tells", "supply, cable, cooling", "D18 D21",
     kNode | kChecks, LookBoard},
    {"D29", "settings", "settings of a pool of a server that will hurt",
     "pre_ping never without keep_alive; pool_recycle never; a capacity above 30 % of "
     "--max-connections",
     "as the finding says", "", kRemote, LookSettings},
};

bool HasPool(const Facts& facts, bool (PoolFacts::*is)() const) {
  return std::any_of(facts.pools.begin(), facts.pools.end(),
                     [is](const PoolFacts& pool) { return (pool.*is)(); });
}

// D05 and D06 need both: the others one of what is joined.
bool Meets(unsigned need, const Facts& facts) {
  switch (need) {
    case kAnswer:
      return facts.has_answer;
    case kRemote:
      return HasPool(facts, &PoolFacts::IsRemote) ||
             (facts.source == "journal" && !facts.pools.empty());
    case kSqlite:
      return HasPool(facts, &PoolFacts::IsSqlite);
    case kNode:
      return facts.node.has_value();
    case kEvents:
      return facts.has_events;
    case kTwoLooks:
      return facts.has_before;
    case kChecks:
      return !facts.checks.empty();
    case kLines:
      return !facts.lines.empty() || facts.source == "journal";
    default:
      return true;
  }
}

struct NeedName {
  unsigned need;
  const char* missing;
};
constexpr NeedName kNeeds[] = {
    {kAnswer, "no figures of a program"},
    {kRemote, "no pool of a server"},
    {kSqlite, "no SQLite database"},
    {kNode, "no figures of a node"},
    {kEvents, "no events"},
    {kTwoLooks, "no second snapshot"},
    {kChecks, "no look at this board"},
    {kLines, "no journal"},
};

bool Names(std::string_view ids, std::string_view id) { return Contains(ids, id); }

bool Explains(const Finding& cause, const Finding& other) {
  const Rule* const rule = FindRule(cause.rule);
  return Names(rule->silences, other.rule) && (cause.pool.empty() || cause.pool == other.pool);
}

bool IsBefore(const Finding& a, const Finding& b) {
  // A likely failure goes before a certain warning.
  if (a.severity != b.severity) return a.severity < b.severity;
  if (a.sureness != b.sureness) return a.sureness < b.sureness;
  return a.rule < b.rule;
}

}  // namespace

std::string_view Name(Severity severity) { return severity == Severity::kFail ? "fail" : "warn"; }

std::string_view Name(Sureness sureness) {
  switch (sureness) {
    case Sureness::kCertain:
      return "certain";
    case Sureness::kLikely:
      return "likely";
    case Sureness::kPossible:
      return "possible";
  }
  return "?";
}

std::span<const Rule> AllRules() { return kRules; }

const Rule* FindRule(std::string_view id_or_name) {
  for (const Rule& rule : kRules) {
    if (id_or_name == rule.id || id_or_name == rule.name) return &rule;
  }
  return nullptr;
}

std::string WhyNot(const Rule& rule, const Facts& facts) {
  if (rule.needs == kAny) return "";
  const bool all = rule.needs == (kRemote | kEvents);
  std::string missing;
  bool one = false;
  for (const NeedName& need : kNeeds) {
    if ((rule.needs & need.need) == 0) continue;
    if (Meets(need.need, facts)) {
      one = true;
    } else {
      missing += (missing.empty() ? "" : ", ") + std::string(need.missing);
    }
  }
  return (all ? missing.empty() : one) ? "" : missing;
}

Diagnosis Diagnose(const Facts& facts, std::span<const Rule* const> only) {
  Diagnosis diagnosis;
  std::vector<Finding> found;
  for (const Rule& rule : kRules) {
    // One that is not asked for may still be the cause of one that is.
    const bool asked = only.empty() || std::find(only.begin(), only.end(), &rule) != only.end();
    if (const std::string why = WhyNot(rule, facts); !why.empty()) {
      if (asked) diagnosis.not_looked.push_back({rule.id, why});
      continue;
    }
    if (asked) ++diagnosis.looked;
    rule.look(facts, found);
  }
  for (const Finding& finding : found) {
    const bool asked =
        only.empty() || std::find(only.begin(), only.end(), FindRule(finding.rule)) != only.end();
    if (!asked) continue;
    const auto cause = std::find_if(found.begin(), found.end(), [&finding](const Finding& other) {
      return Explains(other, finding);
    });
    if (cause == found.end()) {
      diagnosis.findings.push_back(finding);
    } else {
      diagnosis.silenced.push_back({finding.rule, finding.pool, cause->rule});
    }
  }
  std::stable_sort(diagnosis.findings.begin(), diagnosis.findings.end(), IsBefore);
  return diagnosis;
}

double Seconds(Duration span) { return InSeconds(span); }

std::string Times(uint64_t count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

std::string StatusCommandOf(const Facts& facts) {
  return facts.source == "socket" && !facts.name.empty() ? "roostctl status " + facts.name
                                                         : "roostctl status";
}

bool IsRecent(const Facts& facts, const EventFacts& event) {
  return facts.source == "journal" || event.ago <= std::chrono::hours(1);
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace roost::tools::doctor
