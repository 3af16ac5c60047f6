// include/roost/next_step.h - what a program does about the status of an acquire, a statement or a
// commit.
//
// Threads:  any
// Blocks:   never
// Memory:   none
// Errors:   none
// Example:
//   const roost::Advice advice = roost::NextStep(stored);
//   if (advice == roost::Advice::kShed) kept.DropOldest();
//   if (advice != roost::Advice::kOk) kept.Add(reading);
#ifndef ROOST_NEXT_STEP_H_
#define ROOST_NEXT_STEP_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost {

// What to do next. Every advice but kOk leaves the data with the caller.
enum class Advice : uint8_t {
  // It is stored. Go on. After kAlreadyExists that is so for an INSERT of one row with a key of its own,
  // which an earlier try has stored. A statement that names several rows, or an UPDATE, was not done: look
  // at the code itself.
  kOk,
  // Keep the data, and try at the next reading. After kUnknown the data may be stored already: run
  // it again only if doing it twice is harmless, such as an insert with a key of its own.
  kKeep,
  // Keep the data, and try again when the pool may have reached the database: after a pause that
  // grows, or with WhenAway::kWait by the next Acquire.
  kRetryLater,
  // Run the whole transaction again, at once.
  kRunAgain,
  // Too much is asked for at a time, or a bound on memory or card space is reached. Do less now:
  // acquire less often, drop what matters least.
  kShed,
  // The same call gives the same answer. Do not repeat it; the message says what to change. So it is after
  // kAlreadyExists, too, where other work was undone with the row: in a RunAll, in a transaction or at its
  // commit, in a script. For rows of an earlier try write ON CONFLICT DO NOTHING.
  kStop,
  // A person has to act: the database is damaged, or refuses this program. Keep the data, say the
  // message where a person reads it, and try seldom.
  kAlarm,
};

namespace internal {
// For drivers: `status` with a mark, which NextStep reads. What it is of stands in a transaction, is one of
// several statements of a script, or one row of a RunAll, so that kAlreadyExists does not say that all is
// there. OK and other codes stay as they are.
absl::Status UndoneWithOthers(absl::Status status);
// The mark itself: the advice is kStop.
absl::Status AdviseToStop(absl::Status status);
bool AdvisesToStop(const absl::Status& status);
// The message of `status`, as long as it lives: absl::string_view is another type than std's where Abseil
// was built for an older C++.
inline std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}
// `status` with another message; its code, its marks and the database's own code stay. REQUIRES: not OK.
absl::Status WithMessage(const absl::Status& status, std::string_view message);
}  // namespace internal

// The advice for each code that roostpool returns; the table in lease.h says the same. A code that
// is in no table of roostpool is a bug, and an alarm. Take the other one where there is a status.
constexpr Advice NextStep(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kAlreadyExists:
      return Advice::kOk;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnknown:
      return Advice::kKeep;
    case absl::StatusCode::kUnavailable:
      return Advice::kRetryLater;
    case absl::StatusCode::kAborted:
      return Advice::kRunAgain;
    case absl::StatusCode::kResourceExhausted:
      return Advice::kShed;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kCancelled:
      return Advice::kStop;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kInternal:
    default:
      return Advice::kAlarm;
  }
}
// The advice for a status: as for its code, but kStop for a kAlreadyExists that took other work with it, and
// for a QueryOne that found no row (kNotFound).
inline Advice NextStep(const absl::Status& status) {
  if ((status.code() == absl::StatusCode::kAlreadyExists ||
       status.code() == absl::StatusCode::kNotFound) &&
      internal::AdvisesToStop(status)) {
    return Advice::kStop;
  }
  return NextStep(status.code());
}

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_NEXT_STEP_H_
