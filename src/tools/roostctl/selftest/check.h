// tools/roostctl/selftest/check.h - what a check of `roostctl selftest` is, and what it may
// use.
//
// A check is a row of a table: name, what it looks at, the time it may take, a function. The
// function measures and returns a Result; a second function, Judge..., compares what was measured
// with the bounds, so that tests reach both outcomes without a bad board. The files beside
// this one have one topic each.
//
// Threads:  each check runs in a thread of its own, one after the other; one that does not come
//           back in time (a card that hangs) is left behind, and the others go on
// Blocks:   a check for at most its time, by the deadline in its Context
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_CHECK_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_CHECK_H_

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roost/deadline.h"
#include "roost/platform.h"
#include "tools/common/text.h"

namespace roost::tools::selftest {

enum class Verdict : uint8_t { kPass, kWarn, kFail, kSkip };
// "pass", "warn", "fail", "skip": in every form of output.
const char* Name(Verdict verdict);

struct Result {
  Verdict verdict = Verdict::kPass;
  std::string measured{};  // the value, or why the check was skipped
  std::string bound{};     // what it was compared with; empty: nothing to compare
  std::string advice{};    // what to do; empty when there is nothing to do
  // The numbers behind `measured`, for programs. Names end with their unit: p50_s, free_bytes.
  nlohmann::ordered_json figures = nlohmann::ordered_json::object();

  Result With(std::string_view name, nlohmann::ordered_json value) && {
    figures[std::string(name)] = std::move(value);
    return std::move(*this);
  }
};
Result Pass(std::string measured, std::string bound = "");
Result Warn(std::string measured, std::string bound, std::string advice);
Result Fail(std::string measured, std::string bound, std::string advice);
Result Skip(std::string reason);

// What the command line and the configuration asked for.
struct Setup {
  std::string root{};            // set before every path of the kernel's files; empty: this machine
  std::string db{};              // the node's database; it need not exist
  std::string folder{};          // the folder of it, without links; empty: it does not exist
  std::string remote{};          // the address of a server; empty: none is configured
  std::string password_file{};   // of the remote; empty: none
  bool password_hidden = false;  // of the remote: this user may not read it
  std::string status_file{};     // where a running node tells about itself
  std::string unit{};            // its service
  bool allow_volatile = false;   // data on tmpfs or an overlay is meant so
};

// How far the wall clock has moved against the monotonic one.
class WallClock {
 public:
  void Sample(Platform& platform);
  // The largest difference between two samples that followed each other, and when the first was.
  Duration largest_step() const { return largest_step_; }
  TimePoint since() const { return since_; }

 private:
  bool sampled_ = false;
  TimePoint since_{};
  Duration offset_{};
  Duration largest_step_{};
};

class RemoteDatabase;
class Scratch;

// What a check is given. The objects live until the program ends, also for a check that was left
// behind.
struct Context {
  const Setup& setup;
  Platform& platform;
  Scratch& scratch;
  RemoteDatabase& remote;
  WallClock wall_clock{};  // as of the beginning of this check
  Deadline deadline{};     // of this check

  TimePoint Now() const { return platform.Now(); }
  bool IsOver() const { return deadline.HasPassed(platform.Now()); }
  // "/proc/meminfo" on the machine that is shown.
  std::string Path(std::string_view path) const { return setup.root + std::string(path); }
};

struct Check {
  const char* name;  // GROUP.NAME, stable
  const char* what;
  Duration limit;
  bool slow;  // left out by --quick
  Result (*run)(Context& context);
};

// Every check, in the order in which they run.
std::span<const Check> AllChecks();

struct Finding {
  const Check* check = nullptr;
  Result result{};
  Duration took{};
};

// ---- Helpers that several topics use ------------------------------------------------------------

// printf into a string.
std::string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));
// Sleeps for `span`.
void SleepFor(Platform& platform, Duration span);

// `figures` with p50_s, p99_s, max_s and count, each after `prefix`.
void AddFigures(Result& result, const Percentiles& spans, const std::string& prefix = "");

}  // namespace roost::tools::selftest

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_CHECK_H_
