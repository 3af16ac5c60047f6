#include "roost/next_step.h"

#include <string>
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

// Without a copy of a Cord, which would bring Abseil's profiler of cords into each program.
absl::Status WithMessage(const absl::Status& status, std::string_view message) {
  absl::Status told(status.code(), absl::string_view(message.data(), message.size()));
  status.ForEachPayload([&told](const auto type, const absl::Cord& payload) {
    const auto bytes = static_cast<std::string>(payload);
    told.SetPayload(type, absl::Cord(absl::string_view(bytes.data(), bytes.size())));
  });
  return told;
}

}  // namespace roost::internal
