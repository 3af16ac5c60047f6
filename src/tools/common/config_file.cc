#include "tools/common/config_file.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace roost::tools {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Without a comment behind it: a # that follows a blank.
std::string_view WithoutComment(std::string_view text) {
  for (size_t at = text.find('#'); at != std::string_view::npos; at = text.find('#', at + 1)) {
    if (at == 0 || kBlank.find(text[at - 1]) != std::string_view::npos) {
      return Trim(text.substr(0, at));
    }
  }
  return text;
}

// What is between quotes, or the text as it is. False: a quote is not closed, or something follows.
bool Unquote(std::string_view text, std::string& value) {
  const bool quoted = !text.empty() && (text.front() == '"' || text.front() == '\'');
  if (!quoted) {
    value = WithoutComment(text);
    return true;
  }
  const size_t end = text.find(text.front(), 1);
  if (end == std::string_view::npos) return false;
  value = text.substr(1, end - 1);
  return WithoutComment(Trim(text.substr(end + 1))).empty();
}

// A configuration has some hundred lines at most; what is longer is another file, or a device's.
constexpr size_t kMostBytes = size_t{64} * 1024;

absl::Status CannotRead(const std::string& path, int error) {
  const std::string message = "cannot read " + path + ": " + std::strerror(error);
  if (error == EACCES) return absl::PermissionDeniedError(message);
  return absl::NotFoundError(message);
}

}  // namespace

std::string At(const std::string& path, int line) {
  return path + ":" + std::to_string(line) + ": ";
}

absl::StatusOr<std::vector<Setting>> ParseConfig(const std::string& path, std::string_view text) {
  std::vector<Setting> settings;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    const auto wrong = [&](const std::string& what) {
      return absl::InvalidArgumentError(At(path, line) + what);
    };
    if (content.front() == '[') return wrong("there are no sections; write KEY = VALUE lines");
    const size_t equals = content.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return wrong("not a setting; write KEY = VALUE, such as: every = 5s");
    }
    Setting setting{.line = line, .key = std::string(Trim(content.substr(0, equals)))};
    if (!Unquote(Trim(content.substr(equals + 1)), setting.value)) {
      return wrong(setting.key + ": the quotes around the value are not closed at its end");
    }
    for (const Setting& earlier : settings) {
      if (earlier.key != setting.key) continue;
      return wrong(setting.key + " is set in line " + std::to_string(earlier.line) + " already");
    }
    settings.push_back(std::move(setting));
  }
  return settings;
}

absl::StatusOr<ConfigFile> ReadConfigFile(const std::string& path) {
  ConfigFile config{.path = path};
  struct stat seen {};
  if (stat(path.c_str(), &seen) != 0) return CannotRead(path, errno);
  if (!S_ISREG(seen.st_mode)) return absl::InvalidArgumentError(path + " is not a file");
  config.world_readable = (seen.st_mode & S_IROTH) != 0;
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return CannotRead(path, errno);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMostBytes) {
    return absl::InvalidArgumentError(path + " has more than 64 KiB: it holds no settings");
  }
  absl::StatusOr<std::vector<Setting>> settings = ParseConfig(path, text);
  if (!settings.ok()) return settings.status();
  config.settings = *std::move(settings);
  return config;
}

}  // namespace roost::tools
