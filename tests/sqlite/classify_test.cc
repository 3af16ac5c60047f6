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
  Verdict verdict;
};

void Check(const Case& one) {
  const Finding finding = Classify(one.evidence);
  EXPECT_EQ(finding.code, one.code) << one.evidence.code << " errno " << one.evidence.system_errno;
  EXPECT_EQ(finding.verdict, one.verdict) << one.evidence.code;
}

TEST(ClassifyTest, EachCodeHasItsStatusAndItsVerdict) {
  const Case kCases[] = {
      {{.code = SQLITE_ERROR}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_ERROR_SNAPSHOT}, StatusCode::kAborted, Verdict::kUsable},
      {{.code = SQLITE_INTERNAL}, StatusCode::kInternal, Verdict::kDead},
      {{.code = SQLITE_PERM}, StatusCode::kPermissionDenied, Verdict::kDead},
      {{.code = SQLITE_ABORT}, StatusCode::kAborted, Verdict::kUsable},
      {{.code = SQLITE_ABORT_ROLLBACK}, StatusCode::kAborted, Verdict::kUsable},
      {{.code = SQLITE_BUSY_SNAPSHOT}, StatusCode::kAborted, Verdict::kUsable},
      {{.code = SQLITE_BUSY_RECOVERY}, StatusCode::kDeadlineExceeded, Verdict::kUsable},
      {{.code = SQLITE_BUSY_TIMEOUT}, StatusCode::kDeadlineExceeded, Verdict::kUsable},
      {{.code = SQLITE_LOCKED}, StatusCode::kFailedPrecondition, Verdict::kUsable},
      {{.code = SQLITE_LOCKED_SHAREDCACHE}, StatusCode::kAborted, Verdict::kUsable},
      {{.code = SQLITE_NOMEM}, StatusCode::kResourceExhausted, Verdict::kUsable},
      {{.code = SQLITE_IOERR_NOMEM}, StatusCode::kResourceExhausted, Verdict::kUsable},
      {{.code = SQLITE_READONLY}, StatusCode::kFailedPrecondition, Verdict::kDead},
      {{.code = SQLITE_READONLY_DIRECTORY}, StatusCode::kFailedPrecondition, Verdict::kDead},
      {{.code = SQLITE_READONLY_DBMOVED}, StatusCode::kUnavailable, Verdict::kDeadAndOlderToo},
      {{.code = SQLITE_INTERRUPT}, StatusCode::kDeadlineExceeded, Verdict::kUsable},
      {{.code = SQLITE_IOERR}, StatusCode::kUnavailable, Verdict::kDead},
      {{.code = SQLITE_IOERR_READ}, StatusCode::kUnavailable, Verdict::kDead},
      {{.code = SQLITE_IOERR_SHMMAP}, StatusCode::kUnavailable, Verdict::kDead},
      {{.code = SQLITE_IOERR_WRITE}, StatusCode::kFailedPrecondition, Verdict::kDead},
      {{.code = SQLITE_IOERR_FSYNC}, StatusCode::kDataLoss, Verdict::kDeadAndOlderToo},
      {{.code = SQLITE_IOERR_DIR_FSYNC}, StatusCode::kDataLoss, Verdict::kDeadAndOlderToo},
      {{.code = SQLITE_IOERR_SHMSIZE}, StatusCode::kResourceExhausted, Verdict::kDead},
      {{.code = SQLITE_IOERR_CORRUPTFS}, StatusCode::kDataLoss, Verdict::kDeadSuspectOlder},
      {{.code = SQLITE_IOERR_DATA}, StatusCode::kDataLoss, Verdict::kDeadSuspectOlder},
      {{.code = SQLITE_CORRUPT}, StatusCode::kDataLoss, Verdict::kDeadSuspectOlder},
      {{.code = SQLITE_CORRUPT_INDEX}, StatusCode::kDataLoss, Verdict::kDeadSuspectOlder},
      {{.code = SQLITE_NOTADB}, StatusCode::kDataLoss, Verdict::kDeadSuspectOlder},
      {{.code = SQLITE_NOTFOUND}, StatusCode::kInternal, Verdict::kUsable},
      {{.code = SQLITE_FULL}, StatusCode::kResourceExhausted, Verdict::kUsable},
      {{.code = SQLITE_CANTOPEN_ISDIR}, StatusCode::kInvalidArgument, Verdict::kDead},
      {{.code = SQLITE_CANTOPEN_SYMLINK}, StatusCode::kFailedPrecondition, Verdict::kDead},
      {{.code = SQLITE_PROTOCOL}, StatusCode::kUnavailable, Verdict::kUsable},
      {{.code = SQLITE_SCHEMA}, StatusCode::kAborted, Verdict::kUsable},
      {{.code = SQLITE_TOOBIG}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_CONSTRAINT_UNIQUE}, StatusCode::kAlreadyExists, Verdict::kUsable},
      {{.code = SQLITE_CONSTRAINT_PRIMARYKEY}, StatusCode::kAlreadyExists, Verdict::kUsable},
      {{.code = SQLITE_CONSTRAINT_ROWID}, StatusCode::kAlreadyExists, Verdict::kUsable},
      {{.code = SQLITE_CONSTRAINT_NOTNULL}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_CONSTRAINT_CHECK}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_CONSTRAINT_FOREIGNKEY}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_CONSTRAINT_DATATYPE}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_MISMATCH}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_MISUSE}, StatusCode::kInternal, Verdict::kDead},
      {{.code = SQLITE_NOLFS}, StatusCode::kResourceExhausted, Verdict::kUsable},
      {{.code = SQLITE_AUTH}, StatusCode::kInvalidArgument, Verdict::kUsable},
      {{.code = SQLITE_RANGE}, StatusCode::kInvalidArgument, Verdict::kUsable},
  };
  for (const Case& one : kCases) Check(one);
}

TEST(ClassifyTest, BusyMeansWhatWasBeingDone) {
  const Case kCases[] = {
      {{.code = SQLITE_BUSY, .operation = Operation::kBegin, .gave_up = true},
       StatusCode::kDeadlineExceeded,
       Verdict::kUsable},
      // An autocommit INSERT that waited for another process.
      {{.code = SQLITE_BUSY, .operation = Operation::kCommit, .gave_up = true},
       StatusCode::kDeadlineExceeded,
       Verdict::kUsable},
      // A read-then-write: nobody waits, because waiting cannot help.
      {{.code = SQLITE_BUSY, .operation = Operation::kStatement, .in_transaction = true},
       StatusCode::kAborted,
       Verdict::kUsable},
      {{.code = SQLITE_BUSY,
        .operation = Operation::kStatement,
        .in_transaction = true,
        .gave_up = true},
       StatusCode::kDeadlineExceeded,
       Verdict::kUsable},
      // COMMIT while a statement of this very connection still writes.
      {{.code = SQLITE_BUSY, .operation = Operation::kCommit},
       StatusCode::kFailedPrecondition,
       Verdict::kUsable},
      {{.code = SQLITE_BUSY, .operation = Operation::kOpen},
       StatusCode::kUnavailable,
       Verdict::kUsable},
      // "No such table" of a connection that may not look whether its schema is fresh.
      {{.code = SQLITE_ERROR, .gave_up = true}, StatusCode::kDeadlineExceeded, Verdict::kUsable},
  };
  for (const Case& one : kCases) Check(one);
}

TEST(ClassifyTest, CannotOpenMeansWhatTheSystemSaid) {
  const auto cannot_open = [](int system_errno) {
    return Evidence{
        .code = SQLITE_CANTOPEN, .system_errno = system_errno, .operation = Operation::kOpen};
  };
  const Case kCases[] = {
      {cannot_open(ENOENT), StatusCode::kNotFound, Verdict::kDead},
      {cannot_open(ENOTDIR), StatusCode::kNotFound, Verdict::kDead},
      {cannot_open(EACCES), StatusCode::kPermissionDenied, Verdict::kDead},
      {cannot_open(EISDIR), StatusCode::kInvalidArgument, Verdict::kDead},
      {cannot_open(EROFS), StatusCode::kFailedPrecondition, Verdict::kDead},
      {cannot_open(EMFILE), StatusCode::kResourceExhausted, Verdict::kDead},
      {cannot_open(ENOSPC), StatusCode::kResourceExhausted, Verdict::kDead},
      {cannot_open(EIO), StatusCode::kUnavailable, Verdict::kDead},
      {cannot_open(0), StatusCode::kUnavailable, Verdict::kDead},
  };
  for (const Case& one : kCases) Check(one);
}

TEST(ClassifyTest, AReaderThatWritesStaysUsable) {
  Check({{.code = SQLITE_READONLY, .may_write = false},
         StatusCode::kFailedPrecondition,
         Verdict::kUsable});
  Check({{.code = SQLITE_READONLY_DBMOVED, .may_write = false},
         StatusCode::kUnavailable,
         Verdict::kDeadAndOlderToo});
}

TEST(ClassifyTest, ACommitThatWasNotSyncedHasAnUnknownOutcome) {
  for (const int code : {SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC}) {
    Check({{.code = code, .operation = Operation::kCommit},
           StatusCode::kUnknown,
           Verdict::kDeadAndOlderToo});
    Check({{.code = code, .operation = Operation::kSync},
           StatusCode::kDataLoss,
           Verdict::kDeadAndOlderToo});
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
  EXPECT_EQ(Classify({.code = 200}).verdict, Verdict::kDead);
}

}  // namespace
}  // namespace roost::sqlite
