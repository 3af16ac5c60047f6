// tools/common/completion.h - completion of a program's arguments by the shell, made of the parser's tree.
//
// What an option takes decides what is offered: its choices; files for PATH and FILE; folders for DIR; for NODE
// the programs that have a status socket; else nothing.
#ifndef ROOST_TOOLS_COMMON_COMPLETION_H_
#define ROOST_TOOLS_COMMON_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>

namespace roost::tools {

enum class Shell { kBash, kZsh, kFish };

// The script that teaches `shell` the arguments of `app`.
std::string CompletionOf(const CLI::App& app, Shell shell);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_COMPLETION_H_
