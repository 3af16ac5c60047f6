// tools/roostctl/server_schema.h - the SQL of the server's side, src/outbox/sql, as texts of this program.
//
// Threads:  any
// Blocks:   never
// Memory:   constants
// Errors:   none
#ifndef ROOST_TOOLS_ROOSTCTL_SERVER_SCHEMA_H_
#define ROOST_TOOLS_ROOSTCTL_SERVER_SCHEMA_H_

#include <string_view>

namespace roost::tools {

// The version of both, as their table `version` has it.
inline constexpr int kServerSchemaVersion = 1;

// What `roostctl server init` runs: one script each.
extern const std::string_view kPostgresSchema;
extern const std::string_view kMysqlSchema;

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SERVER_SCHEMA_H_
