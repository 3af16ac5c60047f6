// outbox/link_meter.h - counts the bytes of a TCP link by what the kernel says of its socket.
//
// Threads:  one
// Blocks:   never
// Memory:   values
// Errors:   a socket that the kernel does not count is counted by what its user adds
#ifndef ROOST_OUTBOX_LINK_METER_H_
#define ROOST_OUTBOX_LINK_METER_H_

#include <cstdint>

namespace roost::outbox {

class LinkMeter {
 public:
  // Another connection than before: what the kernel counts of it begins at 0.
  void Begin() { seen_ = 0; }
  // What the socket has carried since the last look. False: the kernel does not say.
  bool Look(int fd);
  // Bytes that are known otherwise.
  void Add(uint64_t bytes) { total_ += bytes; }
  uint64_t total() const { return total_; }

 private:
  uint64_t seen_ = 0;  // of this connection
  uint64_t total_ = 0;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_LINK_METER_H_
