// pool/release.h - the end of a lease: idle, hand-off, reset, close, detach.
#ifndef ROOST_POOL_RELEASE_H_
#define ROOST_POOL_RELEASE_H_

#include "pool/pool_parts.h"

namespace roost::internal {

// Gives the connection back. `discard`: its user knows that it is no good. Blocks for a reset or a
// close.
void ReturnLease(PoolParts& pool, Lane& lane, core::Slot& slot, bool discard);
// Gives a leased connection back to be closed, and marks the connections that its death concerns.
// `counted`: the lease was counted as a checkout, and its end is told to the observer.
void ReturnBroken(PoolParts& pool, Lane& lane, core::Slot& slot, CloseReason reason,
                  FaultScope scope, bool counted, TimePoint now);
// Takes the connection out of the pool: the slot is empty, the handle the caller's.
NativeHandle DetachLease(PoolParts& pool, Lane& lane, core::Slot& slot);

}  // namespace roost::internal

#endif  // ROOST_POOL_RELEASE_H_
