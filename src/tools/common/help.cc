#include "tools/common/help.h"

#include <memory>

#include "tools/common/grammar.h"

namespace roost::tools {
namespace {

// Where the sentences begin; a longer name has a line of its own.
constexpr size_t kColumn = 26;

void AddRow(std::string& out, const std::string& left, const std::string& what) {
  const std::string indent(kColumn, ' ');
  out += "  " + left;
  if (what.empty()) {
    out += "\n";
    return;
  }
  out += left.size() + 4 > kColumn ? "\n" + indent : std::string(kColumn - 2 - left.size(), ' ');
  out += Fill(what, kHelpColumns - kColumn, indent) + "\n";
}

// A command line that is too long goes on in the next one, as a shell would read it.
void AddLiteral(std::string& out, const std::string& line) {
  constexpr size_t kMost = kHelpColumns - 2;
  if (line.size() <= kMost) {
    out += "  " + line + "\n";
    return;
  }
  size_t end = line.rfind(" --", kMost - 2);  // an option stays with its value
  if (end == std::string::npos || end == 0) end = line.rfind(' ', kMost - 2);
  if (end == std::string::npos) end = line.find(' ');
  if (end == std::string::npos) end = line.size();
  out += "  " + line.substr(0, end) + (end < line.size() ? " \\\n" : "\n");
  if (end < line.size()) AddLiteral(out, "  " + line.substr(end + 1));
}

void AddProse(std::string& out, const std::string& text) {
  for (const Block& block : BlocksOf(text)) {
    switch (block.kind) {
      case Block::Kind::kGap:
        out += "\n";
        break;
      case Block::Kind::kLiteral:
        AddLiteral(out, block.text);
        break;
      case Block::Kind::kText:
        out += Fill(block.text, kHelpColumns, "") + "\n";
        break;
    }
  }
}

// The sentence of an app, with its full stop.
std::string Sentence(const CLI::App& app) {
  std::string text = app.get_description();
  if (!text.empty() && text.back() != '.') text += ".";
  return text;
}

class PeoplesHelp : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    return HelpOf(*app);
  }
};

void UseFormatter(CLI::App& app, const std::shared_ptr<CLI::FormatterBase>& formatter) {
  app.formatter(formatter);
  for (CLI::App* command : app.get_subcommands(nullptr)) UseFormatter(*command, formatter);
}

}  // namespace

std::string HelpOf(const CLI::App& app) {
  const std::string usage = "Usage: " + PathOf(app) + " ";
  std::string out =
      usage + Fill(UsageOf(app), kHelpColumns - usage.size(), std::string(usage.size(), ' ')) +
      "\n\n";
  AddProse(out, Sentence(app));
  std::string group;
  for (const Argument& argument : ArgumentsOf(app)) {
    const std::string head = argument.names.empty() ? "Arguments" : argument.group;
    if (head != group) out += "\n" + head + ":\n";
    group = head;
    AddRow(out, argument.Written(), argument.what);
  }
  if (const auto commands = CommandsOf(app); !commands.empty()) {
    out += "\nCommands:\n";
    for (const CLI::App* command : commands) {
      AddRow(out, command->get_name(), command->get_description());
    }
  }
  if (!app.get_footer().empty()) {
    out += "\n";
    AddProse(out, app.get_footer());
  }
  return out;
}

void UseHelp(CLI::App& app) { UseFormatter(app, std::make_shared<PeoplesHelp>()); }

}  // namespace roost::tools
