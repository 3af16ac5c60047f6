#include "tools/roostctl/server.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <utility>

#include "roost/pool.h"
#include "roost/query.h"
#include "tools/common/cli.h"
#include "tools/common/make_backend.h"
#include "tools/common/remote_uri.h"
#include "tools/common/text.h"
#include "tools/roostctl/live_lines.h"
#include "tools/roostctl/selftest/remote.h"
#include "tools/roostctl/status.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWithin = 2s;

// pg_stat_database counts everybody's sessions for everybody. In pg_stat_activity user, database and
// application_name are there for everybody, state and times for the own role and pg_read_all_stats alone.
constexpr Sql kPostgres{
    "WITH session AS (SELECT * FROM pg_stat_activity WHERE datid IS NOT NULL AND pid <> "
    "pg_backend_pid()"
    " AND coalesce(backend_type, 'client backend') = 'client backend'),"
    " idle AS (SELECT * FROM session WHERE state LIKE 'idle in transaction%')"
    " SELECT current_setting('server_version'), current_database()::text, current_user::text,"
    " current_setting('max_connections')::bigint,"
    " current_setting('superuser_reserved_connections')::bigint"
    " + coalesce(nullif(current_setting('reserved_connections', true), '')::bigint, 0),"
    " (SELECT coalesce(sum(numbackends), 1)::bigint - 1 FROM pg_stat_database),"
    " (SELECT count(*) FROM session WHERE datname = current_database()),"
    " (SELECT count(*) FROM session WHERE usename = current_user),"
    " (SELECT count(*) FROM session WHERE application_name = $1),"
    " (SELECT datconnlimit::bigint FROM pg_database WHERE datname = current_database()),"
    " (SELECT rolconnlimit::bigint FROM pg_roles WHERE rolname = current_user),"
    " (SELECT count(*) FROM session WHERE query = '<insufficient privilege>'),"
    " (SELECT count(*) FROM idle),"
    " (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(state_change)), 0)::float8 FROM "
    "idle),"
    " (SELECT count(*) FROM session WHERE wait_event_type = 'Lock')"};
constexpr Sql kPostgresPrograms{
    "SELECT coalesce(usename::text, '?'), coalesce(application_name, '')::text, count(*)"
    " FROM pg_stat_activity WHERE datid IS NOT NULL AND pid <> pg_backend_pid()"
    " AND coalesce(backend_type, 'client backend') = 'client backend'"
    " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 10"};

// Without the right PROCESS, PROCESSLIST has the own sessions alone, and Threads_connected counts all.
constexpr Sql kMysql{
    "SELECT version(), coalesce(database(), ''), current_user(), @@max_connections,"
    " @@max_user_connections"};
constexpr Sql kMysqlConnected{"SHOW GLOBAL STATUS LIKE 'Threads_connected'"};
constexpr Sql kMysqlPrograms{
    "SELECT user, substring_index(coalesce(host, ''), ':', 1), count(*)"
    " FROM information_schema.processlist WHERE id <> connection_id()"
    " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 10"};

absl::Status AskPrograms(Lease& lease, const Sql& sql, ServerStatus& status) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(sql);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  while (rows.Next()) {
    status.programs.push_back({.user = std::string(rows.Get<std::string_view>(0)),
                               .program = std::string(rows.Get<std::string_view>(1)),
                               .count = rows.Get<int64_t>(2)});
  }
  return rows.status();
}

std::string Percent(int64_t part, int64_t whole) {
  if (whole <= 0) return "?";
  return std::to_string((100 * part + whole / 2) / whole) + " %";
}

std::string NameOf(const ServerSessions& sessions) {
  return sessions.program.empty() ? "(no application_name)" : sessions.program;
}

std::string AtMost(int64_t limit) {
  return limit < 0 ? "" : " of at most " + std::to_string(limit);
}

}  // namespace

absl::StatusOr<ServerStatus> AskPostgres(Lease& lease, const std::string& node) {
  const std::string application = "roost-node@" + node;
  using Text = std::string;
  using Row = std::tuple<Text, Text, Text, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int64_t, int64_t, double, int64_t>;
  const absl::StatusOr<Row> row = QueryOne<Row>(lease, kPostgres, application);
  if (!row.ok()) return row.status();
  ServerStatus status;
  std::tie(status.server, status.database, status.user, status.max_connections, status.reserved,
           status.sessions, status.of_database, status.of_user, status.of_node,
           status.database_limit, status.user_limit, status.hidden, status.idle_in_transaction,
           status.oldest_idle_in_transaction_s, status.waiting_for_locks) = *row;
  status.server = "PostgreSQL " + status.server.substr(0, status.server.find(' '));
  if (status.hidden > 0) status.to_see_all = "GRANT pg_read_all_stats TO " + status.user;
  const absl::Status programs = AskPrograms(lease, kPostgresPrograms, status);
  if (!programs.ok()) return programs;
  return status;
}

absl::StatusOr<ServerStatus> AskMysql(Lease& lease) {
  using Row = std::tuple<std::string, std::string, std::string, int64_t, int64_t>;
  const absl::StatusOr<Row> row = QueryOne<Row>(lease, kMysql);
  if (!row.ok()) return row.status();
  ServerStatus status;
  status.of_database = status.of_node = -1;
  std::tie(status.server, status.database, status.user, status.max_connections, status.user_limit) =
      *row;
  const bool maria = status.server.find("MariaDB") != std::string::npos;
  status.server =
      (maria ? "MariaDB " : "MySQL ") + status.server.substr(0, status.server.find('-'));
  if (status.user_limit == 0) status.user_limit = -1;  // none
  using Pair = std::tuple<std::string, std::string>;
  const absl::StatusOr<Pair> connected = QueryOne<Pair>(lease, kMysqlConnected);
  if (!connected.ok()) return connected.status();
  status.sessions = std::atoll(std::get<1>(*connected).c_str()) - 1;
  const absl::Status programs = AskPrograms(lease, kMysqlPrograms, status);
  if (!programs.ok()) return programs;
  int64_t seen = 0;
  for (const ServerSessions& sessions : status.programs) {
    seen += sessions.count;
    if (status.user.starts_with(sessions.user + "@")) status.of_user += sessions.count;
  }
  status.hidden = std::max<int64_t>(status.sessions - seen, 0);
  if (status.hidden > 0 && status.programs.size() < 10) {
    status.to_see_all = "GRANT PROCESS ON *.* TO " + status.user;
  }
  return status;
}

LiveState Judge(const ServerStatus& status, std::string& reason) {
  const int64_t room = status.max_connections - status.reserved;
  if (static_cast<double>(status.sessions) >= kFullFrom * static_cast<double>(room)) {
    reason = std::to_string(status.sessions) + " of " + std::to_string(room) +
             " sessions are taken: raise max_connections, or put PgBouncer before the server";
    return LiveState::kDegraded;
  }
  if (status.user_limit >= 0 && status.of_user >= status.user_limit) {
    reason = "user " + status.user + " has all of its " + std::to_string(status.user_limit) +
             " sessions";
    return LiveState::kDegraded;
  }
  for (const ServerSessions& sessions : status.programs) {
    if (static_cast<double>(sessions.count) <=
        kShareTo * static_cast<double>(status.max_connections)) {
      break;
    }
    reason = NameOf(sessions) + " of " + sessions.user + " has " +
             Percent(sessions.count, status.max_connections) +
             " of max_connections; a pool takes 20 to 30 %";
    return LiveState::kDegraded;
  }
  return LiveState::kHealthy;
}

std::string ServerText(const ServerStatus& status, const std::string& target, int width,
                       bool ascii) {
  constexpr size_t kColumn = 26;
  Screen screen(width, ascii);
  const auto line = [&screen](const char* name, const std::string& value) {
    screen.Line("  " + Padded(name, kColumn) + value);
  };
  const auto number = [](int64_t count) { return std::to_string(count); };
  std::string reason;
  const LiveState state = Judge(status, reason);
  screen.Line(target + ": " + std::string(Name(state)) + (reason.empty() ? "" : ": " + reason));
  screen.Line("  " + status.server + ", as user " + status.user);
  const int64_t room = status.max_connections - status.reserved;
  line("sessions", number(status.sessions) + " of " + number(room) + ", " +
                       Percent(status.sessions, room) + " (max_connections " +
                       number(status.max_connections) + ", " + number(status.reserved) +
                       " reserved)");
  if (status.of_database >= 0) {
    line("of this database", number(status.of_database) + AtMost(status.database_limit));
  }
  line("of this user", number(status.of_user) + AtMost(status.user_limit));
  if (status.of_node >= 0) {
    line("of this node",
         number(status.of_node) + ", " + Percent(status.of_node, status.max_connections));
  }
  const auto share = [&status](double part) {
    return std::to_string(static_cast<int64_t>(part * static_cast<double>(status.max_connections)));
  };
  line("a pool takes",
       share(kShareFrom) + " to " + share(kShareTo) + ", 20 to 30 % of max_connections");
  if (status.of_database >= 0) {
    std::string idle = number(status.idle_in_transaction);
    if (status.idle_in_transaction > 0) {
      idle += ", the oldest for " +
              FormatDuration(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
                  std::min(status.oldest_idle_in_transaction_s, 1e9))));
    }
    line("idle in a transaction", idle);
    line("waiting for a lock", number(status.waiting_for_locks));
  }
  if (!status.programs.empty()) screen.Line("  who has them");
  for (const ServerSessions& sessions : status.programs) {
    const std::string count = number(sessions.count);
    screen.Line("  " + std::string(6 - std::min<size_t>(count.size(), 6), ' ') + count + "  " +
                sessions.user + "  " + NameOf(sessions));
  }
  if (status.hidden > 0) {
    screen.Line("  not seen: what " + number(status.hidden) + " sessions of others do");
    if (!status.to_see_all.empty()) {
      screen.Line("    to see it, as an administrator: " + status.to_see_all);
    }
  }
  if (status.server.starts_with("PostgreSQL"))
    screen.Line("  more: pg_activity (Debian: pg-activity)");
  return screen.text();
}

Json ToJson(const ServerStatus& status, const std::string& target) {
  std::string reason;
  const LiveState state = Judge(status, reason);
  Json programs = Json::array();
  for (const ServerSessions& sessions : status.programs) {
    programs.push_back(
        {{"user", sessions.user}, {"program", sessions.program}, {"sessions", sessions.count}});
  }
  Json json{{"format", 1},
            {"target", target},
            {"state", Name(state)},
            {"exit_code", ExitCodeOf(state)},
            {"reason", reason},
            {"server", status.server},
            {"database", status.database},
            {"user", status.user},
            {"max_connections", status.max_connections},
            {"reserved", status.reserved},
            {"sessions", status.sessions},
            {"of_user", status.of_user},
            {"hidden", status.hidden},
            {"programs", std::move(programs)}};
  // What is not known is left out.
  if (status.of_database >= 0) {
    json["of_database"] = status.of_database;
    json["idle_in_transaction"] = status.idle_in_transaction;
    json["oldest_idle_in_transaction_s"] = status.oldest_idle_in_transaction_s;
    json["waiting_for_locks"] = status.waiting_for_locks;
  }
  if (status.of_node >= 0) json["of_node"] = status.of_node;
  if (status.database_limit >= 0) json["database_limit"] = status.database_limit;
  if (status.user_limit >= 0) json["user_limit"] = status.user_limit;
  if (!status.to_see_all.empty()) json["to_see_all"] = status.to_see_all;
  return json;
}

int ShowServer(Platform& platform, const ServerCommand& command, int width, bool ascii) {
  const auto cannot = [&command](const std::string& target, const absl::Status& why) {
    const std::string text(MessageOf(why));
    const std::string reason = PlainText(text.substr(0, text.find('\n')));
    if (command.json) {
      const Json json{{"format", 1},
                      {"target", target},
                      {"state", Name(LiveState::kUnknown)},
                      {"exit_code", kStatusCannotTell},
                      {"reason", reason}};
      std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << std::endl;
    }
    std::fprintf(stderr, "roostctl: %s\n", reason.c_str());
    return kStatusCannotTell;
  };
  std::string node = command.node;
  if (node.empty()) {
    std::array<char, 65> name{};
    gethostname(name.data(), name.size() - 1);
    node = name.data();
  }
  const std::unique_ptr<Backend> backend = MakeRemoteBackend(
      command.uri, {.application_name = "roostctl status", .password_file = command.password_file});
  PoolFor<selftest::RemoteProfile> pool(*backend, {.name = "server", .platform = &platform});
  const std::string target(backend->target());
  const Deadline deadline = pool.In(kWithin);
  absl::StatusOr<ServerStatus> status = absl::UnknownError("");
  {
    absl::StatusOr<Lease> lease = pool.Acquire(kRead, deadline);
    if (!lease.ok()) return cannot(target, lease.status());
    status = backend->kind() == "mysql" ? AskMysql(*lease) : AskPostgres(*lease, node);
  }
  pool.Close(deadline).IgnoreError();
  if (!status.ok()) return cannot(target, status.status());
  if (command.json) {
    std::cout << ToJson(*status, target).dump(2, ' ', false, Json::error_handler_t::replace)
              << std::endl;
  } else {
    std::cout << ServerText(*status, target, width, ascii) << std::flush;
  }
  std::string reason;
  return ExitCodeOf(Judge(*status, reason));
}

}  // namespace roost::tools
