// Two tables of rows {SQLSTATE or class, status, fault scope, advice}; what depends on the moment is
// decided by functions around them.
#include "backends/postgres/classify.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;

struct Row {
  std::string_view sqlstate;  // five characters, or the two of a class
  StatusCode status;
  FaultScope fault_scope;
  std::string_view advice;
};

constexpr std::string_view kAgain = "run the whole transaction again";
constexpr std::string_view kRetryLater = "the server is away: retry later";
constexpr std::string_view kFixProgram = "";
constexpr std::string_view kFull = "the server has no room: shed load, and look at it";
constexpr std::string_view kLogin = "look at the user, the password and pg_hba.conf";
constexpr std::string_view kDamaged = "the server's data is damaged: alarm";
constexpr std::string_view kUnsure =
    "whether it was committed is unknown: run it again only if it may be done twice";

// Sorted by SQLSTATE. What is not here is judged by kClasses.
constexpr Row kTable[] = {
    {"08000", StatusCode::kUnavailable, FaultScope::kConnection, kRetryLater},
    {"08001", StatusCode::kUnavailable, FaultScope::kConnection, kRetryLater},
    {"08003", StatusCode::kUnavailable, FaultScope::kConnection, kRetryLater},
    {"08004", StatusCode::kUnavailable, FaultScope::kConnection, kRetryLater},
    {"08006", StatusCode::kUnavailable, FaultScope::kConnection, kRetryLater},
    {"08007", StatusCode::kUnknown, FaultScope::kConnection, kUnsure},
    {"08P01", StatusCode::kUnavailable, FaultScope::kConnection,
     "client and server no longer understand each other: the connection is closed"},
    {"23505", StatusCode::kAlreadyExists, FaultScope::kStatement, ""},
    {"25001", StatusCode::kFailedPrecondition, FaultScope::kStatement,
     "a transaction is open already"},
    {"25006", StatusCode::kFailedPrecondition, FaultScope::kStatement,
     "the transaction or the server only reads (target_session_attrs=primary looks for another)"},
    {"25P01", StatusCode::kFailedPrecondition, FaultScope::kStatement, "no transaction is open"},
    {"25P02", StatusCode::kAborted, FaultScope::kStatement,
     "an earlier statement of this transaction failed: roll it back and run it again"},
    {"25P03", StatusCode::kUnavailable, FaultScope::kConnection,
     "the transaction was idle for longer than the server allows, and is rolled back"},
    {"25P04", StatusCode::kUnavailable, FaultScope::kConnection,
     "the transaction was open for longer than the server allows, and is rolled back"},
    {"26000", StatusCode::kAborted, FaultScope::kStatement, kAgain},
    {"28000", StatusCode::kUnauthenticated, FaultScope::kConnection, kLogin},
    {"28P01", StatusCode::kUnauthenticated, FaultScope::kConnection, kLogin},
    {"3D000", StatusCode::kNotFound, FaultScope::kConnection,
     "there is no such database: create it"},
    {"40001", StatusCode::kAborted, FaultScope::kStatement, kAgain},
    {"40003", StatusCode::kUnknown, FaultScope::kStatement, kUnsure},
    {"40P01", StatusCode::kAborted, FaultScope::kStatement, kAgain},
    {"42501", StatusCode::kPermissionDenied, FaultScope::kStatement,
     "grant it, or use another role"},
    {"42P05", StatusCode::kAborted, FaultScope::kStatement, kAgain},
    {"53100", StatusCode::kResourceExhausted, FaultScope::kStatement, kFull},
    {"53200", StatusCode::kResourceExhausted, FaultScope::kStatement, kFull},
    {"53300", StatusCode::kResourceExhausted, FaultScope::kConnection,
     "the server lends no more sessions: let fewer pools share it, or raise max_connections"},
    {"53400", StatusCode::kResourceExhausted, FaultScope::kStatement, kFull},
    {"55000", StatusCode::kFailedPrecondition, FaultScope::kStatement, ""},
    {"55P03", StatusCode::kAborted, FaultScope::kStatement, kAgain},
    // Not ours: a deadline of ours closes the connection, it never cancels.
    {"57014", StatusCode::kAborted, FaultScope::kStatement,
     "cancelled by the server's statement_timeout or by an administrator; run it again"},
    {"57P01", StatusCode::kUnavailable, FaultScope::kConnectionSuspectOlder, kRetryLater},
    {"57P02", StatusCode::kUnavailable, FaultScope::kAllOlder, kRetryLater},
    {"57P03", StatusCode::kUnavailable, FaultScope::kAllOlder, kRetryLater},
    {"57P04", StatusCode::kUnavailable, FaultScope::kAllOlder, "the database was dropped"},
    {"57P05", StatusCode::kUnavailable, FaultScope::kConnection,
     "the server ended the idle session (idle_session_timeout)"},
    {"XX001", StatusCode::kDataLoss, FaultScope::kStatement, kDamaged},
    {"XX002", StatusCode::kDataLoss, FaultScope::kStatement, kDamaged},
};

constexpr Row kClasses[] = {
    {"08", StatusCode::kUnavailable, FaultScope::kConnection, kRetryLater},
    {"0A", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"20", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"21", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"22", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"23", StatusCode::kInvalidArgument, FaultScope::kStatement, "the schema refuses the row"},
    {"24", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"25", StatusCode::kFailedPrecondition, FaultScope::kStatement, ""},
    {"26", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"27", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"28", StatusCode::kUnauthenticated, FaultScope::kConnection, kLogin},
    {"2B", StatusCode::kFailedPrecondition, FaultScope::kStatement, ""},
    {"2D", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"2F", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"34", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"38", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"39", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"3B", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"3D", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"3F", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"40", StatusCode::kAborted, FaultScope::kStatement, kAgain},
    {"42", StatusCode::kInvalidArgument, FaultScope::kStatement, kFixProgram},
    {"44", StatusCode::kInvalidArgument, FaultScope::kStatement, "the view refuses the row"},
    {"53", StatusCode::kResourceExhausted, FaultScope::kStatement, kFull},
    {"54", StatusCode::kInvalidArgument, FaultScope::kStatement, "the statement is beyond a limit"},
    {"55", StatusCode::kAborted, FaultScope::kStatement,
     "another session uses the object: run it again"},
    {"57", StatusCode::kUnavailable, FaultScope::kConnection, kRetryLater},
    {"58", StatusCode::kUnavailable, FaultScope::kStatement, "the server's system gave an error"},
    {"72", StatusCode::kAborted, FaultScope::kStatement, kAgain},
    {"F0", StatusCode::kFailedPrecondition, FaultScope::kStatement,
     "look at the server's configuration"},
    {"HV", StatusCode::kUnavailable, FaultScope::kStatement, "a foreign server gave an error"},
    {"P0", StatusCode::kInvalidArgument, FaultScope::kStatement,
     "raised by a function of the database"},
    {"XX", StatusCode::kInternal, FaultScope::kStatement, "a bug inside the server"},
};

const Row* Find(std::string_view sqlstate) {
  for (const Row& row : kTable) {
    if (row.sqlstate == sqlstate) return &row;
  }
  for (const Row& row : kClasses) {
    if (row.sqlstate == sqlstate.substr(0, 2)) return &row;
  }
  return nullptr;
}

Finding ByServer(const Evidence& evidence) {
  const std::string_view sqlstate = evidence.sqlstate;
  if (sqlstate == "25006" && evidence.lost_role) {
    return {StatusCode::kUnavailable, FaultScope::kAllOlder,
            "the server is no longer the primary: the next open looks for it elsewhere"};
  }
  const Row* const row = Find(sqlstate);
  if (row == nullptr) {
    return {StatusCode::kInternal, FaultScope::kConnection, "a SQLSTATE unknown to roostpool"};
  }
  // PgBouncer says 08P01 for everything of its own, the death of the server behind it included.
  const bool lost = row->fault_scope != FaultScope::kStatement;
  if (lost && evidence.operation == Operation::kCommit) {
    return {StatusCode::kUnknown, row->fault_scope, kUnsure};
  }
  return {row->status, row->fault_scope, row->advice};
}

}  // namespace

Finding Classify(const Evidence& evidence) {
  const bool commits = evidence.operation == Operation::kCommit;
  switch (evidence.cause) {
    case Cause::kServer:
      return ByServer(evidence);
    case Cause::kLink:
      // A link that broke for one may have broken for all: they have to prove that they live.
      return {commits ? StatusCode::kUnknown : StatusCode::kUnavailable,
              FaultScope::kConnectionSuspectOlder, commits ? kUnsure : kRetryLater};
    case Cause::kDeadline:
      return {commits ? StatusCode::kUnknown : StatusCode::kDeadlineExceeded,
              FaultScope::kConnection,
              commits ? kUnsure : "the connection is closed: its answer may still come"};
  }
  return {StatusCode::kInternal, FaultScope::kConnection, ""};
}

bool WantsPreparing(std::string_view sqlstate) {
  return sqlstate == "26000" || sqlstate == "42P05" || sqlstate == "0A000";
}

// "invalid input syntax for type integer: "..."". Class 23 names constraints; its values are in the
// detail, which is never shown.
bool MayQuoteValues(std::string_view sqlstate) { return sqlstate.substr(0, 2) == "22"; }

}  // namespace roost::postgres
