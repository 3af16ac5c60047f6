// src/tools/roost-node/reading.h - one reading, and the bounded buffer of those that are not stored
// yet.
#ifndef ROOST_TOOLS_ROOST_NODE_READING_H_
#define ROOST_TOOLS_ROOST_NODE_READING_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace roost::tools {

// Text of at most N bytes, without a heap.
template <size_t N>
class ShortText {
 public:
  static constexpr size_t kMost = N;
  ShortText() = default;
  // REQUIRES: text.size() <= N
  explicit ShortText(std::string_view text) : size_(static_cast<uint8_t>(text.size())) {
    static_assert(N < 256);
    std::copy(text.begin(), text.end(), bytes_.begin());
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, N> bytes_{};
  uint8_t size_ = 0;
};

struct Reading {
  ShortText<47> name;
  ShortText<15> unit;
  double value = 0;
  int64_t boot_us = 0;  // since boot: orders readings whatever the wall clock does
  int64_t wall_us = 0;  // since 1970 UTC, as far as the board knew
  bool synced = false;  // the wall clock had been set by a time service
};

// The readings that are not sealed yet, oldest first. Each has a number that never changes, so that
// it is known which were dropped meanwhile. Memory is taken once.
class ReadingBuffer {
 public:
  // REQUIRES: capacity >= 1
  explicit ReadingBuffer(size_t capacity) : ring_(capacity) {}

  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }
  bool full() const { return size() == ring_.size(); }
  size_t capacity() const { return ring_.size(); }
  // Number of the oldest reading, and of the next one to come.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  // REQUIRES: begin() <= number < end()
  const Reading& at(uint64_t number) const { return ring_[PlaceOf(number)]; }

  // Adds one; when full the oldest is dropped: returns how many (0 or 1) were.
  size_t Push(const Reading& reading) {
    const size_t dropped = full() ? 1 : 0;
    begin_ += dropped;
    ring_[PlaceOf(end_++)] = reading;
    return dropped;
  }
  // Forgets every reading before `number`. Returns how many.
  size_t ForgetBefore(uint64_t number) {
    const uint64_t until = std::clamp(number, begin_, end_);
    const auto forgotten = static_cast<size_t>(until - begin_);
    begin_ = until;
    return forgotten;
  }

 private:
  size_t PlaceOf(uint64_t number) const { return static_cast<size_t>(number % ring_.size()); }

  std::vector<Reading> ring_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_READING_H_
