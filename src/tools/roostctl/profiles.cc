#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "roost/pool.h"
#include "roost/profile.h"
#include "roost/selected_profile.h"
#include "roost/settings.h"
#include "roost/sqlite_memory.h"
#include "telemetry/metrics.h"
#include "tools/common/grammar.h"
#include "tools/common/help.h"
#include "tools/common/text.h"
#include "tools/roostctl/commands.h"
#include "tools/roostctl/sqlalchemy.h"

namespace roost::tools {
namespace {

// One line of the table.
struct Line {
  PoolSettings settings;
  size_t bytes = 0;
  size_t sqlite_bytes = 0;
};

template <class P>
constexpr Line LineOf() {
  return {SettingsOf<P>(), sizeof(PoolFor<P>), sizeof(SqliteMemoryFor<P>)};
}

template <class Visit>
void ForEachLine(Visit visit) {
  profiles::ForEach([&]<class P>() { visit(LineOf<P>()); });
}

void PrintTable() {
  std::printf("%-19s %9s %7s %7s %-10s %-4s %7s %7s\n", "profile", "size", "timeout", "recycle",
              "pre-ping", "echo", "bytes", "sqlite");
  ForEachLine([](const Line& line) {
    const PoolSettings& s = line.settings;
    char size[32];
    std::snprintf(size, sizeof size, "%d + %d", s.pool_size, s.max_overflow);
    std::printf("%-19s %9s %5.0f s %5.0f s %-10s %-4s %7zu %7zu\n", s.profile, size,
                InSeconds(s.pool_timeout), InSeconds(s.pool_recycle),
                std::string(Name(s.pre_ping)).c_str(), s.echo_pool ? "yes" : "no", line.bytes,
                line.sqlite_bytes);
  });
  std::printf(
      "\nsize: pool_size + max_overflow. NAME shows every setting of one.\n"
      "bytes: the pool object with its connections and statement caches.\n"
      "sqlite: the block for a program that bounds SQLite's memory (SqliteMemoryFor).\n"
      "This build's roost::SelectedProfile (CMake: ROOST_PROFILE) is %s.\n",
      SelectedProfile::kName);
}

void PrintJson() {
  const std::string text = internal::JsonText([](internal::JsonWriter& json) {
    json.BeginArray();
    ForEachLine([&json](const Line& line) {
      json.BeginObject();
      telemetry::WriteSettings(json, line.settings);
      json.Member("bytes", line.bytes);
      json.Member("sqlite_bytes", line.sqlite_bytes);
      json.EndObject();
    });
    json.EndArray();
  });
  std::printf("%s\n", text.c_str());
}

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// A line of Describe's in 80 columns: its three columns stand closer.
void PrintSetting(std::string_view line) {
  const auto trimmed = [](std::string_view text) {
    return text.substr(0, text.find_last_not_of(' ') + 1);
  };
  const size_t value_at = std::min(line.find_first_not_of(' ', line.find(' ')), line.size());
  const size_t meaning_at = std::min(line.find("  ", value_at), line.size());
  const std::string name(trimmed(line.substr(0, value_at)));
  const std::string value(trimmed(line.substr(value_at, meaning_at - value_at)));
  const std::string meaning(
      line.substr(std::min(line.find_first_not_of(' ', meaning_at), line.size())));
  std::printf("%-22s %-14s %s\n", name.c_str(), value.c_str(),
              Fill(meaning, kHelpColumns - 38, std::string(38, ' ')).c_str());
}

// The lines of what the profile default has otherwise: both describe the same settings in the same order.
void PrintDefaults(std::string_view settings) {
  std::array<char, kDescriptionBytes> buffer;
  const auto defaults = LinesOf(Describe(SettingsOf<profiles::Default>(), buffer));
  const auto lines = LinesOf(settings);
  bool any = false;
  for (size_t i = 1; i < lines.size() && i < defaults.size(); ++i) {  // the first is the name
    if (lines[i] == defaults[i]) continue;
    if (!std::exchange(any, true)) std::printf("\nThe profile default has otherwise:\n");
    PrintSetting(defaults[i]);
  }
}

void PrintOne(std::string_view name) {
  ForEachLine([name](const Line& line) {
    if (line.settings.profile != name) return;
    std::array<char, kDescriptionBytes> buffer;
    const std::string_view settings = Describe(line.settings, buffer);
    for (const std::string_view setting : LinesOf(settings)) PrintSetting(setting);
    PrintDefaults(settings);
    std::printf("\npool object: %zu bytes. SQLite's memory, if bounded: %zu bytes.\n", line.bytes,
                line.sqlite_bytes);
  });
}

std::vector<std::string> ProfileNames() {
  std::vector<std::string> names;
  ForEachLine([&names](const Line& line) { names.emplace_back(line.settings.profile); });
  return names;
}

}  // namespace

void ProfilesCommand::Run() const {
  if (!from_given_) {
    if (json_) return PrintJson();
    name_.empty() ? PrintTable() : PrintOne(name_);
    return;
  }
  const absl::StatusOr<std::string> header = ProfileFromSqlAlchemy(from_sqlalchemy_);
  if (!header.ok()) {
    throw CLI::ValidationError("--from-sqlalchemy", std::string(MessageOf(header.status())));
  }
  std::cout << *header;
}

void ProfilesCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand("profiles", "Show the profiles that a build can choose");
  CLI::Option* const json =
      command->add_flag("--json", json_, "Print an array of objects, one for each profile");
  CLI::Option* const name =
      command
          ->add_option("NAME", name_, "Show every setting of this profile, with unit and meaning")
          ->check(CLI::IsMember(ProfileNames()))
          ->excludes(json);
  const auto take = [this](const std::string& text) {
    from_sqlalchemy_ = text;
    from_given_ = true;
  };
  command
      ->add_option_function<std::string>("--from-sqlalchemy", take,
                                         "Print a profile in C++ made of an engine's settings")
      ->type_name("SETTINGS")
      ->excludes(json)
      ->excludes(name);
  command->footer(
      "Example: roostctl profiles --from-sqlalchemy 'pool_size=30,max_overflow=15' >node.h\n"
      "Exit codes: 0 done, 2 the arguments are wrong.");
  command->callback([this] { Run(); });
}

}  // namespace roost::tools
