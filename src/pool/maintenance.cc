// pool/maintenance.cc - Tick and Fill.

#include "pool/maintenance.h"

#include <algorithm>

namespace roost::internal {
namespace {

// Of those by which an idle connection, or a lease, falls due; max(): none does.
Duration ShortestPeriod(const PoolSettings& s) {
  Duration shortest = Duration::max();
  for (const Duration d :
       {s.keep_alive, s.idle_limit, s.leak_after, s.pool_recycle - s.pool_recycle / 10}) {
    if (d > Duration::zero()) shortest = std::min(shortest, d);
  }
  return shortest;
}

}  // namespace

Maintenance::Maintenance(PoolParts& pool)
    : pool_(pool), suspended_(pool.config.platform.Suspended()) {}

TimePoint Maintenance::Tick(TimePoint now) {
  ReportLateTick(now);
  CheckForSuspend(now);
  pool_.executor.ContinueSteps(now);
  for (Lane& lane : pool_.lanes.all()) Maintain(lane, now);
  if (pool_.config.settings.leak_after() > Duration::zero()) {
    for (Lane& lane : pool_.lanes.all()) ReportLeaks(lane, now);
  }
  return PromiseNextTick(now, pool_.config.backend.Continue(now));
}

TimePoint Maintenance::PromiseNextTick(TimePoint now, TimePoint backend_at) {
  LaneGuard guard(pool_.lanes);
  TimePoint next = TimePoint::max();
  if (!pool_.lanes.is_closed()) {
    // A connection that becomes idle after this moment falls due a whole period later at the
    // earliest.
    const PoolSettings& settings = pool_.config.settings.get();
    Duration period = ShortestPeriod(settings);
    for (Lane& lane : pool_.lanes.all()) {
      next = std::min(next, lane.core().NextDue());
      // One may linger. Who opens one calls the housekeeper (Executor::Complete), so that a pool
      // without one needs no Tick for it.
      if (lane.core().slots().has_overflow()) {
        period = std::min(period, settings.linger);
      }
    }
    next = std::min({next, core::Later(now, period), pool_.executor.NextStepAt(), backend_at});
    next = std::max(next, now);
  }
  promised_tick_ = next;
  return next;
}

// Each slot is due at most twice in one call (closed, opened anew); the bound ends a loop with a
// database that fails at once.
void Maintenance::Maintain(Lane& lane, TimePoint now) {
  for (int i = 0; i <= 2 * pool_.executor.slots(); ++i) {
    core::Action action;
    {
      LaneGuard guard(pool_.lanes, lane);
      action = lane.core().NextMaintenance(now);
    }
    if (!action) return;
    pool_.executor.Execute(lane, action, {.is_tick = true}).IgnoreError();
  }
}

// While the machine was suspended, a server or a carrier may have forgotten connections, and the
// clock of their idle time stood still.
void Maintenance::CheckForSuspend(TimePoint now) {
  if (pool_.config.settings.pre_ping() == PrePing::kNever) return;
  const Duration suspended = pool_.config.platform.Suspended();
  LaneGuard guard(pool_.lanes);
  // The two clocks behind the figure are steered apart by a little.
  if (suspended - suspended_ > std::chrono::seconds(1)) {
    pool_.lanes.MarkSiblings(FaultScope::kConnectionSuspectOlder, now);
  }
  suspended_ = suspended;
}

void Maintenance::ReportLateTick(TimePoint now) {
  if (!pool_.recorder.watched()) return;
  TimePoint promised;
  Duration period{};
  {
    PoolMutexLock lock(pool_.lanes.mu());
    promised = promised_tick_;
    const PoolSettings& settings = pool_.config.settings.get();
    period = ShortestPeriod(settings);
    if (period == Duration::max()) period = settings.linger;  // it alone falls due
  }
  if (promised == TimePoint::max()) return;
  // Half a period and a second of grace: a loaded board is not an alarm.
  const Duration grace = period / 2 + std::chrono::seconds(1);
  if (now - promised > grace) pool_.recorder.EmitLateTick(now - promised, now);
}

// One report for each lease.
void Maintenance::ReportLeaks(Lane& lane, TimePoint now) {
  while (ReportOneLeak(lane, now)) {
  }
}

bool Maintenance::ReportOneLeak(Lane& lane, TimePoint now) {
  EventSubject subject;
  LeaseInfo lease;
  {
    LaneGuard guard(pool_.lanes, lane);
    const Duration leak_after = pool_.config.settings.get().leak_after;
    if (leak_after == Duration::zero()) return false;
    lane.ReportFastLeases(now);
    for (core::Slot& s : lane.core().slots().all()) {
      const bool leaks =
          s.state == core::SlotState::kLeased && !s.leak_reported && now - s.leased_at > leak_after;
      if (!leaks) continue;
      s.leak_reported = true;
      ++pool_.recorder.counts().leaks;
      subject = lane.SubjectOf(s, now);
      lease = lane.InfoOf(s.number, now);
      break;
    }
  }
  if (subject.slot < 0) return false;
  pool_.recorder.EmitLeak(subject, lease.held, lease.where, now);
  return true;
}

absl::Status Maintenance::Fill(int connections, Deadline deadline) {
  for (Lane& lane : pool_.lanes.all()) {
    int core_size = 0;
    {
      PoolMutexLock lock(pool_.lanes.mu());
      core_size = lane.core().slots().core_size();
    }
    absl::Status status = FillLane(lane, std::min(core_size, connections), deadline);
    if (!status.ok()) return status;
    connections -= std::min(connections, core_size);
  }
  return absl::OkStatus();
}

absl::Status Maintenance::FillLane(Lane& lane, int target, Deadline deadline) {
  for (;;) {
    core::Action action;
    {
      LaneGuard guard(pool_.lanes, lane);
      core::LaneCore& core = lane.core();
      const core::SlotTable& slots = core.slots();
      const TimePoint now = pool_.config.platform.Now();
      if (core.closed()) return pool_.refusals.closed;
      if (slots.live() + slots.count(core::SlotState::kOpening) >= target) return absl::OkStatus();
      if (deadline.HasPassed(now)) return pool_.refusals.timeout_opening;
      if (core.paused()) return pool_.refusals.paused;
      action = core.NextFill(target, now);
      // Nothing may be opened at this moment: an open failed a moment ago.
      if (!action && slots.count(core::SlotState::kOpening) == 0) {
        return core.availability().failures() > 0 ? lane.errors().refusal()
                                                  : pool_.refusals.timeout_opening;
      }
    }
    if (!action) {
      WaitForOtherOpen(deadline);
      continue;
    }
    absl::Status error =
        pool_.executor.Execute(lane, action, {.deadline = deadline, .may_wait = true});
    if (!error.ok()) return error;
  }
}

// Another thread has an open under way, and one is enough at a time: continues it, or gives its
// performer a moment.
void Maintenance::WaitForOtherOpen(Deadline deadline) {
  constexpr Duration kGlance = std::chrono::milliseconds(5);
  Platform& platform = pool_.config.platform;
  const TimePoint now = platform.Now();
  pool_.executor.ContinueSteps(now);
  const std::atomic<uint32_t> never_woken{0};
  platform.Wait(never_woken, 0, std::min(deadline, Deadline::After(now, kGlance)));
}

}  // namespace roost::internal
