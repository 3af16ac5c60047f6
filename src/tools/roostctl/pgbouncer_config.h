// tools/roostctl/pgbouncer_config.h - what is in PgBouncer's configuration that nodes will trip over.
//
// Threads:  one
// Blocks:   for the read of two small files
// Memory:   the answer
// Errors:   kNotFound: the file cannot be read. No secret of it gets into an answer
#ifndef ROOST_TOOLS_ROOSTCTL_PGBOUNCER_CONFIG_H_
#define ROOST_TOOLS_ROOSTCTL_PGBOUNCER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace roost::tools {

// The settings that matter to nodes, with PgBouncer's own values where the file has none.
struct PgbouncerConfig {
  std::string pool_mode = "session";
  int64_t default_pool_size = 20;
  int64_t max_client_conn = 100;
  std::string auth_type = "md5";
  std::string auth_file{};
  bool auth_file_read = false;
  // [databases] whose line has password=.
  std::vector<std::string> with_password{};
  // Users of the auth_file whose secret is plain text, or MD5.
  std::vector<std::string> plain{};
  std::vector<std::string> md5{};
  bool has_roost_node = false;  // in the auth_file
};

// `path`: pgbouncer.ini. %include is followed.
absl::StatusOr<PgbouncerConfig> ReadPgbouncerConfig(const std::string& path);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_PGBOUNCER_CONFIG_H_
