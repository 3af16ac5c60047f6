// pool/pool_state.cc - how a pool is put together, used and taken apart.

#include "pool/pool_state.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/duration.h"
#include "base/text.h"
#include "pool/acquisition.h"
#include "pool/release.h"
#include "roost/internal/connection_access.h"

namespace roost::internal {
namespace {

// The slots and the stepped actions share the storage for slots.
std::span<core::Slot> MakeSlots(const PoolStorageView& storage) {
  auto* const slots = reinterpret_cast<core::Slot*>(storage.slots);
  const auto capacity = static_cast<size_t>(storage.capacity);
  std::uninitialized_value_construct_n(slots, capacity);
  return {slots, capacity};
}

std::span<SteppedAction> MakeSteppedActions(const PoolStorageView& storage) {
  const auto capacity = static_cast<size_t>(storage.capacity);
  auto* const stepped =
      reinterpret_cast<SteppedAction*>(storage.slots + capacity * sizeof(core::Slot));
  std::uninitialized_value_construct_n(stepped, capacity);
  return {stepped, capacity};
}

PoolHead MakeHead(Platform& platform) {
  PoolHead head;
  head.forks = &platform.Forks();
  head.fork_generation = head.forks->load(std::memory_order_relaxed);
  return head;
}

Platform& PlatformOf(const PoolOptions& options) {
  return options.platform != nullptr ? *options.platform : NativePlatform();
}

static_assert(sizeof(core::Slot) == sizeof(SlotHead), "the idle stack counts in whole slots");
static_assert(sizeof(core::Slot) + sizeof(SteppedAction) <= kSlotBytes,
              "kSlotBytes in storage.h is too small for a slot");
static_assert(sizeof(LaneHead) == 64, "more than a cache line");
static_assert(alignof(core::Slot) <= kSlotAlignment && alignof(PoolState) <= kSlotAlignment);
static_assert(sizeof(PoolState) <= kPoolStateBytes,
              "kPoolStateBytes in storage.h is too small for PoolState");

}  // namespace

PoolState::PoolState(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
                     const PoolStorageView& storage)
    : parts_{.head = MakeHead(PlatformOf(options)),
             .config = {backend, PlatformOf(options), LiveSettings(settings), options.name,
                        storage.connections, storage.connection_bytes, options.statement_observer,
                        options.acquire_observer},
             .refusals = Refusals(options.name, settings),
             .recorder = Recorder(options.name, settings, options.observer),
             .lanes =
                 Lanes(parts_.config, parts_.recorder, *this, MakeSlots(storage), options.on_work),
             .executor = Executor(parts_.config, parts_.refusals, parts_.recorder, parts_.lanes,
                                  MakeSteppedActions(storage))},
      maintenance_(parts_),
      tuner_(parts_),
      on_work_(options.on_work) {
  ROOST_CHECK(backend.ConnectionBytes(settings.statements) <= storage.connection_bytes,
              "the backend needs more memory for a connection than a slot has "
              "(take PoolFor<Profile, Backend>, or raise Backend::kConnectionSize)");
  ROOST_CHECK(
      options.statement_observer == nullptr || storage.watch.make != nullptr,
      "PoolOptions::statement_observer would be told nothing: set kWatchStatements = true in "
      "the profile");
  if (storage.watch.make != nullptr) {
    parts_.executor.set_wrapper(storage.watch.make(parts_, storage.watch));
  }
  for (const Intent intent : {Intent::kRead, Intent::kWrite}) {
    parts_.head.lane_for[static_cast<size_t>(intent)] = &parts_.lanes.For(intent);
  }
}

PoolState::~PoolState() {
  if (parts_.Forked()) {
    // What the parent opened is the parent's to close. The lock may be held by a thread that does
    // not exist here, and no other thread exists either.
    for (Lane& lane : parts_.lanes.all()) lane.AbandonConnections();
    return;
  }
  Close(Deadline::Past()).IgnoreError();
  LaneGuard guard(parts_.lanes);
  if (!parts_.lanes.is_drained()) AbortWithLeases();
}

void PoolState::AbortWithLeases() {
  std::array<char, 256> buffer;
  Text text(buffer);
  text.Add("pool '", parts_.config.name, "' was destroyed while a lease is out");
  for (Lane& lane : parts_.lanes.all()) {
    for (const core::Slot& s : lane.core().slots().all()) {
      if (s.state != core::SlotState::kLeased) continue;
      text.Add(" (taken at ", s.where().file, ":", s.where().line, ")");
    }
  }
  Misuse(buffer.data());
}

// ---- Acquiring ----------------------------------------------------------------------------------

absl::StatusOr<Lease> PoolState::Acquire(const AcquireOptions& options) {
  Lane& lane = parts_.lanes.For(options.intent);
  const bool cancelled = options.cancel != nullptr && options.cancel->cancelled();
  if (lane.fast_path_enabled() && !parts_.Forked() && !cancelled) {
    // The coarse clock is this much behind, at most.
    constexpr Duration kTick = std::chrono::milliseconds(10);
    const TimePoint now =
        options.deadline.has_value() ? TimePoint() : parts_.config.platform.CoarseNow();
    const Deadline not_after = options.deadline.value_or(Deadline::After(now, kTick));
    if (SlotHead* const slot = TakeIdle(lane, not_after, options.where)) {
      const Duration timeout = parts_.config.settings.pool_timeout();
      return LeaseAccess::Make(lane, *slot,
                               options.deadline.value_or(Deadline::After(now, timeout)));
    }
  }
  return AcquireByLock(options);
}

absl::StatusOr<Lease> PoolState::AcquireByLock(const AcquireOptions& options) {
  Acquisition acquisition(parts_, options);
  while (!acquisition.Step()) acquisition.Sleep();
  return acquisition.TakeResult();
}

SlotHead* PoolState::TakeIdle(Lane& lane, Deadline not_after, SourceLine where) {
  SlotHead* const slot = lane.idle.TryPop();
  return slot != nullptr && Revalidate(lane, *slot, not_after, where) ? slot : nullptr;
}

bool PoolState::Revalidate(Lane& lane, SlotHead& slot, Deadline not_after, SourceLine where) {
  const int new_peak = lane.slot(slot.number).new_peak;
  if (new_peak != 0) {
    PoolMutexLock lock(parts_.lanes.mu());
    lane.PrepareToLend(slot.number);
  }
  if (!lane.idle.MayLendWithoutCheck(slot, not_after) && !lane.IsCurrentByClock(slot)) {
    {
      // The slot becomes idle again, not marked. If it is too old, the caller that next finds it on top
      // closes it (with one idle slot that is AcquireByLock, at once), else Tick does.
      LaneGuard guard(parts_.lanes, lane);
      lane.ReturnUnused(slot.number, parts_.config.platform.Now());
    }
    // For what is marked meanwhile: by Close, which waits for this slot, or as overflow.
    parts_.executor.CloseEvicted(lane);
    return false;
  }
  if (lane.IsTimedNext(slot)) {
    LaneGuard guard(parts_.lanes, lane);
    lane.BeginTimed(slot, where, parts_.config.platform.Now());
    lane.RecordPeak(new_peak);
    return true;
  }
  RecordOwner(slot, NumberThisThread(), where, slot.LeasesSoFar());
  if (new_peak != 0) {
    PoolMutexLock lock(parts_.lanes.mu());
    lane.RecordPeak(new_peak);
  }
  return true;
}

absl::StatusOr<Lease> PoolState::TryAcquire(Intent intent, Deadline deadline, SourceLine where) {
  if (parts_.Forked()) return parts_.refusals.forked;
  Lane& lane = parts_.lanes.For(intent);
  if (lane.fast_path_enabled()) {
    SlotHead* const slot = TakeIdle(lane, deadline, where);
    if (slot != nullptr) return LeaseAccess::Make(lane, *slot, deadline);
  }
  Recorder& recorder = parts_.recorder;
  const TimePoint now = parts_.config.platform.Now();
  for (;;) {
    uint8_t local = 0;
    bool probe = false;
    absl::Status refusal;
    {
      LaneGuard guard(parts_.lanes, lane);
      if (lane.core().closed()) {
        ++recorder.counts().refused_closed;
        refusal = parts_.refusals.closed;
      } else if (!lane.core().TryLend(now, NumberThisThread(), where, local, probe)) {
        ++recorder.counts().timeouts;
        refusal = parts_.refusals.nothing_free;
      } else {
        lane.PrepareReturn(local);
        lane.slot(local).probing = probe;
        if (!probe) recorder.CountCheckout(Duration::zero(), false, false);
      }
    }
    if (!refusal.ok()) {
      recorder.EmitRefusal(EventKind::kRefused, refusal, Duration::zero(), where, now);
      return refusal;
    }
    core::Slot& slot = lane.slot(local);
    if (probe) {
      if (!ProvesAlive(parts_, lane, slot, Deadline::Past())) continue;
      PoolMutexLock lock(parts_.lanes.mu());
      slot.probing = false;
      recorder.CountCheckout(Duration::zero(), false, false);
    }
    recorder.EmitCheckout(lane.RestedSubjectOf(slot, now), Duration::zero(), where, now);
    return LeaseAccess::Make(lane, slot, deadline);
  }
}

template <class Event>
void PoolState::TellLanes(Event event) {
  LaneGuard guard(parts_.lanes);
  const TimePoint now = parts_.config.platform.Now();
  for (Lane& lane : parts_.lanes.all()) event(lane.core(), now);
}

void PoolState::Cancel(CancelToken& token) {
  token.cancelled_.store(true, std::memory_order_relaxed);
  if (parts_.Forked()) return;
  TellLanes([&token](core::LaneCore& lane, TimePoint now) { lane.Cancel(&token, now); });
  Acquisition::CancelElsewhere(token, parts_);
}

// ---- Leases -------------------------------------------------------------------------------------

void PoolState::Return(Lane& lane, core::Slot& slot, bool discard) {
  ReturnLease(parts_, lane, slot, discard);
}

NativeHandle PoolState::Detach(Lease& lease) {
  Lane& lane = LeaseAccess::LaneOf(lease);
  return DetachLease(parts_, lane, LeaseAccess::Take(lease));
}

void PoolState::ReleaseThread(const Lease& lease) {
  if (!parts_.Forked()) LeaseAccess::SlotOf(lease).ClearOwner();
}

// ---- Housekeeping -------------------------------------------------------------------------------

TimePoint PoolState::Tick(TimePoint now) {
  return parts_.Forked() ? TimePoint::max() : maintenance_.Tick(now);
}

absl::Status PoolState::Fill(int connections, Deadline deadline) {
  ROOST_CHECK(connections <= parts_.executor.slots(),
              "Pool::Fill: more connections than capacity()");
  if (parts_.Forked()) return parts_.refusals.forked;
  return maintenance_.Fill(connections, deadline);
}

int PoolState::Descriptors(std::span<DescriptorWait> out) const {
  return parts_.Forked() ? 0 : parts_.executor.Descriptors(out);
}

void PoolState::InvalidateAll() {
  if (parts_.Forked()) return;
  TellLanes(
      [](core::LaneCore& lane, TimePoint) { lane.slots().EvictAll(CloseReason::kInvalidated); });
  if (parts_.recorder.watched()) {
    parts_.recorder.EmitWithReason(EventKind::kSoftInvalidate, {}, CloseReason::kInvalidated,
                                   parts_.config.platform.Now());
  }
  parts_.executor.CloseEvicted();
}

void PoolState::Pause() {
  if (parts_.Forked()) return;
  TellLanes([](core::LaneCore& lane, TimePoint) { lane.Pause(); });
}

void PoolState::Resume() {
  if (parts_.Forked()) return;
  TellLanes([](core::LaneCore& lane, TimePoint now) { lane.Resume(now); });
}

absl::Status PoolState::Close(Deadline deadline) {
  if (parts_.Forked()) return parts_.refusals.forked;
  Platform& platform = parts_.config.platform;
  TellLanes([](core::LaneCore& lane, TimePoint now) { lane.Close(now); });
  parts_.executor.AbortSteps();
  parts_.executor.CloseEvicted();
  for (;;) {
    // Read before the check: a slot that is emptied between the check and the wait changes it.
    const std::atomic<uint32_t>& drained = parts_.lanes.drained();
    const uint32_t seen = drained.load(std::memory_order_acquire);
    int leases = 0;
    {
      PoolMutexLock lock(parts_.lanes.mu());
      if (parts_.lanes.is_drained()) return absl::OkStatus();
      leases = parts_.lanes.leased();
    }
    if (deadline.HasPassed(platform.Now())) {
      return leases > 0 ? parts_.refusals.still_out : parts_.refusals.still_busy;
    }
    platform.Wait(drained, seen, deadline);
  }
}

void PoolState::SetHousekeeper(WakeCallback callback) {
  Waker& housekeeper = parts_.lanes.housekeeper();
  {
    PoolMutexLock lock(parts_.lanes.mu());
    housekeeper.set_callback(callback.function != nullptr ? callback : on_work_);
  }
  housekeeper.WaitForCalls(parts_.config.platform);
}

// ---- For tests ----------------------------------------------------------------------------------

bool PoolState::LockIsFree() const {
  Mutex& mu = parts_.lanes.mu();
  if (!mu.TryLock()) return false;
  mu.Unlock();
  return true;
}

const char* PoolState::CheckInvariants() {
  LaneGuard guard(parts_.lanes);
  for (Lane& lane : parts_.lanes.all()) {
    if (const char* broken = lane.core().CheckInvariants()) return broken;
  }
  return nullptr;
}

}  // namespace roost::internal
