#include "roost/version.h"

#include <dlfcn.h>
#include <sqlite3.h>

#include <CLI/Version.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "platform/boards/selected.h"
#include "roost/selected_profile.h"
#include "tools/roostctl/commands.h"

namespace roost::tools {
namespace {

// Of OpenTelemetry's semantic conventions, whose names the metrics have.
constexpr char kConventions[] = "1.44.0";

// Empty: the sources were no clone, and had no file VERSION.
std::string BuildVersion() {
  const std::string version = ROOST_BUILD_VERSION;
  return version.empty() ? ROOST_VERSION_STRING : version;
}

std::string Compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

// What `function` of `library` returns; `missing` where a connection would not find the library either.
template <class Result, class ToText>
std::string Loaded(const char* library, const char* function, ToText to_text) {
  void* const handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return "not installed";
  void* const found = dlsym(handle, function);
  const std::string version =
      found == nullptr ? "unknown" : to_text(reinterpret_cast<Result (*)()>(found)());
  dlclose(handle);
  return version;
}

std::vector<std::pair<std::string, std::string>> Libraries() {
  const auto of_libpq = [](int version) {
    return std::to_string(version / 10000) + "." + std::to_string(version % 10000);
  };
  const auto as_it_is = [](const char* version) { return std::string(version); };
  return {{"sqlite", sqlite3_libversion()},
          {"libpq", Loaded<int>("libpq.so.5", "PQlibVersion", of_libpq)},
          {"libmariadb", Loaded<const char*>("libmariadb.so.3", "mysql_get_client_info", as_it_is)},
          {"abseil", std::to_string(ABSL_LTS_RELEASE_VERSION)},
          {"cli11", CLI11_VERSION},
          {"nlohmann-json", std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." +
                                std::to_string(NLOHMANN_JSON_VERSION_MINOR) + "." +
                                std::to_string(NLOHMANN_JSON_VERSION_PATCH)}};
}

}  // namespace

void VersionCommand::Run() const {
  if (json_) {
    nlohmann::ordered_json json = {{"version", BuildVersion()},
                                   {"commit", ROOST_BUILD_COMMIT},
                                   {"profile", SelectedProfile::kName},
                                   {"board", boards::Selected().name},
                                   {"compiler", Compiler()},
                                   {"semantic_conventions", kConventions}};
    for (const auto& [name, version] : Libraries()) json["libraries"][name] = version;
    std::cout << json.dump(2) << "\n";
    return;
  }
  const auto row = [](const std::string& name, const std::string& value) {
    std::printf("%-22s%s\n", name.c_str(), value.c_str());
  };
  const std::string commit = ROOST_BUILD_COMMIT;
  row("roostpool", BuildVersion());
  row("commit", commit.empty() ? "unknown: the sources were no clone" : commit);
  row("profile", SelectedProfile::kName);
  row("board", boards::Selected().name);
  row("compiler", Compiler());
  row("semantic conventions", kConventions);
  for (const auto& [name, version] : Libraries()) row(name, version);
}

void VersionCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "version", "Show commit, profile, board, compiler and libraries, for a report");
  command->add_flag("--json", json_, "Print one JSON object");
  command->footer("Exit codes: 0 done, 2 the arguments are wrong.");
  command->callback([this] { Run(); });
}

}  // namespace roost::tools
