#include "backends/common/address_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace roost::backends {
namespace {

using namespace std::chrono_literals;

// How long the name service is waited for where an address of the host is known from before: at
// most this, and at most this part of what is left.
constexpr Duration kLookupTime = 1s;
constexpr int kLookupPart = 4;
// How often to ask for an answer where the platform has no event.
constexpr Duration kBetweenLooks = 50ms;

}  // namespace

AddressQueue::AddressQueue(const HostAddress& host, Resolver& resolver, AddressBook& book,
                           Platform& platform, Deadline deadline) {
  if (host.socket || !host.address.empty()) {
    queue_.emplace_back(host.address);
    return;
  }
  const std::string name(host.name);
  remembered_ = book.Find(name);
  if (!remembered_.empty()) {
    const TimePoint now = platform.Now();
    lookup_deadline_ =
        Deadline::After(now, std::min<Duration>(kLookupTime, deadline.Left(now) / kLookupPart));
  }
  lookup_ = resolver.Start(name, platform);
}

AddressQueue::State AddressQueue::Next(TimePoint now, std::string& address) {
  if (queue_.empty() && lookup_ != nullptr) {
    if (const Addresses* const answer = lookup_->answer(); answer != nullptr) {
      Take(*answer);
      lookup_.reset();
    } else if (tried_.empty() && lookup_deadline_.HasPassed(now)) {
      tried_ = remembered_;
      queue_.push_back(remembered_);
    }
  }
  if (!queue_.empty()) {
    address = std::move(queue_.front());
    queue_.pop_front();
    return State::kReady;
  }
  if (lookup_ == nullptr) return State::kNone;
  wait_deadline_ = tried_.empty() ? lookup_deadline_ : Deadline::Never();
  if (lookup_->event() < 0) {
    wait_deadline_ = std::min(wait_deadline_, Deadline::After(now, kBetweenLooks));
  }
  return State::kPending;
}

void AddressQueue::Take(const Addresses& answer) {
  error_ = answer.error;
  message_ = answer.message;
  queue_.assign(answer.list.begin(), answer.list.end());
  if (queue_.empty() && !remembered_.empty()) queue_.push_back(remembered_);
  const auto good = std::find(queue_.begin(), queue_.end(), remembered_);
  if (good != queue_.end()) std::rotate(queue_.begin(), good, good + 1);
  if (!tried_.empty()) std::erase(queue_, tried_);
}

DescriptorWait AddressQueue::wait() const {
  return {.fd = lookup_ != nullptr ? lookup_->event() : -1, .wanted = {.readable = true}};
}

Duration AddressQueue::ShareOf(Duration left) const {
  const auto others = static_cast<Duration::rep>(queue_.size()) + (lookup_ != nullptr ? 1 : 0);
  return left / (others + 1);
}

}  // namespace roost::backends
