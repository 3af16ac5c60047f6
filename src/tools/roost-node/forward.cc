#include "tools/roost-node/forward.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "platform/rpi/board_health.h"
#include "tools/roost-node/pool_status.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

// A time of the node's own clock counts as known where that had been set; one that a line brought along is the
// line's (t_source 2).
constexpr OutboxSource kReadings{
    .rows = Sql(
        "SELECT r.seq, r.epoch, r.t_wall, CASE WHEN r.synced = 1 OR r.t_source = 2 THEN 0 ELSE 2 "
        "END, s.name, s.unit, r.value FROM reading r JOIN sensor s ON s.id = r.sensor WHERE r.seq "
        "> "
        "$1 AND r.seq <= $2 ORDER BY r.seq LIMIT $3"),
    .newest = Sql("SELECT max(seq) FROM reading")};

// The oldest reading that waits, as far as its time is known.
constexpr Sql kOldest{
    "SELECT t_wall FROM reading WHERE seq > coalesce((SELECT min(sent) FROM segment WHERE hi IS "
    "NULL OR sent < hi), "
    "0) ORDER BY seq LIMIT 1"};
constexpr Duration kLookWithin = 20ms;

constexpr Duration kStartWithin = 1s;
constexpr Duration kRetryStart = 5s;
// Between two looks at the age of the oldest reading that waits.
constexpr Duration kLookEvery = 10s;

OutboxOptions OptionsOf(const Forward::Settings& settings, OutboxCallback on_event) {
  const ForwardOptions& flags = settings.flags;
  return {.epoch = settings.epoch,
          .batch = static_cast<int>(flags.batch),
          .linger = flags.every,
          .order = flags.order.value_or(ForwardOptions::Order::kFreshFirst) ==
                               ForwardOptions::Order::kFreshFirst &&
                           flags.table.empty()
                       ? OutboxOrder::kFreshFirst
                       : OutboxOrder::kOldestFirst,
          .bytes_per_second = flags.rate,
          .bytes_per_month = flags.budget,
          .budget_day = flags.budget_day,
          .on_event = on_event};
}

// For scripts: one piece, without a blank.
std::string_view Key(OutboxState state) {
  return state == OutboxState::kNoSchema ? "no_schema" : Name(state);
}

// Idle and sending are one state in what is told.
bool Goes(OutboxState state) {
  return state == OutboxState::kIdle || state == OutboxState::kSending;
}

Duration DrainedIn(const OutboxStats& stats) {
  // 28 years: a status file takes no longer span.
  return stats.drained_in > std::chrono::seconds(900'000'000) ? -1s : stats.drained_in;
}

uint64_t Failed(const OutboxStats& s) {
  return s.batches_again + s.batches_wait + s.batches_held + s.batches_set_aside +
         s.batches_too_large;
}

}  // namespace

Forward::Forward(Pool& local, OutboxServer& server, const Settings& settings, Messages& messages)
    : local_(local),
      platform_(local.platform()),
      messages_(messages),
      settings_(settings),
      outbox_(local, server, kReadings,
              OptionsOf(settings, {.function =
                                       [](void* self, const OutboxEvent& event) {
                                         static_cast<Forward*>(self)->OnEvent(event);
                                       },
                                   .context = this}),
              local.platform()),
      since_(platform_.Now()) {}

const OutboxSource& Forward::Source() { return kReadings; }

void Forward::Start(TimePoint now) {
  const absl::Status started = outbox_.Start(Deadline::After(now, kStartWithin));
  started_ = started.ok();
  wrong_ = absl::IsInvalidArgument(started);
  next_ = started_ ? now : wrong_ ? TimePoint::max() : now + kRetryStart;
  if (wrong_) messages_.Fail("forwarding: %s", std::string(MessageOf(started)).c_str());
}

void Forward::Turn(TimePoint now) {
  if (wrong_) return;
  if (!started_ && now >= next_) Start(now);
  if (!started_) return;
  next_ = outbox_.Turn(now);
  const bool looks = now >= next_look_;
  if (!tell_ && !looks) return;
  const OutboxStats stats = outbox_.stats(now);
  if (tell_) TellState(now, stats);
  if (looks) LookWhetherLate(now, stats);
}

void Forward::Sealed(TimePoint now) {
  if (!started_) return;
  outbox_.RowsSealed();
  next_ = now;
}

void Forward::Retry(TimePoint now) {
  if (!started_) return;
  outbox_.Retry();
  next_ = now;
}

void Forward::Finish(TimePoint now) {
  if (!started_ || !Goes(state_)) return;
  const absl::Status drained = outbox_.Drain(Deadline::After(now, kFinishWithin));
  if (drained.ok()) return;
  messages_.Progress("%s", std::string(MessageOf(drained)).c_str());
}

// ---- what is told ---------------------------------------------------------------------------------

void Forward::OnEvent(const OutboxEvent& event) {
  const std::string why(MessageOf(event.status));
  switch (event.kind) {
    case OutboxEvent::Kind::kState:
      reason_ = internal::TextLine(std::string_view(why).substr(0, why.find('\n')));
      if (Goes(event.state) && Goes(state_)) {
        state_ = event.state;
        return;
      }
      tell_ = true;
      break;
    case OutboxEvent::Kind::kRewound:
      messages_.Warn(
          "outbox: the server lost %lld acknowledged readings (mark %lld -> %lld); sending them "
          "again",
          static_cast<long long>(event.from - event.to), static_cast<long long>(event.from),
          static_cast<long long>(event.to));
      break;
    case OutboxEvent::Kind::kSetAside:
      messages_.Warn("outbox: the server does not take reading %lld, which is set aside: %s",
                     static_cast<long long>(event.from), why.c_str());
      break;
    case OutboxEvent::Kind::kLocal:
      messages_.Warn("outbox: the database: %s", why.c_str());
      break;
    case OutboxEvent::Kind::kCloned:
      messages_.Warn(
          "outbox: another machine sends under this node's name (%lld times): give each card a "
          "--name and "
          "a token of its own",
          static_cast<long long>(event.to));
      break;
  }
}

// After the turn, when the figures are those of the new state.
void Forward::TellState(TimePoint now, const OutboxStats& stats) {
  tell_ = false;
  if (stats.state == state_) return;
  const OutboxState before = std::exchange(state_, stats.state);
  if (Goes(before) && Goes(state_)) return;
  const Duration lasted = now - std::exchange(since_, now);
  ++changes_;
  const auto waiting = static_cast<long long>(stats.waiting);
  switch (state_) {
    case OutboxState::kIdle:
    case OutboxState::kSending:
      messages_.Say("outbox: sending again after %s; %lld readings wait",
                    FormatDuration(lasted).c_str(), waiting);
      break;
    case OutboxState::kWaiting:
      messages_.Warn("outbox: %lld readings wait: %s", waiting, reason_.c_str());
      break;
    case OutboxState::kHeld:
      messages_.Warn(
          "outbox: held: %s; %lld readings wait, and none is given up; tried again every 5 min, "
          "and at "
          "SIGHUP",
          reason_.c_str(), waiting);
      break;
    case OutboxState::kBudget:
      messages_.Warn(
          "outbox: the month's budget of %s is used up: the newest readings only, once a minute; "
          "%lld wait",
          FormatBytes(static_cast<uint64_t>(settings_.flags.budget)).c_str(), waiting);
      break;
    case OutboxState::kNoSchema:
      messages_.Warn(
          "outbox: the server has no schema roost, so that it gets heartbeats only; its operator "
          "runs: "
          "roostctl server init");
      break;
  }
}

// An outbox that has not been greeted yet has read no row.
void Forward::LookForOldest(TimePoint now, const OutboxStats& stats) {
  oldest_us_ = 0;
  if (stats.waiting <= 0 || stats.oldest_age > Duration::zero()) return;
  absl::StatusOr<Lease> lease = local_.Acquire(kRead, Deadline::After(now, kLookWithin));
  if (!lease.ok()) return;
  (*lease)->set_deadline(Deadline::After(now, kLookWithin));
  const absl::StatusOr<Statement*> oldest = lease->Prepare(kOldest);
  if (!oldest.ok()) return;
  Rows rows = (*oldest)->Query();
  if (rows.Next()) oldest_us_ = rows.Get<int64_t>(0);
}

// Negative: none waits, or it is not known.
Duration Forward::OldestAge(const OutboxStats& stats) const {
  if (stats.waiting <= 0) return -1s;
  if (stats.oldest_age > Duration::zero()) return stats.oldest_age;
  if (oldest_us_ == 0) return -1s;
  const std::chrono::microseconds age(platform_.UnixMicros() - oldest_us_);
  // A clock that was not set has no age to tell; a status file takes no longer span.
  constexpr std::chrono::microseconds kLongest = std::chrono::seconds(900'000'000);
  return age < 0us || age > kLongest ? Duration{-1s} : Duration{age};
}

void Forward::LookWhetherLate(TimePoint now, const OutboxStats& stats) {
  next_look_ = now + kLookEvery;
  LookForOldest(now, stats);
  const Duration age = OldestAge(stats);
  const bool late = age >= settings_.flags.alarm_age;
  if (late == late_) return;
  late_ = late;
  ++changes_;
  const auto waiting = static_cast<long long>(stats.waiting);
  if (late) {
    messages_.Warn("outbox: late: %lld readings wait, the oldest for %s (--alarm-age %s)", waiting,
                   FormatDuration(age).c_str(), FormatDuration(settings_.flags.alarm_age).c_str());
  } else {
    messages_.Say("outbox: not late any more; %lld readings wait", waiting);
  }
}

void Forward::AddText(TimePoint now, internal::TextLine& text) const {
  const OutboxStats stats = outbox_.stats(now);
  text.Add("; outbox ", Key(stats.state));
  if (stats.waiting > 0) text.Add(", ", stats.waiting, " wait");
  if (late_) text.Add(", the oldest for ", Brief{OldestAge(stats)}, " (late)");
  if (state_ == OutboxState::kHeld) text.Add(": ", reason_);
}

void Forward::ToStatus(TimePoint now, telemetry::OutboxStatus& status) const {
  const OutboxStats s = outbox_.stats(now);
  const auto count = [](int64_t number) {
    return static_cast<uint64_t>(std::max<int64_t>(number, 0));
  };
  status.state = Key(s.state);
  status.reason = Goes(s.state) || s.state == OutboxState::kBudget ? std::string_view()
                                                                   : std::string_view(reason_);
  status.since_boot_us = BootMicrosAt(now, since_);
  status.late = late_;
  status.alarm_age = settings_.flags.alarm_age;
  status.waiting = count(s.waiting);
  status.oldest_age = OldestAge(s);
  status.drained_in = DrainedIn(s);
  status.sent = s.sent_rows;
  status.sent_bytes = s.sent_bytes;
  status.batches = s.batches_ok;
  status.failed_batches = Failed(s);
  status.resent = s.resent_rows;
  status.rewinds = s.rewinds;
  status.gaps = 0;
  for (const uint64_t numbers : s.gap_numbers) status.gaps += numbers;
  status.rejected = s.rejected_rows;
  status.batch_rows = count(s.batch_rows);
  status.round_trip = s.round_trip;
  status.clock_offset = s.server_clock_offset.value_or(Duration::zero());
  // By the wall clock it is told; here by how long ago that was.
  const int64_t ago = platform_.UnixMicros() - s.last_ack.count;
  status.last_ack_boot_us =
      s.last_ack.count == 0 ? 0 : std::max<int64_t>(BootMicros() - std::max<int64_t>(ago, 0), 1);
}

void Forward::AddFigures(TimePoint now, Figures& out) const {
  const OutboxStats s = outbox_.stats(now);
  const auto add = [&out](const Metric& metric, int64_t value, std::string_view label = {},
                          std::string_view part = {}) {
    out.Add({.metric = metric, .group = "outbox", .label = label, .part = part, .value = value});
  };
  const auto counted = [](uint64_t count) { return static_cast<int64_t>(count); };
  constexpr MetricKind kGauge = MetricKind::kGauge;
  constexpr MetricKind kCounter = MetricKind::kCounter;
  add({kGauge, "waiting", "readings", "Readings that the server does not have, by their numbers"},
      s.waiting);
  add({kGauge, "oldest_age", "s", "Age of the oldest reading that waits; 0: none waits"},
      std::max(OldestAge(s), Duration::zero()).count());
  add({kGauge, "drained_in", "s",
       "How long until the server has all, at the rate of the last minute; negative: never, or not "
       "known"},
      DrainedIn(s).count());
  add({kCounter, "sent_rows", "readings", "Readings that the server has confirmed"},
      counted(s.sent_rows));
  add({kCounter, "resent_rows", "readings", "Of those, readings that had been sent before"},
      counted(s.resent_rows));
  add({kCounter, "sent_bytes", "bytes", "Bytes to the server and back, with what carries them"},
      counted(s.sent_bytes));
  constexpr Metric kBatches{
      kCounter, "batches", "batches",
      "Calls of the server by how they ended. moved: it had them, or not from there on"};
  add(kBatches, counted(s.batches_ok), "result", "ok");
  add(kBatches, counted(s.batches_moved), "result", "moved");
  add(kBatches, counted(s.batches_again), "result", "again");
  add(kBatches, counted(s.batches_wait), "result", "wait");
  add(kBatches, counted(s.batches_held), "result", "held");
  add(kBatches, counted(s.batches_set_aside), "result", "set_aside");
  add(kBatches, counted(s.batches_too_large), "result", "too_large");
  add({kCounter, "rewinds", "rewinds",
       "How often the server had lost readings that it had confirmed"},
      counted(s.rewinds));
  add({kCounter, "rejected_rows", "readings",
       "Readings that the server set aside for their own sake"},
      counted(s.rejected_rows));
  constexpr Metric kState{
      kGauge, "state", "state",
      "1 for what the outbox does. held: the server refuses all; budget: the month's is "
      "used up; no_schema: the server takes heartbeats only"};
  for (const OutboxState state :
       {OutboxState::kIdle, OutboxState::kSending, OutboxState::kWaiting, OutboxState::kHeld,
        OutboxState::kBudget, OutboxState::kNoSchema}) {
    add(kState, s.state == state ? 1 : 0, "state", Key(state));
  }
  add({kGauge, "late", "", "1 while the oldest reading that waits is older than alarm-age"},
      late_ ? 1 : 0);
  add({kGauge, "last_ack_timestamp", "s", "When the server confirmed last, since 1970; 0: not yet"},
      s.last_ack.count * 1000);
  add({kGauge, "batch_rows", "readings", "Readings in a call at most, at present"}, s.batch_rows);
  add({kGauge, "round_trip", "s", "Time of the latest call that succeeded"}, s.round_trip.count());
  if (!s.server_clock_offset.has_value()) return;
  out.Add({.metric = {kGauge, "clock_offset", "s", "The server's clock less the node's"},
           .group = "server",
           .value = s.server_clock_offset->count()});
}

}  // namespace roost::tools
