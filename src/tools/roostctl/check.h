// tools/roostctl/check.h - `roostctl check`: one line and an exit code for monitoring, as Nagios' plugins have
// them; Icinga, Zabbix, Monit and systemd's ExecCondition take the same.
#ifndef ROOST_TOOLS_ROOSTCTL_CHECK_H_
#define ROOST_TOOLS_ROOSTCTL_CHECK_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "roost/deadline.h"
#include "telemetry/status_file.h"

namespace roost::tools {

// Exit codes; the line says OK, WARNING, CRITICAL and UNKNOWN. A mistake in the arguments is
// unknown, too.
inline constexpr int kCheckOk = 0;
inline constexpr int kCheckWarning = 1;
inline constexpr int kCheckCritical = 2;
inline constexpr int kCheckUnknown = 3;

struct CheckLimits {
  Duration
      warning_age{};  // of the oldest reading that waits for the server; zero: what the node says is late
  Duration critical_age = std::chrono::hours(24);
  uint64_t rejects = 0;  // so many readings that the server has set aside are no warning
};

struct CheckResult {
  int code = kCheckUnknown;
  std::string line;  // without an end; figures stand behind a bar, and only where they are known
};
CheckResult JudgeNode(const telemetry::NodeStatus& status, int64_t now_boot_us,
                      const CheckLimits& limits);

// check [--file PATH] [--warning-age TIME] [--critical-age TIME] [--rejects N]
class NodeCheckCommand {
 public:
  void AddTo(CLI::App& app);
  int exit_code() const { return exit_code_; }

 private:
  void Run();
  CheckResult Check() const;

  std::string file_ = telemetry::kStatusFile;
  CheckLimits limits_;
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_CHECK_H_
