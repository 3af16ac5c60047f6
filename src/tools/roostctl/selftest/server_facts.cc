// tools/roostctl/selftest/server_facts.cc - what the server of the remote database says of itself.
#include <algorithm>
#include <charconv>

#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

// pg_stat_database counts the sessions of all users for everybody; pg_stat_activity does not.
constexpr Sql kPostgresFacts{
    "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery()::int::bigint,"
    " (current_setting('transaction_read_only') = 'on')::int::bigint,"
    " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)::int::bigint,"
    " coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()), ''),"
    " coalesce(inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1',"
    " true)::int::bigint,"
    " current_setting('max_connections')::bigint,"
    " current_setting('superuser_reserved_connections')::bigint,"
    " (SELECT sum(numbackends) FROM pg_stat_database)::bigint"};

// USER() has the client's host as the server sees it. read_only is a number, or text in later versions.
constexpr Sql kMysqlFacts{
    "SELECT @@version, CONCAT(@@global.read_only) NOT IN ('0', 'OFF'), @@max_connections,"
    " SUBSTRING_INDEX(USER(), '@', -1)"};
// Everybody may ask for these, by a statement that both products know.
constexpr Sql kMysqlStatus{
    "SHOW STATUS WHERE Variable_name IN ('Ssl_version', 'Threads_connected')"};

absl::StatusOr<ServerFacts> QueryPostgres(Lease& lease) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(kPostgresFacts);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  if (!rows.Next()) return rows.status();
  ServerFacts facts;
  facts.version = rows.Get<int64_t>(0);
  facts.standby = rows.Get<int64_t>(1) != 0;
  facts.read_only = rows.Get<int64_t>(2) != 0;
  facts.encrypted = rows.Get<int64_t>(3) != 0;
  facts.protocol = std::string(rows.Get<std::string_view>(4));
  facts.local = rows.Get<int64_t>(5) != 0;
  facts.max_connections = rows.Get<int64_t>(6);
  facts.reserved = rows.Get<int64_t>(7);
  facts.sessions = rows.Get<int64_t>(8);
  if (!rows.status().ok()) return rows.status();
  return facts;
}

bool IsThisMachine(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

absl::Status ReadVariables(Lease& lease, ServerFacts& facts) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(kMysqlFacts);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  if (!rows.Next()) return rows.status();
  ReadMysqlVersion(rows.Get<std::string_view>(0), facts);
  facts.read_only = rows.Get<int64_t>(1) != 0;
  facts.max_connections = rows.Get<int64_t>(2);
  facts.local = IsThisMachine(rows.Get<std::string_view>(3));
  return rows.status();
}

absl::Status ReadStatus(Lease& lease, ServerFacts& facts) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(kMysqlStatus);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  while (rows.Next()) {
    const std::string name(rows.Get<std::string_view>(0));
    const std::string value(rows.Get<std::string_view>(1));
    if (name == "Ssl_version") facts.protocol = value;
    if (name == "Threads_connected") {
      std::from_chars(value.data(), value.data() + value.size(), facts.sessions);
    }
  }
  facts.encrypted = !facts.protocol.empty();
  return rows.status();
}

absl::StatusOr<ServerFacts> QueryMysql(Lease& lease) {
  ServerFacts facts;
  absl::Status status = ReadVariables(lease, facts);
  if (status.ok()) status = ReadStatus(lease, facts);
  if (!status.ok()) return status;
  return facts;
}

}  // namespace

void ReadMysqlVersion(std::string_view text, ServerFacts& facts) {
  facts.server = text.find("MariaDB") != std::string_view::npos ? Server::kMariadb : Server::kMysql;
  facts.version = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int part = 0; part < 3; ++part) {
    int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) number = 0;
    facts.version = facts.version * 100 + std::clamp<int64_t>(number, 0, 99);
    at = error == std::errc() && next != end && *next == '.' ? next + 1 : end;
  }
}

absl::StatusOr<ServerFacts> QueryServerFacts(Lease& lease, bool mysql) {
  return mysql ? QueryMysql(lease) : QueryPostgres(lease);
}

}  // namespace roost::tools::selftest
