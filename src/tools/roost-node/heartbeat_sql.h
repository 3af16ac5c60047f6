// tools/roost-node/heartbeat_sql.h - the table roost_heartbeat in each server's SQL.
//
// A user who may only insert into a table that the operator has made is enough. Such a one is refused
// CREATE TABLE IF NOT EXISTS, also where the table is there, and MySQL's ON DUPLICATE KEY UPDATE.
#ifndef ROOST_TOOLS_ROOST_NODE_HEARTBEAT_SQL_H_
#define ROOST_TOOLS_ROOST_NODE_HEARTBEAT_SQL_H_

#include <string_view>

#include "roost/statement.h"
#include "tools/common/make_backend.h"

namespace roost::tools {

struct HeartbeatSql {
  std::string_view on_connect;  // of each session; empty: nothing
  // Makes the table. Run when an insert fails with `no_table`, which is as ServerCode; empty:
  // on_connect has made it.
  std::string_view create;
  std::string_view no_table;
  // Of node, epoch, seq, t in microseconds since 1970, synced, version, uptime_s, taken, sealed,
  // backlog, dropped. A row that is there already, since its answer was lost, is kAlreadyExists or
  // passed over.
  Sql insert;
  // Of node, token, epoch, version, uptime_s, taken, sealed, backlog, dropped: where the server has the schema
  // roost. Empty: none has.
  Sql beat{""};
};

// REQUIRES: `kind` is that of a server.
const HeartbeatSql& HeartbeatSqlOf(DatabaseKind kind);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_HEARTBEAT_SQL_H_
