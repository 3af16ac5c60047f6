// tools/roostctl/main.cc - the operator's tool. `roostctl --help` lists what it can do.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string_view>

#include "roost/version.h"
#include "tools/common/cli.h"
#include "tools/roostctl/check.h"
#include "tools/roostctl/commands.h"
#include "tools/roostctl/doctor/command.h"
#include "tools/roostctl/outbox.h"
#include "tools/roostctl/readings.h"
#include "tools/roostctl/selftest/command.h"
#include "tools/roostctl/server_commands.h"
#include "tools/roostctl/status.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Answers questions about connection pools: how large, with which settings, on which board.",
      "roostctl");
  app.set_version_flag("-V,--version", "roostctl " ROOST_VERSION_STRING,
                       "Show the version and exit");
  app.require_subcommand(1);
  app.footer(
      "roostctl help COMMAND shows what a command takes; man roostctl-COMMAND says the same.\n"
      "Exit codes: 0 done, 1 the node is not healthy, a check failed or the doctor found a cause, "
      "2 the "
      "arguments are wrong, 3 no such program runs, 4 nobody can tell.");
  roost::tools::ProfilesCommand profiles;
  roost::tools::SizeCommand size;
  roost::tools::VersionCommand version;
  roost::tools::SelftestCommand selftest;
  roost::tools::StatusCommand status;
  roost::tools::MetricsCommand metrics;
  roost::tools::NodeCheckCommand check;
  roost::tools::ReadingsCommand readings;
  roost::tools::DoctorCommand doctor;
  roost::tools::OutboxCommand outbox;
  roost::tools::ServerCommands server;
  status.AddTo(app);
  metrics.AddTo(app);
  doctor.AddTo(app);
  check.AddTo(app);
  readings.AddTo(app);
  outbox.AddTo(app);
  selftest.AddTo(app);
  server.AddTo(app);
  profiles.AddTo(app);
  version.AddTo(app);
  size.AddTo(app);
  const std::optional<int> parsed = roost::tools::Parse(app, argc, argv);
  // What cannot be checked is not critical.
  if (parsed == roost::tools::kExitUsage && argc > 1 && std::string_view(argv[1]) == "check") {
    return roost::tools::kCheckUnknown;
  }
  return parsed.value_or(std::max({status.exit_code(), metrics.exit_code(), doctor.exit_code(),
                                   check.exit_code(), readings.exit_code(), outbox.exit_code(),
                                   server.exit_code(), selftest.exit_code()}));
}
