// tools/common/manual.h - manual pages, made of the parser's tree and of short files of prose.
//
// Threads:  one
// Blocks:   for the writing of files
// Memory:   a page
// Errors:   false: a file cannot be written
#ifndef ROOST_TOOLS_COMMON_MANUAL_H_
#define ROOST_TOOLS_COMMON_MANUAL_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/common/grammar.h"

namespace roost::tools {

struct ManualPlace {
  std::filesystem::path folder;  // man1 and man5 are made in it
  std::string date;              // 2026-01-31
  std::filesystem::path prose;   // NAME.SECTION.inc of it is taken into a page, before SEE ALSO
};

// A page for `app` and for each command below it.
bool WriteManuals(const CLI::App& app, const ManualPlace& place);

// NAME.conf(5): `settings` are options, whose long name without its dashes is the key.
bool WriteConfManual(const std::string& name, const std::vector<Argument>& settings,
                     const ManualPlace& place);

// Writes the file, and the folders it is in.
bool WriteDocument(const std::filesystem::path& path, const std::string& text);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_MANUAL_H_
