#include "tools/roostctl/doctor/facts.h"

#include <algorithm>

#include "tools/common/text.h"
#include "tools/roostctl/live_json.h"

namespace roost::tools::doctor {
namespace {

SpanFacts Spans(const Json& json) {
  return {.count = CountIn(json, "count"),
          .p50 = SpanIn(json, "p50_s"),
          .p99 = SpanIn(json, "p99_s"),
          .max = SpanIn(json, "max_s")};
}

int IntIn(const Json& json, const char* key) {
  constexpr uint64_t kMost = 1'000'000;
  return static_cast<int>(std::min(CountIn(json, key), kMost));
}

std::optional<Duration> MaybeSpan(const Json& json, const char* key) {
  if (!MemberOf(json, key).is_number()) return std::nullopt;
  return SpanIn(json, key);
}

CountFacts Counts(const Json& json) {
  return {.checkouts = CountIn(json, "checkouts"),
          .waited = CountIn(json, "waited"),
          .timeouts = CountIn(json, "timeouts"),
          .timeouts_away = CountIn(json, "timeouts_away"),
          .timeouts_opening = CountIn(json, "timeouts_opening"),
          .opens = CountIn(json, "opens"),
          .open_failures = CountIn(json, "open_failures"),
          .ping_failures = CountIn(json, "ping_failures"),
          .leaks = CountIn(json, "leaks")};
}

// Counters of one process only grow.
uint64_t Grown(uint64_t before, uint64_t after) { return after > before ? after - before : 0; }

CountFacts Difference(const CountFacts& before, const CountFacts& after) {
  return {.checkouts = Grown(before.checkouts, after.checkouts),
          .waited = Grown(before.waited, after.waited),
          .timeouts = Grown(before.timeouts, after.timeouts),
          .timeouts_away = Grown(before.timeouts_away, after.timeouts_away),
          .timeouts_opening = Grown(before.timeouts_opening, after.timeouts_opening),
          .opens = Grown(before.opens, after.opens),
          .open_failures = Grown(before.open_failures, after.open_failures),
          .ping_failures = Grown(before.ping_failures, after.ping_failures),
          .leaks = Grown(before.leaks, after.leaks)};
}

// "node.cc:58"
std::string WhereIn(const Json& json) {
  const std::string file = TextIn(json, "file");
  if (file.empty()) return "";
  return file + ":" + std::to_string(CountIn(json, "line"));
}

void AddLanes(const Json& json, PoolFacts& pool) {
  for (const Json& lane : ListIn(json, "lanes")) {
    const Duration wait = SpanIn(lane, "oldest_wait_s");
    if (CountIn(lane, "waiting") > 0 && wait >= pool.oldest_wait) {
      pool.oldest_wait = wait;
      pool.waits_in = TextIn(lane, "role");
    }
    const bool away = FlagIn(lane, "away");
    if (away && !pool.away) {
      pool.away = true;
      pool.away_for = SpanIn(lane, "away_s");
      pool.next_try = SpanIn(lane, "next_try_s");
    }
    if (away || pool.error.empty()) {
      pool.error_code = TextIn(lane, "error_code");
      pool.error = TextIn(lane, "error");
    }
  }
}

void AddBackend(const Json& json, PoolFacts& pool) {
  const Json& figures = MemberOf(json, "figures");
  if (const Json& sqlite = MemberOf(figures, "sqlite"); sqlite.is_object()) {
    pool.sqlite = SqliteFacts{.busy = SpanIn(sqlite, "busy_s"),
                              .busy_timeouts = CountIn(sqlite, "busy_timeouts"),
                              .wal_frames = CountIn(sqlite, "wal_frames"),
                              .wal_done = CountIn(sqlite, "wal_checkpointed_frames"),
                              .checkpoint_busy = CountIn(sqlite, "checkpoint_busy"),
                              .oldest_read = SpanIn(sqlite, "oldest_read_s")};
  }
  if (const Json& cache = MemberOf(figures, "statement_cache"); cache.is_object()) {
    pool.cache = CacheFacts{.hits = CountIn(cache, "hits"),
                            .misses = CountIn(cache, "misses"),
                            .evictions = CountIn(cache, "evictions")};
  }
}

PoolFacts PoolOf(const Json& json) {
  PoolFacts pool;
  pool.name = TextIn(json, "name");
  pool.backend = TextIn(json, "backend");
  pool.target = TextIn(json, "target");
  pool.profile = TextIn(json, "profile");
  const Json& stats = MemberOf(json, "stats");
  pool.pool_size = IntIn(stats, "pool_size");
  pool.max_overflow = IntIn(stats, "max_overflow");
  pool.capacity = IntIn(stats, "capacity");
  pool.pool_timeout = SpanIn(json, "pool_timeout_s");
  pool.pool_recycle = MaybeSpan(json, "pool_recycle_s");
  pool.keep_alive = MaybeSpan(json, "keep_alive_s");
  pool.linger = MaybeSpan(json, "linger_s");
  pool.leak_after = MaybeSpan(json, "leak_after_s");
  pool.pre_ping = TextIn(json, "pre_ping");
  pool.open = IntIn(stats, "open");
  pool.in_use = IntIn(stats, "in_use");
  pool.waiting = IntIn(stats, "waiting");
  pool.paused = FlagIn(stats, "paused");
  pool.closed = FlagIn(stats, "closed");
  pool.away = FlagIn(stats, "away") && ListIn(json, "lanes").empty();
  pool.total = Counts(stats);
  pool.total_hold = Spans(MemberOf(stats, "hold"));
  pool.peak_in_use = IntIn(stats, "peak_in_use");
  pool.peak_waiting = IntIn(stats, "peak_waiting");
  pool.pings = CountIn(stats, "pings");
  pool.refused_nested = CountIn(stats, "refused_nested");
  pool.refused_closed = CountIn(stats, "refused_closed");
  const Json& closes = MemberOf(stats, "closes");
  pool.closed_above_size = CountIn(closes, "overflow") + CountIn(closes, "lingered");
  const Json& window = MemberOf(json, "window");
  pool.span = SpanIn(window, "span_s");
  pool.window = Counts(window);
  pool.wait = Spans(MemberOf(window, "wait"));
  pool.hold = Spans(MemberOf(window, "hold"));
  for (const Json& slot : ListIn(json, "slots")) {
    if (TextIn(slot, "state") != "leased") continue;
    pool.leases.push_back({.slot = IntIn(slot, "slot"),
                           .role = TextIn(slot, "role"),
                           .where = WhereIn(slot),
                           .held = SpanIn(slot, "held_s")});
  }
  AddLanes(json, pool);
  AddBackend(json, pool);
  return pool;
}

std::optional<NodeFacts> NodeOf(const Json& figures) {
  const Json& node = MemberOf(figures, "node");
  const Json& arena = MemberOf(figures, "sqlite_arena");
  if (!node.is_object() && !arena.is_object()) return std::nullopt;
  NodeFacts facts;
  facts.seal = Spans(MemberOf(node, "seal_duration"));
  facts.seal_every = SpanIn(node, "seal_every_s");
  if (MemberOf(node, "clock_synchronized").is_number()) {
    facts.clock_synchronized = CountIn(node, "clock_synchronized") != 0;
  }
  if (MemberOf(node, "cpu_temperature_celsius").is_number_integer()) {
    facts.celsius = MemberOf(node, "cpu_temperature_celsius").get<int64_t>();
  }
  facts.throttled = CountIn(node, "cpu_throttled") != 0;
  facts.arena_size = CountIn(arena, "size_bytes");
  facts.arena_peak = CountIn(arena, "peak_bytes");
  facts.arena_failures = CountIn(arena, "failures");
  return facts;
}

// The lease that is out belongs to a pool that a journal or a file tells nothing else of.
PoolFacts& PoolNamed(Facts& facts, const std::string& name) {
  for (PoolFacts& pool : facts.pools) {
    if (pool.name == name) return pool;
  }
  facts.pools.emplace_back();
  facts.pools.back().name = name;
  return facts.pools.back();
}

// The time at the head of a journal's line, in seconds; nothing: there is none that is known.
std::optional<double> TimeOf(std::string_view line) {
  // "1764500000.123456 host ...", "2026-11-30T21:40:00+0000 host ...", "Nov 30 21:40:00 host ..."
  const std::string head(line.substr(0, 40));
  double unix_time = 0;
  if (std::sscanf(head.c_str(), "%lf ", &unix_time) == 1 && unix_time > 1e8) return unix_time;
  int month = 0, day = 0, hour = 0, minute = 0;
  double second = 0;
  if (std::sscanf(head.c_str(), "%*d-%d-%dT%d:%d:%lf", &month, &day, &hour, &minute, &second) ==
          5 ||
      std::sscanf(head.c_str(), "%*3c %d %d:%d:%lf", &day, &hour, &minute, &second) == 4) {
    return ((month * 31.0 + day) * 24 + hour) * 3600.0 + minute * 60.0 + second;
  }
  return std::nullopt;
}

// What stands behind ` key=` in a line of EchoObserver, up to the next blank, or between quotes.
std::string Field(std::string_view line, std::string_view key) {
  const std::string wanted = " " + std::string(key) + "=";
  const size_t at = line.find(wanted);
  if (at == std::string_view::npos) return "";
  std::string_view rest = line.substr(at + wanted.size());
  if (rest.starts_with('"')) {
    rest.remove_prefix(1);
    // The text of an error may have quotes of its own: it is the last field.
    if (rest.ends_with('"')) rest.remove_suffix(1);
    return std::string(rest);
  }
  return std::string(rest.substr(0, rest.find(' ')));
}

Duration SecondsOf(const std::string& text) {
  constexpr double kMost = 1e9;
  const double seconds = std::clamp(std::strtod(text.c_str(), nullptr), 0.0, kMost);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// The last part of the path in "src/node.cc:58".
std::string FileOnly(const std::string& where) { return where.substr(where.rfind('/') + 1); }

struct JournalEvent {
  EventFacts event{};
  std::string code{};
  std::optional<double> at{};
};

// By EchoObserver: "<4>roost: pool=local event=timeout span=...".
std::optional<JournalEvent> EchoedEvent(std::string_view line) {
  const size_t at = line.find("roost: pool=");
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view told = line.substr(at + 6);
  JournalEvent read;
  read.event = {.kind = Field(told, "event"),
                .pool = Field(told, "pool"),
                .slot = -1,
                .reason = Field(told, "reason"),
                .ago = {},
                .span = SecondsOf(Field(told, "span")),
                .where = FileOnly(Field(told, "where")),
                .text = Field(told, "status")};
  if (const std::string slot = Field(told, "slot"); !slot.empty()) {
    read.event.slot = std::atoi(slot.c_str());
  }
  if (read.event.kind == "invalidate") read.event.span = SecondsOf(Field(told, "idle"));
  read.at = TimeOf(line);
  return read.event.kind.empty() ? std::nullopt : std::optional(read);
}

// A number that stands in the journal as a text.
uint64_t NumberIn(const Json& json, const char* key) {
  return std::strtoull(TextIn(json, key).c_str(), nullptr, 10);
}

// By journalctl -o json: one object a line.
std::optional<JournalEvent> FieldedEvent(const Json& json) {
  JournalEvent read;
  read.event = {.kind = TextIn(json, "ROOST_EVENT"),
                .pool = TextIn(json, "ROOST_POOL"),
                .slot = -1,
                .reason = TextIn(json, "ROOST_REASON"),
                .ago = {},
                .span = std::chrono::microseconds(std::min<uint64_t>(
                    NumberIn(json, "ROOST_SPAN_US"), uint64_t{1'000'000'000'000})),
                .where = FileOnly(TextIn(json, "CODE_FILE")),
                .text = TextIn(json, "ROOST_STATUS")};
  if (read.event.kind.empty()) return std::nullopt;
  if (!TextIn(json, "ROOST_SLOT").empty()) {
    read.event.slot = static_cast<int>(NumberIn(json, "ROOST_SLOT") & 0xffff);
  }
  if (!read.event.where.empty()) read.event.where += ":" + TextIn(json, "CODE_LINE");
  read.code = TextIn(json, "ROOST_CODE");
  if (const uint64_t us = NumberIn(json, "__REALTIME_TIMESTAMP"); us > 0) {
    read.at = static_cast<double>(us) / 1e6;
  }
  return read;
}

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What an event says of its pool, beside itself.
void Count(const JournalEvent& read, PoolFacts& pool) {
  const EventFacts& event = read.event;
  if (event.kind == "timeout") {
    ++pool.window.timeouts;
    if (Has(event.text, "away") || Has(event.text, "no connection could be opened to")) {
      ++pool.window.timeouts_away;
    } else if (Has(event.text, "is paused") || Has(event.text, "opened, checked or closed")) {
      ++pool.window.timeouts_opening;
    }
  } else if (event.kind == "connect_failed") {
    ++pool.window.open_failures;
    pool.away = true;
    pool.error = event.text;
    pool.error_code = read.code;
  } else if (event.kind == "connect" || event.kind == "first_connect" || event.kind == "back") {
    ++pool.window.opens;
    pool.open = 1;  // at least
    pool.away = false;
  } else if (event.kind == "leak") {
    ++pool.window.leaks;
    pool.leases.push_back(
        {.slot = event.slot, .role = {}, .where = event.where, .held = event.span});
  } else if (event.kind == "leak_returned") {
    std::erase_if(pool.leases, [&](const LeaseFacts& lease) { return lease.slot == event.slot; });
  } else if (event.kind == "refused") {
    if (Has(event.text, "this thread holds a lease")) ++pool.refused_nested;
    if (Has(event.text, "is closed")) ++pool.refused_closed;
  }
}

}  // namespace

const PoolFacts* Facts::Find(std::string_view pool) const {
  for (const PoolFacts& one : pools) {
    if (one.name == pool) return &one;
  }
  return nullptr;
}

Facts FactsOf(const Json& answer) {
  Facts facts;
  facts.name = TextIn(answer, "name");
  facts.source = "snapshot";
  facts.text = TextIn(answer, "text");
  facts.pid = static_cast<int64_t>(std::min<uint64_t>(CountIn(answer, "pid"), INT32_MAX));
  facts.running = SpanIn(answer, "running_s");
  facts.has_answer = true;
  for (const Json& pool : ListIn(answer, "pools")) {
    if (pool.is_object()) facts.pools.push_back(PoolOf(pool));
  }
  facts.has_events = MemberOf(answer, "events").is_array();
  for (const Json& event : ListIn(answer, "events")) {
    facts.events.push_back({.kind = TextIn(event, "kind"),
                            .pool = TextIn(event, "pool"),
                            .slot = MemberOf(event, "slot").is_number() ? IntIn(event, "slot") : -1,
                            .reason = TextIn(event, "reason"),
                            .ago = SpanIn(event, "ago_s"),
                            .span = SpanIn(event, "span_s"),
                            .where = WhereIn(event),
                            .text = TextIn(event, "text")});
  }
  const Json& figures = MemberOf(answer, "figures");
  facts.node = NodeOf(figures);
  facts.rss_bytes = CountIn(MemberOf(figures, "node"), "resident_memory_bytes");
  return facts;
}

Facts FactsOf(const Json& before, const Json& after) {
  Facts facts = FactsOf(after);
  const Facts first = FactsOf(before);
  if (first.pid != facts.pid || first.running > facts.running) return facts;
  facts.source = "two snapshots";
  facts.has_before = true;
  facts.suspended_between = SpanIn(after, "suspended_s") - SpanIn(before, "suspended_s");
  facts.rss_before = first.rss_bytes;
  for (PoolFacts& pool : facts.pools) {
    const PoolFacts* const old = first.Find(pool.name);
    if (old == nullptr) continue;
    pool.span = facts.running - first.running;
    pool.window = Difference(old->total, pool.total);
    pool.hold_before = old->hold;
    pool.was_paused = old->paused;
  }
  return facts;
}

Facts FactsOfStatusFile(const Json& status) {
  Json answer{{"name", TextIn(status, "name")},
              {"pid", CountIn(status, "pid")},
              {"text", TextIn(status, "refused")},
              {"pools", Json::array()}};
  const auto add = [&answer](const Json& pool) {
    if (!pool.is_object()) return;
    Json one = pool;
    one["stats"] = pool;
    answer["pools"].push_back(std::move(one));
  };
  const Json& remote = MemberOf(status, "remote");
  add(MemberOf(status, "local"));
  add(MemberOf(remote, "pool"));
  const Json& memory = MemberOf(status, "sqlite_memory");
  answer["figures"]["node"]["resident_memory_bytes"] =
      CountIn(MemberOf(status, "memory"), "rss_kib") * 1024;
  answer["figures"]["sqlite_arena"] = Json{{"size_bytes", CountIn(memory, "arena_bytes")},
                                           {"peak_bytes", CountIn(memory, "arena_peak")},
                                           {"failures", CountIn(memory, "arena_failures")}};
  Facts facts = FactsOf(answer);
  facts.source = "status file";
  facts.has_events = false;
  // What counts since the start is the only window that there is.
  for (PoolFacts& pool : facts.pools) pool.window = pool.total;
  if (const Json& away = MemberOf(remote, "pool"); away.is_object() && !facts.pools.empty()) {
    PoolFacts& pool = facts.pools.back();
    pool.away = TextIn(remote, "state") == "away";
    if (pool.away) pool.error = TextIn(remote, "last_error");
  }
  facts.node->card_is_full = FlagIn(MemberOf(status, "store"), "card_is_full");
  return facts;
}

Facts FactsOfJournal(std::string_view text) {
  constexpr size_t kMostEvents = 4096;  // the latest
  Facts facts;
  facts.source = "journal";
  facts.has_events = true;
  std::vector<JournalEvent> events;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::optional<JournalEvent> event;
    if (line.starts_with('{')) {
      const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      event = FieldedEvent(json);
      if (const std::string message = TextIn(json, "MESSAGE"); !message.empty()) {
        facts.lines.push_back(message);
      }
    } else {
      event = EchoedEvent(line);
      facts.lines.emplace_back(line);
    }
    if (!event.has_value()) continue;
    PoolFacts& pool = PoolNamed(facts, event->event.pool);
    Count(*event, pool);
    events.push_back(std::move(*event));
  }
  if (events.size() > kMostEvents) events.erase(events.begin(), events.end() - kMostEvents);
  const double last = events.empty() ? 0 : events.back().at.value_or(0);
  for (JournalEvent& read : events) {
    read.event.ago = SecondsOf(std::to_string(last - read.at.value_or(last)));
    facts.events.push_back(std::move(read.event));
  }
  return facts;
}

}  // namespace roost::tools::doctor
