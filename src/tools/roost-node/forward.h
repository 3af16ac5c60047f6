// tools/roost-node/forward.h - the node's readings on their way to the server: an Outbox that the node's own loop
// drives, and what is told of it.
//
// The loop never waits for the server: see roost/outbox.h. A turn may wait for the card as a batch does.
//
// Threads:  one: the loop's
// Blocks:   Turn for a step of the local database; Finish up to its deadline
// Memory:   taken by the constructor; what goes wrong takes some
// Errors:   none: what goes wrong is state and messages, once for each change
#ifndef ROOST_TOOLS_ROOST_NODE_FORWARD_H_
#define ROOST_TOOLS_ROOST_NODE_FORWARD_H_

#include <cstdint>
#include <span>
#include <string>

#include "roost/outbox.h"
#include "roost/pool.h"
#include "roost/status.h"
#include "telemetry/node_status.h"
#include "tools/common/text.h"
#include "tools/roost-node/forward_options.h"
#include "tools/roost-node/messages.h"

namespace roost::tools {

class Forward {
 public:
  // How long the end of the node waits for a batch.
  static constexpr Duration kFinishWithin = std::chrono::seconds(2);

  struct Settings {
    ForwardOptions flags{};
    int64_t epoch = 0;  // of this run
  };
  // REQUIRES: all outlive this.
  Forward(Pool& local, OutboxServer& server, const Settings& settings, Messages& messages);

  // The table reading, as statements.
  static const OutboxSource& Source();

  // A turn of the loop. REQUIRES: the database was usable once, and the power is good.
  void Turn(TimePoint now);
  // When the next turn is wanted at the latest, and the descriptors that want it earlier. Returns how many were
  // put into `out`.
  static constexpr size_t kMostDescriptors = 2;
  TimePoint next() const { return next_; }
  size_t Descriptors(std::span<DescriptorWait> out) const { return outbox_.Descriptors(out); }

  // A batch was sealed.
  void Sealed(TimePoint now);
  // An operator asks: what waits is tried now.
  void Retry(TimePoint now);
  // Sends what waits, before the end.
  void Finish(TimePoint now);

  void ToStatus(TimePoint now, telemetry::OutboxStatus& status) const;
  void AddFigures(TimePoint now, Figures& out) const;
  void AddText(TimePoint now, internal::TextLine& text) const;
  // Somebody should look: it is held, or late.
  bool IsDegraded() const { return state_ == OutboxState::kHeld || late_; }
  // Readings that the server does not have.
  int64_t waiting(TimePoint now) const { return outbox_.stats(now).waiting; }
  // Whether the server has the schema roost, as far as is known.
  bool has_schema() const { return state_ != OutboxState::kNoSchema; }
  // Grows when the state changes.
  uint64_t changes() const { return changes_; }

 private:
  void OnEvent(const OutboxEvent& event);
  void TellState(TimePoint now, const OutboxStats& stats);
  void LookWhetherLate(TimePoint now, const OutboxStats& stats);
  void Start(TimePoint now);
  void LookForOldest(TimePoint now, const OutboxStats& stats);
  Duration OldestAge(const OutboxStats& stats) const;

  Pool& local_;
  Platform& platform_;
  Messages& messages_;
  const Settings settings_;
  Outbox outbox_;

  bool started_ = false;
  bool wrong_ = false;  // an option or a statement: it cannot be started
  TimePoint next_ = TimePoint::min();
  OutboxState state_ = OutboxState::kIdle;
  TimePoint since_;
  uint64_t changes_ = 0;
  internal::TextLine reason_;
  bool tell_ = false;  // the state is another one
  bool late_ = false;
  int64_t oldest_us_ =
      0;  // the time of the oldest that waits, where the outbox has not read it; 0: not known
  TimePoint next_look_ = TimePoint::min();
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_FORWARD_H_
