// core/slot_table.cc - the one writer of a slot's state, and what follows from a change.

#include "core/slot_table.h"

#include <algorithm>

#include "core/sizing.h"
#include "roost/internal/check.h"

namespace roost::core {
namespace {

size_t Index(SlotState state) { return static_cast<size_t>(state); }

SlotState StateDuring(ActionKind kind) {
  switch (kind) {
    case ActionKind::kNone:
      break;
    case ActionKind::kOpen:
      return SlotState::kOpening;
    case ActionKind::kPing:
    case ActionKind::kMaintain:
      return SlotState::kPinging;
    case ActionKind::kReset:
      return SlotState::kResetting;
    case ActionKind::kClose:
      return SlotState::kClosing;
  }
  internal::Misuse("bug: a slot began no action");
}

// Idle, leased, or between the two.
bool IsInUse(const Slot& s) {
  return s.state == SlotState::kIdle || s.state == SlotState::kPinging ||
         s.state == SlotState::kLeased || s.state == SlotState::kResetting;
}

}  // namespace

std::string_view Name(SlotState state) {
  switch (state) {
    case SlotState::kEmpty:
      return "empty";
    case SlotState::kOpening:
      return "opening";
    case SlotState::kBackingOff:
      return "backing off";
    case SlotState::kIdle:
      return "idle";
    case SlotState::kPinging:
      return "pinging";
    case SlotState::kLeased:
      return "leased";
    case SlotState::kResetting:
      return "resetting";
    case SlotState::kClosing:
      return "closing";
  }
  return "?";
}

void SlotTable::Init(std::span<Slot> slots, int core_size, Duration linger) {
  slots_ = slots;
  core_size_ = core_size;
  limit_ = size();
  linger_ = linger;
  stack_room_ = static_cast<uint8_t>(most_idle());
  counts_[Index(SlotState::kEmpty)] = static_cast<int>(slots.size());
}

int SlotTable::live() const {
  return count(SlotState::kIdle) + count(SlotState::kPinging) + count(SlotState::kLeased) +
         count(SlotState::kResetting);
}

int SlotTable::coming() const {
  return count(SlotState::kOpening) + count(SlotState::kPinging) + count(SlotState::kResetting);
}

// ---- One slot -----------------------------------------------------------------------------------

void SlotTable::SetState(uint8_t slot, SlotState state) {
  Slot& s = slots_[slot];
  --counts_[Index(s.state)];
  s.state = state;
  ++counts_[Index(state)];
}

// The idle list is ordered by `idle_since`, the latest on top, so that maintenance does not change
// which connection is lent next.
void SlotTable::PushIdle(uint8_t slot) {
  SetState(slot, SlotState::kIdle);
  slots_[slot].fresh = false;
  uint8_t above = kNoSlot;
  uint8_t below = idle_top_;
  while (below != kNoSlot && slots_[below].idle_since > slots_[slot].idle_since) {
    above = below;
    below = slots_[below].idle_below;
  }
  slots_[slot].idle_above = above;
  slots_[slot].idle_below = below;
  (above == kNoSlot ? idle_top_ : slots_[above].idle_below) = slot;
  if (below != kNoSlot) slots_[below].idle_above = slot;
}

void SlotTable::RemoveIdle(uint8_t slot) {
  Slot& s = slots_[slot];
  (s.idle_above == kNoSlot ? idle_top_ : slots_[s.idle_above].idle_below) = s.idle_below;
  if (s.idle_below != kNoSlot) slots_[s.idle_below].idle_above = s.idle_above;
  s.idle_above = s.idle_below = kNoSlot;
  StopLingering(slot);
}

void SlotTable::StopLingering(uint8_t slot) {
  if (slots_[slot].lingers) --lingering_;
  slots_[slot].lingers = false;
}

// Of the idle connections above core_size, those that were used longest ago linger.
void SlotTable::MarkLingering() {
  if (resting() <= core_size_) return;
  uint8_t slot = idle_top_;
  for (int depth = 0; depth < core_size_; ++depth) slot = slots_[slot].idle_below;
  for (; slot != kNoSlot; slot = slots_[slot].idle_below) {
    Slot& s = slots_[slot];
    if (s.lingers) continue;
    s.lingers = true;
    // From its return: maintenance in between does not prolong the linger time.
    s.linger_until = Later(s.idle_since, linger_);
    ++lingering_;
  }
}

Action SlotTable::Begin(ActionKind kind, uint8_t slot, CloseReason reason) {
  SetState(slot, StateDuring(kind));
  return Action{kind, slot, reason};
}

Action SlotTable::BeginOnIdle(ActionKind kind, uint8_t slot, CloseReason reason) {
  RemoveIdle(slot);
  return Begin(kind, slot, reason);
}

Action SlotTable::BeginOpen() {
  const auto empty = std::find_if(slots_.begin(), slots_.end(),
                                  [](const Slot& s) { return s.state == SlotState::kEmpty; });
  return Begin(ActionKind::kOpen, static_cast<uint8_t>(empty - slots_.begin()));
}

void SlotTable::MakeIdle(uint8_t slot) {
  PushIdle(slot);
  MarkLingering();
}

void SlotTable::Lease(uint8_t slot, uint64_t thread, SourceLine where, TimePoint now) {
  Slot& s = slots_[slot];
  if (s.state == SlotState::kIdle) RemoveIdle(slot);
  SetState(slot, SlotState::kLeased);
  s.fresh = false;
  s.leased_at = now;
  s.leased_at_is_upper_bound = s.leak_reported = s.probing = false;
  s.epoch = epoch_;
  s.SetOwner(static_cast<uintptr_t>(thread), where);
  s.CountLease();
  ++leases_begun_;
}

void SlotTable::EndLease(uint8_t slot) {
  ROOST_CHECK(slots_[slot].state == SlotState::kLeased, "bug: a lease ended of a slot without one");
  ++leases_ended_;
  slots_[slot].ClearOwner();
}

void SlotTable::Clear(uint8_t slot) {
  SetState(slot, SlotState::kEmpty);
  Slot& s = slots_[slot];
  s.evict_reason = CloseReason::kNone;
  s.suspect = s.fresh = false;
}

// ---- Several slots ------------------------------------------------------------------------------

void SlotTable::ClearBackingOff() {
  if (count(SlotState::kBackingOff) == 0) return;
  for (uint8_t slot = 0; slot < size(); ++slot) {
    if (slots_[slot].state == SlotState::kBackingOff) Clear(slot);
  }
}

void SlotTable::SuspectOlder(TimePoint moment) {
  ++epoch_;
  for (Slot& s : slots_) {
    if (IsInUse(s) && s.opened_at <= moment) s.suspect = true;
  }
}

void SlotTable::EvictOlder(TimePoint moment, CloseReason reason) {
  ++epoch_;
  for (Slot& s : slots_) {
    if (IsInUse(s) && s.opened_at <= moment && s.evict_reason == CloseReason::kNone) {
      s.evict_reason = reason;
    }
  }
}

void SlotTable::EvictAll(CloseReason reason) {
  ++epoch_;
  for (Slot& s : slots_) {
    const bool none = s.state == SlotState::kEmpty || s.state == SlotState::kBackingOff;
    if (!none && s.evict_reason == CloseReason::kNone) s.evict_reason = reason;
  }
}

void SlotTable::EvictLingering() {
  for (Slot& s : slots_) {
    if (s.state == SlotState::kIdle && s.lingers && s.evict_reason == CloseReason::kNone) {
      s.evict_reason = CloseReason::kOverflow;
    }
  }
}

void SlotTable::Resize(int core_size, int limit, Duration linger, bool recalls) {
  if (recalls) ++epoch_;
  core_size_ = core_size;
  limit_ = static_cast<uint8_t>(limit);
  linger_ = linger;
  for (uint8_t i = idle_top_; i != kNoSlot; i = slots_[i].idle_below) StopLingering(i);
  MarkLingering();
  // From the one used longest ago upwards. Nothing lingers where linger is zero.
  uint8_t slot = idle_top_;
  while (slot != kNoSlot && slots_[slot].idle_below != kNoSlot) slot = slots_[slot].idle_below;
  for (; slot != kNoSlot; slot = slots_[slot].idle_above) {
    Slot& s = slots_[slot];
    const bool may_stay = !has_surplus() && (!s.lingers || linger_ > Duration::zero());
    if (!may_stay && s.evict_reason == CloseReason::kNone) s.evict_reason = CloseReason::kOverflow;
  }
}

int SlotTable::marked_idle() const {
  int marked = 0;
  for (uint8_t slot = idle_top_; slot != kNoSlot; slot = slots_[slot].idle_below) {
    if (slots_[slot].evict_reason != CloseReason::kNone) ++marked;
  }
  return marked;
}

void SlotTable::Reconcile(std::span<const uint8_t> bottom_first, uint64_t used, TimePoint now) {
  uint64_t was_idle[4] = {};  // a bit for each of up to 254 slots
  const auto bit = [](uint8_t slot) { return uint64_t{1} << (slot & 63); };
  idle_top_ = kNoSlot;
  lingering_ = 0;
  for (uint8_t slot = 0; slot < size(); ++slot) {
    Slot& s = slots_[slot];
    if (s.state != SlotState::kIdle) continue;
    was_idle[slot >> 6] |= bit(slot);
    s.idle_above = s.idle_below = kNoSlot;
    s.lingers = false;
    SetState(slot, SlotState::kLeased);
    ++leases_begun_;
  }
  const auto is_used = [used, &bit](uint8_t slot) { return slot < 64 && (used & bit(slot)) != 0; };
  const auto is_anew = [&](uint8_t slot) {
    return is_used(slot) || (was_idle[slot >> 6] & bit(slot)) == 0;
  };
  for (const uint8_t slot : bottom_first) {
    Slot& s = slots_[slot];
    ROOST_CHECK(s.state == SlotState::kLeased, "bug: the idle stack holds a slot never lent");
    ++leases_ended_;
    if (is_anew(slot)) {
      // Some time ago. Nothing that is due after an idle period comes too early this way.
      s.idle_since = s.maintained_at = now;
    }
    PushIdle(slot);
  }
  for (uint8_t slot = 0; slot < size(); ++slot) {
    if (slots_[slot].state != SlotState::kLeased) continue;
    const bool taken = (was_idle[slot >> 6] & bit(slot)) != 0;
    if (taken || is_used(slot)) RecordFastLease(slot, now);
  }
  MarkLingering();
}

void SlotTable::RecordFastLease(uint8_t slot, TimePoint now) {
  Slot& s = slots_[slot];
  s.leak_reported = false;
  s.leased_at = now;
  s.leased_at_is_upper_bound = true;
}

// ---- Checking -----------------------------------------------------------------------------------

const char* SlotTable::CheckInvariants() const {
  std::array<int, kSlotStates> recount{};
  int lingering = 0;
  for (const Slot& s : slots_) {
    ++recount[Index(s.state)];
    if (s.state == SlotState::kIdle && s.lingers) ++lingering;
  }
  int listed = 0;
  for (uint8_t slot = idle_top_; slot != kNoSlot && listed <= recount[Index(SlotState::kIdle)];
       slot = slots_[slot].idle_below) {
    if (slots_[slot].state != SlotState::kIdle)
      return "(7) the idle list holds a slot that is not idle";
    ++listed;
  }
  if (has_surplus() && marked_idle() < count(SlotState::kIdle)) {
    return "(9) more connections than may be, and an idle one that is not marked";
  }
  if (resting() > core_size_) return "(2) more idle slots than core_size, besides lingering ones";
  if (leases_begun_ - leases_ended_ != static_cast<uint64_t>(count(SlotState::kLeased))) {
    return "(6) leases begun less leases ended are not the leased slots";
  }
  if (recount != counts_) return "(7) a count of states differs from a recount";
  if (lingering != lingering_) return "(7) the count of lingering slots differs from a recount";
  if (listed != count(SlotState::kIdle)) return "(7) the idle list is not all idle slots";
  return nullptr;
}

bool SlotTable::HasMarkedIdle() const {
  for (uint8_t slot = idle_top(); slot != kNoSlot; slot = slots_[slot].idle_below) {
    if (slots_[slot].evict_reason != CloseReason::kNone || slots_[slot].suspect) return true;
  }
  return false;
}

}  // namespace roost::core
