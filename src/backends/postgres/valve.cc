#include "backends/postgres/valve.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace roost::postgres {
namespace {

// The number `to` means what `from` means. The kernel is busy while another thread opens it.
bool Put(int from, int to) {
  int put = -1;
  do {
    put = dup3(from, to, O_CLOEXEC);
  } while (put < 0 && (errno == EINTR || errno == EBUSY));
  return put >= 0;
}

// Tells open sockets apart; 0: the number is not open.
uint64_t InodeOf(int fd) {
  struct stat found {};
  return fstat(fd, &found) == 0 ? uint64_t{found.st_ino} : 0;
}

void CloseOnce(int& fd) {
  if (fd >= 0) close(std::exchange(fd, -1));
}

// Takes all the room that a writer has, so that it is told to try later.
void Stuff(int fd) {
  constexpr int kLeast = 1;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kLeast, sizeof kLeast);
  constexpr std::array<char, 1024> kStuffing{};
  while (send(fd, kStuffing.data(), kStuffing.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
  }
}

}  // namespace

bool Valve::Open(int fd) {
  if (real_ >= 0 && fd_ == fd) return true;
  Shut();
  std::array<int, 2> pair;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
    return false;
  }
  inner_ = pair[0];
  outer_ = pair[1];
  inner_inode_ = InodeOf(inner_);
  fd_ = fd;
  if (writes_ == Writes::kKept) Stuff(inner_);
  real_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return real_ >= 0;
}

void Valve::Shut() {
  CloseOnce(real_);
  CloseOnce(inner_);
  CloseOnce(outer_);
}

bool Valve::HasLeft() const { return Waiting(inner_, 1) > 0; }

size_t Valve::Waiting(int fd, size_t most) {
  std::array<char, kMost + 1> room;
  const ssize_t size = recv(fd, room.data(), std::min(most, room.size()), MSG_PEEK | MSG_DONTWAIT);
  return size > 0 ? static_cast<size_t>(size) : 0;
}

Valve::Flow Valve::Enter(const Libpq& pq, PGconn* handle, std::span<char, kMost> room) {
  const int fd = pq.PQsocket(handle);
  if (!Open(fd)) return {.state = State::kFailed};
  const ssize_t size = recv(fd, room.data(), room.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (size <= 0) return {.state = State::kEnded};
  const auto bytes = static_cast<size_t>(size);
  const bool entered = send(outer_, room.data(), bytes, MSG_NOSIGNAL) == size && Put(inner_, fd);
  return {.state = entered ? State::kEntered : State::kFailed, .bytes = bytes};
}

bool Valve::SendOn() const {
  if (writes_ == Writes::kKept) return true;
  std::array<char, kMost> bytes;
  for (;;) {
    const ssize_t size = recv(outer_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size <= 0) return true;
    const auto count = static_cast<size_t>(size);
    if (send(real_, bytes.data(), count, MSG_NOSIGNAL | MSG_DONTWAIT) != size) return false;
  }
}

// After an error libpq has closed its descriptor, and may have got the number for another socket
// where it connects anew, which no function that only reads does.
bool Valve::Leave(const Libpq& pq, PGconn* handle) {
  const bool sent = SendOn();
  const bool same = writes_ == Writes::kKept || InodeOf(fd_) == inner_inode_;
  if (pq.PQsocket(handle) == fd_ && same) return Put(real_, fd_) && sent;
  Shut();
  return sent;
}

bool Valve::Consume(const Libpq& pq, PGconn* handle, size_t& bytes) {
  std::array<char, kMost> room;
  const Flow flow = Enter(pq, handle, room);
  bytes += flow.bytes;
  if (flow.state == State::kNothing) return true;
  if (flow.state == State::kFailed) return false;
  bool ok = pq.PQconsumeInput(handle) == 1;
  if (flow.state == State::kEnded) return ok;
  while (ok && HasLeft()) ok = pq.PQconsumeInput(handle) == 1;
  return Leave(pq, handle) && ok;
}

}  // namespace roost::postgres
