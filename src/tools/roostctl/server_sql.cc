#include "tools/roostctl/server_sql.h"

namespace roost::tools {
namespace {

constexpr ServerSql kPostgres{
    .add =
        "WITH t AS MATERIALIZED (SELECT name, roost.random_token() AS token"
        " FROM json_array_elements_text($1::text::json) AS given(name)),"
        " made AS (INSERT INTO roost.node(name, token)"
        " SELECT t.name, sha256(convert_to(t.token, 'UTF8')) FROM t"
        " WHERE NOT EXISTS (SELECT FROM roost.node n WHERE n.name = t.name) RETURNING name)"
        " SELECT t.name, t.token FROM t JOIN made USING (name) ORDER BY 1",
    .rotate =
        "WITH t AS MATERIALIZED (SELECT name, roost.random_token() AS token"
        " FROM json_array_elements_text($1::text::json) AS given(name)),"
        " made AS (UPDATE roost.node n SET old_token = n.token, old_until = now() + interval '7 "
        "days',"
        " token = sha256(convert_to(t.token, 'UTF8')), clones = 0, cloned = NULL,"
        " machine_before = NULL, machine_before_seen = NULL, epochs = '{}'"
        " FROM t WHERE n.name = t.name RETURNING n.name)"
        " SELECT t.name, t.token FROM t JOIN made USING (name) ORDER BY 1",
    .rotate_now =
        "WITH t AS MATERIALIZED (SELECT name, roost.random_token() AS token"
        " FROM json_array_elements_text($1::text::json) AS given(name)),"
        " made AS (UPDATE roost.node n SET old_token = NULL, old_until = NULL,"
        " token = sha256(convert_to(t.token, 'UTF8')), clones = 0, cloned = NULL,"
        " machine_before = NULL, machine_before_seen = NULL, epochs = '{}'"
        " FROM t WHERE n.name = t.name RETURNING n.name)"
        " SELECT t.name, t.token FROM t JOIN made USING (name) ORDER BY 1",
    .disable =
        "UPDATE roost.node n SET enabled = false"
        " FROM json_array_elements_text($1::text::json) AS given(name) WHERE n.name = given.name"
        " RETURNING n.name",
    .enable =
        "UPDATE roost.node n SET enabled = true"
        " FROM json_array_elements_text($1::text::json) AS given(name) WHERE n.name = given.name"
        " RETURNING n.name",
    .enroll_code =
        "WITH t AS MATERIALIZED (SELECT roost.random_token() AS code),"
        " old AS (DELETE FROM roost.enrol_code WHERE until < now() - interval '30 days'),"
        " made AS (INSERT INTO roost.enrol_code(code, nodes_left, until)"
        " SELECT sha256(convert_to(t.code, 'UTF8')), $1::bigint, now() + $2::bigint * interval '1 "
        "s'"
        " FROM t) SELECT code FROM t",
    .tend = "SELECT roost.tend($1::bigint::int, $2::bigint::int)::bigint",
    .nodes =
        "SELECT name, enabled, to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
        " silent_s, version, coalesce(backlog, waiting), oldest_s, clones::bigint"
        " FROM roost.nodes ORDER BY name",
    .silent =
        "SELECT name, to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), silent_s,"
        " coalesce(backlog, waiting) FROM roost.nodes"
        " WHERE enabled AND (seen IS NULL OR seen < now() - $1::bigint * interval '1 s')"
        " ORDER BY seen NULLS FIRST, name"};

constexpr ServerSql kMysql{
    .add = "CALL roost.roost_add_nodes($1)",
    .rotate = "CALL roost.roost_rotate_tokens($1, 7)",
    .rotate_now = "CALL roost.roost_rotate_tokens($1, 0)",
    .disable = "CALL roost.roost_enable_nodes($1, 0)",
    .enable = "CALL roost.roost_enable_nodes($1, 1)",
    .enroll_code = "CALL roost.roost_enroll_code($1, $2)",
    .tend = "CALL roost.roost_tend($1, $2)",
    .nodes =
        "SELECT name, enabled, DATE_FORMAT(seen, '%Y-%m-%dT%H:%i:%sZ'), silent_s, version,"
        " COALESCE(backlog, waiting), oldest_s, clones FROM roost.nodes ORDER BY name",
    .silent =
        "SELECT name, DATE_FORMAT(seen, '%Y-%m-%dT%H:%i:%sZ'), silent_s, COALESCE(backlog, waiting)"
        " FROM roost.nodes"
        " WHERE enabled AND (seen IS NULL OR seen < UTC_TIMESTAMP(6) - INTERVAL $1 SECOND)"
        " ORDER BY seen, name"};

}  // namespace

const ServerSql& ServerSqlFor(bool mysql) { return mysql ? kMysql : kPostgres; }

std::string WrittenOut(std::string_view sql, const std::vector<std::string>& arguments) {
  std::string text;
  for (size_t i = 0; i < sql.size(); ++i) {
    const bool placeholder = sql[i] == '$' && i + 1 < sql.size() && sql[i + 1] >= '1' &&
                             sql[i + 1] < static_cast<char>('1' + arguments.size());
    if (!placeholder) {
      text += sql[i];
      continue;
    }
    text += arguments[static_cast<size_t>(sql[++i] - '1')];
  }
  return text + ";\n";
}

std::string Literal(std::string_view text, bool mysql) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'' || (mysql && c == '\\')) literal += c;
    literal += c;
  }
  return literal + "'";
}

}  // namespace roost::tools
