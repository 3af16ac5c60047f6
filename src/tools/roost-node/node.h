// tools/roost-node/node.h - the loop of roost-node: take readings, seal them in batches,
// maintain the pools, report, sleep.
//
// Threads:  one, which does everything; a firmware with a loop of its own looks like this
// Blocks:   a turn for at most kTurnWithin, besides what the card itself stalls
// Memory:   taken by the constructor; a turn of the loop takes none, but for what went wrong:
//           tests/bench/node_hour.cc counts
#ifndef ROOST_TOOLS_ROOST_NODE_NODE_H_
#define ROOST_TOOLS_ROOST_NODE_NODE_H_

#include <optional>
#include <string>

#include "platform/boards/selected.h"
#include "platform/rpi/board_health.h"
#include "roost/pool.h"
#include "roost/status.h"
#include "tools/common/text.h"
#include "tools/roost-node/forward.h"
#include "tools/roost-node/input.h"
#include "tools/roost-node/lines.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/options.h"
#include "tools/roost-node/power.h"
#include "tools/roost-node/reading.h"
#include "tools/roost-node/remote.h"
#include "tools/roost-node/reporter.h"
#include "tools/roost-node/retention.h"
#include "tools/roost-node/store.h"
#include "tools/roost-node/wakeup.h"

namespace roost::tools {

class Node {
 public:
  // The longest a batch may take: acquire, insert, commit.
  static constexpr Duration kStoreWithin = std::chrono::seconds(2);
  static constexpr Duration kTurnWithin = kStoreWithin + Remote::kWithin;
  static_assert(kTurnWithin < boards::Selected().watchdog_limit,
                "a turn of the loop has to be over before the board's watchdog bites");
  // The longest that a turn waits for another process that holds the database: no sample is later
  // for it. A batch is refused after kStoreWithin of such tries.
  static constexpr Duration kLockWithin = std::chrono::milliseconds(50);
  // A line without a time of its own is late when it could have been read before this.
  static constexpr Duration kLateAfter = std::chrono::seconds(2);
  // How long the end waits for a database that refuses.
  static constexpr Duration kFinishWithin = std::chrono::seconds(10);

  // What the loop works with. REQUIRES: all outlive it.
  struct Parts {
    const Options& options;
    Pool& pool;
    BoardHealth& board;
    Store& store;
    Messages& messages;
    Wakeup& wakeup;
    Reporter& reporter;
    Retention& retention;
    Remote* remote = nullptr;        // null: none was asked for
    Forward* forward = nullptr;      // null: nothing is sent there but heartbeats
    StatusServer* status = nullptr;  // null: nobody can ask
    Power::Sources power{};          // beside SIGPWR
  };
  // `usable`: what Store::Check said.
  Node(const Parts& parts, const absl::Status& usable);

  enum class Ending : uint8_t { kTime, kSignal, kEndOfInput };
  // Runs until the time is over, a signal comes, or the input ends; then seals what is there.
  Ending Run();

  const Counts& counts() const { return counts_; }
  // The error that ended the input, as errno; 0: none.
  int input_error() const { return input_.ComesBack() ? 0 : lines_.error(); }

 private:
  bool IsOver(TimePoint now);
  void Take(TimePoint now);
  void TakeFromBoard(TimePoint now);
  void TakeLines(TimePoint now, bool readable);
  void TakeLine(TimePoint now, std::string_view line);
  void StampLine(ParsedLine& parsed);
  void Buffer(TimePoint now, const Reading& reading);
  bool IsSealDue(TimePoint now) const;
  bool Work(TimePoint now);
  void LookAtPower(TimePoint now);
  void SealAtOnce(TimePoint now);
  bool RemoteWorks() const;
  bool Forwards() const;
  void CheckAgain(TimePoint now);
  bool TrySeal();
  absl::StatusOr<size_t> SealWhatFits(TimePoint start);
  bool NotSealed(TimePoint start, TimePoint now, const absl::Status& status);
  bool IsStillLocked(TimePoint start, TimePoint now, const absl::Status& status);
  void Answered(TimePoint now);
  void Refused(TimePoint now, const absl::Status& status);
  void OpenInputAgain(TimePoint now);
  bool WantsInput() const { return options_.from_stdin && !buffer_.full() && !lines_.AtEnd(); }
  Deadline NextWakeup() const;
  void Sleep(Deadline deadline, bool want_input);
  void Report(const Pool& pool);
  void Publish(TimePoint now);
  NodeFacts Facts() const;
  void Finish();
  void CountWhatIsLeft();

  const Options& options_;
  Pool& pool_;
  Platform& platform_;
  BoardHealth& board_;
  Store& store_;
  Messages& messages_;
  Wakeup& wakeup_;
  Reporter& reporter_;
  Retention& retention_;
  Remote* const remote_;
  Forward* const forward_;
  StatusServer* const status_;

  Input input_;
  LineReader lines_;
  ReadingBuffer buffer_;
  Power power_;
  Counts counts_;
  Ending ending_ = Ending::kTime;

  bool usable_ = false;       // the database was, once
  BoundedText<384> refused_;  // why it refuses now; empty: it does not
  BoundedText<128> dark_;     // why the card is not written; empty: it is
  size_t to_seal_ = 0;        // of what was in memory when the power failed
  size_t most_waiting_ = 0;
  std::optional<telemetry::SealStatus> last_seal_;

  TimePoint start_ = TimePoint::min();
  TimePoint end_ = TimePoint::max();
  TimePoint next_look_ = TimePoint::min();  // for sensors that are missing
  TimePoint next_sample_ = TimePoint::max();
  TimePoint seal_due_ = TimePoint::max();
  TimePoint retry_at_ = TimePoint::min();
  TimePoint reopen_at_ = TimePoint::min();  // the input, where it has ended and comes back
  TimePoint look_at_ = TimePoint::min();    // whether another pipe has taken the name of the input
  TimePoint answered_at_ = TimePoint::min();  // when the database last took or refused a batch
  TimePoint next_tick_ = TimePoint::min();
  TimePoint next_answer_ = TimePoint::max();
  Duration retry_pause_{};
  Duration check_within_ = kLockWithin;        // of the next look at a database not yet usable
  TimePoint locked_since_ = TimePoint::max();  // the first try for a lock that another has
  bool input_ready_ = false;
  bool seal_now_ = false;
  bool signalled_ = false;
  bool finishing_ = false;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_NODE_H_
