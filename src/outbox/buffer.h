// outbox/buffer.h - the rows that are not sealed yet, oldest first, in a ring of a fixed size.
//
// Each row has a number that never changes, so that it is known which rows were dropped meanwhile.
//
// Threads:  one
// Blocks:   never
// Memory:   the ring, taken by the constructor
// Errors:   none: when the ring is full, the oldest row is dropped and counted
#ifndef ROOST_OUTBOX_BUFFER_H_
#define ROOST_OUTBOX_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace roost::outbox {

template <class Row>
class Buffer {
 public:
  // REQUIRES: capacity >= 1
  explicit Buffer(size_t capacity) : ring_(capacity) {}

  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }
  bool full() const { return size() == ring_.size(); }
  size_t capacity() const { return ring_.size(); }
  // Number of the oldest row, and of the next one to come.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  // REQUIRES: begin() <= number < end()
  const Row& at(uint64_t number) const { return ring_[PlaceOf(number)]; }

  // Adds one; when full the oldest is dropped: returns how many (0 or 1) were.
  size_t Push(const Row& row) {
    const size_t dropped = full() ? 1 : 0;
    begin_ += dropped;
    ring_[PlaceOf(end_++)] = row;
    return dropped;
  }
  // Forgets every row before `number`. Returns how many.
  size_t ForgetBefore(uint64_t number) {
    const uint64_t first_kept = std::clamp(number, begin_, end_);
    const auto forgotten = static_cast<size_t>(first_kept - begin_);
    begin_ = first_kept;
    return forgotten;
  }

 private:
  size_t PlaceOf(uint64_t number) const { return static_cast<size_t>(number % ring_.size()); }

  std::vector<Row> ring_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_BUFFER_H_
