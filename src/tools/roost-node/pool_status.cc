#include "tools/roost-node/pool_status.h"

#include <string>

#include "platform/rpi/board_health.h"
#include "platform/rpi/kernel_files.h"
#include "telemetry/metrics.h"
#include "tools/common/text.h"

namespace roost::tools {

void ToStatus(const Pool& pool, telemetry::PoolStatus& status) {
  status.name = pool.name();
  status.backend = pool.backend().kind();
  status.target = pool.backend().target();
  status.profile = pool.settings().profile;
  if (const ServerFacts server = pool.backend().server(); server.version[0] != '\0') {
    if (!status.server.has_value()) status.server.emplace();
    status.server->version = server.version.data();
    status.server->role = Name(server.role);
    status.server->user = server.user.data();
    status.server->tls = server.tls.data();
    status.server->round_trip = server.round_trip;
  }
  status.stats = pool.stats();
  status.wait = telemetry::HistogramPercentiles(status.stats.wait);
  status.hold = telemetry::HistogramPercentiles(status.stats.hold);
  status.create = telemetry::HistogramPercentiles(status.stats.create);
  status.statement_time = telemetry::HistogramPercentiles(status.stats.statement_time);
}

SqliteFileStats FileStatsOf(const Pool& pool) {
  if (pool.backend().kind() != "sqlite") return {};
  return static_cast<const SqliteBackend&>(pool.backend()).file_stats();
}

void ToStatus(const SqliteFileStats& stats, telemetry::SqliteFileStatus& status) {
  status.log_pages = static_cast<uint64_t>(stats.log_pages);
  status.log_pages_peak = static_cast<uint64_t>(stats.log_pages_peak);
  status.max_log_pages = static_cast<uint64_t>(stats.max_log_pages);
  status.checkpoint_error = stats.checkpoint_error;
  status.damaged_files = static_cast<uint64_t>(stats.damaged_files);
}

void ToStatus(const SqliteMemory* memory, telemetry::SqliteMemoryStatus& status) {
  if (memory == nullptr) return;
  const SqliteMemoryStats stats = memory->stats();
  status.bounded = memory->status().ok();
  status.heap_because = MessageOf(memory->status());
  status.arena_bytes = stats.arena_bytes;
  status.arena_used = stats.arena_used;
  status.arena_peak = stats.arena_peak;
  status.arena_failures = stats.arena_failures;
  status.pages = static_cast<uint64_t>(stats.pages);
  status.pages_used = static_cast<uint64_t>(stats.pages_used);
  status.pages_peak = static_cast<uint64_t>(stats.pages_peak);
  status.page_overflow_peak = stats.page_overflow_peak;
}

void ToStatus(telemetry::MemoryStatus& status) {
  static const std::string kPath = "/proc/self/status";
  const kernel::SmallFile file(kPath);
  status.rss_kib = kernel::Field(file.text(), "VmRSS").value_or(0);
  status.peak_rss_kib = kernel::Field(file.text(), "VmHWM").value_or(0);
}

int64_t BootMicrosAt(TimePoint now, TimePoint at) {
  return BootMicros() + (at - now) / std::chrono::microseconds(1);
}

}  // namespace roost::tools
