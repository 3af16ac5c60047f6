// pool/executor.cc - performs one action after the other, and reports each to the core.

#include "pool/executor.h"

#include <algorithm>

#include "base/duration.h"
#include "base/text.h"
#include "roost/internal/connection_access.h"
#include "roost/next_step.h"

namespace roost::internal {

using core::ActionKind;

namespace {

void RecordOpenError(Lane& lane, const absl::Status& status, TimePoint now)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  OpenErrors& errors = lane.errors();
  if (lane.core().availability().failures() == 0) errors.away_since = now;
  errors.last = status;
  errors.told = absl::OkStatus();
  errors.failed_at = now;
}

// What callers are refused with until the next try.
absl::Status WithNextTry(const absl::Status& status, Duration in) {
  BoundedText<48> next;
  next.Add("; the next try is within ", Spoken{in});
  return WithMessage(status, Concat({MessageOf(status), next}));
}

// True for a code that does not pass by itself: a person has to change a setting, a password, a card.
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

CloseReason WhyInvalid(ActionKind failed) {
  if (failed == ActionKind::kPing) return CloseReason::kPingFailed;
  if (failed == ActionKind::kMaintain) return CloseReason::kUpkeepFailed;
  if (failed == ActionKind::kReset) return CloseReason::kResetFailed;
  return CloseReason::kNone;
}

}  // namespace

absl::Status Executor::Execute(Lane& lane, core::Action action, ActionContext context) {
  absl::Status open_error;
  while (action) {
    if (context.waiter != nullptr && action.kind == ActionKind::kOpen) {
      context.waiter->has_opened = true;
    }
    if (RunsInSteps(action, context)) {
      action = StartStepped(lane, action, context);
      continue;
    }
    core::ActionResult result;
    result.began_at = config_.platform.Now();
    absl::Status status = ExecuteOne(lane, action, context, result);
    const core::Action next = Complete(lane, action, status, result, context);
    if (action.kind == ActionKind::kOpen && !status.ok()) open_error = std::move(status);
    action = next;
  }
  return open_error;
}

bool Executor::RunsInSteps(const core::Action& action, const ActionContext& context) const {
  return (action.kind == ActionKind::kOpen || action.kind == ActionKind::kPing) &&
         !context.may_wait && config_.settings.constants().open_by == OpenBy::kHousekeeper;
}

// Performs one action, with the lock free. Fills in what the core wants to know about it.
absl::Status Executor::ExecuteOne(Lane& lane, const core::Action& action,
                                  const ActionContext& context, core::ActionResult& result) {
  Connection* const connection = lane.ConnectionIn(action.slot);
  const TimePoint began_at = result.began_at;
  switch (action.kind) {
    case ActionKind::kNone:
      break;
    case ActionKind::kOpen:
    case ActionKind::kPing: {
      const Deadline full = FullDeadline(action, began_at);
      const Deadline deadline = std::min(context.deadline, full);
      // An open always goes by steps, a ping only for a waiter, which may be cancelled between them.
      absl::Status status =
          action.kind == ActionKind::kPing && context.waiter == nullptr
              ? ConnectionAccess::Ping(*connection, deadline)
              : WaitForSteps(lane, action.slot,
                             BeginSteps(lane, action, deadline, began_at, result.fault_scope),
                             deadline, context);
      if (action.kind == ActionKind::kOpen && !status.ok()) {
        result.fault_scope = std::max(result.fault_scope, CloseFailedOpen(lane, action.slot));
      }
      result.cut_short = absl::IsCancelled(status) ||
                         (deadline < full && status.code() == absl::StatusCode::kDeadlineExceeded);
      const bool judged = action.kind == ActionKind::kOpen && !result.cut_short;
      return judged ? AsOpenError(std::move(status)) : status;
    }
    case ActionKind::kMaintain:
    case ActionKind::kReset: {
      absl::Status status =
          action.kind == ActionKind::kMaintain
              ? ConnectionAccess::Maintain(
                    *connection, Deadline::After(began_at, config_.settings.ping_timeout()))
              : ConnectionAccess::Reset(
                    *connection, Deadline::After(began_at, config_.settings.reset_timeout()));
      if (!status.ok()) result.fault_scope = ConnectionAccess::fault_scope(*connection);
      return status;
    }
    case ActionKind::kClose:
      CloseConnection(lane, action.slot, action.reason, began_at);
      break;
  }
  return absl::OkStatus();
}

Deadline Executor::FullDeadline(const core::Action& action, TimePoint began_at) const {
  return Deadline::After(began_at, action.kind == ActionKind::kOpen
                                       ? config_.settings.open_timeout()
                                       : config_.settings.ping_timeout());
}

// Begins an open or a ping. Returns its first step, or its error; of an open that fails at once, which
// existing connections it concerns.
absl::StatusOr<Step> Executor::BeginSteps(Lane& lane, const core::Action& action, Deadline deadline,
                                          TimePoint now, FaultScope& fault_scope) {
  Connection*& slot_connection = lane.ConnectionIn(action.slot);
  if (action.kind == ActionKind::kPing) {
    return ConnectionAccess::BeginPing(*slot_connection, deadline);
  }
  OpenRequest request;
  request.role = lane.role();
  request.memory = {lane.MemoryOf(action.slot), config_.connection_bytes,
                    config_.settings.constants().statements};
  request.pool = {.pool = &config_, .capacity = config_.settings.capacity()};
  request.platform = &config_.platform;
  request.deadline = deadline;
  request.tcp_timers = config_.settings.constants().tcp_timers;
  request.fault_scope = &fault_scope;
  absl::StatusOr<Connection*> connection = config_.backend.Open(request);
  if (!connection.ok()) return connection.status();
  slot_connection = *connection;
  ConnectionAccess::KeepRecordIn(*slot_connection, lane.slot(action.slot));
  ConnectionAccess::WatchForks(*slot_connection, config_.platform.Forks());
  if (wrapper_ != nullptr) {
    slot_connection = wrapper_->Wrap(lane.NumberOf(action.slot), *slot_connection);
  }
  return ConnectionAccess::Advance(*slot_connection, now);
}

// Continues to the end, waiting. Between two waits it checks whether the context's waiter still needs
// what it opens: not after Cancel or Close, and not once it has taken what another holder returned.
absl::Status Executor::WaitForSteps(Lane& lane, uint8_t slot, absl::StatusOr<Step> step,
                                    Deadline deadline, const ActionContext& context) {
  // An open that takes longer than that is likely to hang.
  constexpr Duration kLong = std::chrono::seconds(1);
  constexpr Duration kFirstCheck = std::chrono::milliseconds(10);
  constexpr Duration kLastCheck = std::chrono::milliseconds(80);
  Platform& platform = config_.platform;
  const TimePoint long_at = core::Later(platform.Now(), kLong);
  Duration check_after = kFirstCheck;
  bool late = false;
  while (step.ok() && !step->done) {
    if (late) {
      return absl::DeadlineExceededError(
          "the backend did not end an open at its deadline (a bug of the backend)");
    }
    const TimePoint now = platform.Now();
    late = deadline.HasPassed(now);
    const Deadline until = std::min(step->at, deadline);
    const Deadline check = context.waiter == nullptr ? until : Deadline::After(now, check_after);
    platform.WaitForDescriptors({&step->wait, 1}, std::min(until, check));
    const TimePoint woken_at = platform.Now();
    if (context.waiter != nullptr && !late && !step->wait.seen.any() &&
        !until.HasPassed(woken_at)) {
      check_after = std::min(check_after * 2, kLastCheck);
      LaneGuard guard(lanes_, lane);
      if (lane.NeedsNoOpen(*context.waiter, woken_at >= long_at, woken_at)) {
        return absl::CancelledError("");  // a text would be allocated
      }
      continue;
    }
    step = ConnectionAccess::Advance(*lane.ConnectionIn(slot), woken_at);
  }
  return step.status();
}

// What the callers of a failed open are told. The pool's own time-out: the database is away. A unique
// key is taken: of what an open runs (a schema, on_connect), and nothing of a caller's is stored.
absl::Status Executor::AsOpenError(absl::Status status) {
  if (absl::IsDeadlineExceeded(status)) return absl::UnavailableError(status.message());
  if (!absl::IsAlreadyExists(status)) return status;
  absl::Status wrong = absl::InvalidArgumentError(status.message());
  status.ForEachPayload([&wrong](absl::string_view type, const absl::Cord& payload) {
    // Copied as text: the copy of a Cord would make programs need one more shared library.
    wrong.SetPayload(type, absl::Cord(static_cast<std::string>(payload)));
  });
  return wrong;
}

// Closes what a failed open has left. Returns which existing connections the failure concerns.
FaultScope Executor::CloseFailedOpen(Lane& lane, uint8_t slot) {
  Connection*& connection = lane.ConnectionIn(slot);
  if (connection == nullptr) return FaultScope::kStatement;
  const FaultScope scope = ConnectionAccess::fault_scope(*connection);
  ConnectionAccess::CloseAndDestroy(connection);
  return scope;
}

// Reports how `action` ended to the core, the counters, the observer and the waiters. Returns what
// this thread has to do next: in the same critical section.
core::Action Executor::Complete(Lane& lane, const core::Action& action, const absl::Status& status,
                                core::ActionResult& result, ActionContext& context) {
  const TimePoint now = config_.platform.Now();
  const bool is_open = action.kind == ActionKind::kOpen;
  result.ok = status.ok();
  if (is_open) {
    result.permanent = NeedsPerson(status);
    result.crowded = absl::IsResourceExhausted(status);
    result.random = config_.platform.Random();
  }
  if (action.kind == ActionKind::kReset && result.ok) {
    result.wants_maintenance = ConnectionAccess::WantsMaintenance(*lane.ConnectionIn(action.slot));
  }
  EmitBefore(lane, action, status, result.began_at, now);
  // The observer hears of the lease's end before another caller can have the slot.
  if (context.returning != nullptr && (action.kind == ActionKind::kClose || status.ok())) {
    recorder_.EmitCheckin(lane.SubjectOf(lane.slot(action.slot), now), *context.returning, now);
    context.returning = nullptr;
  }
  const bool left_open_ends = action.kind == ActionKind::kClose || (is_open && !result.ok);
  const bool goes_on =
      left_open_ends && !context.is_tick && config_.backend.Continue(now) != TimePoint::max();
  WakeList wakes(config_.platform);
  core::Action next;
  TimePoint retry_at{};
  {
    LaneGuard guard(lanes_, lane, &wakes);
    // A connection that was marked already died of what marked it.
    if (!is_open && lane.slot(action.slot).is_marked()) result.fault_scope = FaultScope::kStatement;
    if (result.fault_scope != FaultScope::kStatement) {
      guard.TakeBoth();
      lanes_.MarkSiblings(result.fault_scope, now);
    }
    recorder_.CountAction(action, result.ok);
    if (is_open && result.ok) recorder_.counts().create.Add(now - result.began_at);
    if (is_open && !result.ok && !absl::IsCancelled(status)) RecordOpenError(lane, status, now);
    next = lane.core().OnActionDone(action, result, context.waiter, now);
    // It may linger, and the last Tick did not promise to come back for that.
    const bool may_linger =
        is_open && result.ok && config_.settings.get().linger > Duration::zero();
    if (may_linger && !context.is_tick && lane.core().slots().has_overflow()) {
      wakes.Add(lanes_.housekeeper());
    }
    retry_at = lane.core().availability().retry_at();
    if (!next && context.waiter != nullptr) next = lane.NextFor(*context.waiter, now);
    // This thread's own waiter, too, for Acquisition::Perform. And before the thread that closes the
    // pool.
    guard.NotifyWaiters();
    lanes_.WakeCloserIfDrained(guard.wakes());
    if (goes_on) wakes.Add(lanes_.housekeeper());
  }
  if (is_open && !result.ok) {
    TellNextTry(lane, status, now);
    recorder_.EmitConnectFailed({.slot = lane.NumberOf(action.slot)}, status,
                                Deadline::At(retry_at).Left(now), now);
  }
  wakes.WakeAll();
  if (result.fault_scope == FaultScope::kAllOlder) CloseEvicted();
  return next;
}

// The open that failed `now` with `status`: writes down what callers are refused with until the next try. The
// text is made with the lock free.
void Executor::TellNextTry(Lane& lane, const absl::Status& status, TimePoint now) {
  Duration in{};
  {
    PoolMutexLock lock(lanes_.mu());
    const core::Availability& availability = lane.core().availability();
    if (!availability.is_away() || lane.errors().failed_at != now) return;
    in = availability.retry_at() - now;
  }
  absl::Status told = WithNextTry(status, in);
  PoolMutexLock lock(lanes_.mu());
  if (lane.errors().failed_at == now) lane.errors().told = std::move(told);
}

// Events that must come before the slot may be another caller's.
void Executor::EmitBefore(Lane& lane, const core::Action& action, const absl::Status& status,
                          TimePoint began_at, TimePoint now) {
  if (!recorder_.watched()) return;
  const core::Slot& slot = lane.slot(action.slot);
  if (!status.ok()) {
    const CloseReason reason = WhyInvalid(action.kind);
    if (reason == CloseReason::kNone) return;
    return recorder_.EmitWithReason(EventKind::kInvalidate, lane.RestedSubjectOf(slot, now), reason,
                                    now, &status);
  }
  if (action.kind == ActionKind::kReset) {
    recorder_.Emit(EventKind::kReset, lane.SubjectOf(slot, now), now);
  }
  if (action.kind == ActionKind::kOpen) {
    recorder_.EmitConnected({.slot = lane.NumberOf(slot), .age = now - began_at}, now);
  }
}

void Executor::CloseConnection(Lane& lane, uint8_t slot, CloseReason reason, TimePoint now) {
  const core::Slot& record = lane.slot(slot);
  if (reason == CloseReason::kRecycled) {
    recorder_.Emit(EventKind::kRecycle, lane.RestedSubjectOf(record, now), now);
  }
  ConnectionAccess::CloseAndDestroy(lane.ConnectionIn(slot));
  if (!recorder_.watched()) return;
  const TimePoint closed_at = config_.platform.Now();
  recorder_.EmitWithReason(EventKind::kClose, lane.RestedSubjectOf(record, closed_at), reason,
                           closed_at);
}

void Executor::CloseEvicted(Lane& lane) {
  for (;;) {
    core::Action action;
    {
      LaneGuard guard(lanes_, lane);
      action = lane.core().NextEvicted();
    }
    if (!action) return;
    Execute(lane, action, {}).IgnoreError();
  }
}

void Executor::CloseEvicted() {
  const std::span<Lane> lanes = lanes_.all();
  for (size_t i = lanes.size(); i-- > 0;) CloseEvicted(lanes[i]);
}

}  // namespace roost::internal
