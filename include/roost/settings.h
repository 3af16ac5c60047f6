// include/roost/settings.h - the settings of a pool as text: each with its name, unit and meaning.
//
// profile.h says what each setting does, its range and its price. This header is for a program that
// shows the settings that it runs with: in its first lines, in a report, as JSON. A constant of a
// profile that is misspelt so that no rule of CheckProfile finds it shows here, too, because the
// setting has the value of the profile it derives from.
//
// Threads:  any
// Blocks:   never
// Memory:   none but the caller's buffer
// Errors:   none; a text that does not fit is cut
// Example:
//   std::array<char, roost::kDescriptionBytes> buffer;
//   Log(roost::Describe(pool.settings(), buffer));
#ifndef ROOST_SETTINGS_H_
#define ROOST_SETTINGS_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

#include "roost/profile.h"

#pragma GCC visibility push(default)
namespace roost {

// The names of the values: "never", "after_idle", "always"; "caller", "housekeeper"; "refuse", "wait".
// Literals.
std::string_view Name(PrePing ping);
std::string_view Name(OpenBy who);
std::string_view Name(WhenAway answer);

// What one member of PoolSettings means, for programs that show all of them without knowing each. The
// texts are literals.
struct Setting {
  // The member's name in PoolSettings: "pool_size". The constant of a profile is kPoolSize.
  std::string_view name;
  // "s" for spans of time, else what is counted. Empty: the member is a yes or no, a name, or one of a
  // few values.
  std::string_view unit;
  // One sentence for people, without a full stop.
  std::string_view meaning;
  // What 0 means: "never". Empty: 0 means nothing else than it does elsewhere.
  std::string_view zero = {};
};

// Calls `visit(setting, member)` for each member of `settings`, in their order; the members of
// tcp_timers one by one, as tcp_user_timeout and so on. A member is an int, a bool, a Duration, a
// const char*, a PrePing, an OpenBy or a WhenAway.
constexpr void ForEachSetting(const PoolSettings& settings, auto&& visit) {
  const auto add = [&visit](std::string_view name, const auto& member, std::string_view unit,
                            std::string_view meaning, std::string_view zero = {}) {
    visit(Setting{name, unit, meaning, zero}, member);
  };
  const PoolSettings& s = settings;
  add("profile", s.profile, "", "The profile's kName");
  add("pool_size", s.pool_size, "connections", "Stay open once they were needed");
  add("max_overflow", s.max_overflow, "connections", "More, while all others are lent");
  add("pool_timeout", s.pool_timeout, "s", "How long an Acquire without a deadline waits");
  add("pool_recycle", s.pool_recycle, "s", "Age at which an idle one is closed", "never");
  add("pre_ping", s.pre_ping, "", "When one has to answer before it is lent");
  add("echo_pool", s.echo_pool, "", "Writes the pool's events to standard error");
  add("max_waiters", s.max_waiters, "callers", "Wait in the queue of a lane at the most");
  add("max_overtakes", s.max_overtakes, "callers", "May barge past the first waiter", "none");
  add("when_away", s.when_away, "", "What callers get while the database is away");
  add("open_by", s.open_by, "", "Which thread opens connections");
  add("open_timeout", s.open_timeout, "s", "Longest time of one open");
  add("backoff_min", s.backoff_min, "s", "Pause after the second failed open in a row");
  add("backoff_max", s.backoff_max, "s", "Longest pause between failed opens");
  add("ping_after", s.ping_after, "s", "Idle time after which one is checked", "each lease");
  add("ping_timeout", s.ping_timeout, "s", "Longest time of a ping, and of a maintenance");
  add("reset_timeout", s.reset_timeout, "s", "Longest time of a reset at a return");
  add("keep_alive", s.keep_alive, "s", "Idle time after which one is maintained", "never");
  add("idle_limit", s.idle_limit, "s", "Idle time after which one is closed", "never");
  add("linger", s.linger, "s", "How long overflow stays open when returned", "closes at once");
  add("tcp_user_timeout", s.tcp_timers.user_timeout, "s",
      "How long sent data may be unacknowledged");
  add("tcp_keepalive_idle", s.tcp_timers.keepalive_idle, "s", "Silence before the first TCP probe");
  add("tcp_keepalive_interval", s.tcp_timers.keepalive_interval, "s", "Time between TCP probes");
  add("tcp_keepalive_count", s.tcp_timers.keepalive_count, "probes",
      "Stay unanswered until the link is dead");
  add("leak_after", s.leak_after, "s", "A lease held for longer is reported", "never");
  add("hold_times", s.hold_times, "", "Measures how long leases are held");
  add("nested_check", s.nested_check, "", "Refuses a wait that could only deadlock");
  add("watch_statements", s.watch_statements, "", "Counts, times and tells statements");
  add("slow_statement", s.slow_statement, "s", "A statement that takes it is slow", "none is");
  add("sqlite_arena_kib", s.sqlite_arena_kib, "KiB", "SQLite's memory beside pages, if bounded");
  add("sqlite_pages", s.sqlite_pages, "pages", "Of 4 KiB, for all of SQLite, if bounded");
  add("statements", s.statements, "statements", "Kept prepared by each connection");
}

// A buffer of this size holds what Describe writes.
inline constexpr size_t kDescriptionBytes = 4096;

// Writes all settings into `out`, a line each, cut to fit, and returns the text there:
//   pool_size               2 connections    Stay open once they were needed
//   pool_timeout            30 s             How long an Acquire without a deadline waits
std::string_view Describe(const PoolSettings& settings, std::span<char> out);

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_SETTINGS_H_
