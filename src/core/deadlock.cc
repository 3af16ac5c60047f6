// core/deadlock.cc - finds out which lanes cannot move on.

#include "core/deadlock.h"

#include <array>

namespace roost::core {
namespace {

using Lanes = std::span<const LaneCore* const>;

// The lane in whose queue `thread` waits; lanes.size(): in none.
size_t WaitsIn(Lanes lanes, uint64_t thread) {
  for (size_t i = 0; i < lanes.size(); ++i) {
    for (const Waiter* w = lanes[i]->queue().front(); w != nullptr; w = w->next) {
      if (w->thread == thread) return i;
    }
  }
  return lanes.size();
}

// The thread that answers for the lease of a slot. 0: the slot is not leased, or its lease has no
// owner.
uint64_t OwnerOf(const Slot& slot) {
  return slot.state == SlotState::kLeased ? slot.owner.load(std::memory_order_relaxed) : 0;
}

// The slot has no connection, and gets none while the lane is as full as it may be.
bool IsOutOfUse(const LaneCore& lane, const Slot& slot) {
  const bool is_empty = slot.state == SlotState::kEmpty || slot.state == SlotState::kBackingOff;
  return is_empty && !HasRoom(lane.slots());
}

bool Holds(Lanes lanes, uint64_t thread) {
  for (const LaneCore* lane : lanes) {
    for (const Slot& s : lane->slots().all()) {
      if (OwnerOf(s) == thread) return true;
    }
  }
  return false;
}

}  // namespace

bool CouldOnlyDeadlock(Lanes lanes, size_t wanted, uint64_t thread) {
  if (!Holds(lanes, thread)) return false;
  // Assume that every lane is stuck, and take back what moves, until nothing changes.
  std::array<bool, 4> stuck{};
  for (size_t i = 0; i < lanes.size(); ++i) stuck[i] = true;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < lanes.size(); ++i) {
      if (!stuck[i]) continue;
      for (const Slot& s : lanes[i]->slots().all()) {
        if (IsOutOfUse(*lanes[i], s)) continue;
        const uint64_t owner = OwnerOf(s);
        const size_t waits = owner == 0        ? lanes.size()
                             : owner == thread ? wanted
                                               : WaitsIn(lanes, owner);
        if (waits == lanes.size() || !stuck[waits]) {
          stuck[i] = false;
          changed = true;
          break;
        }
      }
    }
  }
  return stuck[wanted];
}

}  // namespace roost::core
