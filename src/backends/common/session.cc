#include "backends/common/session.h"

#include "statements/text.h"

namespace roost::backends {

absl::Status Session::TooLate() {
  return absl::DeadlineExceededError("the deadline of the lease has passed: no statement is begun");
}

absl::Status Session::TooLateToCommit() {
  return absl::DeadlineExceededError(
      "the deadline of the lease has passed before the commit was begun: the transaction is rolled "
      "back");
}

absl::Status Session::BoundsTransaction(std::string_view sql) {
  return absl::FailedPreconditionError(internal::Concat(
      {internal::Quoted(sql),
       " begins or ends a transaction, or may do so, while a roost::Transaction is open: call its "
       "Commit or Rollback; inside of it use SAVEPOINT and ROLLBACK TO"}));
}

absl::Status Session::FailedBefore() const {
  const absl::Status& failure = transaction_.failure();
  if (failure.ok()) {
    return absl::FailedPreconditionError(
        "nothing of the transaction is stored: a statement of it has failed that was run through "
        "the "
        "driver's handle");
  }
  return internal::UndoneWithOthers(internal::WithMessage(
      failure,
      internal::Concat({"nothing of the transaction is stored, because a statement of it has "
                        "failed: ",
                        internal::MessageOf(failure)})));
}

absl::Status Session::Replaced() {
  return absl::FailedPreconditionError(
      "the transaction was ended, perhaps through the driver's handle, and another one was begun "
      "in "
      "its place, which is rolled back; what was done before that may be stored: leave BEGIN, "
      "COMMIT "
      "and ROLLBACK to roost::Transaction");
}

absl::Status Session::EndedByOthers() {
  return absl::UnknownError(
      "the transaction was ended, perhaps through the driver's handle, and may have been "
      "committed: "
      "run it again only if it may be done twice");
}

SessionState Session::InspectFlags(bool open) const {
  const bool dirty =
      open || transaction_.ours() || IsReading() || IsDirty(kDirtyTainted) || IsDirty(kDirtyRaw);
  return dirty ? SessionState::kDirty : SessionState::kClean;
}

}  // namespace roost::backends
