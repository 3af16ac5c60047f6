// pool/release.cc - how a connection comes back.

#include "pool/release.h"

#include "roost/internal/connection_access.h"

namespace roost::internal {
namespace {

// Counts the end of the lease of `slot`.
LeaseInfo CountReturn(PoolParts& pool, Lane& lane, uint8_t slot, TimePoint now)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  // A lease that was recorded after the idle stack was closed is not counted yet.
  lane.CountFastLeases(slot);
  LeaseInfo info = lane.InfoOf(slot, now);
  info.held = lane.HeldAtReturn(slot, info.held);
  pool.recorder.CountReturn(info);
  return info;
}

void ReturnClean(PoolParts& pool, Lane& lane, uint8_t slot, core::ReturnAs as, TimePoint now) {
  if (pool.recorder.watches_leases()) {
    // Before the slot is given back: after that its record may be another caller's.
    const EventSubject subject = lane.SubjectOf(lane.slot(slot), now);
    pool.recorder.Emit(EventKind::kReset, subject, now);
    LeaseInfo info;
    {
      PoolMutexLock lock(pool.lanes.mu());
      info = lane.InfoOf(slot, now);
    }
    pool.recorder.EmitCheckin(subject, info, now);
  }
  core::Action action;
  {
    LaneGuard guard(pool.lanes, lane);
    CountReturn(pool, lane, slot, now);
    action = lane.core().Return(slot, as, CloseReason::kNone, now);
  }
  pool.executor.Execute(lane, action, {}).IgnoreError();
}

void ReturnDirty(PoolParts& pool, Lane& lane, uint8_t slot, TimePoint now) {
  core::Action action;
  LeaseInfo info;
  {
    LaneGuard guard(pool.lanes, lane);
    info = CountReturn(pool, lane, slot, now);
    action = lane.core().Return(slot, core::ReturnAs::kDirty, CloseReason::kNone, now);
  }
  pool.executor.Execute(lane, action, {.returning = &info}).IgnoreError();
}

}  // namespace

void ReturnLease(PoolParts& pool, Lane& lane, core::Slot& slot, bool discard) {
  Connection& connection = *slot.connection;
  ConnectionAccess::EndLease(connection);
  if (pool.Forked()) return ConnectionAccess::AbandonAndDestroy(slot.connection);
  slot.ClearOwner();
  const TimePoint now = pool.config.platform.Now();
  const FaultScope scope = ConnectionAccess::fault_scope(connection);
  if (discard) {
    return ReturnBroken(pool, lane, slot, CloseReason::kDiscarded, scope, /*counted=*/true, now);
  }
  // Nothing was done that could leave anything behind: neither the driver nor the server is asked.
  if (ConnectionAccess::IsPristine(connection)) {
    return ReturnClean(pool, lane, slot.number, core::ReturnAs::kClean, now);
  }
  const SessionState state = ConnectionAccess::Inspect(connection);
  if (state == SessionState::kBroken ||
      ConnectionAccess::fault_scope(connection) != FaultScope::kStatement) {
    return ReturnBroken(pool, lane, slot, CloseReason::kBroken,
                        ConnectionAccess::fault_scope(connection), /*counted=*/true, now);
  }
  if (state == SessionState::kDirty) return ReturnDirty(pool, lane, slot.number, now);
  const bool maintain = ConnectionAccess::WantsMaintenance(connection);
  ReturnClean(pool, lane, slot.number,
              maintain ? core::ReturnAs::kWantsMaintenance : core::ReturnAs::kClean, now);
}

void ReturnBroken(PoolParts& pool, Lane& lane, core::Slot& slot, CloseReason reason,
                  FaultScope scope, bool counted, TimePoint now) {
  pool.recorder.EmitWithReason(EventKind::kInvalidate, lane.SubjectOf(slot, now), reason, now);
  core::Action action;
  LeaseInfo info;
  bool evicts = false;
  {
    LaneGuard guard(pool.lanes);
    if (counted) info = CountReturn(pool, lane, slot.number, now);
    ++pool.recorder.counts().invalidations;
    // A connection that was marked already died of what marked it, and says nothing about those that
    // were opened since.
    const bool known = slot.is_marked();
    action = lane.core().Return(slot.number, core::ReturnAs::kBroken, reason, now);
    if (!known) pool.lanes.MarkSiblings(scope, now);
    evicts = !known && scope == FaultScope::kAllOlder;
  }
  // Before this one's place is taken by a new one, which may need the database for itself.
  if (evicts) pool.executor.CloseEvicted();
  pool.executor.Execute(lane, action, {.returning = counted ? &info : nullptr}).IgnoreError();
}

NativeHandle DetachLease(PoolParts& pool, Lane& lane, core::Slot& slot) {
  if (pool.Forked()) {
    ConnectionAccess::AbandonAndDestroy(slot.connection);
    return {};
  }
  slot.ClearOwner();
  const NativeHandle handle = ConnectionAccess::DetachAndDestroy(slot.connection);
  const TimePoint now = pool.config.platform.Now();
  pool.recorder.Emit(EventKind::kDetach, lane.SubjectOf(slot, now), now);
  LaneGuard guard(pool.lanes, lane);
  CountReturn(pool, lane, slot.number, now);
  ++pool.recorder.counts().detaches;
  lane.core().Detach(slot.number, now);
  guard.NotifyWaiters();
  pool.lanes.WakeCloserIfDrained(guard.wakes());
  return handle;
}

}  // namespace roost::internal
