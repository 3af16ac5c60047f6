// include/roost/internal/slot.h - the part of a slot that the lock-free path reads and writes.
//
// A slot is one record of 128 bytes (core::Slot). Its first cache line is the SlotHead below: what
// an acquire and a return touch. The second belongs to the core and is used under the pool's lock.
#ifndef ROOST_INTERNAL_SLOT_H_
#define ROOST_INTERNAL_SLOT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "roost/deadline.h"
#include "roost/internal/machine.h"
#include "roost/source_line.h"
#include "roost/types.h"

#pragma GCC visibility push(default)
namespace roost {

class Connection;

namespace internal {

// What a connection keeps of the lease it is in. Lies in the pool's slot, so that an acquire and a
// return find it without following a pointer; a connection outside of a pool has its own.
// Belongs to the holder of the connection.
struct LeaseRecord {
  Deadline deadline = Deadline::Never();  // Connection::deadline
  // Leases given so far, of any connection in this slot. Only the holder writes it; wraps.
  std::atomic<uint32_t> leases{0};
  uint8_t dirty_flags = 0;                          // Connection::DirtyFlag
  FaultScope fault_scope = FaultScope::kStatement;  // the widest since the last reset

  // Release: see idle_stack.h. `before`: the leases so far.
  void CountLease(uint32_t before) { leases.store(before + 1, std::memory_order_release); }
  void CountLease() { CountLease(LeasesSoFar()); }
  uint32_t LeasesSoFar() const { return leases.load(std::memory_order_relaxed); }
};

// Belongs to the holder of the slot. Other threads may read the atomics.
// Aligned to the size of a whole slot: core::Slot places its own fields into the second half.
struct alignas(128) SlotHead : LeaseRecord {
  SlotHead() = default;
  // Copied only by tests that save a whole lane and put it back.
  SlotHead(const SlotHead& other) { *this = other; }
  SlotHead& operator=(const SlotHead& other) {
    if (this == &other) return *this;
    deadline = other.deadline;
    leases.store(other.leases.load(std::memory_order_relaxed), std::memory_order_relaxed);
    dirty_flags = other.dirty_flags;
    fault_scope = other.fault_scope;
    number = other.number;
    timed_next = other.timed_next;
    epoch = other.epoch;
    connection = other.connection;
    good_from = other.good_from;
    good_for = other.good_for;
    SetOwner(other.owner.load(std::memory_order_relaxed), other.where());
    return *this;
  }

  // ---- The holder of the lease ----

  // For reports. Relaxed: a reader may pair the owner of one lease with the line of another.
  void SetOwner(uintptr_t thread, SourceLine line_of_code) {
    owner.store(thread, std::memory_order_relaxed);
    file.store(line_of_code.file, std::memory_order_relaxed);
    line.store(line_of_code.line, std::memory_order_relaxed);
  }
  void ClearOwner() { owner.store(0, std::memory_order_relaxed); }
  SourceLine where() const {
    return {file.load(std::memory_order_relaxed), line.load(std::memory_order_relaxed)};
  }

  // True if the lease after `before` leases of this slot is to be timed: its taker tells the core.
  // Where hold times are off it means nothing, once in 256 leases.
  ROOST_HOT bool IsTimedNext(uint32_t before) const {
    return static_cast<uint8_t>(before) == timed_next;
  }

  uint8_t number = 0;  // of the slot in its lane; constant
  // The lowest byte of `leases` at which the next lease is to be timed; see IsTimedNext.
  uint8_t timed_next = 0;
  // The lane's epoch when the core last gave this slot to the idle stack or to a caller. Another, if
  // the lease is timed: it comes back to the core.
  uint32_t epoch = 0;
  std::atomic<int> line{0};  // with `file`: the source line that acquired the lease
  Connection* connection = nullptr;
  // The slot may be lent without a check by a caller whose deadline lies in
  // [good_from, good_from + good_for), in ns: a deadline that has not passed bounds the current time.
  int64_t good_from = 0;
  uint64_t good_for = 0;
  std::atomic<uintptr_t> owner{0};  // thread that answers for the lease; 0: none
  std::atomic<const char*> file{""};
};

// Records the owning thread and source line of a lease that was taken from the idle stack, after
// `before` leases of the slot. `thread`: its number.
ROOST_HOT inline void RecordOwner(SlotHead& slot, uintptr_t thread, SourceLine where,
                                  uint32_t before) {
  slot.SetOwner(thread, where);
  slot.CountLease(before);
}

}  // namespace internal
}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_SLOT_H_
