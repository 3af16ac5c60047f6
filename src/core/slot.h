// slot.h - one slot of a lane: its state and what the core knows of its connection.
#ifndef ROOST_CORE_SLOT_H_
#define ROOST_CORE_SLOT_H_

#include <cstdint>
#include <string_view>

#include "roost/deadline.h"
#include "roost/lease.h"
#include "roost/observer.h"

namespace roost::core {

enum class SlotState : uint8_t {
  kEmpty,       // no connection
  kOpening,     // somebody opens one
  kBackingOff,  // opening failed; nothing is opened in this lane until retry_at
  kIdle,        // at rest, in the idle list
  kPinging,     // somebody checks it or does its maintenance; a waiter keeps its place meanwhile
  kLeased,      // lent
  kResetting,   // given back, being cleaned
  kClosing,     // being closed; it still counts, so that the database never sees more than capacity
};
inline constexpr int kSlotStates = 8;

std::string_view Name(SlotState state);

inline constexpr uint8_t kNoSlot = 255;

struct Slot {
  SlotState state = SlotState::kEmpty;  // written by LaneCore::SetState alone
  // Marked to be closed at its next rest, and why. kNone: not marked.
  CloseReason evict = CloseReason::kNone;
  bool suspect = false;  // has to answer a ping before it is lent
  bool fresh = false;    // never lent since it was opened
  bool lingers = false;  // above the kept number; rests until linger_until
  bool leak_reported = false;
  bool lent_earlier = false;     // lent at `lent` or before; nobody looked at a clock then
  bool was_idle = false;         // for Resync
  uint8_t idle_above = kNoSlot;  // neighbours in the idle list
  uint8_t idle_below = kNoSlot;
  TimePoint born;     // when its open began
  TimePoint expires;  // recycled when now is later; max(): never
  TimePoint rested;   // when it was first seen to be at rest
  TimePoint tended;   // its last maintenance, or `rested`
  TimePoint looked;   // when it was last known to be in order; a use may have followed
  TimePoint linger_until;
  TimePoint lent;       // since when it is lent; see lent_earlier
  uint32_t draw = 0;    // drawn at its open, for the jitter of its keep-alive
  uint32_t epoch = 0;   // LaneCore::epoch() when it was lent
  uint64_t holder = 0;  // thread that acquired it; 0: nobody stands for it
  SourceLine where;     // who acquired it
};

}  // namespace roost::core

#endif  // ROOST_CORE_SLOT_H_
