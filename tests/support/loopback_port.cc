#include "tests/support/loopback_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "tests/support/process.h"

namespace roost::support {
namespace {

// The claim's descriptor, or -1 when another test has it.
int Claim(int port) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "roost-port-%d", port);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(length));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&name), size) == 0) return fd;
  close(fd);
  return -1;
}

bool IsFree(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;  // what an earlier listener's connections left behind is no hindrance
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return free;
}

}  // namespace

LoopbackPort::LoopbackPort() {
  std::random_device random;
  std::uniform_int_distribution<int> ports(20000, 32000);
  for (int tries = 0; tries < 1000; ++tries) {
    number_ = ports(random);
    claim_ = Claim(number_);
    if (claim_ >= 0 && IsFree(number_)) return;
    if (claim_ >= 0) close(claim_);
  }
  Fail("no free port between 20000 and 32000 on 127.0.0.1");
}

LoopbackPort::~LoopbackPort() { close(claim_); }

}  // namespace roost::support
