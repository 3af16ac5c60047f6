// tools/roostctl/allocation_count.h - counts what C++ takes from the heap in this program, by a
// replaced operator new.
//
// All of roostpool and Abseil is C++ and allocates by it; SQLite is C and does not. So the count is
// of "ours" alone, and no part of the test is left out.
//
// Threads:  any
#ifndef ROOST_TOOLS_ROOSTCTL_ALLOCATION_COUNT_H_
#define ROOST_TOOLS_ROOSTCTL_ALLOCATION_COUNT_H_

#include <cstdint>

namespace roost::tools {

// Allocations of the calling thread so far.
uint64_t AllocationsOfThisThread();

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_ALLOCATION_COUNT_H_
