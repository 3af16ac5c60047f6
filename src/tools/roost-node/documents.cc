// tools/roost-node/documents.cc - writes the manual pages and the completions of roost-node, in a build:
// roost-node-documents --write-documents FOLDER DATE PROSE
#include "tools/common/documents.h"

#include <cstdio>
#include <vector>

#include "tools/roost-node/options.h"

int main(int argc, char** argv) {
  using namespace roost::tools;
  const auto place = DocumentsPlaceOf(argc, argv);
  if (!place.has_value()) {
    std::fprintf(stderr, "write --write-documents FOLDER DATE PROSE\n");
    return 2;
  }
  int exit = 1;
  WithGrammar([&](const CLI::App& app, const std::vector<Argument>& settings) {
    exit = WriteDocuments(app, *place);
    if (!WriteConfManual(app.get_name(), settings, ManualOf(*place))) exit = 1;
  });
  return exit;
}
