// tools/roostctl/selftest/command.h - the command line of `roostctl selftest`.
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_COMMAND_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_COMMAND_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/roostctl/selftest/check.h"
#include "tools/roostctl/selftest/config.h"

namespace roost::tools {

// selftest: whether this board is fit for a node, by measuring it.
class SelftestCommand {
 public:
  void AddTo(CLI::App& app);
  // 0: all passed, warnings allowed; 1: something failed.
  int exit_code() const { return exit_code_; }

 private:
  void Declare(CLI::App& command);
  void Run();
  std::vector<const selftest::Check*> Chosen() const;
  selftest::NodeConfig Configuration() const;
  selftest::Setup MakeSetup() const;

  bool json_ = false;
  bool tap_ = false;
  bool quick_ = false;
  bool strict_ = false;
  bool list_ = false;
  bool allow_volatile_ = false;
  std::string config_;
  std::string db_;
  std::string remote_;
  std::string root_;
  std::string unit_ = "roost-node.service";
  std::vector<std::string> only_;
  std::vector<std::string> skip_;
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_COMMAND_H_
