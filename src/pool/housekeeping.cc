// housekeeping.cc - what is done beside callers: chores by Tick, filling, invalidating, pausing,
// closing.

#include <algorithm>

#include "pool/pool_state.h"

namespace roost::internal {

TimePoint PoolState::Tick(TimePoint now) {
  if (Forked()) return TimePoint::max();
  ReportLateTick(now);
  NoticeSuspend(now);
  GoOnWithSteps(now);
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) DoChores(lane, now);
  if (settings_.leak_after > Duration::zero()) ReportLeaks(now);

  Monitor monitor(mu_, *this, kBothLanes);
  TimePoint next = TimePoint::max();
  if (!stats_.closed) {
    next = std::min(lanes_[0].NextDue(), lanes_[1].NextDue());
    // Whatever comes to rest after this moment falls due a whole period later at the earliest.
    if (shortest_period_ > Duration::zero()) {
      next = std::min(next, Deadline::After(now, shortest_period_).time());
    }
    next = std::max(std::min(next, NextStep()), now);
  }
  promised_tick_ = next;
  return next;
}

// Each slot is due at most twice in one call (closed, opened anew); the bound ends a loop with a
// database that fails at once.
void PoolState::DoChores(size_t lane, TimePoint now) {
  for (int i = 0; i <= 2 * settings_.capacity(); ++i) {
    Wakes wakes;
    core::Work work;
    {
      Monitor monitor(mu_, *this, Only(lane));
      work = lanes_[lane].NextChore(now);
      Collect(lane, wakes);
    }
    Deliver(wakes);
    if (!work) return;
    PerformAll(lane, work, {.is_tick = true}).IgnoreError();
  }
}

// A server, or a carrier between, may have forgotten connections while the machine slept, and the
// clock by which they rest has stood still.
void PoolState::NoticeSuspend(TimePoint now) {
  if (settings_.pre_ping == PrePing::kNever) return;
  const Duration suspended = platform_.Suspended();
  Monitor monitor(mu_, *this, kBothLanes);
  // The two clocks behind the figure are steered apart by a little.
  if (suspended - suspended_ > std::chrono::seconds(1)) {
    for (core::LaneCore& lane : lanes_) lane.SuspectOlder(now);
  }
  suspended_ = suspended;
}

void PoolState::ReportLateTick(TimePoint now) {
  TimePoint promised;
  {
    MutexLock lock(mu_);
    promised = promised_tick_;
  }
  if (observer_ == nullptr || promised == TimePoint::max()) return;
  // Half a period and a second of grace: a loaded board is not an alarm.
  const Duration grace = shortest_period_ / 2 + std::chrono::seconds(1);
  if (now - promised <= grace) return;
  Event event = MakeEvent(EventKind::kLateTick, -1, now);
  event.span = now - promised;
  Emit(event);
}

// One report for each lease, outside the lock.
void PoolState::ReportLeaks(TimePoint now) {
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) {
    while (std::optional<Event> leak = NextLeak(lane, now)) {
      if (observer_ != nullptr) Emit(*leak);
    }
  }
}

std::optional<Event> PoolState::NextLeak(size_t lane, TimePoint now) {
  Monitor monitor(mu_, *this, Only(lane));
  NoteHolders(lane, now);
  for (core::Slot& s : lanes_[lane].slots()) {
    const bool leaks = s.state == core::SlotState::kLeased && !s.leak_reported &&
                       now - s.lent > settings_.leak_after;
    if (!leaks) continue;
    s.leak_reported = true;
    ++stats_.leaks;
    const auto slot = static_cast<uint8_t>(&s - lanes_[lane].slots().data());
    Event event = MakeEvent(EventKind::kLeak, Global(lane, slot), now);
    event.span = now - s.lent;
    event.where = s.where;
    return event;
  }
  return std::nullopt;
}

absl::Status PoolState::Fill(int connections, Deadline deadline) {
  ROOST_CHECK(connections <= settings_.pool_size, "Pool::Fill: more connections than pool_size");
  if (Forked()) return forked_;
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) {
    absl::Status status = FillLane(lane, connections, deadline);
    if (!status.ok()) return status;
    MutexLock lock(mu_);
    connections -= std::min(connections, lanes_[lane].settings().kept);
  }
  return absl::OkStatus();
}

absl::Status PoolState::FillLane(size_t lane, int connections, Deadline deadline) {
  for (;;) {
    core::Work work;
    {
      Monitor monitor(mu_, *this, Only(lane));
      core::LaneCore& core = lanes_[lane];
      const TimePoint now = platform_.Now();
      const int target = std::min(core.settings().kept, connections);
      if (stats_.closed) return closed_;
      const int usable = core.open() - core.count(core::SlotState::kClosing);
      if (usable + core.count(core::SlotState::kOpening) >= target) return absl::OkStatus();
      if (deadline.HasPassed(now)) return fill_late_;
      work = core.NextFill(target, now);
      // Nothing may be opened at this moment: it failed a moment ago, or the pool is paused.
      if (!work && core.count(core::SlotState::kOpening) == 0) {
        return core.failures() > 0 ? last_error_[lane] : fill_late_;
      }
    }
    if (!work) {
      GlanceAtOpens(deadline);
      continue;
    }
    absl::Status error = PerformAll(lane, work, {.deadline = deadline, .may_wait = true});
    if (!error.ok()) return error;
  }
}

// Somebody else has an open under way, and one is enough at a time: goes on with it, or gives its
// owner a moment.
void PoolState::GlanceAtOpens(Deadline deadline) {
  constexpr Duration kGlance = std::chrono::milliseconds(5);
  const TimePoint now = platform_.Now();
  GoOnWithSteps(now);
  const std::atomic<uint32_t> nobody{0};
  platform_.Wait(nobody, 0, std::min(deadline, Deadline::After(now, kGlance)));
}

void PoolState::InvalidateAll() {
  if (Forked()) return;
  {
    Monitor monitor(mu_, *this, kBothLanes);
    for (core::LaneCore& lane : lanes_) lane.EvictAll(CloseReason::kInvalidated);
  }
  if (observer_ != nullptr) {
    Event event = MakeEvent(EventKind::kSoftInvalidate, -1, platform_.Now());
    event.reason = CloseReason::kInvalidated;
    Emit(event);
  }
  // Readers before the writer, which checkpoints the log when it is the last.
  CloseEvicted(1);
  CloseEvicted(0);
}

void PoolState::CloseEvicted(size_t lane) {
  for (;;) {
    core::Work work;
    {
      Monitor monitor(mu_, *this, Only(lane));
      work = lanes_[lane].NextEvicted();
    }
    if (!work) return;
    PerformAll(lane, work, {}).IgnoreError();
  }
}

void PoolState::Pause() {
  if (Forked()) return;
  Monitor monitor(mu_, *this, kBothLanes);
  stats_.paused = true;
  for (core::LaneCore& lane : lanes_) lane.Pause();
}

void PoolState::Resume() {
  if (Forked()) return;
  mu_.Lock();
  stats_.paused = false;
  mu_.Unlock();
  TellLanes([](core::LaneCore& lane, TimePoint now) { lane.Resume(now); });
}

bool PoolState::Drained() const { return lanes_[0].drained() && lanes_[1].drained(); }

absl::Status PoolState::Close(Deadline deadline) {
  if (Forked()) return forked_;
  mu_.Lock();
  stats_.closed = true;
  mu_.Unlock();
  TellLanes([](core::LaneCore& lane, TimePoint now) { lane.Close(now); });
  AbortSteps();
  CloseEvicted(1);
  CloseEvicted(0);
  for (;;) {
    // Read before the look: a slot emptied between the look and the wait changes it.
    const uint32_t seen = drained_word_.load(std::memory_order_acquire);
    {
      MutexLock lock(mu_);
      if (Drained()) return absl::OkStatus();
    }
    if (deadline.HasPassed(platform_.Now())) return still_out_;
    platform_.Wait(drained_word_, seen, deadline);
  }
}

}  // namespace roost::internal
