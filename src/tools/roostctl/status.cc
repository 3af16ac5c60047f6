#include "tools/roostctl/status.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <climits>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "platform/rpi/board_health.h"
#include "roost/platform.h"
#include "telemetry/metrics.h"
#include "telemetry/metrics_file.h"
#include "telemetry/status_json.h"
#include "tools/common/cli.h"
#include "tools/common/text.h"
#include "tools/roostctl/live.h"

namespace roost::tools {
namespace {

std::string Count(uint64_t count) { return std::to_string(count); }

// How long ago a moment since boot was.
std::string Ago(int64_t boot_us, int64_t now_boot_us) {
  return FormatDuration(std::max(internal::Between(boot_us, now_boot_us), Duration::zero()));
}

// `text` has been written by whoever can write the file, and what a server said is in it.
std::string Line(const char* name, const std::string& text) {
  std::string line(name);
  line.resize(11, ' ');
  return line + PlainText(text) + "\n";
}

std::string PoolText(const telemetry::PoolStatus& pool) {
  const Stats& s = pool.stats;
  std::string text = pool.target + " (" + pool.profile + ", " + std::to_string(s.pool_size) +
                     " + " + std::to_string(s.max_overflow) + "): " + std::to_string(s.open) +
                     " open, " + std::to_string(s.in_use) + " in use, " +
                     std::to_string(s.waiting) + " waiting";
  text += "; " + Count(s.checkouts) + " leases, wait p99 " + FormatDuration(pool.wait.p99) +
          ", max " + FormatDuration(pool.wait.max);
  telemetry::ForEachTrouble(s, [&text](uint64_t count, std::string_view what) {
    text += "; " + Count(count) + " " + std::string(what);
  });
  return text;
}

std::string ReadingText(const telemetry::ReadingStatus& r) {
  std::string text = Count(r.taken) + " taken, " + Count(r.sealed) + " sealed, " +
                     Count(r.waiting) + " in memory (at most " + Count(r.most_waiting) + " of " +
                     Count(r.buffer) + ")";
  if (r.dropped > 0) text += ", " + Count(r.dropped) + " dropped";
  if (r.lost > 0) text += ", " + Count(r.lost) + " lost";
  if (r.bad_lines > 0) text += ", " + Count(r.bad_lines) + " lines were no readings";
  if (r.late > 0) text += ", " + Count(r.late) + " lines late";
  return text;
}

std::string SqliteText(const telemetry::SqliteMemoryStatus& memory) {
  if (!memory.bounded) {
    return "memory from the heap" + (memory.heap_because.empty() ? "" : ": " + memory.heap_because);
  }
  std::string text = "arena " + Count(memory.arena_used) + " of " + Count(memory.arena_bytes) +
                     " bytes (at most " + Count(memory.arena_peak) + "), " +
                     Count(memory.pages_used) + " of " + Count(memory.pages) + " pages (at most " +
                     Count(memory.pages_peak) + ")";
  if (memory.page_overflow_peak > 0) {
    text += ", beyond them " + Count(memory.page_overflow_peak) + " bytes";
  }
  return text + "; " + Count(memory.arena_failures) + " requests refused";
}

std::string RemoteText(const telemetry::RemoteStatus& remote, int64_t now) {
  std::string text = remote.state + " for " + Ago(remote.since_boot_us, now) + ", " +
                     Count(remote.heartbeats) + " heartbeats";
  if (remote.heartbeat_boot_us > 0) {
    text += ", the last " + Ago(remote.heartbeat_boot_us, now) + " ago";
  }
  if (remote.next_try_boot_us > now) text += "; next try in " + Ago(now, remote.next_try_boot_us);
  return text;
}

// A node that was killed leaves its file behind.
bool IsGone(int64_t pid) {
  return pid > 0 && pid <= INT_MAX && kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

}  // namespace

std::string StatusText(const telemetry::NodeStatus& status, int64_t now_boot_us) {
  const std::string trouble = telemetry::Trouble(status, now_boot_us);
  std::string text =
      Line("node", status.name + ": " + status.state + " for " +
                       Ago(status.started_boot_us, now_boot_us) + ", " +
                       (trouble.empty() ? std::string("healthy") : "NOT HEALTHY: " + trouble));
  text +=
      Line("program", "roost-node " + status.version + ", process " + std::to_string(status.pid) +
                          (status.board.empty() ? "" : ", " + status.board));
  text += Line("readings", ReadingText(status.readings));
  if (status.last_seal.has_value()) {
    text += Line("last seal", Ago(status.last_seal->boot_us, now_boot_us) +
                                  " ago: " + Count(status.last_seal->count) + " readings in " +
                                  FormatDuration(status.last_seal->took));
  }
  if (!status.refused.empty()) text += Line("refused", status.refused);
  if (const auto degraded = telemetry::DegradedLine(status); !std::string_view(degraded).empty()) {
    text += Line("degraded", std::string(degraded));
  }
  text += Line("local", PoolText(status.local));
  if (status.remote.has_value()) {
    text += Line("remote", PoolText(status.remote->pool));
    text += Line("", RemoteText(*status.remote, now_boot_us));
    if (!status.remote->last_error.empty()) {
      text += Line("", "last error: " + status.remote->last_error);
    }
  }
  text += Line("memory", Count(status.memory.rss_kib) + " KiB resident, at most " +
                             Count(status.memory.peak_rss_kib));
  text += Line("sqlite", SqliteText(status.sqlite_memory));
  text += Line("watchdog", status.watchdog.period == Duration::zero()
                               ? std::string("none")
                               : "fed " + Ago(status.watchdog.fed_boot_us, now_boot_us) +
                                     " ago, every " + FormatDuration(status.watchdog.period) +
                                     " at the latest");
  text += Line("written", Ago(status.written_boot_us, now_boot_us) + " ago");
  return text;
}

void StatusCommand::AddTo(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("status", "Show what the programs on this board are doing");
  CLI::Option* const name =
      command->add_option("name", name_, "One program (default: all that have a socket)")
          ->type_name("NAME");
  CLI::Option* const file =
      command
          ->add_option("--file", file_,
                       "A node's status file (" + std::string(telemetry::kStatusFile) + ")")
          ->type_name("PATH")
          ->excludes(name);
  CLI::Option* const json = command->add_flag(
      "--json", json_, "As JSON: one object, or with several programs and --watch one a line");
  CLI::Option* const watch =
      command->add_flag("--watch", watch_, "Again and again, until it is interrupted");
  AddDuration(*command, "--interval", interval_, std::chrono::milliseconds(100),
              "Time between two looks (2s)")
      ->needs(watch);
  command->add_flag("--last", last_, "What a program has left behind: its latest events")
      ->excludes(file)
      ->excludes(json)
      ->excludes(watch);
  command->footer(
      "A program with a StatusServer (roost-node has one) answers on a socket in /run/roost or\n"
      "$XDG_RUNTIME_DIR/roost. Without a socket the file is read that the node writes every few\n"
      "seconds (roost-node --status-file, --status-every).\n"
      "Exit codes: 0 healthy, also while a remote is away; 1 not healthy; 2 the arguments are "
      "wrong;\n"
      "3 no node runs; 4 nobody can tell, as the file cannot be read or is no status file.");
  command->callback([this, file] {
    file_given_ = file->count() > 0;
    Run();
  });
}

int ScreenWidth() {
  constexpr int kUsual = 80;
  constexpr int kLeast = 20;
  winsize size{};
  int width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
  if (width == 0) {
    const char* const columns = std::getenv("COLUMNS");
    width = columns != nullptr ? std::atoi(columns) : 0;
  }
  return std::max(width > 0 ? width : kUsual, kLeast);
}

bool IsAsciiOnly() {
  std::setlocale(LC_CTYPE, "");
  return std::string_view(nl_langinfo(CODESET)) != "UTF-8";
}

// The worst of what was found; 3 when there is no such program.
int StatusCommand::Show() const {
  if (file_given_) return ShowFile();
  Platform& platform = NativePlatform();
  const std::vector<std::string> folders = StatusFolders();
  const std::vector<std::string> sockets = FindSockets(folders, name_);
  if (sockets.empty() && name_.empty()) return ShowFile();
  int worst = 0;
  for (const std::string& socket : sockets) {
    const Live live = LookAt(platform, socket);
    worst = std::max(worst, ExitCodeOf(live.state));
    if (json_) {
      std::cout << ToJson(live).dump(watch_ || sockets.size() > 1 ? -1 : 2, ' ', false,
                                     Json::error_handler_t::replace)
                << "\n";
    } else {
      std::cout << LiveText(live, ScreenWidth(), IsAsciiOnly());
    }
  }
  std::cout.flush();
  if (!sockets.empty()) return worst;
  std::fprintf(stderr, "roostctl: no program %s: there is no socket %s.sock in %s%s%s\n",
               PlainText(name_).c_str(), PlainText(name_).c_str(), folders.front().c_str(),
               folders.size() > 1 ? " and " : "", folders.size() > 1 ? folders.back().c_str() : "");
  return kStatusNotRunning;
}

// The box of a program that is gone, else the one before that of a program that runs.
int StatusCommand::ShowLast() const {
  int shown = 0;
  for (const std::string& folder : StatusFolders()) {
    std::error_code ignored;
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      const std::filesystem::path& path = entry.path();
      if (path.extension() == ".box" && (name_.empty() || path.stem() == name_)) {
        names.push_back(path.stem().string());
      }
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      absl::StatusOr<LastEvents> last = ReadBox(folder + "/" + name + ".box");
      if (last.ok() && IsAlive(last->head)) {
        absl::StatusOr<LastEvents> before = ReadBox(folder + "/" + name + ".last");
        if (before.ok()) last = std::move(before);
      }
      if (!last.ok()) {
        std::fprintf(stderr, "roostctl: %s\n", PlainText(MessageOf(last.status())).c_str());
        return kStatusCannotTell;
      }
      std::cout << LastText(*last, BootMicros(), ScreenWidth(), IsAsciiOnly());
      ++shown;
    }
  }
  std::cout.flush();
  if (shown > 0) return kStatusHealthy;
  std::fprintf(stderr, "roostctl: no program%s%s has left anything behind\n",
               name_.empty() ? "" : " ", PlainText(name_).c_str());
  return kStatusNotRunning;
}

int StatusCommand::ShowFile() const {
  const absl::StatusOr<telemetry::NodeStatus> status = telemetry::ReadStatusFile(file_);
  if (!status.ok()) {
    std::fprintf(stderr, "roostctl: %s\n", PlainText(MessageOf(status.status())).c_str());
    if (!absl::IsNotFound(status.status())) return kStatusCannotTell;
    std::fprintf(stderr,
                 "no node runs here, or it writes no status file: systemctl status roost-node\n");
    return kStatusNotRunning;
  }
  if (IsGone(status->pid)) {
    std::fprintf(stderr, "roostctl: no node runs: process %" PRId64 ", which wrote %s, is gone\n",
                 status->pid, PlainText(file_).c_str());
    return kStatusNotRunning;
  }
  if (json_) {
    // A reader of lines gets one object a line.
    const std::string text = telemetry::JsonText(*status);
    std::cout << (watch_ ? Json::parse(text, nullptr, false).dump() : text) << "\n";
  } else {
    std::cout << StatusText(*status, BootMicros());
  }
  std::cout.flush();
  return telemetry::Trouble(*status, BootMicros()).empty() ? kStatusHealthy : kStatusNotHealthy;
}

void StatusCommand::Watch() {
  Platform& platform = NativePlatform();
  const char* const term = std::getenv("TERM");
  const bool knows_escapes = term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
  const bool terminal = isatty(STDOUT_FILENO) == 1 && knows_escapes;
  for (;;) {
    // Home, and clear what is below: the screen does not flicker.
    if (terminal) std::cout << "\033[H\033[J";
    Show();
    if (!terminal && !json_) std::cout << std::endl;
    if (std::cout.fail()) return;  // the reader is gone
    const std::atomic<uint32_t> nobody{0};
    platform.Wait(nobody, 0, Deadline::After(platform.Now(), interval_));
  }
}

void StatusCommand::Run() {
  if (watch_) Watch();
  exit_code_ = last_ ? ShowLast() : Show();
}

void MetricsCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand("metrics", "Print a program's figures for Prometheus");
  command->add_option("name", name_, "The program (default: the one that there is)")
      ->type_name("NAME");
  command
      ->add_option("--file", file_,
                   "Writes them into this file, whole or not at all, instead of printing them")
      ->type_name("PATH");
  command->footer(
      "The text has the format 0.0.4; a timer may write it for node_exporter's text files, which "
      "have\n"
      "names that end in .prom. Its metrics have the names of OpenTelemetry's semantic "
      "conventions\n"
      "1.44.0 where these have one.\n"
      "Exit codes: 0 done; 1 the file cannot be written; 2 the arguments are wrong; 3 no such "
      "program\n"
      "runs; 4 nobody can tell.");
  command->callback([this] { Run(); });
}

void MetricsCommand::Run() {
  const std::vector<std::string> sockets = FindSockets(StatusFolders(), name_);
  if (sockets.size() > 1) {
    std::fprintf(stderr, "roostctl: there are %zu programs; name one of them:\n", sockets.size());
    for (const std::string& path : sockets) {
      std::fprintf(stderr, "  roostctl metrics %s\n",
                   PlainText(std::filesystem::path(path).stem().string()).c_str());
    }
    exit_code_ = kExitUsage;
    return;
  }
  const absl::StatusOr<std::string> text =
      sockets.empty() ? absl::NotFoundError("no program with a status socket runs here")
                      : Ask(NativePlatform(), sockets.front(), "metrics");
  if (text.ok() && text->starts_with("# HELP ")) {
    if (file_.empty()) {
      std::cout << *text << std::flush;
    } else {
      WriteFile(*text);
    }
    return;
  }
  exit_code_ = absl::IsNotFound(text.status()) ? kStatusNotRunning : kStatusCannotTell;
  std::fprintf(stderr, "roostctl: %s\n",
               PlainText(text.ok() ? "what answers is no roostpool program, or is busy"
                                   : MessageOf(text.status()))
                   .c_str());
}

void MetricsCommand::WriteFile(std::string_view text) {
  telemetry::MetricsFile file(file_);
  file.Write(text);
  const absl::Status written = file.Finish();
  if (written.ok()) return;
  exit_code_ = kMetricsNotWritten;
  std::fprintf(stderr, "roostctl: %s\n", PlainText(MessageOf(written)).c_str());
}

}  // namespace roost::tools
