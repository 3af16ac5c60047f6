// VoltageAlarm over a made-up machine: the driver there, absent, late, and gone.
#include "platform/rpi/voltage_alarm.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace roost {
namespace {

class VoltageAlarmTest : public testing::Test {
 protected:
  void Put(const std::string& path, std::string_view text) {
    const std::filesystem::path file = folder.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  void PutDriver(int number, std::string_view alarm) {
    const std::string at = "/sys/class/hwmon/hwmon" + std::to_string(number);
    Put(at + "/name", "rpi_volt\n");
    Put(at + "/in0_lcrit_alarm", alarm);
  }

  support::TempDir folder;
};

TEST_F(VoltageAlarmTest, AMachineWithoutTheDriverSaysNoAndHasNothingToWaitFor) {
  const BoardHealth board({.root = folder.path()});
  VoltageAlarm alarm(board);
  EXPECT_FALSE(alarm.Fails());
  EXPECT_EQ(alarm.Wait().fd, -1);
}

TEST_F(VoltageAlarmTest, TheStateIsReadAnewEachTimeFromOneDescriptor) {
  PutDriver(2, "1\n");
  const BoardHealth board({.root = folder.path()});
  VoltageAlarm alarm(board);
  EXPECT_TRUE(alarm.Fails()) << "also where it was on before";
  const int fd = alarm.Wait().fd;
  EXPECT_GE(fd, 0);
  PutDriver(2, "0\n");
  EXPECT_FALSE(alarm.Fails());
  PutDriver(2, "1\n");
  EXPECT_TRUE(alarm.Fails());
  EXPECT_EQ(alarm.Wait().fd, fd);
}

// A file of sysfs can always be read: who waited for that would never sleep.
TEST_F(VoltageAlarmTest, ItsDescriptorIsWaitedForAndNotAlwaysReady) {
  PutDriver(0, "0\n");
  const BoardHealth board({.root = folder.path()});
  VoltageAlarm alarm(board);
  EXPECT_FALSE(alarm.Fails());
  DescriptorWait wait = alarm.Wait();
  EXPECT_FALSE(wait.wanted.any());
  NativePlatform().WaitForDescriptors({&wait, 1}, Deadline::Past());
  EXPECT_FALSE(wait.seen.any());
}

TEST_F(VoltageAlarmTest, ADriverThatComesLateOrUnderAnotherNumberIsFound) {
  BoardHealth board({.root = folder.path()});
  VoltageAlarm alarm(board);
  EXPECT_FALSE(alarm.Fails());
  PutDriver(1, "1\n");
  board.LookAgain();
  EXPECT_TRUE(alarm.Fails());
  std::filesystem::remove_all(folder.path() + "/sys/class/hwmon/hwmon1");
  PutDriver(3, "1\n");
  board.LookAgain();
  EXPECT_TRUE(alarm.Fails());
  EXPECT_GE(alarm.Wait().fd, 0);
}

TEST_F(VoltageAlarmTest, ADriverThatIsGoneSaysNoAndIsNotWaitedFor) {
  PutDriver(0, "1\n");
  const BoardHealth board({.root = folder.path()});
  VoltageAlarm alarm(board);
  EXPECT_TRUE(alarm.Fails());
  std::filesystem::resize_file(folder.path() + "/sys/class/hwmon/hwmon0/in0_lcrit_alarm", 0);
  EXPECT_FALSE(alarm.Fails());
  EXPECT_EQ(alarm.Wait().fd, -1);
  PutDriver(0, "1\n");
  EXPECT_TRUE(alarm.Fails()) << "it is loaded again under its old number";
}

}  // namespace
}  // namespace roost
