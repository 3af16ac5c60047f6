#include "tools/common/manual.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

#include "roost/version.h"

namespace roost::tools {
namespace {

namespace fs = std::filesystem;

// For roff: nothing of `text` is a request or an escape, and a dash is one that can be copied.
std::string Roff(const std::string& text) {
  std::string out;
  char before = ' ';
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '`') {
      out += "\\(ga";
    } else if (c == '~') {
      out += "\\(ti";
    } else if (c == '^') {
      out += "\\(ha";
    } else {
      if (c == '.' && before == ' ') out += "\\&";
      out += c;
    }
    before = c;
  }
  return out;
}

std::string Paragraph(const std::string& text) { return Fill(Roff(text), 78, "") + "\n"; }

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string PageName(const CLI::App& app) {
  std::string name = PathOf(app);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string Head(const std::string& name, int section, const std::string& date,
                 const std::string& what) {
  return ".TH " + Upper(Roff(name)) + " " + std::to_string(section) + " " + date +
         " \"roostpool " ROOST_VERSION_STRING "\" roostpool\n.SH NAME\n" + Roff(name) + " \\- " +
         Roff(what) + "\n";
}

// "show what ..." of "Show what ...."
std::string WhatIs(const CLI::App& app) {
  std::string what = app.get_description();
  std::replace(what.begin(), what.end(), '\n', ' ');
  if (!what.empty() && what.back() == '.') what.pop_back();
  if (what.size() > 1 && std::islower(static_cast<unsigned char>(what[1])) != 0) {
    what[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(what[0])));
  }
  return what;
}

std::string Blocks(const std::vector<Block>& blocks) {
  std::string out;
  bool literal = false;
  bool begun = false;
  for (const Block& block : blocks) {
    const bool keep = block.kind == Block::Kind::kLiteral;
    if (keep && !literal) out += ".RS 4\n.nf\n";
    if (!keep && literal) out += ".fi\n.RE\n";
    literal = keep;
    if (keep) {
      out += Roff(block.text) + "\n";
    } else if (block.kind == Block::Kind::kText) {
      out += (begun ? ".PP\n" : "") + Paragraph(block.text);
    }
    begun = true;
  }
  return out + (literal ? ".fi\n.RE\n" : "");
}

// A footer, taken apart into what has sections of its own and the rest.
struct Footer {
  std::vector<Block> prose;
  std::vector<Block> examples;
  std::string exit;
};
Footer FooterOf(const CLI::App& app) {
  Footer footer;
  bool in_examples = false;
  for (const Block& block : BlocksOf(app.get_footer())) {
    const std::string& text = block.text;
    if (block.kind == Block::Kind::kText) {
      in_examples = text == "Examples:";
      if (in_examples) continue;
      if (text.starts_with("Exit codes: ")) {
        footer.exit = text.substr(12);
        continue;
      }
      if (text.starts_with("Example: ")) {
        footer.examples.push_back({Block::Kind::kLiteral, text.substr(9)});
        continue;
      }
    }
    (in_examples ? footer.examples : footer.prose).push_back(block);
  }
  while (!footer.prose.empty() && footer.prose.back().kind == Block::Kind::kGap) {
    footer.prose.pop_back();
  }
  return footer;
}

std::string Term(const Argument& argument) {
  if (argument.names.empty()) return "\\fI" + Roff(argument.Written()) + "\\fR";
  std::string term;
  for (const std::string& name : argument.names) {
    term += (term.empty() ? "\\fB" : ", \\fB") + Roff(name) + "\\fR";
  }
  return argument.value.empty() ? term : term + " \\fI" + Roff(argument.value) + "\\fR";
}

std::string Row(const std::string& term, const std::string& what) {
  return ".TP\n" + term + "\n" + Paragraph(what);
}

std::string Options(const std::vector<Argument>& arguments) {
  std::string out;
  std::string group;
  for (const Argument& argument : arguments) {
    const std::string head = argument.names.empty() ? "ARGUMENTS" : argument.group;
    if (head != group) {
      const bool section = head == "ARGUMENTS" || head == "Options";
      out += (section ? ".SH " + Upper(head) : ".SS \"" + head + "\"") + "\n";
    }
    group = head;
    out += Row(Term(argument), argument.what);
  }
  return out;
}

std::string Prose(const ManualPlace& place, const std::string& page) {
  std::ifstream file(place.prose / (page + ".inc"));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string Page(const CLI::App& app, const ManualPlace& place) {
  const std::string name = PageName(app);
  const Footer footer = FooterOf(app);
  std::string out = Head(name, 1, place.date, WhatIs(app));
  out += ".SH SYNOPSIS\n.B " + Roff(PathOf(app)) + "\n" + Paragraph(UsageOf(app));
  std::string what = app.get_description();
  if (!what.empty() && what.back() != '.') what += ".";
  std::vector<Block> prose = BlocksOf(what);
  prose.insert(prose.end(), footer.prose.begin(), footer.prose.end());
  out += ".SH DESCRIPTION\n" + Blocks(prose) + Options(ArgumentsOf(app));
  if (const auto commands = CommandsOf(app); !commands.empty()) {
    out += ".SH COMMANDS\n";
    for (const CLI::App* command : commands) {
      out += Row("\\fB" + Roff(command->get_name()) + "\\fR",
                 command->get_description() + "; see " + PageName(*command) + "(1)");
    }
  }
  if (!footer.exit.empty()) out += ".SH \"EXIT STATUS\"\n" + Paragraph(footer.exit);
  if (!footer.examples.empty()) out += ".SH EXAMPLES\n" + Blocks(footer.examples);
  out += Prose(place, name + ".1");
  if (app.get_parent() == nullptr) return out;
  return out + ".SH \"SEE ALSO\"\n.BR " + Roff(PageName(*app.get_parent())) + " (1)\n";
}

// A switch that can also be taken back, "--forward, --no-forward", is one key.
std::string KeyOf(const Argument& setting) {
  const auto is_positive = [](const std::string& name) {
    return name.starts_with("--") && !name.starts_with("--no-");
  };
  const auto found = std::find_if(setting.names.rbegin(), setting.names.rend(), is_positive);
  return (found == setting.names.rend() ? setting.names.back() : *found).substr(2);
}

}  // namespace

bool WriteManuals(const CLI::App& app, const ManualPlace& place) {
  bool written = WriteDocument(place.folder / "man1" / (PageName(app) + ".1"), Page(app, place));
  for (const CLI::App* command : CommandsOf(app))
    written = WriteManuals(*command, place) && written;
  return written;
}

bool WriteConfManual(const std::string& name, const std::vector<Argument>& settings,
                     const ManualPlace& place) {
  const std::string page = name + ".conf";
  std::string out = Head(page, 5, place.date, "settings of " + name);
  out += Prose(place, page + ".5");
  out += ".SH SETTINGS\n";
  std::string group;
  for (const Argument& setting : settings) {
    if (setting.group != group) out += ".SS \"" + setting.group + "\"\n";
    group = setting.group;
    const std::string value = setting.value.empty() ? "true|false" : setting.value;
    std::string what = setting.what;  // of the program's page
    if (const size_t at = what.find("see below"); at != std::string::npos) {
      what.replace(at, 9, "see " + name + "(1)");
    }
    out += Row("\\fB" + Roff(KeyOf(setting)) + "\\fR = \\fI" + Roff(value) + "\\fR", what);
  }
  out += ".SH \"SEE ALSO\"\n.BR " + Roff(name) + " (1)\n";
  return WriteDocument(place.folder / "man5" / (page + ".5"), out);
}

bool WriteDocument(const fs::path& path, const std::string& text) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return !file.fail();
}

}  // namespace roost::tools
