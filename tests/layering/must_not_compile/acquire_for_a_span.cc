// A span of time is no deadline.
#include <chrono>

#include "roost/pool.h"

void Use(roost::Pool& pool) {
  using std::chrono_literals::operator""ms;
  (void)pool.Acquire(roost::kWrite, pool.In(50ms));
#ifdef WRONG
  (void)pool.Acquire(roost::kWrite, 50ms);  // error: pool.In(50ms)
  (void)pool.Acquire(50ms);                 // error: Acquire(roost::kWrite, pool.In(50ms))
#endif
}
