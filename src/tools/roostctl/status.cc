#include "tools/roostctl/status.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <map>
#include <utility>

#include "platform/rpi/board_health.h"
#include "roost/platform.h"
#include "telemetry/metrics.h"
#include "telemetry/metrics_file.h"
#include "telemetry/process.h"
#include "telemetry/status_json.h"
#include "tools/common/cli.h"
#include "tools/common/remote_options.h"
#include "tools/common/text.h"
#include "tools/roostctl/live.h"
#include "tools/roostctl/live_lines.h"
#include "tools/roostctl/watch/watch.h"

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
  text += "; " + Count(s.checkouts) + " leases";
  // Of few waits the percentile is the longest.
  constexpr uint64_t kEnoughForP99 = 100;
  if (s.checkouts >= kEnoughForP99) text += ", wait p99 " + FormatDuration(pool.wait.p99);
  if (s.checkouts > 0) text += ", longest wait " + FormatDuration(pool.wait.max);
  telemetry::ForEachTrouble(s, [&text](uint64_t count, std::string_view what) {
    text += "; " + Count(count) + " " + std::string(what);
  });
  return text;
}

std::string ReadingText(const telemetry::ReadingStatus& r) {
  std::string text = Count(r.taken) + " taken, " + Count(r.sealed) + " sealed, " +
                     Count(r.waiting) + " in memory (at most " + Count(r.most_waiting) + " of " +
                     Count(r.buffer) + ")";
  if (r.refused_batches > 0) text += ", " + Count(r.refused_batches) + " batches refused";
  if (r.dropped > 0) text += ", " + Count(r.dropped) + " dropped";
  if (r.lost > 0) text += ", " + Count(r.lost) + " lost";
  if (r.bad_lines > 0) text += ", " + Count(r.bad_lines) + " lines were no readings";
  if (r.late > 0) text += ", " + Count(r.late) + " lines late";
  return text;
}

std::string StoreText(const telemetry::StoreStatus& store) {
  std::string text = Count(store.readings) + " readings, " + FormatBytes(store.bytes);
  if (store.limit_bytes > 0) text += " of at most " + FormatBytes(store.limit_bytes);
  if (store.full_in >= Duration::zero()) text += ", full in " + FormatDuration(store.full_in);
  const uint64_t gone = store.gap_full + store.gap_age + store.gap_thin;
  if (gone > 0) {
    text += "; " + Count(gone) + " deleted (" + Count(store.gap_full) + " for want of room, " +
            Count(store.gap_age) + " for their age, " + Count(store.gap_thin) + " thinned)";
  }
  return text;
}

// "sending: 12 wait, the oldest for 3 s, sent in 1 s; 83 sent, the last 2 s ago; the server lost some 1 time"
std::string OutboxText(const telemetry::OutboxStatus& outbox, int64_t now_boot_us) {
  std::string text = outbox.state;
  if (!outbox.reason.empty()) {
    text += " for " + Ago(outbox.since_boot_us, now_boot_us) + ": " + outbox.reason;
  }
  text += "; " + Count(outbox.waiting) + " wait";
  if (outbox.oldest_age >= Duration::zero()) {
    text +=
        ", the oldest for " + FormatDuration(outbox.oldest_age) + (outbox.late ? " (late)" : "");
  }
  if (outbox.drained_in > Duration::zero()) {
    text += ", sent in " + FormatDuration(outbox.drained_in);
  }
  text += "; " + Count(outbox.sent) + " sent";
  if (outbox.last_ack_boot_us > 0)
    text += ", the last " + Ago(outbox.last_ack_boot_us, now_boot_us) + " ago";
  if (outbox.resent > 0) text += "; " + Count(outbox.resent) + " sent again";
  if (outbox.rewinds > 0) text += ", as the server lost some " + Count(outbox.rewinds) + " times";
  if (outbox.rejected > 0) text += "; the server set " + Count(outbox.rejected) + " aside";
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

// Empty: who wrote the file looks at no power.
std::string PowerText(const telemetry::PowerStatus& power, int64_t now) {
  std::string text = power.state;
  if (power.failures == 0) return text;
  text += ", failed " + Count(power.failures) + " times, the last time " +
          Ago(power.failed_boot_us, now) + " ago (" + power.cause + ")";
  return text;
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

// What a driver advises is behind it.
std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

using internal::Between;

// "2026-11-30T21:40:00Z", by this machine's wall clock.
std::string IsoTime(int64_t unix_us) {
  const auto seconds = static_cast<time_t>(unix_us / 1'000'000);
  tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "";
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

// For scripts: what the file says, judged by the reader, and moments as ages, too.
Json JsonOf(const telemetry::NodeStatus& status, int64_t now_boot_us) {
  Json json = Json::parse(telemetry::JsonText(status), nullptr, false);
  const std::string trouble = telemetry::Trouble(status, now_boot_us);
  const auto age = [now_boot_us](int64_t boot_us) {
    return InSeconds(std::max(Between(boot_us, now_boot_us), Duration::zero()));
  };
  json["healthy"] = trouble.empty();
  json["trouble"] = trouble;
  json["exit_code"] = trouble.empty() ? kStatusHealthy : kStatusNotHealthy;
  json["written_ago_s"] = age(status.written_boot_us);
  json["running_s"] = age(status.started_boot_us);
  if (status.last_seal.has_value()) json["last_seal"]["ago_s"] = age(status.last_seal->boot_us);
  if (status.watchdog.feeds > 0) json["watchdog"]["fed_ago_s"] = age(status.watchdog.fed_boot_us);
  if (status.power.failures > 0) json["power"]["failed_ago_s"] = age(status.power.failed_boot_us);
  if (status.remote.has_value()) {
    json["remote"]["since_s"] = age(status.remote->since_boot_us);
    if (status.remote->last_error_boot_us > 0) {
      json["remote"]["last_error_ago_s"] = age(status.remote->last_error_boot_us);
    }
  }
  json["written_at"] = IsoTime(NativePlatform().UnixMicros() -
                               (now_boot_us - std::min(status.written_boot_us, now_boot_us)));
  return json;
}

// "healthy", "degraded: ...", "starting: ...", "NOT HEALTHY: ..."
std::string StateText(const telemetry::NodeStatus& status, int64_t now_boot_us) {
  const std::string trouble = telemetry::Trouble(status, now_boot_us);
  if (!trouble.empty()) {
    return (IsStarting(status, now_boot_us) ? "starting: " : "NOT HEALTHY: ") + trouble;
  }
  if (const auto degraded = telemetry::DegradedLine(status); !std::string_view(degraded).empty()) {
    return "degraded: " + std::string(degraded);
  }
  if (status.remote.has_value() && status.remote->state == "away")
    return "degraded: the remote is away";
  return "healthy";
}

}  // namespace

bool IsGone(const telemetry::NodeStatus& status) {
  return status.pid > 0 && !telemetry::IsRunning(status.pid, status.start_ticks);
}

bool IsStarting(const telemetry::NodeStatus& status, int64_t now_boot_us) {
  // So long after its start a node that has sealed nothing is starting.
  constexpr Duration kStartsWithin = std::chrono::minutes(2);
  return status.refused.empty() && status.readings.sealed == 0 &&
         Between(status.started_boot_us, now_boot_us) < kStartsWithin;
}

std::string StatusText(const telemetry::NodeStatus& status, int64_t now_boot_us) {
  std::string text = Line("node", status.name + ": " + status.state + " for " +
                                      Ago(status.started_boot_us, now_boot_us) + ", " +
                                      StateText(status, now_boot_us));
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
  if (status.store.bytes > 0) text += Line("database", StoreText(status.store));
  if (status.outbox.has_value()) text += Line("outbox", OutboxText(*status.outbox, now_boot_us));
  text += Line("local", PoolText(status.local));
  if (status.remote.has_value()) {
    text += Line("remote", PoolText(status.remote->pool));
    text += Line("", RemoteText(*status.remote, now_boot_us));
    if (const auto& server = status.remote->pool.server; server.has_value()) {
      text += Line("", ServerLine(*server));
    }
    if (!status.remote->last_error.empty()) {
      // An error of before is no fault of now.
      std::string name = status.remote->state == "up" ? "an earlier error" : "last error";
      if (status.remote->last_error_boot_us > 0) {
        name += " " + Ago(status.remote->last_error_boot_us, now_boot_us) + " ago";
      }
      text += Line("", name + ": " + FirstLine(status.remote->last_error));
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
  if (!status.power.state.empty()) text += Line("power", PowerText(status.power, now_boot_us));
  text += Line("written", Ago(status.written_boot_us, now_boot_us) + " ago");
  return text;
}

void StatusCommand::AddTo(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("status", "Show what the programs on this board are doing");
  CLI::Option* const name =
      command
          ->add_option(
              "name", name_,
              "One program, or the path of a status file (default: all that have a socket)")
          ->type_name("NODE");
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
  command->add_option("--color", colour_, "Colours of --watch: auto, always or never (auto)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, watch::Colour>{{"auto", watch::Colour::kAuto},
                                               {"always", watch::Colour::kAlways},
                                               {"never", watch::Colour::kNever}}))
      ->type_name("WHEN")
      ->needs(watch);
  AddServerTo(*command, file, watch);
  command->add_flag("--last", last_, "What a program has left behind: its latest events")
      ->excludes(file)
      ->excludes(json)
      ->excludes(watch);
  command->footer(
      "A program with a StatusServer (roost-node has one) answers on a socket in /run/roost or\n"
      "$XDG_RUNTIME_DIR/roost. Without a socket the file is read that the node writes every few\n"
      "seconds (roost-node --status-file, --status-every).\n"
      "--watch takes the whole terminal; its key ? shows the others. Without a terminal, with "
      "TERM=dumb or\n"
      "a TERM that is not known it prints. Colours are left out with NO_COLOR.\n"
      "--server asks PostgreSQL itself, within 2 s: how many sessions there are and may be, and "
      "whose. Any user\n"
      "that may log in can ask.\n"
      "Exit codes: 0 healthy, also while a remote is away; 1 not healthy; 2 the arguments are "
      "wrong;\n"
      "3 no node runs; 4 nobody can tell, as the file cannot be read or is no status file.");
  command->callback([this, file] {
    file_given_ = file->count() > 0;
    Run();
  });
}

void StatusCommand::AddServerTo(CLI::App& command, CLI::Option* file, CLI::Option* watch) {
  CLI::Option* const server =
      AddServerUri(command, "--server", "--server", server_.uri,
                   "The sessions of a database's server; NODE is a node, then")
          ->excludes(file)
          ->excludes(watch);
  AddPasswordFile(command, server_.password_file,
                  "File whose first line is the password for --server")
      ->needs(server);
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
  Tell("no program " + name_ + ": there is no socket " + name_ + ".sock in " + folders.front() +
       (folders.size() > 1 ? " and " + folders.back() : ""));
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

// While it is watched, the same sentence is told once.
void StatusCommand::Tell(const std::string& sentence) const {
  if (watch_ && sentence == told_) return;
  std::fprintf(stderr, "roostctl: %s\n", PlainText(sentence).c_str());
  told_ = sentence;
}

int StatusCommand::ShowFile() const {
  const absl::StatusOr<telemetry::NodeStatus> status = telemetry::ReadStatusFile(file_);
  if (!status.ok()) {
    const std::string why(MessageOf(status.status()));
    if (!absl::IsNotFound(status.status())) {
      Tell(why);
      return kStatusCannotTell;
    }
    Tell(why + "; no node runs here, or it writes no status file: systemctl status roost-node");
    return kStatusNotRunning;
  }
  if (IsGone(*status)) {
    Tell("no node runs: process " + std::to_string(status->pid) + ", which wrote " + file_ +
         ", is gone");
    return kStatusNotRunning;
  }
  if (json_) {
    // A reader of lines gets one object a line.
    std::cout << JsonOf(*status, BootMicros())
                     .dump(watch_ ? -1 : 2, ' ', false, Json::error_handler_t::replace)
              << "\n";
  } else {
    std::cout << StatusText(*status, BootMicros());
  }
  std::cout.flush();
  return telemetry::Trouble(*status, BootMicros()).empty() ? kStatusHealthy : kStatusNotHealthy;
}

// What the watch screen shows where no program answers: the node's status file, else why there is nothing.
std::string StatusCommand::TextOfFile() const {
  const absl::StatusOr<telemetry::NodeStatus> status = telemetry::ReadStatusFile(file_);
  if (!status.ok()) {
    const bool missing = absl::IsNotFound(status.status());
    return missing ? std::string("no program with a status socket runs here; waiting for one")
                   : PlainText(MessageOf(status.status()));
  }
  if (IsGone(*status)) return "no node runs: the process that wrote " + file_ + " is gone";
  return StatusText(*status, BootMicros());
}

// Returns when nobody reads any more; on a terminal also when its operator leaves.
int StatusCommand::Watch() {
  Platform& platform = NativePlatform();
  if (!json_) {
    const bool ascii = IsAsciiOnly();
    if (const auto terminal = watch::Terminal::Open(colour_); terminal != nullptr) {
      watch::View view;
      view.ascii = ascii;
      view.interval = interval_;
      // With --file no socket is asked.
      watch::Watcher watcher(platform, file_given_ ? "/" : name_, [this] { return TextOfFile(); });
      return watch::Run(platform, *terminal, watcher, view);
    }
  }
  for (;;) {
    const int exit = Show();
    if (!json_) std::cout << std::endl;
    if (std::cout.fail()) return exit;  // the reader is gone
    const std::atomic<uint32_t> nobody{0};
    platform.Wait(nobody, 0, Deadline::After(platform.Now(), interval_));
  }
}

void StatusCommand::Run() {
  if (!server_.uri.empty()) {
    server_.node = name_;
    server_.json = json_;
    exit_code_ = ShowServer(NativePlatform(), server_, ScreenWidth(), IsAsciiOnly());
    return;
  }
  // `roostctl status FILE` is meant, too.
  if (name_.find('/') != std::string::npos) {
    file_ = std::exchange(name_, "");
    file_given_ = true;
  }
  exit_code_ = watch_ ? Watch() : last_ ? ShowLast() : Show();
}

void MetricsCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand("metrics", "Print a program's figures for Prometheus");
  command->add_option("name", name_, "The program (default: the one that there is)")
      ->type_name("NODE");
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
