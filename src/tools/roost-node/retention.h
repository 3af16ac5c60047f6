// tools/roost-node/retention.h - how much of the past the database keeps: --keep, --db-size, --when-full,
// --reserve.
//
// Readings are deleted from the oldest on, in steps of at most kStepRows, each a transaction of its own that
// also records which numbers went and why: gap(epoch, lo, hi, why, sent). Each of lo to hi was a reading and is
// gone; for why 3 (thinned) each of them that has no row is. A step is not sealed: a power cut may undo it, as a
// whole, and it is done again. The file never shrinks; what is free in it is used again. So the bound holds if
// the pages in use leave room for the next batch.
//
// Age is told without a wall clock. The table age has marks (at, seq, wall): when the node had run for `at`
// seconds, each reading below seq was stored. Where the clock was synchronized at a mark (`wall`) and is now, the
// time that the node was off is added, up to half of `keep`: so a clock that is wrong at a start deletes nothing
// of the younger half.
//
// Threads:  one
// Blocks:   for a step, some ms; for another process that writes until `lock` only
// Memory:   none after the start, but for what went wrong
// Errors:   those of the statements; then nothing was deleted
#ifndef ROOST_TOOLS_ROOST_NODE_RETENTION_H_
#define ROOST_TOOLS_ROOST_NODE_RETENTION_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/text.h"
#include "roost/pool.h"
#include "telemetry/node_status.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/options.h"
#include "tools/roost-node/pruner.h"

namespace roost::tools {

class Retention {
 public:
  static constexpr Duration kLeastKeep = std::chrono::minutes(1);
  static constexpr int64_t kLeastSize = int64_t{8} << 20;
  static constexpr int64_t kLeastReserve = int64_t{64} << 10;
  // Readings that one transaction deletes, at most; steps that make room for one batch, at most.
  static constexpr int64_t kStepRows = Pruner::kStepRows;
  static constexpr int kStepsATurn = 8;
  // What a log takes beside the database, at most, while no reader pins it; and what the file has ahead.
  static constexpr int64_t kLogBytes = (int64_t{4} << 20) + (int64_t{128} << 10);

  struct Settings {
    std::string db;
    Duration keep{};  // zero: for ever
    bool keep_unsent =
        false;            // `keep` is for what the server has; the rest stays while there is room
    int64_t db_size = 0;  // 0: not given
    WhenFull when_full = WhenFull::kDropOldest;
    int64_t reserve = 0;  // 0: none
    // Of the machine; tests have their own.
    std::function<std::optional<uint64_t>()> free_bytes{};  // of the card; nothing: it is not known
    std::function<bool()> clock_is_synchronized{};
  };
  static Settings SettingsOf(const Options& options);

  // REQUIRES: both outlive this.
  Retention(Pool& pool, Settings settings, Messages& messages);

  // How many of `count` readings the database has room for now; deletes for it where that is asked for. 0: not
  // yet, ask again. kResourceExhausted with what to do: there is none, and nothing more may be deleted.
  absl::StatusOr<size_t> MakeRoom(size_t count, Deadline deadline, Deadline lock);
  void Sealed(size_t count);
  // A batch was refused. Of a full card the reserve is given up.
  void Refused(const absl::Status& status);

  // Whether Turn has something to do; IsBusy: at once, without a sleep before it.
  bool IsDue(TimePoint now) const;
  bool IsBusy() const { return busy_; }
  // A step of what is due.
  void Turn(TimePoint now, Deadline deadline, Deadline lock);

  // How many readings the server does not have; the room of the others is theirs, too. Negative: nothing is sent.
  void set_waiting(int64_t waiting) { waiting_ = waiting; }

  // As of the latest look.
  void ToStatus(TimePoint now, telemetry::StoreStatus& status) const;
  // Somebody should look; AddText says why.
  bool IsDegraded() const { return not_cut_ || card_is_full_; }
  void AddText(internal::TextLine& text) const;

 private:
  using Why = Pruner::Why;

  struct Mark {
    int64_t at = 0;
    int64_t seq = 0;
  };

  absl::StatusOr<Lease> Acquire(Deadline deadline, Deadline lock);
  absl::Status Start(Lease& lease);
  absl::Status ReadBound(Lease& lease);
  absl::Status FixBound(Lease& lease);
  absl::Status ReadAge(Lease& lease);
  absl::Status Look(Lease& lease);
  absl::Status CountReadings(Lease& lease);
  absl::StatusOr<int64_t> Drop(Lease& lease, int64_t before, Why why, Deadline deadline);
  void TellFull(bool thinned);
  absl::Status DropForRoom(Lease& lease, size_t count, Deadline deadline);
  absl::StatusOr<size_t> Fitting(size_t count, bool dropped) const;
  absl::Status SizeStep(Lease& lease, Deadline deadline);
  absl::Status NoRoom() const;
  absl::Status AgeStep(Lease& lease, TimePoint now, Deadline deadline);
  absl::Status NoteAge(Lease& lease, TimePoint now);
  absl::StatusOr<std::optional<Mark>> Expired(Lease& lease, TimePoint now) const;
  bool TakeCredit(TimePoint now);
  int64_t HasRun(TimePoint now) const;  // in seconds

  bool MayDrop() const { return settings_.when_full != WhenFull::kStop && !not_cut_; }
  int64_t SealedPages() const;
  int64_t RoomPages() const;
  int64_t PagesForBatch() const;
  bool IsTooLarge() const;
  int64_t SparePages() const;
  int64_t NeededPages(size_t count) const;
  std::string ReservePath() const { return settings_.db + ".reserve"; }
  bool HasFile() const { return settings_.db != ":memory:"; }
  void GiveUpReserve();
  void KeepReserve();
  Duration FullIn(TimePoint now) const;

  Pool& pool_;
  Platform& platform_;
  const Settings settings_;
  Messages& messages_;
  Pruner pruner_;

  bool started_ = false;
  TimePoint start_ = TimePoint::min();
  int64_t stored_bound_ = -1;  // what the database has; -1: nothing yet
  int64_t limit_ = 0;          // in bytes; 0: none
  bool not_cut_ = false;       // it was larger than the bound when that was to be fixed
  bool card_is_full_ = false;
  bool has_reserve_ = false;
  bool told_full_ = false;
  bool told_age_ = false;
  bool busy_ = false;

  // By the latest look.
  int64_t page_bytes_ = 4096;
  int64_t pages_ = 0;
  int64_t free_pages_ = 0;
  int64_t readings_ = 0;
  int64_t oldest_ = 0;             // its number
  std::array<int64_t, 4> lost_{};  // by Why
  int64_t sealed_since_look_ = 0;
  int64_t waiting_ = -1;
  uint64_t sealed_ = 0;
  TimePoint next_look_ = TimePoint::min();

  // Seconds that the node had run at its start; what it was off before, if it is known one day.
  int64_t ran_before_ = 0;
  int64_t wall_before_ = 0;  // of the last mark; 0: nothing to wait for
  int64_t marked_seq_ = 0;
  bool has_marks_ = false;
  TimePoint next_mark_ = TimePoint::min();
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_RETENTION_H_
