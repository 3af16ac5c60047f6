#include "tools/common/make_backend.h"

#include "backends/postgres/conninfo.h"
#include "roost/postgres.h"
#include "roost/sqlite.h"

namespace roost::tools {
namespace {

constexpr std::string_view kSqliteScheme = "sqlite://";
constexpr std::string_view kSchemeEnd = "://";

// "host=h dbname=db", but not "mysql://h/?a=b".
bool HasPairs(std::string_view text) {
  const size_t equals = text.find('=');
  return equals != std::string_view::npos && equals < text.find(kSchemeEnd);
}

}  // namespace

std::optional<DatabaseAddress> ParseAddress(std::string_view text, DatabaseKind bare) {
  if (text.starts_with(kSqliteScheme)) {
    return DatabaseAddress{DatabaseKind::kSqlite, std::string(text.substr(kSqliteScheme.size()))};
  }
  if (postgres::ScanConninfo(text).is_uri) {
    return DatabaseAddress{DatabaseKind::kPostgres, std::string(text)};
  }
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
  }
  return nullptr;
}

std::unique_ptr<Backend> MakeRemoteBackend(const std::string& text, const BackendOptions& options) {
  const DatabaseAddress unknown{DatabaseKind::kPostgres, text};
  return MakeBackend(ParseAddress(text, DatabaseKind::kPostgres).value_or(unknown), options);
}

}  // namespace roost::tools
