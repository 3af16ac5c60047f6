// outbox/server_sql.h - the statements that an OutboxServer is called with, for each kind of server.
//
// Threads:  values
// Blocks:   never
// Memory:   one text each
// Errors:   kInvalidArgument names the option
#ifndef ROOST_OUTBOX_SERVER_SQL_H_
#define ROOST_OUTBOX_SERVER_SQL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/outbox_server.h"

namespace roost::outbox {

struct ServerSql {
  // $1 node, $2 token, $3 epoch, $4 machine, $5 version, $6 epochs, $7 los; of a table $1 node, $2 epochs,
  // $3 los. Columns: version of the schema, server's time, spread, rows, clones, epoch, lo, mark.
  std::string hello;
  // The arguments of roost.ingest; of a table $1 node, $2 epoch, $3 clock, $4 names, $5 units, $6 seqs,
  // $7 milliseconds, $8 places from 1, $9 values.
  std::string ingest;
};

absl::StatusOr<ServerSql> SqlFor(ServerKind kind, const ServerTable& table);

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_SERVER_SQL_H_
