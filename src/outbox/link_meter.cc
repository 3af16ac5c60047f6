#include "outbox/link_meter.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace roost::outbox {
namespace {

// IPv4 and TCP with its time stamps.
constexpr uint64_t kHead = 52;

}  // namespace

bool LinkMeter::Look(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  // Kernels of before 4.2 count no packets, those of before 4.19 not what was sent again.
  if (size < offsetof(tcp_info, tcpi_segs_in) + sizeof info.tcpi_segs_in) return false;
  const bool counts_sent =
      size >= offsetof(tcp_info, tcpi_bytes_sent) + sizeof info.tcpi_bytes_sent;
  const uint64_t sent = counts_sent ? info.tcpi_bytes_sent : info.tcpi_bytes_acked;
  const uint64_t packets = uint64_t{info.tcpi_segs_out} + info.tcpi_segs_in;
  const uint64_t now = sent + info.tcpi_bytes_received + packets * kHead;
  if (now > seen_) total_ += now - seen_;
  seen_ = now;
  return true;
}

}  // namespace roost::outbox
