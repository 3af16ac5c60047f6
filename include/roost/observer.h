// include/roost/observer.h - the pool's events, for whoever wants to watch.
//
// Order, as in SQLAlchemy: first connect, connect, checkout, reset, checkin; or checkout,
// invalidate, close, checkin; or checkout, detach. A close always says why.
//
// Threads:  OnEvent is called by the thread that caused the event, several at once
// Blocks:   never under the pool's lock; what OnEvent does delays only the thread that caused the
//           event. It must not acquire from the same pool.
// Memory:   an Event is valid during the call
// Errors:   none; an event is told, not answered
// Time:     one virtual call an event; without an observer one predictable branch
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

enum class EventKind : uint8_t {
  kFirstConnect,    // the first connection of this pool is open
  kConnect,         // a connection is open
  kConnectFailed,   // status: why; span: until the next try
  kCheckout,        // lent; span: how long the caller waited
  kCheckin,         // given back; span: how long it was held
  kReset,           // what the last user left behind is undone; nothing to undo counts, too
  kInvalidate,      // found unusable: by its user, by an error, by a failed ping
  kSoftInvalidate,  // InvalidateAll: every connection is replaced at its next rest
  kRecycle,         // too old: it will be closed and opened anew
  kDetach,          // taken out of the pool by its user
  kClose,           // closed; reason says why
  kTimeout,         // a caller's deadline passed in the line; span: how long it waited
  kRefused,         // a caller was refused without waiting; status: what it was told
  kLeak,            // held longer than the profile allows; where: who took it; span: since when
  kLeakReturned,    // a connection reported as leaked came back; span: how long it was held
  kLateTick,        // the housekeeper was not called for far too long; span: how long
};
inline constexpr int kEventKinds = 16;

// "checkout", "first_connect", ...: SQLAlchemy's spelling where it has the event.
std::string_view Name(EventKind kind);

struct Event {
  EventKind kind{};
  CloseReason reason = CloseReason::kNone;
  int slot = -1;                         // -1: none, the event is about the pool
  std::string_view pool{};               // its name
  TimePoint at{};                        // when
  Duration span{};                       // see the kind
  SourceLine where{};                    // who asked for the lease, where that is known
  const absl::Status* status = nullptr;  // why, where there is an error
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnEvent(const Event& event) = 0;
};

// Writes each event as one line to standard error, with the journal's priority prefix
// (sd-daemon(3)): echo_pool. Pools of a profile with kEchoPool = true have one already. No
// allocation: a line is cut at 512 bytes.
class EchoObserver final : public Observer {
 public:
  // `next`, if given, sees every event after it was written. REQUIRES: it outlives this.
  explicit EchoObserver(Observer* next = nullptr) : next_(next) {}
  void OnEvent(const Event& event) override;

 private:
  Observer* next_;
};

}  // namespace roost

#endif  // ROOST_OBSERVER_H_
