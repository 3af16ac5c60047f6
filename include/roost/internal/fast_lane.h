// include/roost/internal/fast_lane.h - lending an idle connection, and taking it back, without a
// lock.
//
// A lane is a monitor (src/core under the pool's lock) with one atomic word in front of it. While
// the word is open it owns the lane's idle slots, and acquire and return are one compare-and-swap
// each. Whoever takes the lock to look at the lane or to change it closes the word first and tells
// the core what happened meanwhile; it opens the word again at the end, if nobody waits and every
// idle slot may be lent as it is. A closed word sends everybody to the lock. So a caller in line is
// never passed by the word, and the core decides everything that is more than "take the top slot".
//
// Invariants, numbered as in src/README.md:
//  (F1) a slot is in the word, or is the core's, or belongs to the one thread that took it out.
//  (F2) while somebody waits, and while the pool is paused or closed, every word of the lane is
//       closed.
//  (F3) a slot in the word was in order when it was put there by the core, or was lent since then
//       and not marked: its epoch is the lane's, else its taker puts it back.
//  (F4) the word is changed by compare-and-swap, except to open and to close it, under the lock.
//
// Memory orders, and what each is for:
//   taking, the swap        acquire  what the last holder and the opener wrote to the slot
//   taking, the first load  relaxed  InWord: the number is the whole state, the swap checks it
//                           acquire  Linked: `below` of the top slot must be as new as the word
//   returning, the swap     release  what this holder wrote; it goes on the release sequence of the
//                                    store that opened the word, so that a taker sees that, too
//   opening, the store      release  what the core wrote to the slots and to the lane
//   closing, the exchange   acquire  what the holders wrote before they returned
//   leases                  release / acquire  who counts a lease sees whose it is, or later
//   epoch, holder, where, below            relaxed  ordered by the word, or only looked at
//
// Who changes one of these re-reads "Never" in src/README.md and runs tests/model.
#ifndef ROOST_INTERNAL_FAST_LANE_H_
#define ROOST_INTERNAL_FAST_LANE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "roost/deadline.h"
#include "roost/internal/idle_word.h"
#include "roost/internal/lease_record.h"
#include "roost/internal/machine.h"
#include "roost/source_line.h"

namespace roost {

class Connection;

namespace internal {

class PoolState;
struct FastLane;

// What of a slot the way without a lock needs. Belongs to whoever holds the slot; the atomics are
// looked at by others.
struct alignas(64) FastSlot : LeaseRecord {
  std::atomic<uint8_t> below{Linked::kBottom};
  uint8_t number = 0;  // constant: in its lane
  // Not 0: who takes it makes this many leases at a time, more than ever before. It is not good
  // without a look then.
  uint8_t new_peak = 0;
  uint32_t epoch = 0;        // the lane's, when the core last had this slot in hand
  std::atomic<int> line{0};  // with `file`: who acquired it
  Connection* connection = nullptr;
  // May be lent without a look by whoever has a deadline in [good_from, good_from + good_for): a
  // deadline that has not passed is not before now. ns.
  int64_t good_from = 0;
  uint64_t good_for = 0;
  std::atomic<uintptr_t> holder{0};  // thread of the lease; 0: nobody stands for it
  std::atomic<const char*> file{""};
};

struct alignas(64) FastLane {
  std::atomic<InWord::Word> word{InWord::kClosed};  // stays closed in a lane that is linked
  InWord::Word full = 0;                            // constant: from this depth on nothing rests
  std::atomic<uint32_t> epoch{0};                   // LaneCore::epoch()
  bool linked = false;                              // constant
  uint8_t first = 0;                                // constant: the pool's number of slots[0]
  FastSlot* slots = nullptr;                        // constant
  PoolState* pool = nullptr;                        // constant
  // The same for a lane of more slots than a word holds.
  std::atomic<Linked::Word> linked_word{Linked::kClosed};
  Linked::Word linked_full = 0;
};

// What Pool needs to lend without a call. Constant after construction.
struct FastPool {
  FastLane* lane_for[2] = {};  // by Intent
  const std::atomic<uint32_t>* forks = nullptr;
  uint32_t fork_generation = 0;

  bool Forked() const { return forks->load(std::memory_order_relaxed) != fork_generation; }
};

// May be lent without a look. `not_after`: a moment that has not passed (the caller's deadline), by
// which the age of the connection is judged without a clock. For one that is far ahead, or before
// the connection came to rest (Deadline::Past), the answer may be no. One that has passed since then
// judges late, by as much as it has passed.
ROOST_HOT inline bool IsGood(const FastLane& lane, const FastSlot& slot, Deadline not_after) {
  const auto by = static_cast<uint64_t>(not_after.time().time_since_epoch().count());
  return slot.epoch == lane.epoch.load(std::memory_order_relaxed) &&
         by - static_cast<uint64_t>(slot.good_from) < slot.good_for;
}

// Writes whose lease it is.
ROOST_HOT inline void Sign(FastSlot& slot, SourceLine where) {
  slot.holder.store(ThisThread(), std::memory_order_relaxed);
  slot.file.store(where.file, std::memory_order_relaxed);
  slot.line.store(where.line, std::memory_order_relaxed);
  slot.CountLease();
}

// Takes the idle slot used last: it is this thread's now. Null: there is none, take the long way.
ROOST_HOT inline FastSlot* TakeIdle(FastLane& lane) {
  FastSlot* const slots = lane.slots;
  FastSlot* slot = nullptr;
  InWord::Word word = lane.word.load(std::memory_order_relaxed);
  do {
    if (InWord::HasNone(word)) return nullptr;
    slot = slots + InWord::Top(word);
  } while (!lane.word.compare_exchange_weak(word, InWord::Pop(word), std::memory_order_acquire,
                                            std::memory_order_relaxed));
  return slot;
}

// False: take the long way. REQUIRES: no mark is set.
ROOST_HOT inline bool Rest(FastLane& lane, FastSlot& slot) {
  if (slot.epoch != lane.epoch.load(std::memory_order_relaxed)) return false;
  // Before the swap: a thread that sees this slot taken anew does not take us for its holder.
  slot.holder.store(0, std::memory_order_relaxed);
  InWord::Word word = lane.word.load(std::memory_order_relaxed);
  do {
    if (InWord::AtLeast(word, lane.full)) return false;
  } while (!lane.word.compare_exchange_weak(word, InWord::Push(word, slot.number),
                                            std::memory_order_release, std::memory_order_relaxed));
  return true;
}

// The same two for a lane that is linked.
FastSlot* TakeIdleLinked(FastLane& lane);
bool RestLinked(FastLane& lane, FastSlot& slot);

}  // namespace internal
}  // namespace roost

#endif  // ROOST_INTERNAL_FAST_LANE_H_
