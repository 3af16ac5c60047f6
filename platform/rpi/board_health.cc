#include "platform/rpi/board_health.h"

#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>

#include <string_view>

#include "platform/rpi/kernel_files.h"

namespace roost {
namespace {

constexpr double kMib = 1024.0 * 1024.0;

using kernel::Field;
using kernel::IfReadable;
using kernel::Names;
using kernel::Parse;
using kernel::SmallFile;

// The zone of the CPU: cpu-thermal on a Pi, x86_pkg_temp on a PC; else the first one.
std::string FindCpuTemperature(const std::string& root) {
  const std::string folder = root + "/sys/class/thermal/";
  std::string first;
  for (const std::string& zone : Names(folder, "thermal_zone")) {
    const std::string path = IfReadable(folder + zone + "/temp");
    if (path.empty()) continue;
    const SmallFile type(folder + zone + "/type");
    const bool is_cpu = type.text().starts_with("cpu") || type.text() == "x86_pkg_temp";
    if (is_cpu) return path;
    if (first.empty()) first = path;
  }
  return first;
}

// The under-voltage alarm of the kernel's raspberrypi-hwmon driver.
std::string FindVoltageAlarm(const std::string& root) {
  const std::string folder = root + "/sys/class/hwmon/";
  for (const std::string& monitor : Names(folder, "hwmon")) {
    const SmallFile name(folder + monitor + "/name");
    if (name.text() == "rpi_volt") return IfReadable(folder + monitor + "/in0_lcrit_alarm");
  }
  return {};
}

std::optional<double> Scaled(const std::string& path, double divisor) {
  const auto value = Parse<int64_t>(SmallFile(path).text());
  if (!value.has_value()) return std::nullopt;
  return static_cast<double>(*value) / divisor;
}

std::optional<double> FreeStorageMib(const std::string& folder) {
  struct statvfs usage {};
  if (folder.empty() || statvfs(folder.c_str(), &usage) != 0) return std::nullopt;
  return static_cast<double>(usage.f_bavail) * static_cast<double>(usage.f_frsize) / kMib;
}

}  // namespace

BoardHealth::BoardHealth(const Options& options)
    : model_(SmallFile(options.root + "/proc/device-tree/model").text()),
      cpu_temperature_(FindCpuTemperature(options.root)),
      cpu_frequency_(
          IfReadable(options.root + "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")),
      load_(IfReadable(options.root + "/proc/loadavg")),
      memory_(IfReadable(options.root + "/proc/meminfo")),
      storage_(options.storage.empty() ? std::string() : options.root + options.storage),
      voltage_alarm_(FindVoltageAlarm(options.root)),
      throttled_(IfReadable(options.root + "/sys/devices/platform/soc/soc:firmware/get_throttled")),
      process_io_(IfReadable(options.root + "/proc/self/io")) {}

BoardReading BoardHealth::Read() const {
  BoardReading reading;
  reading.cpu_celsius = Scaled(cpu_temperature_, 1000.0);
  reading.cpu_mhz = Scaled(cpu_frequency_, 1000.0);
  reading.load_1m = Parse<double>(SmallFile(load_).text());
  if (const auto kib = Field(SmallFile(memory_).text(), "MemAvailable")) {
    reading.memory_available_mib = static_cast<double>(*kib) / 1024.0;
  }
  reading.storage_free_mib = FreeStorageMib(storage_);
  if (const auto bits = Parse<uint32_t>(SmallFile(throttled_).text(), 16)) {
    reading.throttling = Throttling{*bits};
    reading.under_voltage = reading.throttling->under_voltage();
  }
  if (const auto alarm = Parse<int>(SmallFile(voltage_alarm_).text())) {
    reading.under_voltage = *alarm != 0;
  }
  return reading;
}

std::optional<uint64_t> BoardHealth::BytesWritten() const {
  return Field(SmallFile(process_io_).text(), "write_bytes");
}

std::optional<bool> AskWallClock() {
  timex state{};
  const int result = adjtimex(&state);
  if (result < 0) return std::nullopt;
  return result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

bool WallClockIsSynchronised() { return AskWallClock().value_or(false); }

int64_t BootMicros() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

}  // namespace roost
