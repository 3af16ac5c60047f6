// Table C5: what each SQLSTATE means for the caller and for the connections.
#include "backends/postgres/classify.h"

#include <string>

#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;

struct Row {
  std::string_view sqlstate;
  StatusCode code;
  Verdict verdict;
};

// Everything that the table of the design names, and one more of each class.
constexpr Row kRows[] = {
    // This connection is dead.
    {"57P05", StatusCode::kUnavailable, Verdict::kDead},
    {"25P03", StatusCode::kUnavailable, Verdict::kDead},
    {"25P04", StatusCode::kUnavailable, Verdict::kDead},
    {"08000", StatusCode::kUnavailable, Verdict::kDead},
    {"08003", StatusCode::kUnavailable, Verdict::kDead},
    {"08006", StatusCode::kUnavailable, Verdict::kDead},
    {"08007", StatusCode::kUnknown, Verdict::kDead},
    {"08P01", StatusCode::kUnavailable, Verdict::kDead},
    // Every other one is suspect.
    {"57P01", StatusCode::kUnavailable, Verdict::kDeadSuspectOlder},
    // Every other one is dead.
    {"57P02", StatusCode::kUnavailable, Verdict::kDeadAndOlderToo},
    {"57P03", StatusCode::kUnavailable, Verdict::kDeadAndOlderToo},
    {"57P04", StatusCode::kUnavailable, Verdict::kDeadAndOlderToo},
    // Transient.
    {"53300", StatusCode::kResourceExhausted, Verdict::kDead},
    {"53200", StatusCode::kResourceExhausted, Verdict::kUsable},
    {"53100", StatusCode::kResourceExhausted, Verdict::kUsable},
    {"53400", StatusCode::kResourceExhausted, Verdict::kUsable},
    {"53999", StatusCode::kResourceExhausted, Verdict::kUsable},
    {"08001", StatusCode::kUnavailable, Verdict::kDead},
    {"08004", StatusCode::kUnavailable, Verdict::kDead},
    {"08999", StatusCode::kUnavailable, Verdict::kDead},
    {"57999", StatusCode::kUnavailable, Verdict::kDead},
    // Retry the transaction.
    {"40001", StatusCode::kAborted, Verdict::kUsable},
    {"40P01", StatusCode::kAborted, Verdict::kUsable},
    {"40002", StatusCode::kAborted, Verdict::kUsable},
    {"55P03", StatusCode::kAborted, Verdict::kUsable},
    {"55006", StatusCode::kAborted, Verdict::kUsable},
    {"57014", StatusCode::kAborted, Verdict::kUsable},
    // The outcome is unknown.
    {"40003", StatusCode::kUnknown, Verdict::kUsable},
    // Configuration.
    {"28P01", StatusCode::kUnauthenticated, Verdict::kDead},
    {"28000", StatusCode::kUnauthenticated, Verdict::kDead},
    {"3D000", StatusCode::kNotFound, Verdict::kDead},
    {"42501", StatusCode::kPermissionDenied, Verdict::kUsable},
    {"42704", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"F0000", StatusCode::kFailedPrecondition, Verdict::kUsable},
    // The application.
    {"22001", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"22P02", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"23502", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"23503", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"23505", StatusCode::kAlreadyExists, Verdict::kUsable},
    {"23514", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"42601", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"42P01", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"0A000", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"25P02", StatusCode::kAborted, Verdict::kUsable},
    {"25P01", StatusCode::kFailedPrecondition, Verdict::kUsable},
    {"25006", StatusCode::kFailedPrecondition, Verdict::kUsable},
    {"26000", StatusCode::kAborted, Verdict::kUsable},
    {"42P05", StatusCode::kAborted, Verdict::kUsable},
    {"54001", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"P0001", StatusCode::kInvalidArgument, Verdict::kUsable},
    {"XX000", StatusCode::kInternal, Verdict::kUsable},
    {"XX001", StatusCode::kDataLoss, Verdict::kUsable},
    {"XX002", StatusCode::kDataLoss, Verdict::kUsable},
    {"58030", StatusCode::kUnavailable, Verdict::kUsable},
    // Nobody knows these.
    {"ZZ123", StatusCode::kInternal, Verdict::kDead},
    {"9X000", StatusCode::kInternal, Verdict::kDead},
};

TEST(ClassifyTest, EachSqlstateHasItsStatusAndItsVerdict) {
  for (const Row& row : kRows) {
    const Finding finding = Classify({.sqlstate = row.sqlstate});
    EXPECT_EQ(finding.code, row.code) << row.sqlstate;
    EXPECT_EQ(finding.verdict, row.verdict) << row.sqlstate;
  }
}

TEST(ClassifyTest, WhatEndsASessionThatCommitsLeavesTheOutcomeUnknown) {
  for (const std::string_view sqlstate : {"57P01", "57P02", "57P05", "08006", "08P01"}) {
    const Finding finding = Classify({.sqlstate = sqlstate, .operation = Operation::kCommit});
    EXPECT_EQ(finding.code, StatusCode::kUnknown) << sqlstate;
    EXPECT_EQ(finding.verdict, Classify({.sqlstate = sqlstate}).verdict) << sqlstate;
  }
}

TEST(ClassifyTest, AnErrorThatTheServerGaveIsNotUnknownForACommit) {
  for (const std::string_view sqlstate : {"40001", "23505", "53100"}) {
    EXPECT_EQ(Classify({.sqlstate = sqlstate, .operation = Operation::kCommit}).code,
              Classify({.sqlstate = sqlstate}).code)
        << sqlstate;
  }
}

TEST(ClassifyTest, AServerThatLostItsRoleTakesAllItsConnectionsAlong) {
  const Finding finding = Classify({.sqlstate = "25006", .lost_role = true});
  EXPECT_EQ(finding.code, StatusCode::kUnavailable);
  EXPECT_EQ(finding.verdict, Verdict::kDeadAndOlderToo);
}

TEST(ClassifyTest, ABrokenLinkSuspectsTheOthersAndIsUnknownOnlyForACommit) {
  for (const Operation operation : {Operation::kIdle, Operation::kStatement, Operation::kCommit}) {
    const Finding finding = Classify({.cause = Cause::kLink, .operation = operation});
    EXPECT_EQ(finding.code,
              operation == Operation::kCommit ? StatusCode::kUnknown : StatusCode::kUnavailable);
    EXPECT_EQ(finding.verdict, Verdict::kDeadSuspectOlder);
  }
}

TEST(ClassifyTest, OurOwnDeadlineEndsOneConnectionOnly) {
  const Finding read = Classify({.cause = Cause::kDeadline});
  EXPECT_EQ(read.code, StatusCode::kDeadlineExceeded);
  EXPECT_EQ(read.verdict, Verdict::kDead);
  const Finding commit = Classify({.cause = Cause::kDeadline, .operation = Operation::kCommit});
  EXPECT_EQ(commit.code, StatusCode::kUnknown);
  EXPECT_EQ(commit.verdict, Verdict::kDead);
}

TEST(ClassifyTest, OnlyBookkeepingOfPreparedStatementsIsPreparedAnew) {
  for (const std::string_view sqlstate : {"26000", "42P05", "0A000"}) {
    EXPECT_TRUE(WantsPreparing(sqlstate)) << sqlstate;
  }
  for (const std::string_view sqlstate : {"", "42601", "40001", "57P01"}) {
    EXPECT_FALSE(WantsPreparing(sqlstate)) << sqlstate;
  }
}

}  // namespace
}  // namespace roost::postgres
