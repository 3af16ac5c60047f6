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

absl::Status PoolState::PerformAll(size_t lane, core::Work work, core::Waiter* driver,
                                   Deadline deadline, const Holding* returning) {
  absl::Status open_error;
  while (work) {
    const int slot = Global(lane, work.slot);
    core::WorkResult result;
    const TimePoint began = platform_.Now();
    absl::Status status = Perform(lane, work, deadline, began, result);
    const TimePoint now = platform_.Now();
    if (observer_ != nullptr) EmitBefore(slot, work, status, now);
    // The end of the lease, told while the slot is nobody else's.
    if (returning != nullptr && (work.act == Act::kClose || status.ok())) {
      EmitCheckin(slot, now, *returning);
      returning = nullptr;
    }
    Wakes wakes;
    core::Work next;
    TimePoint retry_at{};
    {
      MutexLock lock(mu_);
      Count(lane, work, status, now);
      next = lanes_[lane].Done(work, result, driver, now);
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
    if (work.act == Act::kOpen && !status.ok()) open_error = std::move(status);
    work = next;
  }
  return open_error;
}

// One Work, with the lock free. Fills what the core wants to know of it.
absl::Status PoolState::Perform(size_t lane, const core::Work& work, Deadline deadline,
                                TimePoint began, core::WorkResult& result) {
  const int slot = Global(lane, work.slot);
  Connection* const connection = At(slot).connection;
  absl::Status status;
  switch (work.act) {
    case Act::kNone:
      break;
    case Act::kOpen: {
      const Deadline full = Deadline::After(began, settings_.open_timeout);
      status = Open(lane, slot, std::min(deadline, full));
      result.cut_short = deadline < full && status.code() == absl::StatusCode::kDeadlineExceeded;
      break;
    }
    case Act::kPing: {
      const Deadline full = Deadline::After(began, settings_.ping_timeout);
      status = connection->Ping(std::min(deadline, full));
      result.cut_short = deadline < full && status.code() == absl::StatusCode::kDeadlineExceeded;
      break;
    }
    case Act::kUpkeep:
      status = connection->Upkeep(Deadline::After(began, settings_.ping_timeout));
      break;
    case Act::kReset:
      status = connection->Reset(Deadline::After(began, settings_.reset_timeout));
      break;
    case Act::kClose:
      CloseConnection(slot, work.reason, began);
      break;
  }
  result.ok = status.ok();
  result.began = began;
  if (work.act == Act::kOpen) {
    result.permanent = NeedsPerson(status);
    result.random = platform_.Random();
  }
  return status;
}

absl::Status PoolState::Open(size_t lane, int slot, Deadline deadline) {
  OpenRequest request;
  request.role = role_[lane];
  request.memory = {At(slot).memory, connection_bytes_, settings_.statements};
  request.platform = &platform_;
  request.deadline = deadline;
  absl::StatusOr<Connection*> connection = backend_.Open(request);
  if (!connection.ok()) return connection.status();
  At(slot).connection = *connection;
  return absl::OkStatus();
}

void PoolState::CloseConnection(int slot, CloseReason reason, TimePoint now) {
  if (observer_ != nullptr && reason == CloseReason::kRecycled) {
    Emit(MakeEvent(EventKind::kRecycle, slot, now));
  }
  Connection* const connection = At(slot).connection;
  connection->Close();
  connection->~Connection();
  At(slot).connection = nullptr;
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
    case Act::kUpkeep:
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
  if (work.act == Act::kUpkeep) reason = CloseReason::kUpkeepFailed;
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
    const std::atomic<uint32_t>* const word = &waiter->word;
    // Release: the owner reads the outcome without the lock. The last access to a decided node.
    waiter->word.store(decided ? PoolWaiter::kDecided : PoolWaiter::kLook,
                       std::memory_order_release);
    AddWake(wakes, word);
  }
  if (lanes_[lane].TakeHousekeeperWanted() && keeper_ != nullptr) {
    AddWake(wakes, keeper_->NoteCall());
  }
}

void PoolState::AddWake(Wakes& wakes, const std::atomic<uint32_t>* word) {
  if (wakes.count < Wakes::kMany) {
    wakes.words[wakes.count++] = word;
  } else {
    platform_.Wake(word);
  }
}

void PoolState::NoteDrained(Wakes& wakes) {
  if (!stats_.closed || !Drained()) return;
  drained_word_.fetch_add(1, std::memory_order_release);
  AddWake(wakes, &drained_word_);
}

void PoolState::Deliver(Wakes& wakes) {
  for (size_t i = 0; i < wakes.count; ++i) platform_.Wake(wakes.words[i]);
  wakes.count = 0;
}

}  // namespace roost::internal
