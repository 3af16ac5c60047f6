// platform/rpi/board_health.h - how the board is: temperature, load, memory, card, power.
//
// Everything is read from the kernel's text files. A file that is not there, not readable or not
// understood makes its value absent; that is normal (a PC has no under-voltage alarm) and never an
// error. So does a value that no board can have, such as a bogus one of the firmware; it is counted.
// Sensors that drivers number are found by their names, which are looked at with each value: one
// that has moved is absent until LookAgain().
//
// Threads:  one thread at a time
// Blocks:   never for long: files of /proc and /sys, and statvfs of the card
// Memory:   a few paths at construction; Read() and LookAgain() allocate nothing
// Errors:   none; see above
// Example:
//   roost::BoardHealth board({.storage = "/var/lib/roost"});
//   if (const auto celsius = board.Read().cpu_celsius) Report("cpu_temperature", *celsius);
#ifndef PLATFORM_RPI_BOARD_HEALTH_H_
#define PLATFORM_RPI_BOARD_HEALTH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace roost {

// What the firmware says about power and heat: the bits of `vcgencmd get_throttled`.
struct Throttling {
  uint32_t bits = 0;
  constexpr bool under_voltage() const { return (bits & 0x1) != 0; }
  constexpr bool frequency_capped() const { return (bits & 0x2) != 0; }
  constexpr bool throttled() const { return (bits & 0x4) != 0; }
  constexpr bool soft_limit() const { return (bits & 0x8) != 0; }
  // The same four, at any time since boot.
  constexpr uint32_t since_boot() const { return (bits >> 16) & 0xf; }
};

struct BoardReading {
  std::optional<double> cpu_celsius;  // thermal zone of the CPU, kMinCelsius to kMaxCelsius
  std::optional<double> cpu_mhz;      // what the first core runs at
  std::optional<double> load_1m;      // load average of the last minute
  std::optional<double> memory_available_mib;  // MemAvailable
  std::optional<double> storage_free_mib;      // what an unprivileged process may still write
  std::optional<bool> under_voltage;           // now
  std::optional<Throttling> throttling;
  int implausible = 0;  // values that were there and that no board can have
};

class BoardHealth {
 public:
  static constexpr double kMinCelsius = -60;
  static constexpr double kMaxCelsius = 200;

  struct Options {
    // Set before every path, so that a test can show a made-up machine.
    std::string root{};
    // A folder of the file system to watch: the database's. Empty: storage is not read.
    std::string storage{};
  };
  explicit BoardHealth(const Options& options);

  // "Raspberry Pi 4 Model B Rev 1.4"; empty where there is no device tree.
  const std::string& model() const { return model_; }
  // The file of the under-voltage alarm; empty where the driver is not loaded.
  const std::string& voltage_alarm() const { return voltage_.value; }
  BoardReading Read() const;
  // Its cpu_celsius and throttling alone: two small files that the kernel makes up.
  BoardReading ReadProcessor() const;
  // Looks for sensors whose drivers came late or have given them other numbers; once a minute will
  // do. Dozens of small files where one is missing.
  void LookAgain();
  // Bytes that this process has had written to storage, by the kernel's account. It counts a page
  // once when it becomes dirty, the journal of the file system not at all.
  std::optional<uint64_t> BytesWritten() const;

 private:
  // A value beside the file that names its driver. The strings keep their room.
  struct Sensor {
    std::string value{};  // paths; empty: there is none
    std::string name{};
    bool wanted = false;  // it has the name that was looked for, and not only a value
  };
  bool Take(Sensor& sensor, std::string_view folder, int number, std::string_view name,
            std::string_view value);
  void FindTemperature();
  void FindVoltageAlarm();
  bool IsCpu(const Sensor& sensor) const;
  bool IsVoltage(const Sensor& sensor) const;
  std::optional<double> ReadCelsius(BoardReading& reading) const;

  const std::string root_;
  const std::string model_;
  Sensor temperature_;
  Sensor voltage_;
  // A value showed that the temperature comes in thousandths, and not in whole degrees.
  mutable bool thousandths_ = false;
  // Paths, whether they are there or not.
  const std::string cpu_frequency_;
  const std::string load_;
  const std::string memory_;
  const std::string storage_;
  const std::string throttled_;
  const std::string process_io_;
};

// Whether the wall clock has been set by a time service. Nothing where the kernel may not be asked:
// under ProtectClock= of systemd.
std::optional<bool> AskWallClock();

// The same. False on a board that has just started, and where it is not known.
bool WallClockIsSynchronised();

// Microseconds since boot, suspend included (CLOCK_BOOTTIME).
int64_t BootMicros();

}  // namespace roost

#endif  // PLATFORM_RPI_BOARD_HEALTH_H_
