#include "telemetry/process.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string_view>

#include "base/text.h"

namespace roost::telemetry {
namespace {

struct Stat {
  char state = '\0';  // no letter: the kernel does not tell
  uint64_t start_ticks = 0;
};

// By proc(5): the name in brackets may have blanks and brackets itself; the state follows it, and 19 fields further
// stands the begin.
Stat StatOf(int64_t pid) {
  const int fd =
      open(internal::BoundedText<40>("/proc/").Add(pid, "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  std::array<char, 512> buffer;
  const ssize_t got = fd < 0 ? -1 : read(fd, buffer.data(), buffer.size());
  if (fd >= 0) close(fd);
  std::string_view text(buffer.data(), got > 0 ? static_cast<size_t>(got) : 0);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return {};
  text.remove_prefix(name_end + 2);
  Stat stat{.state = text.front()};
  for (int i = 0; i < 19; ++i) text.remove_prefix(std::min(text.size(), text.find(' ') + 1));
  for (const char c : text.substr(0, text.find(' '))) {
    if (c < '0' || c > '9') break;
    stat.start_ticks = stat.start_ticks * 10 + static_cast<uint64_t>(c - '0');
  }
  return stat;
}

}  // namespace

uint64_t StartTicks(int64_t pid) { return StatOf(pid).start_ticks; }

bool IsRunning(int64_t pid, uint64_t start_ticks) {
  if (pid <= 0 || pid > INT_MAX) return false;
  const Stat stat = StatOf(pid);
  // A /proc that hides the processes of others.
  if (stat.state == '\0') return getpgid(static_cast<pid_t>(pid)) >= 0 || errno == EPERM;
  if (stat.state == 'Z' || stat.state == 'X') return false;
  return start_ticks == 0 || stat.start_ticks == start_ticks;
}

}  // namespace roost::telemetry
