// invariants.cc - the numbered invariants of lane_core.h as code, and the test for certain
// deadlock.

#include <array>

#include "core/lane_core.h"

namespace roost::core {
namespace {

bool SomebodyAwake(const Line& line) {
  for (const Waiter* w = line.front(); w != nullptr; w = w->next) {
    if (w->awake) return true;
  }
  return false;
}

int Length(const Line& line) {
  int length = 0;
  for (const Waiter* w = line.front(); w != nullptr; w = w->next) ++length;
  return length;
}

}  // namespace

const char* LaneCore::CheckInvariants() const {
  std::array<int, kSlotStates> recount{};
  int lingering = 0;
  for (const Slot& s : slots_) {
    ++recount[static_cast<size_t>(s.state)];
    if (s.state == SlotState::kIdle && s.lingers) ++lingering;
  }
  int listed = 0;
  for (uint8_t slot = idle_top_; slot != kNoSlot && listed <= recount[3];
       slot = slots_[slot].idle_below) {
    if (slots_[slot].state != SlotState::kIdle)
      return "(7) the idle list holds a slot that is not idle";
    ++listed;
  }
  const int full = static_cast<int>(slots_.size());
  if (full - recount[0] > settings_.kept + settings_.overflow)
    return "(1) more slots than capacity";
  if (count(SlotState::kIdle) - lingering_ > settings_.kept)
    return "(2) more at rest than are kept";
  const bool short_of = Shortage(line_.length(), Coming()) > 0;
  if (short_of && count(SlotState::kIdle) > 0 && !paused_ && !SomebodyAwake(line_)) {
    return "(3) somebody waits beside an idle slot and nobody looks";
  }
  if (line_.length() > settings_.max_waiters + full) return "(4) the line is longer than allowed";
  if (line_.length() > 0 && count(SlotState::kEmpty) == full && !paused_ && !SomebodyAwake(line_) &&
      settings_.open_by == OpenBy::kCaller) {
    return "(5) somebody waits and nothing is under way";
  }
  if (granted_ - ended_ != static_cast<uint64_t>(count(SlotState::kLeased))) {
    return "(6) leases given less leases ended are not the leased slots";
  }
  if (recount != counts_) return "(7) a count of states differs from a recount";
  if (lingering != lingering_) return "(7) the count of lingering slots differs from a recount";
  if (listed != count(SlotState::kIdle)) return "(7) the idle list is not all idle slots";
  for (const Waiter* w = line_.front(); w != nullptr; w = w->next) {
    if (w->overtaken > settings_.max_overtakes) return "(8) a caller was overtaken too often";
  }
  if (Length(line_) != line_.length()) return "(7) the length of the line differs from a recount";
  return nullptr;
}

namespace {

// The lane in whose line `thread` stands; lanes.size() if in none.
size_t WaitsIn(std::span<const LaneCore* const> lanes, uint64_t thread) {
  for (size_t i = 0; i < lanes.size(); ++i) {
    for (const Waiter* w = lanes[i]->line().front(); w != nullptr; w = w->next) {
      if (w->thread == thread) return i;
    }
  }
  return lanes.size();
}

bool Holds(std::span<const LaneCore* const> lanes, uint64_t thread) {
  for (const LaneCore* lane : lanes) {
    for (const Slot& s : lane->slots()) {
      if (s.state == SlotState::kLeased && s.holder == thread) return true;
    }
  }
  return false;
}

}  // namespace

bool CouldOnlyDeadlock(std::span<const LaneCore* const> lanes, size_t lane, uint64_t thread) {
  if (!Holds(lanes, thread)) return false;
  // Assume that every lane is stuck, and take back what moves, until nothing changes.
  std::array<bool, 4> stuck{};
  for (size_t i = 0; i < lanes.size(); ++i) stuck[i] = true;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < lanes.size(); ++i) {
      if (!stuck[i]) continue;
      for (const Slot& s : lanes[i]->slots()) {
        const bool leased = s.state == SlotState::kLeased && s.holder != 0;
        const size_t waits = !leased              ? lanes.size()
                             : s.holder == thread ? lane
                                                  : WaitsIn(lanes, s.holder);
        if (waits == lanes.size() || !stuck[waits]) {
          stuck[i] = false;
          changed = true;
          break;
        }
      }
    }
  }
  return stuck[lane];
}

}  // namespace roost::core
