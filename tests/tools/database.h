// tests/tools/database.h - looks into a node's database from outside, with plain SQLite.
#ifndef ROOST_TESTS_TOOLS_DATABASE_H_
#define ROOST_TESTS_TOOLS_DATABASE_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

namespace roost::testing {

class Database {
 public:
  explicit Database(const std::string& path, int flags = SQLITE_OPEN_READWRITE) {
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr), SQLITE_OK) << path;
  }
  ~Database() { sqlite3_close(handle_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void Run(const char* sql) {
    EXPECT_EQ(sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(handle_);
  }
  // The first column of the first row; "" and a failure when there is none.
  std::string Text(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(handle_);
    const int result = sqlite3_step(statement);
    EXPECT_EQ(result, SQLITE_ROW) << sql << ": " << sqlite3_errmsg(handle_);
    std::string text;
    if (result == SQLITE_ROW && sqlite3_column_text(statement, 0) != nullptr) {
      text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    return text;
  }
  int64_t Number(const std::string& sql) { return std::stoll("0" + Text(sql)); }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_DATABASE_H_
