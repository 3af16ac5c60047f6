// tools/roostctl/status.h - `roostctl status`: what the node on this board is doing.
#ifndef ROOST_TOOLS_ROOSTCTL_STATUS_H_
#define ROOST_TOOLS_ROOSTCTL_STATUS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "telemetry/status_file.h"

namespace roost::tools {

// The lines that a person reads. `now_boot_us`: BootMicros().
std::string StatusText(const telemetry::NodeStatus& status, int64_t now_boot_us);

// status [--file PATH] [--json] [--watch]: from the file that a running roost-node writes.
class StatusCommand {
 public:
  void AddTo(CLI::App& app);
  // 0: the node is healthy; 1: it is not, or none runs.
  int exit_code() const { return exit_code_; }

 private:
  void Run();
  // False: there is nothing to show.
  bool Show() const;
  void Watch();

  std::string file_ = telemetry::kStatusFile;
  bool json_ = false;
  bool watch_ = false;
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_STATUS_H_
