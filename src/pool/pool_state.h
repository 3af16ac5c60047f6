// pool/pool_state.h - the pool behind roost::Pool: joins the parts, and does what the public calls say.
#ifndef ROOST_POOL_POOL_STATE_H_
#define ROOST_POOL_POOL_STATE_H_

#include <optional>

#include "pool/maintenance.h"
#include "pool/pool_parts.h"
#include "pool/tuning.h"
#include "roost/housekeeper.h"
#include "roost/internal/storage.h"
#include "roost/pool.h"

namespace roost::internal {

class PoolState {
 public:
  PoolState(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
            const PoolStorageView& storage);
  ~PoolState();
  PoolState(const PoolState&) = delete;
  PoolState& operator=(const PoolState&) = delete;

  // ---- What Pool and Lease pass on; see there ----

  absl::StatusOr<Lease> Acquire(const AcquireOptions& options);
  absl::StatusOr<Lease> TryAcquire(Intent intent, Deadline deadline, SourceLine where);
  // The same as Acquire, but the idle stack was tried.
  absl::StatusOr<Lease> AcquireByLock(const AcquireOptions& options);
  // Completes an acquire from the idle stack that needs a check, or returns the slot to the core:
  // then false.
  bool Revalidate(Lane& lane, SlotHead& slot, Deadline not_after, SourceLine where);
  void Cancel(CancelToken& token);
  void Return(Lane& lane, core::Slot& slot, bool discard);
  NativeHandle Detach(Lease& lease);
  void ReleaseThread(const Lease& lease);
  TimePoint Tick(TimePoint now);
  absl::Status Fill(int connections, Deadline deadline);
  int Descriptors(std::span<DescriptorWait> out) const;
  void InvalidateAll();
  void Pause();
  void Resume();
  absl::Status Close(Deadline deadline);

  // The pool calls `callback` when Tick has work. The callback that was set before is not called
  // after this returns. An empty one stands for PoolOptions::on_work.
  void SetHousekeeper(WakeCallback callback);

  PoolParts& parts() { return parts_; }
  Tuner& tuner() { return tuner_; }

  // For tests: the lock is free, and the lanes keep their invariants.
  bool LockIsFree() const;
  const char* CheckInvariants();

 private:
  SlotHead* TakeIdle(Lane& lane, Deadline not_after, SourceLine where);
  // The same event for both lanes.
  template <class Event>
  void TellLanes(Event event);
  [[noreturn]] void AbortWithLeases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);

  PoolParts parts_;
  Maintenance maintenance_;
  Tuner tuner_;
  const WakeCallback on_work_;  // of PoolOptions
};

}  // namespace roost::internal

#endif  // ROOST_POOL_POOL_STATE_H_
