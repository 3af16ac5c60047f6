// src/tools/roost-node/node.h - the loop of roost-node: take readings, seal them in batches, keep
// the pool's house, sleep.
//
// Threads:  one, which does everything; a firmware with a loop of its own looks like this
// Blocks:   a turn for at most kStoreWithin, besides what the card itself stalls
// Memory:   taken by the constructor; a turn of the loop takes none of its own, but for messages
#ifndef SRC_TOOLS_ROOST_NODE_NODE_H_
#define SRC_TOOLS_ROOST_NODE_NODE_H_

#include <string>

#include "platform/boards/selected.h"
#include "platform/rpi/board_health.h"
#include "roost/pool.h"
#include "src/tools/roost-node/lines.h"
#include "src/tools/roost-node/messages.h"
#include "src/tools/roost-node/options.h"
#include "src/tools/roost-node/reading.h"
#include "src/tools/roost-node/store.h"
#include "src/tools/roost-node/wakeup.h"

namespace roost::tools {

class Node {
 public:
  // The longest a batch may take: acquire, insert, commit.
  static constexpr Duration kStoreWithin = std::chrono::seconds(2);
  static_assert(kStoreWithin < boards::Selected().watchdog_limit,
                "a turn of the loop has to be over before the board's watchdog bites");
  // How long the end waits for a database that refuses.
  static constexpr Duration kFinishWithin = std::chrono::seconds(10);

  // REQUIRES: all outlive this.
  Node(const Options& options, Pool& pool, const BoardHealth& board, Store& store,
       Messages& messages, Wakeup& wakeup);

  enum class Ending : uint8_t { kTime, kSignal, kEndOfInput };
  // Runs until the time is over, a signal comes, or the input ends; then seals what is there.
  Ending Run();

  const Counts& counts() const { return counts_; }
  // The error that ended the input, as errno; 0: none.
  int input_error() const { return lines_.error(); }

 private:
  bool IsOver(TimePoint now);
  void Take(TimePoint now);
  void TakeFromBoard(TimePoint now);
  void TakeLines(TimePoint now, bool readable);
  void TakeLine(TimePoint now, std::string_view line);
  void Keep(TimePoint now, const Reading& reading);
  bool IsSealDue(TimePoint now) const;
  bool TrySeal();
  void Refused(TimePoint now, const absl::Status& status);
  bool WantsInput() const { return options_.from_stdin && !buffer_.full(); }
  Deadline NextWakeup() const;
  void Sleep(Deadline until, bool want_input);
  void Finish();
  void CountWhatIsLeft();

  const Options& options_;
  Pool& pool_;
  Platform& platform_;
  const BoardHealth& board_;
  Store& store_;
  Messages& messages_;
  Wakeup& wakeup_;

  LineReader lines_;
  ReadingBuffer buffer_;
  Counts counts_;
  Ending ending_ = Ending::kTime;

  TimePoint end_ = TimePoint::max();
  TimePoint next_sample_ = TimePoint::max();
  TimePoint seal_due_ = TimePoint::max();
  TimePoint retry_at_ = TimePoint::min();
  TimePoint next_tick_ = TimePoint::min();
  Duration retry_pause_{};
  bool input_ready_ = false;
  bool seal_now_ = false;
  bool signalled_ = false;
};

}  // namespace roost::tools

#endif  // SRC_TOOLS_ROOST_NODE_NODE_H_
