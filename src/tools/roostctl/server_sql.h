// tools/roostctl/server_sql.h - the statements of `roostctl server ...` in both servers' SQL. `$1` is a JSON array of names.
//
// Threads:  any
// Blocks:   never
// Memory:   constants
// Errors:   none
#ifndef ROOST_TOOLS_ROOSTCTL_SERVER_SQL_H_
#define ROOST_TOOLS_ROOSTCTL_SERVER_SQL_H_

#include <string>
#include <string_view>
#include <vector>

namespace roost::tools {

struct ServerSql {
  // Of names, the name and the new token of each that it applies to.
  std::string_view add;
  std::string_view rotate;
  std::string_view rotate_now;
  // Of names, those that it applies to.
  std::string_view disable;
  std::string_view enable;
  // $1 nodes, $2 seconds: the code.
  std::string_view enroll_code;
  // $1 days, $2 days to keep or NULL: how many partitions were made.
  std::string_view tend;
  // name, enabled, seen (ISO 8601 or NULL), silent_s, version, waiting, oldest_s, clones.
  std::string_view nodes;
  // $1 seconds: name, seen, silent_s, waiting.
  std::string_view silent;
};
const ServerSql& ServerSqlFor(bool mysql);

// `sql` with its placeholders written out, for an administrator to run by hand. `arguments`: literals.
std::string WrittenOut(std::string_view sql, const std::vector<std::string>& arguments);
// `text` as a literal of either server.
std::string Literal(std::string_view text, bool mysql);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SERVER_SQL_H_
