// pool/stepped_actions.cc - opens and pings that continue in steps, so that neither the housekeeping
// loop nor a caller's loop waits for a server.

#include <algorithm>
#include <utility>

#include "pool/executor.h"
#include "roost/internal/connection_access.h"

namespace roost::internal {

using core::ActionKind;

// Begins `action` and leaves the rest to Tick. Returns what this thread has to do next. Meanwhile its
// waiter can be served like any other.
core::Action Executor::StartStepped(Lane& lane, const core::Action& action,
                                    ActionContext& context) {
  const int slot = lane.NumberOf(action.slot);
  const TimePoint now = config_.platform.Now();
  const Deadline deadline = FullDeadline(action, now);
  {
    PoolMutexLock lock(lanes_.mu());
    At(slot) = {.action = action, .busy = true, .began_at = now, .deadline = deadline, .step = {}};
    ++stepping_;
    if (context.waiter != nullptr) context.waiter->performing = false;
  }
  PoolWaiter* const waiter = std::exchange(context.waiter, nullptr);
  FaultScope scope = FaultScope::kStatement;
  absl::StatusOr<Step> step = BeginSteps(lane, action, deadline, now, scope);
  const core::Action next = RecordStep(slot, std::move(step), context, scope);
  context.waiter = waiter;
  if (next || waiter == nullptr) return next;
  LaneGuard guard(lanes_, lane);
  return lane.NextFor(*waiter, config_.platform.Now());
}

// Keeps `step` for the next Tick, or ends the action.
core::Action Executor::RecordStep(int slot, absl::StatusOr<Step> step, ActionContext& context,
                                  FaultScope fault_scope) {
  const bool continues = step.ok() && !step->done;
  SteppedAction ended;
  WakeList wakes(config_.platform);
  bool kept = false;
  {
    PoolMutexLock lock(lanes_.mu());
    SteppedAction& stepped = At(slot);
    kept = continues && !lanes_.is_closed();
    if (kept) {
      stepped.step = *step;
      stepped.busy = false;
      if (!context.is_tick) wakes.Add(lanes_.housekeeper());
    } else {
      ended = std::exchange(stepped, {});
      --stepping_;
    }
  }
  wakes.WakeAll();
  if (kept) return {};
  return EndStepped(lanes_.OfSlot(slot), ended, continues ? refusals_.closed : step.status(),
                    context, fault_scope);
}

core::Action Executor::EndStepped(Lane& lane, const SteppedAction& stepped, absl::Status status,
                                  ActionContext& context, FaultScope fault_scope) {
  const core::Action& action = stepped.action;
  core::ActionResult result;
  result.fault_scope = fault_scope;
  result.began_at = stepped.began_at;
  result.cut_short = status == refusals_.closed;
  if (action.kind == ActionKind::kOpen) {
    if (!status.ok()) {
      result.fault_scope = std::max(fault_scope, CloseFailedOpen(lane, action.slot));
    }
    status = AsOpenError(std::move(status));
  }
  return Complete(lane, action, status, result, context);
}

void Executor::ContinueSteps(TimePoint now) {
  {
    PoolMutexLock lock(lanes_.mu());
    if (stepping_ == 0) return;
  }
  for (int slot = 0; slot < static_cast<int>(stepped_.size()); ++slot) {
    if (!TakeStep(slot, now)) continue;
    Lane& lane = lanes_.OfSlot(slot);
    ActionContext context{.is_tick = true};
    Connection& connection = *lane.ConnectionIn(lanes_.LocalOf(slot));
    absl::StatusOr<Step> step = ConnectionAccess::Advance(connection, config_.platform.Now());
    const core::Action next = RecordStep(slot, std::move(step), context);
    Execute(lane, next, context).IgnoreError();
  }
}

// True: the action of `slot` can continue, and this thread has it to itself.
bool Executor::TakeStep(int slot, TimePoint now) {
  SteppedAction& stepped = At(slot);
  DescriptorWait wait;
  {
    PoolMutexLock lock(lanes_.mu());
    if (stepped.action.kind == ActionKind::kNone || stepped.busy) return false;
    stepped.busy = true;
    if (std::min(stepped.step.at, stepped.deadline).HasPassed(now)) return true;
    wait = stepped.step.wait;
  }
  config_.platform.WaitForDescriptors({&wait, 1}, Deadline::Past());
  if (wait.seen.any()) return true;
  PoolMutexLock lock(lanes_.mu());
  if (lanes_.is_closed()) return true;  // AbortSteps has passed it over: it ends here
  stepped.busy = false;
  return false;
}

void Executor::AbortSteps() {
  for (int slot = 0; slot < static_cast<int>(stepped_.size()); ++slot) {
    SteppedAction ended;
    {
      PoolMutexLock lock(lanes_.mu());
      SteppedAction& stepped = At(slot);
      if (stepped.action.kind == ActionKind::kNone || stepped.busy) continue;
      ended = std::exchange(stepped, {});
      --stepping_;
    }
    Lane& lane = lanes_.OfSlot(slot);
    ActionContext context;
    const core::Action next = EndStepped(lane, ended, refusals_.closed, context);
    Execute(lane, next, context).IgnoreError();
  }
}

TimePoint Executor::NextStepAt() const {
  TimePoint next = TimePoint::max();
  if (stepping_ == 0) return next;
  for (const SteppedAction& stepped : stepped_) {
    if (stepped.action.kind == ActionKind::kNone || stepped.busy) continue;
    next = std::min({next, stepped.step.at.time(), stepped.deadline.time()});
  }
  return next;
}

int Executor::Descriptors(std::span<DescriptorWait> out) const {
  PoolMutexLock lock(lanes_.mu());
  size_t count = 0;
  if (stepping_ == 0) return 0;
  for (const SteppedAction& stepped : stepped_) {
    if (stepped.action.kind == ActionKind::kNone || stepped.busy || stepped.step.wait.fd < 0) {
      continue;
    }
    if (count < out.size()) out[count] = stepped.step.wait;
    ++count;
  }
  return static_cast<int>(count);
}

}  // namespace roost::internal
