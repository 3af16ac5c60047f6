// async.cc - callers in line that are told through their loop instead of being woken.

#include "roost/async.h"

#include <algorithm>
#include <memory>
#include <new>
#include <optional>

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

// What a PendingAcquire is while it is pending or has a result. Does what the thread of
// PoolState::AcquireByLock does, a piece each time its loop comes by.
class AsyncCaller : public RingNode {
 public:
  AsyncCaller(PendingAcquire& owner, AcquireQueue& queue, PoolState& pool,
              const AcquireOptions& options, PendingAcquire::Done done, void* context)
      : owner_(owner),
        pool_(pool),
        asked_(pool.RequestFor(options, pool.platform().Now())),
        since_(pool.platform().Now()),
        waker_(WakerOf(queue)),
        done_(done),
        context_(context) {
    asked_.may_wait = false;
  }

  static Waker& WakerOf(AcquireQueue& queue) {
    return *std::launder(reinterpret_cast<Waker*>(queue.waker_));
  }
  static AsyncCaller& Of(PendingAcquire& owner) {
    return *std::launder(reinterpret_cast<AsyncCaller*>(owner.caller_));
  }

  // Both: true when there is a result.
  bool Begin() {
    if (absl::Status forked = pool_.CheckFork(); !forked.ok()) return Ends(std::move(forked));
    return Enter();
  }
  bool GoOn(TimePoint now) {
    const uint32_t word = waiter_->word.load(std::memory_order_acquire);
    if (word == PoolWaiter::kNothing && now < waiter_->wakes_at) return false;
    if (word != PoolWaiter::kDecided &&
        pool_.GoOn(*waiter_, asked_) == PoolState::Progress::kSleeps) {
      return false;
    }
    return Settle() || Enter();
  }
  TimePoint wakes_at() const { return waiter_->wakes_at; }
  // Out of the line, and without what it was given. A result that nobody took ends with this.
  void GiveUp() {
    if (!result_.has_value()) pool_.GiveUp(*waiter_, asked_);
  }

  absl::StatusOr<Lease> TakeResult() { return *std::move(result_); }
  PendingAcquire& owner() { return owner_; }
  void CallDone() { done_(context_); }

 private:
  bool Enter() {
    while (attempts_++ < pool_.attempts()) {
      waiter_.emplace();
      waiter_->waker = &waker_;
      const PoolState::Progress progress = pool_.Enter(*waiter_, asked_, since_, result_);
      if (progress == PoolState::Progress::kSleeps) return false;
      if (progress == PoolState::Progress::kEnded || Settle()) return true;
    }
    return Ends(pool_.RefuseDying(asked_));
  }
  bool Settle() {
    result_ = pool_.Settle(*waiter_, asked_);
    return result_.has_value();
  }
  bool Ends(absl::Status refusal) {
    result_.emplace(std::move(refusal));
    return true;
  }

  PendingAcquire& owner_;
  PoolState& pool_;
  PoolState::Request asked_;
  const TimePoint since_;
  Waker& waker_;
  const PendingAcquire::Done done_;
  void* const context_;
  int attempts_ = 0;
  std::optional<PoolWaiter> waiter_;
  std::optional<absl::StatusOr<Lease>> result_;
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
  waker.Settle(platform_);
  std::destroy_at(&waker);
}

TimePoint AcquireQueue::Run(TimePoint now) {
  for (internal::RingNode* node = pending_.next; node != &pending_;) {
    auto& caller = static_cast<AsyncCaller&>(*node);
    node = node->next;
    if (!caller.GoOn(now)) continue;
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
  for (const internal::RingNode* node = pending_.next; node != &pending_; node = node->next) {
    next = std::min(next, static_cast<const AsyncCaller*>(node)->wakes_at());
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
  const bool ready = caller->Begin();
  state_ = ready ? State::kReady : State::kPending;
  if (!ready) caller->InsertBefore(queue.pending_);
  return ready;
}

absl::StatusOr<Lease> PendingAcquire::Take() {
  ROOST_CHECK(state_ == State::kReady, "PendingAcquire::Take: there is no result");
  AsyncCaller& caller = AsyncCaller::Of(*this);
  absl::StatusOr<Lease> result = caller.TakeResult();
  std::destroy_at(&caller);
  state_ = State::kNone;
  return result;
}

void PendingAcquire::Cancel() {
  if (state_ == State::kNone) return;
  AsyncCaller& caller = AsyncCaller::Of(*this);
  caller.Unlink();
  caller.GiveUp();
  std::destroy_at(&caller);
  state_ = State::kNone;
}

}  // namespace roost
