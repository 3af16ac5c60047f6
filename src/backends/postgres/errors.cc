#include "backends/postgres/errors.h"

#include <string>

#include "absl/strings/cord.h"
#include "roost/postgres.h"
#include "statements/text.h"

namespace roost {
namespace {

constexpr char kPayload[] = "roostpool/postgresql-sqlstate";

// How the server's part of a message ends.
std::string InMessage(std::string_view sqlstate) {
  return internal::Concat({"(SQLSTATE ", sqlstate, ")"});
}

std::string_view TrimmedEnd(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

// Payloads are only handed out as copies; what lives as long as the status is its message.
std::string_view PostgresSqlState(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return {};
  const std::string sqlstate(*payload);
  const std::string_view message(status.message().data(), status.message().size());
  const size_t place = message.rfind(InMessage(sqlstate));
  if (place == std::string_view::npos) return {};
  return message.substr(place + InMessage("").size() - 1, sqlstate.size());
}

namespace postgres {

absl::Status MakeStatus(absl::StatusCode code, std::string_view sqlstate, const ErrorText& text) {
  std::string message;
  const auto append = [&message](std::string_view before, std::string_view part) {
    if (part.empty()) return;
    if (!message.empty()) message.append(before);
    message.append(part);
  };
  if (!text.sql.empty()) append("", internal::Quoted(text.sql));
  append(" on ", text.where);
  append(": ", TrimmedEnd(text.message));
  if (!sqlstate.empty()) append(" ", InMessage(sqlstate));
  append("; ", text.advice);
  absl::Status status(code, message);
  if (!sqlstate.empty()) {
    status.SetPayload(kPayload, absl::Cord(absl::string_view(sqlstate.data(), sqlstate.size())));
  }
  return status;
}

}  // namespace postgres
}  // namespace roost
