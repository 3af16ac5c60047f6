#include "roost/next_step.h"

#include <utility>

#include "absl/strings/cord.h"

namespace roost::internal {
namespace {

constexpr char kMark[] = "roostpool/stop";

}  // namespace

absl::Status AdviseToStop(absl::Status status) {
  if (!status.ok()) status.SetPayload(kMark, absl::Cord("1"));
  return status;
}

absl::Status UndoneWithOthers(absl::Status status) {
  return absl::IsAlreadyExists(status) ? AdviseToStop(std::move(status)) : status;
}

bool AdvisesToStop(const absl::Status& status) {
  bool found = false;
  status.ForEachPayload(
      [&found](const auto type, const absl::Cord&) { found = found || type == kMark; });
  return found;
}

}  // namespace roost::internal
