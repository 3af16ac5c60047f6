// tests/support/counting_allocator.h - counts every allocation of the process, by interposition.
//
// Linking roost_counting_allocator replaces malloc, calloc, realloc and their aligned kin (and with
// them operator new) by ones that count. Under a sanitizer its allocation hook counts instead.
//
//   AllocationCount count;
//   ... nothing may allocate ...
//   EXPECT_EQ(count.total(), 0u);
#ifndef ROOST_TESTS_SUPPORT_COUNTING_ALLOCATOR_H_
#define ROOST_TESTS_SUPPORT_COUNTING_ALLOCATOR_H_

#include <cstdint>

namespace roost::support {

// Allocations since it was made.
class AllocationCount {
 public:
  AllocationCount();
  // Of all threads.
  uint64_t total() const;
  // Of the calling thread. REQUIRES: the one that made this.
  uint64_t this_thread() const;
  // Blocks given back, of all threads. free(nullptr) is none.
  uint64_t frees() const;

 private:
  uint64_t total_at_start_;
  uint64_t frees_at_start_;
  uint64_t thread_at_start_;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_COUNTING_ALLOCATOR_H_
