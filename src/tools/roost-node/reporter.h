// tools/roost-node/reporter.h - tells others how the node is: systemd, the status file, the metrics, and
// whoever asks the status socket.
//
// Threads:  one: the loop's
// Blocks:   for the write of a small file, every Options::status_every, and of another, of some 40 KB, every
//           Options::metrics_every
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
#include "telemetry/path_lock.h"
#include "telemetry/status_file.h"
#include "tools/common/text.h"
#include "tools/roost-node/forward.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/notify.h"
#include "tools/roost-node/options.h"
#include "tools/roost-node/power.h"
#include "tools/roost-node/remote.h"
#include "tools/roost-node/retention.h"
#include "tools/roost-node/watchdog.h"

namespace roost::tools {

// Not good: nothing but what is being sealed may be written to the card.
struct PowerFacts {
  Power::State state = Power::State::kGood;
  Power::Cause cause = Power::Cause::kNone;  // of the failure that lasts, or of the latest one
  TimePoint since{};                         // its begin
  uint64_t failures = 0;

  bool good() const { return state == Power::State::kGood; }
};

// What the loop knows at the end of a turn. Valid during the call.
struct NodeFacts {
  Counts counts{};
  size_t waiting = 0;
  size_t most_waiting = 0;
  size_t buffer = 0;
  bool ready = false;          // the database was usable once
  std::string_view refused{};  // why nothing is stored; empty: it is
  PowerFacts power{};
  SealProgress progress{};
  std::optional<telemetry::SealStatus> last_seal{};
};

class Reporter final : public StatusSource {
 public:
  // What it tells of, and to whom. REQUIRES: all outlive it.
  struct Parts {
    const Options& options;
    const BoardHealth& board;
    const Pool& local;
    const Notify& notify;
    Messages& messages;
    const Retention* retention = nullptr;           // null: everything is kept
    const Remote* remote = nullptr;                 // null: there is none
    const Forward* forward = nullptr;               // null: no reading is sent
    const SqliteMemory* memory = nullptr;           // null: SQLite was to use the heap
    StatusServer* status = nullptr;                 // null: nobody can ask
    telemetry::JournalObserver* journal = nullptr;  // null: standard error is not the journal
  };
  explicit Reporter(const Parts& parts);
  ~Reporter();  // removes its files

  // A turn has ended: feeds the watchdog if that was earned, and reports when it is time or when
  // something has changed.
  void Turn(TimePoint now, const NodeFacts& facts);
  // The loop is over; what is left is sealed.
  void Stopping(TimePoint now, const NodeFacts& facts);
  // When it wants the next turn at the latest.
  TimePoint next() const;
  // What the metrics and the socket have of the node itself, as of the latest turn.
  void AddFigures(TimePoint now, Figures& out) const override;

 private:
  void Note(const NodeFacts& facts);
  void WriteMetrics(TimePoint now);
  // `before`: what the last try ended with.
  void WarnOnce(const char* file, const absl::Status& written, absl::StatusCode& before);
  bool writes_metrics() const {
    return status_server_ != nullptr && !options_.metrics_file.empty();
  }
  void AddReadings(TimePoint now, Figures& out) const;
  void AddPower(TimePoint now, Figures& out) const;
  void AddProcess(Figures& out) const;
  void AddStore(TimePoint now, Figures& out) const;
  bool HasChanged(const NodeFacts& facts) const;
  void Feed(TimePoint now, const NodeFacts& facts);
  void Report(TimePoint now, const NodeFacts& facts);
  void Write(const NodeFacts& facts);
  void Describe(TimePoint now, const NodeFacts& facts);
  TextLine Text(TimePoint now, const NodeFacts& facts) const;
  Health HealthOf(const NodeFacts& facts) const;

  const Options& options_;
  const BoardHealth& board_;
  const Pool& local_;
  const Notify& notify_;
  Messages& messages_;
  const Retention* const retention_;
  const Remote* const remote_;
  const Forward* const forward_;
  const SqliteMemory* const memory_;
  StatusServer* const status_server_;
  telemetry::JournalObserver* const journal_;  // null: none
  Platform& platform_;
  const TimePoint started_;
  const bool has_readers_;
  const bool file_is_in_memory_;  // of the status file
  const std::string metrics_lock_path_;
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
  uint64_t forward_changes_ = 0;
  Power::State power_state_ = Power::State::kGood;
  TextLine text_;
  absl::StatusCode write_failed_ = absl::StatusCode::kOk;

  // Of the latest turn.
  telemetry::ReadingStatus readings_;
  PowerFacts power_;
  TimePoint seal_due_ = TimePoint::max();
  Histogram seal_times_;

  telemetry::PathLock metrics_lock_;
  TimePoint next_metrics_ = TimePoint::min();
  bool wrote_metrics_ = false;
  absl::StatusCode metrics_failed_ = absl::StatusCode::kOk;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_REPORTER_H_
