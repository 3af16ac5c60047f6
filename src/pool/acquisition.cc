// pool/acquisition.cc - from the call of Acquire to a lease or a refusal.

#include "pool/acquisition.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/deadlock.h"
#include "pool/release.h"
#include "roost/internal/connection_access.h"

namespace roost::internal {

using core::Outcome;

Acquisition::Acquisition(PoolParts& pool, const AcquireOptions& options, Waker* waker)
    : pool_(pool),
      lane_(pool.lanes.For(options.intent)),
      since_(pool.config.platform.Now()),
      deadline_(
          options.deadline.value_or(Deadline::After(since_, pool.config.settings.pool_timeout()))),
      own_deadline_(options.deadline.has_value()),
      where_(options.where),
      context_(options.context),
      intent_(options.intent),
      // In the child of a fork the token's lock may be held for ever, and the acquire is refused.
      cancel_(pool.Forked() ? nullptr : options.cancel),
      waker_(waker) {
  if (AcquireObserver* const tracer = pool.config.acquire_observer; tracer != nullptr) {
    span_ = tracer->OnAcquireBegin(TracedEvent(since_));
    traced_ = true;
  }
  if (cancel_ == nullptr) return;
  MutexLock lock(cancel_->mu_);
  next_with_token_ = cancel_->first_;
  if (next_with_token_ != nullptr) next_with_token_->prev_with_token_ = this;
  cancel_->first_ = this;
}

Acquisition::~Acquisition() {
  if (cancel_ == nullptr || pool_.Forked()) return;
  MutexLock lock(cancel_->mu_);
  (prev_with_token_ != nullptr ? prev_with_token_->next_with_token_ : cancel_->first_) =
      next_with_token_;
  if (next_with_token_ != nullptr) next_with_token_->prev_with_token_ = prev_with_token_;
}

bool Acquisition::Step() {
  if (!result_.has_value() && pool_.Forked()) Refuse(pool_.refusals.forked);
  while (!result_.has_value()) {
    if (!queued_) {
      // A connection that turns out dead at its check sends its caller round again, with the same
      // deadline. The bound ends that with a database that dies again and again.
      if (attempts_++ > pool_.config.settings.capacity()) {
        RefuseDying();
        break;
      }
      Begin();
    } else if (!IsDecided()) {
      Continue();
    }
    if (result_.has_value()) break;
    if (!IsDecided()) {
      waited_ = true;
      return false;
    }
    Settle();
  }
  if (traced_) EndTrace(result_->status());
  return true;
}

AcquireEvent Acquisition::TracedEvent(TimePoint at) const {
  return {.pool = pool_.config.name,
          .context = context_,
          .span = span_,
          .at = at,
          .where = where_,
          .intent = intent_};
}

void Acquisition::EndTrace(const absl::Status& status) {
  traced_ = false;
  const TimePoint now = pool_.config.platform.Now();
  AcquireEvent event = TracedEvent(now);
  event.took = now - since_;
  event.waited = waited_;
  event.status = &status;
  if (status.ok()) event.slot = lane_.NumberOf(LeaseAccess::SlotOf(**result_));
  pool_.config.acquire_observer->OnAcquireEnd(event);
}

// A thread that was woken a moment ago, by this one handing over a connection, may be queued behind
// this one on its processor, which would be idle until the kernel moves another thread here. With
// several callers ahead there is time to let it run first: that saves the sleep of a caller that is
// granted meanwhile.
void Acquisition::Sleep() {
  constexpr int kAheadToYield = 2;
  Platform& platform = pool_.config.platform;
  if (std::exchange(ahead_, 0) >= kAheadToYield) {
    platform.Yield();
    if (waiter_->word.load(std::memory_order_relaxed) != PoolWaiter::kNothing) return;
  }
  platform.Wait(waiter_->word, PoolWaiter::kNothing, Deadline::At(waiter_->wakes_at));
}

// In one critical section: what can be had at once, else a place in the queue and the first action.
void Acquisition::Begin() {
  waiter_.emplace();
  core::Action action;
  absl::Status refusal;
  TimePoint now;
  {
    LaneGuard guard(pool_.lanes, lane_);
    now = pool_.config.platform.Now();
    if (!LendAtOnce(now)) {
      refusal = RefuseNewcomer(guard, now);
      if (refusal.ok()) {
        Enqueue();
        action = lane_.NextFor(*waiter_, now);
      }
    }
  }
  if (!refusal.ok()) {
    pool_.recorder.EmitRefusal(EventKind::kRefused, refusal, Duration::zero(), where_, now);
    return Refuse(std::move(refusal));
  }
  queued_ = true;
  Perform(action);
}

void Acquisition::Continue() {
  core::Action action;
  {
    LaneGuard guard(pool_.lanes, lane_);
    action = lane_.NextFor(*waiter_, pool_.config.platform.Now());
  }
  Perform(action);
}

// Performs what the core wants of this thread until it wants nothing: the waiter is decided, or
// sleeps.
void Acquisition::Perform(core::Action action) {
  absl::Status error = pool_.executor.Execute(
      lane_, action, {.waiter = &*waiter_, .deadline = deadline_, .may_wait = may_wait()});
  if (!error.ok()) open_error_ = std::move(error);
}

// Grants an idle connection without queueing.
bool Acquisition::LendAtOnce(TimePoint now) {
  // Cancelled callers are refused in the order of Cancel: see RefuseNewcomer.
  if (IsCancelled()) return false;
  if (!lane_.core().TryLend(now, Owner(), where_, waiter_->slot, waiter_->probe)) return false;
  waiter_->outcome = Outcome::kGranted;
  waiter_->word.store(PoolWaiter::kDecided, std::memory_order_relaxed);  // no other thread knows it
  lane_.PrepareReturn(waiter_->slot);
  if (waiter_->probe) {
    lane_.slot(waiter_->slot).probing = true;
  } else {
    pool_.recorder.CountCheckout(now - since_, /*waited=*/false, /*handed_off=*/false);
  }
  return true;
}

// OK: it may enter the queue.
absl::Status Acquisition::RefuseNewcomer(LaneGuard& guard, TimePoint now) {
  Stats& counts = pool_.recorder.counts();
  // Read under the lock: Cancel sets the token before it takes the lock, so that either this sees
  // it, or Cancel sees this waiter in the queue.
  if (IsCancelled()) {
    ++counts.cancelled;
    return pool_.refusals.cancelled;
  }
  switch (lane_.core().Admit(now)) {
    case core::Refusal::kNone:
      break;
    case core::Refusal::kClosed:
      ++counts.refused_closed;
      return pool_.refusals.closed;
    case core::Refusal::kFull:
      ++counts.refused_full;
      return pool_.refusals.full;
    case core::Refusal::kAway:
      ++counts.refused_away;
      return lane_.errors().refusal();
  }
  if (!CouldOnlyDeadlock(guard, now)) return absl::OkStatus();
  ++counts.refused_nested;
  return pool_.refusals.nested;
}

bool Acquisition::CouldOnlyDeadlock(LaneGuard& guard, TimePoint now) {
  // A caller that goes on with its loop while it waits may return what it holds.
  if (!pool_.config.settings.constants().nested_check || !may_wait() || deadline_.HasPassed(now) ||
      !pool_.lanes.MayBeOwner(NumberThisThread())) {
    return false;
  }
  // Whether this wait could end is a question to both lanes.
  guard.TakeBoth();
  std::array<const core::LaneCore*, 2> cores{};
  size_t count = 0;
  size_t wanted = 0;
  for (Lane& lane : pool_.lanes.all()) {
    if (&lane == &lane_) wanted = count;
    cores[count++] = &lane.core();
  }
  return core::CouldOnlyDeadlock(std::span(cores.data(), count), wanted, NumberThisThread());
}

void Acquisition::Enqueue() {
  waiter_->waker = waker_;
  waiter_->since = since_;
  waiter_->deadline = deadline_.time();
  waiter_->by_loop = !may_wait();
  waiter_->thread = Owner();
  waiter_->where = where_;
  waiter_->cancel = cancel_;
  lane_.core().queue().Enqueue(*waiter_);
  ahead_ = lane_.core().queue().length() - 1;
  Stats& counts = pool_.recorder.counts();
  counts.peak_waiting = std::max(counts.peak_waiting, pool_.lanes.waiting());
}

// Makes the result of a decided waiter. No result: the connection was dead; begin again.
void Acquisition::Settle() {
  queued_ = false;
  if (waiter_->outcome == Outcome::kGranted) {
    SettleGranted();
  } else {
    SettleRefused();
  }
}

void Acquisition::SettleGranted() {
  core::Slot& slot = lane_.slot(waiter_->slot);
  if (waiter_->probe) {
    if (!ProvesAlive(pool_, lane_, slot, may_wait() ? deadline_ : Deadline::Past())) return;
    const TimePoint now = pool_.config.platform.Now();
    PoolMutexLock lock(pool_.lanes.mu());
    slot.probing = false;
    pool_.recorder.CountCheckout(now - since_, waiter_->has_slept, waiter_->handed_off);
  }
  if (pool_.recorder.watches_leases()) {
    const TimePoint now = pool_.config.platform.Now();
    pool_.recorder.EmitCheckout(lane_.RestedSubjectOf(slot, now), now - since_, where_, now);
  }
  result_.emplace(LeaseAccess::Make(lane_, slot, deadline_));
}

void Acquisition::SettleRefused() {
  EventKind kind = EventKind::kRefused;
  absl::Status hindrance;
  if (waiter_->outcome == Outcome::kTimedOut) {
    hindrance = pool_.config.backend.Hindrance(&pool_.config);
  }
  absl::Status status;
  {
    PoolMutexLock lock(pool_.lanes.mu());
    status = CountRefusal(kind);
  }
  if (!hindrance.ok()) status = std::move(hindrance);
  if (pool_.recorder.watched()) {
    const TimePoint now = pool_.config.platform.Now();
    pool_.recorder.EmitRefusal(kind, status, now - since_, where_, now);
  }
  Refuse(std::move(status));
}

absl::Status Acquisition::CountRefusal(EventKind& kind) {
  Stats& counts = pool_.recorder.counts();
  switch (waiter_->outcome) {
    case Outcome::kTimedOut: {
      ++counts.timeouts;
      kind = EventKind::kTimeout;
      // While no connection exists to wait for, the caller needs to know why opening fails.
      const core::LaneCore& core = lane_.core();
      if (core.availability().is_away() && core.slots().open() == 0) {
        ++counts.timeouts_away;
        return lane_.errors().refusal();
      }
      if (core.paused()) {
        ++counts.timeouts_opening;
        return pool_.refusals.timeout_paused;
      }
      if (core.slots().count(core::SlotState::kLeased) < core.slots().limit()) {
        ++counts.timeouts_opening;
        return pool_.refusals.timeout_opening;
      }
      const LimitRefusals& limits = *pool_.refusals.limits;
      const bool other_is_free = pool_.lanes.leased() < pool_.lanes.limit();
      const auto& time_out = other_is_free ? limits.OfLane(lane_.role()) : limits.all;
      return own_deadline_ ? time_out.by_deadline : time_out.by_setting;
    }
    case Outcome::kOpenError:
      ++counts.refused_away;
      return open_error_;
    case Outcome::kAway:
      ++counts.refused_away;
      return lane_.errors().refusal();
    case Outcome::kClosed:
      ++counts.refused_closed;
      return pool_.refusals.closed;
    case Outcome::kCancelled:
      ++counts.cancelled;
      return pool_.refusals.cancelled;
    case Outcome::kWaiting:
    case Outcome::kGranted:
      break;
  }
  Misuse("bug: a waiter was refused that waits or was granted a connection");
}

void Acquisition::RefuseDying() {
  {
    PoolMutexLock lock(pool_.lanes.mu());
    ++pool_.recorder.counts().refused_away;
  }
  const absl::Status& dying = pool_.refusals.dying;
  if (pool_.recorder.watched()) {
    pool_.recorder.EmitRefusal(EventKind::kRefused, dying, Duration::zero(), where_,
                               pool_.config.platform.Now());
  }
  Refuse(dying);
}

void Acquisition::Cancel() {
  if (traced_) EndTrace(pool_.refusals.cancelled);
  if (result_.has_value() || !queued_ || pool_.Forked()) return;
  {
    LaneGuard guard(pool_.lanes, lane_);
    if (waiter_->outcome == Outcome::kWaiting) {
      lane_.core().Remove(*waiter_, pool_.config.platform.Now());
      ++pool_.recorder.counts().cancelled;
    }
  }
  if (waiter_->outcome != Outcome::kGranted) return;
  core::Slot& slot = lane_.slot(waiter_->slot);
  slot.ClearOwner();
  LeaseAccess::Make(lane_, slot, deadline_).Return();
}

// An acquire in the list cannot end meanwhile, nor its pool: its destructor waits for the token's lock.
void Acquisition::CancelElsewhere(CancelToken& token, const PoolParts& but) {
  const PoolParts* done = &but;
  WakeList wakes(but.config.platform);
  {
    MutexLock lock(token.mu_);
    for (Acquisition* a = token.first_; a != nullptr; a = a->next_with_token_) {
      if (&a->pool_ == &but || &a->pool_ == done) continue;
      done = &a->pool_;
      LaneGuard guard(a->pool_.lanes, &wakes);
      const TimePoint now = a->pool_.config.platform.Now();
      for (Lane& lane : a->pool_.lanes.all()) lane.core().Cancel(&token, now);
    }
  }
  // A loop may be called that has a lock of its own, under which it makes acquires with this token.
  wakes.WakeAll();
}

bool ProvesAlive(PoolParts& pool, Lane& lane, core::Slot& slot, Deadline deadline) {
  Connection& connection = *slot.connection;
  const Liveness liveness = ConnectionAccess::Probe(connection);
  if (liveness == Liveness::kAlive) return true;
  TimePoint now = pool.config.platform.Now();
  FaultScope scope = FaultScope::kConnectionSuspectOlder;
  if (liveness == Liveness::kUnknown) {
    const LiveSettings& settings = pool.config.settings;
    // Without time for a round trip, or where none is wanted, the caller gets the benefit of the
    // doubt: its statement will tell.
    if (deadline.HasPassed(now) || settings.pre_ping() == PrePing::kNever) return true;
    const Deadline full = Deadline::After(now, settings.ping_timeout());
    const absl::Status answer = ConnectionAccess::Ping(connection, std::min(deadline, full));
    now = pool.config.platform.Now();
    // A ping that the caller's own deadline ended says nothing about other connections.
    if (deadline < full && answer.code() == absl::StatusCode::kDeadlineExceeded) {
      scope = FaultScope::kConnection;
    }
    PoolMutexLock lock(pool.lanes.mu());
    ++pool.recorder.counts().pings;
    if (answer.ok()) return true;
    ++pool.recorder.counts().ping_failures;
  }
  scope = std::max(scope, ConnectionAccess::fault_scope(connection));
  ReturnBroken(pool, lane, slot, CloseReason::kPingFailed, scope, /*counted=*/false, now);
  return false;
}

}  // namespace roost::internal
