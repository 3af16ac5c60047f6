#include "tools/roost-node/input.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace roost::tools {
namespace {

bool IsTerminal(int fd) { return isatty(fd) == 1; }

bool IsPipe(int fd) {
  struct stat seen {};
  return fstat(fd, &seen) == 0 && S_ISFIFO(seen.st_mode);
}

// The terminal of this process: who types the end there means it, and who hangs up has gone.
bool IsOwnTerminal(int fd) { return tcgetpgrp(fd) >= 0; }

// The path of what can be opened again; empty: it cannot. An unnamed pipe has "pipe:[...]".
std::string PathOf(int fd) {
  if (IsTerminal(fd) ? IsOwnTerminal(fd) : !IsPipe(fd)) return "";
  std::array<char, PATH_MAX> path;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path.data(), path.size());
  if (size <= 0 || path.front() != '/') return "";
  return std::string(path.data(), static_cast<size_t>(size));
}

std::optional<termios> SettingsOf(int fd) {
  termios settings{};
  if (tcgetattr(fd, &settings) != 0) return std::nullopt;
  return settings;
}

}  // namespace

Input::Input(int fd)
    : fd_(fd), terminal_(IsTerminal(fd)), path_(PathOf(fd)), settings_(SettingsOf(fd)) {}

bool Input::IsReplaced() const {
  if (path_.empty() || terminal_) return false;
  struct stat open_one {};
  struct stat named_one {};
  if (fstat(fd_, &open_one) != 0 || stat(path_.c_str(), &named_one) != 0) return false;
  return S_ISFIFO(named_one.st_mode) &&
         (open_one.st_dev != named_one.st_dev || open_one.st_ino != named_one.st_ino);
}

bool Input::Reopen() {
  // Without waiting for a producer, and without a terminal of our own.
  const int fd = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return false;
  bool opened = terminal_ ? IsTerminal(fd) : IsPipe(fd);
  if (opened && settings_.has_value()) tcsetattr(fd, TCSANOW, &*settings_);
  // The bytes in a pipe stay: one of the two is always open.
  opened = opened && dup2(fd, fd_) == fd_;
  close(fd);
  return opened;
}

}  // namespace roost::tools
