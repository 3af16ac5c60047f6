// One table of rows {code, status, fault scope, advice}; the few codes whose meaning depends on
// what was being done are decided by functions before the table is asked.
#include "backends/sqlite/classify.h"

#include <sqlite3.h>

#include <cerrno>

namespace roost::sqlite {
namespace {

using absl::StatusCode;

struct Row {
  int code;
  StatusCode status;
  FaultScope fault_scope;
  std::string_view advice;
};

constexpr std::string_view kCardRefuses =
    "the card or the file does not take writes: remount it writable or replace it";
constexpr std::string_view kDamaged =
    "the database is damaged: stop writing, move the file, its -wal and its -shm aside together, "
    "and start a new one";
constexpr std::string_view kNotSynced =
    "the card did not confirm what was written: commits since the last seal may be lost";
constexpr std::string_view kOwnReader =
    "a statement of this connection is still being read: end its Rows first";
constexpr std::string_view kFull =
    "the card or the bound max_kib is full: free space, or delete rows (a refusal has the log "
    "copied, and the second try finds room in it)";
constexpr std::string_view kRaceLost =
    "another connection was faster: run the whole transaction again";
constexpr std::string_view kWaited = "another process held the database until the deadline";
constexpr std::string_view kFixProgram = "";

// Extended codes first where they differ from their primary code. Sorted by primary code.
constexpr Row kTable[] = {
    {SQLITE_ERROR, StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {SQLITE_ERROR_SNAPSHOT, StatusCode::kAborted, FaultScope::kStatement, kRaceLost},
    {SQLITE_ERROR_RETRY, StatusCode::kAborted, FaultScope::kStatement, kRaceLost},
    {SQLITE_INTERNAL, StatusCode::kInternal, FaultScope::kConnection, "a bug inside SQLite"},
    {SQLITE_PERM, StatusCode::kPermissionDenied, FaultScope::kConnection,
     "look at the file's permissions"},
    {SQLITE_ABORT, StatusCode::kAborted, FaultScope::kStatement, kRaceLost},
    {SQLITE_ABORT_ROLLBACK, StatusCode::kAborted, FaultScope::kStatement,
     "the transaction was rolled back while its rows were being read"},
    {SQLITE_BUSY, StatusCode::kDeadlineExceeded, FaultScope::kStatement, kWaited},
    {SQLITE_BUSY_SNAPSHOT, StatusCode::kAborted, FaultScope::kStatement, kRaceLost},
    {SQLITE_BUSY_RECOVERY, StatusCode::kDeadlineExceeded, FaultScope::kStatement,
     "another process is recovering the log"},
    {SQLITE_LOCKED, StatusCode::kFailedPrecondition, FaultScope::kStatement, kOwnReader},
    {SQLITE_LOCKED_SHAREDCACHE, StatusCode::kAborted, FaultScope::kStatement, kRaceLost},
    {SQLITE_NOMEM, StatusCode::kResourceExhausted, FaultScope::kStatement,
     "SQLite has no memory left"},
    {SQLITE_READONLY, StatusCode::kFailedPrecondition, FaultScope::kConnection, kCardRefuses},
    {SQLITE_READONLY_DBMOVED, StatusCode::kUnavailable, FaultScope::kAllOlder,
     "the file was moved or replaced"},
    {SQLITE_INTERRUPT, StatusCode::kDeadlineExceeded, FaultScope::kStatement,
     "the statement ran into the deadline of its lease"},
    {SQLITE_IOERR, StatusCode::kUnavailable, FaultScope::kConnection, "the card gave an error"},
    {SQLITE_IOERR_WRITE, StatusCode::kFailedPrecondition, FaultScope::kConnection, kCardRefuses},
    {SQLITE_IOERR_FSYNC, StatusCode::kDataLoss, FaultScope::kAllOlder, kNotSynced},
    {SQLITE_IOERR_DIR_FSYNC, StatusCode::kDataLoss, FaultScope::kAllOlder, kNotSynced},
    {SQLITE_IOERR_COMMIT_ATOMIC, StatusCode::kDataLoss, FaultScope::kAllOlder, kNotSynced},
    {SQLITE_IOERR_NOMEM, StatusCode::kResourceExhausted, FaultScope::kStatement,
     "SQLite has no memory left"},
    {SQLITE_IOERR_SHMSIZE, StatusCode::kResourceExhausted, FaultScope::kConnection, kFull},
    {SQLITE_IOERR_DATA, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder, kDamaged},
    {SQLITE_IOERR_CORRUPTFS, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder, kDamaged},
    {SQLITE_CORRUPT, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder, kDamaged},
    {SQLITE_NOTFOUND, StatusCode::kInternal, FaultScope::kStatement,
     "the VFS does not know the request"},
    {SQLITE_FULL, StatusCode::kResourceExhausted, FaultScope::kStatement, kFull},
    {SQLITE_CANTOPEN, StatusCode::kUnavailable, FaultScope::kConnection,
     "the file could not be opened"},
    {SQLITE_CANTOPEN_ISDIR, StatusCode::kInvalidArgument, FaultScope::kConnection,
     "the path names a directory: name a file in it"},
    {SQLITE_CANTOPEN_SYMLINK, StatusCode::kFailedPrecondition, FaultScope::kConnection,
     "the path goes through a symbolic link, which is refused: give the path that it points to"},
    {SQLITE_PROTOCOL, StatusCode::kUnavailable, FaultScope::kStatement,
     "too many processes raced for the log's lock"},
    {SQLITE_SCHEMA, StatusCode::kAborted, FaultScope::kStatement,
     "the schema was changed: run it again"},
    {SQLITE_TOOBIG, StatusCode::kInvalidArgument, FaultScope::kStatement,
     "a value is longer than max_value_bytes, or the SQL is longer than 16 KiB"},
    {SQLITE_CONSTRAINT, StatusCode::kInvalidArgument, FaultScope::kStatement,
     "the schema refuses the row"},
    {SQLITE_CONSTRAINT_COMMITHOOK, StatusCode::kAborted, FaultScope::kStatement,
     "the log was as long as it may be; it has been cut: run the whole transaction again"},
    {SQLITE_CONSTRAINT_UNIQUE, StatusCode::kAlreadyExists, FaultScope::kStatement, ""},
    {SQLITE_CONSTRAINT_PRIMARYKEY, StatusCode::kAlreadyExists, FaultScope::kStatement, ""},
    {SQLITE_CONSTRAINT_ROWID, StatusCode::kAlreadyExists, FaultScope::kStatement, ""},
    {SQLITE_MISMATCH, StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {SQLITE_MISUSE, StatusCode::kInternal, FaultScope::kConnection,
     "a bug: SQLite was called wrongly"},
    {SQLITE_NOLFS, StatusCode::kResourceExhausted, FaultScope::kStatement,
     "the file system takes no larger file"},
    {SQLITE_AUTH, StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {SQLITE_FORMAT, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder, kDamaged},
    {SQLITE_RANGE, StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {SQLITE_NOTADB, StatusCode::kDataLoss, FaultScope::kConnectionSuspectOlder,
     "the file is not a SQLite database: is the path right?"},
};

const Row* Find(int code) {
  for (const Row& row : kTable) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

// "Could not open" says little; the system's own error says what to do.
Finding CannotOpen(int system_errno) {
  switch (system_errno) {
    case ENOENT:
    case ENOTDIR:
      return {StatusCode::kNotFound, FaultScope::kConnection,
              "the file or its directory is not there"};
    case EACCES:
    case EPERM:
      return {StatusCode::kPermissionDenied, FaultScope::kConnection,
              "the process may not open the file, or not create files in its directory"};
    case EISDIR:
      return {StatusCode::kInvalidArgument, FaultScope::kConnection,
              "the path names a directory: name a file in it"};
    case EROFS:
      return {StatusCode::kFailedPrecondition, FaultScope::kConnection, kCardRefuses};
    case EMFILE:
    case ENFILE:
      return {StatusCode::kResourceExhausted, FaultScope::kConnection,
              "no file descriptor is left"};
    case ENOSPC:
    case EDQUOT:
      return {StatusCode::kResourceExhausted, FaultScope::kConnection, kFull};
    default:
      return {StatusCode::kUnavailable, FaultScope::kConnection, "the file could not be opened"};
  }
}

// 5 has four meanings, told apart by where it came and whether anybody waited.
Finding Busy(const Evidence& evidence) {
  switch (evidence.operation) {
    case Operation::kOpen:
      return {StatusCode::kUnavailable, FaultScope::kStatement, kWaited};
    case Operation::kCommit:
      if (evidence.gave_up) return {StatusCode::kDeadlineExceeded, FaultScope::kStatement, kWaited};
      return {StatusCode::kFailedPrecondition, FaultScope::kStatement, kOwnReader};
    case Operation::kStatement:
      if (evidence.in_transaction && !evidence.gave_up) {
        return {StatusCode::kAborted, FaultScope::kStatement, kRaceLost};
      }
      return {StatusCode::kDeadlineExceeded, FaultScope::kStatement, kWaited};
    case Operation::kBegin:
    case Operation::kSync:
      return {StatusCode::kDeadlineExceeded, FaultScope::kStatement, kWaited};
  }
  return {StatusCode::kInternal, FaultScope::kConnection, ""};
}

}  // namespace

bool LacksSync(int code) {
  return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC ||
         code == SQLITE_IOERR_COMMIT_ATOMIC;
}

Finding Classify(const Evidence& evidence) {
  const int code = evidence.code;
  if (code == SQLITE_CANTOPEN) return CannotOpen(evidence.system_errno);
  if (code == SQLITE_BUSY) return Busy(evidence);
  if (code == SQLITE_ERROR && evidence.gave_up) {
    // A connection that may not check whether its schema is fresh says "no such table" (memdb).
    return {StatusCode::kDeadlineExceeded, FaultScope::kStatement, kWaited};
  }
  if ((code & 0xFF) == SQLITE_READONLY && !evidence.may_write &&
      evidence.operation != Operation::kOpen && code != SQLITE_READONLY_DBMOVED) {
    return {
        StatusCode::kFailedPrecondition, FaultScope::kStatement,
        "this connection only reads: acquire with roost::kWrite, of a backend without read_only"};
  }
  if (LacksSync(code) && evidence.operation == Operation::kCommit) {
    // The log's pages were written: after a crash the commit may be there or not.
    return {StatusCode::kUnknown, FaultScope::kAllOlder,
            "the card did not confirm the commit: run it again only if it may be done twice"};
  }
  const Row* row = Find(code);
  if (row == nullptr) row = Find(code & 0xFF);
  if (row == nullptr)
    return {StatusCode::kInternal, FaultScope::kConnection, "a code unknown to roostpool"};
  return {row->status, row->fault_scope, row->advice};
}

}  // namespace roost::sqlite
