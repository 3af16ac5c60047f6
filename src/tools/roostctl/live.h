// tools/roostctl/live.h - asks the programs of this board by their status sockets (roost/status.h), and
// judges what they say.
//
// Whoever owns the folder chooses what answers: an answer has a deadline and a bound, and what is in it is
// shown as plain text.
//
// Blocks:   an ask for its `within` at most
// Errors:   a Judgement says what was found; nothing is thrown
#ifndef ROOST_TOOLS_ROOSTCTL_LIVE_H_
#define ROOST_TOOLS_ROOSTCTL_LIVE_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "roost/platform.h"
#include "telemetry/event_ring.h"

namespace roost::tools {

using Json = nlohmann::ordered_json;

// How a program is, with the exit code of `roostctl status`.
enum class LiveState {
  kHealthy,
  kDegraded,
  kNotHealthy,
  kStarting,
  kEnding,
  kNotRunning,
  kUnknown
};
std::string_view Name(LiveState state);
int ExitCodeOf(LiveState state);

// One program.
struct Live {
  std::string name;
  LiveState state = LiveState::kUnknown;
  std::string reason;  // one sentence
  std::string next;    // a command to type; empty: none
  Json answer;         // what it said; null: nothing that can be read
};

inline constexpr Duration kAskWithin = std::chrono::seconds(2);
inline constexpr size_t kMostAnswer = 1 << 20;

// The folders in which programs have their sockets: /run/roost, and that of the user.
std::vector<std::string> StatusFolders();
// The paths of all sockets there, sorted; with `name` of those of this name.
std::vector<std::string> FindSockets(const std::vector<std::string>& folders,
                                     std::string_view name = {});
// What `path` answers to `verb`. kNotFound: nobody listens. kUnavailable: it cannot be asked now.
absl::StatusOr<std::string> Ask(Platform& platform, const std::string& path, std::string_view verb,
                                Duration within = kAskWithin);
// What `text`, which whoever listens at `path` answered, says of the program.
Live Understand(const std::string& path, std::string_view text);
// Asks for the status, and judges.
Live LookAt(Platform& platform, const std::string& path, Duration within = kAskWithin);
// The state that follows from what a program said; `reason` says why.
LiveState Judge(const Json& answer, std::string& reason);
// The same as one object, for scripts: the answer with "state", "reason" and "exit_code" by this reader.
Json ToJson(const Live& live);

// The lines that a person reads; none is longer than `width` characters. `ascii`: no other characters.
std::string LiveText(const Live& live, int width, bool ascii);
// `line` cut to `width` characters, with a sign that it was.
std::string Fit(std::string_view line, int width, bool ascii);

// What a program has left behind. `path`: of a box. kInvalidArgument: it is none.
struct LastEvents {
  telemetry::BoxHead head;
  std::vector<telemetry::EventRecord> events;  // the oldest first
};
absl::StatusOr<LastEvents> ReadBox(const std::string& path);
// True if the process that wrote it is still there.
bool IsAlive(const telemetry::BoxHead& head);
std::string LastText(const LastEvents& last, int64_t now_boot_us, int width, bool ascii);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_LIVE_H_
