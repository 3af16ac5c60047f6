#include "tools/roostctl/server_check.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "roost/pool.h"
#include "roost/query.h"
#include "tools/common/make_backend.h"
#include "tools/common/text.h"
#include "tools/roostctl/selftest/remote.h"
#include "tools/roostctl/server_schema.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWithin = 60s;
// So many days of partitions ahead are too few to sleep well: nobody's holiday is shorter.
constexpr int64_t kFewDays = 3;
constexpr size_t kMostNames = 10;
constexpr int64_t kAdministrators = 5;  // sessions for people beside the nodes

constexpr Sql kVersion{"SELECT max(v)::bigint FROM roost.version"};
constexpr Sql kMissingGrants{
    "SELECT string_agg(what, ', ') FROM ("
    "SELECT 'the role roost_node' AS what WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = "
    "'roost_node' AND rolcanlogin)"
    " UNION ALL SELECT 'USAGE on the schema roost' FROM pg_roles r WHERE r.rolname = 'roost_node'"
    " AND NOT has_schema_privilege(r.oid, 'roost', 'USAGE')"
    " UNION ALL SELECT 'CONNECT to this database' FROM pg_roles r WHERE r.rolname = 'roost_node'"
    " AND NOT has_database_privilege(r.oid, current_database(), 'CONNECT')"
    " UNION ALL SELECT 'the function ' || f FROM unnest(ARRAY['hello','ingest','beat','enroll']) f"
    " WHERE NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'roost' AND p.proname = f)"
    " UNION ALL SELECT 'EXECUTE of ' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = "
    "p.pronamespace, pg_roles r WHERE r.rolname = 'roost_node' AND n.nspname = 'roost'"
    " AND p.proname IN ('hello', 'ingest', 'beat', 'enroll')"
    " AND NOT has_function_privilege(r.oid, p.oid, 'EXECUTE')"
    " UNION ALL SELECT 'roost_owner''s right to ' || t || ' (the owner of it is ' || "
    "pg_get_userbyid(c.relowner) || ')' FROM pg_class c JOIN pg_namespace n ON n.oid = "
    "c.relnamespace, LATERAL (SELECT c.relname::text AS t) x WHERE n.nspname = 'roost' AND "
    "c.relkind IN ('r', 'p') AND pg_get_userbyid(c.relowner) <> 'roost_owner'"
    " UNION ALL SELECT 'the table roost.' || t FROM "
    "unnest(ARRAY['node','mark','sensor','reading','gap','reject','retired','enrol_code','upkeep'])"
    " t"
    " WHERE to_regclass('roost.' || t) IS NULL) missing"};
constexpr Sql kTooWide{
    "SELECT string_agg(what, ', ') FROM ("
    "SELECT 'roost_node is a superuser or may create roles or databases or passes row security' AS "
    "what FROM pg_roles WHERE rolname = 'roost_node' AND (rolsuper OR rolcreaterole OR rolcreatedb "
    "OR rolbypassrls)"
    " UNION ALL SELECT 'roost_node is a member of ' || pg_get_userbyid(m.roleid) FROM "
    "pg_auth_members m WHERE pg_get_userbyid(m.member) = 'roost_node'"
    " UNION ALL SELECT 'roost_owner is a superuser or may log in' FROM pg_roles WHERE rolname = "
    "'roost_owner' AND (rolsuper OR rolcanlogin)"
    " UNION ALL SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE "
    "pg_get_userbyid(a.grantee)::text END || ' may call ' || p.proname FROM pg_proc p JOIN "
    "pg_namespace n ON n.oid = p.pronamespace, LATERAL aclexplode(coalesce(p.proacl, "
    "acldefault('f', p.proowner))) a WHERE n.nspname = 'roost' AND a.grantee <> p.proowner"
    " AND NOT (pg_get_userbyid(a.grantee) = 'roost_node' AND p.proname IN ('hello', 'ingest', "
    "'beat', 'enroll'))"
    " UNION ALL SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE 'roost_node' END || ' may "
    "use ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL "
    "aclexplode(c.relacl) a WHERE n.nspname = 'roost' AND (a.grantee = 0 OR "
    "pg_get_userbyid(a.grantee) = 'roost_node')"
    " UNION ALL SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE "
    "pg_get_userbyid(a.grantee)::text END || ' may create in the schema roost' FROM pg_namespace "
    "n, "
    "LATERAL aclexplode(n.nspacl) a WHERE n.nspname = 'roost' AND a.privilege_type = 'CREATE' AND "
    "a.grantee <> n.nspowner"
    " UNION ALL SELECT p.proname || ' runs as ' || pg_get_userbyid(p.proowner) FROM pg_proc p JOIN "
    "pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'roost' AND p.prosecdef AND "
    "pg_get_userbyid(p.proowner) <> 'roost_owner'"
    " UNION ALL SELECT p.proname || ' has no search_path that ends in pg_temp' FROM pg_proc p JOIN "
    "pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'roost' AND p.prosecdef AND NOT "
    "coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)) wide"};
constexpr Sql kRole{
    "SELECT r.rolconnlimit::bigint, coalesce((SELECT string_agg(name, ', ') FROM "
    "unnest(ARRAY['statement_timeout', 'idle_in_transaction_session_timeout']) name WHERE NOT "
    "EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setrole IN (r.oid, 0) "
    "AND c LIKE name || '=%' AND c <> name || '=0') AND current_setting(name) = '0'), '')"
    " FROM pg_roles r WHERE r.rolname = 'roost_node'"};
constexpr Sql kBudget{
    "SELECT current_setting('max_connections')::bigint"
    " - current_setting('superuser_reserved_connections')::bigint"
    " - coalesce(nullif(current_setting('reserved_connections', true), '')::bigint, 0),"
    " (SELECT count(*) FROM roost.node WHERE enabled)"};
// How many days from today on have a partition, without a day left out.
constexpr Sql kPartitions{
    "SELECT coalesce(min(d.n) FILTER (WHERE NOT d.there), 367)::bigint FROM (SELECT n, EXISTS "
    "(SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = "
    "to_regclass('roost.reading') AND pg_get_expr(c.relpartbound, c.oid) LIKE '%FROM (''' || "
    "to_char((now() AT TIME ZONE 'UTC')::date + n, 'YYYY-MM-DD') || ' 00:00:00+00'')%') AS there "
    "FROM generate_series(0, 366) n) d"};
constexpr Sql kForeignPartitions{"SELECT NOT own FROM roost.upkeep"};
constexpr Sql kClones{
    "SELECT name, coalesce(machine, '?'), coalesce(machine_before, ''), clones::bigint"
    " FROM roost.nodes WHERE clones > 0 ORDER BY cloned DESC"};
constexpr Sql kSilent{
    "SELECT name, silent_s FROM roost.nodes"
    " WHERE enabled AND (silent_s IS NULL OR silent_s > 900) ORDER BY silent_s DESC NULLS FIRST, "
    "name"};
constexpr Sql kRejects{
    "SELECT count(*)::bigint, coalesce(max(state || ' ' || why), '') FROM roost.reject"
    " WHERE at > now() - interval '1 day'"};
constexpr Sql kMissing{
    "SELECT node, missing::bigint FROM roost.balance WHERE missing <> 0 ORDER BY abs(missing) "
    "DESC"};

constexpr Sql kMysqlVersion{"SELECT MAX(v) FROM roost.version"};
constexpr Sql kMysqlMissingGrants{
    "SELECT COALESCE(GROUP_CONCAT(f SEPARATOR ', '), '') FROM (SELECT 'roost_hello' AS f UNION "
    "SELECT "
    "'roost_ingest' UNION SELECT 'roost_beat' UNION SELECT 'roost_enroll') w WHERE NOT EXISTS "
    "(SELECT "
    "1 FROM mysql.procs_priv p WHERE p.Db = 'roost' AND p.Routine_name = w.f AND p.User = "
    "'roost_node' AND FIND_IN_SET('Execute', p.Proc_priv) > 0)"};
constexpr Sql kMysqlTooWide{
    "SELECT COALESCE(GROUP_CONCAT(DISTINCT CONCAT(PRIVILEGE_TYPE, ' on ', w) SEPARATOR ', '), '') "
    "FROM ("
    "SELECT PRIVILEGE_TYPE, '*.*' AS w FROM information_schema.USER_PRIVILEGES WHERE GRANTEE LIKE "
    "'''roost_node''@%' AND PRIVILEGE_TYPE <> 'USAGE' UNION ALL SELECT PRIVILEGE_TYPE, "
    "TABLE_SCHEMA FROM "
    "information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE LIKE '''roost_node''@%' UNION ALL SELECT "
    "PRIVILEGE_TYPE, TABLE_NAME FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE LIKE "
    "'''roost_node''@%') x"};
constexpr Sql kMysqlBudget{
    "SELECT @@max_connections, (SELECT COUNT(*) FROM roost.node WHERE enabled)"};
constexpr Sql kMysqlPartitions{
    "SELECT GREATEST(COALESCE(DATEDIFF(MAX(STR_TO_DATE(SUBSTRING(PARTITION_NAME, 2), '%Y%m%d')),"
    " UTC_DATE()) + 1, 0), 0) FROM information_schema.PARTITIONS"
    " WHERE TABLE_SCHEMA = 'roost' AND TABLE_NAME = 'reading' AND PARTITION_NAME LIKE 'p2%'"};
constexpr Sql kMysqlRejects{
    "SELECT COUNT(*), COALESCE(MAX(CONCAT(state, ' ', why)), '') FROM roost.reject"
    " WHERE at > UTC_TIMESTAMP(6) - INTERVAL 1 DAY"};
constexpr Sql kMysqlClones{
    "SELECT name, COALESCE(machine, '?'), COALESCE(machine_before, ''), clones"
    " FROM roost.nodes WHERE clones > 0 ORDER BY cloned DESC"};
constexpr Sql kMysqlSilent{
    "SELECT name, silent_s FROM roost.nodes"
    " WHERE enabled AND (silent_s IS NULL OR silent_s > 900) ORDER BY silent_s IS NULL DESC, "
    "silent_s "
    "DESC, name"};
constexpr Sql kMysqlMissing{
    "SELECT node, missing FROM roost.balance WHERE missing <> 0 ORDER BY ABS(missing) DESC"};

class Findings {
 public:
  void Pass(const char* name, std::string what) {
    all_.push_back({name, Finding::kPass, std::move(what), {}});
  }
  void Add(const char* name, Finding verdict, std::string what, std::string advice) {
    all_.push_back({name, verdict, std::move(what), std::move(advice)});
  }
  std::vector<ServerFinding> Take() { return std::move(all_); }

 private:
  std::vector<ServerFinding> all_;
};

std::string Number(int64_t number) { return std::to_string(number); }

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    text += (i == 0 ? "" : ", ") + PlainText(names[i]);
  }
  if (names.size() > kMostNames) {
    text += " and " + std::to_string(names.size() - kMostNames) + " more";
  }
  return text;
}

void JudgeVersion(int64_t version, Findings& findings) {
  if (version == kServerSchemaVersion) {
    findings.Pass("version", "version " + Number(version));
  } else if (version < kServerSchemaVersion) {
    findings.Add(
        "version", Finding::kFail,
        "version " + Number(version) + ", and this roostctl makes " + Number(kServerSchemaVersion),
        "roostctl server init");
  } else {
    findings.Add(
        "version", Finding::kFail,
        "version " + Number(version) + ", and this roostctl knows " + Number(kServerSchemaVersion),
        "install a roostctl as new as the schema");
  }
}

void JudgePartitions(int64_t days, bool foreign, Findings& findings) {
  const std::string what =
      days == 0 ? "none for today"
                : "from today on for " + Number(std::min<int64_t>(days, 366)) + " days";
  if (days > kFewDays) {
    findings.Pass("partitions", what);
    return;
  }
  findings.Add("partitions", days <= 1 ? Finding::kFail : Finding::kWarn, what,
               foreign
                   ? "roost.upkeep says that others make them: run their maintenance (pg_partman)"
                   : "roostctl server tend; the first batch of a day does it, too, and the "
                     "server's log says why it could not");
}

// `limit`: sessions that roost_node may have; -1: no limit.
void JudgeBudget(int64_t room, int64_t nodes, int64_t limit, const PgbouncerConfig* pgbouncer,
                 Findings& findings) {
  const int64_t most = room - kAdministrators;
  const int64_t wanted = pgbouncer != nullptr ? pgbouncer->default_pool_size : 2 * nodes;
  const std::string what =
      "sessions for " + Number(nodes) + " nodes: " +
      (pgbouncer != nullptr
           ? "PgBouncer's pool of " + Number(wanted) + ", clients there " + Number(2 * nodes)
           : "up to " + Number(wanted) + " without a pooler") +
      "; max_connections leaves " + Number(most) + ", roost_node may have " +
      (limit < 0 ? std::string("any number") : Number(limit));
  if (wanted > most) {
    findings.Add("budget", Finding::kFail, what,
                 pgbouncer != nullptr
                     ? "lower PgBouncer's default_pool_size, or raise max_connections"
                     : "put PgBouncer before the server, and let it have 2 sessions a core (up to "
                       "20); or raise max_connections");
  } else if (limit > most) {
    findings.Add("budget", Finding::kWarn, what,
                 "nodes could take every session: ALTER ROLE roost_node CONNECTION LIMIT " +
                     Number(std::max<int64_t>(most, 1)));
  } else if (limit >= 0 && limit < wanted) {
    findings.Add("budget", Finding::kWarn, what,
                 "nodes will be refused: roostctl server init --nodes " + Number(nodes));
  } else {
    findings.Pass("budget", what);
  }
}

void JudgePgbouncer(const PgbouncerConfig& config, int64_t nodes, Findings& findings) {
  if (config.pool_mode != "transaction") {
    findings.Add("pgbouncer.mode", Finding::kWarn, "pool_mode = " + config.pool_mode,
                 "pool_mode = transaction lets a thousand nodes share twenty sessions; nodes then "
                 "have pooler=transaction in their address");
  } else {
    findings.Pass("pgbouncer.mode",
                  "pool_mode = transaction; nodes have pooler=transaction in their address");
  }
  if (!config.with_password.empty()) {
    findings.Add("pgbouncer.password", Finding::kFail,
                 "password= in the [databases] line of " + Joined(config.with_password),
                 "take it out: with SCRAM verifiers in auth_file every login fails because of it, "
                 "and it is a secret in a file that many may read");
  } else {
    findings.Pass("pgbouncer.password", "no password= in [databases]");
  }
  if (!config.auth_file.empty() && !config.auth_file_read) {
    findings.Add("pgbouncer.secrets", Finding::kWarn, config.auth_file + " cannot be read",
                 "run this as a user that may, such as postgres");
  } else if (!config.plain.empty()) {
    findings.Add("pgbouncer.secrets", Finding::kFail,
                 "plain passwords in auth_file of " + Joined(config.plain),
                 "write the SCRAM verifier of pg_authid.rolpassword in its place: plain text costs "
                 "PgBouncer 11 ms of its one core a login, and is a secret in a file");
  } else if (!config.md5.empty()) {
    findings.Add(
        "pgbouncer.secrets", Finding::kWarn, "MD5 passwords in auth_file of " + Joined(config.md5),
        "set password_encryption = scram-sha-256, the password again, and its verifier here");
  } else {
    findings.Pass("pgbouncer.secrets", "no plain passwords");
  }
  const int64_t clients = 2 * nodes + 100;
  if (config.max_client_conn < clients) {
    findings.Add(
        "pgbouncer.clients", Finding::kWarn,
        "max_client_conn = " + Number(config.max_client_conn) + " for " + Number(nodes) + " nodes",
        "max_client_conn = " + Number(clients) + ", and as many open files");
  } else {
    findings.Pass("pgbouncer.clients", "max_client_conn = " + Number(config.max_client_conn));
  }
}

absl::Status CheckClones(Lease& lease, const Sql& sql, Findings& findings) {
  absl::StatusOr<Statement*> statement = lease->Prepare(sql);
  if (!statement.ok()) return statement.status();
  size_t count = 0;
  Rows rows = (*statement)->Query();
  while (rows.Next()) {
    if (++count > kMostNames) continue;
    const std::string name = PlainText(rows.Get<std::string_view>(0));
    const std::string machine = PlainText(rows.Get<std::string_view>(1)).substr(0, 16);
    const std::string before = PlainText(rows.Get<std::string_view>(2)).substr(0, 16);
    findings.Add("clones", Finding::kWarn,
                 "the name " + name + " is used " +
                     (before.empty() ? "by two runs that take turns, both on machine " + machine
                                     : "by the machines " + machine + " and " + before) +
                     ", noticed " + Number(rows.Get<int64_t>(3)) + " times",
                 "a copied card: give one of them a name and a token of its own (roostctl server "
                 "add-node). A card that was made anew: roostctl server rotate-token");
  }
  if (rows.status().ok() && count == 0) findings.Pass("clones", "no name is used twice");
  return rows.status();
}

absl::Status CheckSilent(Lease& lease, const Sql& sql, Findings& findings) {
  absl::StatusOr<Statement*> statement = lease->Prepare(sql);
  if (!statement.ok()) return statement.status();
  std::vector<std::string> silent;
  Rows rows = (*statement)->Query();
  while (rows.Next()) {
    const auto since = rows.Get<std::optional<int64_t>>(1);
    silent.push_back(std::string(rows.Get<std::string_view>(0)) + " (" +
                     (since.has_value() ? FormatDuration(std::chrono::seconds(*since)) : "never") +
                     ")");
  }
  if (!rows.status().ok()) return rows.status();
  if (silent.empty()) {
    findings.Pass("silent", "every node was heard of within 15 minutes");
  } else {
    findings.Add("silent", Finding::kWarn,
                 Number(static_cast<int64_t>(silent.size())) + " nodes: " + Joined(silent),
                 "look at their link and power; one that is gone: roostctl server disable-node");
  }
  return absl::OkStatus();
}

absl::Status CheckRejects(Lease& lease, const Sql& sql, Findings& findings) {
  const auto rejects = QueryOne<std::tuple<int64_t, std::string>>(lease, sql);
  if (!rejects.ok()) return rejects.status();
  const auto& [count, why] = *rejects;
  if (count == 0) {
    findings.Pass("rejects", "none in a day");
  } else {
    findings.Add("rejects", Finding::kWarn,
                 Number(count) + " rows refused in a day, such as: " + PlainText(why),
                 "SELECT * FROM roost.reject");
  }
  return absl::OkStatus();
}

absl::Status CheckBalance(Lease& lease, const Sql& sql, Findings& findings) {
  absl::StatusOr<Statement*> statement = lease->Prepare(sql);
  if (!statement.ok()) return statement.status();
  std::vector<std::string> wrong;
  Rows rows = (*statement)->Query();
  while (rows.Next()) {
    wrong.push_back(std::string(rows.Get<std::string_view>(0)) + " " +
                    Number(rows.Get<int64_t>(1)));
  }
  if (!rows.status().ok()) return rows.status();
  if (wrong.empty()) {
    findings.Pass("balance", "what the marks account for is there");
  } else {
    findings.Add("balance", Finding::kFail, "readings are missing of " + Joined(wrong),
                 "somebody deleted rows or partitions by hand: SELECT * FROM roost.balance");
  }
  return absl::OkStatus();
}

absl::Status CheckText(Lease& lease, const Sql& sql, const char* name, const char* good,
                       const char* bad, const char* advice, Findings& findings) {
  const auto text = QueryOne<std::optional<std::string>>(lease, sql);
  if (!text.ok()) return text.status();
  if (text->value_or("").empty()) {
    findings.Pass(name, good);
  } else {
    findings.Add(name, Finding::kFail, bad + PlainText(**text), advice);
  }
  return absl::OkStatus();
}

const char* VerdictName(Finding verdict) {
  switch (verdict) {
    case Finding::kPass:
      return "pass";
    case Finding::kWarn:
      return "warn";
    case Finding::kFail:
      return "fail";
  }
  return "";
}

int Show(const ServerAccess& access, const CheckCommand& command, const std::string& target,
         const std::vector<ServerFinding>& findings) {
  int code = kServerDone;
  Json checks = Json::array();
  for (const ServerFinding& finding : findings) {
    if (finding.verdict == Finding::kFail ||
        (command.strict && finding.verdict == Finding::kWarn)) {
      code = kServerRefused;
    }
    Json json{
        {"name", finding.name}, {"verdict", VerdictName(finding.verdict)}, {"what", finding.what}};
    if (!finding.advice.empty()) json["advice"] = finding.advice;
    checks.push_back(std::move(json));
    if (access.json) continue;
    std::cout << VerdictName(finding.verdict) << "  " << finding.name << ": " << finding.what
              << "\n";
    if (!finding.advice.empty()) std::cout << "      -> " << finding.advice << "\n";
  }
  if (access.json) {
    std::cout << Json{{"format", 1},
                      {"target", target},
                      {"exit_code", code},
                      {"checks", std::move(checks)}}
                     .dump(2, ' ', false, Json::error_handler_t::replace)
              << "\n";
  }
  std::cout << std::flush;
  return code;
}

}  // namespace

absl::StatusOr<std::vector<ServerFinding>> CheckPostgresServer(Lease& lease,
                                                               const PgbouncerConfig* pgbouncer,
                                                               bool balance) {
  Findings findings;
  const auto version = QueryOne<std::optional<int64_t>>(lease, kVersion);
  if (!version.ok()) return version.status();
  JudgeVersion(version->value_or(0), findings);
  absl::Status status =
      CheckText(lease, kMissingGrants, "grants", "nodes may do what they have to",
                "there is not: ", "roostctl server init makes and grants it again", findings);
  if (!status.ok()) return status;
  status = CheckText(lease, kTooWide, "rights", "nobody may do more than is needed",
                     "too much: ", "REVOKE it; roostctl server init mends functions and tables",
                     findings);
  if (!status.ok()) return status;
  int64_t limit = -1;
  const auto role = QueryOne<std::tuple<int64_t, std::string>>(lease, kRole);
  if (role.ok()) {
    limit = std::get<0>(*role);
    const std::string& unset = std::get<1>(*role);
    if (limit < 0 || !unset.empty()) {
      findings.Add("role", Finding::kWarn,
                   "roost_node has no " + std::string(limit < 0 ? "CONNECTION LIMIT" : "") +
                       (limit < 0 && !unset.empty() ? ", " : "") + unset,
                   "ALTER ROLE roost_node CONNECTION LIMIT 50; ALTER ROLE roost_node SET "
                   "statement_timeout = '30s'; ALTER ROLE roost_node SET "
                   "idle_in_transaction_session_timeout = '60s'");
    } else {
      findings.Pass("role", "a limit of sessions, and time-outs");
    }
  } else if (!absl::IsNotFound(role.status())) {
    return role.status();
  }
  const auto budget = QueryOne<std::tuple<int64_t, int64_t>>(lease, kBudget);
  if (!budget.ok()) return budget.status();
  JudgeBudget(std::get<0>(*budget), std::get<1>(*budget), limit, pgbouncer, findings);
  const auto days = QueryOne<int64_t>(lease, kPartitions);
  if (!days.ok()) return days.status();
  const auto foreign = QueryOne<bool>(lease, kForeignPartitions);
  if (!foreign.ok()) return foreign.status();
  JudgePartitions(*days, *foreign, findings);
  status = CheckClones(lease, kClones, findings);
  if (status.ok()) status = CheckSilent(lease, kSilent, findings);
  if (status.ok()) status = CheckRejects(lease, kRejects, findings);
  if (status.ok() && balance) status = CheckBalance(lease, kMissing, findings);
  if (!status.ok()) return status;
  if (pgbouncer != nullptr) JudgePgbouncer(*pgbouncer, std::get<1>(*budget), findings);
  return findings.Take();
}

absl::StatusOr<std::vector<ServerFinding>> CheckMysqlServer(Lease& lease, bool balance) {
  Findings findings;
  const auto version = QueryOne<std::optional<int64_t>>(lease, kMysqlVersion);
  if (!version.ok()) return version.status();
  JudgeVersion(version->value_or(0), findings);
  absl::Status status =
      CheckText(lease, kMysqlMissingGrants, "grants", "nodes may do what they have to",
                "roost_node may not call: ", "roostctl server init grants it again", findings);
  if (!status.ok()) return status;
  status = CheckText(lease, kMysqlTooWide, "rights", "nobody may do more than is needed",
                     "roost_node may too much: ", "REVOKE it", findings);
  if (!status.ok()) return status;
  const auto budget = QueryOne<std::tuple<int64_t, int64_t>>(lease, kMysqlBudget);
  if (!budget.ok()) return budget.status();
  JudgeBudget(std::get<0>(*budget), std::get<1>(*budget), -1, nullptr, findings);
  const auto days = QueryOne<int64_t>(lease, kMysqlPartitions);
  if (!days.ok()) return days.status();
  JudgePartitions(*days, false, findings);
  status = CheckClones(lease, kMysqlClones, findings);
  if (status.ok()) status = CheckSilent(lease, kMysqlSilent, findings);
  if (status.ok()) status = CheckRejects(lease, kMysqlRejects, findings);
  if (status.ok() && balance) status = CheckBalance(lease, kMysqlMissing, findings);
  if (!status.ok()) return status;
  return findings.Take();
}

int RunCheck(Platform& platform, const ServerAccess& access, const CheckCommand& command) {
  std::optional<PgbouncerConfig> pgbouncer;
  if (!command.pgbouncer.empty()) {
    absl::StatusOr<PgbouncerConfig> read = ReadPgbouncerConfig(command.pgbouncer);
    if (!read.ok()) return SayServerFailure(access, command.pgbouncer, read.status(), false);
    pgbouncer = *std::move(read);
  }
  const std::unique_ptr<Backend> backend = MakeRemoteBackend(
      access.uri, {.application_name = "roostctl server", .password_file = access.password_file});
  PoolFor<selftest::RemoteProfile> pool(*backend, {.name = "server", .platform = &platform});
  const std::string target(backend->target());
  const bool mysql = backend->kind() == "mysql";
  const Deadline deadline = pool.In(kWithin);
  absl::StatusOr<std::vector<ServerFinding>> findings = absl::UnknownError("");
  {
    absl::StatusOr<Lease> lease = pool.Acquire(kRead, deadline);
    if (!lease.ok()) {
      findings = lease.status();
    } else if (mysql) {
      findings = CheckMysqlServer(*lease, command.balance);
    } else {
      findings = CheckPostgresServer(*lease, pgbouncer.has_value() ? &*pgbouncer : nullptr,
                                     command.balance);
    }
  }
  pool.Close(deadline).IgnoreError();
  if (!findings.ok()) return SayServerFailure(access, target, findings.status(), mysql);
  return Show(access, command, target, *findings);
}

}  // namespace roost::tools
