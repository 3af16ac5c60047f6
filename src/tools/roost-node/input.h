// tools/roost-node/input.h - standard input that may come back after its end: a named pipe whose
// producer restarts, a serial adapter that was unplugged.
//
// The end of anything else is the end: an unnamed pipe, a file, a socket, the terminal that the
// program was started on.
//
// Threads:  one
// Blocks:   never
// Memory:   the path
// Errors:   none: what cannot be opened is tried again
#ifndef ROOST_TOOLS_ROOST_NODE_INPUT_H_
#define ROOST_TOOLS_ROOST_NODE_INPUT_H_

#include <termios.h>

#include <optional>
#include <string>

namespace roost::tools {

class Input {
 public:
  // Looks at what `fd` is.
  explicit Input(int fd);

  // Its end is not the end.
  bool ComesBack() const { return !path_.empty(); }
  // Where it is opened anew; empty when it does not come back.
  const std::string& path() const { return path_; }
  // Another named pipe is at the path by now.
  bool IsReplaced() const;
  // Opens it anew in the place of `fd`, a terminal with the settings that it had. False: it is not
  // there, or is of another kind.
  bool Reopen();

 private:
  const int fd_;
  const bool terminal_;
  const std::string path_;
  std::optional<termios> settings_;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_INPUT_H_
