#include "telemetry/status_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/duration.h"
#include "roost/next_step.h"
#include "roost/settings.h"
#include "roost/version.h"
#include "telemetry/metrics_file.h"
#include "telemetry/process.h"

namespace roost::telemetry {
namespace {

// How often a thread that found another one serving comes back.
constexpr Duration kComeBack = std::chrono::milliseconds(10);

// The text of a small file of the kernel's, up to its first line's end.
template <size_t N>
std::string_view ReadLine(const char* path, std::array<char, N>& out) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, out.data(), out.size());
  if (fd >= 0) close(fd);
  const std::string_view text(out.data(), got > 0 ? static_cast<size_t>(got) : 0);
  return text.substr(0, text.find('\n'));
}

template <size_t N>
void Store(std::array<char, N>& out, std::string_view text) {
  internal::Text(out).Add(text);
}

std::string_view NameOf(Role role) {
  switch (role) {
    case Role::kAny:
      return "any";
    case Role::kWriter:
      return "writer";
    case Role::kReader:
      return "reader";
  }
  return "?";
}

void WriteWhere(const SourceLine& where, internal::JsonWriter& json) {
  if (where.line == 0) return;
  json.Member("file", FileName(where.file));
  json.Member("line", where.line);
}

void WriteSpans(std::string_view name, const Histogram& spans, internal::JsonWriter& json) {
  json.Name(name);
  json.BeginObject();
  json.Member("count", spans.total());
  json.Member("p50_s", spans.Percentile(0.5));
  json.Member("p99_s", spans.Percentile(0.99));
  json.Member("max_s", spans.max());
  json.EndObject();
}

// Every member of Stats, flat, with its name and, for a span, "_s".
class StatsMembers {
 public:
  explicit StatsMembers(internal::JsonWriter& json) : json_(json) {}
  void operator()(const Metric& metric, const Histogram& spans) {
    WriteSpans(metric.name, spans, json_);
  }
  void operator()(const Metric& metric, const decltype(Stats::closes)& closes) {
    Named<CloseReason>(metric, closes);
  }
  void operator()(const Metric& metric, const decltype(Stats::statements)& statements) {
    Named<absl::StatusCode>(metric, statements);
  }
  void operator()(const Metric& metric, const Duration& span) {
    json_.Member(internal::BoundedText<63>(metric.name).Add("_s"), span);
  }
  void operator()(const Metric& metric, const auto& value) { json_.Member(metric.name, value); }

 private:
  template <class E>
  void Named(const Metric& metric, std::span<const uint64_t> counts) {
    json_.Name(metric.name);
    json_.BeginObject();
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > 0) json_.Member(Name(static_cast<E>(i)), counts[i]);
    }
    json_.EndObject();
  }
  internal::JsonWriter& json_;
};

void WriteWindowHistogram(std::string_view name, const WindowHistogram& spans,
                          internal::JsonWriter& json) {
  json.Name(name);
  json.BeginObject();
  json.Member("count", spans.total());
  json.Member("p50_s", spans.Percentile(0.5));
  json.Member("p99_s", spans.Percentile(0.99));
  json.Member("max_s", spans.Percentile(1));
  json.EndObject();
}

// Those that a reader judges the figures by.
void WriteSettings(const PoolSettings& settings, internal::JsonWriter& json) {
  json.Member("profile", settings.profile);
  json.Member("pool_timeout_s", settings.pool_timeout);
  json.Member("hold_times", settings.hold_times);
  json.Member("pool_recycle_s", settings.pool_recycle);
  json.Member("keep_alive_s", settings.keep_alive);
  json.Member("linger_s", settings.linger);
  json.Member("leak_after_s", settings.leak_after);
  json.Member("pre_ping", Name(settings.pre_ping));
}

void WriteLane(const LaneDetails& lane, internal::JsonWriter& json) {
  json.BeginObject();
  json.Member("role", NameOf(lane.role));
  json.Member("open", lane.open);
  json.Member("idle", lane.idle);
  json.Member("in_use", lane.in_use);
  json.Member("busy", lane.busy);
  json.Member("waiting", lane.waiting);
  json.Member("oldest_wait_s", lane.oldest_wait);
  json.Member("away", lane.away);
  if (lane.away) {
    json.Member("away_s", lane.away_for);
    json.Member("next_try_s", lane.next_try_in);
  }
  if (lane.error_code != absl::StatusCode::kOk) {
    json.Member("error_code", Name(lane.error_code));
    json.Member("error_ago_s", lane.error_ago);
    json.Member("error", lane.last_error());
  }
  json.EndObject();
}

// By group, as one object each.
void WriteFigure(const Figure& figure, internal::JsonWriter& json) {
  if (figure.metric.unit == "state") {
    if (figure.value != 0) json.Member(figure.metric.name, figure.part);
    return;
  }
  internal::BoundedText<95> key(figure.metric.name);
  if (!figure.part.empty()) key.Add("_", figure.part);
  if (figure.metric.kind == MetricKind::kHistogram) {
    if (figure.spans != nullptr) WriteSpans(key, *figure.spans, json);
  } else if (figure.metric.unit == "s") {
    json.Member(key.Add("_s"), Duration(figure.value));
  } else {
    json.Member(key, figure.value);
  }
}

// What there is no server of, and what was not reached yet, has none.
void WriteServer(const ServerFacts& server, internal::JsonWriter& json) {
  if (server.version[0] == '\0') return;
  json.Name("server");
  json.BeginObject();
  json.Member("version", std::string_view(server.version.data()));
  json.Member("role", Name(server.role));
  json.Member("user", std::string_view(server.user.data()));
  json.Member("tls", std::string_view(server.tls.data()));
  json.Member("round_trip_s", server.round_trip);
  json.EndObject();
}

// Each group once, whatever the order of its figures: readers keep one of two members of a name.
void WriteFigures(const Figures& figures, internal::JsonWriter& json) {
  json.Name("figures");
  json.BeginObject();
  const std::span<const Figure> all = figures.all();
  for (auto first = all.begin(); first != all.end(); ++first) {
    const auto is_of_group = [&](const Figure& other) { return other.group == first->group; };
    if (std::find_if(all.begin(), first, is_of_group) != first) continue;
    json.Name(first->group);
    json.BeginObject();
    for (const Figure& figure : all) {
      if (is_of_group(figure)) WriteFigure(figure, json);
    }
    json.EndObject();
  }
  json.EndObject();
}

void WriteSlot(const SlotDetails& slot, const SlotFailure& failure, int64_t now_us,
               internal::JsonWriter& json) {
  json.BeginObject();
  json.Member("slot", slot.slot);
  json.Member("role", NameOf(slot.role));
  json.Member("state", slot.state);
  json.Member("uses", slot.uses);
  if (slot.age > Duration::zero()) json.Member("age_s", slot.age);
  if (slot.state == "idle") json.Member("rested_s", slot.rested);
  if (slot.state == "leased") {
    json.Member("held_s", slot.held);
    json.Member("held_at_least", slot.held_at_least);
    WriteWhere(slot.where, json);
  }
  if (failure.number > 0) {
    json.Member("error_ago_s", internal::Between(failure.boot_us, now_us));
    if (failure.code != 0)
      json.Member("error_code", Name(static_cast<absl::StatusCode>(failure.code)));
    if (failure.reason != 0) {
      json.Member("error_reason", Name(static_cast<CloseReason>(failure.reason)));
    }
  }
  json.EndObject();
}

}  // namespace

StatusState::StatusState(const StatusOptions& options)
    : platform_(options.platform != nullptr ? *options.platform : NativePlatform()),
      fork_generation_(platform_.Forks().load(std::memory_order_relaxed)),
      started_(platform_.Now()),
      started_unix_us_(platform_.UnixMicros()),
      name_(options.name),
      status_(socket_.Open(options.name, options.folder, options.mode, options.group)) {
  internal::MutexLock lock(said_mu_);
  said_.at = started_;
  head_.pid = getpid();
  head_.start_ticks = StartTicks(getpid());
  head_.started_boot_us = BootMicros(started_);
  head_.started_unix_us = started_unix_us_;
  std::array<char, 40> boot_id;
  Store(head_.boot_id, ReadLine("/proc/sys/kernel/random/boot_id", boot_id));
  Store(head_.name, name_);
  WriteHead();
}

bool StatusState::IsInherited() const {
  return platform_.Forks().load(std::memory_order_relaxed) != fork_generation_;
}

int64_t StatusState::BootMicros(TimePoint at) const {
  return (at.time_since_epoch() + platform_.Suspended()) / std::chrono::microseconds(1);
}

// The box is complete from its first byte on: a reader never finds half of one.
void StatusState::WriteHead() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const int box = socket_.box();
  if (box < 0) return;
  if (pwrite(box, &head_, sizeof head_, 0) < 0 ||
      ftruncate(box, static_cast<off_t>(EventRing::kBoxBytes)) != 0) {
    return;  // there is nobody to tell
  }
}

absl::Status StatusState::BoxStatus() const {
  if (!status_.ok()) return status_;
  if (socket_.box() < 0) return socket_.box_status();
  struct stat found {};
  if (const int error = ring_.box_error(); error != 0) {
    return absl::UnavailableError(
        internal::Concat({"cannot write the box: ", std::strerror(error)}));
  }
  if (fstat(socket_.box(), &found) != 0 || found.st_nlink == 0 ||
      found.st_size < static_cast<off_t>(EventRing::kBoxBytes)) {
    return absl::UnavailableError("the box was cut or removed, or its folder is full");
  }
  return absl::OkStatus();
}

void StatusState::Add(const Pool& pool) {
  ROOST_CHECK(pool_count_ < pools_.size(), "StatusServer: more pools than kMaxPools (4)");
  Watched& watched = pools_[pool_count_++];
  watched.pool = &pool;
  watched.window.Begin(platform_.Now(), pool.stats());
}

void StatusState::Say(Health health, std::string_view text) {
  if (IsInherited()) return;
  const TimePoint now = platform_.Now();
  internal::MutexLock lock(said_mu_);
  const SaidText line(text);
  if (said_.said && said_.health == health && said_.text == line) return;
  if (!said_.said || said_.health != health) said_.at = now;
  said_.health = health;
  said_.text = line;
  said_.said = true;
  head_.said_boot_us = BootMicros(now);
  Store(head_.health, Name(health));
  Store(head_.text, line);
  WriteHead();
}

StatusState::Said StatusState::TakeSaid() {
  internal::MutexLock lock(said_mu_);
  return said_;
}

void StatusState::OnEvent(const Event& event) {
  // An echo before this one hears of leases, and passes them on: 64 of them would push out the rest.
  const bool of_a_lease = event.kind == EventKind::kCheckout || event.kind == EventKind::kCheckin ||
                          event.kind == EventKind::kReset;
  if (of_a_lease || IsInherited()) return;
  ring_.Add(event, BootMicros(event.at), socket_.box());
}

void StatusState::TurnWindows(TimePoint now) {
  for (Watched& watched : std::span(pools_).first(pool_count_)) {
    if (watched.window.IsDue(now)) watched.window.Turn(now, watched.pool->stats());
  }
}

TimePoint StatusState::Serve(TimePoint now) {
  if (!serving_.TryLock()) return Deadline::After(now, kComeBack).time();
  TimePoint next = TimePoint::max();
  if (IsInherited()) {
    socket_.Abandon();
  } else {
    TurnWindows(now);
    next = socket_.Serve(
        now, [&](std::string_view verb, AnswerStream& stream) { Answer(verb, now, stream); });
  }
  serving_.Unlock();
  return next;
}

int StatusState::Descriptors(std::span<DescriptorWait> out) {
  if (IsInherited() || !serving_.TryLock()) return 0;
  const int count = socket_.Descriptors(out);
  serving_.Unlock();
  return count;
}

void StatusState::Answer(std::string_view verb, TimePoint now, AnswerStream& stream) {
  std::array<char, 4096> buffer;
  const internal::Drain drain{
      [](void* to, std::string_view text) { static_cast<AnswerStream*>(to)->Write(text); },
      &stream};
  if (verb == "metrics") return AnswerMetrics(now, drain);
  internal::JsonWriter json(buffer, drain);
  if (verb == "status") {
    WriteStatus(now, json);
  } else {
    json.BeginObject();
    json.Member("error", "the requests are: status, metrics");
    json.EndObject();
  }
  json.Finish();
  stream.Write("\n");
}

void StatusState::WriteStatus(TimePoint now, internal::JsonWriter& json) {
  const Said said = TakeSaid();
  json.BeginObject();
  json.Member("format", kLiveFormat);
  json.Member("name", static_cast<std::string_view>(name_));
  json.Member("version", ROOST_VERSION_STRING);
  json.Member("pid", getpid());
  json.Member("running_s", now - started_);
  json.Member("suspended_s", platform_.Suspended());
  if (said.said) {
    json.Member("state", Name(said.health));
    json.Member("state_s", now - said.at);
    json.Member("text", static_cast<std::string_view>(said.text));
  }
  json.Name("pools");
  json.BeginArray();
  for (Watched& watched : std::span(pools_).first(pool_count_)) WritePool(now, watched, json);
  json.EndArray();
  if (source_ != nullptr) {
    Figures figures;
    source_->AddFigures(now, figures);
    WriteFigures(figures, json);
  }
  if (const absl::Status box = BoxStatus(); !box.ok()) {
    json.Member("box_error", internal::MessageOf(box));
  }
  WriteEvents(now, json);
  json.EndObject();
}

void StatusState::WritePool(TimePoint now, Watched& watched, internal::JsonWriter& json) {
  std::array<SlotDetails, 64> slots;
  std::array<WaiterDetails, 32> waiters;
  PoolDetails details;
  const Pool& pool = *watched.pool;
  pool.Inspect(details, slots, waiters);
  json.BeginObject();
  json.Member("name", pool.name());
  json.Member("backend", pool.backend().kind());
  json.Member("target", pool.backend().target());
  WriteSettings(pool.settings(), json);
  WriteServer(pool.backend().server(), json);
  json.Name("stats");
  json.BeginObject();
  ForEachMetric(details.stats, StatsMembers(json));
  json.EndObject();
  json.Name("window");
  json.BeginObject();
  json.Member("span_s", watched.window.Span(now));
  watched.window.ForEach(details.stats,
                         [&](const char* name, uint64_t count) { json.Member(name, count); });
  WriteWindowHistogram("wait", watched.window.Wait(details.stats), json);
  WriteWindowHistogram("hold", watched.window.Hold(details.stats), json);
  WriteWindowHistogram("create", watched.window.Create(details.stats), json);
  json.EndObject();
  Figures figures;
  pool.backend().AddFigures(now, figures);
  WriteFigures(figures, json);
  json.Name("lanes");
  json.BeginArray();
  for (size_t i = 0; i < details.lane_count; ++i) WriteLane(details.lanes[i], json);
  json.EndArray();
  json.Name("slots");
  json.BeginArray();
  std::array<SlotFailure, 64> failures{};
  ring_.FindFailures(pool.name(), failures);
  const int64_t now_us = BootMicros(now);
  for (size_t i = 0; i < details.slot_count; ++i) {
    const auto number = static_cast<size_t>(slots[i].slot);
    const SlotFailure none;
    WriteSlot(slots[i], number < failures.size() ? failures[number] : none, now_us, json);
  }
  json.EndArray();
  json.Name("waiters");
  json.BeginArray();
  for (size_t i = 0; i < details.waiter_count; ++i) {
    json.BeginObject();
    json.Member("role", NameOf(waiters[i].role));
    json.Member("since_s", waiters[i].since);
    WriteWhere(waiters[i].where, json);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void StatusState::WriteEvents(TimePoint now, internal::JsonWriter& json) {
  std::array<EventRecord, EventRing::kEvents> events;
  const size_t count = ring_.Copy(events);
  const int64_t now_us = BootMicros(now);
  json.Member("events_total", ring_.total());
  json.Name("events");
  json.BeginArray();
  for (const EventRecord& event : std::span(events).first(count)) {
    json.BeginObject();
    json.Member("kind", Name(static_cast<EventKind>(event.kind)));
    json.Member("ago_s", internal::Between(event.boot_us, now_us));
    json.Member("pool", TextOf(event.pool));
    if (event.slot >= 0) json.Member("slot", event.slot);
    if (event.reason != 0) json.Member("reason", Name(static_cast<CloseReason>(event.reason)));
    if (event.span_ns != 0) json.Member("span_s", Duration(event.span_ns));
    if (event.code != 0) json.Member("code", Name(static_cast<absl::StatusCode>(event.code)));
    if (event.line != 0) {
      json.Member("file", TextOf(event.file));
      json.Member("line", event.line);
    }
    if (event.text[0] != '\0') json.Member("text", TextOf(event.text));
    json.EndObject();
  }
  json.EndArray();
}

ProgramSample StatusState::TakeSamples(TimePoint now, Samples& samples) {
  const Said said = TakeSaid();
  for (size_t i = 0; i < pool_count_; ++i) {
    const Pool& pool = *pools_[i].pool;
    PoolSample& sample = samples[i];
    sample.name = pool.name();
    sample.backend = pool.backend().kind();
    sample.target = pool.backend().target();
    sample.settings = pool.settings();
    pool.Inspect(sample.details, {}, {});
    sample.longest_wait = pools_[i].window.Wait(sample.details.stats).Percentile(1);
    sample.source = &pool.backend();
  }
  return {
      .name = name_,
      .version = ROOST_VERSION_STRING,
      .healthy = !said.said || said.health == Health::kHealthy || said.health == Health::kDegraded,
      .started_unix_us = started_unix_us_,
      .events = ring_.total(),
      .now = now,
      .source = source_};
}

void StatusState::AnswerMetrics(TimePoint now, internal::Drain drain) {
  Samples samples;
  const ProgramSample program = TakeSamples(now, samples);
  std::array<char, 4096> buffer;
  Exposition out(buffer, drain, name_);
  WriteExposition(out, program, std::span(samples).first(pool_count_));
}

// The file is written with the lock free: its folder may be slow, and others may ask meanwhile.
absl::Status StatusState::WriteMetrics(std::string_view path) {
  if (IsInherited()) return absl::OkStatus();
  Samples samples;
  ProgramSample program;
  {
    internal::MutexLock lock(serving_);
    const TimePoint now = platform_.Now();
    TurnWindows(now);
    program = TakeSamples(now, samples);
  }
  MetricsFile file(path);
  std::array<char, 4096> buffer;
  Exposition out(
      buffer,
      {[](void* to, std::string_view text) { static_cast<MetricsFile*>(to)->Write(text); }, &file},
      name_);
  WriteExposition(out, program, std::span(samples).first(pool_count_));
  return file.Finish();
}

}  // namespace roost::telemetry
