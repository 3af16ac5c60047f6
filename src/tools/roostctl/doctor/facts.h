// tools/roostctl/doctor/facts.h - what `roostctl doctor` knows of a program: the figures that its rules judge.
//
// They come from what a program answers on its status socket, from one or two answers that were saved, from a
// node's status file, from a database file, or from a journal. What a source does not tell is missing, and a rule
// that needs it does not look.
//
// Whoever runs the program chose its texts: what is shown of them goes through Redact and PlainText.
//
// Threads:  values
// Blocks:   never; ReadDatabase for the reads of a few small files
// Memory:   the texts
// Errors:   what is missing or of another type is left out
#ifndef ROOST_TOOLS_ROOSTCTL_DOCTOR_FACTS_H_
#define ROOST_TOOLS_ROOSTCTL_DOCTOR_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roost/deadline.h"
#include "tools/roostctl/live.h"
#include "tools/roostctl/selftest/check.h"
#include "tools/roostctl/wal_locks.h"

namespace roost::tools::doctor {

struct SpanFacts {
  uint64_t count = 0;
  Duration p50{};
  Duration p99{};
  Duration max{};
};

// Counters, of a span of time or since the start.
struct CountFacts {
  uint64_t checkouts = 0;
  uint64_t waited = 0;
  uint64_t timeouts = 0;
  uint64_t timeouts_away = 0;
  uint64_t timeouts_opening = 0;
  uint64_t opens = 0;
  uint64_t open_failures = 0;
  uint64_t ping_failures = 0;
  uint64_t leaks = 0;
  // Those that stood behind a pool that was fully lent.
  uint64_t exhausted() const {
    const uint64_t others = timeouts_away + timeouts_opening;
    return timeouts > others ? timeouts - others : 0;
  }
};

struct LeaseFacts {
  int slot = -1;
  std::string role{};   // "writer", "reader", "any"
  std::string where{};  // "node.cc:58"; empty: not known
  Duration held{};
};

struct SqliteFacts {
  Duration busy{};  // waits for locks outside of the pool, since the start
  uint64_t busy_timeouts = 0;
  uint64_t wal_frames = 0;
  uint64_t wal_done = 0;  // of these, copied into the database
  uint64_t checkpoint_busy = 0;
  Duration oldest_read{};
};

struct CacheFacts {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t evictions = 0;
};

struct PoolFacts {
  std::string name{};
  std::string backend{};  // empty: not known
  std::string target{};
  std::string profile{};
  bool IsSqlite() const { return backend == "sqlite"; }
  bool IsRemote() const { return !backend.empty() && !IsSqlite(); }

  // Settings. Nothing: the program does not tell.
  int pool_size = 0;
  int max_overflow = 0;
  int capacity = 0;
  Duration pool_timeout{};
  std::optional<Duration> pool_recycle{};
  std::optional<Duration> keep_alive{};
  std::optional<Duration> linger{};
  std::optional<Duration> leak_after{};
  std::string pre_ping{};

  // Now.
  int open = 0;
  int in_use = 0;
  int waiting = 0;
  bool paused = false;
  bool closed = false;
  Duration oldest_wait{};
  std::string waits_in{};  // the role of the lane in which the oldest waits
  bool away = false;
  Duration away_for{};
  Duration next_try{};
  std::string error_code{};  // of the latest open that failed
  std::string error{};
  std::vector<LeaseFacts> leases{};

  // Since the start.
  CountFacts total{};
  SpanFacts total_hold{};
  int peak_in_use = 0;
  int peak_waiting = 0;
  uint64_t pings = 0;
  uint64_t refused_nested = 0;
  uint64_t refused_closed = 0;
  uint64_t closed_above_size = 0;  // for overflow and after their linger time

  // Of the last minutes, or between two looks.
  Duration span{};
  CountFacts window{};
  SpanFacts wait{};
  SpanFacts hold{};
  // Of the look before, if there was one.
  SpanFacts hold_before{};
  bool was_paused = false;

  std::optional<SqliteFacts> sqlite{};
  std::optional<CacheFacts> cache{};
  // Of other processes, on a SQLite database. A lock that was gone a moment later is left out.
  std::vector<WalLock> locks{};
};

struct EventFacts {
  std::string kind{};
  std::string pool{};
  int slot = -1;
  std::string reason{};
  Duration ago{};
  Duration span{};
  std::string where{};
  std::string text{};
};

// What a node tells besides its pools.
struct NodeFacts {
  SpanFacts seal{};
  Duration seal_every{};
  std::optional<bool> clock_synchronized{};
  std::optional<int64_t> celsius{};
  bool throttled = false;
  uint64_t arena_size = 0;  // SQLite's, in bytes; 0: not bounded
  uint64_t arena_peak = 0;
  uint64_t arena_failures = 0;
  bool card_is_full = false;
};

// A check of `roostctl selftest` that was made here.
struct CheckFacts {
  std::string name{};
  selftest::Verdict verdict = selftest::Verdict::kSkip;
  std::string measured{};
  std::string bound{};
  std::string advice{};
};

struct Facts {
  std::string name{};  // of the program, or of what was read
  std::string
      source{};  // "socket", "snapshot", "two snapshots", "status file", "database", "journal"
  std::string text{};  // what the program says of itself
  int64_t pid = 0;
  Duration running{};
  std::vector<PoolFacts> pools{};
  std::vector<EventFacts> events{};  // the oldest first
  std::optional<NodeFacts> node{};
  std::vector<CheckFacts> checks{};
  uint64_t rss_bytes = 0;       // 0: not known
  uint64_t memory_limit = 0;    // of its control group; 0: none
  int64_t max_connections = 0;  // of the remote's server; 0: not known

  // Between two looks.
  bool has_before = false;
  Duration suspended_between{};
  uint64_t rss_before = 0;

  bool has_answer = false;           // figures of a program are there
  bool has_events = false;           // events were kept
  bool has_locks = false;            // other processes' locks were looked for
  bool is_gone = false;              // its process ended and left its socket or file behind
  bool hangs = false;                // its process lives and does not answer
  Duration silent_for{};             // of one that hangs
  std::vector<std::string> lines{};  // of a journal

  const PoolFacts* Find(std::string_view pool) const;
};

// Of what a program answers to "status".
Facts FactsOf(const Json& answer);
// The same, of two answers of one program; the later one is `after`. Where they are of two processes, the first
// is left out.
Facts FactsOf(const Json& before, const Json& after);
// Of the object in a node's status file, or of what `roostctl status --file --json` prints.
Facts FactsOfStatusFile(const Json& status);
// Of lines of a journal: those of EchoObserver and of the pools' events.
Facts FactsOfJournal(std::string_view text);

// How much of the log of `database` waits to be copied, by its -shm file, which is read as plain bytes: the
// database is not opened, and no lock is taken. Nothing: there is no such file, or it is of another form.
std::optional<SqliteFacts> ReadWalIndex(const std::string& database);

// `text` with passwords taken out: in addresses, and behind password= and the like.
std::string Redact(std::string_view text);

}  // namespace roost::tools::doctor

#endif  // ROOST_TOOLS_ROOSTCTL_DOCTOR_FACTS_H_
