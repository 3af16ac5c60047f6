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
  // True if no thread holds the pool's lock. REQUIRES: no other thread uses the pool.
  static bool LockIsFree(const Pool& pool) { return pool.state_->LockIsFree(); }
};

}  // namespace roost

#endif  // ROOST_TESTS_SUPPORT_POOL_TEST_PEER_H_
