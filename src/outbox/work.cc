#include "outbox/work.h"

#include <algorithm>

#include "roost/connection.h"

namespace roost::outbox {

void Works::Take(Work& work, bool exists, const SegmentRow& row, const Work& one,
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

absl::Status Works::Reload(Connection& connection) {
  SegmentRow open;
  SegmentRow oldest;
  const absl::StatusOr<bool> has_open = ReadOpen(connection, open);
  if (!has_open.ok()) return has_open.status();
  const absl::StatusOr<bool> has_oldest = ReadOldest(connection, oldest);
  if (!has_oldest.ok()) return has_oldest.status();
  const absl::StatusOr<SegmentSums> sums = ReadSums(connection);
  if (!sums.ok()) return sums.status();
  const Work live_before = live;
  const Work backlog_before = backlog;
  Take(live, *has_open, open, live_before, backlog_before);
  Take(backlog, *has_oldest, oldest, live_before, backlog_before);
  closed = *sums;
  return absl::OkStatus();
}

absl::Status Works::WriteMarks(Connection& connection) const {
  for (const Work* work : {&live, &backlog}) {
    if (!work->exists || !work->is_dirty) continue;
    if (absl::Status status = Put(connection, work->row); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Works::Written() { live.is_dirty = backlog.is_dirty = false; }

int64_t Works::LiveWaiting() const {
  if (!live.exists || !has_newest) return 0;
  return std::max<int64_t>(0, newest - live.row.sent);
}

}  // namespace roost::outbox
