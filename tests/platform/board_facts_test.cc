// The facts of a board over a made-up machine: each file of the kernel, there, absent or damaged.
#include "platform/rpi/board_facts.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace roost {
namespace {

namespace fs = std::filesystem;

class BoardFactsTest : public testing::Test {
 protected:
  void Put(const std::string& path, std::string_view text) {
    const fs::path file = root + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  // A card with a partition, linked as sysfs links them.
  void PutCard() {
    Put("/sys/devices/mmc/block/mmcblk0/mmcblk0p2/partition", "2\n");
    Put("/sys/devices/mmc/block/mmcblk0/stat", "  10 0 80 5 20 0 4096 70 0 60 75\n");
    Put("/sys/devices/mmc/block/mmcblk0/ro", "0\n");
    fs::create_directories(root + "/sys/dev/block");
    fs::create_directory_symlink("../../devices/mmc/block/mmcblk0", root + "/sys/dev/block/179:0");
    fs::create_directory_symlink("../../devices/mmc/block/mmcblk0/mmcblk0p2",
                                 root + "/sys/dev/block/179:2");
  }

  support::TempDir folder;
  const std::string& root = folder.path();
};

TEST_F(BoardFactsTest, AnEmptyMachineHasNoFacts) {
  EXPECT_EQ(ClockSource(root), "");
  EXPECT_EQ(HardwareGenerator(root), "");
  EXPECT_EQ(CpuGovernor(root), "");
  EXPECT_TRUE(WatchdogDevices(root).empty());
  EXPECT_FALSE(MountOf(root, "/var").has_value());
  EXPECT_EQ(BlockDeviceOf(root, "179:2").name, "");
  EXPECT_FALSE(FileSystemErrors(root, "179:2").has_value());
  EXPECT_EQ(MemoryGroupOf(root, "/system.slice").path, "");
  EXPECT_EQ(OwnGroup(root), "");
}

TEST_F(BoardFactsTest, NamesOfOneLineAreTheirWords) {
  Put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "arch_sys_counter \n");
  Put("/sys/class/misc/hw_random/rng_current", "3f104000.rng\n");
  Put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n");
  EXPECT_EQ(ClockSource(root), "arch_sys_counter");
  EXPECT_EQ(HardwareGenerator(root), "3f104000.rng");
  EXPECT_EQ(CpuGovernor(root), "ondemand");
  Put("/sys/class/misc/hw_random/rng_current", "none\n");
  EXPECT_EQ(HardwareGenerator(root), "");
}

TEST_F(BoardFactsTest, AWatchdogTellsWhatItsKernelShows) {
  Put("/sys/class/watchdog/watchdog0/identity", "Broadcom BCM2835 Watchdog timer\n");
  Put("/sys/class/watchdog/watchdog0/timeout", "10\n");
  Put("/sys/class/watchdog/watchdog0/state", "active\n");
  Put("/sys/class/watchdog/watchdog1/uevent", "MAJOR=10\n");
  const std::vector<WatchdogDevice> devices = WatchdogDevices(root);
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].identity, "Broadcom BCM2835 Watchdog timer");
  EXPECT_EQ(devices[0].timeout, std::chrono::seconds(10));
  EXPECT_EQ(devices[0].active, true);
  EXPECT_FALSE(devices[1].timeout.has_value());
  EXPECT_FALSE(devices[1].active.has_value());
}

TEST_F(BoardFactsTest, TheDeepestAndLatestMountHoldsTheFolder) {
  Put("/proc/self/mountinfo",
      "22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw,errors=remount-ro\n"
      "30 22 0:25 / /var rw - tmpfs tmpfs rw,size=10k\n"
      "31 22 179:3 / /var ro,relatime - ext4 /dev/mmcblk0p3 rw,data=writeback\n"
      "a damaged line\n"
      "32 22 0:30 / /varied rw - tmpfs tmpfs rw\n"
      "33 22 0:31 / /with\\040space rw master:1 - f2fs x rw\n");
  const Mount var = MountOf(root, "/var/lib/roost").value();
  EXPECT_EQ(var.point, "/var");
  EXPECT_EQ(var.type, "ext4");
  EXPECT_EQ(var.device, "179:3");
  EXPECT_TRUE(var.Has("ro"));
  EXPECT_TRUE(var.Has("data=writeback"));
  EXPECT_FALSE(var.Has("data"));
  EXPECT_FALSE(var.Has("noatime"));
  EXPECT_EQ(MountOf(root, "/home")->point, "/");
  EXPECT_EQ(MountOf(root, "/var")->point, "/var");
  EXPECT_EQ(MountOf(root, "/with space/x")->type, "f2fs");
}

TEST_F(BoardFactsTest, APartitionLeadsToItsCard) {
  PutCard();
  const BlockDevice card = BlockDeviceOf(root, "179:2");
  EXPECT_EQ(card.name, "mmcblk0");
  EXPECT_EQ(card.bytes_written, 4096u * 512u);
  EXPECT_EQ(card.read_only, false);
  EXPECT_FALSE(card.life_used_percent.has_value());
  EXPECT_FALSE(card.spare_state.has_value());
  EXPECT_EQ(BlockDeviceOf(root, "179:0").name, "mmcblk0");
  EXPECT_EQ(BlockDeviceOf(root, "0:25").name, "");
}

TEST_F(BoardFactsTest, LifeIsTheWorseOfTheTwoKindsOfMemory) {
  PutCard();
  const auto life = [this](std::string_view text) {
    Put("/sys/devices/mmc/block/mmcblk0/device/life_time", text);
    return BlockDeviceOf(root, "179:2").life_used_percent;
  };
  EXPECT_EQ(life("0x01 0x03\n"), 30);
  EXPECT_EQ(life("0x0B 0x01\n"), 110);
  EXPECT_FALSE(life("0x00 0x00\n").has_value());
  EXPECT_FALSE(life("unknown\n").has_value());
  Put("/sys/devices/mmc/block/mmcblk0/device/pre_eol_info", "0x02\n");
  EXPECT_EQ(BlockDeviceOf(root, "179:2").spare_state, 2);
  Put("/sys/devices/mmc/block/mmcblk0/device/pre_eol_info", "0x00\n");
  EXPECT_FALSE(BlockDeviceOf(root, "179:2").spare_state.has_value());
}

TEST_F(BoardFactsTest, AFileSystemTellsTheErrorsItHasSeen) {
  PutCard();
  Put("/sys/fs/ext4/mmcblk0p2/errors_count", "3\n");
  EXPECT_EQ(FileSystemErrors(root, "179:2"), 3u);
  EXPECT_FALSE(FileSystemErrors(root, "179:0").has_value());
}

TEST_F(BoardFactsTest, AGroupWithoutALimitHasNone) {
  const std::string group = "/system.slice/roost-node.service";
  Put("/sys/fs/cgroup" + group + "/memory.max", "max\n");
  Put("/sys/fs/cgroup" + group + "/memory.current", "4096\n");
  Put("/sys/fs/cgroup" + group + "/memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\n");
  MemoryGroup memory = MemoryGroupOf(root, group);
  EXPECT_EQ(memory.path, group);
  EXPECT_FALSE(memory.limit.has_value());
  EXPECT_EQ(memory.current, 4096u);
  EXPECT_EQ(memory.oom_kills, 1u);
  Put("/sys/fs/cgroup" + group + "/memory.max", "67108864\n");
  EXPECT_EQ(MemoryGroupOf(root, group).limit, uint64_t{64} << 20);
}

TEST_F(BoardFactsTest, OwnGroupIsTheOneOfVersionTwo) {
  Put("/proc/self/cgroup", "4:memory:/old\n0::/user.slice\n");
  EXPECT_EQ(OwnGroup(root), "/user.slice");
  Put("/proc/self/cgroup", "0::/a b\n");
  EXPECT_EQ(OwnGroup(root), "/a b");
  Put("/proc/self/cgroup", "4:memory:/old\n");
  EXPECT_EQ(OwnGroup(root), "");
}

}  // namespace
}  // namespace roost
