#include "tools/common/documents.h"

#include <filesystem>
#include <iostream>
#include <utility>
#include <vector>

#include "tools/common/cli.h"
#include "tools/common/completion.h"
#include "tools/common/manual.h"

namespace roost::tools {
namespace {

constexpr std::pair<const char*, Shell> kShells[] = {
    {"bash", Shell::kBash}, {"fish", Shell::kFish}, {"zsh", Shell::kZsh}};

void AddCompletion(CLI::App& app) {
  CLI::App* const command =
      app.add_subcommand("completion", "Print the script that completes arguments in a shell");
  const auto print = [&app](const std::string& name) {
    for (const auto& [known, shell] : kShells) {
      if (name == known) std::cout << CompletionOf(app, shell);
    }
  };
  command->add_option_function<std::string>("SHELL", print, "Of which shell: bash, fish or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "fish", "zsh"}));
  command->footer(
      "The packages install these scripts. Without a package:\n"
      "  . <(" +
      app.get_name() +
      " completion bash)\n"
      "Exit codes: 0 done, 2 the arguments are wrong.");
}

}  // namespace

int WriteDocuments(const CLI::App& app, const DocumentsPlace& place) {
  const std::filesystem::path folder = place.folder;
  bool written = WriteManuals(app, ManualOf(place));
  for (const auto& [name, shell] : kShells) {
    const std::string file = shell == Shell::kZsh    ? "_" + app.get_name()
                             : shell == Shell::kFish ? app.get_name() + ".fish"
                                                     : app.get_name();
    written = WriteDocument(folder / name / file, CompletionOf(app, shell)) && written;
  }
  if (!written) std::cerr << app.get_name() << ": cannot write into " << place.folder << "\n";
  return written ? 0 : 1;
}

ManualPlace ManualOf(const DocumentsPlace& place) {
  return {.folder = std::filesystem::path(place.folder) / "man",
          .date = place.date,
          .prose = place.prose};
}

std::optional<DocumentsPlace> DocumentsPlaceOf(int argc, char** argv) {
  if (argc != 5 || std::string(argv[1]) != "--write-documents") return std::nullopt;
  return DocumentsPlace{.folder = argv[2], .date = argv[3], .prose = argv[4]};
}

std::optional<int> Parse(CLI::App& app, int argc, char** argv) {
  CLI::App* const help = app.add_subcommand("help", "Show this help, or that of a command");
  help->add_option("COMMAND", "The command (default: all of them, in a line each)");
  AddCompletion(app);
  if (const auto place = DocumentsPlaceOf(argc, argv)) return WriteDocuments(app, *place);
  return ParseAlone(app, argc, argv);
}

}  // namespace roost::tools
