#include "backends/sqlite/classify.h"

#include <sqlite3.h>

#include <cerrno>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace roost::sqlite {
namespace {

using absl::StatusCode;

struct Case {
  Evidence evidence;
  StatusCode code;
  FaultScope fault_scope;
};

void Check(const Case& one) {
  const Finding finding = Classify(one.evidence);
  EXPECT_EQ(finding.code, one.code) << one.evidence.code << " errno " << one.evidence.system_errno;
  EXPECT_EQ(finding.fault_scope, one.fault_scope) << one.evidence.code;
}

TEST(ClassifyTest, EachCodeHasItsStatusAndItsVerdict) {
  const Case kCases[] = {
      {{.code = SQLITE_ERROR}, StatusCode::kInvalidArgument, FaultScope::kStatement},
      {{.code = SQLITE_ERROR_SNAPSHOT}, StatusCode::kAborted, FaultScope::kStatement},
      {{.code = SQLITE_INTERNAL}, StatusCode::kInternal, FaultScope::kConnection},
      {{.code = SQLITE_PERM}, StatusCode::kPermissionDenied, FaultScope::kConnection},
      {{.code = SQLITE_ABORT}, StatusCode::kAborted, FaultScope::kStatement},
      {{.code = SQLITE_ABORT_ROLLBACK}, StatusCode::kAborted, FaultScope::kStatement},
      {{.code = SQLITE_BUSY_SNAPSHOT}, StatusCode::kAborted, FaultScope::kStatement},
      {{.code = SQLITE_BUSY_RECOVERY}, StatusCode::kDeadlineExceeded, FaultScope::kStatement},
      {{.code = SQLITE_BUSY_TIMEOUT}, StatusCode::kDeadlineExceeded, FaultScope::kStatement},
      {{.code = SQLITE_LOCKED}, StatusCode::kFailedPrecondition, FaultScope::kStatement},
      {{.code = SQLITE_LOCKED_SHAREDCACHE}, StatusCode::kAborted, FaultScope::kStatement},
      {{.code = SQLITE_NOMEM}, StatusCode::kResourceExhausted, FaultScope::kStatement},
      {{.code = SQLITE_IOERR_NOMEM}, StatusCode::kResourceExhausted, FaultScope::kStatement},
      {{.code = SQLITE_READONLY}, StatusCode::kFailedPrecondition, FaultScope::kConnection},
      {{.code = SQLITE_READONLY_DIRECTORY},
       StatusCode::kFailedPrecondition,
       FaultScope::kConnection},
      {{.code = SQLITE_READONLY_DBMOVED}, StatusCode::kUnavailable, FaultScope::kAllOlder},
      {{.code = SQLITE_INTERRUPT}, StatusCode::kDeadlineExceeded, FaultScope::kStatement},
      {{.code = SQLITE_IOERR}, StatusCode::kUnavailable, FaultScope::kConnection},
      {{.code = SQLITE_IOERR_READ}, StatusCode::kUnavailable, FaultScope::kConnection},
      {{.code = SQLITE_IOERR_SHMMAP}, StatusCode::kUnavailable, FaultScope::kConnection},
      {{.code = SQLITE_IOERR_WRITE}, StatusCode::kFailedPrecondition, FaultScope::kConnection},
      {{.code = SQLITE_IOERR_FSYNC}, StatusCode::kDataLoss, FaultScope::kAllOlder},
      {{.code = SQLITE_IOERR_DIR_FSYNC}, StatusCode::kDataLoss, FaultScope::kAllOlder},
      {{.code = SQLITE_IOERR_SHMSIZE}, StatusCode::kResourceExhausted, FaultScope::kConnection},
      {{.code = SQLITE_IOERR_CORRUPTFS},
       StatusCode::kDataLoss,
       FaultScope::kConnectionSuspectOlder},
      {{.code = SQLITE_IOERR_DATA}, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder},
      {{.code = SQLITE_CORRUPT}, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder},
      {{.code = SQLITE_CORRUPT_INDEX}, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder},
      {{.code = SQLITE_NOTADB}, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder},
      {{.code = SQLITE_NOTFOUND}, StatusCode::kInternal, FaultScope::kStatement},
      {{.code = SQLITE_FULL}, StatusCode::kResourceExhausted, FaultScope::kStatement},
      {{.code = SQLITE_CANTOPEN_ISDIR}, StatusCode::kInvalidArgument, FaultScope::kConnection},
      {{.code = SQLITE_CANTOPEN_SYMLINK}, StatusCode::kFailedPrecondition, FaultScope::kConnection},
      {{.code = SQLITE_PROTOCOL}, StatusCode::kUnavailable, FaultScope::kStatement},
      {{.code = SQLITE_SCHEMA}, StatusCode::kAborted, FaultScope::kStatement},
      {{.code = SQLITE_TOOBIG}, StatusCode::kInvalidArgument, FaultScope::kStatement},
      {{.code = SQLITE_CONSTRAINT_UNIQUE}, StatusCode::kAlreadyExists, FaultScope::kStatement},
      {{.code = SQLITE_CONSTRAINT_PRIMARYKEY}, StatusCode::kAlreadyExists, FaultScope::kStatement},
      {{.code = SQLITE_CONSTRAINT_ROWID}, StatusCode::kAlreadyExists, FaultScope::kStatement},
      {{.code = SQLITE_CONSTRAINT_NOTNULL}, StatusCode::kInvalidArgument, FaultScope::kStatement},
      {{.code = SQLITE_CONSTRAINT_CHECK}, StatusCode::kInvalidArgument, FaultScope::kStatement},
      {{.code = SQLITE_CONSTRAINT_FOREIGNKEY},
       StatusCode::kInvalidArgument,
       FaultScope::kStatement},
      {{.code = SQLITE_CONSTRAINT_DATATYPE}, StatusCode::kInvalidArgument, FaultScope::kStatement},
      {{.code = SQLITE_MISMATCH}, StatusCode::kInvalidArgument, FaultScope::kStatement},
      {{.code = SQLITE_MISUSE}, StatusCode::kInternal, FaultScope::kConnection},
      {{.code = SQLITE_NOLFS}, StatusCode::kResourceExhausted, FaultScope::kStatement},
      {{.code = SQLITE_AUTH}, StatusCode::kInvalidArgument, FaultScope::kStatement},
      {{.code = SQLITE_RANGE}, StatusCode::kInvalidArgument, FaultScope::kStatement},
  };
  for (const Case& one : kCases) Check(one);
}

TEST(ClassifyTest, BusyMeansWhatWasBeingDone) {
  const Case kCases[] = {
      {{.code = SQLITE_BUSY, .operation = Operation::kBegin, .gave_up = true},
       StatusCode::kDeadlineExceeded,
       FaultScope::kStatement},
      // An autocommit INSERT that waited for another process.
      {{.code = SQLITE_BUSY, .operation = Operation::kCommit, .gave_up = true},
       StatusCode::kDeadlineExceeded,
       FaultScope::kStatement},
      // A read-then-write: nobody waits, because waiting cannot help.
      {{.code = SQLITE_BUSY, .operation = Operation::kStatement, .in_transaction = true},
       StatusCode::kAborted,
       FaultScope::kStatement},
      {{.code = SQLITE_BUSY,
        .operation = Operation::kStatement,
        .in_transaction = true,
        .gave_up = true},
       StatusCode::kDeadlineExceeded,
       FaultScope::kStatement},
      // COMMIT while a statement of this very connection still writes.
      {{.code = SQLITE_BUSY, .operation = Operation::kCommit},
       StatusCode::kFailedPrecondition,
       FaultScope::kStatement},
      {{.code = SQLITE_BUSY, .operation = Operation::kOpen},
       StatusCode::kUnavailable,
       FaultScope::kStatement},
      // "No such table" of a connection that may not look whether its schema is fresh.
      {{.code = SQLITE_ERROR, .gave_up = true},
       StatusCode::kDeadlineExceeded,
       FaultScope::kStatement},
  };
  for (const Case& one : kCases) Check(one);
}

TEST(ClassifyTest, CannotOpenMeansWhatTheSystemSaid) {
  const auto cannot_open = [](int system_errno) {
    return Evidence{
        .code = SQLITE_CANTOPEN, .system_errno = system_errno, .operation = Operation::kOpen};
  };
  const Case kCases[] = {
      {cannot_open(ENOENT), StatusCode::kNotFound, FaultScope::kConnection},
      {cannot_open(ENOTDIR), StatusCode::kNotFound, FaultScope::kConnection},
      {cannot_open(EACCES), StatusCode::kPermissionDenied, FaultScope::kConnection},
      {cannot_open(EISDIR), StatusCode::kInvalidArgument, FaultScope::kConnection},
      {cannot_open(EROFS), StatusCode::kFailedPrecondition, FaultScope::kConnection},
      {cannot_open(EMFILE), StatusCode::kResourceExhausted, FaultScope::kConnection},
      {cannot_open(ENOSPC), StatusCode::kResourceExhausted, FaultScope::kConnection},
      {cannot_open(EIO), StatusCode::kUnavailable, FaultScope::kConnection},
      {cannot_open(0), StatusCode::kUnavailable, FaultScope::kConnection},
  };
  for (const Case& one : kCases) Check(one);
}

TEST(ClassifyTest, AReaderThatWritesStaysUsable) {
  Check({{.code = SQLITE_READONLY, .may_write = false},
         StatusCode::kFailedPrecondition,
         FaultScope::kStatement});
  Check({{.code = SQLITE_READONLY_DBMOVED, .may_write = false},
         StatusCode::kUnavailable,
         FaultScope::kAllOlder});
}

TEST(ClassifyTest, ACommitThatWasNotSyncedHasAnUnknownOutcome) {
  for (const int code : {SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC}) {
    Check({{.code = code, .operation = Operation::kCommit},
           StatusCode::kUnknown,
           FaultScope::kAllOlder});
    Check({{.code = code, .operation = Operation::kSync},
           StatusCode::kDataLoss,
           FaultScope::kAllOlder});
  }
}

// Whatever code a SQLite of tomorrow gives, it is some error, and one that no row knows kills.
TEST(ClassifyTest, NoCodeIsTakenForSuccess) {
  for (int primary = 1; primary < 256; ++primary) {
    if (primary == SQLITE_ROW || primary == SQLITE_DONE) continue;
    for (int extended = 0; extended < 64; ++extended) {
      const Finding finding = Classify({.code = primary | (extended << 8)});
      EXPECT_NE(finding.code, StatusCode::kOk) << primary << " " << extended;
    }
  }
  EXPECT_EQ(Classify({.code = 200}).fault_scope, FaultScope::kConnection);
}

}  // namespace
}  // namespace roost::sqlite
