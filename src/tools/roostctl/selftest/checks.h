// tools/roostctl/selftest/checks.h - the checks by topic, and how each judges what it measured.
//
// Check...: a row of the table in checks.cc. Judge...: from what was measured to a Result;
// pure. The bounds and where they come from are beside each in its file.
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_CHECKS_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_CHECKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/boards/board.h"
#include "platform/rpi/board_facts.h"
#include "platform/rpi/board_health.h"
#include "roost/lease.h"
#include "telemetry/node_status.h"
#include "tools/roostctl/selftest/check.h"

namespace roost::tools::selftest {

// ---- clock, entropy (clock.cc) ------------------------------------------------------------------
Result CheckClockSource(Context& context);
Result CheckClockResolution(Context& context);
Result CheckClockCost(Context& context);
Result CheckClockSet(Context& context);
Result CheckClockDate(Context& context);
Result CheckClockJumps(Context& context);
Result CheckEntropy(Context& context);
Result CheckHardwareGenerator(Context& context);

Result JudgeClockResolution(Duration exact, Duration coarse);
Result JudgeClockCost(Duration exact, Duration coarse);
// `set`: what the kernel said; nothing: it may not be asked. `set_by_systemd`: timesyncd's mark.
Result JudgeClockSet(std::optional<bool> set, bool set_by_systemd);
Result JudgeClockDate(int64_t unix_micros);
Result JudgeClockJumps(Duration largest_step, Duration watched);
// `error`: errno of getrandom without waiting; 0: it gave bytes.
Result JudgeEntropy(int error);

// ---- card (card.cc, card_write.cc, integrity.cc) ------------------------------------------------
Result CheckCardFileSystem(Context& context);
Result CheckCardOptions(Context& context);
Result CheckCardWritable(Context& context);
Result CheckCardSpace(Context& context);
Result CheckCardWear(Context& context);
Result CheckCardSync(Context& context);
Result CheckCardLog(Context& context);
Result CheckCardIntegrity(Context& context);

struct Space {
  uint64_t free_bytes = 0;  // for an unprivileged process
  uint64_t total_bytes = 0;
  uint64_t free_files = 0;
  uint64_t total_files = 0;  // 0: the file system has no such limit
};
Result JudgeCardSpace(const Space& space);
Result JudgeCardSync(const Percentiles& syncs, uint64_t bytes_written);
Result JudgeCardWear(const BlockDevice& block, Duration up);

// What a scratch database of the node's kind answered.
struct LogFacts {
  std::string journal_mode{};
  int64_t synchronous = 0;            // of a connection that seals batches
  int64_t synchronous_of_commit = 0;  // of one that syncs every commit
  int64_t page_bytes = 0;
  std::string quick_check{};
  int64_t rows_expected = 0;
  int64_t rows_found = 0;  // after closing and opening anew
  Percentiles commits{};   // without a sync
  Percentiles seals{};
};
Result JudgeCardLog(const LogFacts& facts);

// ---- memory (memory.cc) -------------------------------------------------------------------------
Result CheckMemoryPool(Context& context);
Result CheckMemoryAllocations(Context& context);
Result CheckMemoryHeap(Context& context);
Result CheckMemoryAvailable(Context& context);
Result CheckMemoryGroup(Context& context);
Result CheckMemoryOom(Context& context);

Result JudgeMemoryPool(size_t bytes, int capacity, const char* profile, uint64_t machine_bytes);
Result JudgeMemoryAllocations(uint64_t allocations, int cycles);
Result JudgeMemoryHeap(int64_t bytes, int connections);

// ---- pool and leases (pool.cc, lease.cc) --------------------------------------------------------
Result CheckPoolHandOff(Context& context);
Result CheckPoolTimeout(Context& context);
Result CheckPoolContention(Context& context);
Result CheckPoolNested(Context& context);
Result CheckPoolReset(Context& context);
Result CheckStatements(Context& context);

Result JudgeHandOff(const Percentiles& spread);
Result JudgeTimeout(Duration asked, const std::vector<Duration>& waited);
Result JudgeContention(const std::vector<int64_t>& turns, const Percentiles& waits, int slots);
Result JudgeStatements(const Percentiles& inserts, const Percentiles& selects, bool kept);

// ---- board, service (board.cc, service.cc) ------------------------------------------------------
Result CheckBoardModel(Context& context);
Result CheckBoardVoltage(Context& context);
Result CheckBoardThrottling(Context& context);
Result CheckBoardTemperature(Context& context);
Result CheckBoardGovernor(Context& context);
Result CheckBoardWatchdog(Context& context);
Result CheckServiceUnit(Context& context);
Result CheckServiceNode(Context& context);

Result JudgeBoardModel(const boards::Board& built_for, const std::string& model,
                       uint64_t memory_bytes, long page_bytes);
// `show`: lines NAME=VALUE of systemctl show.
Result JudgeServiceUnit(const std::string& unit, const std::string& show);
Result JudgeServiceNode(const telemetry::NodeStatus& status, int64_t now_boot_us);

// ---- remote (remote.cc, server_facts.cc) ---------------------------------------------------------
Result CheckRemoteReach(Context& context);
Result CheckRemoteServer(Context& context);
Result CheckRemoteLatency(Context& context);
Result CheckRemoteTls(Context& context);
Result CheckRemoteSessions(Context& context);

enum class Server : uint8_t { kPostgres, kMariadb, kMysql };
struct ServerFacts {
  Server server = Server::kPostgres;
  int64_t version = 0;   // 150020: PostgreSQL 15.20; 101119: MariaDB 10.11.19
  bool standby = false;  // in recovery: takes no writes
  bool read_only = false;
  bool encrypted = false;
  bool local = false;      // on this machine: a socket, or the loopback
  std::string protocol{};  // "TLSv1.3"
  int64_t max_connections = 0;
  int64_t reserved = 0;  // kept for superusers
  int64_t sessions = 0;  // of clients, now
};
// "10.11.19-MariaDB-0+deb12u1" and "8.4.3" into `facts`: which of both it is, and its number.
void ReadMysqlVersion(std::string_view text, ServerFacts& facts);
// Asks the server behind `lease`.
absl::StatusOr<ServerFacts> QueryServerFacts(Lease& lease, bool mysql);
Result JudgeRemoteServer(const ServerFacts& facts);
Result JudgeRemoteTls(const ServerFacts& facts);
Result JudgeRemoteSessions(const ServerFacts& facts, int ours);
Result JudgeRemoteLatency(const Percentiles& trips);

}  // namespace roost::tools::selftest

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_CHECKS_H_
