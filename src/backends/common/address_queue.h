// backends/common/address_queue.h - in which order the addresses of one host are tried.
//
// For one attempt to connect. The name service is asked first and believed: after a failover a name
// leads elsewhere. The last good address takes its place when it fails or is slow, and comes first
// among several.
#ifndef ROOST_BACKENDS_COMMON_ADDRESS_QUEUE_H_
#define ROOST_BACKENDS_COMMON_ADDRESS_QUEUE_H_

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "backends/common/address_book.h"
#include "backends/common/resolver.h"
#include "roost/deadline.h"
#include "roost/platform.h"

namespace roost::backends {

// Which host, and what needs no lookup.
struct HostAddress {
  std::string_view name{};     // of the host
  std::string_view address{};  // numeric; empty: to be looked up
  bool socket = false;         // a Unix socket: no address at all
};

class AddressQueue {
 public:
  // Begins to look the name up, if it is one.
  AddressQueue(const HostAddress& host, Resolver& resolver, AddressBook& book, Platform& platform,
               Deadline deadline);

  enum class State {
    kReady,    // `address` is to be tried (empty: a socket)
    kPending,  // wait for wait(), or until wait_deadline() has passed
    kNone,     // no more
  };
  State Next(TimePoint now, std::string& address);

  DescriptorWait wait() const;
  Deadline wait_deadline() const { return wait_deadline_; }
  // Another address may come after the one that was taken.
  bool HasMore() const { return !queue_.empty() || lookup_ != nullptr; }
  // The part of `left` for the one that was taken: the others want theirs.
  Duration ShareOf(Duration left) const;
  // The number of getaddrinfo and its message; 0: the name was found, or is none.
  int error() const { return error_; }
  const std::string& message() const { return message_; }
  // After fork, in the child: the lookup's lock may be held by a thread that is not there.
  void Abandon() { static_cast<void>(lookup_.release()); }

 private:
  void Take(const Addresses& answer);

  std::deque<std::string> queue_;
  std::unique_ptr<Lookup> lookup_;  // while its answer is wanted
  std::string remembered_;          // the last good one
  std::string tried_;               // it, while the answer was awaited
  Deadline lookup_deadline_ = Deadline::Never();
  Deadline wait_deadline_ = Deadline::Never();
  int error_ = 0;
  std::string message_;
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_ADDRESS_QUEUE_H_
