// tools/common/make_backend.h - from the address of a database to a backend for it. The one
// place that tells one kind of database from another:
//
//   sqlite:///var/lib/roost/node.db, /var/lib/roost/node.db, :memory:
//   postgresql://USER@HOST/DATABASE, postgres://..., host=... dbname=...
//   mysql://USER@HOST/DATABASE, mariadb://...
//
// Threads:  any
// Blocks:   never
// Memory:   the texts and the backend
// Errors:   kInvalidArgument with a sentence that says what to write; it never quotes an address
//           that may hold a password
#ifndef ROOST_TOOLS_COMMON_MAKE_BACKEND_H_
#define ROOST_TOOLS_COMMON_MAKE_BACKEND_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/backend.h"

namespace roost::tools {

enum class DatabaseKind : uint8_t { kSqlite, kPostgres, kMysql };

struct DatabaseAddress {
  DatabaseKind kind;
  std::string text;  // SQLite: the path; PostgreSQL: as libpq takes it; MySQL: see MysqlOptions
};

// Whether this program was built with a backend for servers of MySQL and MariaDB.
bool HasMysql();

// What `text` is the address of. A text without a scheme is one of `bare`: a path, or KEY=VALUE
// pairs. Nothing: it is neither.
std::optional<DatabaseAddress> ParseAddress(std::string_view text, DatabaseKind bare);

// The path of a database on this machine.
absl::StatusOr<std::string> LocalPath(std::string_view text);

struct BackendOptions {
  std::string setup{};             // SQL that each new connection or new database runs; empty: none
  std::string application_name{};  // for servers
  // For a file; see SqliteOptions.
  int32_t application_id = 0;
  int32_t user_version = 0;
  std::string own_table{};
  bool move_damaged = false;
  std::string address_file{};   // see PostgresOptions
  std::string password_file{};  // see PostgresOptions
};
// REQUIRES: HasMysql(), where the address is of that kind.
std::unique_ptr<Backend> MakeBackend(const DatabaseAddress& address, const BackendOptions& options);
// The same for a database of a server. Where `text` is the address of none, opening will say so.
std::unique_ptr<Backend> MakeRemoteBackend(const std::string& text, const BackendOptions& options);

// What the server itself calls the error behind a status: PostgreSQL's SQLSTATE such as "28000", or
// MySQL's number such as "1045". Empty: the error is not the server's.
std::string ServerCode(const absl::Status& status);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_MAKE_BACKEND_H_
