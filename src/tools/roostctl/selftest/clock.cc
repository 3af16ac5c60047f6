// tools/roostctl/selftest/clock.cc - checks of the clocks and of random numbers.
#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// Clock sources that are slow to read, or coarse (the kernel's drivers/clocksource and arch
// folders): ports of the chip set, and the timer interrupt itself.
constexpr const char* kSlowSources[] = {"acpi_pm", "hpet", "jiffies", "pit", "refined-jiffies"};

// High-resolution timers tell 1 ns; without them it is the tick, 1 to 10 ms, and every wait is late
// by as much.
constexpr Duration kResolution = 1us;
// platform.h promises that CoarseNow() is at most one tick behind, and that is at most 10 ms.
constexpr Duration kCoarseResolution = 10ms;
// platform.h: 20 to 50 ns through the vDSO. A system call instead costs some hundreds on a Pi, and
// the pool reads the clock in every acquire.
constexpr Duration kClockCost = 1us;
// NTP slews by at most 500 ppm: 30 ms in a minute. More is a step.
constexpr Duration kJump = 100ms;
// How long the clock is watched when no other check ran before.
constexpr Duration kWatch = 200ms;

Duration Resolution(clockid_t clock) {
  timespec t{};
  if (clock_getres(clock, &t) != 0) return Duration::max();
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

// The least of several rounds: the others were interrupted.
template <class Read>
Duration CostOf(Platform& platform, Read read) {
  constexpr int kRounds = 20;
  constexpr int kReads = 1000;
  Duration least = Duration::max();
  for (int round = 0; round < kRounds; ++round) {
    const TimePoint start = platform.Now();
    for (int i = 0; i < kReads; ++i) read();
    least = std::min(least, platform.Now() - start);
  }
  return least / kReads;
}

}  // namespace

// The tightest of five readings: between two readings of the monotonic clock that are close.
void WallClock::Sample(Platform& platform) {
  Duration closest = Duration::max();
  Duration offset{};
  TimePoint when{};
  for (int i = 0; i < 5; ++i) {
    const TimePoint before = platform.Now();
    const Duration wall = std::chrono::microseconds(platform.UnixMicros());
    const TimePoint after = platform.Now();
    if (after - before >= closest) continue;
    closest = after - before;
    when = before;
    offset = wall - (before + (after - before) / 2).time_since_epoch();
  }
  if (!sampled_) since_ = when;
  if (sampled_) largest_step_ = std::max(largest_step_, std::chrono::abs(offset - offset_));
  sampled_ = true;
  offset_ = offset;
}

Result CheckClockSource(Context& context) {
  const std::string source = ClockSource(context.setup.root);
  if (source.empty()) return Skip("the kernel does not show its clock source");
  for (const char* slow : kSlowSources) {
    if (source == slow) {
      return Warn(source, "a counter of the CPU",
                  "this source is slow or coarse; look for \"clocksource\" in dmesg for why the "
                  "kernel left the CPU's own");
    }
  }
  return Pass(source, "a counter of the CPU");
}

Result JudgeClockResolution(Duration exact, Duration coarse) {
  const std::string measured = FormatDuration(exact) + ", coarse " + FormatDuration(coarse);
  const std::string bound =
      "at most " + FormatDuration(kResolution) + ", coarse " + FormatDuration(kCoarseResolution);
  const bool fine = exact <= kResolution && coarse <= kCoarseResolution;
  Result result = fine ? Pass(measured, bound)
                       : Warn(measured, bound,
                              "the kernel runs without high-resolution timers "
                              "(CONFIG_HIGH_RES_TIMERS): every wait ends late by a tick");
  return std::move(result)
      .With("resolution_s", InSeconds(exact))
      .With("coarse_resolution_s", InSeconds(coarse));
}

Result CheckClockResolution(Context&) {
  return JudgeClockResolution(Resolution(CLOCK_MONOTONIC), Resolution(CLOCK_MONOTONIC_COARSE));
}

Result JudgeClockCost(Duration exact, Duration coarse) {
  const std::string measured = FormatDuration(exact) + ", coarse " + FormatDuration(coarse);
  const std::string bound = "at most " + FormatDuration(kClockCost);
  Result result = exact <= kClockCost
                      ? Pass(measured, bound)
                      : Warn(measured, bound,
                             "reading the clock is a system call here (see clock.source), or the "
                             "CPU is emulated; acquiring a connection costs two readings");
  return std::move(result).With("now_s", InSeconds(exact)).With("coarse_now_s", InSeconds(coarse));
}

Result CheckClockCost(Context& context) {
  Platform& platform = context.platform;
  return JudgeClockCost(CostOf(platform, [&] { platform.Now(); }),
                        CostOf(platform, [&] { platform.CoarseNow(); }));
}

Result JudgeClockSet(std::optional<bool> set, bool set_by_systemd) {
  const std::string bound = "set by a time service";
  if (set.value_or(false)) return Pass("synchronised", bound).With("synchronised", true);
  if (!set.has_value() && set_by_systemd) {
    return Pass("synchronised (by the mark of systemd-timesyncd)", bound)
        .With("synchronised", true);
  }
  if (!set.has_value()) {
    return Skip("the kernel may not be asked here (adjtimex); run it outside of the service");
  }
  return Warn("not synchronised", bound,
              "start a time service (systemctl enable --now systemd-timesyncd) and look at "
              "timedatectl; until then readings are stamped as not synchronised, and TLS may fail")
      .With("synchronised", false);
}

Result CheckClockSet(Context& context) {
  std::error_code ignored;
  const bool mark =
      std::filesystem::exists(context.Path("/run/systemd/timesync/synchronized"), ignored);
  return JudgeClockSet(AskWallClock(), mark);
}

Result JudgeClockDate(int64_t unix_micros) {
  const auto day = std::chrono::floor<std::chrono::days>(std::chrono::microseconds(unix_micros));
  const int year = static_cast<int>(std::chrono::year_month_day(std::chrono::sys_days(day)).year());
  const std::string measured = std::to_string(year);
  const std::string bound = Format("not before %d, when this program was built", ROOST_BUILD_YEAR);
  Result result = year >= ROOST_BUILD_YEAR
                      ? Pass(measured, bound)
                      : Warn(measured, bound,
                             "the board has no clock that survives power off and has not reached a "
                             "time service; nothing of roost waits by this clock, but stamps and "
                             "TLS certificates go by it");
  return std::move(result).With("year", year);
}

Result CheckClockDate(Context& context) { return JudgeClockDate(context.platform.UnixMicros()); }

Result JudgeClockJumps(Duration largest_step, Duration watched) {
  const std::string measured = FormatDuration(largest_step) + " in " + FormatDuration(watched);
  const std::string bound = "at most " + FormatDuration(kJump);
  Result result = largest_step <= kJump
                      ? Pass(measured, bound)
                      : Warn(measured, bound,
                             "the wall clock was stepped meanwhile; no wait of roost follows it, "
                             "but stamps of readings do: compare rows by seq, not by time");
  return std::move(result)
      .With("largest_step_s", InSeconds(largest_step))
      .With("watched_s", InSeconds(watched));
}

Result CheckClockJumps(Context& context) {
  WallClock& clock = context.wall_clock;
  clock.Sample(context.platform);
  if (context.Now() - clock.since() < kWatch) SleepFor(context.platform, kWatch);
  clock.Sample(context.platform);
  return JudgeClockJumps(clock.largest_step(), context.Now() - clock.since());
}

Result JudgeEntropy(int error) {
  if (error == 0) return Pass("getrandom does not wait", "does not wait").With("ready", true);
  if (error == EAGAIN) {
    return Fail("getrandom would wait", "does not wait",
                "the kernel has not gathered enough randomness yet; a TLS connection would hang: "
                "wait after the boot, or give the board a hardware generator (rng-tools)")
        .With("ready", false);
  }
  return Skip(std::string("getrandom: ") + std::strerror(error));
}

Result CheckEntropy(Context&) {
  char byte;
  return JudgeEntropy(getrandom(&byte, 1, GRND_NONBLOCK) == 1 ? 0 : errno);
}

Result CheckHardwareGenerator(Context& context) {
  const std::string name = HardwareGenerator(context.setup.root);
  if (!name.empty()) return Pass(name);
  const BoardHealth board({.root = context.setup.root});
  if (!board.model().starts_with("Raspberry Pi")) return Skip("this machine shows none");
  return Warn("none", "the board's own",
              "every Raspberry Pi has one: load its driver (modprobe bcm2835_rng or iproc-rng200)");
}

}  // namespace roost::tools::selftest
