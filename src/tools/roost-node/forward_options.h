// tools/roost-node/forward_options.h - the flags of forwarding: which readings go to the server, how, and at which
// price.
#ifndef ROOST_TOOLS_ROOST_NODE_FORWARD_OPTIONS_H_
#define ROOST_TOOLS_ROOST_NODE_FORWARD_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "roost/deadline.h"

namespace roost::tools {

// The name of the credential, in $CREDENTIALS_DIRECTORY.
inline constexpr char kTokenCredential[] = "roost-token";

struct ForwardOptions {
  enum class Order : uint8_t { kFreshFirst, kOldestFirst };

  static constexpr int64_t kMostRows = 5000;
  static constexpr int64_t kLeastRate = 256;
  static constexpr int64_t kLeastBudget = int64_t{1} << 20;
  static constexpr int kLastBudgetDay = 28;
  // How long a reading that the server has stays here where --keep does not say.
  static constexpr Duration kKeepSent = std::chrono::hours(24 * 30);

  std::optional<bool> asked{};  // --forward, --no-forward; nothing: where there is a remote
  int64_t batch = 500;          // readings in a call, at most
  Duration every = std::chrono::seconds(5);  // the longest a reading waits for others
  std::optional<Order> order{};              // nothing: fresh-first, into a table oldest-first
  int64_t rate = 0;                          // bytes a second; 0: any
  int64_t budget = 0;                        // bytes a month; 0: any
  int budget_day = 1;                        // of the month, on which it begins
  // A table of one's own in place of the schema roost; empty: none. Its columns of the key: node, epoch, seq.
  std::string table{};
  std::vector<std::string> key{"node", "epoch", "seq"};
  std::string token_file{};                    // empty: there is no token
  Duration alarm_age = std::chrono::hours(1);  // of the oldest that waits: late from then on
};

void DeclareForward(CLI::App& app, ForwardOptions& options);

// Checks what depends on more than one flag, and finds the token. Throws CLI::ValidationError. Returns whether
// readings are forwarded.
enum class RemoteKind : uint8_t { kNone, kPostgres, kMysql };
bool ResolveForward(ForwardOptions& options, RemoteKind remote);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_FORWARD_OPTIONS_H_
