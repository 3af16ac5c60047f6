#include "tools/roostctl/server_commands.h"

#include <set>

#include "roost/platform.h"
#include "tools/common/cli.h"
#include "tools/common/remote_options.h"
#include "tools/common/text.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDay = std::chrono::hours(24);

constexpr char kExitCodes[] =
    "Exit codes: 0 done, 1 the server or a check says no, 2 the arguments are wrong, 4 nobody "
    "answers.";

int64_t Seconds(Duration span) {
  return std::chrono::duration_cast<std::chrono::seconds>(span).count();
}

}  // namespace

CLI::App* ServerCommands::AddCommand(CLI::App& server, const char* name, const char* what,
                                     bool changes) {
  CLI::App* const command = server.add_subcommand(name, what);
  AddServerUri(*command, "uri", "URI", access_.uri,
               "The server's database: postgresql://USER@HOST/DATABASE, or mysql://USER@HOST/");
  AddPasswordFile(*command, access_.password_file, "File whose first line is the password");
  CLI::Option* const json = command->add_flag("--json", access_.json, "Print one JSON object");
  if (changes) {
    CLI::Option* const print =
        command
            ->add_flag("--print", access_.print,
                       "Print the SQL for an administrator to run; nothing is done")
            ->excludes(json);
    command->add_flag("--mysql", access_.mysql, "With --print and no URI: MariaDB's SQL")
        ->needs(print);
  }
  return command;
}

void ServerCommands::CheckAccess() const {
  if (access_.uri.empty() && !access_.print) {
    throw CLI::ValidationError("URI", "say which server: postgresql://USER@HOST/DATABASE");
  }
}

void ServerCommands::AddSecretPlace(CLI::App& command) {
  CLI::Option* const file =
      command
          .add_option("--token-file", place_.file,
                      "A new file for what is secret, which only this user may read")
          ->type_name("PATH");
  command.add_flag("--stdout", place_.to_stdout, "Print what is secret")->excludes(file);
}

void ServerCommands::CheckSecretPlace() const {
  if (!access_.print && place_.file.empty() && !place_.to_stdout) {
    throw CLI::ValidationError("--token-file",
                               "say where the secret goes: --token-file PATH, or --stdout");
  }
}

std::vector<std::string> ServerCommands::Names() const {
  std::vector<std::string> names = names_;
  if (!names_file_.empty()) {
    const absl::StatusOr<std::vector<std::string>> read = ReadNames(names_file_);
    if (!read.ok()) throw CLI::ValidationError("--names", std::string(MessageOf(read.status())));
    names.insert(names.end(), read->begin(), read->end());
  }
  if (names.empty()) throw CLI::ValidationError("NAME", "say which node, or --names FILE");
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    throw CLI::ValidationError("NAME", "a name comes twice");
  }
  return names;
}

void ServerCommands::AddNodeCommand(CLI::App& server, const char* name, const char* what,
                                    NodeAction action) {
  const bool tokens = action == NodeAction::kAdd || action == NodeAction::kRotate;
  CLI::App* const command = AddCommand(server, name, what, true);
  command->add_option("name", names_, "Names of nodes, as roost-node --name has them")
      ->type_name("NAME");
  command->add_option("--names", names_file_, "File with more names, one a line; - is stdin")
      ->type_name("FILE");
  if (tokens) AddSecretPlace(*command);
  if (action == NodeAction::kRotate) {
    command->add_flag("--now", now_, "The token before is good no longer: for one that was stolen");
  }
  std::string footer;
  if (tokens) {
    footer =
        "For one node the file has its token alone, which roost-node --token-file reads; for more, "
        "a line\neach: the name, a tab, the token. The server keeps the SHA-256 of a token and "
        "cannot show it again.\nAll of the names, or none.\n";
  }
  command->footer(footer + kExitCodes);
  command->callback([this, action, tokens] {
    CheckAccess();
    if (tokens) CheckSecretPlace();
    const std::vector<std::string> names = Names();
    exit_code_ = RunNodeAction(
        NativePlatform(), access_,
        action == NodeAction::kRotate && now_ ? NodeAction::kRotateNow : action, names, place_);
  });
}

void ServerCommands::AddTo(CLI::App& app) {
  CLI::App* const server = app.add_subcommand(
      "server", "Prepare a server for readings of nodes, name its nodes, and look after it");
  server->require_subcommand(1);
  server->footer(
      "Each has a --help of its own. In the order of use:\n"
      "  roostctl server init postgresql://postgres@db.example.org/farm\n"
      "  roostctl server add-node postgresql://postgres@db.example.org/farm roof --token-file "
      "roof.token\n"
      "  roostctl server check postgresql://postgres@db.example.org/farm\n"
      "A password comes from --password-file, from passfile= in the address, or from ~/.pgpass.");

  AddInit(*server);
  AddCheck(*server);
  AddTend(*server);
  AddNodeCommand(*server, "add-node", "A name and a token for a new node", NodeAction::kAdd);
  AddNodeCommand(*server, "disable-node", "Refuse a node from its next call on",
                 NodeAction::kDisable);
  AddNodeCommand(*server, "enable-node", "Take a disabled node again", NodeAction::kEnable);
  AddNodeCommand(*server, "rotate-token", "A new token; the one before is good for 7 more days",
                 NodeAction::kRotate);
  AddEnrollCode(*server);
  AddLists(*server);
}

void ServerCommands::AddInit(CLI::App& server) {
  CLI::App* const init = AddCommand(
      server, "init", "Make the schema roost and its roles, or bring them up to date", true);
  init->add_option("--nodes", init_.nodes, "So many nodes will log in: sets roost_node's limit")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{100000}));
  init->footer(
      std::string(
          "Run it again whenever roostctl is newer; nothing is lost by it, and nodes of the "
          "version before go on.\nThe user has to be an administrator, or one that may "
          "create roles and may create in the database.\n") +
      kExitCodes);
  init->callback([this] {
    CheckAccess();
    exit_code_ = RunInit(NativePlatform(), access_, init_);
  });
}

void ServerCommands::AddCheck(CLI::App& server) {
  CLI::App* const check = AddCommand(
      server, "check", "Rights, partitions, sessions, copied cards, silent nodes", false);
  check
      ->add_option("--pgbouncer", check_.pgbouncer, "PgBouncer's configuration, to look at it, too")
      ->type_name("FILE");
  check->add_flag("--balance", check_.balance,
                  "Count every reading: is what the marks account for there?");
  check->add_flag("--strict", check_.strict, "A warning is a failure, too");
  check->footer(kExitCodes);
  check->callback([this] {
    CheckAccess();
    exit_code_ = RunCheck(NativePlatform(), access_, check_);
  });
}

void ServerCommands::AddTend(CLI::App& server) {
  CLI::App* const tend = AddCommand(server, "tend", "Make partitions ahead; drop old ones", true);
  tend->add_option("--days", tend_.days, "Days ahead (8)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{366}));
  AddDuration(*tend, "--keep-server", keep_, kDay,
              "Drop readings that arrived longer ago than this, such as 365d (default: none)");
  tend->footer(
      std::string("The first batch of a day makes partitions as well: nothing has to be scheduled "
                  "for that.\n") +
      kExitCodes);
  tend->callback([this] {
    CheckAccess();
    tend_.keep_days = keep_ / kDay;
    exit_code_ = RunTend(NativePlatform(), access_, tend_);
  });
}

void ServerCommands::AddEnrollCode(CLI::App& server) {
  CLI::App* const code = AddCommand(
      server, "enroll-code", "A code by which new nodes fetch their tokens themselves", true);
  code->add_option("--nodes", enroll_.nodes, "For so many nodes (1)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{100000}));
  AddDuration(*code, "--for", for_, 1s, "For so long (24h)");
  AddSecretPlace(*code);
  code->footer(kExitCodes);
  code->callback([this] {
    CheckAccess();
    CheckSecretPlace();
    enroll_.for_s = Seconds(for_);
    exit_code_ = RunEnrollCode(NativePlatform(), access_, enroll_, place_);
  });
}

void ServerCommands::AddLists(CLI::App& server) {
  CLI::App* const nodes =
      AddCommand(server, "nodes", "All nodes, and when they were heard of", false);
  nodes->footer(kExitCodes);
  nodes->callback([this] {
    CheckAccess();
    exit_code_ = RunNodes(NativePlatform(), access_);
  });

  CLI::App* const silent = AddCommand(
      server, "silent", "Nodes of which nothing was heard; exit code 1 when there are some", false);
  AddDuration(*silent, "--for", for_silent_, 1s, "For so long (15m)");
  silent->footer(kExitCodes);
  silent->callback([this] {
    CheckAccess();
    exit_code_ = RunSilent(NativePlatform(), access_, Seconds(for_silent_));
  });
}

}  // namespace roost::tools
