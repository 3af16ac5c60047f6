// include/roost/internal/idle_stack.h - lends an idle connection and takes it back without a lock.
//
// A lane is a state machine (src/core) under the pool's lock, with one IdleStack in front. The
// stack is *open* or *closed*. An open stack owns the lane's idle slots, and acquire and return are
// one compare-and-swap each. A thread that takes the lock to read the lane or to change it closes
// the stack first and tells the core what happened meanwhile (SlotTable::Reconcile). It opens the
// stack again at the end, if no caller waits, the lane is neither paused nor closed, and no idle
// slot is marked (the taker checks the age). A closed stack looks empty to an acquire and full to a return, so that both take the lock. So a caller in
// the wait queue is never passed over by the stack, and the core decides everything that is more
// than "take the top slot".
//
// A lane of more than SlotStack::kMaxSlots slots has no open stack: its callers take the lock.
//
// Invariants, numbered as in src/README.md:
//  (F1) A slot is on the stack, or is the core's, or belongs to the one thread that took it.
//  (F2) While a caller waits, and while the pool is paused or closed, the stack is closed.
//  (F3) A slot on the stack was not marked when the core put it there, or was lent since then and not
//       marked: its epoch is the lane's, else its taker returns it to the core.
//  (F4) The value changes by compare-and-swap, except to open and to close the stack, under the lock.
//
// Memory orders, and what each is for:
//   pop, the swap          acquire  reads what the last holder and the opener wrote to the slot
//   pop, the first load    relaxed  the number is the whole state; the swap checks it
//   push, the swap         release  publishes what this holder wrote; it continues the release
//                                   sequence of the store that opened the stack, so that a taker
//                                   sees that store, too
//   open, the store        release  publishes what the core wrote to the slots and to the lane
//   close, the exchange    acquire  reads what the holders wrote before they returned
//   SlotHead::leases       release / acquire  a thread that counts a lease sees its owner, or a later one
//   epoch, owner, where    relaxed  ordered by the value, or for reports only
//
// Before you change one of these, read "Never" in src/README.md and run tests/model.
#ifndef ROOST_INTERNAL_IDLE_STACK_H_
#define ROOST_INTERNAL_IDLE_STACK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "roost/deadline.h"
#include "roost/internal/machine.h"
#include "roost/internal/slot.h"

#pragma GCC visibility push(default)
namespace roost::internal {

class PoolState;

// A stack of up to seven slot numbers in one 32-bit number. Pure functions of that number.
//
// Four bits a slot, the top in the lowest four: 8 + slot, or 0 where the stack ends. A stack of
// depth d is a number from 16^(d-1) up to below 16^d, so that comparing numbers compares depths.
// The number is the whole state: equal numbers are equal stacks, and no tag is needed.
struct SlotStack {
  using Value = uint32_t;
  static constexpr int kMaxSlots = 7;
  static constexpr Value kEmpty = 0;
  static constexpr Value kClosed = 0x80000000;  // no slot on top, and above every stack of 7

  static constexpr bool HasNone(Value value) { return (value & 8) == 0; }
  // REQUIRES (Top, Pop): !HasNone(value).
  static constexpr uint8_t Top(Value value) { return static_cast<uint8_t>(value & 7); }
  static constexpr Value Pop(Value value) { return value >> 4; }
  // REQUIRES: not closed, depth < 7, slot < 7.
  static constexpr Value Push(Value value, uint8_t slot) { return value << 4 | 8 | slot; }
  static constexpr int Depth(Value value) {
    if (value == kClosed) return 0;
    int depth = 0;
    for (; value != 0; value >>= 4) ++depth;
    return depth;
  }
  // The least value of this depth (0 to 7): `value >= OfDepth(d)` says that the stack is at least d
  // deep, or closed.
  static constexpr Value OfDepth(int depth) {
    return depth == 0 ? 0 : Value{1} << (4 * (depth - 1));
  }
  static constexpr bool AtLeast(Value value, Value of_depth) { return value >= of_depth; }
};

class IdleStack {
 public:
  // ---- Any thread, without the lock ----

  // Takes the idle slot used last: it belongs to this thread now. Null: none, or closed.
  ROOST_HOT SlotHead* TryPop() {
    SlotHead* const slots = slots_;
    SlotHead* slot = nullptr;
    SlotStack::Value value = value_.load(std::memory_order_relaxed);
    do {
      if (SlotStack::HasNone(value)) return nullptr;
      slot = slots + SlotStack::Top(value);
    } while (!value_.compare_exchange_weak(value, SlotStack::Pop(value), std::memory_order_acquire,
                                           std::memory_order_relaxed));
    return slot;
  }

  // Gives the slot of a lease back. False: full or closed, or the slot was marked since it was
  // lent; take the lock. REQUIRES: no dirty flag is set.
  ROOST_HOT bool TryPush(SlotHead& slot) {
    if (slot.epoch != epoch_.load(std::memory_order_relaxed)) return false;
    // Before the swap: a thread that sees this slot taken anew does not take us for its owner.
    slot.ClearOwner();
    SlotStack::Value value = value_.load(std::memory_order_relaxed);
    do {
      if (SlotStack::AtLeast(value, full_)) return false;
    } while (!value_.compare_exchange_weak(value, SlotStack::Push(value, slot.number),
                                           std::memory_order_release, std::memory_order_relaxed));
    return true;
  }

  // True if `slot` may be lent without a check. `not_after` is a moment that has not passed, such as
  // the caller's deadline: it bounds the slot's age without reading a clock. The answer may be no
  // for a moment that is far ahead, or that lies before the connection became idle
  // (Deadline::Past). For a moment that passed since then, the check is late by as much.
  ROOST_HOT bool MayLendWithoutCheck(const SlotHead& slot, Deadline not_after) const {
    const auto moment = static_cast<uint64_t>(not_after.time().time_since_epoch().count());
    return IsCurrent(slot) && moment - static_cast<uint64_t>(slot.good_from) < slot.good_for;
  }
  // False: the slot was marked since it was lent.
  ROOST_HOT bool IsCurrent(const SlotHead& slot) const {
    return slot.epoch == epoch_.load(std::memory_order_relaxed);
  }

  // ---- Under the pool's lock ----

  // `slots`: of the lane. `room`: how many may be idle at a time; a slot above that is closed at
  // its return. Closed at first. REQUIRES: room <= SlotStack::kMaxSlots.
  void Init(SlotHead* slots, int room) {
    slots_ = slots;
    full_ = SlotStack::OfDepth(room);
  }
  // Puts these slots on the stack, the last one on top. Their epoch is `epoch` from here on.
  void Open(std::span<const uint8_t> bottom_first, uint32_t epoch) {
    SlotStack::Value value = SlotStack::kEmpty;
    for (const uint8_t slot : bottom_first) value = SlotStack::Push(value, slot);
    epoch_.store(epoch, std::memory_order_relaxed);
    value_.store(value, std::memory_order_release);
  }
  // The stack that was open: SlotStack reads it.
  SlotStack::Value Close() {
    return value_.exchange(SlotStack::kClosed, std::memory_order_acquire);
  }

 private:
  std::atomic<SlotStack::Value> value_{SlotStack::kClosed};
  SlotStack::Value full_ = 0;       // constant: at this depth nothing more is pushed
  std::atomic<uint32_t> epoch_{0};  // the core's, when the stack was opened
  SlotHead* slots_ = nullptr;       // constant
};

// The part of a lane that inlined code uses. The rest is in src/pool/lane.h.
struct alignas(64) LaneHead {
  IdleStack idle;
  PoolState* pool = nullptr;  // constant
  uint8_t first = 0;          // constant: the pool's number of this lane's slot 0
};

// The part of a pool that inlined code uses. Constant after construction.
struct PoolHead {
  LaneHead* lane_for[2] = {};  // by Intent
  const std::atomic<uint32_t>* forks = nullptr;
  uint32_t fork_generation = 0;

  // True in a child of fork().
  bool Forked() const { return forks->load(std::memory_order_relaxed) != fork_generation; }
};

}  // namespace roost::internal
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_IDLE_STACK_H_
