// tools/roostctl/selftest/service.cc - checks of the node's service and of the node that runs.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "platform/rpi/kernel_files.h"
#include "telemetry/status_file.h"
#include "tools/common/text.h"
#include "tools/roostctl/command_output.h"
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

// A service that was restarted so often since it was last started by hand has something wrong with
// it, though systemd keeps it alive.
constexpr int kManyRestarts = 3;

std::map<std::string, std::string> Properties(std::string_view show) {
  std::map<std::string, std::string> properties;
  while (!show.empty()) {
    const std::string_view line = show.substr(0, show.find('\n'));
    show.remove_prefix(std::min(line.size() + 1, show.size()));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    properties[std::string(line.substr(0, equals))] = std::string(line.substr(equals + 1));
  }
  return properties;
}

std::string FirstReadable(const Context& context, std::initializer_list<const char*> paths) {
  for (const char* path : paths) {
    const std::string whole = context.Path(path);
    if (access(whole.c_str(), X_OK) == 0) return whole;
  }
  return {};
}

}  // namespace

Result JudgeServiceUnit(const std::string& unit, const std::string& show) {
  std::map<std::string, std::string> is = Properties(show);
  if (is["LoadState"] == "not-found" || is["LoadState"].empty()) {
    return Skip(unit + " is not installed");
  }
  const int restarts = kernel::Parse<int>(is["NRestarts"]).value_or(0);
  const std::string watchdog = is["WatchdogUSec"];
  const bool watched = !watchdog.empty() && watchdog != "0" && watchdog != "infinity";
  const std::string measured =
      is["ActiveState"] + " (" + is["SubState"] + "), " + Format("%d restarts, ", restarts) +
      (watched ? "watchdog " + watchdog : "no watchdog") + ", " + is["UnitFileState"];
  const char* bound = "active, enabled, watched, hardly restarted";
  Result result = Pass(measured, bound);
  const std::string journal = "journalctl -u " + unit + " -e";
  if (is["ActiveState"] == "failed") {
    result = Fail(measured + ", result " + is["Result"], bound, "see why with " + journal);
  } else if (is["ActiveState"] != "active" && is["ActiveState"] != "activating") {
    result = Warn(measured, bound, "systemctl enable --now " + unit);
  } else if (restarts >= kManyRestarts) {
    result = Warn(measured, bound, "it ends again and again: see why with " + journal);
  } else if (!watched) {
    result = Warn(measured, bound, "set WatchdogSec= in the unit: a node that hangs stays so");
  } else if (is["UnitFileState"] != "enabled") {
    result = Warn(measured, bound, "it will not be started at boot: systemctl enable " + unit);
  }
  return std::move(result)
      .With("active", is["ActiveState"])
      .With("sub", is["SubState"])
      .With("restarts", restarts)
      .With("watched", watched)
      .With("enabled", is["UnitFileState"] == "enabled");
}

Result CheckServiceUnit(Context& context) {
  const std::string systemctl = FirstReadable(context, {"/usr/bin/systemctl", "/bin/systemctl"});
  if (systemctl.empty() || access(context.Path("/run/systemd/system").c_str(), F_OK) != 0) {
    return Skip("systemd does not run here");
  }
  const absl::StatusOr<std::string> show = CommandOutput(
      context.platform,
      {systemctl, "show", context.setup.unit,
       "--property=LoadState,ActiveState,SubState,Result,NRestarts,WatchdogUSec,UnitFileState"},
      context.deadline);
  if (!show.ok())
    return Skip("systemd may not be asked here: " + std::string(show.status().message()));
  return JudgeServiceUnit(context.setup.unit, *show);
}

Result JudgeServiceNode(const telemetry::NodeStatus& status, int64_t now_boot_us) {
  const std::string trouble = telemetry::Trouble(status, now_boot_us);
  const std::string measured = trouble.empty()
                                   ? Format("%s, %llu readings sealed", status.state.c_str(),
                                            static_cast<unsigned long long>(status.readings.sealed))
                                   : trouble;
  const char* bound = "ready, watchdog fed, a reading sealed";
  Result result = trouble.empty()
                      ? Pass(measured, bound)
                      : Fail(measured, bound, "see roostctl status and the node's journal");
  if (trouble.empty() && status.readings.dropped + status.readings.lost > 0) {
    result = Warn(measured + Format(", %llu dropped or lost",
                                    static_cast<unsigned long long>(status.readings.dropped +
                                                                    status.readings.lost)),
                  bound, "the database refused for longer than the buffer holds: see card.sync");
  }
  return std::move(result)
      .With("state", status.state)
      .With("sealed", status.readings.sealed)
      .With("dropped", status.readings.dropped)
      .With("lost", status.readings.lost)
      .With("version", status.version);
}

Result CheckServiceNode(Context& context) {
  const absl::StatusOr<telemetry::NodeStatus> status =
      telemetry::ReadStatusFile(context.setup.status_file);
  if (absl::IsNotFound(status.status())) {
    return Skip("no node runs: there is no " + context.setup.status_file);
  }
  if (!status.ok()) return Skip(std::string(status.status().message()));
  return JudgeServiceNode(*status, BootMicros());
}

}  // namespace roost::tools::selftest
