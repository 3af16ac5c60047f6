// core/deadlock.h - whether one more wait could only deadlock.
#ifndef ROOST_CORE_DEADLOCK_H_
#define ROOST_CORE_DEADLOCK_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/lane_core.h"

namespace roost::core {

// True if `thread`, which holds a lease, could only deadlock by waiting in `lanes[wanted]`: every
// slot that could serve it is leased by threads that wait as well. A lease without an owner (id 0)
// and a waiter without a thread count as moving on. At most four lanes. Cost: slots * waiters.
bool CouldOnlyDeadlock(std::span<const LaneCore* const> lanes, size_t wanted, uint64_t thread);

}  // namespace roost::core

#endif  // ROOST_CORE_DEADLOCK_H_
