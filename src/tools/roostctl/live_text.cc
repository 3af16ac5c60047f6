// tools/roostctl/live_text.cc - the screen of `roostctl status`.
#include <algorithm>
#include <array>
#include <string>

#include "base/duration.h"
#include "base/text.h"
#include "base/utf8.h"
#include "tools/common/text.h"
#include "tools/roostctl/live.h"
#include "tools/roostctl/live_json.h"
#include "tools/roostctl/live_lines.h"
#include "tools/roostctl/wal_locks.h"

namespace roost::tools {
namespace {

constexpr uint64_t kEnoughForP99 = 100;  // of fewer the percentile is the maximum
constexpr size_t kColumn = 17;           // names of figures
constexpr size_t kFigure = 26;           // one of their two columns
constexpr size_t kMostEvents = 8;

std::string Where(const Json& json) {
  const std::string file = TextIn(json, "file");
  return file.empty() ? "" : file + ":" + std::to_string(CountIn(json, "line"));
}

std::string Spans(const Screen& screen, const Json& spans) {
  const uint64_t count = CountIn(spans, "count");
  if (count == 0) return screen.None();
  std::string text = FormatDuration(SpanIn(spans, "p50_s"));
  if (count >= kEnoughForP99) text += " / " + FormatDuration(SpanIn(spans, "p99_s"));
  return text + " / " + FormatDuration(SpanIn(spans, "max_s"));
}

std::string Timeouts(const Json& json) {
  std::string text = std::to_string(CountIn(json, "timeouts"));
  const uint64_t away = CountIn(json, "timeouts_away");
  const uint64_t opening = CountIn(json, "timeouts_opening");
  if (away > 0) text += ", " + std::to_string(away) + " away";
  if (opening > 0) text += ", " + std::to_string(opening) + " opening";
  return text;
}

}  // namespace

void PoolFigures(Screen& screen, const Json& pool) {
  const Json& window = MemberOf(pool, "window");
  const Json& stats = MemberOf(pool, "stats");
  const auto count = [](const Json& json, const char* key) {
    return std::to_string(CountIn(json, key));
  };
  screen.Figure("", "last " + FormatDuration(SpanIn(window, "span_s")), "since the start");
  screen.Figure("leases", count(window, "checkouts"), count(stats, "checkouts"));
  screen.Figure("waited", count(window, "waited"), count(stats, "waited"));
  screen.Figure("timed out", Timeouts(window), Timeouts(stats));
  const uint64_t refused = CountIn(stats, "refused_full") + CountIn(stats, "refused_away") +
                           CountIn(stats, "refused_closed") + CountIn(stats, "refused_nested") +
                           CountIn(stats, "cancelled");
  screen.Figure("refused", count(window, "refused"), std::to_string(refused));
  screen.Figure("opened, failed", count(window, "opens") + ", " + count(window, "open_failures"),
                count(stats, "opens") + ", " + count(stats, "open_failures"));
  screen.Figure("wait p50/p99/max", Spans(screen, MemberOf(window, "wait")),
                Spans(screen, MemberOf(stats, "wait")));
  if (FlagIn(pool, "hold_times")) {
    screen.Figure("hold p50/p99/max", Spans(screen, MemberOf(window, "hold")),
                  Spans(screen, MemberOf(stats, "hold")));
  } else {
    screen.Line("  " + Padded("hold", kColumn) + "not measured (profile " +
                TextIn(pool, "profile") + ")");
  }
  screen.Figure("open p50/p99/max", Spans(screen, MemberOf(window, "create")),
                Spans(screen, MemberOf(stats, "create")));
}

void Lanes(Screen& screen, const Json& pool) {
  for (const Json& lane : ListIn(pool, "lanes")) {
    std::string line = "  " + Padded(TextIn(lane, "role"), 7) +
                       std::to_string(CountIn(lane, "in_use")) + " in use, " +
                       std::to_string(CountIn(lane, "idle")) + " idle, " +
                       std::to_string(CountIn(lane, "busy")) + " busy, " +
                       std::to_string(CountIn(lane, "waiting")) + " waiting";
    if (CountIn(lane, "waiting") > 0) {
      line += " (the oldest for " + FormatDuration(SpanIn(lane, "oldest_wait_s")) + ")";
    }
    screen.Line(line);
    if (FlagIn(lane, "away")) {
      screen.Line("         AWAY for " + FormatDuration(SpanIn(lane, "away_s")) + ", next try in " +
                  FormatDuration(SpanIn(lane, "next_try_s")));
    }
    if (const std::string error = TextIn(lane, "error"); !error.empty()) {
      screen.Line("         last error " + FormatDuration(SpanIn(lane, "error_ago_s")) +
                  " ago: " + error.substr(0, error.find('\n')));  // a driver's advice is behind it
    }
  }
}

void SlotsAndWaiters(Screen& screen, const Json& pool) {
  for (const Json& slot : ListIn(pool, "slots")) {
    const std::string state = TextIn(slot, "state");
    if (state == "empty") continue;
    std::string line = "  slot " + std::to_string(CountIn(slot, "slot")) + " " + state;
    if (state == "leased") {
      line += std::string(FlagIn(slot, "held_at_least") ? " for at least " : " for ") +
              FormatDuration(SpanIn(slot, "held_s")) + " by " + Where(slot);
    } else if (state == "idle") {
      line += " for " + FormatDuration(SpanIn(slot, "rested_s"));
    }
    if (SpanIn(slot, "age_s") > Duration::zero()) {
      line += ", opened " + FormatDuration(SpanIn(slot, "age_s")) + " ago";
    }
    screen.Line(line);
    if (MemberOf(slot, "error_ago_s").is_number()) {
      const std::string code = TextIn(slot, "error_code");
      const std::string reason = TextIn(slot, "error_reason");
      screen.Line("         failed " + FormatDuration(SpanIn(slot, "error_ago_s")) +
                  " ago: " + reason + (reason.empty() || code.empty() ? "" : ", ") + code);
    }
  }
  for (const Json& waiter : ListIn(pool, "waiters")) {
    screen.Line("  waits for " + FormatDuration(SpanIn(waiter, "since_s")) + ": " + Where(waiter));
  }
}

void DatabaseFile(Screen& screen, const Json& pool) {
  const Json& sqlite = MemberOf(MemberOf(pool, "figures"), "sqlite");
  if (!sqlite.is_object()) return;
  const uint64_t frames = CountIn(sqlite, "wal_frames");
  const uint64_t copied = std::min(CountIn(sqlite, "wal_checkpointed_frames"), frames);
  std::string line = "  ";
  if (MemberOf(sqlite, "database_bytes").is_number()) {
    line += "database " + FormatBytes(CountIn(sqlite, "database_bytes")) + ", ";
  }
  line += "log " + FormatBytes(CountIn(sqlite, "wal_bytes")) + ", " +
          std::to_string(frames - copied) + " of " + std::to_string(frames) +
          " frames to be copied";
  screen.Line(line);
  if (const Duration read = SpanIn(sqlite, "oldest_read_s"); read > Duration::zero()) {
    screen.Line("  a reader has kept the log from being cut for " + FormatDuration(read));
  }
  if (const Duration busy = SpanIn(sqlite, "busy_s"); busy > Duration::zero()) {
    screen.Line("  waited for other processes: " + FormatDuration(busy) + " since the start, " +
                std::to_string(CountIn(sqlite, "busy_timeouts")) + " times in vain");
  }
}

void OtherProcesses(Screen& screen, const Json& answer, const Json& pool) {
  if (TextIn(pool, "backend") != "sqlite") return;
  const auto own = static_cast<int64_t>(CountIn(answer, "pid"));
  for (const WalLock& lock : WalLocks(TextIn(pool, "target"), own)) {
    screen.Line("  process " + std::to_string(lock.pid) + " (" + lock.command + ") " +
                std::string(lock.what));
  }
}

void Events(Screen& screen, const Json& answer, size_t most) {
  const Json& events = ListIn(answer, "events");
  if (events.empty() || most == 0) return;
  const size_t first = events.size() > most ? events.size() - most : 0;
  screen.Line("events");
  for (size_t i = first; i < events.size(); ++i) {
    const Json& event = events[i];
    std::string line = "  " + Padded(FormatDuration(SpanIn(event, "ago_s")) + " ago", 11) + " " +
                       Padded(TextIn(event, "pool"), 7) + " " + TextIn(event, "kind");
    if (const std::string reason = TextIn(event, "reason"); !reason.empty()) line += " " + reason;
    if (const std::string where = Where(event); !where.empty()) line += " " + where;
    const std::string text = TextIn(event, "text");
    if (!text.empty()) line += ": " + text.substr(0, text.find('\n'));
    screen.Line(line);
  }
}

void Board(Screen& screen, const Json& answer) {
  const Json& node = MemberOf(MemberOf(answer, "figures"), "node");
  const std::string state = TextIn(node, "power");
  if (state.empty()) return;
  std::string line = "  power " + state;
  if (const Duration fails = SpanIn(node, "power_fails_s"); fails > Duration::zero()) {
    line += " for " + FormatDuration(fails) + " (" + TextIn(node, "power_cause") + ")";
  }
  if (const uint64_t failures = CountIn(node, "power_failures"); failures > 0) {
    line += ", failed " + std::to_string(failures) + " times";
  }
  if (const Json& heat = MemberOf(node, "cpu_temperature_celsius"); heat.is_number_integer()) {
    line += "; " + std::to_string(heat.get<int64_t>()) + " C";
  }
  if (CountIn(node, "cpu_throttled") > 0) line += ", slowed down by the firmware";
  if (MemberOf(node, "written_bytes").is_number()) {
    line += "; " + FormatBytes(CountIn(node, "written_bytes")) + " written";
  }
  screen.Line(line);
}

std::string HeadLine(const Live& live) {
  std::string head = live.name + ": " + std::string(Name(live.state));
  if (MemberOf(live.answer, "state_s").is_number() &&
      TextIn(live.answer, "state") == Name(live.state)) {
    head += " for " + FormatDuration(SpanIn(live.answer, "state_s"));
  }
  if (!live.reason.empty()) head += ": " + live.reason;
  return head;
}

std::string PoolTitle(const Json& pool) {
  const Json& stats = MemberOf(pool, "stats");
  return TextIn(pool, "name") + ": " + std::to_string(CountIn(stats, "in_use")) + " of " +
         std::to_string(CountIn(stats, "capacity")) + " in use, " + TextIn(pool, "backend") + " " +
         TextIn(pool, "target") + ", profile " + TextIn(pool, "profile");
}

std::string ServerLine(const telemetry::PoolServerStatus& server) {
  // Distributions say behind it which build it is.
  std::string line = "server " + server.version.substr(0, server.version.find(' '));
  if (server.role != "unknown") line += ", " + server.role;
  if (!server.user.empty()) line += ", user " + server.user;
  if (!server.tls.empty()) line += server.tls == "none" ? ", no TLS" : ", " + server.tls;
  if (server.round_trip > Duration::zero()) {
    line += ", round trip " + FormatDuration(server.round_trip);
  }
  return line;
}

std::string ServerLine(const Json& pool) {
  const Json& server = MemberOf(pool, "server");
  if (!server.is_object()) return "";
  return ServerLine({.version = TextIn(server, "version"),
                     .role = TextIn(server, "role"),
                     .user = TextIn(server, "user"),
                     .tls = TextIn(server, "tls"),
                     .round_trip = SpanIn(server, "round_trip_s")});
}

size_t WidthOf(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string Padded(std::string text, size_t width) {
  const size_t shown = WidthOf(text);
  if (shown < width) text.append(width - shown, ' ');
  return text;
}

void Screen::Line(const std::string& line) {
  lines_.push_back(Fit(PlainText(line), width_, ascii_));
}

void Screen::Figure(const std::string& name, const std::string& window, const std::string& start) {
  Line("  " + Padded(name, kColumn) + Padded(window, kFigure) + " " + start);
}

std::string Screen::text() const {
  std::string text;
  for (const std::string& line : lines_) text += line + "\n";
  return text;
}

std::string Fit(std::string_view line, int width, bool ascii) {
  const auto most = static_cast<size_t>(std::max(width, 1));
  std::string text;
  size_t shown = 0;
  const bool cut = WidthOf(line) > most;
  const std::string_view sign = ascii ? "~" : "\u2026";
  while (!line.empty()) {
    const size_t size = std::max<size_t>(internal::CharacterSize(line, internal::kStandardUtf8), 1);
    if (cut && shown + 1 == most) return text.append(sign);
    if (ascii && static_cast<uint8_t>(line.front()) >= 0x80) {
      text += '?';
    } else {
      text.append(line.substr(0, size));
    }
    ++shown;
    line.remove_prefix(size);
  }
  return text;
}

std::string LiveText(const Live& live, int width, bool ascii) {
  Screen screen(width, ascii);
  screen.Line(HeadLine(live));
  if (!live.next.empty()) screen.Line("  next: " + live.next);
  if (!live.answer.is_object()) return screen.text();
  screen.Line("  process " + std::to_string(CountIn(live.answer, "pid")) + ", running for " +
              FormatDuration(SpanIn(live.answer, "running_s")) + ", roostpool " +
              TextIn(live.answer, "version"));
  Board(screen, live.answer);
  if (const std::string error = TextIn(live.answer, "box_error"); !error.empty()) {
    screen.Line("  events not kept: " + error);
  }
  for (const Json& pool : ListIn(live.answer, "pools")) {
    screen.Line("pool " + PoolTitle(pool));
    if (const std::string server = ServerLine(pool); !server.empty()) screen.Line("  " + server);
    Lanes(screen, pool);
    PoolFigures(screen, pool);
    SlotsAndWaiters(screen, pool);
    DatabaseFile(screen, pool);
    OtherProcesses(screen, live.answer, pool);
  }
  Events(screen, live.answer, kMostEvents);
  return screen.text();
}

std::string LastText(const LastEvents& last, int64_t now_boot_us, int width, bool ascii) {
  Screen screen(width, ascii);
  const telemetry::BoxHead& head = last.head;
  const auto ago = [now_boot_us](int64_t boot_us) {
    return FormatDuration(std::max(internal::Between(boot_us, now_boot_us), Duration::zero()));
  };
  screen.Line(std::string(telemetry::TextOf(head.name)) + ": process " + std::to_string(head.pid) +
              (IsAlive(head) ? ", which runs, began " : ", which is gone, began ") +
              ago(head.started_boot_us) + " ago");
  if (head.health[0] != '\0') {
    screen.Line("  said " + ago(head.said_boot_us) +
                " ago: " + std::string(telemetry::TextOf(head.health)) + ", " +
                std::string(telemetry::TextOf(head.text)));
  }
  for (const telemetry::EventRecord& event : last.events) {
    std::string line = "  " + Padded(ago(event.boot_us) + " ago", 11) + " " +
                       Padded(std::string(telemetry::TextOf(event.pool)), 7) + " " +
                       std::string(Name(static_cast<EventKind>(event.kind)));
    if (event.reason != 0) line += " " + std::string(Name(static_cast<CloseReason>(event.reason)));
    if (event.line != 0) {
      line += " " + std::string(telemetry::TextOf(event.file)) + ":" + std::to_string(event.line);
    }
    if (event.text[0] != '\0') line += ": " + std::string(telemetry::TextOf(event.text));
    screen.Line(line);
  }
  if (last.events.empty()) screen.Line("  no event");
  return screen.text();
}

}  // namespace roost::tools
