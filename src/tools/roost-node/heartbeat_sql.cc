#include "tools/roost-node/heartbeat_sql.h"

namespace roost::tools {
namespace {

// Looks before it creates. Two nodes may come at the same moment.
constexpr HeartbeatSql kPostgres = {
    .on_connect = R"sql(
DO $$ BEGIN
  IF to_regclass('roost_heartbeat') IS NULL AND to_regnamespace('roost') IS NULL THEN
    CREATE TABLE roost_heartbeat(
      node text NOT NULL,
      epoch bigint NOT NULL,
      seq bigint NOT NULL,
      t timestamptz NOT NULL,
      synced boolean NOT NULL,
      received timestamptz NOT NULL DEFAULT now(),
      version text NOT NULL,
      uptime_s double precision NOT NULL,
      taken bigint NOT NULL,
      sealed bigint NOT NULL,
      backlog bigint NOT NULL,
      dropped bigint NOT NULL,
      PRIMARY KEY(node, epoch, seq));
  END IF;
EXCEPTION WHEN duplicate_table OR unique_violation OR insufficient_privilege THEN NULL;
END $$)sql",
    .create = "",
    .no_table = "",
    .insert = Sql(
        "INSERT INTO roost_heartbeat(node, epoch, seq, t, synced, version, uptime_s, taken, "
        "sealed, backlog, dropped) VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000000.0), $5, "
        "$6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"),
    .beat = Sql("SELECT roost.beat($1, $2, $3, $4, $5, $6, $7, $8, $9)")};

// Names are compared byte by byte: by the server's default Node7 and node7 would be one node. The
// session's time zone is UTC, so that both times are.
constexpr HeartbeatSql kMysql = {
    .on_connect = "",
    .create = R"sql(
CREATE TABLE IF NOT EXISTS roost_heartbeat(
  node varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  t datetime(6) NOT NULL,
  synced boolean NOT NULL,
  received datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  version varchar(255) NOT NULL,
  uptime_s double NOT NULL,
  taken bigint NOT NULL,
  sealed bigint NOT NULL,
  backlog bigint NOT NULL,
  dropped bigint NOT NULL,
  PRIMARY KEY(node, epoch, seq)) ENGINE=InnoDB)sql",
    .no_table = "1146",
    .insert =
        Sql("INSERT INTO roost_heartbeat(node, epoch, seq, t, synced, version, uptime_s, taken, "
            "sealed, backlog, dropped) VALUES ($1, $2, $3, FROM_UNIXTIME($4 * 0.000001), $5, "
            "$6, $7, $8, $9, $10, $11)")};

}  // namespace

const HeartbeatSql& HeartbeatSqlOf(DatabaseKind kind) {
  return kind == DatabaseKind::kMysql ? kMysql : kPostgres;
}

}  // namespace roost::tools
