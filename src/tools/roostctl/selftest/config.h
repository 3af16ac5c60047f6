// tools/roostctl/selftest/config.h - what the self-test takes from the configuration of
// roost-node: the database and the remote.
//
// Threads:  one
// Blocks:   for the read of two small files
// Errors:   kInvalidArgument, kNotFound, kPermissionDenied with the file and what is wrong in it;
//           never a password
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_CONFIG_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"

namespace roost::tools::selftest {

// Where the package puts it.
inline constexpr char kNodeConfig[] = "/etc/roost/roost-node.conf";

struct NodeConfig {
  std::string db{};             // empty: not set
  std::string remote{};         // may hold a password; empty: not set
  std::string password_file{};  // of the remote; empty: none
  // There is a password of the service that this user may not read.
  bool password_hidden = false;
};
// The keys db, remote and remote-password-file of `path`; the others are roost-node's business.
absl::StatusOr<NodeConfig> ReadNodeConfig(const std::string& path);

}  // namespace roost::tools::selftest

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_CONFIG_H_
