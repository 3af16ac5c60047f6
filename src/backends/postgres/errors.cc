#include "backends/postgres/errors.h"

#include <string>

#include "absl/strings/cord.h"
#include "roost/postgres.h"
#include "statements/text.h"

namespace roost {
namespace {

// The SQLSTATE is the end of the payload's name and not its content: a name can be viewed in place,
// while the content is handed out as a copy.
constexpr std::string_view kPayload = "roostpool/postgresql-sqlstate/";

std::string_view TrimmedEnd(std::string_view words) {
  while (!words.empty() && (words.back() == '\n' || words.back() == ' ')) words.remove_suffix(1);
  return words;
}

}  // namespace

std::string_view PostgresSqlState(const absl::Status& status) {
  std::string_view state;
  status.ForEachPayload([&state](const auto& name, const absl::Cord&) {
    const std::string_view view(name.data(), name.size());
    if (view.substr(0, kPayload.size()) == kPayload) state = view.substr(kPayload.size());
  });
  return state;
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
  append(": ", TrimmedEnd(text.words));
  if (!sqlstate.empty()) append(" ", internal::Concat({"(SQLSTATE ", sqlstate, ")"}));
  append("; ", text.advice);
  absl::Status status(code, message);
  if (!sqlstate.empty()) {
    status.SetPayload(internal::Concat({kPayload, sqlstate}), absl::Cord());
  }
  return status;
}

}  // namespace postgres
}  // namespace roost
