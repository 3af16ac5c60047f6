#include "tools/common/cli.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <string_view>
#include <vector>

#include "base/duration.h"
#include "tools/common/byte_count.h"
#include "tools/common/duration.h"
#include "tools/common/grammar.h"
#include "tools/common/help.h"
#include "tools/common/text.h"

namespace roost::tools {
namespace {

// Letters to insert, remove or replace to turn one name into the other (Levenshtein's distance).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

// What could have been written in place of `argument`: option names and subcommands of `app`.
std::vector<std::string> Candidates(const CLI::App& app) {
  std::vector<std::string> candidates;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) candidates.push_back("--" + name);
  }
  for (const CLI::App* command : app.get_subcommands(nullptr))
    candidates.push_back(command->get_name());
  return candidates;
}

// The command that was written, however deep it lies.
const CLI::App& Chosen(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : Chosen(*chosen.front());
}

std::string Listed(const std::vector<std::string>& choices) {
  std::string all;
  for (const std::string& token : choices) all += (all.empty() ? "" : ", ") + token;
  return all;
}

std::vector<std::string> NamesOf(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return names;
}

// "unknown command siez; did you mean size? The commands are: ..."
std::string UnknownCommand(const CLI::App& group, const std::string& given) {
  const std::vector<std::string> commands = NamesOf(CommandsOf(group));
  const std::string closest = ClosestOf(commands, given);
  std::string message = "unknown command " + given + "; ";
  if (!closest.empty()) message += "did you mean " + closest + "? The commands are: ";
  if (closest.empty()) message += "the commands are: ";
  return message + Listed(commands);
}

// "unknown argument --evry; did you mean --every?"
std::string Unknown(const CLI::App& app, const std::string& given) {
  const std::string argument = given.substr(0, given.find('='));
  const CLI::App& chosen = Chosen(app);
  if (!CommandsOf(chosen).empty() && !argument.starts_with("-")) {
    return UnknownCommand(chosen, argument);
  }
  const std::string closest = Closest(chosen, argument);
  std::string message = "unknown argument " + argument;
  if (closest == argument) return argument + " is in the wrong place; write it after the command";
  if (!closest.empty()) return message + "; did you mean " + closest + "?";
  return message + (argument.starts_with("-") ? "" : "; what it takes begins with --");
}

bool IsNumber(const std::string& text) {
  double ignored = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ignored);
  return error == std::errc() && end == text.data() + text.size();
}

// What would be right for `argument`.
std::string Right(const Argument& argument) {
  if (!argument.choices.empty()) return "write one of " + Listed(argument.choices);
  if (!argument.range.empty()) return "write " + argument.range;
  return argument.value == "N" ? "write a number" : "write " + argument.Written();
}

// "0 is out of range; write 1 to 100" for "Value 0 not in range 1.000000 to 100".
std::string WrongValue(const Argument& argument, const std::string& value) {
  if (!argument.choices.empty()) {
    const std::string closest = ClosestOf(argument.choices, value);
    return "there is no " + value + "; " +
           (closest.empty() ? "" : "did you mean " + closest + "? ") + Right(argument);
  }
  if (IsNumber(value) && !argument.range.empty())
    return value + " is out of range; " + Right(argument);
  return "\"" + value + "\" is no " + (argument.value == "N" ? "number" : argument.value) + "; " +
         Right(argument);
}

std::string Between(const std::string& text, const std::string& before, const std::string& behind) {
  const size_t begin = text.find(before);
  if (begin == std::string::npos) return "";
  const size_t from = begin + before.size();
  return text.substr(from, behind.empty() ? std::string::npos : text.find(behind, from) - from);
}

// The parser's message for people: what was wrong, then what would be right.
std::string InChoices(const CLI::App& app, const CLI::ParseError& error) {
  std::string said = error.what();
  const std::string kind = error.get_name();
  if (kind == "ExtrasError") return Unknown(app, said.substr(said.rfind(": ") + 2));
  if (said == "A subcommand is required") {
    return "no command is given; the commands are: " + Listed(NamesOf(CommandsOf(Chosen(app))));
  }
  if (kind == "ExcludesError" || kind == "RequiresError") {
    const std::string verb = kind == "ExcludesError" ? " excludes " : " requires ";
    const std::string first = said.substr(0, said.find(verb));
    const std::string second = Between(said, verb, "");
    if (kind == "ExcludesError")
      return first + " and " + second + " exclude each other; leave one out";
    return first + " says something of " + second + "; write " + second + ", too";
  }
  // The others begin with the name of an argument, but for one.
  std::string name = said.substr(0, said.find_first_of(" :"));
  if (said.starts_with("Could not convert: ")) name = Between(said, "convert: ", " = ");
  if (said.starts_with("The value ")) name = Between(said, " allowed value for ", "");
  const std::vector<Argument> arguments = ArgumentsOf(Chosen(app));
  const Argument* const argument = Find(arguments, name);
  if (argument == nullptr) return said;
  const std::string before = name + ": ";
  if (kind == "RequiredError") return name + " is missing; write " + argument->Written();
  if (said.ends_with(" missing")) return name + " has no value; write " + argument->Written();
  if (said.find("At Most") != std::string::npos)
    return name + " is given more than once; write it once";
  if (argument->value.empty()) return name + " takes no value; write " + name;
  if (said.starts_with("Could not convert: "))
    return before + WrongValue(*argument, Between(said, " = ", ""));
  if (said.starts_with("The value "))
    return before + WrongValue(*argument, Between(said, "The value ", " is not"));
  if (said.find(": Value ") != std::string::npos &&
      said.find(" not in range ") != std::string::npos) {
    return before + WrongValue(*argument, Between(said, ": Value ", " not in range "));
  }
  if (said.find(" not in {") != std::string::npos) {
    return before + WrongValue(*argument, Between(said, before, " not in {"));
  }
  if (said.find(": Check ") != std::string::npos) {
    return before + WrongValue(*argument, Between(said, ": Check ", " "));
  }
  if (said.find("Directory does not exist: ") != std::string::npos) {
    return before + "the folder " + Between(said, "exist: ", "") +
           " does not exist; choose another";
  }
  if (said.find("File does not exist: ") != std::string::npos) {
    return before + "the file " + Between(said, "exist: ", "") + " does not exist; choose another";
  }
  return said;
}

// An argument that nothing takes explains more than what is missing because of it.
std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  const bool extras = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                      dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  for (const CLI::App* level = &Chosen(app); extras && level != nullptr;
       level = level->get_parent()) {
    const std::vector<std::string> arguments = level->remaining(false);
    if (!arguments.empty()) return Unknown(app, arguments.front());
  }
  return InChoices(app, error);
}

// "50 ms" without quotes is one value: a number behind an option that takes a span of time, and a unit.
bool TakesTime(const CLI::App& app, std::string_view option) {
  const std::vector<Argument> arguments = ArgumentsOf(app);
  const Argument* const argument = Find(arguments, option);
  if (argument != nullptr && argument->value == "TIME") return true;
  const auto commands = CommandsOf(app);
  return std::any_of(commands.begin(), commands.end(),
                     [option](const CLI::App* command) { return TakesTime(*command, option); });
}

std::vector<std::string> WithoutBlanks(const CLI::App& app, std::vector<std::string> arguments) {
  for (size_t i = 1; i + 1 < arguments.size(); ++i) {
    const bool unit = std::any_of(
        std::begin(internal::kDurationUnits), std::end(internal::kDurationUnits),
        [&](const internal::DurationUnit& one) { return arguments[i + 1] == one.written; });
    if (unit && IsNumber(arguments[i]) && TakesTime(app, arguments[i - 1])) {
      arguments[i] += arguments[i + 1];
      arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }
  return arguments;
}

// `help`, `help COMMAND`, or nothing but commands that only have others below them.
std::optional<int> PrintHelp(const CLI::App& app, const std::vector<std::string>& arguments) {
  const bool asked = !arguments.empty() && arguments.front() == "help";
  const CLI::App* group = &app;
  for (size_t i = asked ? 1 : 0; i < arguments.size(); ++i) {
    if (arguments[i].starts_with("-")) return std::nullopt;
    const CLI::App* const command = CommandOf(*group, arguments[i]);
    if (command == nullptr && !asked) return std::nullopt;
    if (command == nullptr && CommandsOf(*group).empty()) break;
    if (command == nullptr) return PrintMistake(app, UnknownCommand(*group, arguments[i]));
    group = command;
  }
  if (!asked && group->get_require_subcommand_min() == 0) return std::nullopt;
  std::cout << HelpOf(*group);
  return 0;
}

}  // namespace

std::string ClosestOf(const std::vector<std::string>& candidates, const std::string& given) {
  std::string closest;
  size_t least = given.size() / 3 + 1;  // further away is another name
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(given, candidate);
    if (distance <= least && (closest.empty() || distance < least)) {
      closest = candidate;
      least = distance;
    }
  }
  return closest;
}

std::string Closest(const CLI::App& app, const std::string& argument) {
  return ClosestOf(Candidates(app), argument);
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, Duration& span, Duration least,
                         const std::string& what) {
  const auto parse = [&span, name, least](const std::string& text) {
    const absl::StatusOr<Duration> parsed = ParseDuration(text);
    if (!parsed.ok()) throw CLI::ValidationError(name, std::string(parsed.status().message()));
    if (*parsed < least) {
      throw CLI::ValidationError(name, text + " is too short; at least " + FormatDuration(least));
    }
    span = *parsed;
  };
  return app.add_option_function<std::string>(name, parse, what)->type_name("TIME");
}

CLI::Option* AddBytes(CLI::App& app, const std::string& name, int64_t& bytes, int64_t least,
                      bool takes_zero, const std::string& what) {
  const auto parse = [&bytes, name, least, takes_zero](const std::string& text) {
    const absl::StatusOr<int64_t> parsed = ParseByteCount(text);
    if (!parsed.ok()) throw CLI::ValidationError(name, std::string(parsed.status().message()));
    if (*parsed < least && (*parsed != 0 || !takes_zero)) {
      throw CLI::ValidationError(name, text + " is too little; at least " +
                                           FormatBytes(static_cast<uint64_t>(least)) +
                                           (takes_zero ? ", or 0 for none" : ""));
    }
    bytes = *parsed;
  };
  return app.add_option_function<std::string>(name, parse, what)->type_name("BYTES");
}

std::optional<std::string> ParseArguments(CLI::App& app,
                                          const std::vector<std::string>& arguments) {
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    return Explain(app, error);
  }
}

int PrintMistake(const CLI::App& app, const std::string& what) {
  const CLI::App& chosen = Chosen(app);
  std::cerr << app.get_name() << ": " << what << "\n"
            << "Try: " << PathOf(chosen) << " --help\n";
  return kExitUsage;
}

std::optional<int> ParseAlone(CLI::App& app, int argc, char** argv) {
  UseHelp(app);
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (const std::optional<int> helped = PrintHelp(app, arguments)) return helped;
  arguments = WithoutBlanks(app, std::move(arguments));
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return std::nullopt;
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return 0;
  } catch (const CLI::ParseError& error) {
    return PrintMistake(app, Explain(app, error));
  }
}

}  // namespace roost::tools
