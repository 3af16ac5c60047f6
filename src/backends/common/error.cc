#include "backends/common/error.h"

#include "absl/strings/cord.h"
#include "statements/text.h"

namespace roost::backends {

using internal::Concat;
using internal::Digits;
using internal::Quoted;

std::string InMessage(std::string_view name, std::string_view text) {
  return Concat({"(", name, " ", text, ")"});
}

absl::Status MakeStatus(absl::StatusCode code, const NativeCode& native, const ErrorText& text) {
  std::string message;
  const auto append = [&message](std::string_view before, std::string_view part) {
    if (part.empty()) return;
    if (!message.empty()) message.append(before);
    message.append(part);
  };
  if (!text.sql.empty()) append("", Quoted(text.sql));
  append(" on ", text.where);
  append(": ", text.message);
  if (!native.text.empty()) append(" ", InMessage(native.name, native.text));
  append("; ", text.advice);
  absl::Status status(code, message);
  if (!native.text.empty()) {
    status.SetPayload(native.payload,
                      absl::Cord(absl::string_view(native.text.data(), native.text.size())));
  }
  return status;
}

std::string NativeCodeOf(const absl::Status& status, const char* payload) {
  const auto found = status.GetPayload(payload);
  return found.has_value() ? static_cast<std::string>(*found) : std::string();
}

absl::Status StillBeingRead(std::string_view sql) {
  return absl::FailedPreconditionError(
      Concat({Quoted(sql), " is still being read: end its earlier Rows first"}));
}

absl::Status CheckCount(std::string_view sql, int wanted, size_t given) {
  if (given == static_cast<size_t>(wanted)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({Quoted(sql), " takes ", Digits(wanted), wanted == 1 ? " value, " : " values, ",
              Digits(static_cast<int64_t>(given)), given == 1 ? " was given" : " were given"}));
}

}  // namespace roost::backends
