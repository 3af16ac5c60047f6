#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/loopback_port.h"
#include "tests/support/process.h"

namespace roost::support {
namespace {

using Clock = std::chrono::steady_clock;

enum class Mode { kPass, kCut, kReset, kRefuse };

// More is left in the kernel's buffers, so that a sender feels a slow receiver.
constexpr size_t kMostQueued = 1 << 20;

struct Chunk {
  Clock::time_point due;
  std::string bytes;
};

// One direction of a connection.
struct Way {
  int from = -1;
  int to = -1;
  std::deque<Chunk> queue{};
  size_t queued = 0;
  bool ended = false;    // `from` will send no more
  bool passed = false;   // and `to` has been told
  bool blocked = false;  // `to` takes no more for now
};

struct Link {
  int client;
  int server;
  Way up;
  Way down;
  bool spoken = false;    // the client has sent something
  bool answered = true;   // since the client sent something last
  bool given_up = false;  // the client has left in a cut; nobody is told
};

// Its length is 16, and its code 80877102.
bool IsCancelRequest(std::string_view message) {
  using namespace std::string_view_literals;
  return message.starts_with("\0\0\0\x10\x04\xd2\x16\x2e"sv);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void SetNoDelay(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void CloseWithReset(int fd) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

int Listen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const sockaddr_in address = Loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 256) != 0) {
    Fail("the proxy cannot listen on port " + std::to_string(port) + ": " + std::strerror(errno));
  }
  return fd;
}

// -1: refused. On loopback the answer is there at once.
int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    SetNoDelay(fd);
    return fd;
  }
  close(fd);
  return -1;
}

}  // namespace

class TcpProxy::Relay {
 public:
  explicit Relay(int target)
      : target_(target), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), listener_(Listen(port())) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Relay() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    Ring();
    thread_.join();
    close(event_);
  }

  int port() const { return port_.number(); }
  void SetMode(Mode mode);
  void SetDelay(std::chrono::milliseconds delay) {
    const std::lock_guard lock(mutex_);
    delay_ = delay;
  }
  Counts counts() {
    const std::lock_guard lock(mutex_);
    return counts_;
  }
  void ClearCounts() {
    const std::lock_guard lock(mutex_);
    counts_ = Counts{.open = counts_.open, .most_open = counts_.open};
  }

 private:
  void Run();
  void Ring() const { eventfd_write(event_, 1); }
  void TakeMode();
  void Watch(std::vector<pollfd>& watched) const;
  int TimeOut() const;
  void Accept();
  bool Serve(Link& link, const pollfd& client, const pollfd& server);
  bool Read(Link& link, Way& way);
  bool Write(Link& link, Way& way);
  void GiveUp(Link& link);
  void Drop(Link& link);
  void DropAll();

  const LoopbackPort port_{};
  const int target_;
  const int event_;
  std::thread thread_{};

  // The proxy's thread's own.
  int listener_;
  Mode mode_ = Mode::kPass;
  std::list<Link> links_{};

  std::mutex mutex_{};
  std::condition_variable changed_{};
  Mode wanted_ = Mode::kPass;  // here and below: guarded by mutex_
  bool taken_ = true;          // the thread goes by wanted_
  bool stopping_ = false;
  std::chrono::milliseconds delay_{0};
  Counts counts_{};
};

void TcpProxy::Relay::SetMode(Mode mode) {
  std::unique_lock lock(mutex_);
  wanted_ = mode;
  taken_ = false;
  Ring();
  changed_.wait(lock, [this] { return taken_; });
}

void TcpProxy::Relay::Run() {
  std::vector<pollfd> watched;
  while (true) {
    Watch(watched);
    poll(watched.data(), watched.size(), TimeOut());
    size_t next = 2;
    for (auto link = links_.begin(); link != links_.end(); next += 2) {
      const bool goes_on = Serve(*link, watched[next], watched[next + 1]);
      if (!goes_on) Drop(*link);
      link = goes_on ? std::next(link) : links_.erase(link);
    }
    if (watched[1].revents != 0) Accept();
    TakeMode();
    const std::lock_guard lock(mutex_);
    if (stopping_) break;
  }
  DropAll();
  if (listener_ >= 0) close(listener_);
}

// Makes the change that was asked for, if one was.
void TcpProxy::Relay::TakeMode() {
  eventfd_t rung;
  eventfd_read(event_, &rung);
  {
    const std::lock_guard lock(mutex_);
    if (taken_) return;
    mode_ = wanted_;
  }
  if (mode_ == Mode::kReset || mode_ == Mode::kRefuse) DropAll();
  if (mode_ == Mode::kRefuse && listener_ >= 0) {
    close(listener_);
    listener_ = -1;
  } else if (mode_ != Mode::kRefuse && listener_ < 0) {
    listener_ = Listen(port());
  }
  const std::lock_guard lock(mutex_);
  taken_ = true;
  changed_.notify_all();
}

// The event, the listener, then client and server of each link.
void TcpProxy::Relay::Watch(std::vector<pollfd>& watched) const {
  watched.assign({{event_, POLLIN, 0}, {listener_, POLLIN, 0}});
  const auto events = [](const Way& in, const Way& out) {
    const bool read = !in.ended && in.queued < kMostQueued;
    return static_cast<short>((read ? POLLIN : 0) | (out.blocked ? POLLOUT : 0));
  };
  for (const Link& link : links_) {
    const bool cut = mode_ == Mode::kCut;
    watched.push_back({cut && link.given_up ? -1 : link.client,
                       cut ? short{POLLRDHUP} : events(link.up, link.down), 0});
    watched.push_back({cut ? -1 : link.server, events(link.down, link.up), 0});
  }
}

// In ms, until the next chunk is due.
int TcpProxy::Relay::TimeOut() const {
  if (mode_ == Mode::kCut) return -1;
  auto next = Clock::time_point::max();
  for (const Link& link : links_) {
    for (const Way* way : {&link.up, &link.down}) {
      if (!way->blocked && !way->queue.empty()) next = std::min(next, way->queue.front().due);
    }
  }
  if (next == Clock::time_point::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

void TcpProxy::Relay::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  const int server = mode_ == Mode::kReset ? -1 : Connect(target_);
  {
    const std::lock_guard lock(mutex_);
    ++counts_.attempts;
    if (server >= 0) counts_.most_open = std::max(counts_.most_open, ++counts_.open);
  }
  if (server < 0) {
    CloseWithReset(client);
    return;
  }
  SetNoDelay(client);
  links_.push_back({.client = client,
                    .server = server,
                    .up = {.from = client, .to = server},
                    .down = {.from = server, .to = client}});
}

// False: the link has ended.
bool TcpProxy::Relay::Serve(Link& link, const pollfd& client, const pollfd& server) {
  if (mode_ == Mode::kCut) {
    if (client.revents != 0) GiveUp(link);
    return true;
  }
  if ((client.revents | server.revents) & POLLERR) return false;
  if ((client.revents & (POLLIN | POLLHUP)) && !link.up.ended && !Read(link, link.up)) return false;
  if ((server.revents & (POLLIN | POLLHUP)) && !link.down.ended && !Read(link, link.down)) {
    return false;
  }
  return Write(link, link.up) && Write(link, link.down) && !(link.up.passed && link.down.passed);
}

bool TcpProxy::Relay::Read(Link& link, Way& way) {
  char bytes[16384];
  const ssize_t got = recv(way.from, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN;
  if (got == 0) {
    way.ended = true;
    return true;
  }
  const std::lock_guard lock(mutex_);
  way.queue.push_back({Clock::now() + delay_, std::string(bytes, static_cast<size_t>(got))});
  way.queued += static_cast<size_t>(got);
  if (&way == &link.up) {
    const std::string_view first(bytes, link.spoken ? 0 : static_cast<size_t>(got));
    counts_.cancel_requests += IsCancelRequest(first) ? 1 : 0;
    link.spoken = true;
    counts_.up += got;
    counts_.round_trips += link.answered ? 1 : 0;
    link.answered = false;
  } else {
    counts_.down += got;
  }
  return true;
}

// Sends what is due; after the last of it tells `to` that nothing follows.
bool TcpProxy::Relay::Write(Link& link, Way& way) {
  way.blocked = false;
  while (!way.queue.empty() && way.queue.front().due <= Clock::now()) {
    std::string& bytes = way.queue.front().bytes;
    const ssize_t sent = send(way.to, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      way.blocked = errno == EAGAIN;
      return way.blocked;
    }
    if (&way == &link.down) link.answered = true;
    way.queued -= static_cast<size_t>(sent);
    bytes.erase(0, static_cast<size_t>(sent));
    if (bytes.empty()) way.queue.pop_front();
  }
  if (way.ended && !way.passed && way.queue.empty()) {
    shutdown(way.to, SHUT_WR);
    way.passed = true;
  }
  return true;
}

// Only counts: what the client left behind passes once the cut has healed.
void TcpProxy::Relay::GiveUp(Link& link) {
  if (std::exchange(link.given_up, true)) return;
  const std::lock_guard lock(mutex_);
  --counts_.open;
}

void TcpProxy::Relay::Drop(Link& link) {
  // Both ends said that they were done: then nothing has to be torn.
  const bool in_order = link.up.passed && link.down.passed;
  for (const int fd : {link.client, link.server}) in_order ? void(close(fd)) : CloseWithReset(fd);
  GiveUp(link);
}

void TcpProxy::Relay::DropAll() {
  for (Link& link : links_) Drop(link);
  links_.clear();
}

TcpProxy::TcpProxy(int target) : relay_(std::make_unique<Relay>(target)) {}
TcpProxy::~TcpProxy() = default;

int TcpProxy::port() const { return relay_->port(); }
void TcpProxy::Delay(std::chrono::milliseconds each_way) { relay_->SetDelay(each_way); }
void TcpProxy::Cut() { relay_->SetMode(Mode::kCut); }
void TcpProxy::Reset() { relay_->SetMode(Mode::kReset); }
void TcpProxy::Refuse() { relay_->SetMode(Mode::kRefuse); }
void TcpProxy::Heal() { relay_->SetMode(Mode::kPass); }
TcpProxy::Counts TcpProxy::counts() const { return relay_->counts(); }
void TcpProxy::ClearCounts() { relay_->ClearCounts(); }

}  // namespace roost::support
