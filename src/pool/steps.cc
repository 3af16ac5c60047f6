// steps.cc - works that take round trips, gone on with in steps, so that neither the housekeeping
// loop nor a caller's loop waits for a server.

#include <algorithm>

#include "pool/pool_state.h"

namespace roost::internal {

using core::Act;

bool PoolState::GoesInSteps(const core::Work& work, const Doer& doer) const {
  return (work.act == Act::kOpen || work.act == Act::kPing) && !doer.may_wait &&
         settings_.open_by == OpenBy::kHousekeeper;
}

Deadline PoolState::FullDeadline(const core::Work& work, TimePoint began) const {
  return Deadline::After(began,
                         work.act == Act::kOpen ? settings_.open_timeout : settings_.ping_timeout);
}

absl::StatusOr<Step> PoolState::BeginStepped(size_t lane, const core::Work& work, Deadline deadline,
                                             TimePoint now) {
  SlotConnection& at = At(Global(lane, work.slot));
  Connection*& slot_connection = ConnectionAt(Global(lane, work.slot));
  if (work.act == Act::kPing) return slot_connection->BeginPing(deadline);
  OpenRequest request;
  request.role = role_[lane];
  request.memory = {at.memory, connection_bytes_, settings_.statements};
  request.platform = &platform_;
  request.deadline = deadline;
  request.tcp_timers = settings_.tcp_timers;
  absl::StatusOr<Connection*> connection = backend_.Open(request);
  if (!connection.ok()) return connection.status();
  slot_connection = *connection;
  slot_connection->KeepRecordIn(FastAt(Global(lane, work.slot)));
  return slot_connection->Advance(now);
}

absl::Status PoolState::WaitOut(int slot, absl::StatusOr<Step> step, Deadline deadline) {
  bool late = false;
  while (step.ok() && !step->done) {
    if (late) {
      return absl::DeadlineExceededError(
          "the backend did not end an open at its deadline (a bug of the backend)");
    }
    late = deadline.HasPassed(platform_.Now());
    platform_.WaitForDescriptors({&step->wait, 1}, std::min(step->at, deadline));
    step = ConnectionAt(slot)->Advance(platform_.Now());
  }
  return step.status();
}

absl::Status PoolState::Judged(const core::Work& work, absl::Status status) {
  if (work.act != Act::kOpen || !absl::IsDeadlineExceeded(status)) return status;
  return absl::UnavailableError(status.message());
}

FaultScope PoolState::Drop(int slot) {
  Connection*& connection = ConnectionAt(slot);
  if (connection == nullptr) return FaultScope::kStatement;
  const FaultScope scope = connection->fault_scope();
  connection->Close();
  connection->~Connection();
  connection = nullptr;
  return scope;
}

core::Work PoolState::StartStepped(size_t lane, const core::Work& work, Doer& doer) {
  const int slot = Global(lane, work.slot);
  const TimePoint now = platform_.Now();
  const Deadline deadline = FullDeadline(work, now);
  {
    MutexLock lock(mu_);
    At(slot).stepped = {.work = work, .busy = true, .began = now, .deadline = deadline, .step = {}};
    ++stepping_;
  }
  return NoteStep(lane, slot, BeginStepped(lane, work, deadline, now), doer);
}

// Keeps `step` for the next Tick, or ends the work.
core::Work PoolState::NoteStep(size_t lane, int slot, absl::StatusOr<Step> step, Doer& doer) {
  const bool goes_on = step.ok() && !step->done;
  SteppedWork ended;
  {
    Wakes wakes;
    mu_.Lock();
    SteppedWork& stepped = At(slot).stepped;
    const bool kept = goes_on && !stats_.closed;
    if (kept) {
      stepped.step = *step;
      stepped.busy = false;
      if (!doer.is_tick) CallHousekeeper(wakes);
    } else {
      ended = std::exchange(stepped, {});
      --stepping_;
    }
    mu_.Unlock();
    Deliver(wakes);
    if (kept) return {};
  }
  return EndStepped(lane, ended, goes_on ? closed_ : step.status(), doer);
}

core::Work PoolState::EndStepped(size_t lane, const SteppedWork& stepped, absl::Status status,
                                 Doer& doer) {
  core::WorkResult result;
  result.began = stepped.began;
  result.cut_short = status == closed_;
  const core::Work& work = stepped.work;
  if (work.act == Act::kOpen && !status.ok()) result.fault_scope = Drop(Global(lane, work.slot));
  return Complete(lane, work, Judged(work, std::move(status)), result, doer);
}

void PoolState::GoOnWithSteps(TimePoint now) {
  {
    MutexLock lock(mu_);
    if (stepping_ == 0) return;
  }
  for (int slot = 0; slot < settings_.capacity(); ++slot) {
    if (!TakeStep(slot, now)) continue;
    const size_t lane = LaneOf(slot);
    Doer doer{.is_tick = true};
    absl::StatusOr<Step> step = ConnectionAt(slot)->Advance(platform_.Now());
    const core::Work next = NoteStep(lane, slot, std::move(step), doer);
    PerformAll(lane, next, doer).IgnoreError();
  }
}

// True: the work of `slot` can go on, and this thread has it to itself.
bool PoolState::TakeStep(int slot, TimePoint now) {
  SteppedWork& stepped = At(slot).stepped;
  DescriptorWait wait;
  {
    MutexLock lock(mu_);
    if (stepped.work.act == Act::kNone || stepped.busy) return false;
    stepped.busy = true;
    if (std::min(stepped.step.at, stepped.deadline).HasPassed(now)) return true;
    wait = stepped.step.wait;
  }
  platform_.WaitForDescriptors({&wait, 1}, Deadline::Past());
  if (wait.seen.any()) return true;
  MutexLock lock(mu_);
  if (stats_.closed) return true;  // AbortSteps has passed it over: it ends here
  stepped.busy = false;
  return false;
}

// The pool is closed: what nobody is inside of at this moment ends here, the rest where it is.
void PoolState::AbortSteps() {
  for (int slot = 0; slot < settings_.capacity(); ++slot) {
    SteppedWork ended;
    {
      MutexLock lock(mu_);
      SteppedWork& stepped = At(slot).stepped;
      if (stepped.work.act == Act::kNone || stepped.busy) continue;
      ended = std::exchange(stepped, {});
      --stepping_;
    }
    Doer doer;
    const core::Work next = EndStepped(LaneOf(slot), ended, closed_, doer);
    PerformAll(LaneOf(slot), next, doer).IgnoreError();
  }
}

TimePoint PoolState::NextStep() const {
  TimePoint next = TimePoint::max();
  if (stepping_ == 0) return next;
  for (const SlotConnection& slot : connections_) {
    const SteppedWork& stepped = slot.stepped;
    if (stepped.work.act == Act::kNone || stepped.busy) continue;
    next = std::min({next, stepped.step.at.time(), stepped.deadline.time()});
  }
  return next;
}

int PoolState::Descriptors(std::span<DescriptorWait> out) const {
  if (Forked()) return 0;
  MutexLock lock(mu_);
  size_t count = 0;
  if (stepping_ == 0) return 0;
  for (const SlotConnection& slot : connections_) {
    const SteppedWork& stepped = slot.stepped;
    if (stepped.work.act == Act::kNone || stepped.busy || stepped.step.wait.fd < 0) continue;
    if (count < out.size()) out[count] = stepped.step.wait;
    ++count;
  }
  return static_cast<int>(count);
}

void PoolState::Spread(FaultScope scope, TimePoint now) {
  for (core::LaneCore& lane : lanes_) {
    if (scope == FaultScope::kConnectionSuspectOlder) lane.SuspectOlder(now);
    if (scope == FaultScope::kAllOlder) lane.EvictOlder(now, CloseReason::kSuspect);
  }
}

void PoolState::SetWorkCall(WakeCallback call) {
  {
    MutexLock lock(mu_);
    work_waker_.set_call(call);
  }
  work_waker_.Settle(platform_);
}

}  // namespace roost::internal
