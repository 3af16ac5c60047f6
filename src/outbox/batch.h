// outbox/batch.h - the memory of one batch: rows, names, gaps.
//
// Threads:  one
// Blocks:   never
// Memory:   taken by the constructor
// Errors:   none
#ifndef ROOST_OUTBOX_BATCH_H_
#define ROOST_OUTBOX_BATCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "roost/outbox.h"

namespace roost::outbox {

class Batch {
 public:
  static constexpr size_t kMostNames = 255;
  // Of all names and units.
  static constexpr size_t kTextBytes = 4096;

  // REQUIRES: most >= 1
  explicit Batch(size_t most);
  size_t bytes() const;

  // Begins anew. Each number above `sent` is going to be accounted for.
  void Begin(const OutboxSegment& segment, int64_t sent);

  enum class Added : uint8_t { kYes, kNoRoom, kNever };
  // kNoRoom: it belongs into the next batch; kNever: into none. REQUIRES: seq is greater than the last one's, and
  // there are fewer rows than `most`.
  Added Add(int64_t seq, Micros time, double value, std::string_view name, std::string_view unit);
  // A number that goes without its row: kept here in the table reject. REQUIRES: fewer than kMostOmitted were.
  static constexpr size_t kMostOmitted = 32;
  void Omit(int64_t seq);
  void set_clock(uint8_t clock) { batch_.clock = clock; }
  // The last number that it accounts for.
  void EndAt(int64_t last) { batch_.last = last; }

  // How many numbers have no row, and are in no gap yet.
  int64_t Missing() const { return batch_.last - batch_.first + 1 - accounted_; }
  // Of lo to hi those that have no row are missing for this reason; of the remaining ones as many as there are.
  void AddGap(OutboxWhy why, int64_t lo, int64_t hi);
  // All that is missing still is missing for this reason.
  void AddRest(OutboxWhy why);

  size_t rows() const { return row_count_; }
  // REQUIRES: rows() > 0
  const OutboxRow& row(size_t index) const { return rows_[index]; }
  bool has_gaps_of_table() const;
  OutboxBatch& batch() { return batch_; }
  // With its rows, names and gaps.
  const OutboxBatch& Finish();

 private:
  int PlaceOf(std::string_view name, std::string_view unit);
  // How many of lo to hi have a row, or were omitted.
  int64_t RowsWithin(int64_t lo, int64_t hi) const;
  void Count(OutboxWhy why, int64_t lo, int64_t hi, int64_t numbers);
  OutboxGap& GapOf(OutboxWhy why) { return by_why_[static_cast<size_t>(why)]; }

  const size_t most_;
  const std::unique_ptr<OutboxRow[]> rows_;
  const std::unique_ptr<OutboxName[]> names_;
  const std::unique_ptr<char[]> text_;
  size_t row_count_ = 0;
  size_t name_count_ = 0;
  size_t text_used_ = 0;
  size_t last_place_ = 0;
  int64_t accounted_ = 0;
  std::array<int64_t, kMostOmitted> omitted_{};
  size_t omitted_count_ = 0;
  std::array<OutboxGap, kOutboxWhys> by_why_{};
  std::array<OutboxGap, kOutboxWhys> gaps_{};
  OutboxBatch batch_;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_BATCH_H_
