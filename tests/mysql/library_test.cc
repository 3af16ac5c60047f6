// A program that links the backend has no libmariadb in it before the first open. So this one must not
// link libmariadb in any other way.
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/mysql.h"
#include "tests/support/held_connection.h"

namespace roost {
namespace {

using support::HeldConnection;

bool IsLoaded(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(library) != std::string::npos) return true;
  }
  return false;
}

TEST(MysqlLibraryTest, LibmariadbComesWithTheFirstOpenAndNotBefore) {
  MysqlBackend backend({.uri = "mysql://node:secret@db.example.org/farm"});
  EXPECT_EQ(backend.target(), "db.example.org:3306/farm");
  EXPECT_EQ(backend.kind(), "mysql");
  EXPECT_GT(backend.ConnectionBytes(16), 0u);
  EXPECT_FALSE(IsLoaded("libmariadb")) << "something else links libmariadb";
  EXPECT_FALSE(IsLoaded("libssl"));
  MysqlBackend wrong({.uri = "mysql://node:hunter2@db.example.org/farm?hots=1"});
  const HeldConnection refused(wrong, NativePlatform());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << refused.status();
  EXPECT_FALSE(IsLoaded("libmariadb")) << "the address is looked at first";

  MysqlBackend away({.uri = "mysql://node@127.0.0.1:1/farm"});
  const HeldConnection connection(away, NativePlatform());
  EXPECT_EQ(connection.status().code(), absl::StatusCode::kUnavailable) << connection.status();
  EXPECT_TRUE(IsLoaded("libmariadb.so.3"));
}

}  // namespace
}  // namespace roost
