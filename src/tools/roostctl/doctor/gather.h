// tools/roostctl/doctor/gather.h - looks at what `roostctl doctor` is asked about: programs by their sockets, saved
// answers, a node's status file, a database file, a journal.
//
// No database is opened, and nothing is written.
//
// Threads:  one; the checks of the board run in threads of their own
// Blocks:   for each program kAskWithin at most, and a moment for a second look at locks; for reads of files
// Memory:   up to kMostInput of a file
// Errors:   a Looked says why nothing was seen
#ifndef ROOST_TOOLS_ROOSTCTL_DOCTOR_GATHER_H_
#define ROOST_TOOLS_ROOSTCTL_DOCTOR_GATHER_H_

#include <string>
#include <vector>

#include "roost/platform.h"
#include "tools/roostctl/doctor/facts.h"

namespace roost::tools::doctor {

inline constexpr size_t kMostInput = 16 << 20;
// The selftest's checks that the doctor makes, too: they only read.
inline constexpr const char* kSharedChecks[] = {"board.voltage",     "board.throttling",
                                                "board.temperature", "clock.date",
                                                "card.space",        "card.writable"};

struct Looked {
  Facts facts{};
  Json answer{};         // what the program said; null: nothing
  int exit_code = 0;     // kStatusNotRunning or kStatusCannotTell where it could not be looked at
  std::string reason{};  // why
  bool left_behind = false;  // a thread hangs: leave the program with _exit
};

struct Wanted {
  std::vector<std::string> inputs{};  // names of programs, paths of files, "-"; empty: all programs
  std::string root{};           // before every path of the kernel's files; empty: this machine
  std::string status_file{};    // where a node without a socket writes
  int64_t max_connections = 0;  // 0: not known
  Duration within = kAskWithin;
  Duration again = std::chrono::milliseconds(200);  // between two looks at locks
};

// One for each program, or one for what the inputs are together. Where no program runs, one of the board alone, with
// the exit code that no program runs.
std::vector<Looked> Look(Platform& platform, const Wanted& wanted);

// The program behind the socket `path`.
Looked LookAtProgram(Platform& platform, const std::string& path, const Wanted& wanted);
// What `text`, the content of the file `name`, tells: answers, a status file, a journal.
Looked LookAtText(const std::string& name, std::string_view text);

}  // namespace roost::tools::doctor

#endif  // ROOST_TOOLS_ROOSTCTL_DOCTOR_GATHER_H_
