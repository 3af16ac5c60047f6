#include "tools/common/remote_uri.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "backends/common/password.h"
#include "backends/postgres/conninfo.h"
#include "tools/common/make_backend.h"
#ifdef ROOST_WITH_MYSQL
#include "backends/mysql/settings.h"
#endif

namespace roost::tools {
namespace {

constexpr std::string_view kWrite =
    "write postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE";

bool IsSecret(std::string_view key) { return key == "password" || key == "sslpassword"; }

// Of a text that a driver will refuse and that cannot be taken apart: a slash in a password that
// should have been written as %2F, a parameter without a value before that of the password.
bool MayHavePassword(std::string_view text) {
  const size_t scheme = text.find("://");
  const size_t colon = text.find(':', scheme == std::string_view::npos ? 0 : scheme + 3);
  return text.find('@', std::min(colon, text.size())) != std::string_view::npos ||
         text.find("password") != std::string_view::npos ||
         text.find('%') != std::string_view::npos;
}

#ifdef ROOST_WITH_MYSQL
absl::Status CheckMysqlUri(std::string_view uri) { return mysql::ParseUri(uri).status(); }
bool MysqlHasPassword(std::string_view uri) { return mysql::HasPassword(uri); }
#else
absl::Status CheckMysqlUri(std::string_view /*uri*/) {
  return absl::InvalidArgumentError(
      "names a server of MySQL, and this program was built without "
      "ROOST_MYSQL or the headers of libmariadb");
}
bool MysqlHasPassword(std::string_view /*uri*/) { return false; }
#endif

bool IsMysql(std::string_view uri) {
  const std::optional<DatabaseAddress> address = ParseAddress(uri, DatabaseKind::kPostgres);
  return address.has_value() && address->kind == DatabaseKind::kMysql;
}

// Addresses of others that are known by their beginnings, which cannot be a part of a password.
std::string_view AdviceFor(std::string_view uri) {
  static constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"sqlite:", "is the address of a file of this machine, which is no remote"},
      {"jdbc:", "is an address for Java; leave out jdbc:"},
      {"mysql+", "names a driver of Python; leave out the plus sign and the driver"},
      {"mariadb+", "names a driver of Python; leave out the plus sign and the driver"},
      {"postgresql+", "names a driver of Python; leave out the plus sign and the driver"},
      {"postgres+", "names a driver of Python; leave out the plus sign and the driver"},
      {"mysqlx:", "is for MySQL's X protocol, which is not spoken; write mysql://"},
  };
  for (const auto& [beginning, advice] : kKnown) {
    if (uri.starts_with(beginning)) return advice;
  }
  return "";
}

}  // namespace

absl::Status CheckRemoteUri(std::string_view uri) {
  const std::optional<DatabaseAddress> address = ParseAddress(uri, DatabaseKind::kPostgres);
  if (address.has_value() && address->kind == DatabaseKind::kPostgres) {
    const std::string_view mistake = postgres::ScanConninfo(uri).mistake;
    if (mistake.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("is wrong: " + std::string(mistake));
  }
  if (IsMysql(uri)) {
    const absl::Status wrong = CheckMysqlUri(uri);
    if (wrong.ok() || !HasMysql()) return wrong;
    return absl::InvalidArgumentError("is wrong: " + std::string(wrong.message()));
  }
  if (const std::string_view advice = AdviceFor(uri); !advice.empty()) {
    return absl::InvalidArgumentError(std::string(advice));
  }
  // The text itself may hold a password and is not shown.
  return absl::InvalidArgumentError("is not the address of a database on a server; " +
                                    std::string(kWrite));
}

bool HasPassword(std::string_view uri) {
  if (IsMysql(uri)) {
    return MysqlHasPassword(uri) || (!CheckMysqlUri(uri).ok() && MayHavePassword(uri));
  }
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
