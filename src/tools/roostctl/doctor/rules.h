// tools/roostctl/doctor/rules.h - the rules of `roostctl doctor`: each is a row of a table and a function that reads
// the facts and finds something or nothing.
//
// A rule finds a cause, not a symptom: one that explains another silences it, in the same pool or, where it is
// about the program, in all pools.
//
// Threads:  any; values
// Blocks:   never
// Memory:   the findings
// Errors:   none
#ifndef ROOST_TOOLS_ROOSTCTL_DOCTOR_RULES_H_
#define ROOST_TOOLS_ROOSTCTL_DOCTOR_RULES_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/roostctl/doctor/facts.h"

namespace roost::tools::doctor {

// kFail: callers are hurt, or data is at risk. kWarn: it costs something, or will hurt.
enum class Severity : uint8_t { kFail, kWarn };
enum class Sureness : uint8_t { kCertain, kLikely, kPossible };
// "fail", "warn"; "certain", "likely", "possible".
std::string_view Name(Severity severity);
std::string_view Name(Sureness sureness);

// What to change. `setting` is a name as `roostctl profiles NAME` shows it; empty: no setting of the pool's.
struct Change {
  std::string setting{};
  std::string from{};
  std::string to{};
  std::string text{};  // what else to do, or in place of a setting
};

struct Finding {
  std::string rule{};  // "D02"
  Severity severity = Severity::kWarn;
  Sureness sureness = Sureness::kLikely;
  std::string pool{};             // empty: it is about the program
  std::string sentence{};         // what is wrong, with its numbers
  Json figures = Json::object();  // those that it was found by; names end with their unit
  Change change{};
  std::string check{};  // a command that shows it
};

// What a rule has to have to look. Several are joined with |.
enum Need : unsigned {
  kAnswer = 1,     // figures of a program
  kRemote = 2,     // a pool of a database on a server
  kSqlite = 4,     // a pool of SQLite, or a database file
  kNode = 8,       // a node's own figures
  kEvents = 16,    // events
  kTwoLooks = 32,  // two snapshots
  kChecks = 64,    // this board's own state
  kLines = 128,    // a journal
};

struct Rule {
  const char* id;        // "D01"
  const char* name;      // "too-small"
  const char* finds;     // one sentence without a full stop
  const char* looks_at;  // the figures and bounds
  const char* remedy;    // what to do
  const char* silences;  // the ids of rules whose findings it explains
  unsigned needs;        // one of them is enough where several are joined
  void (*look)(const Facts& facts, std::vector<Finding>& found);
};

// All, in the order of their ids.
std::span<const Rule> AllRules();
// Null: there is none with this id or name.
const Rule* FindRule(std::string_view id_or_name);

// Why `rule` cannot look; empty: it can.
std::string WhyNot(const Rule& rule, const Facts& facts);

struct Silenced {
  std::string rule{};
  std::string pool{};
  std::string by{};
};
struct NotLooked {
  std::string rule{};
  std::string reason{};
};
struct Diagnosis {
  std::vector<Finding> findings{};  // the worst and surest first
  std::vector<Silenced> silenced{};
  std::vector<NotLooked> not_looked{};
  int looked = 0;
};
// `only`: the rules to ask; empty: all.
Diagnosis Diagnose(const Facts& facts, std::span<const Rule* const> only = {});

// ---- The rules' functions, by file ----

// rules_pool.cc
void LookTooSmall(const Facts& facts, std::vector<Finding>& found);
void LookLeak(const Facts& facts, std::vector<Finding>& found);
void LookSlowQueries(const Facts& facts, std::vector<Finding>& found);
void LookNested(const Facts& facts, std::vector<Finding>& found);
void LookPrePingWaste(const Facts& facts, std::vector<Finding>& found);
void LookChurn(const Facts& facts, std::vector<Finding>& found);
void LookOversized(const Facts& facts, std::vector<Finding>& found);
void LookFork(const Facts& facts, std::vector<Finding>& found);
void LookPaused(const Facts& facts, std::vector<Finding>& found);
void LookStatements(const Facts& facts, std::vector<Finding>& found);
void LookSettings(const Facts& facts, std::vector<Finding>& found);
// rules_remote.cc
void LookServerClosesIdle(const Facts& facts, std::vector<Finding>& found);
void LookServerRestarted(const Facts& facts, std::vector<Finding>& found);
void LookAway(const Facts& facts, std::vector<Finding>& found);
void LookCredentials(const Facts& facts, std::vector<Finding>& found);
void LookServerFull(const Facts& facts, std::vector<Finding>& found);
void LookDns(const Facts& facts, std::vector<Finding>& found);
void LookTls(const Facts& facts, std::vector<Finding>& found);
// rules_board.cc
void LookMemory(const Facts& facts, std::vector<Finding>& found);
void LookWalStarved(const Facts& facts, std::vector<Finding>& found);
void LookForeignLock(const Facts& facts, std::vector<Finding>& found);
void LookCardSlow(const Facts& facts, std::vector<Finding>& found);
void LookCardFull(const Facts& facts, std::vector<Finding>& found);
void LookSuspended(const Facts& facts, std::vector<Finding>& found);
void LookStarved(const Facts& facts, std::vector<Finding>& found);
void LookClockStepped(const Facts& facts, std::vector<Finding>& found);
void LookHung(const Facts& facts, std::vector<Finding>& found);
void LookDead(const Facts& facts, std::vector<Finding>& found);
void LookBoard(const Facts& facts, std::vector<Finding>& found);

// ---- What they have in common ----

// Seconds, for Finding::figures.
double Seconds(Duration span);
// "3 times", "once"
std::string Times(uint64_t count);
// roostctl status NAME, where the facts are of a program that runs
std::string StatusCommandOf(const Facts& facts);
bool Contains(std::string_view text, std::string_view part);
// What is kept of the last hour; of a journal whatever it has.
bool IsRecent(const Facts& facts, const EventFacts& event);

}  // namespace roost::tools::doctor

#endif  // ROOST_TOOLS_ROOSTCTL_DOCTOR_RULES_H_
