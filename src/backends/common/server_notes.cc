#include "backends/common/server_notes.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <span>

#include "base/text.h"
#include "base/utf8.h"

namespace roost::backends {
namespace {

void Keep(std::string_view from, std::span<char> to) {
  internal::Text text(to);
  text.Add(from);
  to[internal::MakePlain(to.first(text.view().size()))] = '\0';
}

}  // namespace

void ServerNotes::Opened(std::string_view version, std::string_view user, std::string_view tls,
                         ServerRole role) {
  internal::MutexLock lock(mu_);
  Keep(version, facts_.version);
  Keep(user, facts_.user);
  Keep(tls, facts_.tls);
  facts_.role = role;
  facts_.round_trip = Duration::zero();
}

void ServerNotes::Measure(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  internal::MutexLock lock(mu_);
  facts_.round_trip = std::chrono::microseconds(info.tcpi_rtt);
}

ServerFacts ServerNotes::facts() const {
  internal::MutexLock lock(mu_);
  return facts_;
}

}  // namespace roost::backends
