// What every SQLSTATE and error number that the project knows leads to, and what none of them does.
#include "outbox/hands.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace roost::outbox {
namespace {

using enum OutboxHand;

struct States {
  OutboxHand hand;
  std::vector<std::string> sqlstates;
};

// "999": a state of the class that has no row of its own.
const States kStates[] = {
    {kAgain, {"40001", "40P01", "55P03"}},
    {kWait,
     {"08000", "08003", "08006", "08007", "08999", "08P01", "20999", "21999", "23001", "23999",
      "24999", "25001", "25006", "25999", "25P01", "25P02", "25P03", "25P04", "26000", "26999",
      "27999", "2B999", "2D000", "2D999", "2F999", "34999", "38999", "39999", "3B999", "40003",
      "40999", "44999", "53100", "53200", "53300", "53999", "55000", "55006", "55999", "57014",
      "57999", "57P01", "57P02", "57P03", "57P04", "57P05", "58030", "58999", "72999", "99999",
      "XX000", "XX001", "XX002", "XX999", "ZZ000"}},
    {kHold,
     {"0A000", "0A999", "0L000", "0P000", "28000", "28999", "28P01", "3D000", "3D999", "3F000",
      "3F999", "42501", "42601", "42703", "42804", "42883", "42999", "42P01", "42P05", "42P07",
      "54011", "54023", "F0000", "F0999", "HV000", "HV999", "P0001", "P0999"}},
    {kSetAside, {"22003", "22012", "22999", "22P02", "23502", "23503", "23505", "23514", "23P01"}},
    {kTooLarge, {"54000", "54001", "54999"}},
};

struct Numbers {
  OutboxHand hand;
  std::vector<int> numbers;
};

const Numbers kNumbers[] = {
    {kAgain, {1205, 1213}},
    {kWait, {1,    13,   29,   1007, 1008, 1020, 1021, 1030, 1031, 1034, 1037, 1038, 1040, 1041,
             1042, 1043, 1047, 1050, 1053, 1061, 1065, 1094, 1099, 1100, 1105, 1114, 1129, 1152,
             1158, 1159, 1160, 1161, 1180, 1181, 1184, 1193, 1194, 1195, 1203, 1206, 1226, 1243,
             1290, 1295, 1298, 1300, 1317, 1396, 1410, 1451, 1461, 1615, 1616, 1712, 1792, 1815,
             1835, 1836, 1927, 1969, 2000, 2001, 2002, 2003, 2004, 2005, 2006, 2008, 2012, 2013,
             2014, 2026, 2027, 2030, 2031, 2032, 2033, 2034, 2035, 2036, 2054, 2055, 2056, 2099,
             3024, 3100, 3101, 4000, 4031, 4038, 4166, 5010, 9001, 9999, 65535}},
    {kHold, {1044, 1045, 1046, 1049, 1054, 1064, 1103, 1130, 1136, 1142, 1143, 1146, 1227, 1251,
             1305, 1318, 1364, 1370, 1524, 1526, 1644, 1698, 1820, 1862, 2059, 2061, 3118, 4151}},
    {kSetAside, {1048, 1062, 1264, 1265, 1292, 1366, 1367, 1406, 1452, 1690, 3819, 4025}},
    {kTooLarge, {1153, 1301, 2020}},
};

absl::Status Said(std::string_view text) {
  return absl::InvalidArgumentError(absl::string_view(text.data(), text.size()));
}
absl::Status SomeStatus() { return Said("violates check constraint \"c\""); }

TEST(HandsTest, OfEachSqlState) {
  for (const States& row : kStates) {
    for (const std::string& sqlstate : row.sqlstates) {
      EXPECT_EQ(JudgePostgres(SomeStatus(), sqlstate).hand, row.hand) << sqlstate;
    }
  }
}

TEST(HandsTest, OfEachNumber) {
  for (const Numbers& row : kNumbers) {
    for (const int number : row.numbers) {
      EXPECT_EQ(JudgeMysql(SomeStatus(), number).hand, row.hand) << number;
    }
  }
}

// What the drivers know, read from their tables.
std::set<std::string> RowsOf(const std::string& file, const char* form) {
  std::ifstream stream(std::string(ROOST_SOURCE) + file);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const std::regex row(form);
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it) {
    found.insert((*it)[1]);
  }
  return found;
}

TEST(HandsTest, NoSqlStateOfTheDriverIsMissing) {
  const std::set<std::string> known =
      RowsOf("/src/backends/postgres/sqlstates.cc", R"re(\n    \{"([0-9A-Z]+)")re");
  EXPECT_GT(known.size(), 50u);
  std::set<std::string> listed;
  for (const States& row : kStates) listed.insert(row.sqlstates.begin(), row.sqlstates.end());
  for (const std::string& sqlstate : known) {
    EXPECT_TRUE(listed.contains(sqlstate.size() == 2 ? sqlstate + "999" : sqlstate)) << sqlstate;
  }
}

TEST(HandsTest, NoNumberOfTheDriverIsMissing) {
  const std::set<std::string> known =
      RowsOf("/src/backends/mysql/errnos.cc", R"re(\n    \{([0-9]+),)re");
  EXPECT_GT(known.size(), 100u);
  std::set<int> listed;
  for (const Numbers& row : kNumbers) listed.insert(row.numbers.begin(), row.numbers.end());
  for (const std::string& number : known) EXPECT_TRUE(listed.contains(std::stoi(number))) << number;
}

// A row is given up only for what is known to be its own fault.
TEST(HandsTest, WhatNobodyKnowsIsNeverSetAside) {
  std::set<std::string> set_aside;
  for (const States& row : kStates) {
    if (row.hand == kSetAside) set_aside.insert(row.sqlstates.begin(), row.sqlstates.end());
  }
  const std::string letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const char a : letters) {
    for (const char b : letters) {
      for (const char* rest : {"000", "0ZZ", "999"}) {
        const std::string sqlstate = std::string{a, b} + rest;
        const OutboxHand hand = JudgePostgres(SomeStatus(), sqlstate).hand;
        EXPECT_EQ(hand == kSetAside, sqlstate.starts_with("22")) << sqlstate;
      }
    }
  }
  for (const char* odd : {"", "4", "22", "2200", "220033", "      "}) {
    EXPECT_NE(JudgePostgres(SomeStatus(), odd).hand, kSetAside) << odd;
  }
  int count = 0;
  for (int number = -1; number < 70'000; ++number) {
    if (JudgeMysql(SomeStatus(), number).hand == kSetAside) ++count;
  }
  for (const Numbers& row : kNumbers) {
    if (row.hand != kSetAside) continue;
    EXPECT_EQ(count, static_cast<int>(row.numbers.size()));
  }
}

TEST(HandsTest, WithoutACodeTheStatusDecides) {
  const auto both = [](const absl::Status& status, OutboxHand hand) {
    EXPECT_EQ(JudgePostgres(status, "").hand, hand) << status;
    EXPECT_EQ(JudgeMysql(status, 0).hand, hand) << status;
  };
  both(absl::UnavailableError("server closed the connection unexpectedly"), kWait);
  both(absl::DeadlineExceededError("no connection in time"), kWait);
  both(absl::UnknownError("lost"), kWait);
  both(absl::CancelledError("given up"), kWait);
  both(absl::ResourceExhaustedError("no descriptor"), kWait);
  both(absl::FailedPreconditionError("the pool is closed"), kWait);
  both(absl::InternalError("a bug"), kWait);
  both(absl::DataLossError("damaged"), kWait);
  both(absl::AlreadyExistsError("there"), kWait);
  both(absl::AbortedError("race"), kAgain);
  both(absl::UnauthenticatedError("password"), kHold);
  both(absl::PermissionDeniedError("not let in"), kHold);
  both(absl::NotFoundError("no such database"), kHold);
  both(absl::InvalidArgumentError("our own SQL"), kHold);
}

TEST(HandsTest, NoPartitionIsNoCheck) {
  EXPECT_EQ(JudgePostgres(Said("no partition of relation \"...\" found for row"), "23514").hand,
            kHold);
  EXPECT_EQ(
      JudgePostgres(Said("new row for relation \"t\" violates check constraint \"c\""), "23514")
          .hand,
      kSetAside);
  EXPECT_EQ(JudgePostgres(Said("neue Zeile verletzt Check-Constraint"), "23514").hand, kHold)
      << "told in another language it is not known to be the row's fault";
}

TEST(HandsTest, WhatTheFunctionsSayOfACallIsNoRowsFault) {
  EXPECT_EQ(JudgePostgres(Said("roost: the numbers do not add up"), "22023").hand, kHold);
  EXPECT_EQ(JudgePostgres(Said("roost: most rows refused: 30 of 500"), "P0001").hand, kHold);
  EXPECT_EQ(JudgePostgres(Said("invalid value"), "22023").hand, kSetAside);
  EXPECT_EQ(JudgeMysql(Said("roost: unknown node or wrong token"), 1644).hand, kHold);
}

TEST(HandsTest, AMissingSchemaIsAStateOfItsOwn) {
  const auto missing = [](std::string_view text, std::string_view sqlstate) {
    return JudgePostgres(Said(text), sqlstate);
  };
  EXPECT_TRUE(missing("schema \"roost\" does not exist", "3F000").has_no_schema);
  EXPECT_TRUE(missing("function roost.hello(text) does not exist", "42883").has_no_schema);
  EXPECT_TRUE(missing("relation \"roost.node\" does not exist", "42P01").has_no_schema);
  EXPECT_EQ(missing("schema \"roost\" does not exist", "3F000").hand, kHold);
  EXPECT_FALSE(missing("relation \"mine\" does not exist", "42P01").has_no_schema);
  EXPECT_FALSE(missing("permission denied for schema roost.", "42501").has_no_schema);
  EXPECT_TRUE(JudgeMysql(Said("PROCEDURE farm.roost_hello does not exist"), 1305).has_no_schema);
  EXPECT_FALSE(JudgeMysql(Said("PROCEDURE farm.other does not exist"), 1305).has_no_schema);
}

TEST(HandsTest, AFullServerIsGivenTime) {
  using std::chrono_literals::operator""s;
  for (const char* full : {"53100", "53300"}) {
    EXPECT_EQ(JudgePostgres(SomeStatus(), full).not_before, 30s) << full;
  }
  EXPECT_EQ(JudgePostgres(SomeStatus(), "53200").not_before, Duration::zero());
  for (const int full : {1021, 1040, 1041, 1114, 1203, 1226}) {
    EXPECT_EQ(JudgeMysql(SomeStatus(), full).not_before, 30s) << full;
  }
}

TEST(HandsTest, WhatTheServerRefusedHasNotHappened) {
  EXPECT_TRUE(MayHaveHappened(absl::UnavailableError("cut"), "", 0));
  EXPECT_TRUE(MayHaveHappened(absl::DeadlineExceededError("late"), "", 0));
  EXPECT_TRUE(MayHaveHappened(absl::UnavailableError("ended"), "57P01", 0));
  EXPECT_TRUE(MayHaveHappened(absl::UnknownError("lost"), "40003", 0));
  EXPECT_TRUE(MayHaveHappened(absl::UnavailableError("gone"), "", 2013));
  EXPECT_FALSE(MayHaveHappened(absl::AbortedError("race"), "40001", 0));
  EXPECT_FALSE(MayHaveHappened(absl::InvalidArgumentError("row"), "23502", 0));
  EXPECT_FALSE(MayHaveHappened(absl::AbortedError("race"), "", 1213));
}

}  // namespace
}  // namespace roost::outbox
