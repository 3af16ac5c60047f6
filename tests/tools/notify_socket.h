// tests/tools/notify_socket.h - plays systemd: the socket that a service sends its state to.
//
// Threads:  one
// Blocks:   every wait ends after kPatience at the latest, with a failure that shows what came
#ifndef ROOST_TESTS_TOOLS_NOTIFY_SOCKET_H_
#define ROOST_TESTS_TOOLS_NOTIFY_SOCKET_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace roost::testing {

class NotifySocket {
 public:
  static constexpr std::chrono::seconds kPatience{60};

  // `name`: a path, or @ and an abstract name.
  explicit NotifySocket(const std::string& name) : name_(name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    EXPECT_LT(name.size(), sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), name.size());
    const bool abstract = name.front() == '@';
    if (abstract) address.sun_path[0] = '\0';
    const size_t size = offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1);
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)),
              0)
        << name << ": " << std::strerror(errno);
  }
  ~NotifySocket() { close(fd_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  const std::string& name() const { return name_; }

  // The next datagram that is there already; "" when there is none.
  std::string Next() {
    char bytes[4096];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    if (got < 0) return "";
    all_ += std::string(bytes, static_cast<size_t>(got)) + "\n";
    return {bytes, static_cast<size_t>(got)};
  }
  // The next datagram with `text` in it. "": none came.
  std::string WaitFor(std::string_view text) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    do {
      for (std::string got = Next(); !got.empty(); got = Next()) {
        if (got.find(text) != std::string::npos) return got;
      }
      pollfd watched{fd_, POLLIN, 0};
      poll(&watched, 1, 1000);
    } while (std::chrono::steady_clock::now() < until);
    ADD_FAILURE() << "never told \"" << text << "\"; it told:\n" << all_;
    return "";
  }
  // Takes what is there without looking at it. Allocates nothing.
  void Forget() const {
    char bytes[4096];
    while (recv(fd_, bytes, sizeof bytes, 0) >= 0) {
    }
  }
  // Everything that was received so far.
  const std::string& all() const { return all_; }
  void Drain() {
    while (!Next().empty()) {
    }
  }

 private:
  const std::string name_;
  int fd_ = -1;
  std::string all_;
};

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_NOTIFY_SOCKET_H_
