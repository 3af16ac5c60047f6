#include "tools/roostctl/status.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <climits>
#include <cstdio>
#include <iostream>

#include "platform/rpi/board_health.h"
#include "roost/platform.h"
#include "telemetry/metrics.h"
#include "telemetry/status_json.h"
#include "tools/common/text.h"

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
  CLI::App* command = app.add_subcommand("status", "Show what the node on this board is doing");
  command
      ->add_option("--file", file_,
                   "The node's status file (" + std::string(telemetry::kStatusFile) + ")")
      ->type_name("PATH");
  command->add_flag("--json", json_, "Print the file, once it is known to be right");
  command->add_flag("--watch", watch_, "Again and again, until it is interrupted");
  command->footer(
      "The node writes the file every few seconds (roost-node --status-file, --status-every); the\n"
      "service of the package does by itself.\n"
      "Exit codes: 0 healthy, also while a remote is away; 1 not healthy; 2 the arguments are "
      "wrong;\n"
      "3 no node runs; 4 nobody can tell, as the file cannot be read or is no status file.");
  command->callback([this] { Run(); });
}

int StatusCommand::Show() const {
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
    std::cout << telemetry::JsonText(*status) << "\n";
  } else {
    std::cout << StatusText(*status, BootMicros());
  }
  std::cout.flush();
  return telemetry::Trouble(*status, BootMicros()).empty() ? kStatusHealthy : kStatusNotHealthy;
}

void StatusCommand::Watch() {
  Platform& platform = NativePlatform();
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  for (;;) {
    // Home, and clear what is below: the screen does not flicker.
    if (terminal) std::cout << "\033[H\033[J";
    Show();
    if (!terminal && !json_) std::cout << std::endl;
    const std::atomic<uint32_t> nobody{0};
    platform.Wait(nobody, 0, Deadline::After(platform.Now(), std::chrono::seconds(2)));
  }
}

void StatusCommand::Run() {
  if (watch_) Watch();
  exit_code_ = Show();
}

}  // namespace roost::tools
