// pool/stats.cc - histograms, names, and SQLAlchemy's status line.

#include "roost/stats.h"

#include <algorithm>

#include "base/text.h"

namespace roost {

Duration Histogram::Percentile(double share) const {
  if (total_ == 0) return Duration::zero();
  const double wanted = share * static_cast<double>(total_);
  uint64_t below = 0;
  for (int bucket = 0; bucket < kBuckets; ++bucket) {
    below += count(bucket);
    if (static_cast<double>(below) >= wanted && below > 0) return std::min(Bound(bucket), max_);
  }
  return max_;
}

// The same letters and blanks as QueuePool.status() of SQLAlchemy 1.4 and 2.0; its overflow starts at
// -pool_size and counts open connections.
std::string_view WriteSqlAlchemyStatus(const Stats& stats, std::span<char> out) {
  internal::Text text(out);
  text.Add("Pool size: ", stats.pool_size, "  Connections in pool: ", stats.idle,
           " Current Overflow: ", stats.open - stats.pool_size,
           " Current Checked out connections: ", stats.in_use);
  return text.view();
}

std::string_view Name(EventKind kind) {
  switch (kind) {
    case EventKind::kFirstConnect:
      return "first_connect";
    case EventKind::kConnect:
      return "connect";
    case EventKind::kConnectFailed:
      return "connect_failed";
    case EventKind::kCheckout:
      return "checkout";
    case EventKind::kCheckin:
      return "checkin";
    case EventKind::kReset:
      return "reset";
    case EventKind::kInvalidate:
      return "invalidate";
    case EventKind::kSoftInvalidate:
      return "soft_invalidate";
    case EventKind::kRecycle:
      return "recycle";
    case EventKind::kDetach:
      return "detach";
    case EventKind::kClose:
      return "close";
    case EventKind::kTimeout:
      return "timeout";
    case EventKind::kRefused:
      return "refused";
    case EventKind::kLeak:
      return "leak";
    case EventKind::kLeakReturned:
      return "leak_returned";
    case EventKind::kLateTick:
      return "late_tick";
    case EventKind::kTuned:
      return "tuned";
  }
  return "?";
}

std::string_view Name(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return "ok";
    case absl::StatusCode::kCancelled:
      return "cancelled";
    case absl::StatusCode::kUnknown:
      return "unknown";
    case absl::StatusCode::kInvalidArgument:
      return "invalid_argument";
    case absl::StatusCode::kDeadlineExceeded:
      return "deadline_exceeded";
    case absl::StatusCode::kNotFound:
      return "not_found";
    case absl::StatusCode::kAlreadyExists:
      return "already_exists";
    case absl::StatusCode::kPermissionDenied:
      return "permission_denied";
    case absl::StatusCode::kResourceExhausted:
      return "resource_exhausted";
    case absl::StatusCode::kFailedPrecondition:
      return "failed_precondition";
    case absl::StatusCode::kAborted:
      return "aborted";
    case absl::StatusCode::kOutOfRange:
      return "out_of_range";
    case absl::StatusCode::kUnimplemented:
      return "unimplemented";
    case absl::StatusCode::kInternal:
      return "internal";
    case absl::StatusCode::kUnavailable:
      return "unavailable";
    case absl::StatusCode::kDataLoss:
      return "data_loss";
    case absl::StatusCode::kUnauthenticated:
      return "unauthenticated";
    default:
      return "?";
  }
}

std::string_view Name(StatementKind kind) {
  switch (kind) {
    case StatementKind::kRun:
      return "run";
    case StatementKind::kQuery:
      return "query";
    case StatementKind::kPrepare:
      return "prepare";
    case StatementKind::kScript:
      return "script";
    case StatementKind::kBegin:
      return "begin";
    case StatementKind::kCommit:
      return "commit";
    case StatementKind::kRollback:
      return "rollback";
    case StatementKind::kSeal:
      return "seal";
  }
  return "?";
}

std::string_view Name(CloseReason reason) {
  switch (reason) {
    case CloseReason::kNone:
      return "none";
    case CloseReason::kOverflow:
      return "overflow";
    case CloseReason::kLingered:
      return "lingered";
    case CloseReason::kRecycled:
      return "recycled";
    case CloseReason::kIdle:
      return "idle";
    case CloseReason::kInvalidated:
      return "invalidated";
    case CloseReason::kDiscarded:
      return "discarded";
    case CloseReason::kBroken:
      return "broken";
    case CloseReason::kPingFailed:
      return "ping_failed";
    case CloseReason::kResetFailed:
      return "reset_failed";
    case CloseReason::kUpkeepFailed:
      return "upkeep_failed";
    case CloseReason::kSuspect:
      return "suspect";
    case CloseReason::kPoolClosed:
      return "pool_closed";
  }
  return "?";
}

}  // namespace roost
