// include/roost/observer.h - the pool's events, for a program that watches its pool.
//
// The order of events is SQLAlchemy's: first connect, connect, checkout, reset, checkin; or
// checkout, invalidate, close, checkin; or checkout, detach. A close always gives its reason.
//
// Threads:  OnEvent is called by the thread that caused the event, by several threads at once
// Blocks:   OnEvent may, because no lock is held; it then delays the thread that caused the event
// Memory:   an Event is valid during the call
// Errors:   none; an observer cannot refuse an event
// Time:     one virtual call for each event. A pool that is observed takes its lock and reads a
//           clock for each lease: see PoolOptions::observer
// Example:
//   struct Counter : roost::Observer {
//     void OnEvent(const roost::Event& event) override {
//       if (event.kind == roost::EventKind::kTimeout) ++timeouts;
//     }
//     std::atomic<int> timeouts = 0;
//   };
#ifndef ROOST_OBSERVER_H_
#define ROOST_OBSERVER_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "roost/deadline.h"
#include "roost/source_line.h"
#include "roost/types.h"

namespace roost {

// What happened. `span`, `status`, `where` and `reason` are members of Event.
enum class EventKind : uint8_t {
  // The first connection of this pool is open.
  kFirstConnect,
  // A connection is open.
  kConnect,
  // An open failed. status: the error; span: the time until the next attempt.
  kConnectFailed,
  // A connection was lent. span: how long the caller waited; where: the caller's line.
  kCheckout,
  // A connection was given back. span: how long it was held; where: the line that acquired it.
  kCheckin,
  // What the last user left behind is undone. Told for a clean return, too.
  kReset,
  // A connection was found unusable: by its user, by an error, by a failed ping, reset or
  // maintenance. reason: which.
  kInvalidate,
  // InvalidateAll was called: every connection is replaced at its next return or check.
  kSoftInvalidate,
  // A connection is too old; it is closed now and opened anew when one is needed.
  kRecycle,
  // A user took a connection out of the pool.
  kDetach,
  // A connection was closed. reason: why.
  kClose,
  // A caller's deadline passed in the wait queue. span: how long the caller waited.
  kTimeout,
  // A caller was refused for another reason. status: what it was told; span: how long it waited.
  kRefused,
  // A lease is held for longer than the profile's kLeakAfter. where: the line that acquired it;
  // span: how long it is held. Told once for each lease.
  kLeak,
  // A lease that was reported as a leak ended. span: how long it was held.
  kLeakReturned,
  // Tick was called far later than it had asked for. span: how much later.
  kLateTick,
  // Pool::Tune changed settings: Pool::settings has them.
  kTuned,
};
inline constexpr int kEventKinds = 17;

// The name of the kind for logs, in SQLAlchemy's spelling where it has the event: "checkout",
// "first_connect", ... A literal.
std::string_view Name(EventKind kind);

// One event. Valid during the call of OnEvent; copy what has to live longer.
struct Event {
  EventKind kind{};
  // For kClose, kInvalidate and kSoftInvalidate; else kNone.
  CloseReason reason = CloseReason::kNone;
  // The pool's number of the slot, 0 to capacity - 1; -1: the event is about the pool or a caller.
  int slot = -1;
  // PoolOptions::name.
  std::string_view pool{};
  // When it happened, on the platform's monotonic clock.
  TimePoint at{};
  // See EventKind; else zero.
  Duration span{};
  // Of an event about a connection: how long ago its open began; for kConnect how long the open took.
  // kConnectFailed: zero.
  Duration age{};
  // How long ago its last use ended, or its open, if it was not used: for kCheckout, and for
  // kInvalidate, kRecycle and kClose of a connection that is not lent. Else zero.
  Duration idle{};
  // The line that acquired or asked for the lease, where one is concerned.
  SourceLine where{};
  // The error, where there is one; else null.
  const absl::Status* status = nullptr;
};

// Receives the events of one pool or of several. The program owns it; it outlives the pools.
class Observer {
 public:
  virtual ~Observer() = default;
  // Called once for each event, with no lock held. REQUIRES: returns soon, does not throw, and does
  // not acquire from the same pool.
  virtual void OnEvent(const Event& event) = 0;
};

// Writes each event as one line to standard error, with the journal's priority prefix
// (sd-daemon(3)), as SQLAlchemy's echo_pool does. A pool of a profile with kEchoPool has one
// already. Blocks for the write. Allocates nothing: a line is cut at 512 bytes.
class EchoObserver final : public Observer {
 public:
  // `next`, if given, receives every event after it was written. REQUIRES: `next` outlives this.
  explicit EchoObserver(Observer* next = nullptr) : next_(next) {}
  void OnEvent(const Event& event) override;

 private:
  Observer* next_;  // null: none
};

}  // namespace roost

#endif  // ROOST_OBSERVER_H_
