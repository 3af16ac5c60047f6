// What standard input may be, and what comes back after its end.
#include "tools/roost-node/input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace roost::tools {
namespace {

class InputTest : public ::testing::Test {
 protected:
  ~InputTest() override {
    for (const int fd : {reader, writer}) {
      if (fd >= 0) close(fd);
    }
  }
  void MakePipe() { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); }
  int Open(int how) const { return open(path.c_str(), how | O_NONBLOCK | O_CLOEXEC); }
  void Send(const char* text) {
    writer = Open(O_WRONLY);
    ASSERT_GE(writer, 0);
    ASSERT_GT(write(writer, text, std::string(text).size()), 0);
    close(writer);
    writer = -1;
  }
  std::string Read() const {
    std::array<char, 64> bytes;
    const ssize_t got = read(reader, bytes.data(), bytes.size());
    return got < 0 ? "nothing yet" : std::string(bytes.data(), static_cast<size_t>(got));
  }

  const support::TempDir folder{};
  const std::string path = folder.File("lines");
  int reader = -1;
  int writer = -1;
};

TEST_F(InputTest, ANamedPipeIsOpenedAgainAndLosesNothing) {
  MakePipe();
  reader = Open(O_RDONLY);
  Input input(reader);
  ASSERT_TRUE(input.ComesBack());
  EXPECT_EQ(input.path(), path);
  Send("one");
  EXPECT_EQ(Read(), "one");
  EXPECT_EQ(Read(), "") << "its end";
  Send("two");  // before it is opened again
  ASSERT_TRUE(input.Reopen());
  EXPECT_EQ(Read(), "two");
  ASSERT_TRUE(input.Reopen());
  Send("three");
  EXPECT_EQ(Read(), "three");
}

TEST_F(InputTest, ANamedPipeThatWasMadeAnewIsFound) {
  MakePipe();
  reader = Open(O_RDONLY);
  Input input(reader);
  EXPECT_FALSE(input.IsReplaced());
  std::filesystem::rename(path, path + ".old");
  EXPECT_FALSE(input.IsReplaced()) << "there is none";
  MakePipe();
  EXPECT_TRUE(input.IsReplaced());
  ASSERT_TRUE(input.Reopen());
  Send("new");
  EXPECT_EQ(Read(), "new");
}

TEST_F(InputTest, WhatIsNoPipeByThenIsNotTaken) {
  MakePipe();
  reader = Open(O_RDONLY);
  Input input(reader);
  std::filesystem::remove(path);
  EXPECT_FALSE(input.Reopen());
  writer = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  EXPECT_FALSE(input.Reopen());
}

TEST_F(InputTest, ASerialLineIsOpenedAgainWithItsSettings) {
  // QEMU's user emulation has no terminals.
  if (openpty(&writer, &reader, nullptr, nullptr, nullptr) != 0)
    GTEST_SKIP() << "no terminal can be made here: " << std::strerror(errno);
  termios line{};
  ASSERT_EQ(tcgetattr(reader, &line), 0);
  cfmakeraw(&line);
  cfsetspeed(&line, B115200);
  ASSERT_EQ(tcsetattr(reader, TCSANOW, &line), 0);
  Input input(reader);
  ASSERT_TRUE(input.ComesBack());
  termios fresh = line;  // what an adapter that was unplugged comes back with
  fresh.c_lflag |= ICANON | ECHO;
  cfsetspeed(&fresh, B9600);
  ASSERT_EQ(tcsetattr(reader, TCSANOW, &fresh), 0);
  ASSERT_TRUE(input.Reopen());
  ASSERT_EQ(tcgetattr(reader, &fresh), 0);
  EXPECT_EQ(cfgetispeed(&fresh), cfgetispeed(&line));
  EXPECT_EQ(fresh.c_lflag & (ICANON | ECHO), 0u);
}

TEST_F(InputTest, TheEndOfAnythingElseIsTheEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  reader = ends[0];
  writer = ends[1];
  EXPECT_FALSE(Input(reader).ComesBack()) << "an unnamed pipe";
  const int file = open(path.c_str(), O_CREAT | O_RDWR, 0600);
  EXPECT_FALSE(Input(file).ComesBack()) << "a file";
  close(file);
  EXPECT_FALSE(Input(-1).ComesBack());
}

}  // namespace
}  // namespace roost::tools
