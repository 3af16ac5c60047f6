// Two tables of rows {SQLSTATE or class, status, verdict, advice}; what depends on the moment is
// decided by functions around them.
#include "backends/postgres/classify.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;

struct Row {
  std::string_view sqlstate;  // five characters, or the two of a class
  StatusCode status;
  Verdict verdict;
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
    {"08000", StatusCode::kUnavailable, Verdict::kDead, kRetryLater},
    {"08001", StatusCode::kUnavailable, Verdict::kDead, kRetryLater},
    {"08003", StatusCode::kUnavailable, Verdict::kDead, kRetryLater},
    {"08004", StatusCode::kUnavailable, Verdict::kDead, kRetryLater},
    {"08006", StatusCode::kUnavailable, Verdict::kDead, kRetryLater},
    {"08007", StatusCode::kUnknown, Verdict::kDead, kUnsure},
    {"08P01", StatusCode::kUnavailable, Verdict::kDead,
     "client and server no longer understand each other: the connection is closed"},
    {"23505", StatusCode::kAlreadyExists, Verdict::kUsable, ""},
    {"25001", StatusCode::kFailedPrecondition, Verdict::kUsable, "a transaction is open already"},
    {"25006", StatusCode::kFailedPrecondition, Verdict::kUsable,
     "the transaction or the server only reads (target_session_attrs=primary looks for another)"},
    {"25P01", StatusCode::kFailedPrecondition, Verdict::kUsable, "no transaction is open"},
    {"25P02", StatusCode::kAborted, Verdict::kUsable,
     "an earlier statement of this transaction failed: roll it back and run it again"},
    {"25P03", StatusCode::kUnavailable, Verdict::kDead,
     "the transaction was idle for longer than the server allows, and is rolled back"},
    {"25P04", StatusCode::kUnavailable, Verdict::kDead,
     "the transaction was open for longer than the server allows, and is rolled back"},
    {"26000", StatusCode::kAborted, Verdict::kUsable, kAgain},
    {"28000", StatusCode::kUnauthenticated, Verdict::kDead, kLogin},
    {"28P01", StatusCode::kUnauthenticated, Verdict::kDead, kLogin},
    {"3D000", StatusCode::kNotFound, Verdict::kDead, "there is no such database: create it"},
    {"40001", StatusCode::kAborted, Verdict::kUsable, kAgain},
    {"40003", StatusCode::kUnknown, Verdict::kUsable, kUnsure},
    {"40P01", StatusCode::kAborted, Verdict::kUsable, kAgain},
    {"42501", StatusCode::kPermissionDenied, Verdict::kUsable, "grant it, or use another role"},
    {"42P05", StatusCode::kAborted, Verdict::kUsable, kAgain},
    {"53100", StatusCode::kResourceExhausted, Verdict::kUsable, kFull},
    {"53200", StatusCode::kResourceExhausted, Verdict::kUsable, kFull},
    {"53300", StatusCode::kResourceExhausted, Verdict::kDead,
     "the server lends no more sessions: let fewer pools share it, or raise max_connections"},
    {"53400", StatusCode::kResourceExhausted, Verdict::kUsable, kFull},
    {"55000", StatusCode::kFailedPrecondition, Verdict::kUsable, ""},
    {"55P03", StatusCode::kAborted, Verdict::kUsable, kAgain},
    // Not ours: a deadline of ours closes the connection, it never cancels.
    {"57014", StatusCode::kAborted, Verdict::kUsable,
     "cancelled by the server's statement_timeout or by an administrator; run it again"},
    {"57P01", StatusCode::kUnavailable, Verdict::kDeadSuspectOlder, kRetryLater},
    {"57P02", StatusCode::kUnavailable, Verdict::kDeadAndOlderToo, kRetryLater},
    {"57P03", StatusCode::kUnavailable, Verdict::kDeadAndOlderToo, kRetryLater},
    {"57P04", StatusCode::kUnavailable, Verdict::kDeadAndOlderToo, "the database was dropped"},
    {"57P05", StatusCode::kUnavailable, Verdict::kDead,
     "the server ended the idle session (idle_session_timeout)"},
    {"XX001", StatusCode::kDataLoss, Verdict::kUsable, kDamaged},
    {"XX002", StatusCode::kDataLoss, Verdict::kUsable, kDamaged},
};

constexpr Row kClasses[] = {
    {"08", StatusCode::kUnavailable, Verdict::kDead, kRetryLater},
    {"0A", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"20", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"21", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"22", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"23", StatusCode::kInvalidArgument, Verdict::kUsable, "the schema refuses the row"},
    {"24", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"25", StatusCode::kFailedPrecondition, Verdict::kUsable, ""},
    {"26", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"27", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"28", StatusCode::kUnauthenticated, Verdict::kDead, kLogin},
    {"2B", StatusCode::kFailedPrecondition, Verdict::kUsable, ""},
    {"2D", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"2F", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"34", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"38", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"39", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"3B", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"3D", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"3F", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"40", StatusCode::kAborted, Verdict::kUsable, kAgain},
    {"42", StatusCode::kInvalidArgument, Verdict::kUsable, kFixProgram},
    {"44", StatusCode::kInvalidArgument, Verdict::kUsable, "the view refuses the row"},
    {"53", StatusCode::kResourceExhausted, Verdict::kUsable, kFull},
    {"54", StatusCode::kInvalidArgument, Verdict::kUsable, "the statement is beyond a limit"},
    {"55", StatusCode::kAborted, Verdict::kUsable, "another session uses the object: run it again"},
    {"57", StatusCode::kUnavailable, Verdict::kDead, kRetryLater},
    {"58", StatusCode::kUnavailable, Verdict::kUsable, "the server's system gave an error"},
    {"72", StatusCode::kAborted, Verdict::kUsable, kAgain},
    {"F0", StatusCode::kFailedPrecondition, Verdict::kUsable, "look at the server's configuration"},
    {"HV", StatusCode::kUnavailable, Verdict::kUsable, "a foreign server gave an error"},
    {"P0", StatusCode::kInvalidArgument, Verdict::kUsable, "raised by a function of the database"},
    {"XX", StatusCode::kInternal, Verdict::kUsable, "a bug inside the server"},
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
    return {StatusCode::kUnavailable, Verdict::kDeadAndOlderToo,
            "the server is no longer the primary: the next open looks for it elsewhere"};
  }
  const Row* const row = Find(sqlstate);
  if (row == nullptr) {
    return {StatusCode::kInternal, Verdict::kDead, "a SQLSTATE unknown to roostpool"};
  }
  // PgBouncer says 08P01 for everything of its own, the death of the server behind it included.
  const bool lost = row->verdict != Verdict::kUsable;
  if (lost && evidence.operation == Operation::kCommit) {
    return {StatusCode::kUnknown, row->verdict, kUnsure};
  }
  return {row->status, row->verdict, row->advice};
}

}  // namespace

Finding Classify(const Evidence& evidence) {
  const bool commits = evidence.operation == Operation::kCommit;
  switch (evidence.cause) {
    case Cause::kServer:
      return ByServer(evidence);
    case Cause::kLink:
      // A link that broke for one may have broken for all: they have to prove that they live.
      return {commits ? StatusCode::kUnknown : StatusCode::kUnavailable, Verdict::kDeadSuspectOlder,
              commits ? kUnsure : kRetryLater};
    case Cause::kDeadline:
      return {commits ? StatusCode::kUnknown : StatusCode::kDeadlineExceeded, Verdict::kDead,
              commits ? kUnsure : "the connection is closed: its answer may still come"};
  }
  return {StatusCode::kInternal, Verdict::kDead, ""};
}

bool WantsPreparing(std::string_view sqlstate) {
  return sqlstate == "26000" || sqlstate == "42P05" || sqlstate == "0A000";
}

// "invalid input syntax for type integer: "..."". Class 23 names constraints; its values are in the
// detail, which is never shown.
bool MayQuoteValues(std::string_view sqlstate) { return sqlstate.substr(0, 2) == "22"; }

}  // namespace roost::postgres
