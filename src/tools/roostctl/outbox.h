// tools/roostctl/outbox.h - `roostctl outbox`: what a node has sent, what waits, what was given up or set aside, and
// whether both sides agree.
//
// The node's side is read from its database, while it runs (node_file.h). The server's side is asked as an operator:
// `verify` and `export` by a user that has been granted roost_reader or owns the schema, `drop` by its owner.
//
// Threads:  one
// Blocks:   for the database 1 s a question; for the server kServerWithin
// Errors:   a sentence on standard error, and the exit code
#ifndef ROOST_TOOLS_ROOSTCTL_OUTBOX_H_
#define ROOST_TOOLS_ROOSTCTL_OUTBOX_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "roost/deadline.h"
#include "telemetry/status_file.h"

namespace roost::tools {

// Exit codes of `roostctl outbox` besides kExitUsage.
inline constexpr int kOutboxAgrees = 0;
inline constexpr int kOutboxMisses = 1;      // readings are missing
inline constexpr int kOutboxNotRunning = 3;  // no node runs that could be told
inline constexpr int kOutboxCannotTell =
    4;  // the database, the status file or the server does not say

// The node's side, by numbers.
struct OutboxSide {
  struct Segment {
    int64_t epoch = 0;
    int64_t lo = 0;
    std::optional<int64_t> hi{};  // nothing: open-ended
    int64_t sent = 0;
    int64_t acked = 0;
  };
  std::vector<Segment> segments{};  // by their first numbers
  int64_t newest = 0;               // of the readings; 0: there is none
  int64_t waiting = 0;
  int64_t given_up_full = 0;
  int64_t given_up_age = 0;
  int64_t thinned = 0;
};
absl::StatusOr<OutboxSide> ReadOutboxSide(const std::string& path);

// The server's, one an epoch.
struct ServerBalance {
  int64_t epoch = 0;
  int64_t accounted = 0;
  int64_t readings = 0;
  int64_t rejects = 0;
  int64_t gaps = 0;
  int64_t missing = 0;
  int64_t retired = 0;
};
struct Verdict {
  int64_t missing = 0;  // on the server
  int64_t unknown = 0;  // numbers that it has confirmed, by the node, and does not account for
  std::string text;
};
Verdict JudgeBalance(const std::string& node, const OutboxSide& side,
                     const std::vector<ServerBalance>& server);

class OutboxCommand {
 public:
  static constexpr Duration kServerWithin = std::chrono::seconds(30);

  void AddTo(CLI::App& app);
  int exit_code() const { return exit_code_; }

 private:
  void AddLocal(CLI::App& command);
  void AddServer(CLI::App& command);
  void Show();
  void Verify();
  void Retry();
  void Export();
  void Drop();
  void Fail(const std::string& why, int code);
  std::string Node() const;

  std::string db_;
  std::string config_;
  std::string server_;
  std::string password_file_;
  std::string node_;
  std::string file_;  // of `export`
  std::string before_;
  std::string status_file_ = telemetry::kStatusFile;
  bool json_ = false;
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_OUTBOX_H_
