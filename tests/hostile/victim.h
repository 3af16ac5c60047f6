// What a pool goes through at a hostile server: one mode at one place, in this process and in real
// time.
#ifndef ROOST_TESTS_HOSTILE_VICTIM_H_
#define ROOST_TESTS_HOSTILE_VICTIM_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "roost/deadline.h"
#include "tests/support/hostile_postgres.h"

namespace roost::hostile {

// Memory is not what it is elsewhere, and 1 GiB that libpq asks for and does not use takes a tenth
// of a second.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// How the pool under attack opens, and what it tells callers while nothing is open.
enum class Way : uint8_t {
  kCaller,       // OpenBy::kCaller, WhenAway::kRefuse
  kWaiter,       // OpenBy::kCaller, WhenAway::kWait
  kHousekeeper,  // OpenBy::kHousekeeper, and a thread that calls Tick
};

struct Case {
  const support::HostileMode* mode = nullptr;
  support::Place place = support::Place::kAnywhere;
  Way way = Way::kCaller;
  Duration deadline{};  // of each acquire with its work
};

// "rows_endless", "notice_flood_at_idle", "accept_silent_by_waiter", ...: letters, digits and lines.
std::string NameOf(const Case& which);
std::ostream& operator<<(std::ostream& out, const Case& which);
std::optional<Case> FindCase(std::string_view name);
// Every case. The first are each mode where it belongs, kAnywhere at Place::kExecute; then each
// start-up mode by the other ways; then those of kAnywhere elsewhere. `everywhere`: at each place,
// else at start-up, at rest, in a script, and at one more place in turn.
std::vector<Case> AllCases(bool everywhere);

// Whether an open meets it, and not a caller's work.
bool IsStartup(support::Place place);

// What a call may take beyond its deadline.
Duration SlackFor(Duration deadline);
// What a connection may take more than at a server without faults.
inline constexpr int64_t kMostKib = 1024;

struct Outcome {
  std::string hung_in{};  // the step that never ended; empty: all did
  // How late the latest call was, beyond its deadline and SlackFor; zero: none was.
  Duration late{};
  std::string late_in{};
  int64_t memory_kib = 0;    // the peak above what was there before; -1: cannot be told here
  std::string next{};        // what the next acquire at a good server said; empty: it worked
  std::string unclean{};     // what is wrong with the words of a status; empty: nothing
  std::string first_said{};  // the first error of the attack
};
std::string ToLine(const Outcome& outcome);
Outcome FromLine(std::string_view line);

// Goes through `which`; `say` is told each step before it is taken.
Outcome GoThrough(const Case& which, const std::function<void(std::string_view step)>& say);

}  // namespace roost::hostile

#endif  // ROOST_TESTS_HOSTILE_VICTIM_H_
