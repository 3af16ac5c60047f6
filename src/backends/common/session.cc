#include "backends/common/session.h"

namespace roost::backends {

absl::Status Session::TooLate() {
  return absl::DeadlineExceededError("the deadline of the lease has passed: no statement is begun");
}

SessionState Session::InspectFlags(bool open) const {
  const bool dirty =
      open || transaction_.ours() || IsReading() || IsDirty(kDirtyTainted) || IsDirty(kDirtyRaw);
  return dirty ? SessionState::kDirty : SessionState::kClean;
}

}  // namespace roost::backends
