// core/slot_table.h - the slots of a lane: the one writer of a slot's state, the counts, the idle list.
#ifndef ROOST_CORE_SLOT_TABLE_H_
#define ROOST_CORE_SLOT_TABLE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "core/action.h"
#include "core/slot.h"

namespace roost::core {

// Every function that changes a slot's state keeps the counts and the idle list true.
class SlotTable {
 public:
  // `core_size`: how many connections stay open. `linger`: how long one above that stays; zero: it
  // is closed at its return. The limit is the number of slots. REQUIRES: `slots` outlives this and
  // has at most 254 entries.
  void Init(std::span<Slot> slots, int core_size, Duration linger);

  // ---- Reading ----

  uint8_t size() const { return static_cast<uint8_t>(slots_.size()); }
  std::span<const Slot> all() const { return slots_; }
  std::span<Slot> all() { return slots_; }
  const Slot& operator[](uint8_t slot) const { return slots_[slot]; }
  Slot& operator[](uint8_t slot) { return slots_[slot]; }
  int core_size() const { return core_size_; }
  // Connections at the most: nothing is opened above it. After Resize more may exist; those are
  // surplus.
  int limit() const { return limit_; }
  int count(SlotState state) const { return counts_[static_cast<size_t>(state)]; }
  // Connections that exist and are not being closed.
  int live() const;
  // Connections that exist.
  int open() const { return live() + count(SlotState::kClosing); }
  // More connections exist or are being opened than may be, besides those that are idle and marked
  // for closing: the next one that nobody uses is closed.
  bool has_surplus() const {
    const int wanted = live() + count(SlotState::kOpening);
    return wanted > limit_ && wanted - marked_idle() > limit_;
  }
  // The most that may be idle at a time.
  int most_idle() const { return linger_ > Duration::zero() ? limit_ : core_size_; }
  // True if the idle stack, which knows the `most_idle` of Init alone, cannot take back a connection
  // that is to be closed: so many do not exist, or may be idle.
  bool StackKeepsWithinSizes() const {
    return live() + count(SlotState::kOpening) <= limit_ &&
           (most_idle() >= stack_room_ || live() <= most_idle());
  }
  // More connections exist than stay open.
  bool has_overflow() const { return live() > core_size_; }
  // Connections on their way to a caller.
  int coming() const;
  // Idle connections that do not linger, or are not marked for closing, whichever are more.
  int idle_to_keep() const { return std::max(resting(), count(SlotState::kIdle) - marked_idle()); }
  // Idle connections that do not linger.
  int resting() const { return count(SlotState::kIdle) - lingering_; }
  bool is_drained() const {
    return count(SlotState::kEmpty) + count(SlotState::kBackingOff) == size();
  }
  // True if an idle slot is marked for closing or pinging.
  bool HasMarkedIdle() const;
  // The idle connection used last; Slot::idle_below leads to the others. kNoSlot: none.
  uint8_t idle_top() const { return idle_top_; }
  // Grows whenever leased slots are marked or recalled: a slot lent before must come back to the core.
  uint32_t epoch() const { return epoch_; }

  // ---- Changing one slot ----

  // Starts an action on a slot, whose new state follows from `kind`.
  Action Begin(ActionKind kind, uint8_t slot, CloseReason reason = CloseReason::kNone);
  // Starts an action on an idle slot.
  Action BeginOnIdle(ActionKind kind, uint8_t slot, CloseReason reason = CloseReason::kNone);
  // Starts an open in an empty slot. REQUIRES: there is one.
  Action BeginOpen();
  void MakeIdle(uint8_t slot);
  void Lease(uint8_t slot, uint64_t thread, SourceLine where, TimePoint now);
  // The lease of a slot ended; its state is still kLeased. REQUIRES: it is kLeased.
  void EndLease(uint8_t slot);
  // The slot has no connection from here on.
  void Clear(uint8_t slot);
  void BackOff(uint8_t slot) { SetState(slot, SlotState::kBackingOff); }
  // A lingering connection takes the place in core_size that became free.
  void StopLingering(uint8_t slot);

  // ---- Changing several ----

  void ClearBackingOff();
  // Connections opened at `moment` or before must answer a ping before use.
  void SuspectOlder(TimePoint moment);
  // Connections opened at `moment` or before are closed at their next return or check.
  void EvictOlder(TimePoint moment, CloseReason reason);
  // Every connection, also one that is being opened, is closed at its next return or check.
  void EvictAll(CloseReason reason);
  void EvictLingering();
  // New sizes: decides anew which idle connections linger, and marks idle ones that are surplus,
  // the one used longest ago first. `recalls`: what was worked out for lent slots, such as until when
  // they may be lent unchecked, holds no longer: they come back to the core. REQUIRES: core_size <=
  // limit <= size().
  void Resize(int core_size, int limit, Duration linger, bool recalls);
  // Takes over what happened while the idle stack was open. `bottom_first`: the slots that are on
  // the stack. Bit n of `used`: slot n was lent since the last Reconcile. Every other slot that
  // was idle is leased.
  void Reconcile(std::span<const uint8_t> bottom_first, uint64_t used, TimePoint now);
  // A lease of a leased slot began without the core's knowledge, at `now` or before.
  void RecordFastLease(uint8_t slot, TimePoint now);

  // Null, or a sentence that begins with the number of the invariant that does not hold.
  const char* CheckInvariants() const;

 private:
  void SetState(uint8_t slot, SlotState state);
  void PushIdle(uint8_t slot);
  void RemoveIdle(uint8_t slot);
  void MarkLingering();
  // Idle connections that are marked for closing.
  int marked_idle() const;

  std::span<Slot> slots_;
  int core_size_ = 0;
  Duration linger_{};
  std::array<int, kSlotStates> counts_{};
  int lingering_ = 0;
  uint32_t epoch_ = 0;
  uint8_t idle_top_ = kNoSlot;
  uint8_t limit_ = 0;
  uint8_t stack_room_ = 0;  // most_idle() of Init
  uint64_t leases_begun_ = 0;
  uint64_t leases_ended_ = 0;
};

// One more connection may be opened.
inline bool HasRoom(const SlotTable& slots) {
  return slots.open() + slots.count(SlotState::kOpening) < slots.limit();
}

}  // namespace roost::core

#endif  // ROOST_CORE_SLOT_TABLE_H_
