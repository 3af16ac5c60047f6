#include "tools/common/make_backend.h"

#include <algorithm>
#include <iterator>

#include "backends/postgres/conninfo.h"
#include "roost/internal/check.h"
#include "roost/postgres.h"
#include "roost/sqlite.h"
#ifdef ROOST_WITH_MYSQL
#include "roost/mysql.h"
#endif

namespace roost::tools {
namespace {

constexpr std::string_view kSqliteScheme = "sqlite://";
constexpr std::string_view kMysqlSchemes[] = {"mysql://", "mariadb://"};
constexpr std::string_view kSchemeEnd = "://";

bool IsMysqlUri(std::string_view text) {
  return std::any_of(std::begin(kMysqlSchemes), std::end(kMysqlSchemes),
                     [text](std::string_view scheme) { return text.starts_with(scheme); });
}

// "host=h dbname=db", but not "http://h/?a=b".
bool HasPairs(std::string_view text) {
  const size_t equals = text.find('=');
  return equals != std::string_view::npos && equals < text.find(kSchemeEnd);
}

#ifdef ROOST_WITH_MYSQL
std::unique_ptr<Backend> MakeMysql(const std::string& uri, const BackendOptions& options) {
  return std::make_unique<MysqlBackend>(MysqlOptions{.uri = uri,
                                                     .password_file = options.password_file,
                                                     .application_name = options.application_name,
                                                     .on_connect = options.setup,
                                                     .address_file = options.address_file});
}
std::string MysqlCode(const absl::Status& status) {
  const int number = MysqlErrno(status);
  return number == 0 ? "" : std::to_string(number);
}
#else
std::unique_ptr<Backend> MakeMysql(const std::string& /*uri*/, const BackendOptions& /*options*/) {
  ROOST_CHECK(false, "a backend for MySQL was asked of a program that was built without one");
  return nullptr;
}
std::string MysqlCode(const absl::Status& /*status*/) { return ""; }
#endif

}  // namespace

bool HasMysql() {
#ifdef ROOST_WITH_MYSQL
  return true;
#else
  return false;
#endif
}

std::optional<DatabaseAddress> ParseAddress(std::string_view text, DatabaseKind bare) {
  if (text.starts_with(kSqliteScheme)) {
    return DatabaseAddress{DatabaseKind::kSqlite, std::string(text.substr(kSqliteScheme.size()))};
  }
  if (postgres::ScanConninfo(text).is_uri) {
    return DatabaseAddress{DatabaseKind::kPostgres, std::string(text)};
  }
  if (IsMysqlUri(text)) return DatabaseAddress{DatabaseKind::kMysql, std::string(text)};
  const bool fits = bare == DatabaseKind::kPostgres
                        ? HasPairs(text)
                        : text.find(kSchemeEnd) == std::string_view::npos;
  if (!fits) return std::nullopt;
  return DatabaseAddress{bare, std::string(text)};
}

absl::StatusOr<std::string> LocalPath(std::string_view text) {
  const std::optional<DatabaseAddress> address = ParseAddress(text, DatabaseKind::kSqlite);
  if (address.has_value() && address->kind == DatabaseKind::kSqlite) return address->text;
  const std::string scheme(text.substr(0, text.find(kSchemeEnd)));
  return absl::InvalidArgumentError(
      scheme + " is not a local database; write a path, such as /var/lib/roost/node.db");
}

std::unique_ptr<Backend> MakeBackend(const DatabaseAddress& address,
                                     const BackendOptions& options) {
  switch (address.kind) {
    case DatabaseKind::kSqlite:
      return std::make_unique<SqliteBackend>(SqliteOptions{
          .path = address.text,
          .schema = options.setup,
          .application_id = options.application_id,
          .user_version = options.user_version,
          .own_table = options.own_table,
          .when_damaged = options.move_damaged ? WhenDamaged::kMoveAside : WhenDamaged::kRefuse});
    case DatabaseKind::kPostgres:
      return std::make_unique<PostgresBackend>(
          PostgresOptions{.uri = address.text,
                          .password_file = options.password_file,
                          .application_name = options.application_name,
                          .on_connect = options.setup,
                          .address_file = options.address_file});
    case DatabaseKind::kMysql:
      return MakeMysql(address.text, options);
  }
  return nullptr;
}

std::unique_ptr<Backend> MakeRemoteBackend(const std::string& text, const BackendOptions& options) {
  const DatabaseAddress unknown{DatabaseKind::kPostgres, text};
  return MakeBackend(ParseAddress(text, DatabaseKind::kPostgres).value_or(unknown), options);
}

std::string ServerCode(const absl::Status& status) {
  const std::string_view sqlstate = PostgresSqlState(status);
  return sqlstate.empty() ? MysqlCode(status) : std::string(sqlstate);
}

}  // namespace roost::tools
