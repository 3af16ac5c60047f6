// acquire.cc - from "I need a connection" to a lease or a refusal.

#include <algorithm>
#include <utility>

#include "pool/pool_state.h"

namespace roost::internal {

using core::Outcome;

absl::StatusOr<Lease> PoolState::Acquire(const AcquireOptions& options) {
  if (words_ && !Forked() && (options.cancel == nullptr || !options.cancel->cancelled())) {
    std::optional<Lease> lease = AcquireFromWord(options);
    if (lease.has_value()) return *std::move(lease);
  }
  return AcquireByLock(options);
}

std::optional<Lease> PoolState::AcquireFromWord(const AcquireOptions& options) {
  const size_t lane = LaneFor(options.intent);
  Deadline deadline, not_after;
  if (options.deadline.has_value()) {
    deadline = not_after = *options.deadline;
  } else {
    // As far as the coarse clock is behind, at most.
    constexpr Duration kTick = std::chrono::milliseconds(10);
    const TimePoint now = platform_.CoarseNow();
    deadline = Deadline::After(now, settings_.pool_timeout);
    not_after = Deadline::After(now, kTick);
  }
  FastSlot* const slot = TakeFast(lane, not_after, options.where);
  if (slot == nullptr) return std::nullopt;
  return Lease(fast_[lane], *slot, deadline);
}

FastSlot* PoolState::TakeFast(size_t lane, Deadline not_after, SourceLine where) {
  FastLane& fast = fast_[lane];
  FastSlot* const slot = fast.linked ? TakeIdleLinked(fast) : TakeIdle(fast);
  return slot != nullptr && Claim(*slot, not_after, where) ? slot : nullptr;
}

absl::StatusOr<Lease> PoolState::AcquireByLock(const AcquireOptions& options) {
  if (Forked()) return forked_;
  const TimePoint since = platform_.Now();
  const Request asked = RequestFor(options, since);
  // A connection that turns out dead when it is looked at sends its caller round again, with the
  // same deadline; the bound keeps that from going on with a database that dies again and again.
  for (int attempt = 0; attempt < attempts(); ++attempt) {
    PoolWaiter waiter;
    std::optional<absl::StatusOr<Lease>> result;
    Progress progress = Enter(waiter, asked, since, result);
    while (progress == Progress::kSleeps) {
      SleepIn(waiter);
      // Pairs with the release in Collect, the last access of anybody else to this node.
      const bool decided = waiter.word.load(std::memory_order_acquire) == PoolWaiter::kDecided;
      progress = decided ? Progress::kDecided : GoOn(waiter, asked);
    }
    if (progress == Progress::kDecided) result = Settle(waiter, asked);
    if (result.has_value()) return *std::move(result);
  }
  return RefuseDying(asked);
}

// Whom this thread woke a moment ago, handing over what it held, may be queued behind it on this
// processor, which would be idle until the kernel moves somebody here. With several callers ahead
// there is time to let that one run first: it saves the sleep of one that is granted meanwhile.
void PoolState::SleepIn(PoolWaiter& waiter) {
  constexpr int kAheadToYield = 2;
  if (std::exchange(waiter.ahead, 0) >= kAheadToYield) {
    platform_.Yield();
    if (waiter.word.load(std::memory_order_relaxed) != PoolWaiter::kNothing) return;
  }
  platform_.Wait(waiter.word, PoolWaiter::kNothing, Deadline::At(waiter.wakes_at));
}

PoolState::Request PoolState::RequestFor(const AcquireOptions& options, TimePoint now) const {
  return {.intent = options.intent,
          .deadline = options.deadline.value_or(Deadline::After(now, settings_.pool_timeout)),
          .own_deadline = options.deadline.has_value(),
          .where = options.where,
          .cancel = options.cancel,
          .may_wait = true};
}

// In one critical section: what can be had at once, else a place in line and the first look from
// there.
PoolState::Progress PoolState::Enter(PoolWaiter& waiter, const Request& asked, TimePoint since,
                                     std::optional<absl::StatusOr<Lease>>& result) {
  const size_t lane = LaneFor(asked.intent);
  Wakes wakes;
  Doer doer{.driver = &waiter, .deadline = asked.deadline, .may_wait = asked.may_wait};
  core::Work work;
  Progress progress = Progress::kEnded;
  absl::Status refusal;
  TimePoint now;
  {
    Monitor monitor(mu_, *this, Only(lane));
    now = platform_.Now();
    if (LendAtOnce(waiter, asked, lane, since, now)) {
      progress = Progress::kDecided;
    } else if (refusal = RefuseNewcomer(asked, lane, monitor, now); refusal.ok()) {
      waiter.by_loop = !asked.may_wait;
      waiter.since = since;
      waiter.thread = ThreadOf(asked);
      waiter.where = asked.where;
      waiter.cancel = asked.cancel;
      lanes_[lane].Join(waiter);
      waiter.ahead = lanes_[lane].line().length() - 1;
      stats_.peak_waiting = std::max(stats_.peak_waiting, Waiting());
      work = NextFor(waiter, asked, doer, wakes, now, progress);
    }
  }
  if (!refusal.ok()) {
    EmitRefused(refusal, asked.where, now);
    result.emplace(std::move(refusal));
  }
  return Continue(waiter, asked, doer, work, wakes, progress);
}

// What TryLend gives, as if the waiter had been in line.
bool PoolState::LendAtOnce(PoolWaiter& waiter, const Request& asked, size_t lane, TimePoint since,
                           TimePoint now) {
  // Cancelled callers are refused in the order of Cancel: see RefuseNewcomer.
  if (asked.cancel != nullptr && asked.cancel->cancelled()) return false;
  if (!lanes_[lane].TryLend(now, ThreadOf(asked), asked.where, waiter.slot, waiter.probe)) {
    return false;
  }
  waiter.since = since;
  waiter.outcome = Outcome::kGranted;
  const int slot = Global(lane, waiter.slot);
  NoteLent(slot);
  if (!waiter.probe) CountCheckout(since, now, /*waited=*/false, /*handed_off=*/false);
  return true;
}

absl::Status PoolState::RefuseDying(const Request& asked) {
  mu_.Lock();
  ++stats_.refused_away;
  mu_.Unlock();
  EmitRefused(dying_, asked.where, platform_.Now());
  return dying_;
}

PoolState::Progress PoolState::GoOn(PoolWaiter& waiter, const Request& asked) {
  Wakes wakes;
  Doer doer{.driver = &waiter, .deadline = asked.deadline, .may_wait = asked.may_wait};
  core::Work work;
  Progress progress = Progress::kEnded;
  {
    Monitor monitor(mu_, *this, Only(LaneFor(asked.intent)));
    work = NextFor(waiter, asked, doer, wakes, platform_.Now(), progress);
  }
  return Continue(waiter, asked, doer, work, wakes, progress);
}

// Performs what the core wants of this thread until it wants nothing.
PoolState::Progress PoolState::Continue(PoolWaiter& waiter, const Request& asked, Doer& doer,
                                        core::Work work, Wakes& wakes, Progress progress) {
  const size_t lane = LaneFor(asked.intent);
  Deliver(wakes);
  while (work) {
    absl::Status error = PerformAll(lane, work, doer);
    if (!error.ok()) waiter.open_error = std::move(error);
    doer.driver = &waiter;
    {
      Monitor monitor(mu_, *this, Only(lane));
      work = NextFor(waiter, asked, doer, wakes, platform_.Now(), progress);
    }
    Deliver(wakes);
  }
  return progress;
}

// What the thread of `waiter` has to do. Nothing: `progress` tells whether it is decided, late ones
// included, or goes to sleep.
core::Work PoolState::NextFor(PoolWaiter& waiter, const Request& asked, Doer& doer, Wakes& wakes,
                              TimePoint now, Progress& progress) {
  const size_t lane = LaneFor(asked.intent);
  core::LaneCore& core = lanes_[lane];
  waiter.asleep = false;
  waiter.may_ping = !asked.deadline.HasPassed(now);
  const core::Work work = core.WorkFor(waiter, now);
  if (work && GoesInSteps(work, doer)) {
    // Tick ends it; meanwhile this waiter can be served like any other.
    waiter.driving = false;
    doer.driver = nullptr;
  }
  Collect(lane, wakes);
  if (work) return work;
  progress = Progress::kDecided;
  if (waiter.outcome != Outcome::kWaiting) return {};
  if (asked.deadline.HasPassed(now)) {
    core.Leave(waiter, now);
    Collect(lane, wakes);
    return {};
  }
  core.Sleep(waiter, asked.deadline.time());
  waiter.slept = waiter.asleep = true;
  waiter.word.store(PoolWaiter::kNothing, std::memory_order_relaxed);
  progress = Progress::kSleeps;
  return {};
}

std::optional<absl::StatusOr<Lease>> PoolState::Settle(PoolWaiter& waiter, const Request& asked) {
  const size_t lane = LaneFor(asked.intent);
  if (waiter.outcome != Outcome::kGranted) return Refused(waiter, asked, lane);
  const int slot = Global(lane, waiter.slot);
  if (waiter.probe) {
    if (!ProvesAlive(lane, slot, PingDeadline(asked))) return {};
    const TimePoint now = platform_.Now();
    MutexLock lock(mu_);
    CountCheckout(waiter.since, now, waiter.slept, waiter.handed_off);
  }
  if (observer_ != nullptr) {
    const TimePoint now = platform_.Now();
    EmitCheckout(slot, now - waiter.since, asked.where, now);
  }
  return MakeLease(slot, asked.deadline, ThreadOf(asked));
}

void PoolState::GiveUp(PoolWaiter& waiter, const Request& asked) {
  const size_t lane = LaneFor(asked.intent);
  Wakes wakes;
  {
    Monitor monitor(mu_, *this, Only(lane));
    const TimePoint now = platform_.Now();
    if (waiter.outcome == Outcome::kWaiting) {
      lanes_[lane].Leave(waiter, now);
      ++stats_.cancelled;
    }
    Collect(lane, wakes);
  }
  Deliver(wakes);
  if (waiter.outcome != Outcome::kGranted) return;
  MakeLease(Global(lane, waiter.slot), asked.deadline, 0).Return();
}

// OK: it may join.
absl::Status PoolState::RefuseNewcomer(const Request& asked, size_t lane, Monitor& monitor,
                                       TimePoint now) {
  // Read under the lock: Cancel sets it before it takes the lock, so that either this sees it or
  // Cancel sees this waiter in line.
  if (asked.cancel != nullptr && asked.cancel->cancelled()) {
    ++stats_.cancelled;
    return cancelled_;
  }
  switch (lanes_[lane].Admit(now)) {
    case core::Refusal::kNone:
      break;
    case core::Refusal::kClosed:
      ++stats_.refused_closed;
      return closed_;
    case core::Refusal::kFull:
      ++stats_.refused_full;
      return full_;
    case core::Refusal::kAway:
      ++stats_.refused_away;
      return last_error_[lane];
  }
  // A caller that goes on with its loop while it waits may return what it holds.
  if (!settings_.nested_check || !asked.may_wait || asked.deadline.HasPassed(now) ||
      !HoldsSomething()) {
    return absl::OkStatus();
  }
  // Whether this wait could end is a question to both lanes.
  monitor.TakeBoth();
  for (size_t i = 0; i < 2; ++i) NoteHolders(i, now);
  const std::array<const core::LaneCore*, 2> lanes{&lanes_[0], &lanes_[1]};
  const std::span used(lanes.data(), static_cast<size_t>(lane_count_));
  if (!core::CouldOnlyDeadlock(used, lane, ThisThread())) return absl::OkStatus();
  ++stats_.refused_nested;
  return nested_;
}

// The status for a caller that left the line without a connection.
absl::Status PoolState::Refused(const PoolWaiter& waiter, const Request& asked, size_t lane) {
  absl::Status status;
  EventKind kind = EventKind::kRefused;
  {
    MutexLock lock(mu_);
    switch (waiter.outcome) {
      case Outcome::kWaiting:
        ++stats_.timeouts;
        kind = EventKind::kTimeout;
        status = asked.own_deadline ? timeout_deadline_ : timeout_default_;
        // While nothing exists to be waited for, why opening fails is what the caller needs to
        // know.
        if (lanes_[lane].away() && lanes_[lane].open() == 0) status = last_error_[lane];
        break;
      case Outcome::kOpenError:
        ++stats_.refused_away;
        status = waiter.open_error;
        break;
      case Outcome::kAway:
        ++stats_.refused_away;
        status = last_error_[lane];
        break;
      case Outcome::kClosed:
        ++stats_.refused_closed;
        status = closed_;
        break;
      case Outcome::kCancelled:
        ++stats_.cancelled;
        status = cancelled_;
        break;
      case Outcome::kGranted:
        Misuse("bug: a granted waiter was refused");
    }
  }
  if (observer_ == nullptr) return status;
  const TimePoint now = platform_.Now();
  Event event = MakeEvent(kind, -1, now);
  event.span = now - waiter.since;
  event.where = asked.where;
  event.status = &status;
  Emit(event);
  return status;
}

absl::StatusOr<Lease> PoolState::TryAcquire(Intent intent, Deadline work_by, SourceLine where) {
  if (Forked()) return forked_;
  const size_t lane = LaneFor(intent);
  if (words_) {
    FastSlot* const slot = TakeFast(lane, work_by, where);
    if (slot != nullptr) return Lease(fast_[lane], *slot, work_by);
  }
  const TimePoint now = platform_.Now();
  for (;;) {
    uint8_t local = 0;
    bool probe = false;
    absl::Status refusal;
    {
      Monitor monitor(mu_, *this, Only(lane));
      if (lanes_[lane].closed()) {
        ++stats_.refused_closed;
        refusal = closed_;
      } else if (!lanes_[lane].TryLend(now, ThisThread(), where, local, probe)) {
        ++stats_.timeouts;
        refusal = nothing_free_;
      }
    }
    if (!refusal.ok()) {
      EmitRefused(refusal, where, now);
      return refusal;
    }
    const int slot = Global(lane, local);
    if (probe && !ProvesAlive(lane, slot, Deadline::Past())) continue;
    {
      MutexLock lock(mu_);
      NoteLent(slot);
      CountCheckout(now, now, /*waited=*/false, /*handed_off=*/false);
    }
    if (observer_ != nullptr) EmitCheckout(slot, Duration::zero(), where, now);
    return MakeLease(slot, work_by, ThisThread());
  }
}

void PoolState::Cancel(CancelToken& token) {
  token.cancelled_.store(true, std::memory_order_relaxed);
  if (Forked()) return;
  TellLanes([&token](core::LaneCore& lane, TimePoint now) { lane.Cancel(&token, now); });
}

// Looks at a leased connection that has rested. False: it was dead, and the slot has been given
// back.
bool PoolState::ProvesAlive(size_t lane, int slot, Deadline deadline) {
  Connection& connection = *ConnectionAt(slot);
  const Liveness liveness = connection.Probe();
  if (liveness == Liveness::kAlive) return true;
  TimePoint now = platform_.Now();
  FaultScope scope = FaultScope::kConnectionSuspectOlder;
  if (liveness == Liveness::kUnknown) {
    // Without time for a round trip, or where none is wanted, the benefit of the doubt is the
    // caller's: its statement will tell.
    if (deadline.HasPassed(now) || settings_.pre_ping == PrePing::kNever) return true;
    const Deadline full = Deadline::After(now, settings_.ping_timeout);
    const absl::Status answer = connection.Ping(std::min(deadline, full));
    now = platform_.Now();
    // Ended by the caller's own deadline: says nothing about the others.
    if (deadline < full && answer.code() == absl::StatusCode::kDeadlineExceeded) {
      scope = FaultScope::kConnection;
    }
    MutexLock lock(mu_);
    ++stats_.pings;
    if (answer.ok()) return true;
    ++stats_.ping_failures;
  }
  EmitInvalidate(slot, CloseReason::kPingFailed, now);
  scope = std::max(scope, connection.fault_scope());
  GiveBackBroken(lane, slot, CloseReason::kPingFailed, scope, now);
  return false;
}

void PoolState::NoteLent(int slot) {
  FastAt(slot).CountLease();
  ++At(slot).leases;  // see CountCheckout
  // For its return: what was marked after it was lent comes back by the lock.
  FastAt(slot).epoch = lanes_[LaneOf(slot)].slots()[Local(slot)].epoch;
  Prepare(LaneOf(slot), Local(slot));
}

void PoolState::CountCheckout(TimePoint since, TimePoint now, bool waited, bool handed_off) {
  ++stats_.checkouts;
  if (waited) ++stats_.waited;
  if (handed_off) ++stats_.handed_off;
  stats_.wait.Add(now - since);
}

void PoolState::EmitCheckout(int slot, Duration waited, SourceLine where, TimePoint now) {
  Event event = MakeEvent(EventKind::kCheckout, slot, now);
  event.span = waited;
  event.where = where;
  Emit(event);
}

void PoolState::EmitRefused(const absl::Status& refusal, SourceLine where, TimePoint now) {
  if (observer_ == nullptr) return;
  Event event = MakeEvent(EventKind::kRefused, -1, now);
  event.where = where;
  event.status = &refusal;
  Emit(event);
}

}  // namespace roost::internal
