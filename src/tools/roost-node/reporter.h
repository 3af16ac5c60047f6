// tools/roost-node/reporter.h - tells others how the node is: systemd, and the status file.
//
// Threads:  one: the loop's
// Blocks:   for the write of a small file, every Options::status_every
// Memory:   taken by the constructor and the first report; a report takes none unless it fails
// Errors:   none: what cannot be told is said once, and the node goes on
#ifndef ROOST_TOOLS_ROOST_NODE_REPORTER_H_
#define ROOST_TOOLS_ROOST_NODE_REPORTER_H_

#include <optional>
#include <string>
#include <string_view>

#include "platform/rpi/board_health.h"
#include "roost/pool.h"
#include "roost/sqlite_memory.h"
#include "roost/status.h"
#include "telemetry/journal_observer.h"
#include "telemetry/status_file.h"
#include "tools/common/text.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/notify.h"
#include "tools/roost-node/options.h"
#include "tools/roost-node/remote.h"
#include "tools/roost-node/watchdog.h"

namespace roost::tools {

// What the loop knows at the end of a turn. Valid during the call.
struct NodeFacts {
  Counts counts{};
  size_t waiting = 0;
  size_t most_waiting = 0;
  size_t buffer = 0;
  bool ready = false;          // the database was usable once
  std::string_view refused{};  // why the database refuses; empty: it does not
  SealProgress progress{};
  std::optional<telemetry::SealStatus> last_seal{};
};

class Reporter {
 public:
  // What it tells of, and to whom. REQUIRES: all outlive it.
  struct Parts {
    const Options& options;
    const BoardHealth& board;
    const Pool& local;
    const Notify& notify;
    Messages& messages;
    const Remote* remote = nullptr;                 // null: there is none
    const SqliteMemory* memory = nullptr;           // null: SQLite was to use the heap
    StatusServer* status = nullptr;                 // null: nobody can ask
    telemetry::JournalObserver* journal = nullptr;  // null: standard error is not the journal
  };
  explicit Reporter(const Parts& parts);
  ~Reporter();  // removes the status file

  // A turn has ended: feeds the watchdog if that was earned, and reports when it is time or when
  // something has changed.
  void Turn(TimePoint now, const NodeFacts& facts);
  // The loop is over; what is left is sealed.
  void Stopping(TimePoint now, const NodeFacts& facts);
  // When it wants the next turn at the latest.
  TimePoint next() const;

 private:
  bool HasChanged(const NodeFacts& facts) const;
  void Feed(TimePoint now, const NodeFacts& facts);
  void Report(TimePoint now, const NodeFacts& facts);
  void Write();
  void Describe(TimePoint now, const NodeFacts& facts);
  TextLine Text(TimePoint now, const NodeFacts& facts) const;
  Health HealthOf(const NodeFacts& facts) const;

  const Options& options_;
  const BoardHealth& board_;
  const Pool& local_;
  const Notify& notify_;
  Messages& messages_;
  const Remote* const remote_;
  const SqliteMemory* const memory_;
  StatusServer* const status_server_;
  telemetry::JournalObserver* const journal_;  // null: none
  Platform& platform_;
  const TimePoint started_;
  const bool has_readers_;
  std::optional<telemetry::StatusFile> file_;
  telemetry::NodeStatus status_;  // keeps the room of its texts from report to report

  Watchdog watchdog_;
  TimePoint fed_at_ = TimePoint::min();
  bool stalled_ = false;
  TimePoint next_report_ = TimePoint::min();
  bool stopping_ = false;
  // As they were reported last.
  bool ready_ = false;
  bool refused_ = false;
  bool sealed_ = false;
  uint64_t remote_changes_ = 0;
  TextLine text_;
  absl::StatusCode write_failed_ = absl::StatusCode::kOk;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_REPORTER_H_
