#include "tools/roostctl/selftest/command.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "platform/rpi/board_health.h"
#include "telemetry/status_file.h"
#include "tools/common/make_backend.h"
#include "tools/common/remote_uri.h"
#include "tools/roostctl/selftest/report.h"
#include "tools/roostctl/selftest/run.h"

namespace roost::tools {
namespace {

namespace fs = std::filesystem;
using selftest::Check;

constexpr char kSystemFolder[] = "/var/lib/roost";
constexpr char kFile[] = "node.db";

constexpr char kFooter[] =
    R"(Each line is a check: pass, warn, fail or skip, what was measured, [what it should be], and in
the next line what to do. --list shows the checks and how long each may take; a run ends within a
minute. A check that needs rights which this user has not is skipped and says so: run it as the
service's user (sudo -u roost roostctl selftest).

It may run beside the node: it works on files of its own in the folder of the data, which it
removes, and only reads the node's database. It writes some 2 MiB there at the most.

Examples:
  roostctl selftest
  roostctl selftest --quick --skip service
  roostctl selftest --only card,pool.handoff --db /media/data --json
  roostctl selftest --only remote --remote postgresql://node7@db.example.org/farm

Exit codes: 0 nothing failed (with --strict: nothing warned either), 1 something failed,
2 the arguments are wrong.)";

// "card" means every check of the group, "card.sync" the one.
bool IsMeant(const Check& check, const std::string& meant) {
  const std::string_view name = check.name;
  return name == meant || name.substr(0, name.find('.')) == meant;
}

bool IsAmong(const Check& check, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&check](const std::string& name) { return IsMeant(check, name); });
}

// For CLI11: empty when `name` is the name of a check or of a group.
std::string CheckName(const std::string& name) {
  const auto checks = selftest::AllChecks();
  const bool known = std::any_of(checks.begin(), checks.end(),
                                 [&name](const Check& check) { return IsMeant(check, name); });
  return known ? "" : "there is no check \"" + name + "\"; roostctl selftest --list shows them";
}

// For the completion: every check and every group.
std::string CheckNames() {
  std::string names;
  std::string_view group;
  for (const Check& check : selftest::AllChecks()) {
    const std::string_view name = check.name;
    if (const std::string_view its = name.substr(0, name.find('.')); its != group) {
      names += std::string(its) + ",";
      group = its;
    }
    names += std::string(name) + ",";
  }
  return "{" + names.substr(0, names.size() - 1) + "}";
}

// For CLI11: empty when the address of the remote may be on a command line.
std::string CheckRemote(const std::string& uri) {
  if (HasPassword(uri)) {
    return "every user of this machine can read a password on a command line; put it into a file "
           "that passfile= in the address names, for PostgreSQL also ~/.pgpass";
  }
  return std::string(CheckRemoteUri(uri).message());
}

fs::path PathOf(const std::string& db) {
  const absl::StatusOr<std::string> path = LocalPath(db);
  if (path.ok()) return *path;
  throw CLI::ValidationError("--db", std::string(path.status().message()));
}

}  // namespace

void SelftestCommand::Declare(CLI::App& command) {
  command.add_flag("--json", json_, "Print one JSON object at the end");
  command.add_flag("--tap", tap_, "Print TAP version 13")->excludes("--json");
  command
      .add_option("--db", db_,
                  "The node's database, or the folder of it (default: /var/lib/roost/node.db where "
                  "that folder exists, else the current folder)")
      ->type_name("PATH");
  command
      .add_option("--config", config_,
                  "roost-node's configuration, for its db and remote (default: " +
                      std::string(selftest::kNodeConfig) +
                      " where it can be read, unless --db or --remote is given)")
      ->type_name("FILE");
  command
      .add_option(
          "--remote", remote_,
          "Address of the node's database on a server, without a password: "
          "postgresql://USER@HOST/DATABASE, as libpq takes it, or mysql://USER@HOST/DATABASE "
          "(default: none)")
      ->type_name("URI")
      ->check(CheckRemote);
  command.add_flag("--quick", quick_, "Leave out the slow checks");
  command.add_option("--only", only_, "Run only these checks or groups: card,pool.handoff")
      ->delimiter(',')
      ->type_name("CHECK")
      ->check(CheckName, CheckNames());
  command.add_option("--skip", skip_, "Leave these checks or groups out")
      ->delimiter(',')
      ->type_name("CHECK")
      ->check(CheckName, CheckNames());
  command.add_flag("--list", list_, "Show the checks and how long each may take, and exit");
  command.add_flag("--strict", strict_, "A warning counts as a failure");
  command.add_flag("--allow-volatile", allow_volatile_,
                   "The data is meant to be in memory (tmpfs, overlay)");
  command.add_option("--unit", unit_, "The node's service (default: roost-node.service)")
      ->type_name("NAME");
  command
      .add_option("--root", root_,
                  "Reads the kernel's files below this folder instead of /, for tests")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
}

void SelftestCommand::AddTo(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("selftest", "Measure whether this board is fit for a node");
  Declare(*command);
  command->footer(kFooter);
  command->callback([this] { list_ ? selftest::PrintList() : Run(); });
}

std::vector<const Check*> SelftestCommand::Chosen() const {
  std::vector<const Check*> chosen;
  for (const Check& check : selftest::AllChecks()) {
    const bool wanted = only_.empty() || IsAmong(check, only_);
    if (wanted && !IsAmong(check, skip_)) chosen.push_back(&check);
  }
  if (chosen.empty()) throw CLI::ValidationError("--skip", "leaves no check over");
  return chosen;
}

selftest::NodeConfig SelftestCommand::Configuration() const {
  const bool by_default = config_.empty();
  const std::string path = by_default ? selftest::kNodeConfig : config_;
  const bool wanted = db_.empty() && remote_.empty() && access(path.c_str(), R_OK) == 0;
  if (by_default && !wanted) return {};
  const absl::StatusOr<selftest::NodeConfig> config = selftest::ReadNodeConfig(path);
  if (config.ok()) return *config;
  throw CLI::ValidationError("--config", std::string(config.status().message()));
}

selftest::Setup SelftestCommand::MakeSetup() const {
  const selftest::NodeConfig config = Configuration();
  const std::string& chosen = db_.empty() ? config.db : db_;
  std::error_code error;
  fs::path db = PathOf(chosen);
  if (chosen.empty()) db = fs::is_directory(kSystemFolder, error) ? kSystemFolder : ".";
  if (fs::is_directory(db, error)) db /= kFile;
  const fs::path folder = fs::canonical(fs::absolute(db, error).parent_path(), error);
  if (error && !chosen.empty()) {
    throw CLI::ValidationError(
        "--db", "the folder of " + db.string() + " does not exist; make it, or choose another");
  }
  return {.root = root_,
          .db = (folder / db.filename()).string(),
          .folder = folder.string(),
          .remote = remote_.empty() ? config.remote : remote_,
          .password_file = remote_.empty() ? config.password_file : "",
          .password_hidden = remote_.empty() && config.password_hidden,
          .status_file = root_ + telemetry::kStatusFile,
          .unit = unit_,
          .allow_volatile = allow_volatile_};
}

void SelftestCommand::Run() {
  const std::vector<const Check*> checks = Chosen();
  const selftest::Setup setup = MakeSetup();
  const BoardHealth board({.root = root_});
  const BoardHealth machine({});
  const selftest::Form form = json_  ? selftest::Form::kJson
                              : tap_ ? selftest::Form::kTap
                                     : selftest::Form::kTable;
  selftest::Report report(
      form, {.board = board.model(), .folder = setup.folder, .db = setup.db, .strict = strict_});
  report.Begin(checks.size());
  const std::optional<uint64_t> before = machine.BytesWritten();
  const selftest::Run run =
      selftest::RunChecks(checks, setup, NativePlatform(), quick_,
                          [&report](const selftest::Finding& finding) { report.Add(finding); });
  std::optional<uint64_t> written = machine.BytesWritten();
  if (before && written) *written -= *before;
  report.End(run, written);
  exit_code_ = selftest::ExitCode(run, strict_);
  // A thread that hangs in the kernel cannot be joined, and may still use what exit destroys.
  if (run.left_behind) _exit(exit_code_);
}

}  // namespace roost::tools
