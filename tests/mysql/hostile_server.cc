#include "tests/mysql/hostile_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "tests/support/process.h"

namespace roost::mysql {

using namespace std::string_view_literals;

std::string Packet(std::string_view payload, int number) {
  std::string packet;
  for (int shift = 0; shift < 24; shift += 8) {
    packet.push_back(static_cast<char>(payload.size() >> shift & 0xFF));
  }
  packet.push_back(static_cast<char>(number));
  return packet.append(payload);
}

std::string Greeting(std::string_view plugin, bool tls, char more) {
  std::string payload("\x0a");
  payload += "5.5.5-10.11.19-Hostile\0"sv;
  payload += "\x2a\0\0\0"sv;                     // the session's number
  payload += "abcdefgh\0"sv;                     // the first part of the salt
  payload += tls ? "\xfe\xff"sv : "\xfe\xf7"sv;  // capabilities
  payload += "\x2d"sv;                           // utf8mb4
  payload += "\x02\0"sv;                         // autocommit
  payload += "\xff\x81"sv;                       // more capabilities
  payload += "\x15"sv;                           // the length of the salt
  payload += "\0\0\0\0\0\0"sv;
  payload.push_back(more);
  payload += "\0\0\0"sv;
  payload += "ijklmnopqrst\0"sv;
  payload += std::string(plugin) + '\0';
  return Packet(payload, 0);
}

std::string Ok(int number) { return Packet("\0\0\0\x02\0\0\0"sv, number); }

std::string Error(int code, std::string_view sqlstate, std::string_view message, int number) {
  std::string payload("\xff");
  payload.push_back(static_cast<char>(code & 0xFF));
  payload.push_back(static_cast<char>(code >> 8));
  payload += "#" + std::string(sqlstate) + std::string(message);
  return Packet(payload, number);
}

bool HostileServer::Client::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void HostileServer::Client::Flood(std::string_view bytes) const {
  std::string many;
  while (many.size() < 100'000) many += bytes;
  while (Send(many)) {
  }
}

std::string HostileServer::Client::Receive() {
  const auto take = [this](size_t size, std::string& out) {
    out.resize(size);
    for (size_t got = 0; got < size;) {
      const ssize_t more = recv(fd_, out.data() + got, size - got, 0);
      if (more <= 0) return false;
      received_.append(out, got, static_cast<size_t>(more));
      got += static_cast<size_t>(more);
    }
    return true;
  };
  std::string head;
  std::string payload;
  if (!take(4, head)) return "";
  const auto byte = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(head[i]));
  };
  if (!take(byte(0) | byte(1) << 8 | byte(2) << 16, payload)) return "";
  return payload;
}

void HostileServer::Client::Wait() {
  while (!Receive().empty()) {
  }
}

void HostileServer::Client::Behave() {
  if (!SignIn()) return;
  for (std::string asked = Receive(); !asked.empty(); asked = Receive()) {
    constexpr char kClose = 0x19;
    constexpr char kPrepare = 0x16;
    if (asked[0] == kPrepare) {
      Send(Packet("\0\x01\0\0\0\0\0\0\0\0\0\0"sv, 1));
    } else if (asked[0] != kClose) {
      Send(Ok(1));
    }
  }
}

bool HostileServer::Client::SignIn(char more) {
  Send(Greeting("mysql_native_password", false, more));
  if (Receive().empty()) return false;
  Send(Ok(2));
  if (Receive().empty()) return false;  // the set-up
  Send(Ok(1));
  return true;
}

HostileServer::HostileServer(std::function<void(Client&)> serve) : serve_(std::move(serve)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port_.number()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 16) != 0) {
    support::Fail("the hostile server cannot listen");
  }
  thread_ = std::thread([this] { Serve(); });
}

HostileServer::~HostileServer() {
  ends_ = true;
  shutdown(listener_, SHUT_RDWR);
  const int fd = current_;
  if (fd >= 0) shutdown(fd, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void HostileServer::Serve() {
  while (!ends_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    current_ = fd;
    ++clients_;
    if (ends_) shutdown(fd, SHUT_RDWR);
    Client client(fd);
    serve_(client);
    {
      const std::scoped_lock lock(mu_);
      received_ += client.received();
    }
    current_ = -1;
    close(fd);
  }
}

std::string HostileServer::Uri(std::string_view parameters) const {
  std::string uri =
      "mysql://node:open%20sesame@127.0.0.1:" + std::to_string(port_.number()) + "/farm";
  if (!parameters.empty()) uri += "?" + std::string(parameters);
  return uri;
}

std::string HostileServer::received() {
  const std::scoped_lock lock(mu_);
  return received_;
}

}  // namespace roost::mysql
