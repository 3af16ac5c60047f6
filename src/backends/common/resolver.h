// backends/common/resolver.h - names of hosts to addresses, beside the caller.
//
// The system's resolver can take 10 s and cannot be interrupted, so each lookup has a thread of its
// own, which no caller waits for.
//
// Threads:  any. A lookup that hangs outlives the Resolver harmlessly
#ifndef ROOST_BACKENDS_COMMON_RESOLVER_H_
#define ROOST_BACKENDS_COMMON_RESOLVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "roost/internal/mutex.h"
#include "roost/platform.h"

namespace roost::backends {

struct Addresses {
  int error = 0;  // EAI_..., 0: found
  std::string message{};
  std::vector<std::string> list{};  // numeric; each once
};

// Blocks. SystemLookUp, or a test's.
using LookUpFunction = std::function<Addresses(const std::string& name)>;

// Asks getaddrinfo.
Addresses SystemLookUp(const std::string& name);

// "10.0.0.5", "fe80::1%eth0": needs no lookup.
bool IsAddress(const std::string& host);
// An address of this machine itself: 127.0.0.0/8, in either notation, and ::1.
bool IsLoopback(const std::string& address);
// The name "localhost", in whatever case.
bool IsLocalhost(const std::string& host);

// One caller's interest in a lookup. Its end does not end the lookup.
class Lookup {
 public:
  struct State;
  Lookup(std::shared_ptr<State> state, Platform& platform);
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  // The answer; null while there is none. Valid as long as this.
  const Addresses* answer() const;
  // Readable when there is an answer. -1: the platform has none; ask from time to time.
  int event() const { return event_; }

 private:
  const std::shared_ptr<State> state_;
  Platform& platform_;
  const int event_;
};

class Resolver {
 public:
  explicit Resolver(LookUpFunction look_up) : look_up_(std::move(look_up)) {}

  // Joins the lookup of `name` that is under way, or begins one. Never waits. Where the system
  // gives no thread, that is the answer.
  std::unique_ptr<Lookup> Start(const std::string& name, Platform& platform);

 private:
  const LookUpFunction look_up_;
  internal::Mutex mu_;
  std::vector<std::weak_ptr<Lookup::State>> under_way_ ABSL_GUARDED_BY(mu_);
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_RESOLVER_H_
