// outbox/row_reader.h - reads the application's rows: a batch of a segment, the first row of a range.
//
// Threads:  the holder of the lease
// Blocks:   as the connection's statements
// Memory:   one Batch, taken by the constructor
// Errors:   those of the statements; a row that no batch takes is an Obstacle
#ifndef ROOST_OUTBOX_ROW_READER_H_
#define ROOST_OUTBOX_ROW_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "outbox/batch.h"
#include "outbox/work.h"
#include "roost/connection.h"
#include "roost/outbox.h"
#include "roost/platform.h"

namespace roost::outbox {

// Why a batch cannot begin: a row of another epoch comes next, or one that no batch takes.
struct Obstacle {
  std::optional<OutboxSegment> next;
  int64_t bad = 0;
  absl::Status status;
};

class RowReader {
 public:
  RowReader(const OutboxSource& source, size_t most, Platform& platform)
      : source_(source), platform_(platform), batch_(most) {}

  // Fills the batch with the next rows of the segment, at most `most`, and says of each number without a row
  // why it has none. Knows from then on the oldest row of the segment, and the one behind the batch.
  absl::Status Read(Connection& connection, Work& work, int64_t most, Obstacle& obstacle);
  Batch& batch() { return batch_; }
  const Batch& batch() const { return batch_; }
  // 0: there was none, or it was not looked at.
  const Moment& after() const { return after_; }
  // Some rows are in the table reject.
  void set_has_rejects(bool has) { has_rejects_ = has; }

  // The first row with after < seq <= last.
  absl::StatusOr<std::optional<OutboxSegment>> FirstRow(Connection& connection, int64_t after,
                                                        int64_t last) const;
  // The first of them whose epoch is another one.
  absl::StatusOr<std::optional<OutboxSegment>> FirstOfAnother(Connection& connection, int64_t epoch,
                                                              int64_t after, int64_t last) const;
  // Looks up the oldest row that waits, where it is not known.
  absl::Status FindOldest(Connection& connection, Work& work) const;

 private:
  absl::StatusOr<bool> ReadRows(Connection& connection, Work& work, int64_t last, int64_t most,
                                Obstacle& obstacle);
  absl::Status AddRow(Rows& rows, int64_t seq, Batch::Added& added);
  Moment MomentOf(Rows& rows) const;

  const OutboxSource source_;
  Platform& platform_;
  Batch batch_;
  Moment after_;
  bool has_rejects_ = false;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_ROW_READER_H_
