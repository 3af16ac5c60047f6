#include "tools/common/cli.h"

#include <algorithm>
#include <iostream>
#include <string_view>
#include <vector>

#include "tools/common/byte_count.h"
#include "tools/common/duration.h"
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

const CLI::App& Chosen(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : *chosen.front();
}

// "unknown argument --evry; did you mean --every?"
std::string Unknown(const CLI::App& app, const std::string& given) {
  const std::string argument = given.substr(0, given.find('='));
  const std::string closest = Closest(Chosen(app), argument);
  std::string message = "unknown argument " + argument;
  if (closest == argument) return argument + " is in the wrong place; write it after the command";
  if (!closest.empty()) message += "; did you mean " + closest + "?";
  return message;
}

// An argument that nothing takes explains more than what is missing because of it.
std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  const bool extras = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                      dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  for (const CLI::App* level : {&Chosen(app), &app}) {
    const std::vector<std::string> arguments = level->remaining(true);
    if (extras && !arguments.empty()) return Unknown(app, arguments.front());
  }
  return error.what();
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
  const std::string& program = app.get_name();
  std::cerr << program << ": " << what << "\n"
            << "Try: " << program << (&Chosen(app) == &app ? "" : " " + Chosen(app).get_name())
            << " --help\n";
  return kExitUsage;
}

std::optional<int> Parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return 0;
  } catch (const CLI::ParseError& error) {
    return PrintMistake(app, Explain(app, error));
  }
}

}  // namespace roost::tools
