// Runs the program of README.md and looks for its reading.
#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"

// A second main is a function like any other under another name.
#define main NodeMain
#include "fifteen_lines.cc"
#undef main

namespace {

class ReadmeTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "roost-readme-XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    std::filesystem::current_path(folder_);
  }
  void TearDown() override {
    std::filesystem::current_path(testing::TempDir());
    std::filesystem::remove_all(folder_);
  }
  std::string folder_;
};

constexpr roost::Sql kSelect{"SELECT node, taken_us, level_db FROM reading"};

TEST_F(ReadmeTest, TheFifteenLinesStoreAReading) {
  ASSERT_EQ(NodeMain(), 0);
  EXPECT_TRUE(spool.kept.empty());

  roost::SqliteBackend backend({.path = "readings.db"});
  roost::PoolFor<roost::profiles::Testing> pool(backend);
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kRead, pool.In(10s));
  ASSERT_TRUE(lease.ok()) << lease.status();
  absl::StatusOr<roost::Statement*> select = lease->Prepare(kSelect);
  ASSERT_TRUE(select.ok()) << select.status();
  roost::Rows rows = (*select)->Query();
  ASSERT_TRUE(rows.Next()) << rows.status();
  const Reading expected = ReadSensor();
  EXPECT_EQ(rows.Get<std::string_view>("node"), expected.node);
  EXPECT_EQ(rows.Get<int64_t>("taken_us"), expected.taken_us);
  EXPECT_EQ(rows.Get<double>("level_db"), expected.level_db);
  EXPECT_FALSE(rows.Next());
}

}  // namespace
