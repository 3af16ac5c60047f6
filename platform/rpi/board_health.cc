#include "platform/rpi/board_health.h"

#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

#include "platform/rpi/kernel_files.h"

namespace roost {
namespace {

constexpr double kMib = 1024.0 * 1024.0;

using kernel::Field;
using kernel::SmallFile;

// Drivers number what they have from 0; no board has more.
constexpr int kMostNumbers = 64;
// Longer than any path of a sensor behind the root.
constexpr size_t kMostPath = 64;

// The kernel's frequencies are in kHz.
constexpr int64_t kMostKhz = 100'000'000;
constexpr double kMostLoad = 1e6;

// The number that is all of `text`.
template <class T, class... Base>
std::optional<T> Whole(std::string_view text, Base... base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The same, of a file; absent and counted where it is outside of the bounds.
template <class T>
std::optional<T> Within(std::optional<T> value, T least, T most, int& implausible) {
  if (!value.has_value() || (*value >= least && *value <= most)) return value;
  ++implausible;
  return std::nullopt;
}

std::string_view FirstWord(std::string_view text) { return text.substr(0, text.find(' ')); }

std::string_view WithoutHexPrefix(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  return text;
}

std::optional<double> FreeStorageMib(const std::string& folder) {
  struct statvfs usage {};
  if (folder.empty() || statvfs(folder.c_str(), &usage) != 0) return std::nullopt;
  return static_cast<double>(usage.f_bavail) * static_cast<double>(usage.f_frsize) / kMib;
}

}  // namespace

BoardHealth::BoardHealth(const Options& options)
    : root_(options.root),
      model_(SmallFile(options.root + "/proc/device-tree/model").text()),
      cpu_frequency_(options.root + "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"),
      load_(options.root + "/proc/loadavg"),
      memory_(options.root + "/proc/meminfo"),
      storage_(options.storage.empty() ? std::string() : options.root + options.storage),
      throttled_(options.root + "/sys/devices/platform/soc/soc:firmware/get_throttled"),
      process_io_(options.root + "/proc/self/io") {
  for (std::string* path :
       {&temperature_.value, &temperature_.name, &voltage_.value, &voltage_.name}) {
    path->reserve(root_.size() + kMostPath);
  }
  LookAgain();
}

// Whether there is a readable value number `number`; then `sensor` is that one.
bool BoardHealth::Take(Sensor& sensor, std::string_view folder, int number, std::string_view name,
                       std::string_view value) {
  std::array<char, 12> digits;
  const char* const end = std::to_chars(digits.begin(), digits.end(), number).ptr;
  const std::string_view text(digits.data(), static_cast<size_t>(end - digits.data()));
  sensor.name.assign(root_).append(folder).append(text).append(name);
  sensor.value.assign(root_).append(folder).append(text).append(value);
  return access(sensor.value.c_str(), R_OK) == 0;
}

// cpu-thermal on a Pi, x86_pkg_temp on a PC.
bool BoardHealth::IsCpu(const Sensor& sensor) const {
  const SmallFile type(sensor.name);
  return type.text().starts_with("cpu") || type.text() == "x86_pkg_temp";
}

// The kernel's raspberrypi-hwmon driver.
bool BoardHealth::IsVoltage(const Sensor& sensor) const {
  return SmallFile(sensor.name).text() == "rpi_volt";
}

void BoardHealth::LookAgain() {
  if (!temperature_.wanted || !IsCpu(temperature_)) FindTemperature();
  if (!voltage_.wanted || !IsVoltage(voltage_)) FindVoltageAlarm();
}

// The zone of the CPU; else the first one.
void BoardHealth::FindTemperature() {
  const auto take = [this](int number) {
    return Take(temperature_, "/sys/class/thermal/thermal_zone", number, "/type", "/temp");
  };
  int first = -1;
  temperature_.wanted = false;
  for (int number = 0; number < kMostNumbers; ++number) {
    if (!take(number)) continue;
    temperature_.wanted = IsCpu(temperature_);
    if (temperature_.wanted) return;
    if (first < 0) first = number;
  }
  if (first < 0 || !take(first)) temperature_.value.clear();
}

void BoardHealth::FindVoltageAlarm() {
  voltage_.wanted = false;
  for (int number = 0; number < kMostNumbers; ++number) {
    if (!Take(voltage_, "/sys/class/hwmon/hwmon", number, "/name", "/in0_lcrit_alarm")) continue;
    voltage_.wanted = IsVoltage(voltage_);
    if (voltage_.wanted) return;
  }
  voltage_.value.clear();
}

// Thousandths of a degree; some drivers give whole degrees. Up to 200 both could be meant: what no
// board has been told apart from (0.2 C) is not what a running CPU has.
std::optional<double> BoardHealth::ReadCelsius(BoardReading& reading) const {
  if (temperature_.value.empty() || (temperature_.wanted && !IsCpu(temperature_))) return {};
  const auto raw = Whole<int64_t>(SmallFile(temperature_.value).text());
  if (!raw.has_value()) return std::nullopt;
  const auto value = static_cast<double>(*raw);
  const bool whole = value >= kMinCelsius && value <= kMaxCelsius;
  const bool plausible = value >= 1000 * kMinCelsius && value <= 1000 * kMaxCelsius;
  thousandths_ = thousandths_ || (!whole && plausible);
  return Within<double>(thousandths_ ? value / 1000 : value, kMinCelsius, kMaxCelsius,
                        reading.implausible);
}

BoardReading BoardHealth::ReadProcessor() const {
  BoardReading reading;
  reading.cpu_celsius = ReadCelsius(reading);
  if (const auto bits = Whole<uint32_t>(WithoutHexPrefix(SmallFile(throttled_).text()), 16)) {
    reading.throttling = Throttling{*bits};
    reading.under_voltage = reading.throttling->under_voltage();
  }
  return reading;
}

BoardReading BoardHealth::Read() const {
  BoardReading reading = ReadProcessor();
  int& implausible = reading.implausible;
  const auto khz =
      Within<int64_t>(Whole<int64_t>(SmallFile(cpu_frequency_).text()), 1, kMostKhz, implausible);
  if (khz.has_value()) reading.cpu_mhz = static_cast<double>(*khz) / 1000;
  reading.load_1m =
      Within<double>(Whole<double>(FirstWord(SmallFile(load_).text())), 0, kMostLoad, implausible);
  if (const auto kib = Field(SmallFile(memory_).text(), "MemAvailable")) {
    reading.memory_available_mib = static_cast<double>(*kib) / 1024.0;
  }
  reading.storage_free_mib = FreeStorageMib(storage_);
  if (!voltage_.value.empty() && IsVoltage(voltage_)) {
    const auto alarm = Within<int>(Whole<int>(SmallFile(voltage_.value).text()), 0, 1, implausible);
    if (alarm.has_value()) reading.under_voltage = *alarm != 0;
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
