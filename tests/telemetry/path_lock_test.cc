// Which process a path belongs to, however its lock's file is dealt with.
#include "telemetry/path_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

#include "telemetry/status_file.h"
#include "tests/support/in_child.h"
#include "tests/support/status_macros.h"
#include "tests/support/temp_dir.h"

namespace roost::telemetry {
namespace {

using ::testing::HasSubstr;

// A process that has a lock until it is ended.
class OtherProcess {
 public:
  explicit OtherProcess(const std::string& path) {
    std::array<int, 2> said{};
    std::array<int, 2> end{};
    if (pipe(said.data()) != 0 || pipe(end.data()) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      alarm(20);
      close(end[1]);
      PathLock lock;
      char byte = lock.Take(path.c_str()).ok() ? 'y' : 'n';
      if (write(said[1], &byte, 1) == 1) _exit(static_cast<int>(read(end[0], &byte, 1)));
      _exit(1);
    }
    close(said[1]);
    close(end[0]);
    end_ = end[1];
    char byte = 'n';
    has_it_ = read(said[0], &byte, 1) == 1 && byte == 'y';
    close(said[0]);
  }
  ~OtherProcess() { End(); }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  void End() {
    if (end_ >= 0) close(end_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    end_ = pid_ = -1;
  }
  bool has_it() const { return has_it_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int end_ = -1;
  bool has_it_ = false;
};

class PathLockTest : public ::testing::Test {
 protected:
  absl::Status Take() { return lock_.Take(path_.c_str()); }

  support::TempDir folder_;
  const std::string path_ = folder_.File("x.lock");
  PathLock lock_;
};

TEST_F(PathLockTest, TheSecondIsToldOfTheFirstUntilThatEnds) {
  OtherProcess other(path_);
  ASSERT_TRUE(other.has_it());
  EXPECT_EQ(Take().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(lock_.holder(), "process " + std::to_string(other.pid()));
  other.End();
  ASSERT_OK(Take());
  ASSERT_OK(Take());  // as before each use
  EXPECT_FALSE(OtherProcess(path_).has_it());
}

TEST_F(PathLockTest, AChildOfForkHasItNot) {
  ASSERT_OK(Take());
  EXPECT_TRUE(support::InChild([&] { return absl::IsAlreadyExists(Take()); }));
  EXPECT_FALSE(OtherProcess(path_).has_it()) << "the child's end has not given it back";
}

// As a cleaner of folders does, or an operator who takes it for a left-over.
TEST_F(PathLockTest, AFileThatWasRemovedIsLockedAnew) {
  ASSERT_OK(Take());
  std::filesystem::remove(path_);
  ASSERT_OK(Take());
  EXPECT_FALSE(OtherProcess(path_).has_it());
}

TEST_F(PathLockTest, OfAFileThatWasRemovedTheNextOneIsTheOwner) {
  ASSERT_OK(Take());
  std::filesystem::remove(path_);
  const OtherProcess other(path_);
  ASSERT_TRUE(other.has_it());
  EXPECT_EQ(Take().code(), absl::StatusCode::kAlreadyExists) << "not two at once";
}

TEST_F(PathLockTest, SaysWhatTheKernelRefuses) {
  EXPECT_EQ(lock_.Take(folder_.File("gone/x.lock").c_str()).code(), absl::StatusCode::kNotFound);
  std::filesystem::create_symlink(folder_.File("elsewhere"), path_);
  const absl::Status link = Take();
  EXPECT_EQ(link.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(link.message()), HasSubstr("cannot open " + path_));
}

TEST_F(PathLockTest, AFileOfAnotherUserIsToldWithWhatToDo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  ASSERT_OK(Take());
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  EXPECT_TRUE(support::InChild([&] {
    constexpr uid_t kNobody = 65534;
    if (seteuid(kNobody) != 0) return false;
    PathLock lock;
    const absl::Status refused = lock.Take(path_.c_str());
    return absl::IsUnavailable(refused) &&
           std::string(refused.message()).find("denied; remove it") != std::string::npos;
  }));
}

TEST_F(PathLockTest, AStatusFileOfAnotherProcessStaysAsItIs) {
  const std::string path = folder_.File("status.json");
  NodeStatus status{.name = "one", .pid = 4711};
  ASSERT_OK(WriteStatusFile(path, status));
  OtherProcess other(path + ".lock");
  StatusFile file(path);
  status.name = "two";
  const absl::Status refused = file.Write(status);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(std::string(refused.message()),
            "process " + std::to_string(other.pid()) + " writes " + path);
  file.Remove();
  EXPECT_EQ(ReadStatusFile(path)->name, "one");
  other.End();
  ASSERT_OK(file.Write(status));
  EXPECT_EQ(ReadStatusFile(path)->name, "two");
  file.Remove();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace roost::telemetry
