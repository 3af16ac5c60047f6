// pool/pool_lock.h - the name of a pool's lock for the compiler's analysis, and the plain way to take it.
#ifndef ROOST_POOL_POOL_LOCK_H_
#define ROOST_POOL_POOL_LOCK_H_

#include "absl/base/thread_annotations.h"
#include "roost/internal/mutex.h"

namespace roost::internal {

// A pool has one lock, which lies in Lanes and guards members of several classes. Clang's analysis
// knows a lock by its expression, so all of them name this one. It says nothing about which pool.
struct ABSL_LOCKABLE PoolLock {};
inline constexpr PoolLock kPoolLock{};

// Takes the lock and leaves the idle stacks alone: for counters and for stepped actions. LaneGuard
// is for everything that reads a lane or changes it.
class ABSL_SCOPED_LOCKABLE PoolMutexLock {
 public:
  explicit PoolMutexLock(Mutex& mu)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(kPoolLock) ABSL_NO_THREAD_SAFETY_ANALYSIS : mu_(mu) {
    mu_.Lock();
  }
  ~PoolMutexLock() ABSL_UNLOCK_FUNCTION() { Free(); }
  PoolMutexLock(const PoolMutexLock&) = delete;
  PoolMutexLock& operator=(const PoolMutexLock&) = delete;

 private:
  void Free() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu_.Unlock(); }
  Mutex& mu_;
};

}  // namespace roost::internal

#endif  // ROOST_POOL_POOL_LOCK_H_
