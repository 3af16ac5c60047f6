// outbox/segments.h - the tables segment, gap, reject and outbox_state of the local database.
//
// Threads:  the holder of the lease
// Blocks:   as the connection's statements
// Memory:   none but for an error
// Errors:   those of the statements
#ifndef ROOST_OUTBOX_SEGMENTS_H_
#define ROOST_OUTBOX_SEGMENTS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "outbox/batch.h"
#include "roost/connection.h"
#include "roost/outbox.h"

namespace roost::outbox {

// The end of an open-ended segment.
inline constexpr int64_t kOpenEnd = std::numeric_limits<int64_t>::max();

// One row of the table segment.
struct SegmentRow {
  OutboxSegment name{};
  int64_t hi = kOpenEnd;
  int64_t sent = 0;
  int64_t acked = 0;
  bool IsOpen() const { return hi == kOpenEnd; }
  bool IsFinished() const { return sent >= hi; }
};

// What there is besides the two segments that are being sent.
struct SegmentSums {
  int64_t unfinished = 0;  // closed ones
  int64_t waiting = 0;     // numbers in them
  int64_t greatest_hi = 0;
  bool has_closed = false;
};

// What outbox_state has.
struct KeptState {
  uint64_t bytes_month = 0;
  int64_t month = 0;
  int64_t spread_s = -1;  // -1: no server has said it
  bool schema_seen = false;
};

// A page of segments behind `after`, by epoch and lo.
absl::StatusOr<size_t> ReadSegments(Connection& connection, const OutboxSegment& after,
                                    std::span<SegmentRow> out);
// The open-ended one; the oldest closed one that is not finished. False: there is none.
absl::StatusOr<bool> ReadOpen(Connection& connection, SegmentRow& out);
absl::StatusOr<bool> ReadOldest(Connection& connection, SegmentRow& out);
absl::StatusOr<SegmentSums> ReadSums(Connection& connection);
// Adds it, or changes what is there under its name. `acked` never goes back.
absl::Status Put(Connection& connection, const SegmentRow& row);
// Deletes it.
absl::Status Forget(Connection& connection, const OutboxSegment& name);
// Deletes the gaps that end within lo to hi, of whatever epoch.
absl::Status ForgetGaps(Connection& connection, int64_t lo, int64_t hi);

// Says of each number of `batch` without a row why it has none: the records of its own epoch, then those of
// others, whose rows were deleted before this outbox saw one.
absl::Status AddGaps(Connection& connection, Batch& batch);
// Where the first gap that begins behind `after` begins.
absl::StatusOr<std::optional<OutboxSegment>> FirstGap(Connection& connection, int64_t after);
// The server was told of the gaps up to `last`.
absl::Status MarkGapsSent(Connection& connection, int64_t epoch, int64_t last);

// The rows that were set aside behind `after`, by number.
absl::StatusOr<size_t> ReadRejects(Connection& connection, int64_t epoch, int64_t after,
                                   std::span<int64_t> out);
absl::StatusOr<bool> HasRejects(Connection& connection);
absl::Status SetAside(Connection& connection, int64_t epoch, int64_t seq,
                      const absl::Status& status);

absl::StatusOr<KeptState> ReadState(Connection& connection);
absl::Status WriteState(Connection& connection, const KeptState& state);

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_SEGMENTS_H_
