// tools/roostctl/server_admin.h - `roostctl server ...`: the schema roost on a server of PostgreSQL or MariaDB, and the
// nodes that may deliver to it.
//
// Each command is one session and one transaction. A token or a code is made by the server, which keeps its SHA-256;
// the text itself goes to a file that did not exist, or to standard output where that is asked for.
//
// Threads:  one
// Blocks:   until its deadline, 60 s
// Memory:   the answer
// Errors:   one sentence on standard error that says what to do
#ifndef ROOST_TOOLS_ROOSTCTL_SERVER_ADMIN_H_
#define ROOST_TOOLS_ROOSTCTL_SERVER_ADMIN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/lease.h"
#include "roost/platform.h"
#include "tools/roostctl/live.h"

namespace roost::tools {

inline constexpr int kServerDone = 0;
inline constexpr int kServerRefused = 1;  // the server, or a check, says no
inline constexpr int kServerAway = 4;     // nobody answers

// What all of these commands have.
struct ServerAccess {
  std::string uri{};
  std::string password_file{};
  bool json = false;
  bool print = false;  // SQL in place of doing it
  bool mysql = false;  // of MariaDB, where `print` has no uri
};

// Where secrets go.
struct SecretPlace {
  std::string file{};
  bool to_stdout = false;
};

struct InitCommand {
  int64_t nodes = 0;  // 0: the limit of sessions stays
};
int RunInit(Platform& platform, const ServerAccess& access, const InitCommand& command);

struct TendCommand {
  int64_t days = 8;
  int64_t keep_days = 0;  // 0: everything
};
int RunTend(Platform& platform, const ServerAccess& access, const TendCommand& command);

// What is done to nodes by name.
enum class NodeAction { kAdd, kRotate, kRotateNow, kDisable, kEnable };
int RunNodeAction(Platform& platform, const ServerAccess& access, NodeAction action,
                  const std::vector<std::string>& names, const SecretPlace& place);

struct EnrollCodeCommand {
  int64_t nodes = 1;
  int64_t for_s = 24 * 3600;
};
int RunEnrollCode(Platform& platform, const ServerAccess& access, const EnrollCodeCommand& command,
                  const SecretPlace& place);

int RunNodes(Platform& platform, const ServerAccess& access);
// Enabled nodes that were silent for so long. Exit code kServerRefused: there are some.
int RunSilent(Platform& platform, const ServerAccess& access, int64_t for_s);

// One name a line; blank lines and lines that begin with # are passed over. "-" is standard input. kInvalidArgument:
// a name that no node can have, or one that comes twice, with its line.
absl::StatusOr<std::vector<std::string>> ReadNames(const std::string& path);

// ---- For server_check.cc ------------------------------------------------------------------------

// What to do about an error of a statement, behind what the server says.
std::string WithAdvice(const absl::Status& status, const std::string& uri, bool mysql);
// Prints it, and as JSON where that is asked for. Returns the exit code.
int SayServerFailure(const ServerAccess& access, const std::string& target,
                     const absl::Status& status, bool mysql);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SERVER_ADMIN_H_
