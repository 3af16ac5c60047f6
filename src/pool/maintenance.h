// pool/maintenance.h - what is done beside callers: Tick, Fill, leak reports.
#ifndef ROOST_POOL_MAINTENANCE_H_
#define ROOST_POOL_MAINTENANCE_H_

#include "pool/pool_parts.h"

namespace roost::internal {

class Maintenance {
 public:
  explicit Maintenance(PoolParts& pool);

  // See Pool::Tick and Pool::Fill.
  TimePoint Tick(TimePoint now);
  absl::Status Fill(int connections, Deadline deadline);

 private:
  void Maintain(Lane& lane, TimePoint now);
  absl::Status FillLane(Lane& lane, int target, Deadline deadline);
  void WaitForOtherOpen(Deadline deadline);
  void ReportLeaks(Lane& lane, TimePoint now);
  bool ReportOneLeak(Lane& lane, TimePoint now);
  void ReportLateTick(TimePoint now);
  void CheckForSuspend(TimePoint now);
  TimePoint PromiseNextTick(TimePoint now, TimePoint backend_at);

  PoolParts& pool_;
  Duration suspended_ ABSL_GUARDED_BY(kPoolLock);  // Platform::Suspended at the last check
  TimePoint promised_tick_ ABSL_GUARDED_BY(kPoolLock) = TimePoint::max();
};

}  // namespace roost::internal

#endif  // ROOST_POOL_MAINTENANCE_H_
