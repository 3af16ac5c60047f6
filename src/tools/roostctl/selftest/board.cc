// tools/roostctl/selftest/board.cc - checks of the board: model, power, heat, watchdog device.
#include <unistd.h>

#include "platform/boards/selected.h"
#include "platform/rpi/kernel_files.h"
#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// The firmware of a Pi throttles at 80 degrees, harder at 85 (raspberrypi.com, documentation of
// frequency management and thermal control).
constexpr double kWarm = 80;
constexpr double kHot = 85;
// roost-node may take 2 s for a batch (Node::kStoreWithin) and then feeds systemd, which feeds the
// device every half of its time: less than 5 s resets boards that are merely busy.
constexpr Duration kShortWatchdog = 5s;

bool IsPi(const Context& context) {
  const BoardHealth board({.root = context.setup.root});
  return board.model().starts_with("Raspberry Pi");
}

std::string BitText(const Throttling& seen) { return Format("throttled=0x%x", seen.bits); }

}  // namespace

Result JudgeBoardModel(const boards::Board& built_for, const std::string& model,
                       uint64_t memory_bytes, long page_bytes) {
  const std::string found = model.empty() ? "no device tree: not a Raspberry Pi" : model;
  const std::string any = built_for.model;
  const std::string bound = any.empty() ? "built for any machine" : "built for " + any;
  Result result = Pass(found, bound);
  // A variant is sold as 1 GB and has a little less for the kernel: the firmware keeps some.
  const uint64_t least = static_cast<uint64_t>(built_for.memory_mib) * 1024 * 1024 / 2;
  if (!any.empty() && !model.starts_with(any)) {
    result =
        Warn(found, bound,
             "limits and CPU flags of another board: build with -DROOST_BOARD for this one, or "
             "for any (a binary for a newer CPU may stop with an illegal instruction)");
  } else if (built_for.page_bytes != 0 && built_for.page_bytes != page_bytes) {
    result = Warn(found + Format(", pages of %ld bytes", page_bytes),
                  bound + Format(", pages of %d", built_for.page_bytes),
                  "another kernel than Raspberry Pi OS boots: it works, memory is counted in other "
                  "steps");
  } else if (memory_bytes != 0 && memory_bytes < least) {
    result = Warn(found + ", " + FormatBytes(memory_bytes),
                  bound + Format(", %d MiB", built_for.memory_mib),
                  "half of the memory is missing: look at gpu_mem in /boot/firmware/config.txt");
  }
  return std::move(result)
      .With("model", model)
      .With("built_for", built_for.name)
      .With("page_bytes", page_bytes);
}

Result CheckBoardModel(Context& context) {
  const BoardHealth board({.root = context.setup.root});
  const kernel::SmallFile memory(context.Path("/proc/meminfo"));
  const uint64_t kib = kernel::Field(memory.text(), "MemTotal").value_or(0);
  return JudgeBoardModel(boards::Selected(), board.model(), kib * 1024, sysconf(_SC_PAGESIZE));
}

Result CheckBoardVoltage(Context& context) {
  const BoardHealth board({.root = context.setup.root});
  const BoardReading reading = board.Read();
  if (!reading.under_voltage.has_value()) return Skip("the kernel shows no sensor of the supply");
  const bool before = reading.throttling && (reading.throttling->since_boot() & 1) != 0;
  const char* bound = "never under-voltage";
  Result result = Pass("no under-voltage now", bound);
  if (*reading.under_voltage) {
    result = Fail("under-voltage now", bound,
                  "the supply is too weak: use the board's own (5.1 V), a shorter cable, a powered "
                  "hub for USB devices; writes to the card are at risk");
  } else if (before) {
    result = Warn("under-voltage since boot, not now", bound,
                  "the supply has dropped below 4.63 V: use the board's own, a shorter cable");
  } else if (reading.throttling) {
    result.measured += ", nor since boot";
  }
  if (reading.throttling) result.figures["since_boot"] = before;
  return std::move(result).With("now", *reading.under_voltage);
}

Result CheckBoardThrottling(Context& context) {
  const BoardHealth board({.root = context.setup.root});
  const std::optional<Throttling> seen = board.Read().throttling;
  if (!seen.has_value()) return Skip("the kernel does not show get_throttled; vcgencmd may");
  const char* bound = "throttled=0x0";
  const bool now = seen->frequency_capped() || seen->throttled() || seen->soft_limit();
  const bool before = (seen->since_boot() & 0xe) != 0;
  Result result = Pass(BitText(*seen), bound);
  if (now) {
    result = Warn("slowed down now (" + BitText(*seen) + ")", bound,
                  "the board is too hot or its supply too weak: see board.temperature and "
                  "board.voltage; a heat sink, a fan, a better supply");
  } else if (before) {
    result = Warn("slowed down since boot (" + BitText(*seen) + ")", bound,
                  "it was too hot or its supply too weak for a time: watch board.temperature under "
                  "load");
  }
  return std::move(result).With("bits", seen->bits).With("now", now).With("since_boot", before);
}

Result CheckBoardTemperature(Context& context) {
  const BoardHealth board({.root = context.setup.root});
  const std::optional<double> celsius = board.Read().cpu_celsius;
  if (!celsius.has_value()) return Skip("the kernel shows no temperature");
  const std::string measured = Format("%.1f C", *celsius);
  const std::string bound = Format("below %.0f C", kWarm);
  Result result = Pass(measured, bound);
  if (*celsius >= kHot) {
    result = Fail(measured, Format("below %.0f C", kHot),
                  "the firmware slows the board down hard: a heat sink, a fan, shade");
  } else if (*celsius >= kWarm) {
    result =
        Warn(measured, bound, "the firmware begins to slow the board down: a heat sink, a fan");
  }
  return std::move(result).With("celsius", *celsius);
}

Result CheckBoardGovernor(Context& context) {
  const std::string governor = CpuGovernor(context.setup.root);
  if (governor.empty()) return Skip("the kernel does not change the frequency of the CPU");
  const char* bound = "one that rises with the load";
  Result result = governor == "powersave"
                      ? Warn(governor, bound,
                             "the CPU stays at its lowest frequency: echo ondemand > "
                             "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor, for each core")
                      : Pass(governor, bound);
  return std::move(result).With("governor", governor);
}

Result CheckBoardWatchdog(Context& context) {
  const std::vector<WatchdogDevice> devices = WatchdogDevices(context.setup.root);
  const char* bound = "armed by systemd";
  constexpr const char* kArm =
      "a board that hangs stays so: set RuntimeWatchdogSec=10 in /etc/systemd/system.conf and "
      "restart";
  if (devices.empty()) {
    if (!IsPi(context)) return Skip("this machine shows none");
    return Warn("none", bound, "add dtparam=watchdog=on to /boot/firmware/config.txt and restart");
  }
  const WatchdogDevice& device = devices.front();
  std::string measured = device.identity.empty() ? device.name : device.identity;
  if (device.timeout) measured += ", " + FormatDuration(*device.timeout);
  const auto with_figures = [&device](Result result) {
    if (device.timeout) result.figures["timeout_s"] = InSeconds(*device.timeout);
    if (device.active) result.figures["active"] = *device.active;
    return std::move(result).With("identity", device.identity);
  };
  if (!device.active.has_value()) {
    return with_figures(Skip(measured + ": this kernel does not show whether it is armed"));
  }
  if (!*device.active) return with_figures(Warn(measured + ", not armed", bound, kArm));
  if (device.timeout && *device.timeout < kShortWatchdog) {
    return with_figures(Warn(measured, "at least " + FormatDuration(kShortWatchdog),
                             "a board that is only busy would be reset: RuntimeWatchdogSec=10"));
  }
  return with_figures(Pass(measured + ", armed", bound));
}

}  // namespace roost::tools::selftest
