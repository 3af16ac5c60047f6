// tools/roost-node/options.h - what roost-node was asked to do: its defaults, then the file of
// --config, then the command line.
#ifndef ROOST_TOOLS_ROOST_NODE_OPTIONS_H_
#define ROOST_TOOLS_ROOST_NODE_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "platform/rpi/gpio_line.h"
#include "roost/deadline.h"
#include "tools/common/grammar.h"
#include "tools/roost-node/forward_options.h"

namespace roost::tools {

// What the process says with its exit code.
// (2 is kExitUsage of common/cli.h: the arguments are wrong, nothing was done)
enum ExitCode : int {
  kExitDone = 0,      // every reading that was taken is sealed in the database
  kExitLost = 1,      // the database could not be used, or readings were lost
  kExitBadLines = 3,  // as 0, but lines of the input were not readings
};

// Where SQLite's memory comes from.
enum class SqliteHeap : uint8_t { kBounded, kHeap };

// What is done with a batch for which the database, or its card, has no room.
enum class WhenFull : uint8_t {
  kDropOldest,  // the oldest readings are deleted
  kThin,        // of the oldest readings every second one is deleted
  kStop,        // it is refused and waits in memory; nothing is deleted
};

struct Options {
  std::string db;                                 // a path, or ":memory:"
  bool from_stdin = false;                        // lines instead of the board's sensors
  Duration every = std::chrono::seconds(1);       // between two readings of the board
  Duration run_for = Duration::max();             // max: until a signal, or the end of the input
  int64_t batch = 500;                            // readings in one transaction, at most
  Duration seal_every = std::chrono::seconds(5);  // the longest a reading waits for its transaction
  int64_t buffer = 4096;                          // readings kept while the database refuses
  GpioLine::Where power_fail_gpio{};              // its chip is empty: no line was named
  Duration power_hold =
      std::chrono::minutes(5);  // how long SIGPWR counts, and under-voltage at most
  SqliteHeap sqlite_memory = SqliteHeap::kBounded;
  Duration keep{};           // how long a reading is kept; zero: for ever
  bool keep_unsent = false;  // `keep` is for readings that the server has
  int64_t db_size = 0;       // most bytes of the database; 0: none was given
  WhenFull when_full = WhenFull::kDropOldest;
  int64_t reserve = 128 * 1024;  // bytes of a file that is given up when the card is full; 0: none
  std::string root;              // before every path of the board's sensors
  std::string name;              // of the node, for others; never empty
  // Where the remote database is; empty: there is none. May hold a password: never shown.
  std::string remote;
  std::string password_file;                     // of the remote; empty: none is named
  Duration heartbeat = std::chrono::minutes(1);  // between two rows for the remote
  ForwardOptions forward{};
  bool forwards = false;    // readings go to the remote
  std::string status_file;  // empty: none is written
  Duration status_every = std::chrono::seconds(10);
  std::string metrics_file;  // empty: none is written
  Duration metrics_every = std::chrono::seconds(15);
  bool profile_info = false;
  bool quiet = false;
  bool json = false;
};

// The options, or the exit code of a program that has nothing more to do (after --help, after a
// mistake).
std::variant<Options, int> ParseOptions(int argc, char** argv);

// Shows the command line to `use`, and those of its arguments that a file of --config may have. For manual
// pages and completions.
void WithGrammar(const std::function<void(const CLI::App&, const std::vector<Argument>&)>& use);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_OPTIONS_H_
