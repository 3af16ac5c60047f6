// tools/roostctl/watch/terminal.h - the terminal of the watch screen, by ncurses: the alternate screen, keys, sizes,
// signals.
//
// Whatever ends the program, the terminal is as before: Close and the destructor give it back; a signal that ends
// programs is told by Wait, whose caller closes; and a crash of the program itself writes what gives the terminal
// back from the handler of the signal, by calls that a handler may make.
//
// Threads:  one; one Terminal at a time, because signals are the process's
// Blocks:   Wait until its deadline; Show for the write to the terminal
// Memory:   ncurses' own
// Errors:   Open returns null where there is no terminal, or one that ncurses does not know
#ifndef ROOST_TOOLS_ROOSTCTL_WATCH_TERMINAL_H_
#define ROOST_TOOLS_ROOSTCTL_WATCH_TERMINAL_H_

#include <memory>
#include <vector>

#include "roost/deadline.h"
#include "tools/roostctl/watch/screen.h"

namespace roost::tools::watch {

enum class Colour : uint8_t { kAuto, kAlways, kNever };

class Terminal {
 public:
  static std::unique_ptr<Terminal> Open(Colour colour);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  int width() const;
  int height() const;
  // What differs from the screen before is written.
  void Show(const std::vector<Row>& rows);

  struct Event {
    int key = 0;        // 0: none
    int signal = 0;     // that ends the program; 0: none
    bool gone = false;  // nobody looks any more
  };
  // Returns at the first key or signal, at a new size of the terminal, or after `span`.
  Event Wait(Duration span);
  // Gives the terminal back.
  void Close();

 private:
  struct State;

  explicit Terminal(std::unique_ptr<State> state);
  void StartColours(Colour colour);

  const std::unique_ptr<State> state_;
};

}  // namespace roost::tools::watch

#endif  // ROOST_TOOLS_ROOSTCTL_WATCH_TERMINAL_H_
