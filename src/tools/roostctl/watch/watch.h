// tools/roostctl/watch/watch.h - `roostctl status --watch` on a terminal: looks again and again, until the operator
// leaves.
//
// Threads:  one
// Blocks:   until q, a signal, or the terminal is gone
// Errors:   a program that is gone or hangs stays on the screen with what it said last
#ifndef ROOST_TOOLS_ROOSTCTL_WATCH_WATCH_H_
#define ROOST_TOOLS_ROOSTCTL_WATCH_WATCH_H_

#include <functional>
#include <map>
#include <string>

#include "roost/platform.h"
#include "tools/roostctl/watch/screen.h"
#include "tools/roostctl/watch/terminal.h"

namespace roost::tools::watch {

// What the programs answer, and what those that are silent said before.
class Watcher {
 public:
  // `name`: of one program; empty: all. `instead`: a text for a look that finds no program.
  Watcher(Platform& platform, std::string name, std::function<std::string()> instead);
  // Asks every program once, for kWithin each at most.
  Look Once();

  // A program that hangs keeps the keys waiting for so long.
  static constexpr Duration kWithin = std::chrono::milliseconds(500);

 private:
  struct Known {
    Live live{};  // what it answered last
    TimePoint at{};
  };
  Seen See(const std::string& path);

  Platform& platform_;
  const std::string name_;
  const std::function<std::string()> instead_;
  std::map<std::string, Known> known_;  // by the path of the socket
};

// The whole of it on `terminal`. Returns the exit code; a signal that ends programs ends this one, too, as soon as
// the terminal is given back.
int Run(Platform& platform, Terminal& terminal, Watcher& watcher, View view);

}  // namespace roost::tools::watch

#endif  // ROOST_TOOLS_ROOSTCTL_WATCH_WATCH_H_
