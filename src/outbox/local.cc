// The part of Sender that uses the local database.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "outbox/sender.h"
#include "roost/connection.h"

namespace roost::outbox {
namespace {

constexpr Duration kLeastLook = std::chrono::seconds(1);
constexpr Duration kLocalPause = std::chrono::seconds(1);
constexpr Duration kWriteEvery = std::chrono::hours(1);
// Unfinished segments, above which an outage makes no other.
constexpr int64_t kMostUnfinished = 8;
// Of a backlog, numbers that count as fresh.
constexpr int64_t kFreshRows = 50;

}  // namespace

absl::StatusOr<Lease> Sender::Acquire(Intent intent) {
  return pool_.Acquire(intent, pool_.In(options_.local_wait));
}

// What the server is known to have is written with every change, so that the table is never older than what it
// says of segments.
template <class F>
absl::Status Sender::Change(Durability durability, const F& change) {
  absl::StatusOr<Lease> lease = Acquire(kWrite);
  if (!lease.ok()) return lease.status();
  {
    absl::StatusOr<Transaction> transaction = lease->Begin(durability);
    if (!transaction.ok()) return transaction.status();
    absl::Status status = works_.WriteMarks(**lease);
    if (status.ok()) status = change(*lease);
    if (status.ok()) status = transaction->Commit();
    if (!status.ok()) return status;
  }
  works_.Written();
  return absl::OkStatus();
}

void Sender::NoteLocal(TimePoint now, const absl::Status& status) {
  local_ = status;
  if (status.ok()) {
    told_local_ = false;
    return;
  }
  local_retry_ = now + kLocalPause;
  is_stale_ = true;
  if (!std::exchange(told_local_, true)) {
    Tell({.kind = OutboxEvent::Kind::kLocal, .status = status});
  }
}

// ---- what there is --------------------------------------------------------------------------------

absl::Status Sender::Look(TimePoint now) {
  const bool waited = works_.LiveWaiting() > 0;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    if (!lease.ok()) return lease.status();
    if (is_stale_) {
      if (absl::Status status = works_.Reload(**lease); !status.ok()) return status;
      is_stale_ = false;
    }
    const absl::StatusOr<Statement*> newest = lease->Prepare(source_.newest);
    if (!newest.ok()) return newest.status();
    {
      Rows rows = (*newest)->Query();
      const auto seq = rows.Next() ? rows.Get<std::optional<int64_t>>(0) : std::nullopt;
      if (!rows.status().ok()) return rows.status();
      works_.has_newest = seq.has_value();
      works_.newest = seq.value_or(0);
    }
    for (Work* work : {&works_.live, &works_.backlog}) {
      if (absl::Status status = reader_.FindOldest(**lease, *work); !status.ok()) return status;
    }
  }
  if (!works_.live.exists && works_.has_newest) {
    if (absl::Status status = FindFirst(); !status.ok()) return status;
  }
  if (has_looked_ && !waited && works_.LiveWaiting() > 0) live_since_ = now;
  has_looked_ = true;
  look_at_ = now + std::max(options_.linger, kLeastLook);
  return absl::OkStatus();
}

// The first segment of a database, or one behind segments that are all closed. What was deleted before any was
// sent is accounted for, too.
absl::Status Sender::FindFirst() {
  std::optional<OutboxSegment> first;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    if (!lease.ok()) return lease.status();
    constexpr int64_t kBeforeAll = std::numeric_limits<int64_t>::min();
    const int64_t after = works_.closed.has_closed ? works_.closed.greatest_hi : kBeforeAll;
    const absl::StatusOr<std::optional<OutboxSegment>> row =
        reader_.FirstRow(**lease, after, kOpenEnd);
    if (!row.ok()) return row.status();
    const absl::StatusOr<std::optional<OutboxSegment>> gap = FirstGap(**lease, after);
    if (!gap.ok()) return gap.status();
    first = *row;
    if (row->has_value() && gap->has_value() && (*gap)->lo < (*row)->lo) first = *gap;
  }
  if (!first.has_value()) return absl::OkStatus();
  is_stale_ = true;
  absl::Status status = Change(Durability::kSealed, [&](Lease& lease) {
    return Put(*lease, {.name = *first, .sent = first->lo - 1, .acked = first->lo - 1});
  });
  if (!status.ok()) return status;
  absl::StatusOr<Lease> lease = Acquire(kRead);
  if (!lease.ok()) return lease.status();
  status = works_.Reload(**lease);
  is_stale_ = !status.ok();
  return status;
}

// ---- a batch --------------------------------------------------------------------------------------

Sender::Built Sender::Build(TimePoint now, Work& work, int64_t most) {
  Obstacle obstacle;
  absl::Status status;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    status = lease.ok() ? reader_.Read(**lease, work, most, obstacle) : lease.status();
  }
  if (status.ok() && obstacle.next.has_value()) status = Split(work, *obstacle.next);
  NoteLocal(now, status);
  if (!status.ok()) return Built::kFailed;
  if (obstacle.next.has_value()) return Built::kChanged;
  if (!obstacle.status.ok()) {
    const int64_t seq = obstacle.bad;
    return PutAside(now, work, seq, obstacle.status) ? Built::kChanged : Built::kFailed;
  }
  const OutboxBatch& batch = reader_.batch().batch();
  return batch.last < batch.first ? Built::kNothing : Built::kBatch;
}

bool Sender::PutAside(TimePoint now, const Work& work, int64_t seq, const absl::Status& status) {
  if (allowance_ == 0) {
    Hold(now, status, false);
    return false;
  }
  const absl::Status kept = Change(Durability::kDefault, [&](Lease& lease) {
    return SetAside(*lease, work.row.name.epoch, seq, status);
  });
  NoteLocal(now, kept);
  if (!kept.ok()) return false;
  --allowance_;
  reader_.set_has_rejects(true);
  ++stats_.rejected_rows;
  Tell({.kind = OutboxEvent::Kind::kSetAside,
        .segment = work.row.name,
        .from = seq,
        .to = seq,
        .status = status});
  return true;
}

// ---- segments -------------------------------------------------------------------------------------

// The row `next` begins another epoch: what is in front of it is closed, and the rest gets a name of its own.
absl::Status Sender::Split(const Work& work, const OutboxSegment& next) {
  SegmentRow before = work.row;
  before.hi = next.lo - 1;
  const SegmentRow rest{.name = next, .hi = work.row.hi, .sent = next.lo - 1, .acked = next.lo - 1};
  is_stale_ = true;
  return Change(Durability::kSealed, [&](Lease& lease) {
    absl::Status status =
        before.hi < before.name.lo ? Forget(*lease, before.name) : Put(*lease, before);
    if (status.ok()) status = Put(*lease, rest);
    return status;
  });
}

// What fits into one batch goes as it is.
bool Sender::ShouldCut(TimePoint now) const {
  const bool is_old = live_since_ == TimePoint::min() || now - live_since_ >= options_.fresh_after;
  return options_.order == OutboxOrder::kFreshFirst && works_.live.exists && is_old &&
         works_.LiveWaiting() > size_.rows() && works_.closed.unfinished + 1 < kMostUnfinished;
}

// The last rows of this run belong to what is fresh: they may be the latest of every sensor.
absl::Status Sender::Cut() {
  int64_t end = works_.newest;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    if (!lease.ok()) return lease.status();
    const absl::StatusOr<std::optional<OutboxSegment>> first = reader_.FirstRow(
        **lease, works_.newest - std::min(kFreshRows, works_.LiveWaiting() / 2), works_.newest);
    if (!first.ok()) return first.status();
    if (first->has_value() && (*first)->epoch == options_.epoch) end = (*first)->lo - 1;
  }
  SegmentRow before = works_.live.row;
  before.hi = end;
  const SegmentRow fresh{
      .name = {.epoch = options_.epoch, .lo = end + 1}, .sent = end, .acked = end};
  is_stale_ = true;
  return Change(Durability::kSealed, [&](Lease& lease) {
    absl::Status status = Put(*lease, before);
    if (status.ok()) status = Put(*lease, fresh);
    return status;
  });
}

// ---- marks ----------------------------------------------------------------------------------------

absl::Status Sender::ApplyMarks(const OutboxServer::Answer& answer) {
  const std::span<const OutboxMark> marks = answer.hello.marks;
  bool makes_segments = false;
  for (size_t i = 0; i < asked_count_; ++i) {
    makes_segments |= page_[i].IsOpen() && marks[i].seq.value_or(page_[i].sent) > page_[i].sent;
  }
  is_stale_ = true;
  return Change(makes_segments ? Durability::kSealed : Durability::kDefault, [&](Lease& lease) {
    for (size_t i = 0; i < asked_count_; ++i) {
      if (absl::Status status = ApplyMark(lease, page_[i], marks[i].seq); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  });
}

absl::Status Sender::ApplyMark(Lease& lease, SegmentRow row, std::optional<int64_t> mark) {
  const int64_t before = row.name.lo - 1;
  const int64_t seq = std::min(std::max(mark.value_or(before), before), row.hi);
  if (row.IsOpen() && seq > row.sent) return SkipTo(lease, row, seq);
  if (seq < row.sent) {
    ++stats_.rewinds;
    Tell({.kind = OutboxEvent::Kind::kRewound, .segment = row.name, .from = row.sent, .to = seq});
    if (row.IsOpen()) live_since_ = TimePoint::min();
  }
  const bool has_moved = seq != row.sent;
  row.sent = seq;
  row.acked = std::max(row.acked, seq);
  if (row.IsFinished()) {
    const absl::StatusOr<std::optional<OutboxSegment>> first =
        reader_.FirstRow(*lease, before, row.hi);
    if (!first.ok()) return first.status();
    if (!first->has_value()) {
      absl::Status status = Forget(*lease, row.name);
      return status.ok() ? ForgetGaps(*lease, row.name.lo, row.hi) : status;
    }
  }
  return has_moved ? Put(*lease, row) : absl::OkStatus();
}

absl::Status Sender::Move(SegmentRow row, int64_t mark) {
  const bool makes_segments = row.IsOpen() && mark > row.sent;
  is_stale_ = true;
  return Change(makes_segments ? Durability::kSealed : Durability::kDefault,
                [&](Lease& lease) { return ApplyMark(lease, row, mark); });
}

// Not sealed: where a power cut takes it, the mark is asked for.
absl::Status Sender::WriteStored() {
  return Change(Durability::kDefault, [&](Lease& lease) {
    const OutboxBatch& batch = reader_.batch().batch();
    return reader_.batch().has_gaps_of_table()
               ? MarkGapsSent(*lease, batch.segment.epoch, batch.last)
               : absl::OkStatus();
  });
}

// The server has more of the open-ended segment than this database knows to have sent. Where the card is an older
// copy of itself, rows of this run may have got numbers that the server knows of the copied one.
absl::Status Sender::SkipTo(Lease& lease, SegmentRow row, int64_t mark) {
  const absl::StatusOr<std::optional<OutboxSegment>> other =
      reader_.FirstOfAnother(*lease, row.name.epoch, row.sent, mark);
  if (!other.ok()) return other.status();
  if (other->has_value()) row.hi = (*other)->lo - 1;
  row.sent = std::min(mark, row.hi);
  row.acked = std::max(row.acked, row.sent);
  absl::Status status = Put(*lease, row);
  if (!status.ok() || !other->has_value()) return status;
  return Put(*lease, {.name = **other, .sent = row.hi, .acked = row.hi});
}

// ---- counters -------------------------------------------------------------------------------------

absl::Status Sender::WriteCounters() {
  kept_.bytes_month = meter_.budget().used();
  kept_.month = meter_.budget().month();
  return Change(Durability::kDefault, [&](Lease& lease) { return WriteState(*lease, kept_); });
}

void Sender::WriteDown(TimePoint now) {
  const absl::Status status =
      now >= write_at_ ? WriteCounters()
                       : Change(Durability::kDefault, [](Lease&) { return absl::OkStatus(); });
  NoteLocal(now, status);
  if (status.ok() && now >= write_at_) write_at_ = now + kWriteEvery;
}

}  // namespace roost::outbox
