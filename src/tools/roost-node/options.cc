#include "src/tools/roost-node/options.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "src/tools/common/cli.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr char kSystemFolder[] = "/var/lib/roost";

constexpr char kFooter[] =
    "The board's sensors are read unless --stdin (or -) is given; then each line is a reading:\n"
    "  NAME VALUE [UNIT]      temperature 21.5 C\n"
    "Empty lines and lines that begin with # are skipped. Progress and messages go to standard "
    "error,\n"
    "the summary at the end to standard output. SIGTERM, SIGINT and SIGHUP end it and seal what "
    "is\n"
    "there; SIGPWR seals at once and goes on. While the database refuses, readings are kept in "
    "memory\n"
    "(--buffer); when that is full the oldest reading of the board is dropped and counted, and "
    "lines\n"
    "are left unread in the pipe. Look at the readings with: sqlite3 FILE 'SELECT * FROM "
    "readings'\n"
    "\n"
    "Examples:\n"
    "  roost-node --for 10s --every 500ms --db /tmp/node.db\n"
    "  some-sensor-script | roost-node --stdin --db /tmp/node.db --json\n"
    "\n"
    "Exit codes: 0 every reading is sealed; 1 readings were lost, or the database cannot be used;\n"
    "2 the arguments are wrong; 3 every reading is sealed, but some lines were not readings.";

std::string DefaultDb() {
  if (access(kSystemFolder, W_OK) == 0) return std::string(kSystemFolder) + "/node.db";
  return "roost-node.db";
}

// "sqlite:///var/lib/roost/node.db" and "/var/lib/roost/node.db" mean the same file.
std::string PathOf(const std::string& db) {
  constexpr std::string_view kSqlite = "sqlite://";
  if (db.starts_with(kSqlite)) return db.substr(kSqlite.size());
  const size_t scheme = db.find("://");
  if (scheme == std::string::npos) return db;
  throw CLI::ValidationError("--db", db.substr(0, scheme) +
                                         " is not a local database; write a path, such as "
                                         "/var/lib/roost/node.db");
}

void CheckDb(const std::string& db) {
  if (db == ":memory:") return;
  if (db.empty()) throw CLI::ValidationError("--db", "is empty; write a path");
  std::error_code ignored;
  if (fs::is_directory(db, ignored)) {
    throw CLI::ValidationError("--db", db + " is a folder; write a file in it: " + db + "/node.db");
  }
  const fs::path folder = fs::absolute(db).parent_path();
  if (!fs::is_directory(folder, ignored)) {
    throw CLI::ValidationError(
        "--db", "the folder " + folder.string() + " does not exist; make it, or choose another");
  }
}

void Declare(CLI::App& app, Options& options, std::string& dash) {
  app.add_option("--db", options.db,
                 "Database file (default: /var/lib/roost/node.db where that folder can be written, "
                 "else ./roost-node.db)")
      ->type_name("PATH");
  AddDuration(app, "--every", options.every, 1ms, "Time between two readings of the board (1s)");
  AddDuration(app, "--for", options.run_for, 1ms, "Ends after this time (default: runs on)");
  app.add_flag("--stdin", options.from_stdin, "Reads lines from standard input");
  app.add_option("input", dash, "- is the same as --stdin")->type_name("");
  app.add_option("--batch", options.batch, "Readings in one sealed transaction, at most (500)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{100000}));
  AddDuration(app, "--seal-every", options.seal_every, 1ms,
              "Seals at the latest after this time: what a power cut can take (5s)");
  app.add_option("--buffer", options.buffer, "Readings kept while the database refuses (4096)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}));
  app.add_option("--root", options.root,
                 "Reads the board's sensors below this folder instead of /, for tests")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--profile-info", options.profile_info,
               "Prints the profile and the board this program was compiled for, and exits");
  app.add_flag("--quiet", options.quiet, "No progress; messages about trouble remain");
  app.add_flag("--json", options.json, "The summary (or --profile-info) as one JSON object");
}

}  // namespace

std::variant<Options, int> ParseOptions(int argc, char** argv) {
  Options options;
  std::string dash;
  CLI::App app(
      "Stores readings of this board's sensors, or lines from standard input, in a local\n"
      "SQLite database, in batches that survive a power cut.",
      "roost-node");
  app.set_version_flag("--version", "roost-node " ROOST_VERSION, "Show the version and exit");
  app.footer(kFooter);
  Declare(app, options, dash);
  app.callback([&] {
    if (!dash.empty() && dash != "-") throw CLI::ExtrasError({dash});
    options.from_stdin |= !dash.empty();
    options.db = options.db.empty() && app.count("--db") == 0 ? DefaultDb() : PathOf(options.db);
    if (!options.profile_info) CheckDb(options.db);
    options.buffer = std::max(options.buffer, options.batch);
  });
  if (const std::optional<int> exit = Parse(app, argc, argv)) return *exit;
  return options;
}

}  // namespace roost::tools
