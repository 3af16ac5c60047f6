// tests/support/pool_test_peer.h - looks behind a pool: its numbered invariants, its lock.
#ifndef ROOST_TESTS_SUPPORT_POOL_TEST_PEER_H_
#define ROOST_TESTS_SUPPORT_POOL_TEST_PEER_H_

#include "pool/pool_state.h"
#include "roost/pool.h"

namespace roost {

class PoolTestPeer {
 public:
  // Null, or the sentence of the invariant that does not hold.
  static const char* BrokenInvariant(const Pool& pool) { return pool.state_->CheckInvariants(); }
  // True if no thread holds the lock. REQUIRES: no other thread uses it.
  static bool LockIsFree(const Pool& pool) { return pool.state_->LockIsFree(); }
  // Of a pool whose profile has kWatchStatements.
  // Who is said to hold the connection on top of the idle stack. REQUIRES: one is there.
  static uintptr_t OwnerAtRest(Pool& pool) {
    auto& idle = pool.head_.lane_for[static_cast<size_t>(kWrite)]->idle;
    internal::SlotHead& slot = *idle.TryPop();
    const uintptr_t owner = slot.owner;
    idle.TryPush(slot);
    return owner;
  }
  static internal::ConnectionWrapper& Wrapper(const Pool& pool) {
    return *pool.state_->parts().executor.wrapper();
  }
  static bool LockIsFree(CancelToken& token) {
    if (!token.mu_.TryLock()) return false;
    token.mu_.Unlock();
    return true;
  }
};

}  // namespace roost

#endif  // ROOST_TESTS_SUPPORT_POOL_TEST_PEER_H_
