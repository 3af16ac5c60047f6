// release.cc - the end of a lease: rest, hand-off, reset, close, detach.

#include "pool/pool_state.h"

namespace roost::internal {

void PoolState::Return(FastSlot& fast, bool discard) {
  const int slot = Number(fast);
  Connection& connection = *fast.connection;
  connection.EndLease();
  if (Forked()) return Abandon(fast);
  fast.holder.store(0, std::memory_order_relaxed);
  const TimePoint now = platform_.Now();
  const size_t lane = LaneOf(slot);
  if (discard) {
    EmitInvalidate(slot, CloseReason::kDiscarded, now);
    return ReturnBroken(lane, slot, CloseReason::kDiscarded, connection.fault_scope(), now);
  }
  // Nothing was done that could leave anything behind: neither the driver nor the server is asked.
  if (connection.IsPristine()) return ReturnClean(lane, slot, core::ReturnAs::kClean, now);

  const SessionState session_state = connection.Inspect();
  const FaultScope scope = connection.fault_scope();
  if (session_state == SessionState::kBroken || scope != FaultScope::kStatement) {
    EmitInvalidate(slot, CloseReason::kBroken, now);
    return ReturnBroken(lane, slot, CloseReason::kBroken, scope, now);
  }
  if (session_state == SessionState::kDirty) return ReturnDirty(lane, slot, now);
  ReturnClean(
      lane, slot,
      connection.WantsMaintenance() ? core::ReturnAs::kWantsMaintenance : core::ReturnAs::kClean,
      now);
}

void PoolState::ReturnClean(size_t lane, int slot, core::ReturnAs as, TimePoint now) {
  if (observer_ != nullptr) {
    // Before the slot is given back: then its record may be somebody else's.
    Emit(MakeEvent(EventKind::kReset, slot, now));
    mu_.Lock();
    const Holding holding = HoldingOf(slot, now);
    mu_.Unlock();
    EmitCheckin(slot, now, holding);
  }
  Wakes wakes;
  core::Work work;
  {
    Monitor monitor(mu_, *this, Only(lane));
    CountReturn(slot, now);
    work = lanes_[lane].Return(Local(slot), as, CloseReason::kNone, now);
    Collect(lane, wakes);
  }
  Deliver(wakes);
  PerformAll(lane, work, {}).IgnoreError();
}

void PoolState::ReturnDirty(size_t lane, int slot, TimePoint now) {
  Wakes wakes;
  core::Work work;
  Holding holding;
  {
    Monitor monitor(mu_, *this, Only(lane));
    holding = HoldingOf(slot, now);
    CountReturn(slot, now);
    work = lanes_[lane].Return(Local(slot), core::ReturnAs::kDirty, CloseReason::kNone, now);
    Collect(lane, wakes);
  }
  Deliver(wakes);
  PerformAll(lane, work, {.returning = &holding}).IgnoreError();
}

void PoolState::ReturnBroken(size_t lane, int slot, CloseReason reason, FaultScope scope,
                             TimePoint now) {
  Holding holding;
  {
    MutexLock lock(mu_);
    holding = HoldingOf(slot, now);
    CountReturn(slot, now);
  }
  GiveBackBroken(lane, slot, reason, scope, now, &holding);
}

// Closes a leased connection and tells the lanes what its death says about the others.
void PoolState::GiveBackBroken(size_t lane, int slot, CloseReason reason, FaultScope scope,
                               TimePoint now, const Holding* returning) {
  Wakes wakes;
  core::Work work;
  {
    Monitor monitor(mu_, *this, kBothLanes);
    ++stats_.invalidations;
    work = lanes_[lane].Return(Local(slot), core::ReturnAs::kBroken, reason, now);
    Spread(scope, now);
    Collect(lane, wakes);
  }
  Deliver(wakes);
  PerformAll(lane, work, {.returning = returning}).IgnoreError();
}

NativeHandle PoolState::Detach(Lease& lease) {
  FastSlot& fast = *lease.slot_;
  const int slot = Number(fast);
  Connection* const connection = fast.connection;
  Reset(lease);
  if (Forked()) {
    Abandon(fast);
    return {};
  }
  fast.holder.store(0, std::memory_order_relaxed);
  const NativeHandle handle = connection->Detach();
  connection->~Connection();
  fast.connection = nullptr;
  const TimePoint now = platform_.Now();
  if (observer_ != nullptr) Emit(MakeEvent(EventKind::kDetach, slot, now));
  const size_t lane = LaneOf(slot);
  Wakes wakes;
  {
    Monitor monitor(mu_, *this, Only(lane));
    CountReturn(slot, now);
    ++stats_.detaches;
    lanes_[lane].Detach(Local(slot), now);
    Collect(lane, wakes);
    NoteDrained(wakes);
  }
  Deliver(wakes);
  return handle;
}

// In the child of a fork: forgets the connection, which is still the parent's.
void PoolState::Abandon(FastSlot& slot) {
  if (slot.connection == nullptr) return;
  slot.connection->Abandon();
  slot.connection->~Connection();
  slot.connection = nullptr;
}

void PoolState::ReleaseThread(const Lease& lease) {
  if (Forked()) return;
  const int slot = Number(*lease.slot_);
  lease.slot_->holder.store(0, std::memory_order_relaxed);
  Monitor monitor(mu_, *this, Only(LaneOf(slot)));
  lanes_[LaneOf(slot)].slots()[Local(slot)].holder = 0;
}

PoolState::Holding PoolState::HoldingOf(int slot, TimePoint now) const {
  const core::Slot& s = lanes_[LaneOf(slot)].slots()[Local(slot)];
  return {now - s.lent, s.where, s.leak_reported};
}

void PoolState::CountReturn(int slot, TimePoint now) {
  // Taken from the word, and signed after the word was closed: not counted yet.
  NoteLeases(LaneOf(slot), Local(slot));
  if (settings_.hold_times) stats_.hold.Add(HoldingOf(slot, now).held);
}

void PoolState::EmitInvalidate(int slot, CloseReason reason, TimePoint now) {
  if (observer_ == nullptr) return;
  Event event = MakeEvent(EventKind::kInvalidate, slot, now);
  event.reason = reason;
  Emit(event);
}

void PoolState::EmitCheckin(int slot, TimePoint now, const Holding& holding) {
  if (observer_ == nullptr) return;
  Event event = MakeEvent(EventKind::kCheckin, slot, now);
  event.span = holding.held;
  event.where = holding.where;
  Emit(event);
  if (!holding.leak_reported) return;
  event.kind = EventKind::kLeakReturned;
  Emit(event);
}

}  // namespace roost::internal
