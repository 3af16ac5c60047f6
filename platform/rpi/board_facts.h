// platform/rpi/board_facts.h - what the kernel says about a machine when it is asked once: clock,
// watchdog, card, limits of memory. For self-tests; what a node reads all the time is
// board_health.h.
//
// `root` is set before every path, so that a test can show a made-up machine; empty: this one.
//
// Threads:  any
// Blocks:   never for long: small files of /proc and /sys. /dev/watchdog is never opened: that would
//           arm it
// Memory:   the answers
// Errors:   none; what is not there or not understood is empty
// Example:
//   if (const auto mount = roost::MountOf("", "/var/lib/roost")) Say(mount->type);
#ifndef PLATFORM_RPI_BOARD_FACTS_H_
#define PLATFORM_RPI_BOARD_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roost/deadline.h"

namespace roost {

// What the monotonic clock counts with: "arch_sys_counter" on a Pi, "tsc" on a PC.
std::string ClockSource(const std::string& root);

// The hardware generator of random numbers that the kernel uses. Empty: none.
std::string HardwareGenerator(const std::string& root);

// How the first core's frequency is chosen: "ondemand". Empty: it is fixed.
std::string CpuGovernor(const std::string& root);

struct WatchdogDevice {
  std::string name{};                 // "watchdog0"
  std::string identity{};             // of the driver
  std::optional<Duration> timeout{};  // until it bites
  std::optional<bool> active{};       // somebody has armed it
};
std::vector<WatchdogDevice> WatchdogDevices(const std::string& root);

// The file system that a folder is in.
struct Mount {
  std::string point{};    // where it is mounted
  std::string type{};     // "ext4"
  std::string device{};   // "179:2": major and minor number
  std::string options{};  // "rw,noatime", those of the mount and those of the file system
  // An option as a whole word: "ro", "data=writeback".
  bool Has(std::string_view option) const;
};
// REQUIRES: `folder` is absolute and has no symbolic links in it.
std::optional<Mount> MountOf(const std::string& root, std::string_view folder);

// A disk or card. Life is told by eMMC only; SD cards keep it to themselves.
struct BlockDevice {
  std::string name{};                       // "mmcblk0"; empty: none (memory, network)
  std::optional<bool> read_only{};          // locked, or given up by its driver
  std::optional<uint64_t> bytes_written{};  // since boot
  std::optional<int> life_used_percent{};   // the upper end of the step that it tells, 10 to 110
  std::optional<int> spare_state{};         // pre_eol_info: 1 normal, 2 80 % used, 3 urgent
};
BlockDevice BlockDeviceOf(const std::string& root, const std::string& device);

// Errors that an ext4 file system has written down about itself, since it was checked last.
std::optional<uint64_t> FileSystemErrors(const std::string& root, const std::string& device);

// Limits of a control group (version 2), such as "/system.slice/roost-node.service".
struct MemoryGroup {
  std::string path{};                   // empty: there is no memory controller
  std::optional<uint64_t> limit{};      // memory.max in bytes; nothing: none
  std::optional<uint64_t> current{};    // in use now
  std::optional<uint64_t> oom_kills{};  // processes that were killed at the limit
};
MemoryGroup MemoryGroupOf(const std::string& root, const std::string& group);
// The group that this process is in. Empty: none, or version 1.
std::string OwnGroup(const std::string& root);

}  // namespace roost

#endif  // PLATFORM_RPI_BOARD_FACTS_H_
