// telemetry/node_status.h - what a running node tells of itself: readings, pools, memory,
// watchdog.
//
// Moments are microseconds since boot (CLOCK_BOOTTIME), which no time service moves: readers on the
// same machine compute ages from them with BootMicros() of board_health.h.
//
// Threads:  values
// Blocks:   never
// Memory:   its texts; the *Line function takes none
// Errors:   none
#ifndef ROOST_TELEMETRY_NODE_STATUS_H_
#define ROOST_TELEMETRY_NODE_STATUS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/percentiles.h"
#include "base/text.h"
#include "roost/stats.h"

namespace roost::telemetry {

inline constexpr int kStatusFormat = 1;

// What the server of a pool told its latest connection: see ServerFacts.
struct PoolServerStatus {
  std::string version{};
  std::string role{};
  std::string user{};
  std::string tls{};
  Duration round_trip{};  // zero: not known
};

// One pool: what Pool::stats() said. The histograms of `stats` do not go through the file; the
// percentiles at the end stand for them.
struct PoolStatus {
  std::string name{};     // "local", "remote"
  std::string backend{};  // "sqlite", "postgresql"
  std::string target{};   // a path, or host:port/database; never a password
  std::string profile{};
  std::optional<PoolServerStatus> server{};  // absent: there is none, or it was not reached yet
  Stats stats{};
  internal::Percentiles wait{};
  internal::Percentiles hold{};
  internal::Percentiles create{};
  internal::Percentiles statement_time{};
};

// What happened to readings since the start.
struct ReadingStatus {
  uint64_t taken = 0;
  uint64_t sealed = 0;  // stored so that a power cut does not take them
  uint64_t dropped = 0;
  uint64_t lost = 0;
  uint64_t bad_lines = 0;
  uint64_t missed = 0;  // times at which the board was not read
  uint64_t late = 0;    // lines that may have waited and have the time at which they were taken
  uint64_t batches = 0;
  uint64_t refused_batches = 0;
  uint64_t waiting = 0;       // in memory now
  uint64_t most_waiting = 0;  // at any time: the high-water mark
  uint64_t buffer = 0;        // how many may wait
};

// The latest batch that was sealed.
struct SealStatus {
  int64_t boot_us = 0;
  int64_t unix_us = 0;  // by the wall clock, which may have been wrong
  uint64_t count = 0;   // readings in it
  Duration took{};
};

// systemd's watchdog. `period` is zero when there is none.
struct WatchdogStatus {
  Duration period{};
  uint64_t feeds = 0;
  int64_t fed_boot_us = 0;  // the latest feed; 0: none yet
};

struct RemoteStatus {
  // "connecting", "up", "refusing" (connected, but it does not take the row) or "away"
  std::string state{};
  int64_t since_boot_us = 0;        // since when
  std::string last_error{};         // empty: none so far
  int64_t last_error_boot_us = 0;   // when; 0: there was none, or it is not known
  int64_t next_try_boot_us = 0;     // "away": when the next try is due, as far as is known; else 0
  uint64_t heartbeats = 0;          // rows that the server has confirmed
  uint64_t failed_heartbeats = 0;   // tries that it has not
  uint64_t heartbeats_waiting = 0;  // due and not confirmed: 0 or 1
  int64_t heartbeat_boot_us = 0;    // the latest that was confirmed; 0: none yet
  PoolStatus pool{};
};

// The readings on their way to the server.
struct OutboxStatus {
  // "idle", "sending", "waiting" (the server is away or busy), "held" (it refuses all, for its own sake or for
  // that of this node's rights: nothing is lost), "budget", "no_schema" (it takes heartbeats only)
  std::string state{};
  std::string reason{};       // of "waiting", "held" and "no_schema", in one line; else empty
  int64_t since_boot_us = 0;  // since when
  bool late = false;          // the oldest that waits is older than `alarm_age`
  Duration alarm_age{};       // roost-node --alarm-age
  uint64_t waiting = 0;  // readings in the database that the server does not have, by their numbers
  Duration oldest_age{};        // of the oldest of them; negative: none waits, or it is not known
  Duration drained_in{};        // at the rate of the last minutes; negative: never, or not known
  uint64_t sent = 0;            // readings of this run that the server has confirmed
  uint64_t sent_bytes = 0;      // to the server and back, with what carries them
  uint64_t batches = 0;         // that it has confirmed
  uint64_t failed_batches = 0;  // tries that it has not
  uint64_t resent = 0;  // readings that were sent again: the server had lost them, or an answer was
  uint64_t rewinds = 0;          // times that it had lost some that it had confirmed
  uint64_t gaps = 0;             // numbers that it was told are given up
  uint64_t rejected = 0;         // readings that it set aside, for their own sake
  uint64_t batch_rows = 0;       // readings in a batch at most, at present
  Duration round_trip{};         // of the latest batch
  Duration clock_offset{};       // the server's clock less this one's, at the latest greeting
  int64_t last_ack_boot_us = 0;  // the latest batch that was confirmed; 0: none yet
};

// The board's power, as the node sees it.
struct PowerStatus {
  std::string state{};  // "good"; "sealing": it fails, and what is in memory is stored; "dark"
  std::string cause{};  // "none", "sigpwr", "gpio", "under_voltage": of the latest failure
  int64_t failed_boot_us = 0;  // its begin; 0: there was none
  uint64_t failures = 0;
};

struct MemoryStatus {
  uint64_t rss_kib = 0;
  uint64_t peak_rss_kib = 0;
};

// The block that bounds SQLite's memory: see SqliteMemoryStats. All zero when SQLite uses the heap.
struct SqliteMemoryStatus {
  bool bounded = false;         // SQLite uses the block and nothing else
  std::string heap_because{};   // why it does not although that was asked for; empty: no such thing
  uint64_t arena_bytes = 0;     // what the arena can hold
  uint64_t arena_used = 0;      // now
  uint64_t arena_peak = 0;      // the most there ever was
  uint64_t arena_failures = 0;  // requests that were refused because they did not fit
  uint64_t pages = 0;           // in the slab, of 4 KiB each
  uint64_t pages_used = 0;
  uint64_t pages_peak = 0;
  uint64_t page_overflow_peak = 0;  // bytes of pages that went to the arena instead, at most
};

// The database's files: see SqliteFileStats.
struct SqliteFileStatus {
  uint64_t log_pages = 0;  // in the log now
  uint64_t log_pages_peak = 0;
  uint64_t max_log_pages = 0;    // at so many, writes are refused
  int64_t checkpoint_error = 0;  // SQLite's code of the latest checkpoint if it failed
  uint64_t damaged_files = 0;    // moved aside, beside the database
};

// What the database keeps of the past, as of the latest look.
struct StoreStatus {
  uint64_t readings = 0;     // by their numbers: one that was deleted by hand may be counted
  uint64_t bytes = 0;        // of the database, its log and the reserve
  uint64_t used_bytes = 0;   // of the database, without what is free in it
  uint64_t limit_bytes = 0;  // of all three; 0: none
  Duration full_in{};        // at the rate since the start; negative: never, or not known yet
  uint64_t gap_full = 0;     // readings that were deleted for want of room, and recorded as gaps
  uint64_t gap_age = 0;      // readings that were deleted for their age, and recorded as gaps
  uint64_t gap_thin = 0;     // readings that were thinned for want of room, and recorded as gaps
  bool not_cut =
      false;  // it was larger than the bound when first seen: nothing is deleted for room
  bool card_is_full = false;
};

struct NodeStatus {
  int format = kStatusFormat;
  std::string name{};     // of the node
  std::string version{};  // of the program
  std::string board{};    // the machine's model; empty: not known
  int64_t pid = 0;
  uint64_t start_ticks = 0;  // when the process began: see StartTicks; 0: not known
  int64_t written_boot_us = 0;
  int64_t started_boot_us = 0;
  Duration every{};       // how often it is written
  std::string state{};    // "starting", "running", "ending"
  std::string text{};     // one line, as in `systemctl status`
  bool ready = false;     // the database was usable once, and the loop runs
  std::string refused{};  // why the database refuses; empty: it does not
  ReadingStatus readings{};
  std::optional<SealStatus> last_seal{};
  WatchdogStatus watchdog{};
  PowerStatus power{};
  MemoryStatus memory{};
  SqliteMemoryStatus sqlite_memory{};
  SqliteFileStatus sqlite_file{};
  StoreStatus store{};
  PoolStatus local{};
  std::optional<OutboxStatus> outbox{};  // absent: nothing is forwarded
  std::optional<RemoteStatus> remote{};  // absent: none was asked for
};

// What is wrong with the node that wrote `status`, in one sentence; empty: it is ready, its
// watchdog is fed, a reading is sealed, the database does not refuse. A remote that is away is no
// trouble of the node. `now_boot_us`: BootMicros().
std::string Trouble(const NodeStatus& status, int64_t now_boot_us);
// What somebody should look at although the node works, in one sentence; empty: nothing.
internal::TextLine DegradedLine(const NodeStatus& status);
// The same as Trouble without a heap.
internal::TextLine TroubleLine(const NodeStatus& status, int64_t now_boot_us);

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_NODE_STATUS_H_
