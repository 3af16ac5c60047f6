#include "backends/postgres/classify.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;

constexpr std::string_view kRetryLater = "the server is away: retry later";
constexpr std::string_view kUnsure =
    "whether it was committed is unknown: run it again only if it may be done twice";

Finding ByServer(const Evidence& evidence) {
  const std::string_view sqlstate = evidence.sqlstate;
  if (sqlstate == "25006" && evidence.reads_only == ReadsOnly::kStandby) {
    return {StatusCode::kUnavailable, FaultScope::kConnection,
            "the server is a standby: the connection is closed at its return "
            "(target_session_attrs=read-write looks for the primary)"};
  }
  if (sqlstate == "25006" && evidence.reads_only == ReadsOnly::kLostRole) {
    return {StatusCode::kUnavailable, FaultScope::kAllOlder,
            "the server is no longer the primary: the next open looks for it elsewhere"};
  }
  const Finding* const finding = FindInSession(sqlstate);
  if (finding == nullptr) {
    return {StatusCode::kInternal, FaultScope::kConnection, "a SQLSTATE unknown to roostpool"};
  }
  // PgBouncer says 08P01 for everything of its own, the death of the server behind it included.
  const bool lost = finding->fault_scope != FaultScope::kStatement;
  if (lost && evidence.operation == Operation::kCommit) {
    return {StatusCode::kUnknown, finding->fault_scope, kUnsure};
  }
  return *finding;
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

bool WantsDescribing(std::string_view sqlstate) {
  return sqlstate == "42804" || sqlstate == "42883" || sqlstate == "42725" || sqlstate == "42846";
}

// "invalid input syntax for type integer: "..."". Class 23 names constraints; its values are in the
// detail, which is never shown.
bool MayQuoteValues(std::string_view sqlstate) { return sqlstate.substr(0, 2) == "22"; }

}  // namespace roost::postgres
