// pool/async.cc - waiters whose event loop is called instead of a thread being woken.

#include "roost/async.h"

#include <algorithm>
#include <memory>
#include <new>

#include "pool/acquisition.h"
#include "pool/pool_state.h"

namespace roost {
namespace internal {

void RingNode::InsertBefore(RingNode& other) {
  prev = other.prev;
  next = &other;
  prev->next = this;
  other.prev = this;
}

void RingNode::Unlink() {
  prev->next = next;
  next->prev = prev;
  prev = next = this;
}

// A PendingAcquire that is pending, or has a result: an Acquisition in the ring of its queue.
class AsyncCaller : public RingNode {
 public:
  AsyncCaller(PendingAcquire& owner, AcquireQueue& queue, PoolState& pool,
              const AcquireOptions& options, PendingAcquire::Done done, void* context)
      : owner_(owner),
        acquisition_(pool.parts(), options, &WakerOf(queue)),
        done_(done),
        context_(context) {}

  static Waker& WakerOf(AcquireQueue& queue) {
    return *std::launder(reinterpret_cast<Waker*>(queue.waker_));
  }
  static AsyncCaller& Of(PendingAcquire& owner) {
    return *std::launder(reinterpret_cast<AsyncCaller*>(owner.caller_));
  }

  Acquisition& acquisition() { return acquisition_; }
  PendingAcquire& owner() { return owner_; }
  void CallDone() { done_(context_); }

 private:
  PendingAcquire& owner_;
  Acquisition acquisition_;
  const PendingAcquire::Done done_;
  void* const context_;
};

}  // namespace internal

using internal::AsyncCaller;

AcquireQueue::AcquireQueue(WakeCallback wake, Platform* platform)
    : platform_(platform != nullptr ? *platform : NativePlatform()) {
  static_assert(sizeof(internal::Waker) <= kWakerBytes);
  new (waker_) internal::Waker(wake);
}

AcquireQueue::~AcquireQueue() {
  ROOST_CHECK(pending_.next == &pending_ && ended_.next == &ended_,
              "an AcquireQueue was destroyed while an acquire of it is pending");
  internal::Waker& waker = AsyncCaller::WakerOf(*this);
  waker.WaitForCalls(platform_);
  std::destroy_at(&waker);
}

TimePoint AcquireQueue::Run(TimePoint now) {
  for (internal::RingNode* node = pending_.next; node != &pending_;) {
    auto& caller = static_cast<AsyncCaller&>(*node);
    node = node->next;
    if (!caller.acquisition().IsDue(now) || !caller.acquisition().Step()) continue;
    caller.Unlink();
    caller.InsertBefore(ended_);
  }
  // A done function may start and cancel others: what it does to this ring is seen here.
  while (ended_.next != &ended_) {
    auto& caller = static_cast<AsyncCaller&>(*ended_.next);
    caller.Unlink();
    caller.owner().state_ = PendingAcquire::State::kReady;
    caller.CallDone();
  }
  TimePoint next = TimePoint::max();
  for (internal::RingNode* node = pending_.next; node != &pending_; node = node->next) {
    auto& caller = static_cast<AsyncCaller&>(*node);
    next = std::min(next, caller.acquisition().wakes_at());
  }
  return next;
}

bool PendingAcquire::Start(AcquireQueue& queue, Pool& pool, const AcquireOptions& options,
                           Done done, void* context) {
  static_assert(sizeof(AsyncCaller) <= kCallerBytes);
  static_assert(alignof(AsyncCaller) <= alignof(int64_t));
  ROOST_CHECK(state_ == State::kNone,
              "PendingAcquire::Start: it is pending, or its result was not taken");
  auto* const caller =
      new (caller_) AsyncCaller(*this, queue, *pool.state_, options, done, context);
  const bool ready = caller->acquisition().Step();
  state_ = ready ? State::kReady : State::kPending;
  if (!ready) caller->InsertBefore(queue.pending_);
  return ready;
}

absl::StatusOr<Lease> PendingAcquire::Take() {
  ROOST_CHECK(state_ == State::kReady, "PendingAcquire::Take: there is no result");
  AsyncCaller& caller = AsyncCaller::Of(*this);
  absl::StatusOr<Lease> result = caller.acquisition().TakeResult();
  std::destroy_at(&caller);
  state_ = State::kNone;
  return result;
}

void PendingAcquire::Cancel() {
  if (state_ == State::kNone) return;
  AsyncCaller& caller = AsyncCaller::Of(*this);
  caller.Unlink();
  caller.acquisition().Cancel();
  std::destroy_at(&caller);
  state_ = State::kNone;
}

}  // namespace roost
