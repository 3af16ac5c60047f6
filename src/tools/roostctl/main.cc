// tools/roostctl/main.cc - the operator's tool. `roostctl --help` lists what it can do.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "roost/version.h"
#include "tools/common/cli.h"
#include "tools/roostctl/commands.h"
#include "tools/roostctl/doctor/command.h"
#include "tools/roostctl/selftest/command.h"
#include "tools/roostctl/status.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Answers questions about connection pools: how large, with which settings, on which board.",
      "roostctl");
  app.set_version_flag("--version", "roostctl " ROOST_VERSION_STRING, "Show the version and exit");
  app.require_subcommand(1);
  app.footer(
      "Each command has a --help of its own.\n"
      "Exit codes: 0 done, 1 the node is not healthy, a check failed or the doctor found a cause,\n"
      "2 the arguments are wrong, 3 no such program runs, 4 nobody can tell.");
  roost::tools::ProfilesCommand profiles;
  roost::tools::SizeCommand size;
  roost::tools::SelftestCommand selftest;
  roost::tools::StatusCommand status;
  roost::tools::MetricsCommand metrics;
  roost::tools::DoctorCommand doctor;
  status.AddTo(app);
  metrics.AddTo(app);
  doctor.AddTo(app);
  selftest.AddTo(app);
  profiles.AddTo(app);
  size.AddTo(app);
  return roost::tools::Parse(app, argc, argv)
      .value_or(std::max(
          {status.exit_code(), metrics.exit_code(), doctor.exit_code(), selftest.exit_code()}));
}
