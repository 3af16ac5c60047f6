#include "backends/sqlite/options.h"

#include <string>

#include "tests/sqlite/sqlite_test_support.h"

namespace roost::sqlite {
namespace {

std::string Refusal(const SqliteOptions& options) {
  const absl::Status status = Validate(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(OptionsTest, TheDefaultsAreFine) {
  EXPECT_OK(Validate({.path = "/var/lib/node/readings.db"}));
  EXPECT_OK(Validate({.path = ":memory:"}));
}

TEST(OptionsTest, APathThatCannotBeAFileIsRefused) {
  EXPECT_THAT(Refusal({}), HasSubstr("path is empty"));
  EXPECT_THAT(Refusal({.path = std::string("a\0b", 3)}), HasSubstr("zero byte"));
  EXPECT_THAT(Refusal({.path = "a", .schema = std::string("a\0b", 3)}), HasSubstr("zero byte"));
  EXPECT_THAT(Refusal({.path = "file:x.db?mode=memory"}), HasSubstr("is a URI: file:x.db"));
  EXPECT_THAT(Refusal({.path = "/var/lib/"}), HasSubstr("is a directory: /var/lib/"));
}

TEST(OptionsTest, ANumberOutOfRangeIsNamedWithItsRange) {
  EXPECT_THAT(Refusal({.path = "a", .cache_kib = 15}),
              HasSubstr("cache_kib is 15, may be 16 to 65536"));
  EXPECT_THAT(Refusal({.path = "a", .checkpoint_pages = 0}),
              HasSubstr("checkpoint_pages is 0, may be 1 to 65536"));
  EXPECT_THAT(Refusal({.path = "a", .max_log_pages = 1023}),
              HasSubstr("max_log_pages is 1023, may be 1024 to 1048576"));
  EXPECT_THAT(Refusal({.path = "a", .max_log_pages = (1 << 20) + 1}),
              HasSubstr("max_log_pages is 1048577, may be 1024 to 1048576"));
  EXPECT_OK(Validate({.path = "a", .max_log_pages = 1 << 20}));
  EXPECT_THAT(Refusal({.path = "a", .max_kib = -1}), HasSubstr("max_kib is -1, may be 0 to"));
  EXPECT_THAT(Refusal({.path = "a", .max_value_bytes = 1023}),
              HasSubstr("max_value_bytes is 1023, may be 1024 to 1073741824"));
}

TEST(OptionsTest, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_THAT(Refusal({.path = "a", .schema = "x", .read_only = true}), HasSubstr("schema"));
  EXPECT_THAT(Refusal({.path = ":memory:", .read_only = true}), HasSubstr("starts empty"));
  EXPECT_THAT(Refusal({.path = ":memory:", .vfs = "unix"}), HasSubstr("has its own"));
  EXPECT_THAT(Refusal({.path = "a", .vfs = "none-such"}), HasSubstr("registered as \"none-such\""));
}

TEST_F(SqliteTest, WrongOptionsShowAtTheFirstOpen) {
  SqliteBackend backend({.path = path(), .cache_kib = 1});
  const HeldConnection connection(backend, platform_);
  EXPECT_EQ(connection.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roost::sqlite
