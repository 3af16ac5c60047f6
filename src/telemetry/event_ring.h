// telemetry/event_ring.h - the latest events of a program, in memory and in a file that outlives it.
//
// The file is written by pwrite, one record for one event, and is not mapped: a mapping would kill the
// program with SIGBUS when somebody cuts the file, or when /run is full.
//
// Threads:  any
// Blocks:   Add for a lock held while 128 bytes are copied, and for a write into memory (/run)
// Memory:   fixed
// Errors:   a box that cannot be written is as if there were none; box_error() says so
#ifndef ROOST_TELEMETRY_EVENT_RING_H_
#define ROOST_TELEMETRY_EVENT_RING_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "roost/internal/mutex.h"
#include "roost/observer.h"

namespace roost::telemetry {

// One event, as it lies in the ring and in the box. The same on every machine of this build.
struct EventRecord {
  uint64_t number = 0;  // counted from 1; 0: no event
  int64_t boot_us = 0;  // when, in microseconds since the boot
  int64_t span_ns = 0;  // Event::span; of kInvalidate Event::idle
  int32_t line = 0;
  int16_t slot = -1;
  uint8_t kind = 0;
  uint8_t reason = 0;
  uint8_t code = 0;  // of the status; 0: none
  uint8_t pad = 0;
  std::array<char, 16> pool{};  // texts end with a zero
  std::array<char, 24> file{};  // the end of the path
  std::array<char, 48> text{};
};
static_assert(sizeof(EventRecord) == 128);

// The head of the box.
struct BoxHead {
  static constexpr std::array<char, 8> kMagic{'r', 'o', 'o', 's', 't', 'b', 'x', '1'};
  std::array<char, 8> magic = kMagic;
  int64_t pid = 0;
  uint64_t start_ticks = 0;     // of the process, from /proc; 0: not known
  int64_t started_boot_us = 0;  // when the program began to write
  int64_t started_unix_us = 0;  // by the wall clock, which may have been wrong
  int64_t said_boot_us = 0;     // when it said what follows
  std::array<char, 40> boot_id{};
  std::array<char, 56> name{};
  std::array<char, 16> health{};
  std::array<char, 128> text{};
  std::array<char, 192> pad{};
};
static_assert(sizeof(BoxHead) == 480);

// The latest failure of a slot's connection, or of an open in the slot.
struct SlotFailure {
  uint64_t number = 0;  // of the event; 0: none
  int64_t boot_us = 0;
  uint8_t reason = 0;
  uint8_t code = 0;  // of the status; 0: the event had none
};

class EventRing {
 public:
  static constexpr size_t kEvents = 64;
  // What a box has.
  static constexpr size_t kBoxBytes = 512 + kEvents * sizeof(EventRecord);
  static constexpr size_t kFirstRecord = 512;

  // `at`: microseconds since the boot. `box`: a descriptor of the box; -1: there is none.
  void Add(const Event& event, int64_t boot_us, int box);
  // Copies the events into `out`, the oldest first. Returns how many there are.
  size_t Copy(std::array<EventRecord, kEvents>& out);
  // Writes what the events that are kept say of slot i of `pool` into out[i]. Pools whose names have the first
  // 15 bytes in common are one pool here.
  void FindFailures(std::string_view pool, std::span<SlotFailure> out);
  // The errno of the last write into the box; 0: it was written.
  int box_error() const { return box_error_.load(std::memory_order_relaxed); }
  // How many there have been.
  uint64_t total();

 private:
  internal::Mutex mu_;
  std::array<EventRecord, kEvents> records_ ABSL_GUARDED_BY(mu_){};
  uint64_t total_ ABSL_GUARDED_BY(mu_) = 0;
  std::atomic<int> box_error_ = 0;
};

// The text up to its zero.
template <size_t N>
std::string_view TextOf(const std::array<char, N>& text) {
  size_t size = 0;
  while (size < N && text[size] != '\0') ++size;
  return {text.data(), size};
}

// The last part of a path.
std::string_view FileName(std::string_view path);

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_EVENT_RING_H_
