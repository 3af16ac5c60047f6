// tests/support/wall_clock.h - a wall clock that jumps. Linking roost_jumping_wall_clock replaces the
// functions that tell it for the whole program, so that the pool, the standard library and drivers all
// see the jump; the monotonic clock is the system's own.
#ifndef ROOST_TESTS_SUPPORT_WALL_CLOCK_H_
#define ROOST_TESTS_SUPPORT_WALL_CLOCK_H_

#include <atomic>
#include <cstdint>

namespace roost::support {

// How far the wall clock is off, in seconds.
extern std::atomic<int64_t> wall_clock_jump_s;

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_WALL_CLOCK_H_
