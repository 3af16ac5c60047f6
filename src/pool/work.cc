// work.cc - doing what the core decides: open, ping, tend, reset, close; and telling everybody.

#include <algorithm>

#include "pool/pool_state.h"

namespace roost::internal {

using core::Act;

namespace {

// Codes that do not pass by themselves: somebody has to change a setting, a password, a card.
bool NeedsPerson(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::Status PoolState::PerformAll(size_t lane, core::Work work, Doer doer) {
  absl::Status open_error;
  while (work) {
    if (GoesInSteps(work, doer)) {
      work = StartStepped(lane, work, doer);
      continue;
    }
    core::WorkResult result;
    absl::Status status = Perform(lane, work, doer, platform_.Now(), result);
    const core::Work next = Complete(lane, work, status, result, doer);
    if (work.act == Act::kOpen && !status.ok()) open_error = std::move(status);
    work = next;
  }
  return open_error;
}

core::Work PoolState::Complete(size_t lane, const core::Work& work, const absl::Status& status,
                               core::WorkResult& result, Doer& doer) {
  const int slot = Global(lane, work.slot);
  const TimePoint now = platform_.Now();
  result.ok = status.ok();
  if (work.act == Act::kOpen) {
    result.permanent = NeedsPerson(status);
    result.crowded = absl::IsResourceExhausted(status);
    result.random = platform_.Random();
  }
  if (observer_ != nullptr) EmitBefore(slot, work, status, now);
  // The end of the lease, told while the slot is nobody else's.
  if (doer.returning != nullptr && (work.act == Act::kClose || status.ok())) {
    EmitCheckin(slot, now, *doer.returning);
    doer.returning = nullptr;
  }
  Wakes wakes;
  core::Work next;
  TimePoint retry_at{};
  {
    Monitor monitor(mu_, *this,
                    result.fault_scope == FaultScope::kStatement ? Only(lane) : kBothLanes);
    Count(lane, work, status, now);
    Spread(result.fault_scope, now);
    next = lanes_[lane].Done(work, result, doer.driver, now);
    retry_at = lanes_[lane].retry_at();
    Collect(lane, wakes);
    NoteDrained(wakes);
  }
  if (observer_ != nullptr && work.act == Act::kOpen && !status.ok()) {
    Event event = MakeEvent(EventKind::kConnectFailed, slot, now);
    event.status = &status;
    event.span = Deadline::At(retry_at).Left(now);
    Emit(event);
  }
  Deliver(wakes);
  return next;
}

// One Work, with the lock free. Fills what the core wants to know of it.
absl::Status PoolState::Perform(size_t lane, const core::Work& work, const Doer& doer,
                                TimePoint began, core::WorkResult& result) {
  const int slot = Global(lane, work.slot);
  Connection* const connection = ConnectionAt(slot);
  result.began = began;
  switch (work.act) {
    case Act::kNone:
      break;
    case Act::kOpen:
    case Act::kPing: {
      const Deadline full = FullDeadline(work, began);
      const Deadline deadline = std::min(doer.deadline, full);
      absl::Status status =
          work.act == Act::kPing
              ? connection->Ping(deadline)
              : WaitOut(slot, BeginStepped(lane, work, deadline, began), deadline);
      if (work.act == Act::kOpen && !status.ok()) result.fault_scope = Drop(slot);
      result.cut_short = deadline < full && status.code() == absl::StatusCode::kDeadlineExceeded;
      return result.cut_short ? status : Judged(work, std::move(status));
    }
    case Act::kMaintain:
      return connection->Maintain(Deadline::After(began, settings_.ping_timeout));
    case Act::kReset:
      return connection->Reset(Deadline::After(began, settings_.reset_timeout));
    case Act::kClose:
      CloseConnection(slot, work.reason, began);
      break;
  }
  return absl::OkStatus();
}

void PoolState::CloseConnection(int slot, CloseReason reason, TimePoint now) {
  if (observer_ != nullptr && reason == CloseReason::kRecycled) {
    Emit(MakeEvent(EventKind::kRecycle, slot, now));
  }
  Connection* const connection = ConnectionAt(slot);
  connection->Close();
  connection->~Connection();
  ConnectionAt(slot) = nullptr;
  if (observer_ == nullptr) return;
  Event event = MakeEvent(EventKind::kClose, slot, platform_.Now());
  event.reason = reason;
  Emit(event);
}

void PoolState::Count(size_t lane, const core::Work& work, const absl::Status& status,
                      TimePoint now) {
  const bool ok = status.ok();
  switch (work.act) {
    case Act::kNone:
      break;
    case Act::kOpen:
      ++(ok ? stats_.opens : stats_.open_failures);
      if (!ok && lanes_[lane].failures() == 0) away_since_[lane] = now;
      if (ok) break;
      last_error_[lane] = status;
      failed_at_[lane] = now;
      break;
    case Act::kPing:
      ++stats_.pings;
      if (!ok) ++stats_.ping_failures;
      if (!ok) ++stats_.invalidations;
      break;
    case Act::kMaintain:
      ++stats_.upkeeps;
      if (!ok) ++stats_.invalidations;
      break;
    case Act::kReset:
      ++stats_.resets;
      if (!ok) ++stats_.reset_failures;
      if (!ok) ++stats_.invalidations;
      break;
    case Act::kClose:
      ++stats_.closes[static_cast<size_t>(work.reason)];
      if (work.reason == CloseReason::kRecycled) ++stats_.recycles;
      break;
  }
}

// Events that have to come before the slot may be somebody else's.
void PoolState::EmitBefore(int slot, const core::Work& work, const absl::Status& status,
                           TimePoint now) {
  if (work.act == Act::kReset && status.ok()) Emit(MakeEvent(EventKind::kReset, slot, now));
  if (work.act == Act::kOpen && status.ok()) {
    mu_.Lock();
    const bool first = !connected_before_;
    connected_before_ = true;
    mu_.Unlock();
    if (first) Emit(MakeEvent(EventKind::kFirstConnect, slot, now));
    Emit(MakeEvent(EventKind::kConnect, slot, now));
  }
  if (status.ok()) return;
  CloseReason reason = CloseReason::kNone;
  if (work.act == Act::kPing) reason = CloseReason::kPingFailed;
  if (work.act == Act::kMaintain) reason = CloseReason::kUpkeepFailed;
  if (work.act == Act::kReset) reason = CloseReason::kResetFailed;
  if (reason == CloseReason::kNone) return;
  Event event = MakeEvent(EventKind::kInvalidate, slot, now);
  event.reason = reason;
  event.status = &status;
  Emit(event);
}

// ---- Telling waiters ----------------------------------------------------------------------------

void PoolState::Collect(size_t lane, Wakes& wakes) {
  while (core::Waiter* const node = lanes_[lane].NextNotice()) {
    auto* const waiter = static_cast<PoolWaiter*>(node);
    const bool decided = waiter->outcome != core::Outcome::kWaiting;
    if (waiter->outcome == core::Outcome::kGranted) {
      NoteLent(Global(lane, waiter->slot));
      if (!waiter->probe) {
        CountCheckout(waiter->since, platform_.Now(), waiter->slept, waiter->handed_off);
      }
    }
    Wakes::One one{.word = &waiter->word, .waker = waiter->waker, .call = {}};
    // Whoever is not asleep takes the lock before it sleeps, and sees.
    const bool wake = waiter->asleep && (one.waker == nullptr || one.waker->Announce(one.call));
    waiter->asleep = false;
    // Release: the owner reads the outcome without the lock. The last access to a decided node.
    waiter->word.store(decided ? PoolWaiter::kDecided : PoolWaiter::kLook,
                       std::memory_order_release);
    if (wake) AddWake(wakes, one);
  }
  if (lanes_[lane].TakeHousekeeperWanted()) CallHousekeeper(wakes);
}

void PoolState::CallHousekeeper(Wakes& wakes) {
  Wakes::One one{.word = nullptr, .waker = &work_waker_, .call = {}};
  if (work_waker_.Announce(one.call)) AddWake(wakes, one);
}

void PoolState::AddWake(Wakes& wakes, const Wakes::One& one) {
  if (wakes.count < Wakes::kMany) {
    wakes.ones[wakes.count++] = one;
  } else {
    Wake(one);
  }
}

void PoolState::Wake(const Wakes::One& one) {
  if (one.waker != nullptr) {
    one.waker->Ring(one.call, platform_);
  } else {
    platform_.Wake(one.word);
  }
}

void PoolState::NoteDrained(Wakes& wakes) {
  if (!stats_.closed || !Drained()) return;
  drained_word_.fetch_add(1, std::memory_order_release);
  AddWake(wakes, {.word = &drained_word_, .waker = nullptr, .call = {}});
}

void PoolState::Deliver(Wakes& wakes) {
  for (size_t i = 0; i < wakes.count; ++i) Wake(wakes.ones[i]);
  wakes.count = 0;
}

}  // namespace roost::internal
