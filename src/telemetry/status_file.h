// src/tools/common/status_file.h - what a running roost-node tells about itself in a file, and how
// to read it.
//
// The file is one JSON object, replaced as a whole every few seconds: a reader sees the old one or
// the new one, never half of one. It is there while the node runs; a clean end removes it, a kill
// leaves it behind with a process identifier that is gone and an age that grows. It holds no
// secrets and is readable by everyone.
//
// Moments are microseconds since boot (CLOCK_BOOTTIME), which no time service moves: readers on the
// same machine compute ages from them with BootMicros() of board_health.h. Spans are seconds.
// A reader skips members that it does not know; what is missing keeps its default. kFormat changes
// only when a member changes its meaning.
//
// Threads:  none shared; one writer for a path
// Blocks:   for a write to the file's folder, which should be in memory (/run)
// Memory:   the text, some 6 KB, while it is written or read
// Errors:   kNotFound: there is no file, no node runs; kInvalidArgument: it is not a status file;
//           kUnavailable: it cannot be written or read now
// Example:
//   const auto status = roost::tools::ReadStatusFile(roost::tools::kStatusFile);
//   if (status.ok()) std::puts(Trouble(*status, roost::BootMicros()).c_str());
#ifndef SRC_TOOLS_COMMON_STATUS_FILE_H_
#define SRC_TOOLS_COMMON_STATUS_FILE_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/stats.h"
#include "tools/common/text.h"

namespace roost::tools {

// Where the service of the package writes it (RuntimeDirectory=roost).
inline constexpr char kStatusFile[] = "/run/roost/status.json";
inline constexpr int kStatusFormat = 1;

// What is shown of a Histogram.
Percentiles HistogramPercentiles(const Histogram& spans);

// One pool: what Pool::stats() said. The histograms of `stats` do not go through the file; `wait`
// and `hold` stand for them.
struct PoolStatus {
  std::string name{};     // "local", "remote"
  std::string backend{};  // "sqlite", "postgresql"
  std::string target{};   // a path, or host:port/database; never a password
  std::string profile{};
  Stats stats{};
  Percentiles wait{};
  Percentiles hold{};
};

// What happened to readings since the start.
struct ReadingStatus {
  uint64_t taken = 0;
  uint64_t sealed = 0;  // stored so that a power cut does not take them
  uint64_t dropped = 0;
  uint64_t lost = 0;
  uint64_t bad_lines = 0;
  uint64_t missed = 0;  // times at which the board was not read
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

// systemd's watchdog. `period` is zero when nobody watches.
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
  int64_t next_try_boot_us = 0;     // "away": when the next try is due, as far as is known; else 0
  uint64_t heartbeats = 0;          // rows that the server has confirmed
  uint64_t failed_heartbeats = 0;   // tries that it has not
  uint64_t heartbeats_waiting = 0;  // due and not confirmed: 0 or 1
  int64_t heartbeat_boot_us = 0;    // the latest that was confirmed; 0: none yet
  PoolStatus pool{};
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

struct NodeStatus {
  int format = kStatusFormat;
  std::string name{};     // of the node
  std::string version{};  // of the program
  std::string board{};    // the machine's model; empty: not known
  int64_t pid = 0;
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
  MemoryStatus memory{};
  SqliteMemoryStatus sqlite_memory{};
  PoolStatus local{};
  std::optional<RemoteStatus> remote{};  // absent: none was asked for
};

// What is wrong with the node that wrote `status`, in one sentence; empty: it is ready, its
// watchdog is fed, a reading is sealed, the database does not refuse. A remote that is away is no
// trouble of the node. `now_boot_us`: BootMicros().
std::string Trouble(const NodeStatus& status, int64_t now_boot_us);
// The same without a heap.
TextLine TroubleLine(const NodeStatus& status, int64_t now_boot_us);

// As JSON and back. The object has two members more, for scripts: "healthy" and "trouble", by
// Trouble() at the moment of writing.
nlohmann::ordered_json ToJson(const NodeStatus& status);
nlohmann::ordered_json ToJson(const RemoteStatus& status);
nlohmann::ordered_json ToJson(const SqliteMemoryStatus& status);
// The same object as text, indented, into `out`. Bytes that are no UTF-8 become U+FFFD. Returns how
// long the text is; when that is more than `out` takes, what is in `out` is no JSON.
// Memory: none. Cost: some 10 us.
size_t WriteJson(const NodeStatus& status, std::span<char> out);
absl::StatusOr<NodeStatus> FromJson(const nlohmann::ordered_json& json);

// Writes the file again and again.
//
// Threads:  one
// Blocks:   Write for the write of a small file; it is not synced
// Memory:   kMostBytes, taken by the constructor; Write takes none unless it fails
class StatusFile {
 public:
  // Four times what a node with a remote needs.
  static constexpr size_t kMostBytes = 16384;

  explicit StatusFile(const std::string& path);
  // Replaces the file, through PATH.new beside it. kNotFound: the folder is gone; kUnavailable:
  // anything else that the card or the kernel refuses; kResourceExhausted: more than kMostBytes.
  absl::Status Write(const NodeStatus& status);
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const std::string next_;
  std::string text_;
};

// Once.
absl::Status WriteStatusFile(const std::string& path, const NodeStatus& status);
absl::StatusOr<NodeStatus> ReadStatusFile(const std::string& path);
void RemoveStatusFile(const std::string& path);

}  // namespace roost::tools

#endif  // SRC_TOOLS_COMMON_STATUS_FILE_H_
