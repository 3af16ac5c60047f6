#include "backends/postgres/errors.h"

#include <string>

#include "backends/postgres/sqlstates.h"
#include "base/utf8.h"
#include "roost/postgres.h"

namespace roost {
namespace {

constexpr char kName[] = "SQLSTATE";
constexpr char kPayload[] = "roostpool/postgresql-sqlstate";

// What a message shows of a server's text.
constexpr size_t kMostText = 512;

std::string_view TrimmedEnd(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

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
  const std::string message =
      internal::PlainText(internal::CutUtf8(TrimmedEnd(text.message), kMostText));
  text.message = message;
  if (!IsSqlState(sqlstate)) sqlstate = {};
  return backends::MakeStatus(code, {.name = kName, .text = sqlstate, .payload = kPayload}, text);
}

}  // namespace postgres
}  // namespace roost
