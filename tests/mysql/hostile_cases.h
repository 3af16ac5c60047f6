// tests/mysql/hostile_cases.h - servers that do what they should not, each with a good one behind it.
#ifndef ROOST_TESTS_MYSQL_HOSTILE_CASES_H_
#define ROOST_TESTS_MYSQL_HOSTILE_CASES_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "tests/mysql/hostile_server.h"
#include "tests/mysql/mysql_test_support.h"

namespace roost::mysql {

using Client = HostileServer::Client;

inline constexpr Duration kShort = 100ms;

// A report of progress, as MariaDB sends it.
inline constexpr std::string_view kProgress(
    "\xff\xff\xff\x01\x01\x03\0\0\0\x03"
    "abc",
    13);
// One column: a definition of it, and the end of the definitions.
std::string OneColumn(int type, int number);
// The answer to a prepare: a statement without values, with one column of text.
std::string Prepared();

// A server that does this to its first client, and is good to each later one.
struct Case {
  const char* name;
  std::function<void(Client&)> serve;
};

// The status of a connection to such a server. Behind it one to a good server has to work; to another one, because
// this one may still be sending.
absl::Status Survive(const Case& each, std::string_view parameters = "");

class HostileCases : public ::testing::Test {
 protected:
  // Each is an error, of bounded length and memory.
  static void ExpectRefused(const std::vector<Case>& cases, std::string_view parameters = "");
};

}  // namespace roost::mysql

#endif  // ROOST_TESTS_MYSQL_HOSTILE_CASES_H_
