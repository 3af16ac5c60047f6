// outbox/work.h - the two segments that are being sent, and what is known of the others.
//
// The open-ended one is live; the oldest closed one that is not finished is the backlog. Everything else is in
// the table, so that memory does not grow with the number of segments. What is in memory of the two is what
// counts; the table may be behind by what could not be written, and is asked about at each hello anyway.
//
// Threads:  one
// Blocks:   as the connection's statements
// Memory:   none
// Errors:   those of the statements
#ifndef ROOST_OUTBOX_WORK_H_
#define ROOST_OUTBOX_WORK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "outbox/segments.h"
#include "roost/connection.h"
#include "roost/outbox.h"

namespace roost::outbox {

// The number and the time of a row.
struct Moment {
  int64_t seq = 0;
  Micros time{};
};

// A segment that is being sent.
struct Work {
  bool exists = false;
  bool is_dirty = false;  // the table does not have `sent` and `acked` yet
  SegmentRow row;
  int64_t attempted = 0;  // the greatest number that was in a call
  Moment oldest;          // of the rows that wait; 0: not looked up
  // A row among those up to bisect_end is refused; it is among the next suspects rows. 0: none is known.
  int64_t bisect_end = 0;
  int64_t suspects = 0;
};

struct Works {
  Work live;
  Work backlog;
  SegmentSums closed;  // the backlog is one of them
  int64_t newest = 0;  // the greatest number that was seen
  bool has_newest = false;

  // Reads the table again; what it does not have yet is kept.
  absl::Status Reload(Connection& connection);
  // Writes what the table does not have yet. Written: that was committed.
  absl::Status WriteMarks(Connection& connection) const;
  void Written();
  // Numbers that wait.
  int64_t LiveWaiting() const;
  int64_t Waiting() const { return LiveWaiting() + closed.waiting; }

 private:
  static void Take(Work& work, bool exists, const SegmentRow& row, const Work& one,
                   const Work& other);
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_WORK_H_
