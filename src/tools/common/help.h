// tools/common/help.h - the text of --help, for people: at most 80 columns, none of the parser's own terms.
#ifndef ROOST_TOOLS_COMMON_HELP_H_
#define ROOST_TOOLS_COMMON_HELP_H_

#include <CLI/CLI.hpp>
#include <string>

namespace roost::tools {

inline constexpr size_t kHelpColumns = 80;

// The help of `app`. Its footer is filled anew: see BlocksOf in grammar.h.
std::string HelpOf(const CLI::App& app);

// From here on `app` and every command below it answer --help with HelpOf.
void UseHelp(CLI::App& app);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_HELP_H_
