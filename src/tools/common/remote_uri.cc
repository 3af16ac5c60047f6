#include "tools/common/remote_uri.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "backends/common/password.h"
#include "backends/postgres/conninfo.h"
#include "tools/common/make_backend.h"

namespace roost::tools {
namespace {

bool IsSecret(std::string_view key) { return key == "password" || key == "sslpassword"; }

// Of a text that libpq will refuse and that cannot be taken apart: a slash in a password that
// should have been written as %2F, a parameter without a value before that of the password.
bool MayHavePassword(std::string_view text) {
  const size_t scheme = text.find("://");
  const size_t colon = text.find(':', scheme == std::string_view::npos ? 0 : scheme + 3);
  return text.find('@', std::min(colon, text.size())) != std::string_view::npos ||
         text.find("password") != std::string_view::npos ||
         text.find('%') != std::string_view::npos;
}

}  // namespace

absl::Status CheckRemoteUri(std::string_view uri) {
  const std::optional<DatabaseAddress> address = ParseAddress(uri, DatabaseKind::kPostgres);
  if (address.has_value() && address->kind == DatabaseKind::kPostgres) {
    const std::string_view mistake = postgres::ScanConninfo(uri).mistake;
    if (mistake.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("is wrong: " + std::string(mistake));
  }
  // The text itself may hold a password and is not shown.
  return absl::InvalidArgumentError(
      "is not the address of a PostgreSQL database; write postgresql://USER@HOST/DATABASE");
}

bool HasPassword(std::string_view uri) {
  const postgres::Conninfo conninfo = postgres::ScanConninfo(uri);
  for (const postgres::ConninfoOption& option : conninfo.options) {
    if (IsSecret(option.key) && !option.value.empty()) return true;
  }
  return (!conninfo.readable || !conninfo.mistake.empty()) && MayHavePassword(uri);
}

absl::Status CheckPasswordFile(const std::string& path) {
  return backends::ReadPasswordFile(path).status();
}

}  // namespace roost::tools
