// tools/roostctl/readings.h - `roostctl readings`: what a node has stored, as text, CSV or JSON.
//
// The database is opened for reading (node_file.h) and read in pages, each a statement of its own: whatever
// reads the output may take its time, and the node's log is pinned for the read of a page only.
//
// Threads:  one
// Blocks:   for a page at most NodeQuery::kWithin; for whoever reads the output
// Memory:   a page of the output, and the averages of at most kMostSensors sensors
// Errors:   a sentence on standard error, and the exit code
#ifndef ROOST_TOOLS_ROOSTCTL_READINGS_H_
#define ROOST_TOOLS_ROOSTCTL_READINGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "roost/deadline.h"

namespace roost::tools {

// Exit codes of `roostctl readings` besides kExitUsage.
inline constexpr int kReadingsNone = 1;        // there is no such sensor
inline constexpr int kReadingsCannotTell = 4;  // the database cannot be read

// The path of the node's database: `db` (a path, a folder, or empty), else what the configuration says, else
// where the package has it. Throws CLI::ValidationError.
std::string NodeDatabasePath(const std::string& db, const std::string& config);

// readings [NAME] [--since TIME] [--csv | --json] [--every TIME] [--db PATH] [--config FILE]
class ReadingsCommand {
 public:
  static constexpr size_t kMostSensors = 1000;

  void AddTo(CLI::App& app);
  int exit_code() const { return exit_code_; }

 private:
  void Run();

  std::string name_;  // of a sensor; empty: all
  std::string db_;
  std::string config_;
  Duration since_ = std::chrono::hours(1);
  Duration every_{};  // zero: each reading
  bool csv_ = false;
  bool json_ = false;
  int exit_code_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_READINGS_H_
