// include/roost/internal/lease_record.h - what a connection keeps of the lease it is in.
//
// It lies in the pool's slot, so that an acquire and a return find it without asking the connection
// where it is; a connection that no pool has keeps its own.
#ifndef ROOST_INTERNAL_LEASE_RECORD_H_
#define ROOST_INTERNAL_LEASE_RECORD_H_

#include <atomic>
#include <cstdint>

#include "roost/deadline.h"

namespace roost::internal {

// Belongs to the holder of the connection.
struct LeaseRecord {
  Deadline work_by = Deadline::Never();  // Connection::deadline
  // Given so far, of any connection that lay here. Only the holder writes it; wraps.
  std::atomic<uint32_t> leases{0};
  uint8_t dirty_flags = 0;  // Connection::DirtyFlag

  // Release: see fast_lane.h.
  void CountLease() {
    leases.store(leases.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
};

}  // namespace roost::internal

#endif  // ROOST_INTERNAL_LEASE_RECORD_H_
