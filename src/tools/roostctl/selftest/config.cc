#include "tools/roostctl/selftest/config.h"

#include <unistd.h>

#include <filesystem>

#include "tools/common/config_file.h"
#include "tools/common/remote_uri.h"

namespace roost::tools::selftest {
namespace {

absl::Status AddPassword(const std::string& file, NodeConfig& config) {
  if (access(file.c_str(), R_OK) != 0) {
    config.password_hidden = true;
    return absl::OkStatus();
  }
  config.password_file = file;
  return CheckPasswordFile(file);
}

}  // namespace

absl::StatusOr<NodeConfig> ReadNodeConfig(const std::string& path) {
  const absl::StatusOr<ConfigFile> file = ReadConfigFile(path);
  if (!file.ok()) return file.status();
  NodeConfig config;
  std::string password_file;
  for (const Setting& setting : file->settings) {
    if (setting.key == "db") config.db = setting.value;
    if (setting.key == "remote") config.remote = setting.value;
    if (setting.key == "remote-password-file") password_file = setting.value;
  }
  if (config.remote.empty() || HasPassword(config.remote)) return config;
  if (password_file.empty()) {
    const auto beside = std::filesystem::path(path).parent_path() / kPasswordCredential;
    std::error_code ignored;
    if (std::filesystem::exists(beside, ignored)) password_file = beside.string();
  }
  if (password_file.empty()) return config;
  const absl::Status added = AddPassword(password_file, config);
  if (!added.ok()) return added;
  return config;
}

}  // namespace roost::tools::selftest
