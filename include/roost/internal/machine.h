// include/roost/internal/machine.h - what costs less than a call of Platform, for the hot path.
//
// Each has a general form for machines and compilers that are not named here.
#ifndef ROOST_INTERNAL_MACHINE_H_
#define ROOST_INTERNAL_MACHINE_H_

#include <cstdint>

#include "roost/version.h"

// What an acquire and a return consist of is inlined into their callers, where a call would cost as
// much as they do; not where the program is built for size.
#ifdef __OPTIMIZE_SIZE__
#define ROOST_HOT
#else
#define ROOST_HOT [[gnu::always_inline]]
#endif

#pragma GCC visibility push(default)
namespace roost::internal {

// Tells this thread from all others of the process, also from those that ended: an address of its own
// would be given to a later thread. 0: the thread has asked no pool yet (see NumberThisThread). Without
// initialisation and at a fixed place of the thread's memory, so that a look is one instruction, and two
// in a shared library.
#if defined(__PIC__) && !defined(__PIE__)
inline constinit thread_local uintptr_t thread_number [[gnu::tls_model("initial-exec")]] = 0;
#else
inline constinit thread_local uintptr_t thread_number = 0;
#endif

// The number of this thread, which is given it at the first call. Never 0.
uintptr_t NumberThisThread();

// Tells the processor that this thread waits for another.
inline void PauseBriefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");  // a yield does nothing on most cores
#elif defined(__arm__)
  __asm__ volatile("yield");
#endif
}

}  // namespace roost::internal
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_MACHINE_H_
