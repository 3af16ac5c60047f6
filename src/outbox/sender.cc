#include "outbox/sender.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/text.h"

namespace roost::outbox {
namespace {

using namespace std::chrono_literals;

// Rows that may be set aside, and how many the server has to take for one more.
constexpr int64_t kMostSetAside = 20;
constexpr int64_t kRowsForOne = 100;
// Answers in a row that moved nothing on, after which something is wrong with the server.
constexpr int kMostFruitless = 4;
// Spans up to which a server has so few nodes that they need not be kept apart at their start.
constexpr Duration kSmallSpread = 10s;
constexpr Duration kFreshOverBudget = 1min;

absl::Status OutOfRange(const char* name, const std::string& is, const char* range) {
  return absl::InvalidArgumentError(std::string("OutboxOptions::") + name + " is " + is +
                                    ": it has to be " + range);
}
std::string Text(Duration span) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count()) +
         " ms";
}

bool IsOfOneKind(OutboxState one, OutboxState other) {
  const auto kind = [](OutboxState state) {
    return state == OutboxState::kSending ? OutboxState::kIdle : state;
  };
  return kind(one) == kind(other);
}

bool IsAway(OutboxState state) {
  return state == OutboxState::kWaiting || state == OutboxState::kHeld ||
         state == OutboxState::kNoSchema;
}

absl::Status CheckOptions(const OutboxOptions& o) {
  if (o.epoch < 1) return OutOfRange("epoch", std::to_string(o.epoch), "at least 1");
  if (o.batch < 1 || o.batch > 5000) {
    return OutOfRange("batch", std::to_string(o.batch), "1 to 5000");
  }
  if (o.linger < 0s || o.linger > 1h) return OutOfRange("linger", Text(o.linger), "0 to 1 h");
  if (o.fresh_after < 1s || o.fresh_after > 24h) {
    return OutOfRange("fresh_after", Text(o.fresh_after), "1 s to 1 day");
  }
  if (o.call_timeout < 1s || o.call_timeout > 10min) {
    return OutOfRange("call_timeout", Text(o.call_timeout), "1 s to 10 min");
  }
  if (o.back_off_min < 100ms || o.back_off_min > o.back_off_max) {
    return OutOfRange("back_off_min", Text(o.back_off_min), "100 ms to back_off_max");
  }
  if (o.back_off_max > 1h) return OutOfRange("back_off_max", Text(o.back_off_max), "at most 1 h");
  if (o.hold_every < 1s || o.hold_every > 24h) {
    return OutOfRange("hold_every", Text(o.hold_every), "1 s to 1 day");
  }
  if (o.spread < 0s || o.spread > 1h) return OutOfRange("spread", Text(o.spread), "0 to 1 h");
  if (o.bytes_per_second != 0 && (o.bytes_per_second < 256 || o.bytes_per_second > 1'000'000'000)) {
    return OutOfRange("bytes_per_second", std::to_string(o.bytes_per_second), "0, or 256 to 10^9");
  }
  if (o.bytes_per_month != 0 && o.bytes_per_month < 100'000) {
    return OutOfRange("bytes_per_month", std::to_string(o.bytes_per_month),
                      "0, or at least 100000");
  }
  if (o.budget_day < 1 || o.budget_day > 28) {
    return OutOfRange("budget_day", std::to_string(o.budget_day), "1 to 28");
  }
  if (o.local_wait < 1ms || o.local_wait > 10s) {
    return OutOfRange("local_wait", Text(o.local_wait), "1 ms to 10 s");
  }
  return absl::OkStatus();
}

}  // namespace

Sender::Sender(Pool& local, OutboxServer& server, const OutboxSource& source,
               const OutboxOptions& options, Platform& platform)
    : pool_(local),
      server_(server),
      source_(source),
      options_(options),
      platform_(platform),
      chance_(options.seed != 0 ? options.seed
                                : (uint64_t{platform.Random()} << 32) + platform.Random()),
      back_off_(options.back_off_min, options.back_off_max),
      size_(std::clamp(options.batch, 1, 5000)),
      meter_(options.bytes_per_second, options.bytes_per_month, options.budget_day),
      reader_(source, static_cast<size_t>(std::clamp(options.batch, 1, 5000)), platform),
      spread_(options.spread),
      allowance_(kMostSetAside) {}

absl::Status Sender::Start(Deadline deadline) {
  if (absl::Status status = CheckOptions(options_); !status.ok()) return status;
  absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, deadline);
  if (!lease.ok()) return lease.status();
  for (const Sql& sql : {source_.rows, source_.newest}) {
    const absl::StatusOr<Statement*> statement = lease->Prepare(sql);
    if (!statement.ok()) return statement.status();
  }
  const absl::StatusOr<KeptState> kept = ReadState(**lease);
  if (absl::IsInvalidArgument(kept.status())) {
    return absl::InvalidArgumentError(
        internal::Concat({"the local database lacks the tables of roost::kOutboxSchema: ",
                          internal::MessageOf(kept.status())}));
  }
  if (!kept.ok()) return kept.status();
  const absl::StatusOr<bool> has_rejects = HasRejects(**lease);
  if (!has_rejects.ok()) return has_rejects.status();
  if (absl::Status status = works_.Reload(**lease); !status.ok()) return status;
  kept_ = *kept;
  reader_.set_has_rejects(*has_rejects);
  meter_.budget().Load(kept_.bytes_month, kept_.month);
  if (kept_.spread_s >= 0) spread_ = std::chrono::seconds(kept_.spread_s);
  const TimePoint now = platform_.Now();
  // After a power cut of a whole site the nodes of a large fleet do not all come at once.
  if (kept_.spread_s >= 0 && spread_ > kSmallSpread) next_try_ = now + chance_.Between(0s, spread_);
  write_at_ = now + 1h;
  meter_.Begin(server_.link_bytes());
  started_ = true;
  return absl::OkStatus();
}

size_t Sender::Descriptors(std::span<DescriptorWait> out) const {
  return call_ == Call::kNone ? 0 : server_.Descriptors(out);
}

void Sender::Retry() {
  next_try_ = local_retry_ = look_at_ = TimePoint::min();
  allowance_ = kMostSetAside;
}

// ---- turns ----------------------------------------------------------------------------------------

TimePoint Sender::Turn(TimePoint now) {
  if (call_ != Call::kNone) {
    const OutboxServer::Answer* const answer = server_.Continue(now);
    stats_.sent_bytes += meter_.Count(now, server_.link_bytes());
    if (answer == nullptr) return server_.next();
    OnAnswer(now, *answer);
    return now;
  }
  const TimePoint next = Decide(now);
  drain_time_.Note(now, works_.Waiting());
  if (call_ == Call::kNone && next > now && !std::exchange(is_resting_, true)) server_.Rest();
  return next;
}

TimePoint Sender::Decide(TimePoint now) {
  if (now < local_retry_) return local_retry_;
  // Not twice in a row for a look that is asked for each turn.
  if (is_stale_ || (now >= look_at_ && !just_looked_)) {
    just_looked_ = true;
    const absl::Status status = Look(now);
    NoteLocal(now, status);
    if (!status.ok()) return local_retry_;
    return now;
  }
  just_looked_ = false;
  if (std::exchange(wants_cut_, false) && ShouldCut(now)) {
    const absl::Status status = Cut();
    NoteLocal(now, status);
    // The newest rows go at once.
    live_since_ = TimePoint::min();
    return now;
  }
  if (works_.live.is_dirty || works_.backlog.is_dirty || now >= write_at_) {
    WriteDown(now);
    return now;
  }
  const TimePoint next = std::min(look_at_, write_at_);
  if (now < next_try_) return std::min(next, next_try_);
  return std::min(next, Begin(now));
}

TimePoint Sender::Begin(TimePoint now) {
  meter_.SetMonth(now);
  const bool is_over = meter_.budget().IsOver();
  if (is_over && !IsAway(state_)) SetState(OutboxState::kBudget, absl::OkStatus());
  if (is_over && now < fresh_at_) return fresh_at_;
  if (needs_hello_) {
    const TimePoint at = meter_.When(now, 0);
    if (at > now) return at;
    return BeginHello(now) ? now : local_retry_;
  }
  Work* const work = NextWork(now);
  if (work == nullptr) {
    if (!is_over) SetState(OutboxState::kIdle, absl::OkStatus());
    return works_.LiveWaiting() > 0 && !is_over ? live_since_ + options_.linger : TimePoint::max();
  }
  const int64_t most = RowsAllowed(*work);
  const int64_t waiting =
      work == &works_.live ? works_.LiveWaiting() : work->row.hi - work->row.sent;
  const TimePoint at = meter_.When(now, std::min(most, waiting));
  if (at > now) {
    if (!is_over && !IsAway(state_)) SetState(OutboxState::kSending, absl::OkStatus());
    const bool may_linger = work != &works_.live && works_.LiveWaiting() > 0;
    return may_linger ? std::min(at, std::max(now + 1ms, live_since_ + options_.linger)) : at;
  }
  switch (Build(now, *work, most)) {
    case Built::kBatch:
      BeginIngest(now, *work);
      return now;
    case Built::kNothing:
      // What waited was deleted; the numbers count when a row of a greater one is there.
      works_.newest = works_.live.row.sent;
      return now;
    case Built::kChanged:
      return now;
    case Built::kFailed:
      break;
  }
  return std::max(now, std::min(local_retry_ > now ? local_retry_ : TimePoint::max(),
                                next_try_ > now ? next_try_ : TimePoint::max()));
}

bool Sender::LiveIsDue(TimePoint now) const {
  if (works_.LiveWaiting() <= 0) return false;
  return draining_ || live_since_ == TimePoint::min() || works_.LiveWaiting() >= size_.rows() ||
         now - live_since_ >= options_.linger || works_.live.row.sent < works_.live.row.acked ||
         works_.live.bisect_end > works_.live.row.sent;
}

Work* Sender::NextWork(TimePoint now) {
  if (meter_.budget().IsOver()) return LiveIsDue(now) ? &works_.live : nullptr;
  const bool is_oldest_first = options_.order == OutboxOrder::kOldestFirst;
  if (is_oldest_first && works_.backlog.exists) return &works_.backlog;
  if (LiveIsDue(now)) return &works_.live;
  return works_.backlog.exists ? &works_.backlog : nullptr;
}

int64_t Sender::RowsAllowed(const Work& work) const {
  int64_t rows = size_.rows();
  if (work.suspects > 0) rows = std::max<int64_t>(1, std::min(rows, work.suspects / 2));
  return meter_.Fitting(rows);
}

// ---- calls ----------------------------------------------------------------------------------------

bool Sender::BeginHello(TimePoint now) {
  constexpr OutboxSegment kBeforeAll{.epoch = std::numeric_limits<int64_t>::min(),
                                     .lo = std::numeric_limits<int64_t>::min()};
  const OutboxSegment after = is_first_page_ ? kBeforeAll : asked_[asked_count_ - 1];
  absl::StatusOr<size_t> read = size_t{0};
  {
    absl::StatusOr<Lease> lease = Acquire(kRead);
    read = lease.ok() ? ReadSegments(**lease, after, page_) : lease.status();
  }
  NoteLocal(now, read.status());
  if (!read.ok()) return false;
  asked_count_ = *read;
  is_last_page_ = asked_count_ < page_.size();
  for (size_t i = 0; i < asked_count_; ++i) {
    for (const Work* work : {&works_.live, &works_.backlog}) {
      if (work->exists && work->row.name == page_[i].name) page_[i] = work->row;
    }
    asked_[i] = page_[i].name;
  }
  call_ = Call::kHello;
  began_ = now;
  bytes_at_begin_ = meter_.link_bytes();
  is_resting_ = false;
  server_.Hello({asked_.data(), asked_count_}, Deadline::After(now, options_.call_timeout));
  return true;
}

void Sender::BeginIngest(TimePoint now, Work& work) {
  const OutboxBatch& batch = reader_.batch().Finish();
  resent_ = static_cast<uint64_t>(
      std::count_if(batch.rows.begin(), batch.rows.end(),
                    [&](const OutboxRow& row) { return row.seq <= work.attempted; }));
  reader_.batch().batch().backlog =
      std::max<int64_t>(0, works_.Waiting() - (batch.last - batch.first + 1));
  const Moment& oldest =
      works_.backlog.exists && &work != &works_.backlog ? works_.backlog.oldest : reader_.after();
  reader_.batch().batch().oldest = oldest.time;
  working_is_live_ = &work == &works_.live;
  call_ = Call::kIngest;
  began_ = built_at_ = now;
  bytes_at_begin_ = meter_.link_bytes();
  is_resting_ = false;
  if (meter_.budget().IsOver()) {
    fresh_at_ = now + kFreshOverBudget;
  } else if (!IsAway(state_)) {
    SetState(OutboxState::kSending, absl::OkStatus());
  }
  server_.Ingest(reader_.batch().batch(), Deadline::After(now, options_.call_timeout));
}

void Sender::OnAnswer(TimePoint now, const OutboxServer::Answer& answer) {
  const Call call = std::exchange(call_, Call::kNone);
  if (call == Call::kIngest && answer.needs_hello) {
    needs_hello_ = is_first_page_ = true;
    if (++fruitless_ > kMostFruitless) {
      Wait(now, absl::UnavailableError("each call meets another connection"), 0s);
    }
    return;
  }
  if (call == Call::kIngest) {
    Work& work = working_is_live_ ? works_.live : works_.backlog;
    work.attempted = std::max(work.attempted, reader_.batch().batch().last);
  }
  if (call == Call::kHello) {
    OnHello(now, answer);
  } else if (!answer.status.ok()) {
    OnFailure(now, answer);
  } else {
    OnIngest(now, answer);
  }
}

void Sender::OnHello(TimePoint now, const OutboxServer::Answer& answer) {
  const bool is_first = is_first_page_;
  is_first_page_ = true;
  if (!answer.status.ok()) {
    if (answer.hand == OutboxHand::kHold) {
      Hold(now, answer.status, answer.has_no_schema);
    } else {
      Wait(now, answer.status, answer.not_before);
    }
    return;
  }
  stats_.round_trip = now - began_;
  const OutboxServer::HelloAnswer& hello = answer.hello;
  if (hello.schema_version < kOutboxSchemaVersion) {
    Hold(now,
         absl::FailedPreconditionError(
             "the server's schema is of version " + std::to_string(hello.schema_version) +
             ", and this program needs version " + std::to_string(kOutboxSchemaVersion)),
         false);
    return;
  }
  if (hello.marks.size() != asked_count_) {
    Wait(now,
         absl::InternalError("the server was asked for " + std::to_string(asked_count_) +
                             " marks, and answered " + std::to_string(hello.marks.size())),
         0s);
    return;
  }
  // The marks of the pages before it may be another server's.
  if (!is_first && answer.connection != hello_connection_) return;
  hello_connection_ = answer.connection;
  const absl::Status status = ApplyMarks(answer);
  NoteLocal(now, status);
  if (!status.ok()) return;
  if (is_last_page_) {
    FinishHello(now, hello);
  } else {
    is_first_page_ = false;
  }
}

void Sender::FinishHello(TimePoint now, const OutboxServer::HelloAnswer& hello) {
  ++stats_.hellos;
  needs_hello_ = false;
  wants_cut_ = true;
  look_at_ = TimePoint::min();
  size_.Restart(hello.max_rows);
  spread_ = std::clamp<Duration>(hello.spread, 0s, 1h);
  if (hello.server_time.count > 0) {
    meter_.SetServerTime(now, hello.server_time);
    // The server read its clock in the middle of the round trip, as far as one can tell.
    const auto half = std::chrono::duration_cast<std::chrono::microseconds>(stats_.round_trip / 2);
    stats_.server_clock_offset =
        std::chrono::microseconds(hello.server_time.count + half.count() - platform_.UnixMicros());
  }
  if (hello.clones > clones_) {
    Tell({.kind = OutboxEvent::Kind::kCloned, .from = clones_, .to = hello.clones});
  }
  clones_ = std::max(clones_, hello.clones);
  const int64_t spread_s = std::chrono::duration_cast<std::chrono::seconds>(spread_).count();
  if (!kept_.schema_seen || kept_.spread_s != spread_s) {
    kept_.schema_seen = true;
    kept_.spread_s = spread_s;
    write_at_ = now;
  }
  // A server that takes hellos alone is away still.
  if (works_.Waiting() == 0) {
    back_off_.Succeeded();
    SetState(OutboxState::kIdle, absl::OkStatus());
  }
}

void Sender::OnIngest(TimePoint now, const OutboxServer::Answer& answer) {
  Work& work = working_is_live_ ? works_.live : works_.backlog;
  stats_.round_trip = now - began_;
  const OutboxBatch& batch = reader_.batch().batch();
  if (answer.ingest.mark == batch.last) return OnStored(now, work, answer);
  ++stats_.batches_moved;
  if (answer.ingest.mark == batch.first - 1) {
    Wait(now, absl::InternalError("the server stored nothing of a batch and gave no reason"), 0s);
  } else if (++fruitless_ > kMostFruitless) {
    Wait(now, absl::InternalError("the server moves its mark to and fro"), 0s);
  } else {
    OnMoved(now, work, answer.ingest.mark);
  }
}

void Sender::OnStored(TimePoint now, Work& work, const OutboxServer::Answer& answer) {
  const OutboxBatch& batch = reader_.batch().batch();
  const auto rows = static_cast<int64_t>(batch.rows.size());
  ++stats_.batches_ok;
  stats_.sent_rows += static_cast<uint64_t>(rows);
  stats_.resent_rows += resent_;
  stats_.rejected_rows += answer.ingest.rejected;
  for (const OutboxGap& gap : batch.gaps) {
    stats_.gap_numbers[static_cast<size_t>(gap.why)] += static_cast<uint64_t>(gap.numbers);
  }
  stats_.last_ack = Micros{platform_.UnixMicros()};
  size_.Took(static_cast<int>(rows), now - began_, options_.call_timeout);
  meter_.Learn(rows, meter_.link_bytes() - bytes_at_begin_);
  credit_ += rows;
  allowance_ = std::min(allowance_ + credit_ / kRowsForOne, kMostSetAside);
  credit_ %= kRowsForOne;
  back_off_.Succeeded();
  used_again_ = false;
  fruitless_ = 0;
  SetState(meter_.budget().IsOver() ? OutboxState::kBudget : OutboxState::kSending,
           absl::OkStatus());

  work.suspects = std::max<int64_t>(0, work.suspects - rows);
  work.row.sent = batch.last;
  work.row.acked = std::max(work.row.acked, batch.last);
  work.oldest = reader_.after();
  work.is_dirty = true;
  if (working_is_live_) {
    // Rows behind the batch have waited as long as its own; others came after it was read.
    if (reader_.after().seq == 0 && works_.newest <= batch.last) live_since_ = built_at_;
    works_.newest = std::max(works_.newest, batch.last);
  } else {
    works_.closed.waiting -= batch.last - batch.first + 1;
    if (work.row.IsFinished()) is_stale_ = true;
  }
  const absl::Status status = WriteStored();
  NoteLocal(now, status);
}

void Sender::OnMoved(TimePoint now, Work& work, int64_t mark) {
  work.suspects = work.bisect_end = 0;
  NoteLocal(now, Move(work.row, mark));
}

// ---- failures -------------------------------------------------------------------------------------

void Sender::OnFailure(TimePoint now, const OutboxServer::Answer& answer) {
  if (answer.is_unknown) ++stats_.batches_unknown;
  const bool was_slow =
      absl::IsDeadlineExceeded(answer.status) || now - began_ >= options_.call_timeout;
  if (was_slow) size_.WasTooSlow();
  switch (answer.hand) {
    case OutboxHand::kAgain:
      ++stats_.batches_again;
      if (!std::exchange(used_again_, true)) return;
      return Wait(now, answer.status, answer.not_before);
    case OutboxHand::kHold:
      ++stats_.batches_held;
      return Hold(now, answer.status, answer.has_no_schema);
    case OutboxHand::kSetAside:
      ++stats_.batches_set_aside;
      return OnRefusedRow(now, answer);
    case OutboxHand::kTooLarge:
      ++stats_.batches_too_large;
      if (reader_.batch().rows() <= 1) return OnRefusedRow(now, answer);
      return size_.WasTooLarge(static_cast<int>(reader_.batch().rows()));
    case OutboxHand::kNone:
    case OutboxHand::kWait:
      break;
  }
  ++stats_.batches_wait;
  Wait(now, answer.status, answer.not_before);
}

void Sender::OnRefusedRow(TimePoint now, const OutboxServer::Answer& answer) {
  Work& work = working_is_live_ ? works_.live : works_.backlog;
  const OutboxBatch& batch = reader_.batch().batch();
  if (batch.rows.empty()) return Wait(now, answer.status, answer.not_before);
  if (batch.rows.size() > 1) {
    work.suspects = static_cast<int64_t>(batch.rows.size());
    work.bisect_end = std::max(work.bisect_end, batch.last);
    return;
  }
  work.suspects = 0;
  PutAside(now, work, batch.rows[0].seq, answer.status);
}

void Sender::Wait(TimePoint now, const absl::Status& status, Duration not_before) {
  ++failures_;
  used_again_ = false;
  fruitless_ = 0;
  next_try_ = now + std::max(back_off_.Failed(now, spread_, chance_), not_before);
  SetState(OutboxState::kWaiting, status);
}

void Sender::Hold(TimePoint now, const absl::Status& status, bool has_no_schema) {
  ++failures_;
  used_again_ = false;
  next_try_ = now + options_.hold_every;
  const bool is_new = has_no_schema && !kept_.schema_seen;
  SetState(is_new ? OutboxState::kNoSchema : OutboxState::kHeld, status);
}

void Sender::SetState(OutboxState state, const absl::Status& status) {
  const bool is_change = !IsOfOneKind(state, state_);
  state_ = state;
  if (!status.ok() || !reason_.ok()) reason_ = status;
  if (is_change) Tell({.kind = OutboxEvent::Kind::kState, .state = state, .status = status});
}

void Sender::Tell(OutboxEvent event) const {
  if (options_.on_event.function == nullptr) return;
  if (event.kind != OutboxEvent::Kind::kState) event.state = state_;
  options_.on_event.function(options_.on_event.context, event);
}

// ---- the end, and what is to be seen --------------------------------------------------------------

absl::Status Sender::Drain(Deadline deadline) {
  draining_ = true;
  next_try_ = look_at_ = TimePoint::min();
  const uint64_t failures_before = failures_;
  absl::Status status;
  for (;;) {
    const TimePoint now = platform_.Now();
    if (call_ == Call::kNone && failures_ != failures_before) {
      status = reason_;
      break;
    }
    if (deadline.HasPassed(now)) {
      status = local_.ok() ? absl::DeadlineExceededError("time is up") : local_;
      break;
    }
    const TimePoint next = Turn(now);
    if (call_ == Call::kNone && has_looked_ && !is_stale_ && now < look_at_ &&
        works_.Waiting() == 0) {
      break;
    }
    if (next <= now) continue;
    std::array<DescriptorWait, 8> waits{};
    const size_t count = std::min(Descriptors(waits), waits.size());
    platform_.WaitForDescriptors({waits.data(), count}, std::min(Deadline::At(next), deadline));
  }
  draining_ = false;
  if (call_ == Call::kNone && !std::exchange(is_resting_, true)) server_.Rest();
  absl::Status written = WriteCounters();
  if (status.ok()) return written;
  return {status.code(), internal::Concat({std::to_string(works_.Waiting()),
                                           " wait, and stay: ", internal::MessageOf(status)})};
}

OutboxStats Sender::stats(TimePoint now) const {
  OutboxStats stats = stats_;
  stats.state = state_;
  stats.reason = reason_.ok() ? local_ : reason_;
  stats.waiting = works_.Waiting();
  const Work& oldest = works_.backlog.exists ? works_.backlog : works_.live;
  if (stats.waiting > 0 && oldest.oldest.seq != 0) {
    stats.oldest_age = std::max<Duration>(
        0s, std::chrono::microseconds(platform_.UnixMicros() - oldest.oldest.time.count));
  }
  stats.segments = static_cast<int>(works_.closed.unfinished) + (works_.LiveWaiting() > 0 ? 1 : 0);
  stats.month_bytes = meter_.budget().exists() ? meter_.budget().used() : 0;
  stats.batch_rows = size_.rows();
  stats.drained_in = drain_time_.Left(now, stats.waiting);
  if (IsAway(state_)) stats.next_try = next_try_;
  return stats;
}

}  // namespace roost::outbox
