#include "tools/common/remote_uri.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

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
  if (address.has_value() && address->kind == DatabaseKind::kPostgres) return absl::OkStatus();
  // The text itself may hold a password and is not shown.
  return absl::InvalidArgumentError(
      "is not the address of a PostgreSQL database; write postgresql://USER@HOST/DATABASE");
}

bool HasPassword(std::string_view uri) {
  const postgres::Conninfo conninfo = postgres::ScanConninfo(uri);
  for (const postgres::ConninfoOption& option : conninfo.options) {
    if (IsSecret(option.key) && !option.value.empty()) return true;
  }
  return !conninfo.readable && MayHavePassword(uri);
}

std::string WithPassword(const std::string& uri, std::string_view password) {
  if (!postgres::ScanConninfo(uri).is_uri) {
    std::string with = uri + " password='";
    for (const char c : password) {
      if (c == '\'' || c == '\\') with += '\\';
      with += c;
    }
    return with + "'";
  }
  std::string with = uri + (uri.find('?') == std::string::npos ? "?password=" : "&password=");
  for (const char c : password) {
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
    with += escaped;
  }
  return with;
}

absl::StatusOr<std::string> ReadPassword(const std::string& path) {
  struct stat seen {};
  if (stat(path.c_str(), &seen) != 0) {
    return absl::InvalidArgumentError("cannot read " + path + ": " + std::strerror(errno));
  }
  if ((seen.st_mode & S_IROTH) != 0) {
    return absl::InvalidArgumentError(path + " can be read by every user; run: chmod o= " + path);
  }
  errno = 0;
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError("cannot read " + path + ": " + std::strerror(errno));
  std::string password;
  std::getline(file, password);
  if (!password.empty() && password.back() == '\r') password.pop_back();
  if (password.empty()) {
    return absl::InvalidArgumentError(path + " is empty; its first line has to be the password");
  }
  return password;
}

}  // namespace roost::tools
