#include "tools/roostctl/pgbouncer_config.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace roost::tools {
namespace {

constexpr int kDeepest = 4;

std::string_view Trimmed(std::string_view text) {
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return lower;
}

// A key=value of a connection string, as [databases] has them: values may be quoted with '.
bool HasKey(std::string_view line, std::string_view key) {
  for (size_t at = 0; at < line.size();) {
    while (at < line.size() && std::isspace(static_cast<unsigned char>(line[at])) != 0) ++at;
    const size_t equals = line.find('=', at);
    if (equals == std::string_view::npos) return false;
    if (Lower(Trimmed(line.substr(at, equals - at))) == key) return true;
    at = equals + 1;
    while (at < line.size() && line[at] == ' ') ++at;
    if (at < line.size() && line[at] == '\'') {
      const size_t end = line.find('\'', at + 1);
      at = end == std::string_view::npos ? line.size() : end + 1;
    } else {
      at = std::min(line.find(' ', at), line.size());
    }
  }
  return false;
}

// "user" at the front of `line`, which goes on behind it; "" is a quote inside.
std::string TakeQuoted(std::string_view& line) {
  std::string text;
  if (line.empty() || line.front() != '"') return text;
  size_t at = 1;
  for (; at < line.size(); ++at) {
    if (line[at] == '"' && (at + 1 >= line.size() || line[at + 1] != '"')) break;
    if (line[at] == '"') ++at;
    text += line[at];
  }
  line.remove_prefix(std::min(at + 1, line.size()));
  return text;
}

void ReadAuthFile(const std::string& path, PgbouncerConfig& config) {
  std::ifstream file(path);
  if (!file) return;
  config.auth_file_read = true;
  for (std::string whole; std::getline(file, whole);) {
    std::string_view line = Trimmed(whole);
    if (line.empty() || line.front() != '"') continue;
    const std::string user = TakeQuoted(line);
    line = Trimmed(line);
    const std::string secret = TakeQuoted(line);
    if (user == "roost_node") config.has_roost_node = true;
    if (secret.empty() || secret.starts_with("SCRAM-SHA-256$")) continue;
    const bool md5 = secret.size() == 35 && secret.starts_with("md5");
    (md5 ? config.md5 : config.plain).push_back(user);
  }
}

absl::Status Read(const std::filesystem::path& path, int depth, std::string& section,
                  PgbouncerConfig& config) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(path.string() + " cannot be read: " + std::strerror(errno) +
                               "; run this as a user that may, such as postgres");
  }
  for (std::string whole; std::getline(file, whole);) {
    const std::string_view line = Trimmed(whole);
    if (line.empty() || line.front() == ';' || line.front() == '#') continue;
    if (line.starts_with("%include") && depth < kDeepest) {
      const std::filesystem::path next{std::string(Trimmed(line.substr(8)))};
      const absl::Status read = Read(next, depth + 1, section, config);
      if (!read.ok()) return read;
      continue;
    }
    if (line.front() == '[') {
      section = Lower(line.substr(1, line.find(']') - 1));
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key(Trimmed(line.substr(0, equals)));
    const std::string value(Trimmed(line.substr(equals + 1)));
    if (section == "databases" && HasKey(value, "password")) config.with_password.push_back(key);
    if (section != "pgbouncer") continue;
    const std::string name = Lower(key);
    if (name == "pool_mode") config.pool_mode = Lower(value);
    if (name == "default_pool_size") config.default_pool_size = std::atoll(value.c_str());
    if (name == "max_client_conn") config.max_client_conn = std::atoll(value.c_str());
    if (name == "auth_type") config.auth_type = Lower(value);
    if (name == "auth_file") config.auth_file = value;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PgbouncerConfig> ReadPgbouncerConfig(const std::string& path) {
  PgbouncerConfig config;
  std::string section;
  const absl::Status read = Read(path, 0, section, config);
  if (!read.ok()) return read;
  if (!config.auth_file.empty()) ReadAuthFile(config.auth_file, config);
  return config;
}

}  // namespace roost::tools
