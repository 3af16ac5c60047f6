#include "tools/roostctl/live.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/duration.h"
#include "telemetry/process.h"
#include "tools/common/text.h"
#include "tools/roostctl/live_json.h"
#include "tools/roostctl/status.h"

namespace roost::tools {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(const std::string& path) {
  const std::string message = path + ": " + std::strerror(errno);
  if (errno == ENOENT || errno == ECONNREFUSED) return absl::NotFoundError(message);
  if (errno == EACCES || errno == EPERM) {
    return absl::PermissionDeniedError(message + "; try sudo, or join the socket's group");
  }
  return absl::UnavailableError(message);
}

// A socket that is closed at its end.
class Client {
 public:
  Client() : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::StatusOr<std::string> AskOnce(Platform& platform, const std::string& path,
                                    std::string_view verb, Deadline deadline, Duration within) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(path + ": the path is too long for a socket");
  }
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const Client client;
  if (client.fd() < 0 ||
      connect(client.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Failed(path);
  }
  const std::string request = std::string(verb) + "\n";
  if (send(client.fd(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return Failed(path);
  std::string answer;
  std::array<char, 16384> bytes;
  for (;;) {
    const ssize_t got = recv(client.fd(), bytes.data(), bytes.size(), 0);
    if (got == 0) return answer;
    if (got > 0) {
      answer.append(bytes.data(), static_cast<size_t>(got));
      if (answer.size() <= kMostAnswer) continue;
      return absl::InvalidArgumentError(path + ": what answers does not end");
    }
    if (errno != EAGAIN && errno != EINTR) return Failed(path);
    if (deadline.HasPassed(platform.Now())) {
      return absl::DeadlineExceededError("it hangs: no whole answer within " +
                                         FormatDuration(within) + " from " + path);
    }
    platform.WaitForDescriptor(client.fd(), {.readable = true}, deadline);
  }
}

bool IsBusy(std::string_view answer) { return answer.starts_with("{\"error\": \"busy"); }

Live Unreadable(std::string name, LiveState state, std::string reason, std::string next = {}) {
  return {.name = std::move(name),
          .state = state,
          .reason = std::move(reason),
          .next = std::move(next),
          .answer = nullptr};
}

// Why a pool asks for a look; empty: it does not.
std::string TroubleOf(const Json& pool) {
  const std::string name = TextIn(pool, "name");
  for (const Json& lane : ListIn(pool, "lanes")) {
    if (FlagIn(lane, "away")) {
      return name + " is away for " + FormatDuration(SpanIn(lane, "away_s")) + ", next try in " +
             FormatDuration(SpanIn(lane, "next_try_s"));
    }
  }
  for (const Json& lane : ListIn(pool, "lanes")) {
    if (SpanIn(lane, "oldest_wait_s") * 2 > SpanIn(pool, "pool_timeout_s")) {
      return name + " keeps a caller waiting for " + FormatDuration(SpanIn(lane, "oldest_wait_s"));
    }
  }
  const Json& window = MemberOf(pool, "window");
  if (const uint64_t count = CountIn(window, "timeouts"); count > 0) {
    return name + " timed out " + std::to_string(count) + " times in the last " +
           FormatDuration(SpanIn(window, "span_s"));
  }
  return "";
}

}  // namespace

std::string_view Name(LiveState state) {
  switch (state) {
    case LiveState::kHealthy:
      return "healthy";
    case LiveState::kDegraded:
      return "degraded";
    case LiveState::kNotHealthy:
      return "not healthy";
    case LiveState::kStarting:
      return "starting";
    case LiveState::kEnding:
      return "ending";
    case LiveState::kNotRunning:
      return "not running";
    case LiveState::kUnknown:
      return "unknown";
  }
  return "?";
}

int ExitCodeOf(LiveState state) {
  switch (state) {
    case LiveState::kHealthy:
    case LiveState::kDegraded:
      return kStatusHealthy;
    case LiveState::kNotHealthy:
    case LiveState::kStarting:
    case LiveState::kEnding:
      return kStatusNotHealthy;
    case LiveState::kNotRunning:
      return kStatusNotRunning;
    case LiveState::kUnknown:
      break;
  }
  return kStatusCannotTell;
}

std::vector<std::string> StatusFolders() {
  std::vector<std::string> folders{"/run/roost"};
  if (const char* user = std::getenv("XDG_RUNTIME_DIR"); user != nullptr && *user == '/') {
    folders.push_back(std::string(user) + "/roost");
  }
  return folders;
}

std::vector<std::string> FindSockets(const std::vector<std::string>& folders,
                                     std::string_view name) {
  std::vector<std::string> found;
  for (const std::string& folder : folders) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const fs::path& path = entry.path();
      if (path.extension() != ".sock" || !entry.is_socket(ignored)) continue;
      if (name.empty() || path.stem() == name) found.push_back(path.string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

absl::StatusOr<std::string> Ask(Platform& platform, const std::string& path, std::string_view verb,
                                Duration within) {
  constexpr Duration kAgain = std::chrono::milliseconds(200);
  const Deadline deadline = Deadline::After(platform.Now(), within);
  for (;;) {
    absl::StatusOr<std::string> answer = AskOnce(platform, path, verb, deadline, within);
    const bool busy = answer.ok() ? IsBusy(*answer) : absl::IsUnavailable(answer.status());
    if (!busy || deadline.HasPassed(platform.Now())) return answer;
    const std::atomic<uint32_t> nobody{0};
    platform.Wait(nobody, 0, std::min(deadline, Deadline::After(platform.Now(), kAgain)));
  }
}

LiveState Judge(const Json& answer, std::string& reason) {
  const std::string said = TextIn(answer, "state");
  reason = TextIn(answer, "text");
  for (const LiveState state :
       {LiveState::kNotHealthy, LiveState::kStarting, LiveState::kEnding, LiveState::kDegraded}) {
    if (said == Name(state)) return state;
  }
  for (const Json& pool : ListIn(answer, "pools")) {
    const std::string trouble = TroubleOf(pool);
    if (trouble.empty()) continue;
    reason = trouble;
    return LiveState::kDegraded;
  }
  return LiveState::kHealthy;
}

Live LookAt(Platform& platform, const std::string& path, Duration within) {
  const std::string name = fs::path(path).stem().string();
  const absl::StatusOr<std::string> text = Ask(platform, path, "status", within);
  if (!text.ok()) {
    if (absl::IsNotFound(text.status())) {
      return Unreadable(name, LiveState::kNotRunning, "its process is gone and has left " + path,
                        "roostctl status --last " + name);
    }
    return Unreadable(name, LiveState::kUnknown, std::string(MessageOf(text.status())));
  }
  return Understand(path, *text);
}

Live Understand(const std::string& path, std::string_view text) {
  const std::string name = fs::path(path).stem().string();
  Json answer = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) {
    return Unreadable(name, LiveState::kUnknown, path + ": what answers is no roostpool program");
  }
  if (const std::string error = TextIn(answer, "error"); !error.empty()) {
    return Unreadable(name, LiveState::kUnknown, path + ": " + error);
  }
  if (!answer.contains("pools") || CountIn(answer, "format") == 0) {
    return Unreadable(name, LiveState::kUnknown, path + ": what answers is no roostpool program");
  }
  Live live;
  live.name = TextIn(answer, "name");
  live.answer = std::move(answer);
  live.state = Judge(live.answer, live.reason);
  return live;
}

Json ToJson(const Live& live) {
  Json json{{"name", PlainText(live.name)},
            {"state", Name(live.state)},
            {"exit_code", ExitCodeOf(live.state)},
            {"reason", PlainText(live.reason)}};
  if (!live.answer.is_object()) return json;
  for (const auto& [key, value] : live.answer.items()) {
    if (!json.contains(key)) json[key] = value;
  }
  return json;
}

absl::StatusOr<LastEvents> ReadBox(const std::string& path) {
  using telemetry::EventRing;
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Failed(path);
  std::array<char, EventRing::kBoxBytes + 1> bytes{};
  struct stat file {};
  const bool is_file = fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
  const ssize_t size = is_file ? read(fd, bytes.data(), bytes.size()) : 0;
  close(fd);
  LastEvents last;
  std::memcpy(&last.head, bytes.data(), sizeof last.head);
  if (size != ssize_t{EventRing::kBoxBytes} || last.head.magic != telemetry::BoxHead::kMagic) {
    return absl::InvalidArgumentError(path + ": it is not what a roostpool program leaves behind");
  }
  for (size_t i = 0; i < EventRing::kEvents; ++i) {
    telemetry::EventRecord event;
    std::memcpy(&event, bytes.data() + EventRing::kFirstRecord + i * sizeof event, sizeof event);
    if (event.number > 0) last.events.push_back(event);
  }
  std::sort(last.events.begin(), last.events.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return last;
}

bool IsAlive(const telemetry::BoxHead& head) {
  return telemetry::IsRunning(head.pid, head.start_ticks);
}

}  // namespace roost::tools
