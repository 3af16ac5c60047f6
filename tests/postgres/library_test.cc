// A program that links the backend has no libpq in it before the first open. So this one must not
// link libpq in any other way.
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/postgres.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/held_connection.h"

namespace roost {
namespace {

using support::HeldConnection;
using ::testing::HasSubstr;
using ::testing::Not;

bool IsLoaded(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(library) != std::string::npos) return true;
  }
  return false;
}

TEST(LibraryTest, LibpqComesWithTheFirstOpenAndNotBefore) {
  fakes::FakePlatform platform;
  PostgresBackend backend({.uri = "postgresql://node:secret@db.example.org/farm"});
  EXPECT_EQ(backend.target(), "db.example.org:5432/farm");
  EXPECT_EQ(backend.kind(), "postgresql");
  EXPECT_GT(backend.ConnectionBytes(16), 0u);
  EXPECT_FALSE(IsLoaded("libpq")) << "something else links libpq";
  EXPECT_FALSE(IsLoaded("libssl"));

  PostgresBackend wrong({.uri = "hots=db.example.org password=hunter2"});
  const HeldConnection connection(wrong, platform);
  EXPECT_EQ(connection.status().code(), absl::StatusCode::kInvalidArgument) << connection.status();
  EXPECT_THAT(std::string(connection.status().message()), HasSubstr("hots"));
  EXPECT_THAT(std::string(connection.status().message()), Not(HasSubstr("hunter2")));
  EXPECT_TRUE(IsLoaded("libpq.so.5"));
}

}  // namespace
}  // namespace roost
