// tools/roostctl/live_lines.h - what a program answered, as lines for a person. The plain screen and the watch
// screen are put together of these.
//
// Threads:  one
// Blocks:   never
// Memory:   the lines
// Errors:   none; what is missing in an answer is left out
#ifndef ROOST_TOOLS_ROOSTCTL_LIVE_LINES_H_
#define ROOST_TOOLS_ROOSTCTL_LIVE_LINES_H_

#include <string>
#include <string_view>
#include <vector>

#include "telemetry/node_status.h"
#include "tools/roostctl/live.h"

namespace roost::tools {

// Lines of plain text, each cut to a width.
class Screen {
 public:
  Screen(int width, bool ascii) : width_(width), ascii_(ascii) {}
  void Line(const std::string& line);
  // A figure's name, and its values of the last minutes and since the start.
  void Figure(const std::string& name, const std::string& window, const std::string& start);
  // What stands where there is no value.
  std::string None() const { return ascii_ ? "-" : "\u2013"; }
  const std::vector<std::string>& lines() const { return lines_; }
  std::string text() const;

 private:
  const int width_;
  const bool ascii_;
  std::vector<std::string> lines_;
};

// How many columns `text` takes, and `text` filled up to so many with blanks behind it.
size_t WidthOf(std::string_view text);
std::string Padded(std::string text, size_t width);

// "node7: degraded: remote is away for 61 s, next try in 4 s"
std::string HeadLine(const Live& live);
// "local: 1 of 3 in use, sqlite node.db, profile raspberry_pi"
std::string PoolTitle(const Json& pool);
// "server 15.20, primary, user node, TLSv1.3, round trip 12 ms", of what is known.
std::string ServerLine(const telemetry::PoolServerStatus& server);
// Of a pool in an answer; empty where no server is told.
std::string ServerLine(const Json& pool);
// Each lane, and why its database is away.
void Lanes(Screen& screen, const Json& pool);
// The pool's figures, of the last minutes and since the start.
void PoolFigures(Screen& screen, const Json& pool);
// Who holds which connection, and who waits.
void SlotsAndWaiters(Screen& screen, const Json& pool);
// The board's power, heat and wear, where the program tells of them.
void Board(Screen& screen, const Json& answer);
// Of a SQLite pool: how long its database and its log are, and who holds that up.
void DatabaseFile(Screen& screen, const Json& pool);
// Other processes of this board that hold locks of a SQLite pool's database.
void OtherProcesses(Screen& screen, const Json& answer, const Json& pool);
// The latest `most` events, the oldest first.
void Events(Screen& screen, const Json& answer, size_t most);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_LIVE_LINES_H_
