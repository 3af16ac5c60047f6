// tests/tools/made_up_board.h - a folder that plays the root of a Raspberry Pi, for roost-node
// --root.
#ifndef ROOST_TESTS_TOOLS_MADE_UP_BOARD_H_
#define ROOST_TESTS_TOOLS_MADE_UP_BOARD_H_

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace roost::testing {

// Fills `root` with the files of a board that is hot, loaded and short of voltage: six sensors.
inline void MakeUpBoard(const std::string& root) {
  const auto put = [&root](const std::string& path, std::string_view text) {
    const std::filesystem::path file = root + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  };
  put("/proc/device-tree/model", std::string_view("Raspberry Pi 3 Model B Rev 1.2\0", 31));
  put("/proc/loadavg", "3.25 2.80 1.50 2/345 6789\n");
  put("/proc/meminfo", "MemTotal:  948304 kB\nMemAvailable:   524288 kB\n");
  put("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
  put("/sys/class/thermal/thermal_zone0/temp", "81312\n");
  put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000\n");
  put("/sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
}

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_MADE_UP_BOARD_H_
