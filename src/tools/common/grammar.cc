#include "tools/common/grammar.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

namespace roost::tools {
namespace {

// What the parser calls a value, unless somebody gave it a better name.
std::string Plain(const std::string& type) {
  if (type == "INT" || type == "UINT" || type == "FLOAT" || type == "NUMBER") return "N";
  return type;
}

// What follows the name of the type: ":INT in [1 - 100]", ":{always,never}".
std::string ChecksOf(const CLI::Option& option) {
  std::string all;
  // The parser shows a check to those who may change it only.
  auto& open = const_cast<CLI::Option&>(option);
  for (int i = 0;; ++i) {
    try {
      const std::string one = open.get_validator(i)->get_description();
      if (!one.empty()) all += ":" + one;
    } catch (const CLI::OptionNotFound&) {
      return all;
    }
  }
}

// "1000000000" of "1e+09".
std::string Number(const std::string& text) {
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  char out[32];
  std::snprintf(out, sizeof out, "%.15g", number);
  return out;
}

// "1 to 100" of "INT in [1 - 100]".
std::string RangeOf(const std::string& checks) {
  const size_t begin = checks.find(" in [");
  if (begin == std::string::npos) return "";
  const size_t between = checks.find(" - ", begin);
  const size_t end = checks.find(']', begin);
  if (between == std::string::npos || end == std::string::npos || between > end) return "";
  return Number(checks.substr(begin + 5, between - begin - 5)) + " to " +
         Number(checks.substr(between + 3, end - between - 3));
}

void Split(std::string_view text, char separator, std::vector<std::string>& into) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    const std::string_view one = text.substr(0, end);
    into.emplace_back(one.substr(0, one.find("->")));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// "always", "never" of "{always->1,never->0}" or of the value's name "always|never".
std::vector<std::string> ChoicesOf(const std::string& value, const std::string& checks) {
  std::vector<std::string> choices;
  const size_t begin = checks.find('{');
  const size_t end = checks.find('}', begin);
  if (begin != std::string::npos && end != std::string::npos) {
    Split(std::string_view(checks).substr(begin + 1, end - begin - 1), ',', choices);
  } else if (value.find('|') != std::string::npos && value.find('[') == std::string::npos) {
    Split(value, '|', choices);
  }
  std::sort(choices.begin(), choices.end());
  return choices;
}

// Of what it takes; empty: a switch.
std::string ValueOf(const CLI::Option& option, const std::string& checks) {
  const std::string type = option.get_type_name();
  const std::string value =
      Plain(type.substr(0, type.size() - std::min(type.size(), checks.size())));
  const bool has_name = option.nonpositional();
  return !has_name && (value.empty() || value == "TEXT") ? option.get_name(true) : value;
}

// As one writes it: "--json", and of what has no name that of its value.
std::string NameOf(const CLI::Option& option) {
  return option.nonpositional() ? option.get_name() : ValueOf(option, ChecksOf(option));
}

std::string NamesOf(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options) {
    if (!option->get_group().empty()) names.push_back(NameOf(*option));
  }
  std::sort(names.begin(), names.end());
  std::string all;
  for (size_t i = 0; i < names.size(); ++i) {
    all += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return all;
}

// The sentence, and in brackets what the parser knows besides.
std::string WhatOf(const CLI::Option& option, const Argument& argument) {
  std::vector<std::string> notes;
  if (argument.required && !argument.names.empty()) notes.emplace_back("required");
  if (!argument.range.empty()) notes.push_back(argument.range);
  if (const std::string with = NamesOf(option.get_needs()); !with.empty()) {
    notes.push_back("with " + with);
  }
  if (const std::string without = NamesOf(option.get_excludes()); !without.empty()) {
    notes.push_back("not with " + without);
  }
  std::string what = option.get_description();
  std::replace(what.begin(), what.end(), '\n', ' ');
  for (size_t i = 0; i < notes.size(); ++i) {
    what += (i == 0 ? " [" : "; ") + notes[i] + (i + 1 == notes.size() ? "]" : "");
  }
  return what;
}

Argument ArgumentOf(const CLI::Option& option) {
  Argument argument;
  for (const std::string& name : option.get_snames()) argument.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) argument.names.push_back("--" + name);
  const std::string checks = ChecksOf(option);
  argument.value = ValueOf(option, checks);
  // One may write several.
  argument.repeats =
      !argument.value.empty() && option.get_expected_max() >= CLI::detail::expected_max_vector_size;
  argument.required = option.get_required();
  argument.range = RangeOf(checks);
  argument.choices = ChoicesOf(argument.value, checks);
  argument.group = option.get_group();
  argument.what = WhatOf(option, argument);
  return argument;
}

bool GoesOn(const std::string& text, const std::string& next) {
  if (text.empty()) return false;
  if (text.back() == ':' || next.starts_with("Exit codes: ") || next.starts_with("Example")) {
    return false;
  }
  const auto first = static_cast<unsigned char>(next.front());
  const bool begins = std::isupper(first) != 0 || std::isdigit(first) != 0 || first == '-';
  return text.back() != '.' || !begins;
}

}  // namespace

std::string Argument::Written() const {
  if (names.empty()) return value + (repeats ? "..." : "");
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return value.empty() ? all : all + " " + value;
}

std::vector<Argument> ArgumentsOf(const CLI::App& app) {
  std::vector<Argument> without_name;
  std::vector<Argument> named;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    Argument argument = ArgumentOf(*option);
    (argument.names.empty() ? without_name : named).push_back(std::move(argument));
  }
  // Those of a group stand together, the groups as they came.
  std::vector<std::string> groups;
  for (const Argument& argument : named) groups.push_back(argument.group);
  const auto place = [&groups](const Argument& argument) {
    return std::find(groups.begin(), groups.end(), argument.group) - groups.begin();
  };
  std::stable_sort(named.begin(), named.end(),
                   [&place](const Argument& a, const Argument& b) { return place(a) < place(b); });
  without_name.insert(without_name.end(), named.begin(), named.end());
  return without_name;
}

const Argument* Find(const std::vector<Argument>& arguments, std::string_view name) {
  for (const Argument& argument : arguments) {
    if (argument.names.empty() && argument.value == name) return &argument;
    if (std::find(argument.names.begin(), argument.names.end(), name) != argument.names.end()) {
      return &argument;
    }
  }
  return nullptr;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  std::vector<const CLI::App*> commands = app.get_subcommands([](const CLI::App* command) {
    return !command->get_name().empty() && !command->get_group().empty();
  });
  // What every program has is what one looks for last.
  std::stable_partition(commands.begin(), commands.end(), [](const CLI::App* command) {
    const std::string& name = command->get_name();
    return name != "version" && name != "help" && name != "completion";
  });
  return commands;
}

const CLI::App* CommandOf(const CLI::App& app, std::string_view name) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

std::string PathOf(const CLI::App& app) {
  const CLI::App* const parent = app.get_parent();
  return (parent == nullptr ? "" : PathOf(*parent) + " ") + app.get_name();
}

std::string UsageOf(const CLI::App& app) {
  std::string usage;
  std::string behind;
  for (const Argument& argument : ArgumentsOf(app)) {
    if (argument.names.empty()) {
      const std::string written = argument.Written();
      behind += argument.required ? " " + written : " [" + written + "]";
    } else if (argument.required) {
      usage += " " + argument.names.back() + " " + argument.value;
    }
  }
  if (!CommandsOf(app).empty()) behind += " COMMAND [ARGUMENT]...";
  return "[OPTION]..." + usage + behind;
}

std::vector<Block> BlocksOf(const std::string& text) {
  std::vector<Block> blocks;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const Block* const last = blocks.empty() ? nullptr : &blocks.back();
    if (line.empty()) {
      blocks.push_back({Block::Kind::kGap, ""});
    } else if (line.front() == ' ') {
      blocks.push_back({Block::Kind::kLiteral, line.substr(line.find_first_not_of(' '))});
    } else if (last != nullptr && last->kind == Block::Kind::kText && GoesOn(last->text, line)) {
      blocks.back().text += " " + line;
    } else {
      blocks.push_back({Block::Kind::kText, line});
    }
  }
  return blocks;
}

std::string Fill(std::string_view text, size_t width, const std::string& indent) {
  std::string filled;
  size_t column = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view token = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (token.empty()) continue;
    if (column != 0 && column + 1 + token.size() > width) {
      filled += "\n" + indent;
      column = 0;
    } else if (column != 0) {
      filled += " ";
      ++column;
    }
    filled += token;
    column += token.size();
  }
  return filled;
}

}  // namespace roost::tools
