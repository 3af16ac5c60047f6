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

// Tells threads that live now apart. Never 0.
ROOST_HOT inline uintptr_t ThisThread() {
#if defined(__x86_64__)
  uintptr_t self = 0;
  __asm__("mov %%fs:0, %0" : "=r"(self));  // the thread control block holds its own address
  return self;
#elif defined(__aarch64__) || defined(__arm__)
  return reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
#else
  static thread_local char mark;
  return reinterpret_cast<uintptr_t>(&mark);
#endif
}

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
