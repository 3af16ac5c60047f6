// tools/roost-node/reading.h - one reading, and the buffer of those that are not stored yet.
#ifndef ROOST_TOOLS_ROOST_NODE_READING_H_
#define ROOST_TOOLS_ROOST_NODE_READING_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "outbox/buffer.h"

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

// Where the time of a reading comes from. The numbers are in the database: reading.t_source.
enum class TimeSource : uint8_t {
  kBoard = 0,    // the node's clock, when it read a sensor of the board
  kArrival = 1,  // the node's clock, when it took the line
  kLine = 2,     // the line itself
  kLate = 3,     // as kArrival, but the line could have been read more than 2 s before
};

struct Reading {
  ShortText<47> name;
  ShortText<15> unit;
  double value = 0;
  int64_t boot_us = 0;  // since boot: orders readings whatever the wall clock does
  int64_t wall_us = 0;  // since 1970 UTC, as far as the board, or the line, knew
  bool synced = false;  // the wall clock had been set by a time service
  TimeSource source = TimeSource::kBoard;
};

// The readings that are not sealed yet.
using ReadingBuffer = outbox::Buffer<Reading>;

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_READING_H_
