// pool/pool_parts.h - the parts of a pool, each of which owns its state.
#ifndef ROOST_POOL_POOL_PARTS_H_
#define ROOST_POOL_POOL_PARTS_H_

#include "pool/executor.h"
#include "pool/lane.h"
#include "pool/pool_config.h"
#include "pool/recorder.h"
#include "pool/refusals.h"
#include "roost/internal/idle_stack.h"

namespace roost::internal {

// In the order in which they are made: each may use those above it.
struct PoolParts {
  PoolHead head;
  PoolConfig config;
  Refusals refusals;
  Recorder recorder;
  Lanes lanes;
  Executor executor;

  // True in a child of fork(): the lock may be held for ever by a thread that only the parent has.
  bool Forked() const { return head.Forked(); }
};

// Makes a Lease of a slot that this thread took, and reads one.
struct LeaseAccess {
  static Lease Make(Lane& lane, SlotHead& slot, Deadline deadline) {
    return Lease(lane, slot, deadline);
  }
  static Lane& LaneOf(const Lease& lease) { return static_cast<Lane&>(*lease.lane_); }
  static core::Slot& SlotOf(const Lease& lease) { return static_cast<core::Slot&>(*lease.slot_); }
  // Takes the slot out of `lease`, which holds nothing from here on.
  static core::Slot& Take(Lease& lease) {
    return static_cast<core::Slot&>(*std::exchange(lease.slot_, nullptr));
  }
};

}  // namespace roost::internal

#endif  // ROOST_POOL_POOL_PARTS_H_
