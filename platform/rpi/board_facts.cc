#include "platform/rpi/board_facts.h"

#include <limits.h>
#include <stdlib.h>

#include <algorithm>

#include "platform/rpi/kernel_files.h"

namespace roost {
namespace {

using kernel::Content;
using kernel::Field;
using kernel::IfReadable;
using kernel::Names;
using kernel::Number;
using kernel::Parse;
using kernel::SmallFile;

std::string Text(const std::string& path) { return std::string(SmallFile(path).text()); }

// Takes the next word off `line`.
std::string_view Word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

// The kernel writes white space and backslashes of a path as octal: "\040".
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto code = text[i] == '\\' ? Parse<int>(text.substr(i + 1, 3), 8) : std::nullopt;
    plain += code.has_value() ? static_cast<char>(*code) : text[i];
    if (code.has_value()) i += 3;
  }
  return plain;
}

bool IsBelow(std::string_view folder, std::string_view point) {
  if (point == "/") return true;
  if (!folder.starts_with(point)) return false;
  return folder.size() == point.size() || folder[point.size()] == '/';
}

// A line of mountinfo: "22 27 179:2 / /point rw,noatime shared:1 - ext4 /dev/root rw,errors=...".
std::optional<Mount> ParseMount(std::string_view line) {
  Mount mount;
  Word(line);
  Word(line);
  mount.device = Word(line);
  Word(line);
  mount.point = Unescape(Word(line));
  mount.options = Word(line);
  const size_t dash = line.find(" - ");
  if (mount.point.empty() || dash == std::string_view::npos) return std::nullopt;
  line.remove_prefix(dash + 3);
  mount.type = Word(line);
  Word(line);
  mount.options += ',';
  mount.options += Word(line);
  return mount;
}

// The disk that a partition is a part of; a disk itself.
std::string DiskOf(const std::string& partition) {
  return IfReadable(partition + "/partition").empty() ? partition : partition + "/..";
}

// The last part of the path that the links of sysfs lead to.
std::string NameOf(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return {};
  const std::string_view whole(resolved);
  return std::string(whole.substr(whole.find_last_of('/') + 1));
}

// Field 7 of `stat` counts sectors of 512 bytes, whatever the device's own are
// (Documentation/block/stat.rst of the kernel).
std::optional<uint64_t> SectorsWritten(const std::string& disk) {
  const SmallFile stat(disk + "/stat");
  std::string_view line = stat.text();
  for (int i = 0; i < 6; ++i) Word(line);
  return Parse<uint64_t>(Word(line));
}

// "0x01 0x03": two kinds of memory, in steps of 10 % used; 0x0B: more than all (JESD84-B51,
// DEVICE_LIFE_TIME_EST). The worse one, in percent.
std::optional<int> LifeUsed(const std::string& disk) {
  const SmallFile life(disk + "/device/life_time");
  std::string_view line = life.text();
  int worst = 0;
  for (int i = 0; i < 2; ++i) {
    const std::string_view word = Word(line);
    if (word.starts_with("0x")) worst = std::max(worst, Parse<int>(word.substr(2), 16).value_or(0));
  }
  if (worst == 0) return std::nullopt;  // not defined by this device
  return worst * 10;
}

std::optional<int> SpareState(const std::string& disk) {
  const SmallFile spare(disk + "/device/pre_eol_info");
  if (!spare.text().starts_with("0x")) return std::nullopt;
  const auto state = Parse<int>(spare.text().substr(2), 16);
  return state == 0 ? std::nullopt : state;
}

}  // namespace

std::string ClockSource(const std::string& root) {
  return Text(root + "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

std::string HardwareGenerator(const std::string& root) {
  std::string name = Text(root + "/sys/class/misc/hw_random/rng_current");
  return name == "none" ? std::string() : name;
}

std::string CpuGovernor(const std::string& root) {
  return Text(root + "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
}

std::vector<WatchdogDevice> WatchdogDevices(const std::string& root) {
  std::vector<WatchdogDevice> devices;
  const std::string folder = root + "/sys/class/watchdog/";
  for (const std::string& name : Names(folder, "watchdog")) {
    WatchdogDevice device{.name = name, .identity = Text(folder + name + "/identity")};
    if (const auto seconds = Number<int>(folder + name + "/timeout")) {
      device.timeout = std::chrono::seconds(*seconds);
    }
    const std::string state = Text(folder + name + "/state");
    if (!state.empty()) device.active = state == "active";
    devices.push_back(std::move(device));
  }
  return devices;
}

bool Mount::Has(std::string_view option) const {
  std::string_view rest = options;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(','));
    if (word == option) return true;
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  }
  return false;
}

std::optional<Mount> MountOf(const std::string& root, std::string_view folder) {
  const std::string text = Content(root + "/proc/self/mountinfo").value_or("");
  std::optional<Mount> found;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    std::optional<Mount> mount = ParseMount(line);
    if (!mount.has_value() || !IsBelow(folder, mount->point)) continue;
    // Of two at the same place the later one hides the earlier.
    if (!found.has_value() || mount->point.size() >= found->point.size()) found = std::move(mount);
  }
  return found;
}

BlockDevice BlockDeviceOf(const std::string& root, const std::string& device) {
  BlockDevice block;
  if (device.empty() || device.starts_with("0:")) return block;  // 0: of no device
  const std::string disk = DiskOf(root + "/sys/dev/block/" + device);
  block.name = NameOf(disk);
  if (const auto locked = Number<int>(disk + "/ro")) block.read_only = *locked != 0;
  if (const auto sectors = SectorsWritten(disk)) block.bytes_written = *sectors * 512;
  block.life_used_percent = LifeUsed(disk);
  block.spare_state = SpareState(disk);
  return block;
}

std::optional<uint64_t> FileSystemErrors(const std::string& root, const std::string& device) {
  if (device.empty() || device.starts_with("0:")) return std::nullopt;
  const std::string name = NameOf(root + "/sys/dev/block/" + device);
  if (name.empty()) return std::nullopt;
  return Number<uint64_t>(root + "/sys/fs/ext4/" + name + "/errors_count");
}

MemoryGroup MemoryGroupOf(const std::string& root, const std::string& group) {
  MemoryGroup memory;
  const std::string folder = root + "/sys/fs/cgroup" + group;
  if (IfReadable(folder + "/memory.max").empty()) return memory;
  memory.path = group;
  memory.limit = Number<uint64_t>(folder + "/memory.max");  // "max" is no number: no limit
  memory.current = Number<uint64_t>(folder + "/memory.current");
  memory.oom_kills = Field(SmallFile(folder + "/memory.events").text(), "oom_kill ");
  return memory;
}

std::string OwnGroup(const std::string& root) {
  const SmallFile groups(root + "/proc/self/cgroup");
  std::string_view text = groups.text();
  const size_t at = text.starts_with("0::") ? 0 : text.find("\n0::");
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + (at == 0 ? 3 : 4));
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace roost
