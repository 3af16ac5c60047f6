// tools/common/documents.h - the manual pages and the completions of a program, for the build: `roostctl
// --write-documents FOLDER DATE PROSE`, and a program of its own for roost-node, which stays small.
//
// Threads:  one
// Blocks:   for the writing of files
// Memory:   a page
// Errors:   an exit code, and a sentence on standard error
#ifndef ROOST_TOOLS_COMMON_DOCUMENTS_H_
#define ROOST_TOOLS_COMMON_DOCUMENTS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "tools/common/manual.h"

namespace roost::tools {

struct DocumentsPlace {
  std::string folder;  // man, bash, zsh and fish are made in it
  std::string date;    // 2026-01-31
  std::string prose;   // the folder of what is taken into the pages
};
// Of "--write-documents FOLDER DATE PROSE"; nothing: it is asked for something else.
std::optional<DocumentsPlace> DocumentsPlaceOf(int argc, char** argv);
ManualPlace ManualOf(const DocumentsPlace& place);

// Writes them; returns the exit code.
int WriteDocuments(const CLI::App& app, const DocumentsPlace& place);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_DOCUMENTS_H_
