// waiter.h - one caller in a lane's line, and the line.
#ifndef ROOST_CORE_WAITER_H_
#define ROOST_CORE_WAITER_H_

#include <cstdint>

#include "roost/deadline.h"
#include "roost/lease.h"

namespace roost::core {

// What became of a caller in line.
enum class Outcome : uint8_t {
  kWaiting,
  kGranted,    // `slot` is its
  kOpenError,  // the open it drove failed
  kAway,       // the database is away
  kClosed,
  kCancelled,
};

// Lives on the caller's stack. Written under the pool's lock; once an outcome other than kWaiting
// was made known to the caller, nobody but the caller touches it.
struct Waiter {
  Waiter* prev = nullptr;
  Waiter* next = nullptr;
  Waiter* next_notice = nullptr;  // in the lane's list of those to be told something
  bool noticed = false;           // is in that list
  Outcome outcome = Outcome::kWaiting;
  bool awake = true;        // its thread runs and will ask WorkFor again
  bool driving = false;     // its thread performs a Work of the lane
  bool may_ping = true;     // it has time for a round trip
  bool handed_off = false;  // granted straight from another holder
  bool probe = false;       // granted after a rest: look at its socket or file before use
  bool by_loop = false;     // no thread waits: its loop looks when it comes by
  bool poked = false;       // told that a connection lies idle for it
  uint8_t slot = 0;
  uint8_t overtaken = 0;  // by newcomers, while it was the next to be served
  TimePoint wakes_at;     // when it wakes by itself, while not awake
  TimePoint since;        // when Acquire was called
  uint64_t thread = 0;
  SourceLine where;
  const void* cancel = nullptr;  // identifies its CancelToken
};

// Callers in order of arrival. Intrusive: no memory of its own.
class Line {
 public:
  void PushBack(Waiter& waiter) {
    waiter.prev = last_;
    waiter.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &waiter;
    last_ = &waiter;
    ++length_;
  }
  void Remove(Waiter& waiter) {
    (waiter.prev != nullptr ? waiter.prev->next : first_) = waiter.next;
    (waiter.next != nullptr ? waiter.next->prev : last_) = waiter.prev;
    waiter.prev = waiter.next = nullptr;
    --length_;
  }
  Waiter* front() const { return first_; }
  // The oldest caller whose thread is free to go on with a connection. One whose thread opens or
  // pings is not: what it was given would lie idle until that ends.
  Waiter* NextToServe() const {
    Waiter* waiter = first_;
    while (waiter != nullptr && waiter->driving) waiter = waiter->next;
    return waiter;
  }
  int length() const { return length_; }

 private:
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  int length_ = 0;
};

}  // namespace roost::core

#endif  // ROOST_CORE_WAITER_H_
