#include "tools/roost-node/options.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "roost/version.h"
#include "tools/common/cli.h"
#include "tools/common/config_file.h"
#include "tools/common/grammar.h"
#include "tools/common/make_backend.h"
#include "tools/common/remote_uri.h"
#include "tools/roost-node/retention.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr char kSystemFolder[] = "/var/lib/roost";
// "roost-node@" and the name together are an application_name, of which PostgreSQL keeps 63 bytes.
constexpr size_t kMostName = 52;

constexpr char kFooter[] =
    R"(The board's sensors are read unless --stdin (or -) is given; then each line is a reading:
  NAME VALUE [UNIT] [@UNIX_SECONDS]      temperature 21.5 C @1700000000.25
Empty lines and lines that begin with # are skipped. A line with a time of its own, in seconds
since 1970 UTC with up to 6 decimals, keeps it; any other gets the time at which it is taken, and
is marked (time_from is late) when it could have been read more than 2 s before. Progress and
messages go to standard error, the summary at the end to standard output. SIGTERM and
SIGINT end it and seal what is there; SIGHUP seals at once and goes on; SIGUSR1 reports what the pools do, in the
journal of a service; SIGPWR seals at once and
stops writing (see below); a signal that was ignored at the start stays ignored. The end of standard input ends it, but that of a named pipe or
of a serial line does not: it is opened again. While the database
refuses, readings are kept in memory (--buffer); when that is full the oldest reading of the board
is dropped and counted, and lines are left unread in the pipe. Look at the readings with:
sqlite3 FILE 'SELECT * FROM readings'

Settings in a file: KEY = VALUE lines for --config, where KEY is one of the flags above without
its dashes. The built-in value counts less than the file, the file less than the command line.

When the power fails, what is in memory is sealed at once, and then nothing is written to the card
until the power is good again or the node ends; readings are taken on, up to --buffer. SIGPWR
counts for --power-hold, or until SIGHUP. A line of --power-fail-gpio counts while it is active:
CHIP is gpiochip0, 0, a path, or the chip's label (pinctrl-rp1), LINE its number there. The
under-voltage alarm of a Raspberry Pi (raspberrypi-hwmon, seen within 2 s) counts while it lasts,
for --power-hold at most: a supply that is always too weak is no power cut. Line and alarm have to be
quiet for 1 s. A status file that is not in memory (/run) is not written meanwhile.

The oldest readings are deleted, in steps of at most 500, when they are older than --keep, and when
the database has no room for a batch within --db-size. What is deleted is recorded in the table gap,
with the exact numbers. The file does not shrink: its free pages are used again. The age counts from
when a reading was stored and by the time that the node has run, not by the clock on the wall: a clock
that is set wrong deletes nothing. A time when the node was off counts where the clock was
synchronized before and after it, for half of --keep at most. What was in the database before
--keep was given first counts from then. The size that is taken without --db-size is stored in the
database; one that is larger already when it is first seen is not cut: `roostctl status` says
degraded until --db-size is given. On a full card the reserve is given up, readings are deleted
(but with --when-full stop), and the reserve is made again when there is room. --when-full thin
deletes every second reading of each sensor, from the oldest on, and begins again at the oldest when
it has come to the newest: what is left of a long time is coarser, and has no hole.

With --sqlite-memory bounded SQLite has the block that --profile-info names and takes nothing from
the heap, so that a node's memory is the same after a year as after a minute. It costs that many
bytes and some 10 ns an allocation. A batch that does not fit is refused like any other and tried
again; `roostctl status` shows how full the block was at most. Where something else in the process
has used SQLite before, the node says so and goes on with the heap. The database :memory: is on the
heap always: it would fill the block.

Readings go to the remote (--forward) in batches of at most --forward-batch, each with an answer that
says up to which number the server accounts for; at every connection the server is asked for that,
and the node goes on from there. So each reading arrives once, also when an answer is lost or the
server is restored from a backup, as long as the node keeps it. What the server has is deleted first
when room is needed; what it has not is deleted for its age only if --keep is given. A server that
refuses everything for its configuration is held: nothing is given up, and it is tried every 5 min
and at SIGHUP. It needs the schema roost (`roostctl server init`); without it only the heartbeat is
sent. The token of --token-file, or of systemd's credential "roost-token", says which node this is.

The remote database gets a row every --heartbeat into the table roost_heartbeat, which is made if
it is missing. While the server is away the node goes on; no turn of its loop waits for a server
longer than 1 s, and that only when a row is sent. A password is taken from
--remote-password-file, from systemd's credential "remote-password", from passfile= in the address
or ~/.pgpass (PostgreSQL), or from the file of --config if others cannot read that; never from the
command line. The files are read again by each connection, so a password that was changed in its
file counts at the next try. In an address a user or a password with @, / or : in it is written
with %40, %2F, %3A. A server of MySQL or MariaDB needs the package libmariadb3; to another machine
its certificate is checked unless sslmode= in the address says otherwise.

As a service of systemd (Type=notify) it says when it is ready, how it is, and that it is alive.
The watchdog is fed at the end of a turn of the loop if the readings that were due for sealing got
an answer from the database within 15 s, be it a refusal. So a node that hangs is restarted; one
whose card is full or whose server is away is not, because a restart would only lose what it keeps
in memory. What is refused shows in `systemctl status` and in the file of --status-file.

Examples:
  roost-node --for 10s --every 500ms --db /tmp/node.db
  some-sensor-script | roost-node --stdin --db /tmp/node.db --json
  roost-node --remote postgresql://node7@db.example.org/farm --remote-password-file /etc/roost/pw
  roost-node --remote mysql://node7@db.example.org/farm --remote-password-file /etc/roost/pw

Exit codes: 0 every reading is sealed; 1 readings were lost, or the database cannot be used;
2 the arguments, the file of --config, that of --db (another program's) or the remote's address
are wrong; 3 every reading is sealed, but some lines were not readings.)";

std::string DefaultDb() {
  if (access(kSystemFolder, W_OK) == 0) return std::string(kSystemFolder) + "/node.db";
  return "roost-node.db";
}

// "sqlite:///var/lib/roost/node.db" and "/var/lib/roost/node.db" mean the same file.
std::string PathOf(const std::string& db) {
  const absl::StatusOr<std::string> path = LocalPath(db);
  if (path.ok()) return *path;
  throw CLI::ValidationError("--db", std::string(path.status().message()));
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

struct Raw {  // what is looked at only when everything was read
  std::string dash;
  std::string config;
  std::string password_file;
  std::optional<std::string> status_file;
  bool no_remote = false;  // --remote '': none, whatever the file says
};

void DeclareReadings(CLI::App& app, Options& options, Raw& raw) {
  constexpr char kGroup[] = "Readings";
  AddDuration(app, "--every", options.every, 1ms, "Time between two readings of the board (1s)")
      ->group(kGroup);
  app.add_flag("--stdin", options.from_stdin, "Reads lines from standard input")->group(kGroup);
  app.add_option("input", raw.dash, "The same as --stdin")->type_name("-")->group(kGroup);
  AddDuration(app, "--for", options.run_for, 1ms, "Ends after this time (default: runs on)")
      ->group(kGroup);
  app.add_option("--root", options.root,
                 "Reads the board's sensors below this folder instead of /, for tests")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory)
      ->group(kGroup);
}

SqliteHeap SqliteHeapOf(const std::string& text) {
  if (text == "bounded") return SqliteHeap::kBounded;
  if (text == "heap") return SqliteHeap::kHeap;
  throw CLI::ValidationError("--sqlite-memory", text + " is neither bounded nor heap");
}

WhenFull WhenFullOf(const std::string& text) {
  if (text == "drop-oldest") return WhenFull::kDropOldest;
  if (text == "thin") return WhenFull::kThin;
  if (text == "stop") return WhenFull::kStop;
  throw CLI::ValidationError("--when-full", text + " is neither drop-oldest, thin nor stop");
}

// How much of the past the database keeps.
void DeclareBounds(CLI::App& app, Options& options) {
  constexpr char kGroup[] = "Local database";
  AddDuration(app, "--keep", options.keep, Retention::kLeastKeep,
              "Deletes readings that have been stored for longer (default: with forwarding those "
              "that the server has for 30 days, else none)")
      ->group(kGroup);
  AddBytes(
      app, "--db-size", options.db_size, Retention::kLeastSize, false,
      "Most bytes of the database, its log and the reserve (default: half of what the card has "
      "for it at the first start); see below")
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--when-full",
         [&options](const std::string& text) { options.when_full = WhenFullOf(text); },
         "Without room for new readings: drop-oldest deletes the oldest (the default), thin "
         "every second of the oldest, stop refuses the new ones")
      ->type_name("drop-oldest|thin|stop")
      ->group(kGroup);
  AddBytes(
      app, "--reserve", options.reserve, Retention::kLeastReserve, true,
      "Size of a file beside the database that is given up when the card is full, so that rows "
      "can be deleted (128K; 0: none)")
      ->group(kGroup);
}

void DeclareDatabase(CLI::App& app, Options& options) {
  constexpr char kGroup[] = "Local database";
  app.add_option("--db", options.db,
                 "Database file (default: /var/lib/roost/node.db where that folder can be written, "
                 "else ./roost-node.db)")
      ->type_name("PATH")
      ->group(kGroup);
  app.add_option("--batch", options.batch, "Readings in one sealed transaction, at most (500)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{100000}))
      ->group(kGroup);
  AddDuration(app, "--seal-every", options.seal_every, 1ms,
              "Seals at the latest after this time: what a power cut can take (5s)")
      ->group(kGroup);
  app.add_option("--buffer", options.buffer, "Readings kept while the database refuses (4096)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--sqlite-memory",
         [&options](const std::string& text) { options.sqlite_memory = SqliteHeapOf(text); },
         "Where SQLite takes memory: bounded, in a block whose size the profile fixes (the "
         "default), or heap; see below")
      ->type_name("bounded|heap")
      ->group(kGroup);
}

// "gpiochip0:17:active-low"
GpioLine::Where GpioLineOf(const std::string& text) {
  constexpr std::string_view kActiveLow = ":active-low";
  GpioLine::Where where;
  std::string_view rest = text;
  where.active_low = rest.ends_with(kActiveLow);
  if (where.active_low) rest.remove_suffix(kActiveLow.size());
  const size_t colon = rest.rfind(':');
  const std::string_view line = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), where.line);
  where.chip = rest.substr(0, std::min(colon, rest.size()));
  if (where.chip.empty() || line.empty() || error != std::errc() ||
      end != line.data() + line.size()) {
    throw CLI::ValidationError("--power-fail-gpio",
                               text + " is not CHIP:LINE or CHIP:LINE:active-low, as gpiochip0:17");
  }
  return where;
}

void DeclarePower(CLI::App& app, Options& options) {
  constexpr char kGroup[] = "Power";
  app.add_option_function<std::string>(
         "--power-fail-gpio",
         [&options](const std::string& text) { options.power_fail_gpio = GpioLineOf(text); },
         "Input line that is active while the power fails (default: none); see below")
      ->type_name("CHIP:LINE[:active-low]")
      ->group(kGroup);
  AddDuration(app, "--power-hold", options.power_hold, 1ms,
              "How long nothing is written after SIGPWR, or during under-voltage at most (5m)")
      ->group(kGroup);
}

void DeclareRemote(CLI::App& app, Options& options, Raw& raw) {
  constexpr char kGroup[] = "Remote database";
  app.add_option("--remote", options.remote,
                 "Address of a database on a server: postgresql://USER@HOST/DATABASE, as libpq "
                 "takes it, or mysql://USER@HOST/DATABASE (default: none)")
      ->type_name("URI")
      ->group(kGroup);
  app.add_option("--remote-password-file", raw.password_file,
                 "File whose first line is the password of the remote, readable by roost-node only")
      ->type_name("PATH")
      ->group(kGroup);
  AddDuration(app, "--heartbeat", options.heartbeat, 100ms,
              "Time between two rows for the remote (1m)")
      ->group(kGroup);
  app.add_option("--name", options.name,
                 "Name of this node at the remote (default: the host's name)")
      ->type_name("NAME")
      ->group(kGroup);
}

// The collector passes over every other name in silence.
std::string MetricsPath(const std::string& path) {
  if (path.empty() || path.ends_with(".prom")) return path;
  throw CLI::ValidationError("--metrics-file",
                             path + " does not end in .prom, and node_exporter reads nothing else");
}

void DeclareOutput(CLI::App& app, Options& options, Raw& raw) {
  constexpr char kGroup[] = "Output";
  app.add_flag("--quiet", options.quiet, "No progress; messages about trouble remain")
      ->group(kGroup);
  app.add_flag("--json", options.json, "The summary (or --profile-info) as one JSON object")
      ->group(kGroup);
  app.add_option("--status-file", raw.status_file,
                 "JSON file about the running node, for roostctl and scripts, of this node alone "
                 "(default: status.json in $RUNTIME_DIRECTORY, else none)")
      ->type_name("PATH")
      ->group(kGroup);
  AddDuration(app, "--status-every", options.status_every, 100ms,
              "Time between two writings of it (10s)")
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--metrics-file",
         [&options](const std::string& path) { options.metrics_file = MetricsPath(path); },
         "Prometheus' text about the running node, for node_exporter's textfile collector: a path "
         "that "
         "ends in .prom, in a folder in memory (default: none)")
      ->type_name("PATH")
      ->group(kGroup);
  AddDuration(app, "--metrics-every", options.metrics_every, 1s,
              "Time between two writings of it (15s)")
      ->group(kGroup);
  app.add_flag("--profile-info", options.profile_info,
               "Prints the profile and the board this program was compiled for, and exits")
      ->group(kGroup);
}

void Declare(CLI::App& app, Options& options, Raw& raw) {
  app.set_version_flag("-V,--version", "roost-node " ROOST_VERSION_STRING,
                       "Show the version and exit");
  app.add_option("--config", raw.config, "Reads settings from this file")->type_name("FILE");
  app.footer(kFooter);
  DeclareReadings(app, options, raw);
  DeclareDatabase(app, options);
  DeclareBounds(app, options);
  DeclarePower(app, options);
  DeclareRemote(app, options, raw);
  DeclareForward(app, options.forward);
  DeclareOutput(app, options, raw);
  app.callback([&raw] {
    if (!raw.dash.empty() && raw.dash != "-") throw CLI::ExtrasError({raw.dash});
  });
}

constexpr char kDescription[] =
    "Stores readings of this board's sensors, or lines from standard input, in a local\n"
    "SQLite database, in batches that survive a power cut.";
constexpr char kProgram[] = "roost-node";

// Whether a file of --config may have it.
bool IsSetting(const std::string& key) {
  return key != "config" && key != "help" && key != "version" && key != "profile-info";
}

// Takes the settings of the file, each as the command line would take it. Empty: all are right.
std::string TakeSettings(const ConfigFile& config, Options& options, Raw& raw) {
  for (const Setting& setting : config.settings) {
    CLI::App app(kDescription, kProgram);
    Declare(app, options, raw);
    const std::string flag = "--" + setting.key;
    if (!IsSetting(setting.key) || app.get_option_no_throw(flag) == nullptr) {
      std::string what = "unknown setting " + setting.key;
      if (const std::string near = Closest(app, flag); near.size() > 2 && near != flag) {
        what += "; did you mean " + near.substr(2) + "?";
      }
      return At(config.path, setting.line) + what;
    }
    const auto wrong = ParseArguments(app, {flag + "=" + setting.value});
    if (wrong.has_value()) return At(config.path, setting.line) + *wrong;
    if (setting.key == "remote" && config.world_readable && HasPassword(options.remote)) {
      return At(config.path, setting.line) +
             "remote: every user can read the password in this file; run: chmod o= " + config.path;
    }
  }
  return "";
}

std::string FromHost() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return std::string(name).substr(0, kMostName);
}

// What the name may consist of, so that it is the same in a database, a log and a shell.
void CheckName(const std::string& name) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kMostName || !std::all_of(name.begin(), name.end(), allowed)) {
    throw CLI::ValidationError("--name", "write 1 to " + std::to_string(kMostName) +
                                             " letters, digits, dots, dashes or underscores");
  }
}

void Check(const char* option, const absl::Status& status) {
  if (!status.ok()) throw CLI::ValidationError(option, std::string(status.message()));
}

// Empty: systemd has handed over none, or the empty line that the unit names as the default.
std::string CredentialPath() {
  const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr) return "";
  const std::string path = std::string(folder) + "/" + kPasswordCredential;
  const int first = std::ifstream(path).get();
  return first == '\n' || first == std::ifstream::traits_type::eof() ? "" : path;
}

void ResolveRemote(Options& options, const Raw& raw) {
  if (options.remote.empty()) {
    if (raw.password_file.empty()) return;
    throw CLI::ValidationError("--remote-password-file", "there is no --remote that it is for");
  }
  Check("--remote", CheckRemoteUri(options.remote));
  const bool named = !raw.password_file.empty();
  const std::string path = named ? raw.password_file : CredentialPath();
  if (path.empty()) return;
  if (HasPassword(options.remote)) {
    throw CLI::ValidationError("--remote",
                               "has a password, and " + path + " is another; keep one of them");
  }
  Check(named ? "--remote-password-file" : "the credential", CheckPasswordFile(path));
  options.password_file = path;
}

RemoteKind RemoteKindOf(const std::string& remote) {
  if (remote.empty()) return RemoteKind::kNone;
  const auto address = ParseAddress(remote, DatabaseKind::kPostgres);
  return address.has_value() && address->kind == DatabaseKind::kMysql ? RemoteKind::kMysql
                                                                      : RemoteKind::kPostgres;
}

void ResolveStatusFile(Options& options, const Raw& raw) {
  const char* const folder = std::getenv("RUNTIME_DIRECTORY");
  if (raw.status_file.has_value()) {
    options.status_file = *raw.status_file;
  } else if (folder != nullptr && *folder != '\0') {
    options.status_file = std::string(folder) + "/status.json";
  }
  if (options.status_file.empty()) return;
  const fs::path parent = fs::absolute(options.status_file).parent_path();
  if (fs::is_directory(parent)) return;
  throw CLI::ValidationError(
      "--status-file",
      "the folder " + parent.string() + " does not exist; make it, or " + "choose another");
}

// Fills in what depends on the machine and checks what depends on more than one setting.
void Resolve(Options& options, const Raw& raw) {
  options.from_stdin |= !raw.dash.empty();
  options.buffer = std::max(options.buffer, options.batch);
  if (options.name.empty()) options.name = FromHost();
  CheckName(options.name);
  if (options.profile_info) return;
  CheckDb(options.db);
  ResolveRemote(options, raw);
  options.forwards =
      !raw.no_remote && ResolveForward(options.forward, RemoteKindOf(options.remote));
  if (options.forwards && options.keep == Duration::zero()) {
    options.keep = ForwardOptions::kKeepSent;
    options.keep_unsent = true;
  }
  ResolveStatusFile(options, raw);
}

}  // namespace

void WithGrammar(const std::function<void(const CLI::App&, const std::vector<Argument>&)>& use) {
  Options options;
  Raw raw;
  CLI::App app(kDescription, kProgram);
  Declare(app, options, raw);
  std::vector<Argument> settings;
  for (const Argument& argument : ArgumentsOf(app)) {
    const bool named = !argument.names.empty();
    if (named && IsSetting(argument.names.back().substr(2))) settings.push_back(argument);
  }
  use(app, settings);
}

std::variant<Options, int> ParseOptions(int argc, char** argv) {
  Options from_arguments;
  Raw raw;
  CLI::App app(kDescription, kProgram);
  Declare(app, from_arguments, raw);
  if (const std::optional<int> exit = ParseAlone(app, argc, argv)) return *exit;
  if (HasPassword(from_arguments.remote)) {
    return PrintMistake(app,
                        "--remote: every user of this machine can read a password on a command "
                        "line; put it into a file for --remote-password-file");
  }
  Options options;
  if (!raw.config.empty()) {
    const absl::StatusOr<ConfigFile> config = ReadConfigFile(raw.config);
    if (!config.ok()) return PrintMistake(app, std::string(config.status().message()));
    raw = {};
    const std::string wrong = TakeSettings(*config, options, raw);
    if (!wrong.empty()) return PrintMistake(app, wrong);
  }
  // Once more, over what the file says.
  CLI::App last(kDescription, kProgram);
  Declare(last, options, raw);
  if (const std::optional<int> exit = ParseAlone(last, argc, argv)) return *exit;
  try {
    const bool given = !options.db.empty() || last.count("--db") > 0;
    options.db = given ? PathOf(options.db) : DefaultDb();
    raw.no_remote = last.count("--remote") > 0 && options.remote.empty();
    Resolve(options, raw);
  } catch (const CLI::ValidationError& wrong) {
    return PrintMistake(last, wrong.what());
  }
  return options;
}

}  // namespace roost::tools
