// tools/common/config_file.h - settings in a file: KEY = VALUE lines, for --config.
//
//   # how often the board is read
//   every = 5s
//   db = "/var/lib/roost/node.db"
//
// A key is a flag of the command line without its dashes; a switch takes true or false. Lines that
// begin with # or ; are comments, as is a # after a blank behind a value; quotes around a value
// keep what is inside as it is. There are no sections.
//
// Threads:  one
// Blocks:   for the read of the file
// Memory:   the file
// Errors:   kInvalidArgument: FILE:LINE and what is wrong there; kNotFound, kPermissionDenied: the
//           file cannot be read
#ifndef ROOST_TOOLS_COMMON_CONFIG_FILE_H_
#define ROOST_TOOLS_COMMON_CONFIG_FILE_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace roost::tools {

struct Setting {
  int line = 0;  // 1 is the first
  std::string key{};
  std::string value{};
};

struct ConfigFile {
  std::string path{};
  bool world_readable = false;
  std::vector<Setting> settings{};  // each key once
};

absl::StatusOr<ConfigFile> ReadConfigFile(const std::string& path);
// The settings of `text`; `path` is for messages.
absl::StatusOr<std::vector<Setting>> ParseConfig(const std::string& path, std::string_view text);

// "FILE:LINE: " before a sentence.
std::string At(const std::string& path, int line);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_CONFIG_FILE_H_
