#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "roost/pool.h"
#include "roost/profile.h"
#include "roost/selected_profile.h"
#include "roost/settings.h"
#include "roost/sqlite_memory.h"
#include "telemetry/metrics.h"
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
  std::printf("%-20s %5s %9s %9s %9s %-10s %-5s %9s %9s %9s\n", "profile", "size", "overflow",
              "timeout", "recycle", "pre-ping", "echo", "capacity", "bytes", "sqlite");
  ForEachLine([](const Line& line) {
    const PoolSettings& s = line.settings;
    std::printf("%-20s %5d %9d %7.0f s %7.0f s %-10s %-5s %9d %9zu %9zu\n", s.profile, s.pool_size,
                s.max_overflow, InSeconds(s.pool_timeout), InSeconds(s.pool_recycle),
                std::string(Name(s.pre_ping)).c_str(), s.echo_pool ? "yes" : "no", s.capacity(),
                line.bytes, line.sqlite_bytes);
  });
  std::printf(
      "\nbytes: the pool object with its connections and statement caches, fixed when compiled.\n"
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

void PrintOne(std::string_view name) {
  ForEachLine([name](const Line& line) {
    if (line.settings.profile != name) return;
    std::array<char, kDescriptionBytes> buffer;
    const std::string_view settings = Describe(line.settings, buffer);
    std::printf("%.*s\npool object: %zu bytes. SQLite's memory, if bounded: %zu bytes.\n",
                static_cast<int>(settings.size()), settings.data(), line.bytes, line.sqlite_bytes);
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
