// tools/roostctl/watch/screen.h - what `roostctl status --watch` shows, as rows of styled text, and what its
// keys do. It knows no terminal, so that a test sees every screen.
//
// Threads:  one
// Blocks:   never
// Memory:   the rows
// Errors:   none; an answer of other types is shown as far as it goes
#ifndef ROOST_TOOLS_ROOSTCTL_WATCH_SCREEN_H_
#define ROOST_TOOLS_ROOSTCTL_WATCH_SCREEN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "roost/deadline.h"
#include "tools/roostctl/live.h"

namespace roost::tools::watch {

// kGood, kWarn and kBad stand beside a state in letters: without colours nothing is lost.
enum class Style : uint8_t { kPlain, kBold, kDim, kTitle, kGood, kWarn, kBad };

struct Span {
  std::string text{};
  Style style = Style::kPlain;
};
using Row = std::vector<Span>;

// A program as it was seen at the latest look.
struct Seen {
  Live live{};
  // It does not answer, and live.answer is what it said before, so long ago.
  bool old = false;
  Duration silent{};
};
struct Look {
  std::vector<Seen> programs{};
  std::string text{};  // in place of programs: lines of a status file, or why there is nothing
};

enum class SortBy : uint8_t { kProgram, kWaiting, kInUse, kTimeouts };

// What the operator has chosen, and what the terminal is like.
struct View {
  static constexpr Duration kShortest = std::chrono::milliseconds(100);
  static constexpr Duration kLongest = std::chrono::hours(1);

  int width = 80;
  int height = 24;
  bool ascii = false;
  bool paused = false;
  bool help = false;
  SortBy sort = SortBy::kProgram;
  int pool = 1;  // whose details are shown: its place in the table, from 1 on
  Duration interval = std::chrono::seconds(2);
};

// What a key does to `view`. False: the operator wants to leave.
bool OnKey(int key, View& view);

// At most view.height rows, none wider than view.width. What matters most stands first.
std::vector<Row> Compose(const Look& look, const View& view);

}  // namespace roost::tools::watch

#endif  // ROOST_TOOLS_ROOSTCTL_WATCH_SCREEN_H_
