// tools/roostctl/server_commands.h - the command line of `roostctl server ...`; server_admin.h and server_check.h do it.
#ifndef ROOST_TOOLS_ROOSTCTL_SERVER_COMMANDS_H_
#define ROOST_TOOLS_ROOSTCTL_SERVER_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tools/roostctl/server_admin.h"
#include "tools/roostctl/server_check.h"

namespace roost::tools {

// server init|check|tend|add-node|disable-node|enable-node|rotate-token|enroll-code|nodes|silent URI ...
class ServerCommands {
 public:
  void AddTo(CLI::App& app);
  int exit_code() const { return exit_code_; }

 private:
  // A subcommand with URI, --password-file and --json; with --print and --mysql, too, where it changes something.
  CLI::App* AddCommand(CLI::App& server, const char* name, const char* what, bool changes);
  void AddNodeCommand(CLI::App& server, const char* name, const char* what, NodeAction action);
  void AddInit(CLI::App& server);
  void AddCheck(CLI::App& server);
  void AddTend(CLI::App& server);
  void AddEnrollCode(CLI::App& server);
  void AddLists(CLI::App& server);
  void AddSecretPlace(CLI::App& command);
  // Exit code kExitUsage with a sentence, by an exception of CLI11.
  void CheckAccess() const;
  void CheckSecretPlace() const;
  std::vector<std::string> Names() const;

  ServerAccess access_;
  InitCommand init_;
  TendCommand tend_;
  CheckCommand check_;
  EnrollCodeCommand enroll_;
  SecretPlace place_;
  std::vector<std::string> names_;
  std::string names_file_;
  bool now_ = false;
  Duration keep_{};
  Duration for_ = std::chrono::hours(24);
  Duration for_silent_ = std::chrono::minutes(15);
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SERVER_COMMANDS_H_
