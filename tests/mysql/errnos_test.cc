// What each error number means: the whole table, and what is in none.
#include "backends/mysql/errnos.h"

#include <string>

#include "backends/mysql/errors.h"
#include "gtest/gtest.h"
#include "roost/mysql.h"

namespace roost::mysql {
namespace {

using enum absl::StatusCode;
using enum FaultScope;

struct Expected {
  unsigned number;
  const char* sqlstate;
  absl::StatusCode in_session;
  FaultScope scope;
  absl::StatusCode at_startup;
};

constexpr Expected kExpected[] = {
    // The connection is dead.
    {2006, "HY000", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {2013, "HY000", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {2055, "HY000", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {1053, "08S01", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {1927, "70100", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {4031, "HY000", kUnavailable, kConnection, kUnavailable},
    {1158, "08S01", kUnavailable, kConnection, kUnavailable},
    {1159, "08S01", kUnavailable, kConnection, kUnavailable},
    {1160, "08S01", kUnavailable, kConnection, kUnavailable},
    {1161, "08S01", kUnavailable, kConnection, kUnavailable},
    {1153, "08S01", kResourceExhausted, kConnection, kUnavailable},
    // Away.
    {2002, "HY000", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {2003, "HY000", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {2005, "HY000", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    {2012, "HY000", kUnavailable, kConnectionSuspectOlder, kUnavailable},
    // No room for sessions: as PostgreSQL's 53300.
    {1040, "08004", kResourceExhausted, kConnection, kResourceExhausted},
    {1203, "42000", kResourceExhausted, kConnection, kResourceExhausted},
    {1226, "42000", kResourceExhausted, kStatement, kResourceExhausted},
    // Configuration.
    {1045, "28000", kUnauthenticated, kConnection, kUnauthenticated},
    {1044, "42000", kPermissionDenied, kStatement, kPermissionDenied},
    {1142, "42000", kPermissionDenied, kStatement, kPermissionDenied},
    {1227, "42000", kPermissionDenied, kStatement, kPermissionDenied},
    {1130, "HY000", kPermissionDenied, kStatement, kPermissionDenied},
    {1049, "42000", kNotFound, kConnection, kNotFound},
    {1251, "08004", kFailedPrecondition, kStatement, kFailedPrecondition},
    {1524, "HY000", kFailedPrecondition, kStatement, kFailedPrecondition},
    {2059, "HY000", kFailedPrecondition, kStatement, kFailedPrecondition},
    {2026, "HY000", kUnavailable, kConnectionSuspectOlder, kFailedPrecondition},
    // The server only reads, or a node of Galera is not ready.
    {1792, "25006", kUnavailable, kAllOlder, kUnavailable},
    {1836, "HY000", kUnavailable, kAllOlder, kUnavailable},
    {1047, "08S01", kUnavailable, kAllOlder, kUnavailable},
    {3100, "HY000", kUnavailable, kAllOlder, kUnavailable},
    {3101, "40000", kAborted, kStatement, kUnavailable},
    // ProxySQL reaches no server.
    {9001, "HY000", kUnavailable, kConnection, kUnavailable},
    // A race.
    {1205, "HY000", kAborted, kStatement, kUnavailable},
    {1213, "40001", kAborted, kStatement, kUnavailable},
    {1020, "HY000", kAborted, kStatement, kUnavailable},
    // The server's own limit for a statement.
    {1969, "70100", kDeadlineExceeded, kStatement, kUnavailable},
    {3024, "HY000", kDeadlineExceeded, kStatement, kUnavailable},
    {1317, "70100", kAborted, kStatement, kUnavailable},
    // Full.
    {1021, "HY000", kResourceExhausted, kStatement, kResourceExhausted},
    {1041, "HY000", kResourceExhausted, kStatement, kResourceExhausted},
    {1037, "HY001", kResourceExhausted, kStatement, kResourceExhausted},
    {1114, "HY000", kResourceExhausted, kStatement, kResourceExhausted},
    {1461, "42000", kResourceExhausted, kStatement, kResourceExhausted},
    {1062, "23000", kAlreadyExists, kStatement, kUnavailable},
    // The row.
    {1048, "23000", kInvalidArgument, kStatement, kInvalidArgument},
    {1300, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1264, "22003", kInvalidArgument, kStatement, kInvalidArgument},
    {1292, "22007", kInvalidArgument, kStatement, kInvalidArgument},
    {1366, "22007", kInvalidArgument, kStatement, kInvalidArgument},
    {1367, "22007", kInvalidArgument, kStatement, kInvalidArgument},
    {1406, "22001", kInvalidArgument, kStatement, kInvalidArgument},
    {1451, "23000", kInvalidArgument, kStatement, kInvalidArgument},
    {1452, "23000", kInvalidArgument, kStatement, kInvalidArgument},
    {4025, "23000", kInvalidArgument, kStatement, kInvalidArgument},
    {3819, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    // The schema.
    {1146, "42S02", kInvalidArgument, kStatement, kInvalidArgument},
    {1054, "42S22", kInvalidArgument, kStatement, kInvalidArgument},
    {1526, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1305, "42000", kInvalidArgument, kStatement, kInvalidArgument},
    {1064, "42000", kInvalidArgument, kStatement, kInvalidArgument},
    {4038, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    // Ordinary mistakes without a class.
    {1, "HY000", kFailedPrecondition, kStatement, kInvalidArgument},
    {13, "HY000", kFailedPrecondition, kStatement, kInvalidArgument},
    {1007, "HY000", kInvalidArgument, kStatement, kUnavailable},
    {1008, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1031, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1094, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1100, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1193, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1298, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1396, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {1616, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    {4166, "HY000", kInvalidArgument, kStatement, kInvalidArgument},
    // The server's own faults.
    {1105, "HY000", kInternal, kConnection, kUnavailable},
    {1180, "HY000", kInternal, kConnection, kUnavailable},
    {1194, "HY000", kDataLoss, kStatement, kUnavailable},
    {1835, "HY000", kInternal, kConnection, kUnavailable},
    // A bug.
    {2014, "HY000", kInternal, kConnection, kUnavailable},
    {2030, "HY000", kInternal, kConnection, kUnavailable},
    {2036, "HY000", kInternal, kConnection, kUnavailable},
    {2056, "HY000", kInternal, kConnection, kUnavailable},
    // In no table: the class of the state counts.
    {65000, "08999", kUnavailable, kConnection, kUnavailable},
    {65000, "22999", kInvalidArgument, kStatement, kInvalidArgument},
    {65000, "40999", kAborted, kStatement, kUnavailable},
    {65000, "42999", kInvalidArgument, kStatement, kInvalidArgument},
    {65000, "28999", kUnauthenticated, kConnection, kUnauthenticated},
    // Without a class it is about the statement, if a server says so.
    {65000, "HY000", kFailedPrecondition, kStatement, kUnavailable},
    {65000, "", kFailedPrecondition, kStatement, kUnavailable},
    {2999, "HY000", kInternal, kConnection, kUnavailable},
    {5999, "HY000", kInternal, kConnection, kUnavailable},
};

TEST(ErrnosTest, EachNumberMeansWhatItSays) {
  for (const Expected& row : kExpected) {
    const Evidence evidence{.number = row.number, .sqlstate = row.sqlstate};
    const Finding in_session = ClassifyInSession(evidence);
    EXPECT_EQ(in_session.code, row.in_session) << row.number << " " << row.sqlstate;
    EXPECT_EQ(in_session.fault_scope, row.scope) << row.number << " " << row.sqlstate;
    EXPECT_EQ(ClassifyAtStartup(evidence).code, row.at_startup) << row.number;
  }
}

TEST(ErrnosTest, NoNumberOfTheServerOrTheLibraryIsOk) {
  for (unsigned number = 1; number < 5000; ++number) {
    EXPECT_NE(ClassifyInSession({.number = number, .sqlstate = "HY000"}).code, kOk) << number;
    EXPECT_NE(ClassifyAtStartup({.number = number, .sqlstate = "HY000"}).code, kOk) << number;
  }
}

TEST(ErrnosTest, ALostLinkInACommitLeavesItsOutcomeUnknown) {
  for (const unsigned number : {2006u, 2013u, 1053u, 1927u, 1158u}) {
    const Finding finding = ClassifyInSession({.number = number, .operation = Operation::kCommit});
    EXPECT_EQ(finding.code, kUnknown) << number;
    EXPECT_NE(finding.fault_scope, kStatement) << number;
  }
  // These were refused before anything was done.
  EXPECT_EQ(ClassifyInSession({.number = 1836, .operation = Operation::kCommit}).code,
            kUnavailable);
  EXPECT_EQ(ClassifyInSession({.number = 1213, .operation = Operation::kCommit}).code, kAborted);
  EXPECT_EQ(ClassifyDeadline(Operation::kCommit).code, kUnknown);
  EXPECT_EQ(ClassifyDeadline(Operation::kStatement).code, kDeadlineExceeded);
}

// Of a report about node-mysql2: a pool kept lending sessions of a primary that had become read-only.
TEST(ErrnosTest, OfTheOptionsThatPreventAStatementOneIsALostRole) {
  const Evidence reads_only{
      .number = 1290,
      .message =
          "The MariaDB server is running with the --read-only option so it cannot execute "
          "this statement"};
  EXPECT_TRUE(LostRole(reads_only));
  EXPECT_EQ(ClassifyInSession(reads_only).code, kUnavailable);
  EXPECT_EQ(ClassifyInSession(reads_only).fault_scope, kAllOlder);
  const Evidence other{.number = 1290,
                       .message =
                           "The MariaDB server is running with the --secure-file-priv "
                           "option so it cannot execute this statement"};
  EXPECT_FALSE(LostRole(other));
  EXPECT_EQ(ClassifyInSession(other).code, kFailedPrecondition);
  EXPECT_EQ(ClassifyInSession(other).fault_scope, kStatement);
}

TEST(ErrnosTest, AStatusHasItsNumberAndNoOtherHasOne) {
  const absl::Status status =
      MakeStatus(kAborted, 1213, {.sql = "UPDATE t", .message = "Deadlock found\n"});
  EXPECT_EQ(MysqlErrno(status), 1213);
  EXPECT_EQ(status.message(), "\"UPDATE t\": Deadlock found (MySQL 1213)");
  EXPECT_EQ(MysqlErrno(MakeStatus(kAborted, 0, {.message = "none"})), 0);
  EXPECT_EQ(MysqlErrno(absl::OkStatus()), 0);
  EXPECT_EQ(MysqlErrno(absl::InternalError("(MySQL 5)")), 0);
}

TEST(ErrnosTest, WhatWasBoundIsNotShown) {
  EXPECT_EQ(WithoutValues("Duplicate entry 'secret' for key 'PRIMARY'"),
            "Duplicate entry '...' for key 'PRIMARY'");
  EXPECT_EQ(WithoutValues("Duplicate entry 'it's' for key 'x' for key 'PRIMARY'"),
            "Duplicate entry '...' for key 'PRIMARY'");
  EXPECT_EQ(WithoutValues("Incorrect integer value: 'secret' for column `farm`.`t`.`a` at row 1"),
            "Incorrect integer value: '...' for column `farm`.`t`.`a` at row 1");
  EXPECT_EQ(WithoutValues("Truncated value 'sec"), "Truncated value '...");
  EXPECT_EQ(WithoutValues("nothing"), "nothing");
}

TEST(ErrnosTest, ATextOfAServerIsOneLine) {
  const absl::Status status =
      MakeStatus(kInternal, 1, {.message = "a\nb\x1b[2J\xe2\x80\xae" + std::string(600, 'x')});
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
  EXPECT_EQ(status.message().find('\x1b'), std::string::npos);
  EXPECT_EQ(status.message().find("\xe2\x80\xae"), std::string::npos);
  EXPECT_LT(status.message().size(), 560u);
}

}  // namespace
}  // namespace roost::mysql
