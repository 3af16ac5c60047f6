// tools/roostctl/doctor/command.h - the command line of `roostctl doctor`.
#ifndef ROOST_TOOLS_ROOSTCTL_DOCTOR_COMMAND_H_
#define ROOST_TOOLS_ROOSTCTL_DOCTOR_COMMAND_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace roost::tools {

// doctor [NAME | FILE...]: what is wrong with a program's pools, why, and what to change.
class DoctorCommand {
 public:
  void AddTo(CLI::App& app);
  // As of `roostctl status`; 1: something was found that hurts.
  int exit_code() const { return exit_code_; }

 private:
  void Run();
  void Diagnose();

  std::vector<std::string> inputs_;
  std::vector<std::string> only_;
  std::string explain_;
  std::string bundle_;
  std::string root_;
  int64_t max_connections_ = 0;  // 0: not given
  bool json_ = false;
  bool list_ = false;
  bool strict_ = false;
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_DOCTOR_COMMAND_H_
