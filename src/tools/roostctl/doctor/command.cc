#include "tools/roostctl/doctor/command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "telemetry/status_file.h"
#include "tools/common/text.h"
#include "tools/roostctl/doctor/report.h"
#include "tools/roostctl/status.h"

namespace roost::tools {
namespace {

constexpr int kWidest = 100;

// Of the shell's tab completion and of mistakes: which rule is meant.
std::string RuleName(const std::string& name) {
  return doctor::FindRule(name) != nullptr
             ? ""
             : "there is no rule \"" + name + "\"; roostctl doctor --list shows them";
}

constexpr char kFooter[] =
    R"(Without an argument every program with a status socket is looked at. Else each
argument is:
  NAME      a program
  FILE, -   what `roostctl status NAME --json` printed; two of one program, or
            the lines of --watch --json, also tell what happened in between
            a node's status file
            a SQLite database: who holds its locks; it is not opened
            a journal, best of: journalctl -u roost-node -o json

Each finding has the figures that it was made of, how sure it is, the change,
and a command to check it. What another finding explains is not told. No
passwords are printed. --root DIR is read in place of / for the kernel's files.

Examples:
  roostctl doctor
  roostctl doctor greenhouse --json
  roostctl status greenhouse --json > a; sleep 60
  roostctl status greenhouse --json > b; roostctl doctor ./a ./b
  roostctl doctor /var/lib/roost/node.db
  roostctl doctor --explain D02

Exit codes: 0 nothing that hurts, 1 a finding "fail" (with --strict: any), 2 the
arguments are wrong, 3 no such program runs, 4 it could not be looked at.)";

}  // namespace

void DoctorCommand::AddTo(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("doctor", "Find what is wrong with pools, why, and what to change");
  command->add_option("what", inputs_, "Programs, or saved files (default: every program)")
      ->type_name("NAME|FILE");
  CLI::Option* const json = command->add_flag("--json", json_, "Print one JSON object");
  command->add_option("--only", only_, "Ask only these rules: D01,leak")
      ->delimiter(',')
      ->type_name("RULE")
      ->check(RuleName);
  command
      ->add_option("--max-connections", max_connections_, "Sessions that the remote's server takes")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  command->add_flag("--strict", strict_, "A warning counts as a failure");
  CLI::Option* const list = command->add_flag("--list", list_, "Show the rules, and exit");
  CLI::Option* const explain =
      command->add_option("--explain", explain_, "Show what a rule looks at, and exit")
          ->type_name("RULE")
          ->check(RuleName);
  command->add_option("--bundle", bundle_, "Also write all of it, without passwords")
      ->type_name("FILE")
      ->excludes(list)
      ->excludes(explain);
  list->excludes(explain)->excludes(json);
  explain->excludes(json);
  command->add_option("--root", root_, "For tests")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
  command->footer(kFooter);
  command->callback([this] { Run(); });
}

void DoctorCommand::Run() {
  const int width = std::min(ScreenWidth(), kWidest);
  if (list_) {
    std::cout << doctor::ListText(width) << std::flush;
  } else if (!explain_.empty()) {
    std::cout << doctor::ExplainText(*doctor::FindRule(explain_), width) << std::flush;
  } else {
    Diagnose();
  }
}

void DoctorCommand::Diagnose() {
  Platform& platform = NativePlatform();
  std::vector<const doctor::Rule*> only;
  for (const std::string& name : only_) only.push_back(doctor::FindRule(name));
  std::vector<doctor::Patient> patients;
  bool left_behind = false;
  for (doctor::Looked& looked : doctor::Look(platform, {.inputs = inputs_,
                                                       .root = root_,
                                                       .status_file = telemetry::kStatusFile,
                                                       .max_connections = max_connections_})) {
    doctor::Diagnosis diagnosis = doctor::Diagnose(looked.facts, only);
    left_behind |= looked.left_behind;
    patients.push_back({.looked = std::move(looked), .diagnosis = std::move(diagnosis)});
  }
  const int width = std::min(ScreenWidth(), kWidest);
  for (const doctor::Patient& patient : patients) {
    exit_code_ = std::max(exit_code_, doctor::ExitCodeOf(patient, strict_));
    const doctor::Looked& looked = patient.looked;
    if (!looked.reason.empty()) {
      std::fprintf(stderr, "roostctl: %s\n", PlainText(doctor::Redact(looked.reason)).c_str());
    }
    if (json_) continue;
    // Where nothing could be seen, there is nothing to tell besides.
    if (looked.exit_code == 0 || !patient.diagnosis.findings.empty()) {
      std::cout << doctor::ReportText(patient, width);
    }
  }
  if (json_) {
    std::cout
        << doctor::ReportJson(patients, strict_).dump(2, ' ', false, Json::error_handler_t::replace)
        << "\n";
  }
  std::cout.flush();
  if (!bundle_.empty()) {
    const absl::Status written =
        doctor::WriteBundle(bundle_, doctor::BundleText(platform, patients, root_.empty()));
    if (!written.ok()) {
      std::fprintf(stderr, "roostctl: %s\n", PlainText(MessageOf(written)).c_str());
      exit_code_ = std::max(exit_code_, kStatusCannotTell);
    }
  }
  // A thread that hangs in the kernel cannot be joined, and may still use what exit destroys.
  if (left_behind) _exit(exit_code_);
}

}  // namespace roost::tools
