#include "tools/roost-node/reporter.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "roost/version.h"
#include "telemetry/process.h"
#include "tools/common/text.h"
#include "tools/roost-node/card.h"
#include "tools/roost-node/pool_status.h"

namespace roost::tools {
namespace {

// A database that refuses from the start is no reason to be killed at the unit's TimeoutStartSec
// (90 s): a new process would find the same card. STATUS and the status file say what is wrong.
constexpr Duration kReadyAnyway = std::chrono::seconds(60);

telemetry::ReadingStatus ReadingsOf(const NodeFacts& facts) {
  const Counts& c = facts.counts;
  return {.taken = c.taken,
          .sealed = c.stored,
          .dropped = c.dropped,
          .lost = c.lost,
          .bad_lines = c.bad_lines,
          .missed = c.missed,
          .late = c.late,
          .batches = c.batches,
          .refused_batches = c.refused,
          .waiting = facts.waiting,
          .most_waiting = facts.most_waiting,
          .buffer = facts.buffer};
}

}  // namespace

Reporter::Reporter(const Parts& parts)
    : options_(parts.options),
      board_(parts.board),
      local_(parts.local),
      notify_(parts.notify),
      messages_(parts.messages),
      retention_(parts.retention),
      remote_(parts.remote),
      forward_(parts.forward),
      memory_(parts.memory),
      status_server_(parts.status),
      journal_(parts.journal),
      platform_(parts.local.platform()),
      started_(platform_.Now()),
      has_readers_(parts.notify.on() || !parts.options.status_file.empty() ||
                   parts.status != nullptr || parts.journal != nullptr),
      file_is_in_memory_(IsInMemory(parts.options.status_file)),
      metrics_lock_path_(parts.options.metrics_file + ".lock"),
      watchdog_(parts.notify.watchdog_period()) {
  if (options_.status_file.empty()) return;
  file_.emplace(options_.status_file);
  status_.name = options_.name;
  status_.version = ROOST_VERSION_STRING;
  status_.board = board_.model();
  status_.pid = getpid();
  status_.start_ticks = telemetry::StartTicks(getpid());
  status_.every = options_.status_every;
  if (remote_ != nullptr) status_.remote.emplace().last_error.reserve(TextLine::kMost);
  if (forward_ != nullptr) status_.outbox.emplace().reason.reserve(TextLine::kMost);
  status_.text.reserve(TextLine::kMost);
  status_.refused.reserve(TextLine::kMost);
}

// Figures of a node that has ended would be taken for those of one that runs. Another node that was given the
// same path by mistake keeps its file.
Reporter::~Reporter() {
  if (wrote_metrics_ && metrics_lock_.Take(metrics_lock_path_.c_str()).ok()) {
    unlink(options_.metrics_file.c_str());
  }
  if (file_.has_value()) file_->Remove();
}

void Reporter::Turn(TimePoint now, const NodeFacts& facts) {
  Feed(now, facts);
  Note(facts);
  if (journal_ != nullptr) journal_->Flush(now);
  if (has_readers_ && (now >= next_report_ || HasChanged(facts))) Report(now, facts);
  const bool ready = facts.ready || (now - started_ >= kReadyAnyway && !stalled_);
  if (ready && !ready_) ready_ = notify_.Ready(Text(now, facts));
  if (writes_metrics() && now >= next_metrics_) WriteMetrics(now);
}

// There is one seal in a turn at most.
void Reporter::Note(const NodeFacts& facts) {
  if (facts.counts.batches != readings_.batches && facts.last_seal.has_value()) {
    seal_times_.Add(facts.last_seal->took);
  }
  readings_ = ReadingsOf(facts);
  power_ = facts.power;
  seal_due_ = facts.progress.due;
}

// A folder that is not there, a full disk, or another node's file is told once; the node goes on, and tries again.
void Reporter::WriteMetrics(TimePoint now) {
  next_metrics_ = now + options_.metrics_every;
  absl::Status written = metrics_lock_.Take(metrics_lock_path_.c_str());
  if (absl::IsAlreadyExists(written)) {
    written = absl::AlreadyExistsError(metrics_lock_.holder() + " writes " + options_.metrics_file);
  }
  if (written.ok()) written = status_server_->WriteMetrics(options_.metrics_file);
  wrote_metrics_ = wrote_metrics_ || written.ok();
  WarnOnce("metrics", written, metrics_failed_);
}

void Reporter::WarnOnce(const char* file, const absl::Status& written, absl::StatusCode& before) {
  if (!written.ok() && written.code() != before) {
    const std::string advice =
        absl::IsAlreadyExists(written)
            ? "; this node writes none: give each a --" + std::string(file) + "-file of its own"
            : "";
    messages_.Warn("the %s file: %s%s", file, std::string(written.message()).c_str(),
                   advice.c_str());
  }
  before = written.code();
}

void Reporter::AddFigures(TimePoint now, Figures& out) const {
  AddReadings(now, out);
  AddPower(now, out);
  AddProcess(out);
  AddStore(now, out);
  if (forward_ != nullptr) forward_->AddFigures(now, out);
}

void Reporter::AddReadings(TimePoint now, Figures& out) const {
  static constexpr std::string_view kNode = "node";
  const auto part = [&out](const Metric& metric, std::string_view label, std::string_view name,
                           uint64_t count) {
    out.Add({.metric = metric,
             .group = kNode,
             .label = label,
             .part = name,
             .value = static_cast<int64_t>(count)});
  };
  constexpr Metric kReadings{MetricKind::kCounter, "readings", "readings",
                             "Readings by what became of them. bad_line: a line that was none; "
                             "missed: the board was not read in time"};
  part(kReadings, "outcome", "sealed", readings_.sealed);
  part(kReadings, "outcome", "dropped", readings_.dropped);
  part(kReadings, "outcome", "lost", readings_.lost);
  part(kReadings, "outcome", "bad_line", readings_.bad_lines);
  part(kReadings, "outcome", "missed", readings_.missed);
  part({MetricKind::kGauge, "readings_waiting", "readings",
        "Readings in memory that are not sealed"},
       {}, {}, readings_.waiting);
  part({MetricKind::kGauge, "readings_buffer", "readings", "Readings that memory has room for"}, {},
       {}, readings_.buffer);
  constexpr Metric kBatches{MetricKind::kCounter, "batches", "batches",
                            "Transactions of readings, sealed or refused by the database"};
  part(kBatches, "result", "sealed", readings_.batches);
  part(kBatches, "result", "refused", readings_.refused_batches);
  // Due is the first reading's moment and the longest that it may wait.
  Duration lag{};
  if (seal_due_ != TimePoint::max()) lag = now - (seal_due_ - options_.seal_every);
  out.Add({.metric = {MetricKind::kGauge, "seal_lag", "s",
                      "For how long readings have waited for their seal; 0: none waits"},
           .group = kNode,
           .value = std::max(lag, Duration::zero()).count()});
  out.Add({.metric = {MetricKind::kGauge, "seal_every", "s",
                      "The setting seal-every: the longest that a reading may wait"},
           .group = kNode,
           .value = options_.seal_every.count()});
  out.Add({.metric = {MetricKind::kHistogram, "seal_duration", "s",
                      "Time from the begin of a transaction of readings to the end of its sync"},
           .group = kNode,
           .spans = &seal_times_});
}

void Reporter::AddPower(TimePoint now, Figures& out) const {
  const auto add = [&out](const Metric& metric, std::string_view label, std::string_view part,
                          int64_t value) {
    out.Add({.metric = metric, .group = "node", .label = label, .part = part, .value = value});
  };
  constexpr Metric kPower{
      MetricKind::kGauge, "power", "state",
      "1 for how the board's power is. sealing: it fails, and what is in memory "
      "is stored; dark: nothing is written until it is good"};
  for (int i = 0; i < Power::kStates; ++i) {
    const auto state = static_cast<Power::State>(i);
    add(kPower, "state", Power::Key(state), state == power_.state ? 1 : 0);
  }
  constexpr Metric kCause{MetricKind::kGauge, "power_cause", "state",
                          "1 for what said that the power fails, now or the last time"};
  for (int i = 0; i < Power::kCauses; ++i) {
    const auto cause = static_cast<Power::Cause>(i);
    add(kCause, "cause", Power::Key(cause), cause == power_.cause ? 1 : 0);
  }
  add({MetricKind::kGauge, "power_fails", "s", "For how long the power has failed; 0: it is good"},
      {}, {}, power_.good() ? 0 : std::max(now - power_.since, Duration::zero()).count());
  add({MetricKind::kCounter, "power_failures", "failures", "How often the power has failed"}, {},
      {}, static_cast<int64_t>(power_.failures));
}

void Reporter::AddStore(TimePoint now, Figures& out) const {
  if (retention_ == nullptr) return;
  telemetry::StoreStatus store;
  retention_->ToStatus(now, store);
  const auto add = [&out](const Metric& metric, std::string_view label, std::string_view part,
                          int64_t value) {
    out.Add({.metric = metric, .group = "outbox", .label = label, .part = part, .value = value});
  };
  add({MetricKind::kGauge, "rows", "readings", "Readings in the database, by their numbers"}, {},
      {}, static_cast<int64_t>(store.readings));
  add({MetricKind::kGauge, "bytes", "bytes", "Bytes of the database, its log and the reserve"}, {},
      {}, static_cast<int64_t>(store.bytes));
  add({MetricKind::kGauge, "capacity_bytes", "bytes",
       "The most bytes that these may have (db-size); 0: there is no bound"},
      {}, {}, static_cast<int64_t>(store.limit_bytes));
  add({MetricKind::kGauge, "full_in", "s",
       "How long there is room at the rate since the start; negative: for ever, or not known yet"},
      {}, {}, store.full_in.count());
  constexpr Metric kGaps{MetricKind::kCounter, "gap_rows", "readings",
                         "Readings that were deleted and recorded as gaps, for want of room or for "
                         "their age, in the life of the database"};
  add(kGaps, "why", "full", static_cast<int64_t>(store.gap_full));
  add(kGaps, "why", "age", static_cast<int64_t>(store.gap_age));
  add(kGaps, "why", "thin", static_cast<int64_t>(store.gap_thin));
}

void Reporter::AddProcess(Figures& out) const {
  const auto add = [&out](MetricKind kind, std::string_view name, std::string_view unit,
                          std::string_view help, uint64_t value) {
    out.Add({.metric = {kind, name, unit, help},
             .group = "node",
             .value = static_cast<int64_t>(value)});
  };
  constexpr MetricKind kGauge = MetricKind::kGauge;
  constexpr MetricKind kCounter = MetricKind::kCounter;
  telemetry::MemoryStatus memory;
  ToStatus(memory);
  add(kGauge, "resident_memory_bytes", "bytes", "Memory of the process that is in RAM",
      memory.rss_kib * 1024);
  if (const std::optional<uint64_t> written = board_.BytesWritten()) {
    add(kCounter, "written_bytes", "bytes", "Bytes that the process wrote to storage: wear",
        *written);
  }
  // Not all of the board: a storage that hangs would hold up whoever asks for the figures.
  const BoardReading board = board_.ReadProcessor();
  if (board.cpu_celsius.has_value()) {
    out.Add({.metric = {kGauge, "cpu_temperature_celsius", "celsius",
                        "Temperature of the board's processor, in whole degrees"},
             .group = "node",
             .value = std::lround(*board.cpu_celsius)});
  }
  if (board.throttling.has_value()) {
    const Throttling& seen = *board.throttling;
    add(kGauge, "cpu_throttled", "", "1 while the firmware slows the processor down",
        seen.throttled() || seen.frequency_capped() || seen.soft_limit() ? 1 : 0);
  }
  add(kCounter, "watchdog_feeds", "feeds", "How often systemd's watchdog was fed",
      watchdog_.feeds());
  add(kGauge, "clock_synchronized", "", "1 if the wall clock has been set by a time service",
      WallClockIsSynchronised() ? 1 : 0);
  if (memory_ == nullptr || !memory_->status().ok()) return;
  const SqliteMemoryStats stats = memory_->stats();
  const auto arena = [&out](MetricKind kind, std::string_view name, std::string_view unit,
                            std::string_view help, uint64_t value) {
    out.Add({.metric = {kind, name, unit, help},
             .group = "sqlite_arena",
             .value = static_cast<int64_t>(value)});
  };
  arena(kGauge, "size_bytes", "bytes", "Size of the block that SQLite takes memory from",
        stats.arena_bytes);
  arena(kGauge, "used_bytes", "bytes", "Of that block, what is taken", stats.arena_used);
  arena(kGauge, "peak_bytes", "bytes", "Of that block, the most that was taken", stats.arena_peak);
  arena(kCounter, "failures", "requests", "Requests that the block had no room for",
        stats.arena_failures);
  constexpr Metric kPages{kGauge, "pages", "pages", "Pages of SQLite's slab"};
  const auto pages = [&out, &kPages](std::string_view state, int count) {
    out.Add({.metric = kPages, .group = "sqlite", .label = "state", .part = state, .value = count});
  };
  pages("used", stats.pages_used);
  pages("free", std::max(stats.pages - stats.pages_used, 0));
}

void Reporter::Stopping(TimePoint now, const NodeFacts& facts) {
  stopping_ = true;
  notify_.Stopping("sealing what is left");
  if (has_readers_) Report(now, facts);
}

TimePoint Reporter::next() const {
  return std::min({watchdog_.next(), has_readers_ ? next_report_ : TimePoint::max(),
                   writes_metrics() ? next_metrics_ : TimePoint::max()});
}

void Reporter::Feed(TimePoint now, const NodeFacts& facts) {
  const bool stalled = Watchdog::IsStalled(now, facts.progress);
  if (stalled && !stalled_) {
    messages_.Fail(
        "%zu readings are overdue and the database has not been heard of for %s%s", facts.waiting,
        FormatDuration(now - std::max(facts.progress.due, facts.progress.answered)).c_str(),
        watchdog_.period() > Duration::zero() ? "; the watchdog is not fed" : "");
  }
  stalled_ = stalled;
  if (!watchdog_.ShouldFeed(now, facts.progress) || !notify_.Feed()) return;
  watchdog_.Fed(now);
  fed_at_ = now;
}

// What an operator should not have to wait for.
bool Reporter::HasChanged(const NodeFacts& facts) const {
  return (facts.ready && !ready_) || refused_ != !facts.refused.empty() ||
         sealed_ != facts.last_seal.has_value() || power_state_ != facts.power.state ||
         (remote_ != nullptr && remote_->changes() != remote_changes_) ||
         (forward_ != nullptr && forward_->changes() != forward_changes_);
}

void Reporter::Report(TimePoint now, const NodeFacts& facts) {
  next_report_ = now + options_.status_every;
  refused_ = !facts.refused.empty();
  sealed_ = facts.last_seal.has_value();
  power_state_ = facts.power.state;
  if (remote_ != nullptr) remote_changes_ = remote_->changes();
  if (forward_ != nullptr) forward_changes_ = forward_->changes();
  // The file first, so that a reader of systemd's STATUS finds the same state in the file.
  if (file_.has_value()) {
    Describe(now, facts);
    Write(facts);
  }
  const TextLine text = Text(now, facts);
  if (status_server_ != nullptr) status_server_->Say(HealthOf(facts), text);
  if (journal_ != nullptr) journal_->Say(HealthOf(facts), text);
  if (text != text_ && notify_.Status(text)) text_ = text;
}

void Reporter::Write(const NodeFacts& facts) {
  if (!facts.power.good() && !file_is_in_memory_) return;
  WarnOnce("status", file_->Write(status_), write_failed_);
}

// What changes from report to report.
void Reporter::Describe(TimePoint now, const NodeFacts& facts) {
  const auto boot_us = [now](TimePoint at) { return BootMicrosAt(now, at); };
  status_.written_boot_us = BootMicros();
  status_.started_boot_us = boot_us(started_);
  status_.state = stopping_ ? "ending" : facts.ready ? "running" : "starting";
  status_.text = std::string_view(Text(now, facts));
  status_.ready = facts.ready;
  status_.refused = facts.refused.substr(0, TextLine::kMost);
  status_.readings = ReadingsOf(facts);
  status_.last_seal = facts.last_seal;
  status_.watchdog = {.period = watchdog_.period(),
                      .feeds = watchdog_.feeds(),
                      .fed_boot_us = watchdog_.feeds() > 0 ? boot_us(fed_at_) : 0};
  status_.power.state = Power::Key(facts.power.state);
  status_.power.cause = Power::Key(facts.power.cause);
  status_.power.failures = facts.power.failures;
  status_.power.failed_boot_us = facts.power.failures > 0 ? boot_us(facts.power.since) : 0;
  ToStatus(status_.memory);
  ToStatus(memory_, status_.sqlite_memory);
  ToStatus(FileStatsOf(local_), status_.sqlite_file);
  if (retention_ != nullptr) retention_->ToStatus(now, status_.store);
  ToStatus(local_, status_.local);
  if (forward_ != nullptr) forward_->ToStatus(now, *status_.outbox);
  if (remote_ != nullptr) remote_->ToStatus(*status_.remote);
}

// As TroubleLine and DegradedLine judge the status file. A remote that is away is no trouble of the node,
// and yet somebody should look.
Health Reporter::HealthOf(const NodeFacts& facts) const {
  if (stopping_) return Health::kEnding;
  if (!facts.refused.empty() || stalled_) return Health::kNotHealthy;
  if (!facts.ready || !facts.last_seal.has_value()) return Health::kStarting;
  const SqliteFileStats files = FileStatsOf(local_);
  const bool log_is_long = files.max_log_pages > 0 && files.log_pages >= files.max_log_pages / 2;
  if (files.damaged_files > 0 || files.checkpoint_error != 0 || log_is_long ||
      (retention_ != nullptr && retention_->IsDegraded()) ||
      (forward_ != nullptr && forward_->IsDegraded())) {
    return Health::kDegraded;
  }
  return remote_ != nullptr && remote_->pool().stats().away ? Health::kDegraded : Health::kHealthy;
}

TextLine Reporter::Text(TimePoint now, const NodeFacts& facts) const {
  TextLine text;
  if (!facts.refused.empty()) {
    if (facts.power.good()) {
      text.Add(facts.ready ? "the database refuses: " : "waiting for the database: ");
    }
    text.Add(facts.refused, "; ", facts.waiting, " of at most ", facts.buffer,
             " readings are kept in memory");
  } else if (!facts.last_seal.has_value()) {
    text.Add("no reading sealed yet");
  } else {
    text.Add(facts.counts.stored, " readings sealed, the last ", facts.last_seal->count, " at ",
             internal::TimeOfDay{facts.last_seal->unix_us});
  }
  if (retention_ != nullptr) retention_->AddText(text);
  if (forward_ != nullptr) forward_->AddText(now, text);
  if (remote_ != nullptr) text.Add("; remote ", remote_->Text(now));
  return text;
}

}  // namespace roost::tools
