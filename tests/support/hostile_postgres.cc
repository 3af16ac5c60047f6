#include "tests/support/hostile_postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <list>
#include <thread>

#include "tests/support/hostile_session.h"
#include "tests/support/loopback_port.h"
#include "tests/support/process.h"

namespace roost::support {
namespace {

int Listen(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 64) != 0) {
    Fail("the hostile server cannot listen on port " + std::to_string(port));
  }
  return fd;
}

// What every client has to say, besides what the mode wants.
constexpr std::string_view kEveryClient = "application_name=hostile";

}  // namespace

std::string_view Name(Place place) {
  switch (place) {
    case Place::kAccept:
      return "accept";
    case Place::kTls:
      return "tls";
    case Place::kStartup:
      return "startup";
    case Place::kSignedIn:
      return "signed_in";
    case Place::kRole:
      return "role";
    case Place::kOnConnect:
      return "on_connect";
    case Place::kParse:
      return "parse";
    case Place::kDescribe:
      return "describe";
    case Place::kBind:
      return "bind";
    case Place::kExecute:
      return "execute";
    case Place::kRowAgain:
      return "row_again";
    case Place::kOneAgain:
      return "one_again";
    case Place::kSync:
      return "sync";
    case Place::kSimple:
      return "simple";
    case Place::kBegin:
      return "begin";
    case Place::kCommit:
      return "commit";
    case Place::kRollback:
      return "rollback";
    case Place::kDiscard:
      return "discard";
    case Place::kPing:
      return "ping";
    case Place::kIdle:
      return "idle";
    case Place::kAnywhere:
      break;
  }
  return "anywhere";
}

const HostileMode* FindHostileMode(std::string_view name) {
  for (const HostileMode& mode : HostileModes()) {
    if (mode.name == name) return &mode;
  }
  return nullptr;
}

class HostilePostgres::Server {
 public:
  Server(const HostileMode* mode, Place place)
      : mode_(mode),
        place_(place),
        listener_(Listen(port_.number())),
        stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        thread_([this] { Accept(); }) {}
  ~Server() {
    const uint64_t one = 1;
    if (write(stop_, &one, sizeof one) != sizeof one) Fail("the hostile server cannot be stopped");
    thread_.join();
    for (Client& client : clients_) client.thread.join();
    close(listener_);
    close(stop_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string Uri() const {
    std::string uri = "postgresql://node@127.0.0.1:" + std::to_string(port()) + "/farm?";
    const std::string_view wants = mode_ == nullptr ? "" : mode_->client;
    if (wants.find("sslmode=") == std::string_view::npos) uri += "sslmode=disable&";
    if (place_ == Place::kRole) uri += "target_session_attrs=read-write&";
    uri += kEveryClient;
    return wants.empty() ? uri : uri.append("&").append(wants);
  }
  int port() const { return port_.number(); }
  void Behave() { behaves_ = true; }
  int accepted() const { return accepted_; }

 private:
  struct Client {
    std::atomic<bool> done = false;
    std::thread thread{};
  };

  void Accept() {
    std::array<pollfd, 2> waits{{{listener_, POLLIN, 0}, {stop_, POLLIN, 0}}};
    for (;;) {
      poll(waits.data(), waits.size(), -1);
      if (waits[1].revents != 0) return;
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) continue;
      ++accepted_;
      Reap();
      Client& client = clients_.emplace_back();
      client.thread = std::thread([this, fd, &client] { Serve(fd, client); });
    }
  }
  void Reap() {
    for (auto client = clients_.begin(); client != clients_.end();) {
      if (!client->done) {
        ++client;
        continue;
      }
      client->thread.join();
      client = clients_.erase(client);
    }
  }
  void Serve(int fd, Client& client) {
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    HostileSession(fd, stop_, behaves_, mode_, place_).Serve();
    close(fd);
    client.done = true;
  }

  const HostileMode* const mode_;
  const Place place_;
  const LoopbackPort port_{};
  const int listener_;
  const int stop_;
  std::atomic<bool> behaves_ = false;
  std::atomic<int> accepted_ = 0;
  std::list<Client> clients_{};  // the accepting thread's, and the destructor's after it
  std::thread thread_;
};

HostilePostgres::HostilePostgres() : server_(std::make_unique<Server>(nullptr, Place::kAnywhere)) {}
HostilePostgres::HostilePostgres(const HostileMode& mode, Place place)
    : server_(std::make_unique<Server>(&mode, place == Place::kAnywhere ? mode.place : place)) {}
HostilePostgres::~HostilePostgres() = default;

std::string HostilePostgres::Uri() const { return server_->Uri(); }
int HostilePostgres::port() const { return server_->port(); }
void HostilePostgres::Behave() { server_->Behave(); }
int HostilePostgres::accepted() const { return server_->accepted(); }

}  // namespace roost::support
