// base/duration.h - spans and times of day for people, spans as a number of seconds for programs.
//
// Threads:  any
// Blocks:   never
// Memory:   none; FormatDuration returns a string that needs no heap
#ifndef ROOST_BASE_DURATION_H_
#define ROOST_BASE_DURATION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"
#include "roost/deadline.h"

namespace roost::internal {

// A unit of time. The table of them is the one for what is read and what is printed.
struct DurationUnit {
  Duration length;
  Duration from;             // shorter spans are told in the unit before
  std::string_view written;  // in settings and arguments: 50ms, 5m
  std::string_view spoken;   // in sentences: 50 ms, 5 min
};
inline constexpr DurationUnit kDurationUnits[] = {
    {std::chrono::nanoseconds(1), Duration::zero(), "ns", "ns"},
    {std::chrono::microseconds(1), std::chrono::microseconds(1), "us", "us"},
    {std::chrono::milliseconds(1), std::chrono::milliseconds(1), "ms", "ms"},
    {std::chrono::seconds(1), std::chrono::seconds(1), "s", "s"},
    {std::chrono::minutes(1), std::chrono::minutes(2), "m", "min"},
    {std::chrono::hours(1), std::chrono::hours(2), "h", "h"},
    {std::chrono::hours(24), std::chrono::hours(48), "d", "d"},
};

// Pieces of a Text.

// `span` in seconds, with so many digits behind the point (0 to 9), rounded half away from zero.
struct Seconds {
  Duration span;
  int digits = 2;
};
void Put(Text& text, Seconds seconds);

// A span as people say it: "850 us", "12.3 ms", "1.24 s", "3 min 20 s".
struct Spoken {
  Duration span;
};
void Put(Text& text, Spoken spoken);

// A span in one unit with three digits: "850 us", "12.5 ms", "3.2 s", "5 min", "2.5 h".
struct Brief {
  Duration span;
};
void Put(Text& text, Brief brief);

// A moment of the wall clock as the time of its day, in UTC: "11:20:05Z".
struct TimeOfDay {
  int64_t unix_micros;
};
void Put(Text& text, TimeOfDay time);

// From one moment to another, both in microseconds since the boot. Moments out of a file may be any
// number: a span that Duration cannot hold is cut to the longest that it can.
Duration Between(int64_t from_us, int64_t to_us);

// The text of Brief.
std::string FormatDuration(Duration span);

// For JSON and arithmetic.
constexpr double InSeconds(Duration span) { return std::chrono::duration<double>(span).count(); }

}  // namespace roost::internal

#endif  // ROOST_BASE_DURATION_H_
