// BoardHealth over a made-up machine: each file of the kernel that it reads, there, absent or
// damaged.
#include "platform/rpi/board_health.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace roost {
namespace {

namespace fs = std::filesystem;

// A folder that plays the root of a machine.
class BoardHealthTest : public testing::Test {
 protected:
  void Put(const std::string& path, std::string_view text) {
    const fs::path file = root + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  BoardHealth Board() { return BoardHealth({.root = root, .storage = "/"}); }

  support::TempDir folder;
  const std::string& root = folder.path();
};

TEST_F(BoardHealthTest, AMachineWithoutSensorsHasNoValuesAndNoErrors) {
  const BoardHealth board = BoardHealth({.root = root});
  const BoardReading reading = board.Read();
  EXPECT_EQ(board.model(), "");
  EXPECT_FALSE(reading.cpu_celsius.has_value());
  EXPECT_FALSE(reading.cpu_mhz.has_value());
  EXPECT_FALSE(reading.load_1m.has_value());
  EXPECT_FALSE(reading.memory_available_mib.has_value());
  EXPECT_FALSE(reading.storage_free_mib.has_value());
  EXPECT_FALSE(reading.under_voltage.has_value());
  EXPECT_FALSE(reading.throttling.has_value());
  EXPECT_FALSE(board.BytesWritten().has_value());
}

TEST_F(BoardHealthTest, ModelLosesTheNulOfTheDeviceTree) {
  Put("/proc/device-tree/model", std::string_view("Raspberry Pi 4 Model B Rev 1.4\0", 31));
  EXPECT_EQ(Board().model(), "Raspberry Pi 4 Model B Rev 1.4");
}

TEST_F(BoardHealthTest, TemperatureComesFromTheZoneOfTheCpu) {
  Put("/sys/class/thermal/thermal_zone0/type", "pmic-thermal\n");
  Put("/sys/class/thermal/thermal_zone0/temp", "61000\n");
  Put("/sys/class/thermal/thermal_zone1/type", "cpu-thermal\n");
  Put("/sys/class/thermal/thermal_zone1/temp", "48312\n");
  EXPECT_DOUBLE_EQ(Board().Read().cpu_celsius.value(), 48.312);
}

TEST_F(BoardHealthTest, WithoutAZoneOfTheCpuTheFirstZoneServes) {
  Put("/sys/class/thermal/thermal_zone0/type", "acpitz\n");
  Put("/sys/class/thermal/thermal_zone0/temp", "-4500\n");
  Put("/sys/class/thermal/thermal_zone1/type", "wifi\n");
  Put("/sys/class/thermal/thermal_zone1/temp", "39000\n");
  EXPECT_DOUBLE_EQ(Board().Read().cpu_celsius.value(), -4.5);
}

TEST_F(BoardHealthTest, ASensorThatGoesAwayBecomesAbsent) {
  Put("/sys/class/thermal/thermal_zone0/temp", "48312\n");
  const BoardHealth board = Board();
  ASSERT_TRUE(board.Read().cpu_celsius.has_value());
  fs::remove_all(root + "/sys/class/thermal");
  EXPECT_FALSE(board.Read().cpu_celsius.has_value());
}

TEST_F(BoardHealthTest, ADriverThatComesLateIsFoundByTheNextLook) {
  BoardHealth board = Board();
  Put("/sys/class/thermal/thermal_zone0/type", "gpu-thermal\n");
  Put("/sys/class/thermal/thermal_zone0/temp", "61000\n");
  board.LookAgain();
  EXPECT_DOUBLE_EQ(board.Read().cpu_celsius.value(), 61) << "the first zone serves";
  Put("/sys/class/thermal/thermal_zone1/type", "cpu-thermal\n");
  Put("/sys/class/thermal/thermal_zone1/temp", "48312\n");
  Put("/sys/class/hwmon/hwmon0/name", "rpi_volt\n");
  Put("/sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
  // These are always where they are.
  Put("/proc/loadavg", "1.25 0.80 0.50 2/345 6789\n");
  Put("/sys/devices/platform/soc/soc:firmware/get_throttled", "50004\n");
  board.LookAgain();
  const BoardReading reading = board.Read();
  EXPECT_DOUBLE_EQ(reading.cpu_celsius.value(), 48.312);
  EXPECT_EQ(reading.under_voltage, true);
  EXPECT_DOUBLE_EQ(reading.load_1m.value(), 1.25);
  EXPECT_TRUE(reading.throttling->throttled());
}

// After a driver was loaded again, another one may have its number.
TEST_F(BoardHealthTest, ASensorThatMovedIsNotTakenForItsNeighbour) {
  Put("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
  Put("/sys/class/thermal/thermal_zone0/temp", "48312\n");
  Put("/sys/class/hwmon/hwmon2/name", "rpi_volt\n");
  Put("/sys/class/hwmon/hwmon2/in0_lcrit_alarm", "1\n");
  BoardHealth board = Board();
  EXPECT_EQ(board.Read().under_voltage, true);
  Put("/sys/class/thermal/thermal_zone0/type", "wifi\n");
  Put("/sys/class/thermal/thermal_zone0/temp", "39000\n");
  Put("/sys/class/thermal/thermal_zone12/type", "cpu-thermal\n");
  Put("/sys/class/thermal/thermal_zone12/temp", "50000\n");
  Put("/sys/class/hwmon/hwmon2/name", "nvme\n");
  Put("/sys/class/hwmon/hwmon2/in0_lcrit_alarm", "0\n");
  Put("/sys/class/hwmon/hwmon1/name", "rpi_volt\n");
  Put("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
  EXPECT_FALSE(board.Read().cpu_celsius.has_value());
  EXPECT_FALSE(board.Read().under_voltage.has_value());
  board.LookAgain();
  EXPECT_DOUBLE_EQ(board.Read().cpu_celsius.value(), 50);
  EXPECT_EQ(board.Read().under_voltage, true);
}

TEST_F(BoardHealthTest, WholeDegreesAreTakenForWhatTheyAre) {
  const auto reads = [this](const BoardHealth& board, const char* text) {
    Put("/sys/class/thermal/thermal_zone0/temp", text);
    return board.Read().cpu_celsius;
  };
  Put("/sys/class/thermal/thermal_zone0/temp", "0\n");
  const BoardHealth whole = Board();
  EXPECT_DOUBLE_EQ(reads(whole, "45\n").value(), 45);
  EXPECT_DOUBLE_EQ(reads(whole, "-12\n").value(), -12);
  EXPECT_FALSE(reads(whole, "-650788984\n").has_value()) << "says nothing of the unit";
  EXPECT_DOUBLE_EQ(reads(whole, "45\n").value(), 45);
  const BoardHealth thousandths = Board();
  EXPECT_DOUBLE_EQ(reads(thousandths, "1500\n").value(), 1.5);
  EXPECT_DOUBLE_EQ(reads(thousandths, "150\n").value(), 0.15);
}

TEST_F(BoardHealthTest, WhatNoBoardCanHaveIsAbsentAndCounted) {
  Put("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
  Put("/sys/class/hwmon/hwmon0/name", "rpi_volt\n");
  const struct {
    const char* path;
    const char* text;
    int implausible;
  } cases[] = {
      {"/sys/class/thermal/thermal_zone0/temp", "-650788984\n", 1},
      {"/sys/class/thermal/thermal_zone0/temp", "200001\n", 1},
      {"/sys/class/thermal/thermal_zone0/temp", "-60001\n", 1},
      {"/sys/class/thermal/thermal_zone0/temp", "0x10\n", 0},
      {"/sys/class/thermal/thermal_zone0/temp", "45000.5\n", 0},
      {"/sys/class/thermal/thermal_zone0/temp", "45000 C\n", 0},
      {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "0\n", 1},
      {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "-1\n", 1},
      {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000x\n", 0},
      {"/proc/loadavg", "nan 0 0 1/1 1\n", 1},
      {"/proc/loadavg", "inf 0 0 1/1 1\n", 1},
      {"/proc/loadavg", "-1 0 0 1/1 1\n", 1},
      {"/proc/loadavg", "1,25 0 0 1/1 1\n", 0},
      {"/sys/class/hwmon/hwmon0/in0_lcrit_alarm", "7\n", 1},
      {"/sys/devices/platform/soc/soc:firmware/get_throttled", "50005g\n", 0},
  };
  for (const auto& [path, text, implausible] : cases) {
    Put(path, text);
    const BoardReading reading = Board().Read();
    fs::remove(root + path);
    EXPECT_EQ(reading.implausible, implausible) << path << " " << text;
    EXPECT_FALSE(reading.cpu_celsius || reading.cpu_mhz || reading.load_1m ||
                 reading.under_voltage || reading.throttling)
        << path << " " << text;
  }
  Put("/sys/devices/platform/soc/soc:firmware/get_throttled", "0x50005\n");
  EXPECT_EQ(Board().Read().throttling->bits, 0x50005u);
}

TEST_F(BoardHealthTest, LoadMemoryAndFrequencyAreRead) {
  Put("/proc/loadavg", "1.25 0.80 0.50 2/345 6789\n");
  Put("/proc/meminfo", "MemTotal:  948304 kB\nMemFree:  12345 kB\nMemAvailable:   524288 kB\n");
  Put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1500000\n");
  const BoardReading reading = Board().Read();
  EXPECT_DOUBLE_EQ(reading.load_1m.value(), 1.25);
  EXPECT_DOUBLE_EQ(reading.memory_available_mib.value(), 512.0);
  EXPECT_DOUBLE_EQ(reading.cpu_mhz.value(), 1500.0);
}

TEST_F(BoardHealthTest, StorageIsTheFileSystemOfTheFolder) {
  EXPECT_GT(Board().Read().storage_free_mib.value(), 0.0);
  const BoardHealth nowhere({.root = root, .storage = "/no/such/folder"});
  EXPECT_FALSE(nowhere.Read().storage_free_mib.has_value());
}

TEST_F(BoardHealthTest, ThrottlingIsHexWithoutAPrefix) {
  Put("/sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
  const BoardReading reading = Board().Read();
  const Throttling seen = reading.throttling.value();
  EXPECT_EQ(seen.bits, 0x50005u);
  EXPECT_TRUE(seen.under_voltage());
  EXPECT_FALSE(seen.frequency_capped());
  EXPECT_TRUE(seen.throttled());
  EXPECT_FALSE(seen.soft_limit());
  EXPECT_EQ(seen.since_boot(), 5u);
  EXPECT_EQ(reading.under_voltage, true);
}

TEST_F(BoardHealthTest, TheKernelsAlarmHasTheLastWordOnVoltage) {
  Put("/sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
  Put("/sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
  Put("/sys/class/hwmon/hwmon1/name", "rpi_volt\n");
  Put("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
  Put("/sys/devices/platform/soc/soc:firmware/get_throttled", "1\n");
  EXPECT_EQ(Board().Read().under_voltage, false);
}

TEST_F(BoardHealthTest, WhatIsNotANumberIsAbsent) {
  Put("/proc/loadavg", "many\n");
  Put("/proc/meminfo", "MemAvailable: lots kB\n");
  Put("/sys/class/thermal/thermal_zone0/temp", "");
  Put("/sys/devices/platform/soc/soc:firmware/get_throttled", "\n");
  const BoardReading reading = Board().Read();
  EXPECT_FALSE(reading.load_1m.has_value());
  EXPECT_FALSE(reading.memory_available_mib.has_value());
  EXPECT_FALSE(reading.cpu_celsius.has_value());
  EXPECT_FALSE(reading.throttling.has_value());
}

TEST_F(BoardHealthTest, BytesWrittenAreTheProcesssOwn) {
  Put("/proc/self/io", "rchar: 1\nwchar: 2\nwrite_bytes: 45056\ncancelled_write_bytes: 4096\n");
  EXPECT_EQ(Board().BytesWritten(), 45056u);
}

TEST(BoardHealthOfThisMachineTest, ReadsWhatEveryLinuxHas) {
  const BoardHealth board({.storage = "/"});
  const BoardReading reading = board.Read();
  EXPECT_TRUE(reading.load_1m.has_value());
  EXPECT_GT(reading.memory_available_mib.value_or(0), 0.0);
  EXPECT_GT(reading.storage_free_mib.value_or(-1), -1.0);
}

TEST(BoardHealthOfThisMachineTest, WhatIsNotKnownOfTheWallClockIsNotSynchronised) {
  EXPECT_EQ(WallClockIsSynchronised(), AskWallClock().value_or(false));
}

TEST(BoardHealthOfThisMachineTest, TimeSinceBootGrows) {
  const int64_t first = BootMicros();
  EXPECT_GT(first, 0);
  EXPECT_GE(BootMicros(), first);
}

}  // namespace
}  // namespace roost
