// outbox/sender.h - the state machine behind roost::Outbox.
//
// Threads:  one
// Blocks:   on the local database, see roost/outbox.h
// Memory:   one Batch, taken by the constructor
// Errors:   kept in reason_, and told once
#ifndef ROOST_OUTBOX_SENDER_H_
#define ROOST_OUTBOX_SENDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "outbox/batch.h"
#include "outbox/pace.h"
#include "outbox/row_reader.h"
#include "outbox/segments.h"
#include "outbox/work.h"
#include "roost/outbox.h"

namespace roost::outbox {

class Sender {
 public:
  Sender(Pool& local, OutboxServer& server, const OutboxSource& source,
         const OutboxOptions& options, Platform& platform);

  // The functions of roost::Outbox.
  absl::Status Start(Deadline deadline);
  TimePoint Turn(TimePoint now);
  size_t Descriptors(std::span<DescriptorWait> out) const;
  void RowsSealed() { look_at_ = TimePoint::min(); }
  void Retry();
  absl::Status Drain(Deadline deadline);
  OutboxStats stats(TimePoint now) const;
  size_t memory() const { return sizeof(*this) - sizeof(Batch) + reader_.batch().bytes(); }

 private:
  enum class Call : uint8_t { kNone, kHello, kIngest };
  // What reading a batch has led to.
  enum class Built : uint8_t { kNothing, kBatch, kChanged, kFailed };

  // ---- sender.cc: turns and calls
  TimePoint Decide(TimePoint now);
  TimePoint Begin(TimePoint now);
  bool BeginHello(TimePoint now);
  void BeginIngest(TimePoint now, Work& work);
  void OnAnswer(TimePoint now, const OutboxServer::Answer& answer);
  void OnHello(TimePoint now, const OutboxServer::Answer& answer);
  void FinishHello(TimePoint now, const OutboxServer::HelloAnswer& hello);
  void OnIngest(TimePoint now, const OutboxServer::Answer& answer);
  void OnStored(TimePoint now, Work& work, const OutboxServer::Answer& answer);
  void OnMoved(TimePoint now, Work& work, int64_t mark);
  void OnFailure(TimePoint now, const OutboxServer::Answer& answer);
  void OnRefusedRow(TimePoint now, const OutboxServer::Answer& answer);
  void Wait(TimePoint now, const absl::Status& status, Duration not_before);
  void Hold(TimePoint now, const absl::Status& status, bool has_no_schema);
  void SetState(OutboxState state, const absl::Status& status);
  void Tell(OutboxEvent event) const;
  bool LiveIsDue(TimePoint now) const;
  Work* NextWork(TimePoint now);
  int64_t RowsAllowed(const Work& work) const;

  // ---- local.cc: the local database
  absl::StatusOr<Lease> Acquire(Intent intent);
  absl::Status Look(TimePoint now);
  absl::Status FindFirst();
  Built Build(TimePoint now, Work& work, int64_t most);
  absl::Status Split(const Work& work, const OutboxSegment& next);
  bool ShouldCut(TimePoint now) const;
  absl::Status Cut();
  absl::Status ApplyMarks(const OutboxServer::Answer& answer);
  absl::Status ApplyMark(Lease& lease, SegmentRow row, std::optional<int64_t> mark);
  absl::Status SkipTo(Lease& lease, SegmentRow row, int64_t mark);
  absl::Status Move(SegmentRow row, int64_t mark);
  absl::Status WriteStored();
  void WriteDown(TimePoint now);
  absl::Status WriteCounters();
  // False: no more rows may be set aside, or the database does not take it.
  bool PutAside(TimePoint now, const Work& work, int64_t seq, const absl::Status& status);
  // In one transaction.
  template <class F>
  absl::Status Change(Durability durability, const F& change);
  void NoteLocal(TimePoint now, const absl::Status& status);

  Pool& pool_;
  OutboxServer& server_;
  const OutboxSource source_;
  const OutboxOptions options_;
  Platform& platform_;
  Chance chance_;
  BackOff back_off_;
  BatchSize size_;
  Meter meter_;
  DrainTime drain_time_;
  RowReader reader_;
  Works works_;

  bool started_ = false;
  TimePoint live_since_ = TimePoint::min();  // since when a row of the live segment waits
  TimePoint built_at_{};
  bool is_stale_ = false;   // the table has to be read again
  bool wants_cut_ = false;  // there was a hello
  bool has_looked_ = false;
  bool just_looked_ = false;  // in the turn before
  KeptState kept_;

  Call call_ = Call::kNone;
  bool working_is_live_ = false;
  TimePoint began_{};
  uint64_t bytes_at_begin_ = 0;
  uint64_t resent_ = 0;  // rows of the batch that were in a call before
  bool needs_hello_ = true;
  // The hello under way.
  std::array<SegmentRow, OutboxServer::kMostAsked> page_{};
  std::array<OutboxSegment, OutboxServer::kMostAsked> asked_{};
  size_t asked_count_ = 0;
  bool is_last_page_ = false;
  bool is_first_page_ = true;
  uint64_t hello_connection_ = 0;

  OutboxState state_ = OutboxState::kIdle;
  absl::Status reason_;
  absl::Status local_;
  bool used_again_ = false;
  int fruitless_ = 0;  // answers in a row that moved nothing on
  TimePoint next_try_ = TimePoint::min();
  TimePoint local_retry_ = TimePoint::min();
  TimePoint look_at_ = TimePoint::min();
  TimePoint write_at_{};  // the counters
  TimePoint fresh_at_{};  // the next batch while over budget
  Duration spread_{};
  int64_t allowance_;   // of rows that may be set aside
  int64_t credit_ = 0;  // rows towards one more
  bool draining_ = false;
  bool is_resting_ = true;
  bool told_local_ = false;
  int clones_ = 0;
  uint64_t failures_ = 0;
  OutboxStats stats_;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_SENDER_H_
