// core/wait_queue.h - the callers that wait for a connection of a lane, in order of arrival.
#ifndef ROOST_CORE_WAIT_QUEUE_H_
#define ROOST_CORE_WAIT_QUEUE_H_

#include <cstdint>
#include <optional>

#include "roost/deadline.h"
#include "roost/source_line.h"

namespace roost::core {

// What became of a waiter.
enum class Outcome : uint8_t {
  kWaiting,
  kGranted,    // `slot` is its
  kOpenError,  // the open that it performed failed
  kAway,       // the database is away
  kClosed,
  kCancelled,
  kTimedOut,
};

// One caller. Lives on the caller's stack. Written under the pool's lock; after the caller has been
// told an outcome other than kWaiting, only the caller touches it.
struct Waiter {
  Waiter* prev = nullptr;
  Waiter* next = nullptr;
  Waiter* next_notified = nullptr;  // in the list of waiters to be told something
  bool notified = false;            // is in that list
  Outcome outcome = Outcome::kWaiting;
  bool awake = true;              // its thread runs and will call LaneCore::NextFor again
  bool performing = false;        // its thread performs an Action of the lane
  bool may_ping = true;           // it has time for a round trip
  bool handed_off = false;        // granted straight from another holder
  bool probe = false;             // granted after idle time: check the socket or file first
  bool by_loop = false;           // no thread waits: an event loop checks in its turn
  bool woken_to_recheck = false;  // told that a connection is idle for it
  bool has_opened = false;        // its thread performed an open; the thread's alone
  uint8_t slot = 0;
  uint8_t barged = 0;  // by how many newcomers, while it was the first servable one
  TimePoint deadline = TimePoint::max();
  TimePoint wakes_at;   // when it wakes by itself, while not awake
  TimePoint since;      // when Acquire was called
  uint64_t thread = 0;  // that answers for the lease; 0: none
  SourceLine where;
  const void* cancel = nullptr;  // identifies its CancelToken
};

// Intrusive: no memory of its own.
class WaitQueue {
 public:
  // ---- The waiters ----

  void Enqueue(Waiter& waiter) {
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
  int length() const { return length_; }
  // The oldest waiter whose thread is free to use a connection. A waiter whose thread opens or pings
  // is passed over: a connection granted to it would stay unused until that ends. Null: none.
  Waiter* FirstServable() const {
    Waiter* waiter = first_;
    while (waiter != nullptr && waiter->performing) waiter = waiter->next;
    return waiter;
  }
  bool HasAwake() const {
    for (const Waiter* w = first_; w != nullptr; w = w->next) {
      if (w->awake) return true;
    }
    return false;
  }
  // True if a waiter will check without being told: its thread runs or, with `by`, wakes by then. An
  // event loop does not count, because it may take long until it checks.
  bool SomeoneWillCheck(std::optional<TimePoint> by) const {
    for (const Waiter* w = first_; w != nullptr; w = w->next) {
      if (w->awake ? !w->performing && !w->by_loop : by.has_value() && w->wakes_at <= *by)
        return true;
    }
    return false;
  }

  // ---- Waiters to notify ----

  // Decides a waiter's outcome: it leaves the queue and is notified.
  void Decide(Waiter& waiter, Outcome outcome) {
    Remove(waiter);
    waiter.outcome = outcome;
    Notify(waiter);
  }
  // Puts `waiter` into the list that NextNotification takes from.
  void Notify(Waiter& waiter) {
    if (waiter.notified) return;
    waiter.notified = true;
    waiter.next_notified = nullptr;
    (last_notified_ != nullptr ? last_notified_->next_notified : first_notified_) = &waiter;
    last_notified_ = &waiter;
  }
  // Wakes the first waiter that sleeps, if there is one.
  void WakeFirstSleeper() {
    for (Waiter* w = first_; w != nullptr; w = w->next) {
      if (w->awake) continue;
      w->awake = true;
      return Notify(*w);
    }
  }
  // Takes one waiter that has to be told something: decided, or to check again. Null: none left.
  Waiter* NextNotification() {
    Waiter* const waiter = first_notified_;
    if (waiter == nullptr) return nullptr;
    first_notified_ = waiter->next_notified;
    if (first_notified_ == nullptr) last_notified_ = nullptr;
    waiter->notified = false;
    return waiter;
  }

  // An open is wanted that only the housekeeper may perform.
  void NotifyHousekeeper() { housekeeper_notified_ = true; }
  // True if the housekeeper has to be told. Reading clears it.
  bool TakeHousekeeperNotification() {
    const bool notified = housekeeper_notified_;
    housekeeper_notified_ = false;
    return notified;
  }

 private:
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  int length_ = 0;
  Waiter* first_notified_ = nullptr;
  Waiter* last_notified_ = nullptr;
  bool housekeeper_notified_ = false;
};

}  // namespace roost::core

#endif  // ROOST_CORE_WAIT_QUEUE_H_
