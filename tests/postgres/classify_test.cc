// What each SQLSTATE, a broken link and a deadline mean for the caller and for the connections.
#include "backends/postgres/classify.h"

#include <string>

#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;

struct Row {
  std::string_view sqlstate;
  StatusCode code;
  FaultScope fault_scope;
};

// The SQLSTATEs that a node meets, and one more of each class.
constexpr Row kRows[] = {
    // This connection is dead.
    {"57P05", StatusCode::kUnavailable, FaultScope::kConnection},
    {"25P03", StatusCode::kUnavailable, FaultScope::kConnection},
    {"25P04", StatusCode::kUnavailable, FaultScope::kConnection},
    {"08000", StatusCode::kUnavailable, FaultScope::kConnection},
    {"08003", StatusCode::kUnavailable, FaultScope::kConnection},
    {"08006", StatusCode::kUnavailable, FaultScope::kConnection},
    {"08007", StatusCode::kUnknown, FaultScope::kConnection},
    {"08P01", StatusCode::kUnavailable, FaultScope::kConnection},
    // Every other one is suspect.
    {"57P01", StatusCode::kUnavailable, FaultScope::kConnectionSuspectOlder},
    // Every other one is dead.
    {"57P02", StatusCode::kUnavailable, FaultScope::kAllOlder},
    {"57P03", StatusCode::kUnavailable, FaultScope::kAllOlder},
    {"57P04", StatusCode::kUnavailable, FaultScope::kAllOlder},
    // Transient.
    {"53300", StatusCode::kResourceExhausted, FaultScope::kConnection},
    {"53200", StatusCode::kResourceExhausted, FaultScope::kStatement},
    {"53100", StatusCode::kResourceExhausted, FaultScope::kStatement},
    {"53400", StatusCode::kResourceExhausted, FaultScope::kStatement},
    {"53999", StatusCode::kResourceExhausted, FaultScope::kStatement},
    {"08001", StatusCode::kUnavailable, FaultScope::kConnection},
    {"08004", StatusCode::kUnavailable, FaultScope::kConnection},
    {"08999", StatusCode::kUnavailable, FaultScope::kConnection},
    {"57999", StatusCode::kUnavailable, FaultScope::kConnection},
    // Retry the transaction.
    {"40001", StatusCode::kAborted, FaultScope::kStatement},
    {"40P01", StatusCode::kAborted, FaultScope::kStatement},
    {"40002", StatusCode::kAborted, FaultScope::kStatement},
    {"55P03", StatusCode::kAborted, FaultScope::kStatement},
    {"55006", StatusCode::kAborted, FaultScope::kStatement},
    {"57014", StatusCode::kAborted, FaultScope::kStatement},
    // The outcome is unknown.
    {"40003", StatusCode::kUnknown, FaultScope::kStatement},
    // Configuration.
    {"28P01", StatusCode::kUnauthenticated, FaultScope::kConnection},
    {"28000", StatusCode::kUnauthenticated, FaultScope::kConnection},
    {"3D000", StatusCode::kNotFound, FaultScope::kConnection},
    {"42501", StatusCode::kPermissionDenied, FaultScope::kStatement},
    {"42704", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"F0000", StatusCode::kFailedPrecondition, FaultScope::kStatement},
    // The application.
    {"22001", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"22P02", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"23502", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"23503", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"23505", StatusCode::kAlreadyExists, FaultScope::kStatement},
    {"23514", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"42601", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"42P01", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"0A000", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"25P02", StatusCode::kFailedPrecondition, FaultScope::kStatement},
    {"25P01", StatusCode::kFailedPrecondition, FaultScope::kStatement},
    {"25006", StatusCode::kFailedPrecondition, FaultScope::kStatement},
    {"26000", StatusCode::kAborted, FaultScope::kStatement},
    {"42P05", StatusCode::kAborted, FaultScope::kStatement},
    {"54001", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"P0001", StatusCode::kInvalidArgument, FaultScope::kStatement},
    {"XX000", StatusCode::kInternal, FaultScope::kStatement},
    {"XX001", StatusCode::kDataLoss, FaultScope::kStatement},
    {"XX002", StatusCode::kDataLoss, FaultScope::kStatement},
    {"58030", StatusCode::kUnavailable, FaultScope::kStatement},
    // Nobody knows these.
    {"ZZ123", StatusCode::kInternal, FaultScope::kConnection},
    {"9X000", StatusCode::kInternal, FaultScope::kConnection},
};

TEST(ClassifyTest, EachSqlstateHasItsStatusAndItsVerdict) {
  for (const Row& row : kRows) {
    const Finding finding = Classify({.sqlstate = row.sqlstate});
    EXPECT_EQ(finding.code, row.code) << row.sqlstate;
    EXPECT_EQ(finding.fault_scope, row.fault_scope) << row.sqlstate;
  }
}

TEST(ClassifyTest, WhatEndsASessionThatCommitsLeavesTheOutcomeUnknown) {
  for (const std::string_view sqlstate : {"57P01", "57P02", "57P05", "08006", "08P01"}) {
    const Finding finding = Classify({.sqlstate = sqlstate, .operation = Operation::kCommit});
    EXPECT_EQ(finding.code, StatusCode::kUnknown) << sqlstate;
    EXPECT_EQ(finding.fault_scope, Classify({.sqlstate = sqlstate}).fault_scope) << sqlstate;
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
  const Finding finding = Classify({.sqlstate = "25006", .reads_only = ReadsOnly::kLostRole});
  EXPECT_EQ(finding.code, StatusCode::kUnavailable);
  EXPECT_EQ(finding.fault_scope, FaultScope::kAllOlder);
}

TEST(ClassifyTest, ANameTakenTwiceAsksForThePooler) {
  EXPECT_NE(Classify({.sqlstate = "42P05"}).advice.find("pooler=transaction"),
            std::string_view::npos);
}

TEST(ClassifyTest, AStandbyThatWasNotAskedForTakesItsOwnConnectionAlong) {
  const Finding finding = Classify({.sqlstate = "25006", .reads_only = ReadsOnly::kStandby});
  EXPECT_EQ(finding.code, StatusCode::kUnavailable);
  EXPECT_EQ(finding.fault_scope, FaultScope::kConnection);
}

TEST(ClassifyTest, ABrokenLinkSuspectsTheOthersAndIsUnknownOnlyForACommit) {
  for (const Operation operation : {Operation::kIdle, Operation::kStatement, Operation::kCommit}) {
    const Finding finding = Classify({.cause = Cause::kLink, .operation = operation});
    EXPECT_EQ(finding.code,
              operation == Operation::kCommit ? StatusCode::kUnknown : StatusCode::kUnavailable);
    EXPECT_EQ(finding.fault_scope, FaultScope::kConnectionSuspectOlder);
  }
}

TEST(ClassifyTest, OurOwnDeadlineEndsOneConnectionOnly) {
  const Finding read = Classify({.cause = Cause::kDeadline});
  EXPECT_EQ(read.code, StatusCode::kDeadlineExceeded);
  EXPECT_EQ(read.fault_scope, FaultScope::kConnection);
  const Finding commit = Classify({.cause = Cause::kDeadline, .operation = Operation::kCommit});
  EXPECT_EQ(commit.code, StatusCode::kUnknown);
  EXPECT_EQ(commit.fault_scope, FaultScope::kConnection);
}

TEST(ClassifyTest, TypesThatMayHaveChangedAreAskedForAnew) {
  for (const char* const sqlstate : {"42804", "42883", "42725", "42846"}) {
    EXPECT_TRUE(WantsDescribing(sqlstate)) << sqlstate;
  }
  for (const char* const sqlstate : {"42601", "42703", "22P02", "23505", "26000"}) {
    EXPECT_FALSE(WantsDescribing(sqlstate)) << sqlstate;
  }
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
