// tools/common/cli.h - what the programs' command lines have in common, on top of CLI11.
//
// Bad use ends with exit code 2 and two lines on standard error: what is wrong with which argument
// and what would be right; and where help is. A program that has commands has `help [COMMAND]` besides,
// and shows its help when no command is given; so does a command that has only others below it.
// `completion SHELL` is added likewise.
#ifndef ROOST_TOOLS_COMMON_CLI_H_
#define ROOST_TOOLS_COMMON_CLI_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "roost/deadline.h"

namespace roost::tools {

inline constexpr int kExitUsage = 2;

// An option that takes a span of time, at least `least`, into `span`.
CLI::Option* AddDuration(CLI::App& app, const std::string& name, Duration& span, Duration least,
                         const std::string& what);

// An option that takes an amount of bytes, `least` to 2^62, into `bytes`; 0, too, if `takes_zero`.
CLI::Option* AddBytes(CLI::App& app, const std::string& name, int64_t& bytes, int64_t least,
                      bool takes_zero, const std::string& what);

// The one of `candidates` that `given` may have been meant to be. Empty: nothing is near.
std::string ClosestOf(const std::vector<std::string>& candidates, const std::string& given);

// What could have been written in place of `argument`, which nothing takes: an option or a command of
// `app`. Empty: nothing is near.
std::string Closest(const CLI::App& app, const std::string& argument);

// Parses `arguments`, which follow the program's name; nothing when they are right, else what is wrong.
std::optional<std::string> ParseArguments(CLI::App& app, const std::vector<std::string>& arguments);

// The two lines on standard error; returns kExitUsage.
int PrintMistake(const CLI::App& app, const std::string& what);

// Of a program that has commands; adds help and completion. Parses; nothing when the program should go on,
// else its exit code: 0 after --help or --version, kExitUsage after a mistake. See also documents.h.
std::optional<int> Parse(CLI::App& app, int argc, char** argv);
// The same of a program that has no commands.
std::optional<int> ParseAlone(CLI::App& app, int argc, char** argv);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_CLI_H_
