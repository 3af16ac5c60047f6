#include "backends/postgres/errors.h"

#include <string>

#include "backends/postgres/sqlstates.h"
#include "roost/postgres.h"

namespace roost {
namespace {

constexpr char kName[] = "SQLSTATE";
constexpr char kPayload[] = "roostpool/postgresql-sqlstate";

}  // namespace

// Payloads are only handed out as copies; what lives as long as the status is its message.
std::string_view PostgresSqlState(const absl::Status& status) {
  const std::string sqlstate = backends::NativeCodeOf(status, kPayload);
  if (sqlstate.empty()) return {};
  const std::string_view message(status.message().data(), status.message().size());
  const size_t place = message.rfind(backends::InMessage(kName, sqlstate));
  if (place == std::string_view::npos) return {};
  return message.substr(place + backends::InMessage(kName, "").size() - 1, sqlstate.size());
}

namespace postgres {

absl::Status MakeStatus(absl::StatusCode code, std::string_view sqlstate,
                        backends::ErrorText text) {
  const std::string message = backends::ShownText(text.message);
  text.message = message;
  if (!IsSqlState(sqlstate)) sqlstate = {};
  return backends::MakeStatus(code, {.name = kName, .text = sqlstate, .payload = kPayload}, text);
}

}  // namespace postgres
}  // namespace roost
