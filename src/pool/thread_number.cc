#include <atomic>
#include <cstdint>

#include "roost/internal/machine.h"

namespace roost::internal {

uintptr_t NumberThisThread() {
  // Of the process, not of a pool: a thread has one number for all of them.
  static constinit std::atomic<uintptr_t> last{0};
  if (thread_number == 0) thread_number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return thread_number;
}

}  // namespace roost::internal
