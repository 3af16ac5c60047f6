#include "backends/common/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace roost::backends {

using internal::Mutex;
using internal::MutexLock;

// Shared by the thread and by all who wait for its answer; goes with the last of them.
struct Lookup::State {
  State(std::string host, LookUpFunction function)
      : name(std::move(host)), look_up(std::move(function)) {}

  const std::string name;
  const LookUpFunction look_up;
  mutable Mutex mu;
  bool answered ABSL_GUARDED_BY(mu) = false;
  Addresses addresses;  // constant once answered
  struct Listener {
    Platform* platform;
    int event;
  };
  std::vector<Listener> listeners ABSL_GUARDED_BY(mu);
};

namespace {

// What getaddrinfo and the modules behind it need; the default is the 8 MB of the process's limit.
constexpr size_t kStackBytes = 512 * 1024;

std::string Numeric(const addrinfo& address) {
  char text[NI_MAXHOST] = "";
  if (getnameinfo(address.ai_addr, address.ai_addrlen, text, sizeof text, nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return "";
  }
  return text;
}

bool IsUnderWay(const Lookup::State& state, const std::string& name) {
  if (state.name != name) return false;
  MutexLock lock(state.mu);
  return !state.answered;
}

void Answer(Lookup::State& state, Addresses addresses) {
  MutexLock lock(state.mu);
  state.addresses = std::move(addresses);
  state.answered = true;
  // Signalling never blocks. Under the lock, so that no other thread closes an event, or ends its platform, on
  // the way.
  for (const Lookup::State::Listener& listener : state.listeners) {
    listener.platform->SignalEvent(listener.event);
  }
}

void* Run(void* argument) {
  const std::unique_ptr<std::shared_ptr<Lookup::State>> state(
      static_cast<std::shared_ptr<Lookup::State>*>(argument));
  Answer(**state, (*state)->look_up((*state)->name));
  return nullptr;
}

// The program's signals are not for this thread.
int StartQuietThread(void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, Run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

void Begin(const std::shared_ptr<Lookup::State>& state) {
  auto argument = std::make_unique<std::shared_ptr<Lookup::State>>(state);
  if (StartQuietThread(argument.get()) == 0) {
    static_cast<void>(argument.release());  // Run has it now
  } else {
    Answer(*state, {.error = EAI_AGAIN, .message = "the system gives no thread to look it up"});
  }
}

}  // namespace

Addresses SystemLookUp(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  Addresses addresses;
  addresses.error = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (addresses.error != 0) {
    addresses.message = gai_strerror(addresses.error);
    return addresses;
  }
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const std::string text = Numeric(*address);
    const bool known =
        std::find(addresses.list.begin(), addresses.list.end(), text) != addresses.list.end();
    if (!text.empty() && !known) addresses.list.push_back(text);
  }
  freeaddrinfo(found);
  return addresses;
}

bool IsAddress(const std::string& host) {
  in6_addr binary;
  return inet_pton(AF_INET, host.c_str(), &binary) == 1 ||
         inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &binary) == 1;
}

bool IsLocalhost(const std::string& host) { return ::strcasecmp(host.c_str(), "localhost") == 0; }

bool IsLoopback(const std::string& address) {
  in_addr four{};
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  if (inet_pton(AF_INET6, address.c_str(), &six) != 1) return false;
  // ::ffff:127.0.0.1 is the same as 127.0.0.1.
  if (IN6_IS_ADDR_V4MAPPED(&six)) return six.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&six);
}

Lookup::Lookup(std::shared_ptr<State> state, Platform& platform)
    : state_(std::move(state)), platform_(platform), event_(platform.OpenEvent()) {
  if (event_ < 0) return;
  MutexLock lock(state_->mu);
  if (state_->answered) platform_.SignalEvent(event_);
  state_->listeners.push_back({&platform_, event_});
}

Lookup::~Lookup() {
  if (event_ < 0) return;
  {
    MutexLock lock(state_->mu);
    std::erase_if(state_->listeners, [this](const State::Listener& listener) {
      return listener.platform == &platform_ && listener.event == event_;
    });
  }
  platform_.CloseEvent(event_);
}

const Addresses* Lookup::answer() const {
  MutexLock lock(state_->mu);
  return state_->answered ? &state_->addresses : nullptr;
}

std::unique_ptr<Lookup> Resolver::Start(const std::string& name, Platform& platform) {
  std::shared_ptr<Lookup::State> state;
  bool begin = false;
  {
    MutexLock lock(mu_);
    std::erase_if(under_way_, [](const auto& weak) { return weak.expired(); });
    for (const auto& weak : under_way_) {
      const std::shared_ptr<Lookup::State> running = weak.lock();
      if (running != nullptr && IsUnderWay(*running, name)) state = running;
    }
    if (state == nullptr) {
      state = std::make_shared<Lookup::State>(name, look_up_);
      under_way_.push_back(state);
      begin = true;
    }
  }
  if (begin) Begin(state);
  return std::make_unique<Lookup>(std::move(state), platform);
}

}  // namespace roost::backends
