// tests/postgres/listeners.h - ports behind which there is no PostgreSQL server.
#ifndef ROOST_TESTS_POSTGRES_LISTENERS_H_
#define ROOST_TESTS_POSTGRES_LISTENERS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/loopback_port.h"

namespace roost::postgres {

using support::LoopbackPort;

inline std::string Port(const LoopbackPort& port) { return std::to_string(port.number()); }

// Listens on a port and accepts nothing: the kernel makes connections until its line is full.
class Listener {
 public:
  explicit Listener(int line) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = htons(static_cast<uint16_t>(port_.number()));
    const int yes = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
    EXPECT_EQ(listen(fd_, line), 0);
  }
  ~Listener() { close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const LoopbackPort& port() const { return port_; }
  int fd() const { return fd_; }
  const sockaddr_in& address() const { return address_; }

 private:
  const LoopbackPort port_{};
  sockaddr_in address_{};
  const int fd_;
};

// Whose line is full, so that a connection to it is never made.
class FullListener {
 public:
  FullListener() : listener_(0) {
    for (int& fd : fillers_) {
      fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      connect(fd, reinterpret_cast<const sockaddr*>(&listener_.address()),
              sizeof listener_.address());
    }
  }
  ~FullListener() {
    for (const int fd : fillers_) close(fd);
  }
  const LoopbackPort& port() const { return listener_.port(); }

 private:
  const Listener listener_;
  int fillers_[4] = {};
};

// Says the same to everybody who connects, after they have said something.
class NotAServer {
 public:
  explicit NotAServer(std::string answer)
      : answer_(std::move(answer)), listener_(8), thread_([this] { Serve(); }) {}
  ~NotAServer() {
    shutdown(listener_.fd(), SHUT_RDWR);
    thread_.join();
    for (const int fd : clients_) close(fd);
  }
  const LoopbackPort& port() const { return listener_.port(); }

 private:
  void Serve() {
    while (true) {
      const int fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      clients_.push_back(fd);
      char bytes[512];
      if (!answer_.empty() && read(fd, bytes, sizeof bytes) > 0) {
        send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      }
    }
  }

  const std::string answer_;
  const Listener listener_;
  std::vector<int> clients_;
  std::thread thread_;
};

// Accepts, and hangs up: what a proxy does that has no server to lead to.
class HangingUp {
 public:
  enum class When {
    kAtOnce,
    kSpokenTo,    // once the client has said something
    kReset,       // with RST
    kTwiceAsked,  // says no to encryption first
  };
  explicit HangingUp(When when) : when_(when), thread_([this] { Serve(); }) {}
  ~HangingUp() {
    ending_ = true;
    thread_.join();
  }
  HangingUp(const HangingUp&) = delete;
  HangingUp& operator=(const HangingUp&) = delete;

  const LoopbackPort& port() const { return listener_.port(); }
  int accepted() const { return accepted_; }

 private:
  void Serve() {
    while (!ending_) {
      pollfd ready{.fd = listener_.fd(), .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, 10) != 1) continue;
      const int fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
      ++accepted_;
      char dropped[512];
      if (when_ == When::kSpokenTo) static_cast<void>(recv(fd, dropped, sizeof dropped, 0));
      if (when_ == When::kTwiceAsked && recv(fd, dropped, 8, MSG_WAITALL) == 8) {
        static_cast<void>(send(fd, "N", 1, MSG_NOSIGNAL));
        static_cast<void>(recv(fd, dropped, sizeof dropped, 0));
      }
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      if (when_ == When::kReset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      close(fd);
    }
  }

  const Listener listener_{8};
  const When when_;
  std::atomic<bool> ending_ = false;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
};

}  // namespace roost::postgres

#endif  // ROOST_TESTS_POSTGRES_LISTENERS_H_
