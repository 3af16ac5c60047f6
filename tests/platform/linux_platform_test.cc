// What only the Linux port promises: forks are counted, and waking needs no memory behind the
// address.
#include "platform/linux/linux_platform.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace roost {
namespace {

class LinuxPlatformTest : public testing::Test {
 protected:
  LinuxPlatform platform;
};

TEST_F(LinuxPlatformTest, WakeOfAWordThatIsGoneIsHarmless) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  const auto* address = new (page) std::atomic<uint32_t>(0);
  ASSERT_EQ(munmap(page, 4096), 0);
  platform.Wake(address);
}

// Forks; the child's exit status is what `in_child` returns.
int StatusOfChild(auto in_child) {
  const pid_t child = fork();
  if (child == 0) _exit(in_child());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(LinuxPlatformTest, ForksGrowByOneInEachGeneration) {
  const uint32_t here = platform.Forks().load();
  const int grown = StatusOfChild([&] {
    const uint32_t child = platform.Forks().load() - here;
    const int grandchild =
        StatusOfChild([&] { return static_cast<int>(platform.Forks().load() - here); });
    return static_cast<int>(child) * 10 + grandchild;
  });
  EXPECT_EQ(grown, 12);
  EXPECT_EQ(platform.Forks().load(), here);
}

TEST_F(LinuxPlatformTest, ForksAreCountedOnceHoweverManyPlatformsThereAre) {
  LinuxPlatform another;
  const uint32_t here = another.Forks().load();
  EXPECT_EQ(NativePlatform().Forks().load(), here);
  EXPECT_EQ(StatusOfChild([&] { return static_cast<int>(another.Forks().load() - here); }), 1);
}

}  // namespace
}  // namespace roost
