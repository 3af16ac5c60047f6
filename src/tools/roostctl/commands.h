// tools/roostctl/commands.h - the subcommands of roostctl. Each adds itself to the command line
// and runs after it was parsed.
#ifndef ROOST_TOOLS_ROOSTCTL_COMMANDS_H_
#define ROOST_TOOLS_ROOSTCTL_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace roost::tools {

// profiles [NAME | --json]: the compile-time profiles, with the size of a pool of each; every setting of
// one.
// profiles --from-sqlalchemy SETTINGS: a profile with the settings of an engine, as C++.
class ProfilesCommand {
 public:
  void AddTo(CLI::App& app);

 private:
  void Run() const;

  std::string name_;
  bool json_ = false;
  std::string from_sqlalchemy_;
  bool from_given_ = false;
};

// size --requests N --query TIME --wait TIME: how many connections a load needs.
// size --from NODE: the same by what a program, or a saved `roostctl status --json`, has measured.
// size --outbox --rows N/UNIT --for TIME: how large a node's database becomes.
class SizeCommand {
 public:
  void AddTo(CLI::App& app);

 private:
  void AddServerTo(CLI::App& command);
  void AddOutboxTo(CLI::App& command);
  void Run() const;
  void RunFrom() const;
  void RunOutbox() const;

  int64_t requests_ = 0;              // 0: not given
  std::chrono::nanoseconds query_{};  // zero: not given
  std::chrono::nanoseconds wait_{};   // zero: not given
  double rate_ = 0;                   // 0: not given
  int64_t max_connections_ = 0;       // 0: not given
  int64_t cores_ = 0;                 // 0: not given
  std::vector<int64_t> limits_;
  std::string from_;  // empty: not given
  bool outbox_ = false;
  double rows_ = 0;  // a second; 0: not given
  std::chrono::nanoseconds for_{};
  bool json_ = false;
};

// version [--json]: what a report of a fault has to name.
class VersionCommand {
 public:
  void AddTo(CLI::App& app);

 private:
  void Run() const;

  bool json_ = false;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_COMMANDS_H_
