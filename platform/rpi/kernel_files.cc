#include "platform/rpi/kernel_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace roost::kernel {
namespace {

// Reads from `path` into `out` until it is full or the file ends; how much. Nothing: no such file.
std::optional<size_t> ReadInto(const std::string& path, char* out, size_t most) {
  if (path.empty()) return std::nullopt;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  size_t size = 0;
  bool failed = false;
  while (size < most) {
    const ssize_t got = read(fd, out + size, most - size);
    failed = got < 0 && size == 0;
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  close(fd);
  if (failed) return std::nullopt;
  return size;
}

}  // namespace

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace(" \t\n\0", 4);
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

SmallFile::SmallFile(const std::string& path)
    : size_(ReadInto(path, bytes_.data(), bytes_.size()).value_or(0)) {}

std::optional<std::string> Content(const std::string& path) {
  std::string text(size_t{1} << 20, '\0');
  const std::optional<size_t> size = ReadInto(path, text.data(), text.size());
  if (!size.has_value()) return std::nullopt;
  text.resize(*size);
  return text;
}

std::optional<uint64_t> Field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(name)) {
      std::string_view rest = line.substr(name.size());
      rest.remove_prefix(std::min(rest.find_first_not_of(": \t"), rest.size()));
      return Parse<uint64_t>(rest);
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

std::string IfReadable(std::string path) {
  return access(path.c_str(), R_OK) == 0 ? path : std::string();
}

std::vector<std::string> Names(const std::string& folder, std::string_view prefix) {
  std::vector<std::string> names;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (std::string_view(entry->d_name).starts_with(prefix)) names.emplace_back(entry->d_name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace roost::kernel
