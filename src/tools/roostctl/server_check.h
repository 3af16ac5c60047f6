// tools/roostctl/server_check.h - `roostctl server check`: whether the server's side is fit for its nodes.
//
// Threads:  one
// Blocks:   until its deadline, 60 s
// Memory:   the answer
// Errors:   a finding says what is wrong and what to do
#ifndef ROOST_TOOLS_ROOSTCTL_SERVER_CHECK_H_
#define ROOST_TOOLS_ROOSTCTL_SERVER_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "roost/lease.h"
#include "tools/roostctl/pgbouncer_config.h"
#include "tools/roostctl/server_admin.h"

namespace roost::tools {

enum class Finding : uint8_t { kPass, kWarn, kFail };

struct ServerFinding {
  const char* name;  // stable: "grants"
  Finding verdict = Finding::kPass;
  std::string what{};
  std::string advice{};
};

struct CheckCommand {
  std::string pgbouncer{};  // its configuration; empty: not looked at
  bool balance = false;     // counts every reading
  bool strict = false;      // a warning fails, too
};

// What the server says. `pgbouncer`: null, or what was read.
absl::StatusOr<std::vector<ServerFinding>> CheckPostgresServer(Lease& lease,
                                                               const PgbouncerConfig* pgbouncer,
                                                               bool balance);
absl::StatusOr<std::vector<ServerFinding>> CheckMysqlServer(Lease& lease, bool balance);

int RunCheck(Platform& platform, const ServerAccess& access, const CheckCommand& command);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SERVER_CHECK_H_
