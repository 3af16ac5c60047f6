// pool.cc - what Pool and Lease pass on.

#include "roost/pool.h"

#include <new>

#include "pool/pool_state.h"

namespace roost {

Pool::Pool(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
           const internal::PoolMemoryView& memory)
    : state_(new (memory.state) internal::PoolState(backend, settings, options, memory)),
      fast_(*state_) {}

Pool::~Pool() { state_->~PoolState(); }

absl::StatusOr<Lease> Pool::Acquire(Intent intent, SourceLine where) {
  return state_->Acquire({.intent = intent, .where = where});
}
absl::StatusOr<Lease> Pool::Acquire(const AcquireOptions& options) {
  return state_->Acquire(options);
}
absl::StatusOr<Lease> Pool::AcquireSlowly(internal::FastSlot* taken, Intent intent,
                                          Deadline deadline, SourceLine where) {
  internal::FastLane& lane = *fast_.lane_for[static_cast<size_t>(intent)];
  if (lane.linked && !fast_.Forked()) taken = internal::TakeIdleLinked(lane);
  if (taken != nullptr && state_->Claim(*taken, deadline, where)) {
    return Lease(lane, *taken, deadline);
  }
  return state_->AcquireByLock({.intent = intent, .deadline = deadline, .where = where});
}
absl::StatusOr<Lease> Pool::TryAcquire(Intent intent, Deadline work_by, SourceLine where) {
  return state_->TryAcquire(intent, work_by, where);
}
void Pool::Cancel(CancelToken& token) { state_->Cancel(token); }
Deadline Pool::In(Duration span) const { return Deadline::After(platform().Now(), span); }
absl::Status Pool::Fill(int connections, Deadline deadline) {
  return state_->Fill(connections, deadline);
}
TimePoint Pool::Tick(TimePoint now) { return state_->Tick(now); }
int Pool::Descriptors(std::span<DescriptorWait> out) const { return state_->Descriptors(out); }
void Pool::InvalidateAll() { state_->InvalidateAll(); }
void Pool::Pause() { state_->Pause(); }
void Pool::Resume() { state_->Resume(); }
absl::Status Pool::Close(Deadline deadline) { return state_->Close(deadline); }
Stats Pool::stats() const { return state_->Snapshot(); }
std::string_view Pool::Report(std::span<char> out) const { return state_->Report(out); }
std::string_view Pool::Explain(const absl::Status& refusal, Duration asked,
                               std::span<char> out) const {
  return state_->Explain(refusal, asked, out);
}
const PoolSettings& Pool::settings() const { return state_->settings(); }
std::string_view Pool::name() const { return state_->name(); }
Backend& Pool::backend() const { return state_->backend(); }
Platform& Pool::platform() const { return state_->platform(); }

void Lease::ReturnSlowly(internal::FastLane& lane, internal::FastSlot& slot) {
  if (slot.connection->IsPristine()) {
    slot.connection->EndLease();
    if (lane.linked ? internal::RestLinked(lane, slot) : internal::Rest(lane, slot)) return;
  }
  lane.pool->Return(slot, /*discard=*/false);
}
void Lease::Discard() {
  internal::FastSlot* const slot = std::exchange(slot_, nullptr);
  if (slot != nullptr) lane_->pool->Return(*slot, /*discard=*/true);
}
NativeHandle Lease::Detach() {
  ROOST_CHECK(slot_ != nullptr, "a lease was detached after it was returned or moved from");
  return internal::PoolState::Of(*this).Detach(*this);
}
void Lease::ReleaseThread() {
  if (slot_ != nullptr) internal::PoolState::Of(*this).ReleaseThread(*this);
}

}  // namespace roost
