// The proxy counts and breaks as it says. A server that answers each line with "ok" stands behind.

#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/loopback_port.h"
#include "tests/support/process.h"

namespace roost::support {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Answers everything that it receives in one piece with "ok".
class Server {
 public:
  Server() {
    const sockaddr_in address = Loopback(port_.number());
    const int yes = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    listen(listener_, 16);
    accepter_ = std::thread([this] {
      for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
        workers_.emplace_back([fd] { Answer(fd); });
      }
    });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    accepter_.join();
    for (std::thread& worker : workers_) worker.join();
    close(listener_);
  }
  int port() const { return port_.number(); }

 private:
  static void Answer(int fd) {
    char bytes[64];
    while (recv(fd, bytes, sizeof bytes, 0) > 0) send(fd, "ok", 2, MSG_NOSIGNAL);
    close(fd);
  }

  LoopbackPort port_{};
  int listener_ = socket(AF_INET, SOCK_STREAM, 0);
  std::vector<std::thread> workers_{};
  std::thread accepter_{};
};

class Client {
 public:
  explicit Client(int port) {
    const int yes = 1;  // as libpq does: the kernel does not hold back what is small
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const sockaddr_in address = Loopback(port);
    error_ =
        connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int error() const { return error_; }
  void Send(std::string_view text) { send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  bool Hears(std::chrono::milliseconds limit) {
    pollfd watched{fd_, POLLIN, 0};
    return poll(&watched, 1, static_cast<int>(limit.count())) > 0;
  }
  // Bytes received, 0 at the end, -1 for an error. Waits.
  ssize_t Receive() {
    char bytes[64];
    return recv(fd_, bytes, sizeof bytes, 0);
  }
  std::string Ask() {
    Send("?\n");
    return Receive() == 2 ? "ok" : "";
  }

 private:
  int fd_ = socket(AF_INET, SOCK_STREAM, 0);
  int error_ = 0;
};

class TcpProxyTest : public ::testing::Test {
 protected:
  Server server{};
  TcpProxy proxy{server.port()};
};

TEST_F(TcpProxyTest, CountsRoundTripsAndBytes) {
  proxy.Delay(5ms);
  {
    Client client(proxy.port());
    EXPECT_EQ(client.Ask(), "ok");
    EXPECT_EQ(proxy.counts().round_trips, 1);
    EXPECT_EQ(client.Ask(), "ok");
    EXPECT_EQ(proxy.counts().round_trips, 2);
    client.Send("1");
    client.Send("2");  // without waiting for an answer
    client.Receive();
    EXPECT_EQ(proxy.counts().round_trips, 3);
    EXPECT_EQ(proxy.counts().up, 6);
    EXPECT_EQ(proxy.counts().open, 1);
  }
  EXPECT_TRUE(WaitUntil([&] { return proxy.counts().open == 0; }));
  EXPECT_EQ(proxy.counts().attempts, 1);
  proxy.ClearCounts();
  EXPECT_EQ(proxy.counts().attempts, 0);
}

TEST_F(TcpProxyTest, KnowsACancelRequestByWhatComesFirst) {
  constexpr std::string_view kCode("\x04\xd2\x16\x2e", 4);
  const std::string request = std::string("\0\0\0\x10", 4).append(kCode) + "12345678";
  Client canceller(proxy.port());
  canceller.Send(request);
  canceller.Receive();
  EXPECT_EQ(proxy.counts().cancel_requests, 1);
  Client client(proxy.port());
  EXPECT_EQ(client.Ask(), "ok");
  client.Send(request);
  client.Receive();
  EXPECT_EQ(proxy.counts().cancel_requests, 1);
  EXPECT_EQ(proxy.counts().attempts, 2);
}

TEST_F(TcpProxyTest, Delays) {
  proxy.Delay(50ms);
  Client client(proxy.port());
  const auto start = Clock::now();
  EXPECT_EQ(client.Ask(), "ok");
  EXPECT_GE(Clock::now() - start, 100ms);
}

TEST_F(TcpProxyTest, ACutHoldsEverythingBackUntilItHeals) {
  Client before(proxy.port());
  EXPECT_EQ(before.Ask(), "ok");
  proxy.Cut();
  before.Send("?\n");
  EXPECT_FALSE(before.Hears(50ms));
  Client during(proxy.port());
  EXPECT_EQ(during.error(), 0);
  during.Send("?\n");
  EXPECT_FALSE(during.Hears(50ms));
  proxy.Heal();
  EXPECT_EQ(before.Receive(), 2);
  EXPECT_EQ(during.Receive(), 2);
}

TEST_F(TcpProxyTest, AClientThatLeavesInACutIsNoLongerCounted) {
  proxy.Cut();
  {
    Client first(proxy.port());
    EXPECT_TRUE(WaitUntil([&] { return proxy.counts().open == 1; }));
  }
  EXPECT_TRUE(WaitUntil([&] { return proxy.counts().open == 0; }));
  Client second(proxy.port());
  EXPECT_TRUE(WaitUntil([&] { return proxy.counts().attempts == 2; }));
  EXPECT_EQ(proxy.counts().most_open, 1);
  proxy.Heal();
  EXPECT_EQ(second.Ask(), "ok");
  EXPECT_EQ(proxy.counts().open, 1);
}

TEST_F(TcpProxyTest, AResetTearsWhatIsOpenAndWhatComes) {
  Client before(proxy.port());
  EXPECT_EQ(before.Ask(), "ok");
  proxy.Reset();
  EXPECT_EQ(before.Receive(), -1);
  EXPECT_EQ(errno, ECONNRESET);
  Client during(proxy.port());
  EXPECT_EQ(during.Receive(), -1);
  EXPECT_EQ(proxy.counts().attempts, 2);
  proxy.Heal();
  EXPECT_EQ(Client(proxy.port()).Ask(), "ok");
}

TEST_F(TcpProxyTest, RefusesAndListensAgainOnTheSamePort) {
  proxy.Refuse();
  EXPECT_EQ(Client(proxy.port()).error(), ECONNREFUSED);
  EXPECT_EQ(proxy.counts().attempts, 0);
  proxy.Heal();
  EXPECT_EQ(Client(proxy.port()).Ask(), "ok");
}

}  // namespace
}  // namespace roost::support
