// tools/roostctl/status.h - `roostctl status`: what the programs on this board are doing.
#ifndef ROOST_TOOLS_ROOSTCTL_STATUS_H_
#define ROOST_TOOLS_ROOSTCTL_STATUS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "telemetry/status_file.h"
#include "tools/roostctl/server.h"
#include "tools/roostctl/watch/terminal.h"

namespace roost::tools {

// The lines that a person reads. `now_boot_us`: BootMicros().
std::string StatusText(const telemetry::NodeStatus& status, int64_t now_boot_us);

// A node that was killed leaves its file behind.
bool IsGone(const telemetry::NodeStatus& status);
// It has sealed nothing, and has not run for long.
bool IsStarting(const telemetry::NodeStatus& status, int64_t now_boot_us);

// Exit codes of `roostctl status` besides kExitUsage. Scripts judge a node by them; deploy/push.sh does.
inline constexpr int kStatusHealthy =
    0;  // also when something is amiss that is no trouble of the node
inline constexpr int kStatusNotHealthy = 1;
inline constexpr int kStatusNotRunning =
    3;  // there is no file, or the process that wrote it is gone
inline constexpr int kStatusCannotTell = 4;  // the file cannot be read, or is no status file
// Of `roostctl metrics --file`, besides: the file cannot be written.
inline constexpr int kMetricsNotWritten = 1;

// The lines that a terminal has room for: its width, else $COLUMNS, else 80; 20 at least.
int ScreenWidth();
// True where the locale has no characters but ASCII's.
bool IsAsciiOnly();

// metrics [NAME] [--file PATH]: Prometheus' text of one program.
class MetricsCommand {
 public:
  void AddTo(CLI::App& app);
  int exit_code() const { return exit_code_; }

 private:
  void Run();
  void WriteFile(std::string_view text);

  std::string name_;
  std::string file_;  // empty: standard output
  int exit_code_ = 0;
};

// status [NAME] [--json] [--watch [--interval TIME] [--color WHEN]]: what programs answer on their status sockets.
// status --last [NAME]: what one has left behind.
// status --server URI [NAME] [--password-file PATH] [--json]: what a database's server says of its sessions.
// status --file PATH: from the file that a running roost-node writes; also where there is no socket.
class StatusCommand {
 public:
  void AddTo(CLI::App& app);
  int exit_code() const { return exit_code_; }

 private:
  void Run();
  // Once; returns the exit code.
  int Show() const;
  int ShowFile() const;
  void Tell(const std::string& sentence) const;
  int ShowLast() const;
  void AddServerTo(CLI::App& command, CLI::Option* file, CLI::Option* watch);
  int Watch();
  std::string TextOfFile() const;

  std::string name_;  // empty: all
  std::string file_ = telemetry::kStatusFile;
  bool file_given_ = false;
  bool last_ = false;
  Duration interval_ = std::chrono::seconds(2);
  ServerCommand server_;  // its uri is empty: it is not asked for
  bool json_ = false;
  bool watch_ = false;
  watch::Colour colour_ = watch::Colour::kAuto;
  mutable std::string told_;
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_STATUS_H_
