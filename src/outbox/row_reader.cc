#include "outbox/row_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "outbox/segments.h"
#include "roost/connection.h"

namespace roost::outbox {
namespace {

absl::Status BadRow(const char* what) {
  return absl::InvalidArgumentError(std::string("the row has ") + what);
}

}  // namespace

Moment RowReader::MomentOf(Rows& rows) const {
  const Value time = rows.Get<Value>(2);
  const Value clock = rows.Get<Value>(3);
  const bool is_known = time.type() == Value::Type::kInt64 && clock.type() == Value::Type::kInt64 &&
                        clock.int64() != 2;
  return {.seq = rows.Get<int64_t>(0),
          .time = Micros{is_known ? time.int64() : platform_.UnixMicros()}};
}

absl::Status RowReader::AddRow(Rows& rows, int64_t seq, Batch::Added& added) {
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
absl::StatusOr<bool> RowReader::ReadRows(Connection& connection, Work& work, int64_t last,
                                         int64_t most, Obstacle& obstacle) {
  const OutboxSegment& segment = work.row.name;
  std::array<int64_t, Batch::kMostOmitted> rejects{};
  size_t reject_count = 0;
  if (has_rejects_) {
    const absl::StatusOr<size_t> read =
        ReadRejects(connection, segment.epoch, work.row.sent, rejects);
    if (!read.ok()) return read.status();
    reject_count = *read;
  }
  const bool knows_all_rejects = reject_count < rejects.size();
  const absl::StatusOr<Statement*> statement = connection.Prepare(source_.rows);
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

absl::Status RowReader::Read(Connection& connection, Work& work, int64_t most, Obstacle& obstacle) {
  const SegmentRow& row = work.row;
  // Numbers that were acknowledged once are in a batch of their own, so that what has no row there is known to
  // have been deleted after that.
  const bool is_again = row.sent < row.acked;
  const int64_t last = is_again ? std::min(row.acked, row.hi) : row.hi;
  batch_.Begin(row.name, row.sent);
  const absl::StatusOr<bool> is_end = ReadRows(connection, work, last, most, obstacle);
  if (!is_end.ok()) return is_end.status();
  if (obstacle.next.has_value() || !obstacle.status.ok()) return absl::OkStatus();
  if (*is_end && last != kOpenEnd) batch_.EndAt(last);
  if (absl::Status status = AddGaps(connection, batch_); !status.ok()) return status;
  batch_.AddRest(is_again ? OutboxWhy::kSettled : OutboxWhy::kUnused);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<OutboxSegment>> RowReader::FirstRow(Connection& connection,
                                                                 int64_t after,
                                                                 int64_t last) const {
  const absl::StatusOr<Statement*> statement = connection.Prepare(source_.rows);
  if (!statement.ok()) return statement.status();
  std::optional<OutboxSegment> first;
  Rows rows = (*statement)->Query(after, last, 1);
  if (rows.Next()) first = {.epoch = rows.Get<int64_t>(1), .lo = rows.Get<int64_t>(0)};
  if (!rows.status().ok()) return rows.status();
  return first;
}

// Rows of one epoch are neighbours: the first one of another is found by halving.
absl::StatusOr<std::optional<OutboxSegment>> RowReader::FirstOfAnother(Connection& connection,
                                                                       int64_t epoch, int64_t after,
                                                                       int64_t last) const {
  std::optional<OutboxSegment> other;
  int64_t lo = after;
  int64_t hi = last;
  while (lo < hi) {
    const int64_t middle = lo + (hi - lo) / 2;
    const absl::StatusOr<std::optional<OutboxSegment>> row = FirstRow(connection, middle, last);
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

absl::Status RowReader::FindOldest(Connection& connection, Work& work) const {
  if (!work.exists || work.oldest.seq > work.row.sent) return absl::OkStatus();
  work.oldest = {};
  const absl::StatusOr<Statement*> statement = connection.Prepare(source_.rows);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query(work.row.sent, work.row.hi, 1);
  if (rows.Next()) work.oldest = MomentOf(rows);
  return rows.status();
}

}  // namespace roost::outbox
