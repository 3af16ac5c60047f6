// pool/pool.cc - what Pool and Lease pass on.

#include "roost/pool.h"

#include <new>

#include "pool/pool_state.h"
#include "pool/report.h"
#include "roost/internal/connection_access.h"

namespace roost {

Pool::Pool(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
           const internal::PoolStorageView& storage)
    : state_(new (storage.state) internal::PoolState(backend, settings, options, storage)),
      head_(state_->parts().head) {}

Pool::~Pool() { state_->~PoolState(); }

absl::StatusOr<Lease> Pool::Acquire(Intent intent, SourceLine where) {
  return state_->Acquire({.intent = intent, .where = where});
}
absl::StatusOr<Lease> Pool::Acquire(const AcquireOptions& options) {
  return state_->Acquire(options);
}
absl::StatusOr<Lease> Pool::AcquireSlowly(internal::SlotHead* taken, Intent intent,
                                          Deadline deadline, SourceLine where) {
  internal::NumberThisThread();
  if (taken != nullptr) {
    auto& lane = static_cast<internal::Lane&>(*head_.lane_for[static_cast<size_t>(intent)]);
    if (state_->Revalidate(lane, *taken, deadline, where)) return Lease(lane, *taken, deadline);
  }
  return state_->AcquireByLock({.intent = intent, .deadline = deadline, .where = where});
}
absl::StatusOr<Lease> Pool::TryAcquire(Intent intent, Deadline deadline, SourceLine where) {
  return state_->TryAcquire(intent, deadline, where);
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
Stats Pool::stats() const { return internal::TakeSnapshot(state_->parts()); }
void Pool::Inspect(PoolDetails& out, std::span<SlotDetails> slots,
                   std::span<WaiterDetails> waiters) const {
  internal::Inspect(state_->parts(), out, slots, waiters);
}
std::string_view Pool::Report(std::span<char> out) const {
  return internal::WriteReport(state_->parts(), out);
}
std::string_view Pool::Explain(const absl::Status& refusal, Duration asked,
                               std::span<char> out) const {
  return internal::WriteExplanation(state_->parts(), refusal, asked, out);
}
absl::Status Pool::Tune(const Tuning& wish) { return state_->tuner().Tune(wish); }
PoolSettings Pool::settings() const { return state_->tuner().settings(); }
int Pool::capacity() const { return state_->parts().executor.slots(); }
std::string_view Pool::name() const { return state_->parts().config.name; }
Backend& Pool::backend() const { return state_->parts().config.backend; }
Platform& Pool::platform() const { return state_->parts().config.platform; }

void Lease::ReturnSlowly(internal::LaneHead& head, internal::SlotHead& slot) {
  auto& lane = static_cast<internal::Lane&>(head);
  if (internal::ConnectionAccess::IsPristine(*slot.connection)) {
    internal::ConnectionAccess::EndLease(*slot.connection);
    if (lane.idle.TryPush(slot)) return;
  }
  lane.pool->Return(lane, static_cast<core::Slot&>(slot), /*discard=*/false);
}
void Lease::Discard() {
  if (slot_ == nullptr) return;
  auto& lane = static_cast<internal::Lane&>(*lane_);
  lane.pool->Return(lane, internal::LeaseAccess::Take(*this), /*discard=*/true);
}
NativeHandle Lease::Detach() {
  ROOST_CHECK(slot_ != nullptr, "a lease was detached after it was returned or moved from");
  return lane_->pool->Detach(*this);
}
void Lease::ReleaseThread() {
  if (slot_ != nullptr) lane_->pool->ReleaseThread(*this);
}

}  // namespace roost
