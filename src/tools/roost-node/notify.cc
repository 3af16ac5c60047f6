#include "tools/roost-node/notify.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "tools/common/text.h"

namespace roost::tools {
namespace {

std::string_view FromEnv(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::optional<int64_t> Number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

using Datagram = BoundedText<600>;

// `assignments`, and the status in one line: a line end would begin the next assignment.
Datagram WithStatus(std::string_view assignments, std::string_view status) {
  std::array<char, TextLine::kMost> plain;
  const size_t size = status.copy(plain.data(), plain.size());
  Datagram datagram(assignments);
  datagram.Add("STATUS=",
               std::string_view(plain.data(), internal::MakePlain({plain.data(), size})));
  return datagram;
}

// The address of `name`; nothing when it is no name of a Unix socket.
std::optional<socklen_t> AddressOf(std::string_view name, sockaddr_un& address) {
  if (name.size() < 2 || (name.front() != '/' && name.front() != '@')) return std::nullopt;
  if (name.size() >= sizeof address.sun_path) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const bool abstract = name.front() == '@';
  if (abstract) address.sun_path[0] = '\0';
  // An abstract name ends with the address, a path with a NUL.
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
}

}  // namespace

Notify::Settings Notify::FromEnvironment() {
  Settings settings{.socket = std::string(FromEnv("NOTIFY_SOCKET"))};
  const std::optional<int64_t> for_process = Number(FromEnv("WATCHDOG_PID"));
  const std::optional<int64_t> micros = Number(FromEnv("WATCHDOG_USEC"));
  // Inherited from another service: not for us.
  const bool ours = !for_process.has_value() || *for_process == getpid();
  if (micros.has_value() && ours) settings.watchdog_period = std::chrono::microseconds(*micros);
  return settings;
}

Notify::Notify(const Settings& settings) : settings_(settings) {
  sockaddr_un address{};
  const std::optional<socklen_t> size = AddressOf(settings_.socket, address);
  if (!size.has_value()) return;
  fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  watchdog_period_ = settings_.watchdog_period;
}

Notify::~Notify() {
  if (fd_ >= 0) close(fd_);
}

bool Notify::Send(std::string_view text) const {
  if (!on()) return true;
  sockaddr_un address{};
  // Addressed each time: systemd may have made the socket anew since.
  const std::optional<socklen_t> size = AddressOf(settings_.socket, address);
  const auto* const to = reinterpret_cast<const sockaddr*>(&address);
  ssize_t sent = -1;
  do {
    sent = sendto(fd_, text.data(), text.size(), MSG_NOSIGNAL, to, size.value_or(0));
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(text.size());
}

bool Notify::Ready(std::string_view status) const { return Send(WithStatus("READY=1\n", status)); }
bool Notify::Status(std::string_view status) const { return Send(WithStatus("", status)); }
bool Notify::Stopping(std::string_view status) const {
  return Send(WithStatus("STOPPING=1\n", status));
}
bool Notify::Feed() const { return Send("WATCHDOG=1"); }

bool ErrorsGoToJournal() {
  struct stat seen {};
  if (FromEnv("JOURNAL_STREAM").empty() || fstat(STDERR_FILENO, &seen) != 0) return false;
  const std::string here = std::to_string(seen.st_dev) + ":" + std::to_string(seen.st_ino);
  return FromEnv("JOURNAL_STREAM") == here;
}

}  // namespace roost::tools
