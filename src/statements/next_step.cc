#include "roost/next_step.h"

#include "absl/strings/cord.h"

namespace roost::internal {
namespace {

constexpr char kMark[] = "roostpool/undone-with-others";

}  // namespace

absl::Status UndoneWithOthers(absl::Status status) {
  if (absl::IsAlreadyExists(status)) status.SetPayload(kMark, absl::Cord("1"));
  return status;
}

bool IsUndoneWithOthers(const absl::Status& status) {
  bool found = false;
  status.ForEachPayload(
      [&found](const auto type, const absl::Cord&) { found = found || type == kMark; });
  return found;
}

}  // namespace roost::internal
