// include/roost/internal/mutex.h - a lock that gives its holder the priority of the threads that
// wait for it, with Clang's thread-safety annotations.
//
// Without priority inheritance a thread of high priority that wants the lock would wait for every
// thread of middle priority that keeps the holder from running. Priority inheritance alone
// collapses when many threads take the lock for short moments: the kernel hands such a lock to the
// thread that slept longest, and until that thread runs, every other thread that asks for the lock
// goes to sleep behind it. So a thread tries the lock a bounded number of times first: with pauses,
// for as long as a critical section takes; then with yields, in case the holder was taken off this
// processor. Without a bound a thread of high priority would spin for ever where the holder cannot
// run.
//
// Not absl::Mutex: the version in Debian 12 makes its timed waits on the wall clock, and has no
// priority inheritance. Nothing here waits with a time-out; waiting is Platform::Wait.
#ifndef ROOST_INTERNAL_MUTEX_H_
#define ROOST_INTERNAL_MUTEX_H_

#include <pthread.h>
#include <sched.h>

#include "absl/base/thread_annotations.h"
#include "roost/internal/check.h"
#include "roost/internal/machine.h"

#pragma GCC visibility push(default)
namespace roost::internal {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    // A plain lock where the kernel has none that inherits.
    if (pthread_mutex_init(&mu_, &attributes) != 0) {
      ROOST_CHECK(pthread_mutex_init(&mu_, nullptr) == 0, "a lock could not be made");
    }
    pthread_mutexattr_destroy(&attributes);
  }
  ~Mutex() { pthread_mutex_destroy(&mu_); }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    constexpr int kPauses = 64;
    constexpr int kYields = 4;
    for (int i = 0; i < kPauses + kYields; ++i) {
      if (pthread_mutex_trylock(&mu_) == 0) return;
      if (i < kPauses) {
        PauseBriefly();
      } else {
        sched_yield();
      }
    }
    // The errors it has (a lock that was destroyed, a thread that locks twice) are bugs.
    ROOST_CHECK(pthread_mutex_lock(&mu_) == 0, "bug: a lock could not be taken");
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() { pthread_mutex_unlock(&mu_); }
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return pthread_mutex_trylock(&mu_) == 0; }

 private:
  pthread_mutex_t mu_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

}  // namespace roost::internal
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_MUTEX_H_
