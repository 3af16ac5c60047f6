// Tells whoever connects to the socket the latest readings, in lines of text.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "station.h"

namespace {

constexpr roost::Sql kLatest{"SELECT id, taken, celsius FROM reading ORDER BY id DESC LIMIT 10"};

int Listen(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const auto* const name = reinterpret_cast<const sockaddr*>(&address);
  return bind(listener, name, sizeof address) == 0 && listen(listener, 4) == 0 ? listener : -1;
}

void Send(int peer, const char* text, int length) {
  (void)send(peer, text, static_cast<size_t>(length), MSG_NOSIGNAL | MSG_DONTWAIT);
}

absl::Status Tell(const Station& station, int peer) {
  using std::chrono_literals::operator""ms;
  absl::StatusOr<roost::Lease> lease = station.local.Acquire(roost::kRead, station.local.In(200ms));
  if (!lease.ok()) return lease.status();
  const absl::StatusOr<roost::Statement*> latest = lease->Prepare(kLatest);
  if (!latest.ok()) return latest.status();
  roost::Rows rows = (*latest)->Query();
  for (const Reading& reading : rows.Each<Reading>()) {
    std::array<char, 80> line;
    Send(peer, line.data(),
         std::snprintf(line.data(), line.size(), "%lld %lld %.3f\n",
                       static_cast<long long>(reading.id),
                       static_cast<long long>(reading.taken.count), reading.celsius));
  }
  return rows.status();
}

}  // namespace

void Answer(const Station& station, const char* path) {
  const int listener = Listen(path);
  if (listener < 0) return std::perror(path);
  std::array<pollfd, 2> fds{pollfd{station.stop, POLLIN, 0}, pollfd{listener, POLLIN, 0}};
  while (poll(fds.data(), fds.size(), -1) >= 0 && fds[0].revents == 0) {
    const int peer = accept(listener, nullptr, nullptr);
    if (peer < 0) continue;
    if (!Tell(station, peer).ok()) Send(peer, "busy\n", 5);
    close(peer);
  }
}
