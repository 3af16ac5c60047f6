// tests/sqlite/sqlite_test_support.h - a backend over a file of its own, and a foreign handle
// beside.
#ifndef ROOST_TESTS_SQLITE_SQLITE_TEST_SUPPORT_H_
#define ROOST_TESTS_SQLITE_SQLITE_TEST_SUPPORT_H_

#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/sqlite.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/held_connection.h"
#include "tests/support/status_macros.h"
#include "tests/support/temp_dir.h"

namespace roost::sqlite {

using fakes::FakePlatform;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::HeldConnection;
using support::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

inline constexpr Sql kInsert{"INSERT INTO t(a, b) VALUES ($1, $2)"};
inline constexpr Sql kCount{"SELECT count(*) FROM t"};
inline constexpr char kSchema[] = "CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b)";
// Runs until something stops it.
inline constexpr Sql kEndless{
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT max(n) FROM c"};

// A machine on which each look at the clock takes a while, so that busy work meets its deadline.
class TickingPlatform : public FakePlatform {
 public:
  TimePoint Now() override {
    Advance(1ms);
    return FakePlatform::Now();
  }
};

// A handle that the backend knows nothing of: another process.
class Foreign {
 public:
  explicit Foreign(const std::string& path) {
    EXPECT_EQ(
        sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr),
        SQLITE_OK);
    sqlite3_extended_result_codes(db_, 1);
  }
  ~Foreign() { sqlite3_close(db_); }
  int Try(const std::string& sql) {
    return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  }
  void Run(const std::string& sql) { EXPECT_EQ(Try(sql), SQLITE_OK) << sql << sqlite3_errmsg(db_); }
  sqlite3* get() { return db_; }

 private:
  sqlite3* db_ = nullptr;
};

// The first column of the first row, as text; by the driver itself.
inline std::string Ask(sqlite3* db, const std::string& sql) {
  std::string answer;
  const auto keep = [](void* out, int, char** values, char**) {
    *static_cast<std::string*>(out) = values[0] == nullptr ? "NULL" : values[0];
    return 0;
  };
  const int code = sqlite3_exec(db, sql.c_str(), keep, &answer, nullptr);
  return code == SQLITE_OK ? answer : "error " + std::to_string(code);
}

// Asked through the interface; -1 when it fails.
inline int64_t AskInt(Connection& connection, const Sql& sql) {
  absl::StatusOr<Statement*> statement = connection.Prepare(sql);
  EXPECT_TRUE(statement.ok()) << statement.status();
  if (!statement.ok()) return -1;
  Rows rows = (*statement)->Query();
  if (!rows.Next()) {
    ADD_FAILURE() << "no row: " << rows.status();
    return -1;
  }
  return rows.Get<int64_t>(0);
}

class SqliteTest : public ::testing::Test {
 protected:
  std::string path() const { return dir_.File("test.db"); }
  SqliteOptions Options() const { return {.path = path(), .schema = kSchema}; }
  Deadline In(Duration span) { return Deadline::At(platform_.FakePlatform::Now() + span); }

  TempDir dir_;
  FakePlatform platform_;
};

}  // namespace roost::sqlite

#endif  // ROOST_TESTS_SQLITE_SQLITE_TEST_SUPPORT_H_
