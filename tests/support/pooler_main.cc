// The main function of test programs that run PgBouncer. Debian 12's PgBouncer 1.18 now and then dies
// of a cancel request on a busy machine (its issues 801 and 822), and a test that it dies in proves nothing:
// where nothing else failed, those tests run once more, in a new process. The third death is a failure.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tests/support/pgbouncer.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace roost::support {
namespace {

constexpr char kRepeats[] = "ROOST_POOLER_REPEATS";

class Watch : public ::testing::EmptyTestEventListener {
 public:
  explicit Watch(const TempDir& dir) : deaths_(dir.File("deaths")) {
    GiveToServerUser(dir.path());
    ::setenv(kPoolerDeaths, deaths_.c_str(), 1);
  }

  // For --gtest_filter; empty: there is none, or something failed while the pooler lived.
  std::string Repeatable() const {
    return ::testing::UnitTest::GetInstance()->failed_test_count() == count_ ? filter_ : "";
  }

 private:
  void OnTestStart(const ::testing::TestInfo& /*test*/) override { before_ = ReadFile(deaths_); }
  void OnTestEnd(const ::testing::TestInfo& test) override {
    if (!test.result()->Failed() || ReadFile(deaths_) == before_) return;
    ++count_;
    filter_ += std::string(filter_.empty() ? "" : ":") + test.test_suite_name() + "." + test.name();
  }

  std::string deaths_;
  std::string before_{};
  std::string filter_{};
  int count_ = 0;
};

std::string Run() {
  const TempDir dir;
  auto* const watch = new Watch(dir);  // gtest's from now on
  ::testing::UnitTest::GetInstance()->listeners().Append(watch);
  return RUN_ALL_TESTS() == 0 ? "" : watch->Repeatable();
}

}  // namespace
}  // namespace roost::support

int main(int argc, char** argv) {
  const std::string program = argv[0];
  ::testing::InitGoogleTest(&argc, argv);
  const std::string again = roost::support::Run();
  if (again.empty()) return ::testing::UnitTest::GetInstance()->Passed() ? 0 : 1;

  const char* const text = ::getenv(roost::support::kRepeats);
  const int repeats = text == nullptr ? 0 : std::stoi(text);
  std::printf("PgBouncer died in %s\n", again.c_str());
  if (repeats == 2) return 1;
  std::fflush(stdout);
  ::setenv(roost::support::kRepeats, std::to_string(repeats + 1).c_str(), 1);
  const std::string filter = "--gtest_filter=" + again;
  ::execl("/proc/self/exe", program.c_str(), filter.c_str(), nullptr);
  std::perror("execl");
  return 1;
}
