// core/slot.h - one slot of a lane: its state, and what the core knows about its connection.
#ifndef ROOST_CORE_SLOT_H_
#define ROOST_CORE_SLOT_H_

#include <cstdint>
#include <string_view>

#include "roost/deadline.h"
#include "roost/internal/slot.h"
#include "roost/types.h"

namespace roost::core {

enum class SlotState : uint8_t {
  kEmpty,       // no connection
  kOpening,     // a connection is being opened
  kBackingOff,  // opening failed; nothing is opened in this lane until retry_at
  kIdle,        // open and not lent; in the idle list
  kPinging,     // a ping or maintenance runs; a waiter keeps its place meanwhile
  kLeased,      // lent
  kResetting,   // returned, being reset
  kClosing,     // being closed; still counts, so that the database never sees more than capacity
};
inline constexpr int kSlotStates = 8;

// "empty", "opening", ...
std::string_view Name(SlotState state);

inline constexpr uint8_t kNoSlot = 255;

// One cache line after the SlotHead, which holds the owner and the connection.
struct Slot : internal::SlotHead {
  SlotState state = SlotState::kEmpty;  // written by SlotTable::SetState alone
  // Why the connection is closed at its next return or check. kNone: it is not marked.
  CloseReason evict_reason = CloseReason::kNone;
  uint8_t idle_above = kNoSlot;  // neighbours in the idle list
  uint8_t idle_below = kNoSlot;
  bool suspect : 1 = false;  // must answer a ping before it is lent
  // Opened, and neither idle nor leased since: the open itself was the check.
  bool fresh : 1 = false;
  bool lingers : 1 = false;        // above core_size; stays open until linger_until
  bool leak_reported : 1 = false;  // of the current lease
  // The lease began at leased_at or before: no clock was read when it began.
  bool leased_at_is_upper_bound : 1 = false;
  bool probing : 1 = false;  // lent, but its caller still checks the connection
  // If not 0, taking this slot from the idle stack sets a new peak of this many leases; the taker
  // must record it under the lock.
  uint8_t new_peak = 0;
  uint16_t jitter_seed = 0;  // drawn at the open, for the keep-alive's jitter
  TimePoint opened_at;       // when the open began
  TimePoint expires_at;      // recycled when now is later; max(): never
  TimePoint idle_since;      // when the connection was first seen idle
  TimePoint maintained_at;   // its last maintenance, or idle_since
  TimePoint verified_at;     // when it was last known to be in order; a use may have followed
  TimePoint linger_until;    // set while it lingers
  TimePoint leased_at;       // see leased_at_is_upper_bound

  // It must answer a ping before it is lent, or be closed.
  bool is_marked() const { return suspect || evict_reason != CloseReason::kNone; }
};
static_assert(sizeof(Slot) == 128, "a slot is two cache lines");

}  // namespace roost::core

#endif  // ROOST_CORE_SLOT_H_
