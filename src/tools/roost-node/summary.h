// tools/roost-node/summary.h - what roost-node prints at its end, and about itself.
#ifndef ROOST_TOOLS_ROOST_NODE_SUMMARY_H_
#define ROOST_TOOLS_ROOST_NODE_SUMMARY_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "roost/profile.h"
#include "roost/stats.h"
#include "telemetry/node_status.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/node.h"
#include "tools/roost-node/store.h"

namespace roost::tools {

struct Summary {
  std::string db{};
  std::string model{};  // of the board; empty: not known
  PoolSettings settings{};
  Duration ran{};
  Node::Ending ending{};
  Counts counts{};
  int input_error = 0;  // that ended the input, as errno; 0: none
  Stats stats{};
  telemetry::SqliteMemoryStatus sqlite_memory{};
  std::optional<telemetry::OutboxStatus> outbox{};  // absent: no reading was sent
  std::optional<telemetry::RemoteStatus> remote{};  // absent: none was asked for
  std::string remote_text{};                        // its state at the end, for people
  std::optional<uint64_t> bytes_written{};          // absent where the kernel does not tell
  size_t more_sensors = 0;                          // beside `sensors`
  absl::StatusOr<std::vector<SensorSummary>> sensors = std::vector<SensorSummary>();
};
void PrintText(const Summary& summary);
void PrintJson(const Summary& summary);

// The profile and the board that this program was compiled for.
struct ProfileInfo {
  PoolSettings settings;
  size_t pool_bytes = 0;
  size_t sqlite_memory_bytes = 0;
  size_t reading_bytes = 0;  // of one reading in the buffer
};
void PrintText(const ProfileInfo& info);
void PrintJson(const ProfileInfo& info);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_SUMMARY_H_
