// The fifteen lines of README.md against a real PostgreSQL server.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/postgres_server.h"
#include "tests/support/process.h"

namespace roost {
namespace {

TEST(PostgresReadmeTest, TheSameFifteenLinesStoreAReading) {
  support::PostgresServer server({.script = "GRANT ALL ON SCHEMA public TO node"});
  for (int runs = 1; runs <= 2; ++runs) {
    EXPECT_EQ(support::RunToEnd({.words = {ROOST_FIFTEEN_LINES, server.Uri()}}).exit, 0);
    EXPECT_EQ(server.Sql("SELECT count(*) || ' ' || min(node) || ' ' || min(taken_us) || ' ' || "
                         "min(level_db) FROM reading"),
              std::to_string(runs) + " roof 1700000000000000 41.5");
  }
}

}  // namespace
}  // namespace roost
