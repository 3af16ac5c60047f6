// tests/telemetry/status_client.h - a client of a status socket, well-behaved or not.
#ifndef ROOST_TESTS_TELEMETRY_STATUS_CLIENT_H_
#define ROOST_TESTS_TELEMETRY_STATUS_CLIENT_H_

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace roost::telemetry {

class StatusClient {
 public:
  explicit StatusClient(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~StatusClient() { close(fd_); }
  StatusClient(StatusClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  StatusClient(const StatusClient&) = delete;

  bool connected() const { return connected_; }
  // How much the kernel took; -1: nothing.
  ssize_t Send(std::string_view text) {
    return send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  // What has come so far.
  std::string Read() {
    std::string text;
    std::array<char, 4096> bytes;
    for (;;) {
      const ssize_t got = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
      // Closed with bytes of ours unread it is a reset, behind the answer.
      closed_ = got == 0 || (got < 0 && errno == ECONNRESET);
      if (got <= 0) return text;
      text.append(bytes.data(), static_cast<size_t>(got));
    }
  }
  // The server has closed it, as the last Read found.
  bool closed() const { return closed_; }

 private:
  int fd_;
  bool connected_ = false;
  bool closed_ = false;
};

// Descriptors that this process has open.
inline int OpenDescriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += entry.is_symlink() ? 1 : 0;
  }
  return count;
}

}  // namespace roost::telemetry

#endif  // ROOST_TESTS_TELEMETRY_STATUS_CLIENT_H_
