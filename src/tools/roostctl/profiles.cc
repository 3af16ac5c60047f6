#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "roost/pool.h"
#include "roost/profile.h"
#include "roost/selected_profile.h"
#include "roost/sqlite_memory.h"
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

const char* PrePingText(PrePing ping) {
  switch (ping) {
    case PrePing::kNever:
      return "no";
    case PrePing::kAfterIdle:
      return "after rest";
    case PrePing::kAlways:
      return "yes";
  }
  return "";
}

void PrintTable() {
  std::printf("%-20s %5s %9s %9s %9s %-10s %-5s %9s %9s %9s\n", "profile", "size", "overflow",
              "timeout", "recycle", "pre-ping", "echo", "capacity", "bytes", "sqlite");
  ForEachLine([](const Line& line) {
    const PoolSettings& s = line.settings;
    std::printf("%-20s %5d %9d %7.0f s %7.0f s %-10s %-5s %9d %9zu %9zu\n", s.profile, s.pool_size,
                s.max_overflow, InSeconds(s.pool_timeout), InSeconds(s.pool_recycle),
                PrePingText(s.pre_ping), s.echo_pool ? "yes" : "no", s.capacity(), line.bytes,
                line.sqlite_bytes);
  });
  std::printf(
      "\nbytes: the pool object with its connections and statement caches, fixed when compiled.\n"
      "sqlite: the block for a program that bounds SQLite's memory (SqliteMemoryFor).\n"
      "This build's roost::SelectedProfile (CMake: ROOST_PROFILE) is %s.\n",
      SelectedProfile::kName);
}

void PrintJson() {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  ForEachLine([&all](const Line& line) {
    const PoolSettings& s = line.settings;
    all.push_back({{"name", s.profile},
                   {"pool_size", s.pool_size},
                   {"max_overflow", s.max_overflow},
                   {"pool_timeout_s", InSeconds(s.pool_timeout)},
                   {"pool_recycle_s", InSeconds(s.pool_recycle)},
                   {"pool_pre_ping", s.pre_ping != PrePing::kNever},
                   {"echo_pool", s.echo_pool},
                   {"capacity", s.capacity()},
                   {"bytes", line.bytes},
                   {"sqlite_bytes", line.sqlite_bytes}});
  });
  std::cout << all.dump(2) << "\n";
}

}  // namespace

void ProfilesCommand::Run() const {
  if (!from_given_) {
    json_ ? PrintJson() : PrintTable();
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
  CLI::Option* json =
      command->add_flag("--json", json_, "Print an array of objects, one for each profile");
  const auto take = [this](const std::string& text) {
    from_sqlalchemy_ = text;
    from_given_ = true;
  };
  command
      ->add_option_function<std::string>("--from-sqlalchemy", take,
                                         "Print a profile in C++ made of an engine's settings")
      ->type_name("SETTINGS")
      ->excludes(json);
  command->footer(
      "Example: roostctl profiles --from-sqlalchemy 'pool_size=30,max_overflow=15' >node.h\n"
      "Exit codes: 0 done, 2 the arguments are wrong.");
  command->callback([this] { Run(); });
}

}  // namespace roost::tools
