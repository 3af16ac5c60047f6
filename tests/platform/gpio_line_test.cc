// GpioLine over a made-up kernel: what it asks, what it answers, and what it says of a chip or a line that cannot be
// had.
#include "platform/rpi/gpio_line.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/gpio.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/temp_dir.h"

namespace roost {
namespace {

// Chips in a folder: their files are there, so that their names are found, and what they answer is here.
class MadeUpGpio : public GpioKernel {
 public:
  struct MadeUpChip {
    std::string label;
    uint32_t lines = 0;
  };
  static constexpr int kLineFd = 77;

  int Open(const char* path) override {
    const auto found = chips.find(path);
    if (found == chips.end()) return -ENOENT;
    if (open_error != 0) return -open_error;
    open_path = path;
    ++open;
    return 5;
  }
  int Ioctl(int fd, unsigned long request, void* argument) override {
    const MadeUpChip& chip = chips.at(open_path);
    switch (request) {
      case GPIO_GET_CHIPINFO_IOCTL: {
        if (not_a_chip) return -ENOTTY;
        auto* info = static_cast<gpiochip_info*>(argument);
        std::copy(chip.label.begin(), chip.label.end(), info->label);
        info->lines = chip.lines;
        return 0;
      }
      case GPIO_V2_GET_LINEINFO_IOCTL: {
        auto* info = static_cast<gpio_v2_line_info*>(argument);
        EXPECT_EQ(info->offset, 17u);
        std::copy(consumer.begin(), consumer.end(), info->consumer);
        return 0;
      }
      case GPIO_V2_GET_LINE_IOCTL: {
        auto* line = static_cast<gpio_v2_line_request*>(argument);
        asked = *line;
        if (line_error != 0) return -line_error;
        line->fd = kLineFd;
        ++open;
        return 0;
      }
      case GPIO_V2_LINE_GET_VALUES_IOCTL: {
        EXPECT_EQ(fd, kLineFd);
        if (gone) return -ENODEV;
        auto* values = static_cast<gpio_v2_line_values*>(argument);
        EXPECT_EQ(values->mask, 1u);
        values->bits = active ? 1 : 0;
        return 0;
      }
      default:
        ADD_FAILURE() << "an ioctl that no one knows: " << request;
        return -EINVAL;
    }
  }
  int Read(int fd, void*, size_t bytes) override {
    EXPECT_EQ(fd, kLineFd);
    EXPECT_TRUE(non_blocking) << "a read would wait for the next event";
    ++reads;
    if (events == 0) return -EAGAIN;
    const size_t taken = std::min(events, bytes / sizeof(gpio_v2_line_event));
    if (!endless) events -= taken;
    return static_cast<int>(taken * sizeof(gpio_v2_line_event));
  }
  int SetNonBlocking(int fd) override {
    EXPECT_EQ(fd, kLineFd);
    non_blocking = true;
    return 0;
  }
  void Close(int) override { --open; }

  std::map<std::string, MadeUpChip> chips;
  std::string consumer;
  int open_error = 0;
  int line_error = 0;
  bool not_a_chip = false;
  bool non_blocking = false;
  bool active = false;
  bool gone = false;
  bool endless = false;
  size_t events = 0;
  int reads = 0;
  int open = 0;  // descriptors
  gpio_v2_line_request asked{};

 private:
  std::string open_path;
};

class GpioLineTest : public testing::Test {
 protected:
  GpioLineTest() {
    Add("gpiochip0", {"pinctrl-bcm2711", 58});
    Add("gpiochip1", {"raspberrypi-exp-gpio", 8});
  }
  ~GpioLineTest() override { EXPECT_EQ(kernel.open, 0) << "descriptors are left open"; }

  void Add(const std::string& name, const MadeUpGpio::MadeUpChip& chip) {
    std::ofstream(folder.File(name)) << "";
    kernel.chips[folder.File(name)] = chip;
  }
  absl::StatusOr<std::unique_ptr<GpioLine>> Open(const std::string& chip, uint32_t line = 17,
                                                 bool active_low = false) {
    return GpioLine::Open(
        {.chip = chip, .line = line, .active_low = active_low, .dev = folder.path()}, kernel);
  }
  std::string WhyNot(const std::string& chip, uint32_t line = 17) {
    const auto opened = Open(chip, line);
    return std::string(opened.status().message());
  }

  support::TempDir folder;
  MadeUpGpio kernel;
};

TEST_F(GpioLineTest, TakesTheLineAsAnInputWithBothEdges) {
  const auto line = Open("gpiochip0");
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(kernel.asked.num_lines, 1u);
  EXPECT_EQ(kernel.asked.offsets[0], 17u);
  EXPECT_STREQ(kernel.asked.consumer, "roost-node");
  EXPECT_EQ(kernel.asked.config.flags,
            uint64_t{GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING |
                     GPIO_V2_LINE_FLAG_EDGE_FALLING});
  EXPECT_EQ((*line)->Wait().fd, MadeUpGpio::kLineFd);
  EXPECT_TRUE((*line)->Wait().wanted.readable);
}

TEST_F(GpioLineTest, ActiveLowIsTheKernelsToTurn) {
  const auto line = Open("gpiochip0", 17, true);
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_NE(kernel.asked.config.flags & GPIO_V2_LINE_FLAG_ACTIVE_LOW, 0u);
}

TEST_F(GpioLineTest, AChipIsNamedByItsNameNumberPathOrLabel) {
  for (const std::string& chip : {std::string("gpiochip0"), std::string("0"),
                                  folder.File("gpiochip0"), std::string("pinctrl-bcm2711")}) {
    EXPECT_TRUE(Open(chip).ok()) << chip << ": " << WhyNot(chip);
  }
}

// The state at the beginning counts: an edge before it is told to nobody.
TEST_F(GpioLineTest, ALineThatIsActiveAlreadyFailsAtOnce) {
  kernel.active = true;
  const auto line = Open("gpiochip0");
  ASSERT_TRUE(line.ok());
  EXPECT_TRUE((*line)->Fails());
}

// Edges bounce, and a full queue loses some: only the state counts, and the queue is emptied for the next wait.
TEST_F(GpioLineTest, EventsAreTakenAndTheStateIsAskedFor) {
  const auto line = Open("gpiochip0");
  ASSERT_TRUE(line.ok());
  kernel.events = 40;
  EXPECT_FALSE((*line)->Fails());
  EXPECT_EQ(kernel.events, 0u);
  kernel.active = true;
  EXPECT_TRUE((*line)->Fails()) << "also where no event tells of it";
}

TEST_F(GpioLineTest, AStormOfEventsDoesNotHoldTheLoop) {
  const auto line = Open("gpiochip0");
  ASSERT_TRUE(line.ok());
  kernel.events = 1'000'000;
  kernel.endless = true;
  kernel.active = true;
  EXPECT_TRUE((*line)->Fails());
  EXPECT_LE(kernel.reads, 16);
}

TEST_F(GpioLineTest, AChipThatGoesAwaySaysNoAndIsNotWaitedFor) {
  const auto line = Open("gpiochip0");
  ASSERT_TRUE(line.ok());
  kernel.active = true;
  kernel.gone = true;
  EXPECT_FALSE((*line)->Fails());
  EXPECT_EQ((*line)->Wait().fd, -1);
  EXPECT_FALSE((*line)->Fails());
}

TEST_F(GpioLineTest, AChipThatIsNotThereNamesThoseThatAre) {
  EXPECT_EQ(WhyNot("gpiochip4"),
            "there is no chip gpiochip4; there is gpiochip0 (pinctrl-bcm2711, 58 lines), gpiochip1 "
            "(raspberrypi-exp-gpio, 8 lines)");
  EXPECT_TRUE(absl::IsNotFound(Open("gpiochip4").status()));
}

TEST_F(GpioLineTest, AMachineWithoutChipsSaysSo) {
  const support::TempDir empty;
  const auto line = GpioLine::Open({.chip = "0", .line = 1, .dev = empty.path()}, kernel);
  EXPECT_EQ(line.status().message(),
            "there is no chip 0; this machine has no GPIO chip (" + empty.path() + "/gpiochip*)");
}

TEST_F(GpioLineTest, AFileThatIsNoChipIsNamed) {
  kernel.not_a_chip = true;
  EXPECT_NE(WhyNot("gpiochip0").find("gpiochip0 is no GPIO chip"), std::string::npos);
}

TEST_F(GpioLineTest, ALineThatTheChipHasNotNamesTheLast) {
  EXPECT_EQ(
      WhyNot("gpiochip1", 8),
      folder.File("gpiochip1") + " (raspberrypi-exp-gpio) has lines 0 to 7; there is no line 8");
}

TEST_F(GpioLineTest, ALineThatAnotherHasNamesThatOne) {
  kernel.line_error = EBUSY;
  kernel.consumer = "spi0 CS0";
  EXPECT_NE(WhyNot("gpiochip0").find("it is used by spi0 CS0; choose another line"),
            std::string::npos);
  kernel.consumer = "";
  EXPECT_NE(WhyNot("gpiochip0").find("it is used by the kernel"), std::string::npos);
}

TEST_F(GpioLineTest, EachOtherErrorSaysWhatWouldBeRight) {
  kernel.open_error = EACCES;
  EXPECT_NE(WhyNot("gpiochip0").find("a service needs DeviceAllow="), std::string::npos);
  EXPECT_TRUE(absl::IsPermissionDenied(Open("gpiochip0").status()));
  kernel.open_error = EMFILE;
  EXPECT_NE(WhyNot("gpiochip0").find("Too many open files"), std::string::npos);
  kernel.open_error = 0;
  kernel.line_error = EINVAL;
  EXPECT_NE(WhyNot("gpiochip0").find("Linux 5.10 or later"), std::string::npos);
  kernel.line_error = ENXIO;
  EXPECT_NE(WhyNot("gpiochip0").find("it has no interrupt"), std::string::npos);
}

}  // namespace
}  // namespace roost
