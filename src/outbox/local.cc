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

absl::Status BadRow(const char* what) {
  return absl::InvalidArgumentError(std::string("the row has ") + what);
}

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
    absl::Status status = WriteMarks(*lease);
    if (status.ok()) status = change(*lease);
    if (status.ok()) status = transaction->Commit();
    if (!status.ok()) return status;
  }
  live_.is_dirty = backlog_.is_dirty = false;
  return absl::OkStatus();
}

absl::Status Sender::WriteMarks(Lease& lease) {
  for (const Work* work : {&live_, &backlog_}) {
    if (!work->exists || !work->is_dirty) continue;
    if (absl::Status status = Put(*lease, work->row); !status.ok()) return status;
  }
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

void Sender::Take(Work& work, bool exists, const SegmentRow& row, const Work& one,
                  const Work& other) {
  work = {};
  work.exists = exists;
  work.row = row;
  work.attempted = row.acked;
  for (const Work* before : {&one, &other}) {
    if (!exists || !before->exists || before->row.name != row.name) continue;
    work.attempted = std::max(before->attempted, row.acked);
    work.bisect_end = before->bisect_end;
    work.suspects = before->suspects;
    if (before->oldest.seq > row.sent) work.oldest = before->oldest;
    if (before->is_dirty) {
      work.is_dirty = true;
      work.row.sent = before->row.sent;
      work.row.acked = before->row.acked;
    }
  }
}

absl::Status Sender::Reload(Lease& lease) {
  SegmentRow open;
  SegmentRow oldest;
  const absl::StatusOr<bool> has_open = ReadOpen(*lease, open);
  if (!has_open.ok()) return has_open.status();
  const absl::StatusOr<bool> has_oldest = ReadOldest(*lease, oldest);
  if (!has_oldest.ok()) return has_oldest.status();
  const absl::StatusOr<SegmentSums> sums = ReadSums(*lease);
  if (!sums.ok()) return sums.status();
  const Work live = live_;
  const Work backlog = backlog_;
  Take(live_, *has_open, open, live, backlog);
  Take(backlog_, *has_oldest, oldest, live, backlog);
  closed_ = *sums;
  is_stale_ = false;
  return absl::OkStatus();
}

absl::Status Sender::Look(TimePoint now) {
  const bool waited = LiveWaiting() > 0;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    if (!lease.ok()) return lease.status();
    if (is_stale_) {
      if (absl::Status status = Reload(*lease); !status.ok()) return status;
    }
    const absl::StatusOr<Statement*> newest = lease->Prepare(source_.newest);
    if (!newest.ok()) return newest.status();
    {
      Rows rows = (*newest)->Query();
      const auto seq = rows.Next() ? rows.Get<std::optional<int64_t>>(0) : std::nullopt;
      if (!rows.status().ok()) return rows.status();
      has_newest_ = seq.has_value();
      newest_ = seq.value_or(0);
    }
    for (Work* work : {&live_, &backlog_}) {
      if (absl::Status status = FindOldest(*lease, *work); !status.ok()) return status;
    }
  }
  if (!live_.exists && has_newest_) {
    if (absl::Status status = FindFirst(); !status.ok()) return status;
  }
  if (has_looked_ && !waited && LiveWaiting() > 0) live_since_ = now;
  has_looked_ = true;
  look_at_ = now + std::max(options_.linger, kLeastLook);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<OutboxSegment>> Sender::FirstRow(Lease& lease, int64_t after,
                                                              int64_t last) const {
  const absl::StatusOr<Statement*> statement = lease->Prepare(source_.rows);
  if (!statement.ok()) return statement.status();
  std::optional<OutboxSegment> first;
  Rows rows = (*statement)->Query(after, last, 1);
  if (rows.Next()) first = {.epoch = rows.Get<int64_t>(1), .lo = rows.Get<int64_t>(0)};
  if (!rows.status().ok()) return rows.status();
  return first;
}

absl::Status Sender::FindOldest(Lease& lease, Work& work) {
  if (!work.exists || work.oldest.seq > work.row.sent) return absl::OkStatus();
  work.oldest = {};
  const absl::StatusOr<Statement*> statement = lease->Prepare(source_.rows);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query(work.row.sent, work.row.hi, 1);
  if (rows.Next()) work.oldest = MomentOf(rows);
  return rows.status();
}

// The first segment of a database, or one behind segments that are all closed. What was deleted before any was
// sent is accounted for, too.
absl::Status Sender::FindFirst() {
  std::optional<OutboxSegment> first;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    if (!lease.ok()) return lease.status();
    constexpr int64_t kBeforeAll = std::numeric_limits<int64_t>::min();
    const int64_t after = closed_.has_closed ? closed_.greatest_hi : kBeforeAll;
    const absl::StatusOr<std::optional<OutboxSegment>> row = FirstRow(*lease, after, kOpenEnd);
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
  return Reload(*lease);
}

// ---- a batch --------------------------------------------------------------------------------------

Sender::Moment Sender::MomentOf(Rows& rows) const {
  const Value time = rows.Get<Value>(2);
  const Value clock = rows.Get<Value>(3);
  const bool is_known = time.type() == Value::Type::kInt64 && clock.type() == Value::Type::kInt64 &&
                        clock.int64() != 2;
  return {.seq = rows.Get<int64_t>(0),
          .time = Micros{is_known ? time.int64() : platform_.UnixMicros()}};
}

absl::Status Sender::AddRow(Rows& rows, int64_t seq, Batch::Added& added) {
  added = Batch::Added::kNever;
  const Value time = rows.Get<Value>(2);
  const Value name = rows.Get<Value>(4);
  const Value unit = rows.Get<Value>(5);
  const Value value = rows.Get<Value>(6);
  if (time.type() != Value::Type::kInt64) return BadRow("a time that is no integer");
  if (name.type() != Value::Type::kText) return BadRow("a name that is no text");
  if (unit.type() != Value::Type::kText && !unit.is_null()) return BadRow("a unit that is no text");
  double number = 0;
  if (value.type() == Value::Type::kDouble) {
    number = value.real();
  } else if (value.type() == Value::Type::kInt64) {
    number = static_cast<double>(value.int64());
  } else {
    return BadRow("a value that is no number");
  }
  if (!std::isfinite(number)) return BadRow("a value that is not finite");
  added = batch_.Add(seq, Micros{time.int64()}, number, name.text(),
                     unit.is_null() ? std::string_view() : unit.text());
  return added == Batch::Added::kNever ? BadRow("a name that is too long for a batch")
                                       : absl::OkStatus();
}

// True: there is no further row up to `last`.
absl::StatusOr<bool> Sender::ReadRows(Lease& lease, Work& work, int64_t last, int64_t most,
                                      Obstacle& obstacle) {
  const OutboxSegment& segment = work.row.name;
  std::array<int64_t, Batch::kMostOmitted> rejects{};
  size_t reject_count = 0;
  if (has_rejects_) {
    const absl::StatusOr<size_t> read = ReadRejects(*lease, segment.epoch, work.row.sent, rejects);
    if (!read.ok()) return read.status();
    reject_count = *read;
  }
  const bool knows_all_rejects = reject_count < rejects.size();
  const absl::StatusOr<Statement*> statement = lease->Prepare(source_.rows);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query(work.row.sent, last, most + 1);
  int64_t clock = -1;
  int64_t count = 0;
  size_t reject = 0;
  for (; rows.Next(); ++count) {
    const auto seq = rows.Get<int64_t>(0);
    const auto epoch = rows.Get<int64_t>(1);
    after_ = MomentOf(rows);
    if (epoch != segment.epoch) {
      if (count == 0) obstacle.next = OutboxSegment{.epoch = epoch, .lo = seq};
      return false;
    }
    if (count == 0) work.oldest = after_;
    if (count == most) return false;
    while (reject < reject_count && rejects[reject] < seq) ++reject;
    if (reject < reject_count && rejects[reject] == seq) {
      batch_.Omit(seq);
      continue;
    }
    if (reject == reject_count && !knows_all_rejects) return false;
    const Value clock_of_row = rows.Get<Value>(3);
    const int64_t is = clock_of_row.type() == Value::Type::kInt64 ? clock_of_row.int64() : -1;
    if (clock >= 0 && is != clock) return false;
    Batch::Added added = Batch::Added::kNever;
    absl::Status status =
        is < 0 || is > 2 ? BadRow("a clock that is none of 0, 1 and 2") : AddRow(rows, seq, added);
    if (!status.ok() && count == 0) {
      obstacle.bad = seq;
      obstacle.status = std::move(status);
    }
    if (added != Batch::Added::kYes) return false;
    clock = is;
    batch_.set_clock(static_cast<uint8_t>(is));
  }
  if (!rows.status().ok()) return rows.status();
  after_ = {};
  return true;
}

absl::Status Sender::Read(Lease& lease, Work& work, int64_t most, Obstacle& obstacle) {
  const SegmentRow& row = work.row;
  // Numbers that were acknowledged once are in a batch of their own, so that what has no row there is known to
  // have been deleted after that.
  const bool is_again = row.sent < row.acked;
  const int64_t last = is_again ? std::min(row.acked, row.hi) : row.hi;
  batch_.Begin(row.name, row.sent);
  const absl::StatusOr<bool> is_end = ReadRows(lease, work, last, most, obstacle);
  if (!is_end.ok()) return is_end.status();
  if (obstacle.next.has_value() || !obstacle.status.ok()) return absl::OkStatus();
  if (*is_end && last != kOpenEnd) batch_.EndAt(last);
  if (absl::Status status = AddGaps(*lease, batch_); !status.ok()) return status;
  batch_.AddRest(is_again ? OutboxWhy::kSettled : OutboxWhy::kUnused);
  return absl::OkStatus();
}

Sender::Built Sender::Build(TimePoint now, Work& work, int64_t most) {
  Obstacle obstacle;
  absl::Status status;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    status = lease.ok() ? Read(*lease, work, most, obstacle) : lease.status();
  }
  if (status.ok() && obstacle.next.has_value()) status = Split(work, *obstacle.next);
  NoteLocal(now, status);
  if (!status.ok()) return Built::kFailed;
  if (obstacle.next.has_value()) return Built::kChanged;
  if (!obstacle.status.ok()) {
    const int64_t seq = obstacle.bad;
    return PutAside(now, work, seq, obstacle.status) ? Built::kChanged : Built::kFailed;
  }
  const OutboxBatch& batch = batch_.batch();
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
  has_rejects_ = true;
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
  return options_.order == OutboxOrder::kFreshFirst && live_.exists && is_old &&
         LiveWaiting() > size_.rows() && closed_.unfinished + 1 < kMostUnfinished;
}

// The last rows of this run belong to what is fresh: they may be the latest of every sensor.
absl::Status Sender::Cut() {
  int64_t end = newest_;
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    if (!lease.ok()) return lease.status();
    const absl::StatusOr<std::optional<OutboxSegment>> first =
        FirstRow(*lease, newest_ - std::min(kFreshRows, LiveWaiting() / 2), newest_);
    if (!first.ok()) return first.status();
    if (first->has_value() && (*first)->epoch == options_.epoch) end = (*first)->lo - 1;
  }
  SegmentRow before = live_.row;
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
    const absl::StatusOr<std::optional<OutboxSegment>> first = FirstRow(lease, before, row.hi);
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
    const OutboxBatch& batch = batch_.batch();
    return batch_.has_gaps_of_table() ? MarkGapsSent(*lease, batch.segment.epoch, batch.last)
                                      : absl::OkStatus();
  });
}

// The server has more of the open-ended segment than this database knows to have sent. Where the card is an older
// copy of itself, rows of this run may have got numbers that the server knows of the copied one.
absl::Status Sender::SkipTo(Lease& lease, SegmentRow row, int64_t mark) {
  const absl::StatusOr<std::optional<OutboxSegment>> other =
      FirstOfAnother(lease, row.name.epoch, row.sent, mark);
  if (!other.ok()) return other.status();
  if (other->has_value()) row.hi = (*other)->lo - 1;
  row.sent = std::min(mark, row.hi);
  row.acked = std::max(row.acked, row.sent);
  absl::Status status = Put(*lease, row);
  if (!status.ok() || !other->has_value()) return status;
  return Put(*lease, {.name = **other, .sent = row.hi, .acked = row.hi});
}

// Rows of one epoch are neighbours: the first one of another is found by halving.
absl::StatusOr<std::optional<OutboxSegment>> Sender::FirstOfAnother(Lease& lease, int64_t epoch,
                                                                    int64_t after,
                                                                    int64_t last) const {
  std::optional<OutboxSegment> other;
  int64_t lo = after;
  int64_t hi = last;
  while (lo < hi) {
    const int64_t middle = lo + (hi - lo) / 2;
    const absl::StatusOr<std::optional<OutboxSegment>> row = FirstRow(lease, middle, last);
    if (!row.ok()) return row.status();
    if (row->has_value() && (*row)->epoch == epoch) {
      lo = (*row)->lo;
    } else {
      if (row->has_value()) other = *row;
      hi = middle;
    }
  }
  return other;
}

// ---- counters -------------------------------------------------------------------------------------

absl::Status Sender::WriteCounters() {
  kept_.bytes_month = budget_.used();
  kept_.month = budget_.month();
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
