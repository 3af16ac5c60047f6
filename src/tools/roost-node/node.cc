#include "tools/roost-node/node.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/backoff.h"
#include "tools/roost-node/card.h"
#include "tools/roost-node/sensors.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

// Pause after a refusal; doubles with each that follows.
constexpr Duration kRetryMin = 100ms;
constexpr Duration kRetryMax = 10s;
// Drivers come late, and are unloaded and loaded again.
constexpr Duration kLookForSensors = 1min;
// A wait of this length was one, and no look.
constexpr Duration kWaited = 1ms;
// Between two looks for an input that has ended; between two looks whether another pipe has taken its
// name, at turns that come anyway.
constexpr Duration kReopenEvery = 100ms;
constexpr Duration kLookForAnother = 5s;
// What a pipe holds, by pipe(7).
constexpr size_t kPipeBytes = 65536;

constexpr size_t kOfRemote = Remote::kMostDescriptors;
constexpr size_t kOfForward = Forward::kMostDescriptors;
static_assert(kOfRemote + kOfForward + 1 + StatusServer::kMaxClients + Power::kMostDescriptors <=
              Wakeup::kMostOthers);

static_assert(Watchdog::kSealBound > kRetryMax + Node::kTurnWithin,
              "a database that refuses must not look like one that is not asked");

}  // namespace

Node::Node(const Parts& parts, const absl::Status& usable)
    : options_(parts.options),
      pool_(parts.pool),
      platform_(parts.pool.platform()),
      board_(parts.board),
      store_(parts.store),
      messages_(parts.messages),
      wakeup_(parts.wakeup),
      reporter_(parts.reporter),
      retention_(parts.retention),
      remote_(parts.remote),
      forward_(parts.forward),
      status_(parts.status),
      input_(STDIN_FILENO),
      lines_(STDIN_FILENO),
      buffer_(static_cast<size_t>(parts.options.buffer)),
      power_(parts.power, parts.options.power_hold),
      usable_(usable.ok()),
      refused_(MessageOf(usable)) {}

Node::Ending Node::Run() {
  start_ = platform_.Now();
  end_ = Deadline::After(start_, options_.run_for).time();
  if (!options_.from_stdin) next_sample_ = start_;
  lines_.SeenEmpty(start_);
  for (TimePoint now = start_; !IsOver(now); now = platform_.Now()) {
    Take(now);
    const bool stored = Work(now);
    Publish(platform_.Now());
    // A batch made room: there may be lines that were read before and not taken.
    const bool more = stored && options_.from_stdin;
    Sleep(more ? Deadline::Past() : NextWakeup(), WantsInput());
  }
  Finish();
  return ending_;
}

// What writes to the card. Whether a batch was stored.
bool Node::Work(TimePoint now) {
  LookAtPower(now);
  bool stored = false;
  if (power_.good()) {
    if (!usable_ && now >= retry_at_) CheckAgain(now);
    if (IsSealDue(now)) stored = TrySeal();
    seal_now_ = seal_now_ && !buffer_.empty();
    if (usable_ && retention_.IsDue(now)) {
      const TimePoint start = platform_.Now();
      retention_.Turn(start, Deadline::After(start, kStoreWithin),
                      Deadline::After(start, kLockWithin));
    }
    if (now >= next_tick_) next_tick_ = pool_.Tick(platform_.Now());
  } else if (power_.sealing()) {
    SealAtOnce(now);
  }
  return stored;
}

void Node::LookAtPower(TimePoint now) {
  const bool was_good = power_.good();
  power_.Look(now);
  if (power_.good() == was_good) return;
  dark_.clear();
  if (was_good) {
    dark_.Add("the power fails (", Power::Name(power_.cause()),
              "), and nothing is written until it is good again");
    // Of a database that refuses now it is asked once more. What is not sealed is due afterwards.
    retry_at_ = TimePoint::min();
    locked_since_ = TimePoint::max();
    to_seal_ = buffer_.size();
    seal_now_ = true;
    counts_.power_failures = power_.failures();
  } else {
    messages_.PowerIsGood(now - power_.since(), buffer_.size());
  }
}

// The power fails: seals what was in memory then, a batch a turn. A database that refuses is not asked
// again, and one that another process holds as long as ever.
void Node::SealAtOnce(TimePoint now) {
  if (now < retry_at_) return;
  if (!usable_) to_seal_ = 0;
  if (to_seal_ > 0) {
    const uint64_t refused = counts_.refused;
    const size_t before = buffer_.size();
    if (TrySeal()) {
      to_seal_ -= std::min(to_seal_, before - buffer_.size());
    } else if (counts_.refused == refused) {
      return;
    } else {
      to_seal_ = 0;
    }
  }
  if (to_seal_ > 0) return;
  power_.Sealed();
  messages_.PowerFails(Power::Name(power_.cause()), buffer_.size(),
                       platform_.Now() - power_.since());
}

// A connection that is opened while the power fails may write the server's address to the card.
bool Node::RemoteWorks() const { return remote_ != nullptr && (power_.good() || remote_->is_up()); }

// What it notes of the server's answers is written to the card.
bool Node::Forwards() const { return forward_ != nullptr && usable_ && power_.good(); }

// The remote, systemd, and the operators.
void Node::Publish(TimePoint now) {
  if (RemoteWorks()) {
    remote_->Turn(now, {.uptime = now - start_,
                        .taken = counts_.taken,
                        .sealed = counts_.stored,
                        .waiting = buffer_.size(),
                        .dropped = counts_.dropped,
                        .has_schema = forward_ == nullptr || forward_->has_schema()});
  }
  if (Forwards()) {
    const TimePoint start = platform_.Now();
    forward_->Turn(start);
    retention_.set_waiting(forward_->waiting(start));
  }
  reporter_.Turn(platform_.Now(), Facts());
  if (status_ != nullptr) next_answer_ = status_->Serve(platform_.Now());
}

NodeFacts Node::Facts() const {
  return {.counts = counts_,
          .waiting = buffer_.size(),
          .most_waiting = most_waiting_,
          .buffer = buffer_.capacity(),
          .ready = usable_,
          .refused = power_.good() ? refused_ : static_cast<std::string_view>(dark_),
          .power = {.state = power_.state(),
                    .cause = power_.cause(),
                    .since = power_.since(),
                    .failures = power_.failures()},
          // Nothing is due while nothing may be written.
          .progress = {.due = buffer_.empty() || !power_.good() ? TimePoint::max() : seal_due_,
                       .answered = answered_at_},
          .last_seal = last_seal_};
}

bool Node::IsOver(TimePoint now) {
  if (signalled_) {
    ending_ = Ending::kSignal;
  } else if (now >= end_) {
    ending_ = Ending::kTime;
  } else if (options_.from_stdin && lines_.AtEnd() && !input_.ComesBack()) {
    ending_ = Ending::kEndOfInput;
  } else {
    return false;
  }
  return true;
}

void Node::Take(TimePoint now) {
  if (now >= next_sample_) TakeFromBoard(now);
  if (!options_.from_stdin) return;
  OpenInputAgain(now);
  TakeLines(now, std::exchange(input_ready_, false));
}

// A producer that restarts, or a serial adapter that is plugged in again, is read on.
void Node::OpenInputAgain(TimePoint now) {
  if (!input_.ComesBack()) return;
  if (lines_.AtEnd()) {
    if (now < reopen_at_) return;
    messages_.InputEnded(input_.path());
    reopen_at_ = now + kReopenEvery;
  } else {
    if (now < look_at_) return;
    look_at_ = now + kLookForAnother;
    if (lines_.HasPartial() || !input_.IsReplaced()) return;
  }
  if (!input_.Reopen()) return;
  input_ready_ = false;
  lines_.Resume();
}

void Node::TakeFromBoard(TimePoint now) {
  if (now >= next_look_) {
    board_.LookAgain();
    next_look_ = now + kLookForSensors;
  }
  const int implausible =
      ReadSensors(board_, platform_, [&](const Reading& reading) { Buffer(now, reading); });
  if (implausible > 0) {
    counts_.implausible += static_cast<uint64_t>(implausible);
    messages_.Implausible(counts_.implausible);
  }
  // The times stay on one grid; those that have passed meanwhile are not made up for.
  const auto passed = (now - next_sample_) / options_.every;
  counts_.missed += static_cast<uint64_t>(passed);
  next_sample_ += (passed + 1) * options_.every;
}

// Takes lines while there is room for readings; reads once when `readable`.
void Node::TakeLines(TimePoint now, bool readable) {
  while (!buffer_.full()) {
    if (const auto line = lines_.Next()) {
      TakeLine(now, *line);
    } else if (readable) {
      readable = false;
      lines_.ReadMore(now);
    } else {
      return;
    }
  }
}

void Node::TakeLine(TimePoint now, std::string_view line) {
  ParsedLine parsed;
  if (lines_.too_long()) {
    parsed.kind = ParsedLine::Kind::kBad;
    parsed.wrong.Add("it is longer than ", LineReader::kMostBytes,
                     " bytes; write one reading a line");
  } else {
    parsed = ParseLine(line);
    StampLine(parsed);
  }
  if (parsed.kind == ParsedLine::Kind::kReading) {
    Buffer(now, parsed.reading);
  } else if (parsed.kind == ParsedLine::Kind::kBad) {
    ++counts_.bad_lines;
    messages_.BadLine(lines_.number(), parsed.wrong);
  }
}

// The line's own time counts where it has one; else it is the moment at which the line is taken,
// and late when the line may have waited.
void Node::StampLine(ParsedLine& parsed) {
  if (parsed.kind != ParsedLine::Kind::kReading) return;
  Reading taken;
  Stamp(platform_, taken);
  if (taken.synced) RefuseFuture(parsed, taken.wall_us);
  Reading& reading = parsed.reading;
  reading.boot_us = taken.boot_us;
  reading.synced = taken.synced;
  if (reading.source == TimeSource::kLine) return;
  reading.wall_us = taken.wall_us;
  const Duration waited = platform_.Now() - lines_.not_before();
  reading.source = waited > kLateAfter ? TimeSource::kLate : TimeSource::kArrival;
  if (reading.source != TimeSource::kLate) return;
  ++counts_.late;
  messages_.Late(waited);
}

void Node::Buffer(TimePoint now, const Reading& reading) {
  if (buffer_.empty()) seal_due_ = Deadline::After(now, options_.seal_every).time();
  counts_.dropped += buffer_.Push(reading);
  ++counts_.taken;
  most_waiting_ = std::max(most_waiting_, buffer_.size());
}

bool Node::IsSealDue(TimePoint now) const {
  if (buffer_.empty() || !usable_ || now < retry_at_) return false;
  return seal_now_ || now >= seal_due_ || buffer_.size() >= static_cast<size_t>(options_.batch);
}

// A database that could not be used at the start may be usable now.
void Node::CheckAgain(TimePoint now) {
  // Until the next sample; or a little more each time, for a card on which opening takes longer.
  const Duration within = next_sample_ == TimePoint::max() ? kStoreWithin : next_sample_ - now;
  absl::Status usable = CheckCard(options_.db);
  if (usable.ok()) {
    usable = store_.Check(Deadline::After(now, std::clamp(within, check_within_, kStoreWithin)));
  }
  check_within_ = std::min(2 * check_within_, kStoreWithin);
  if (usable.ok()) {
    Answered(platform_.Now());
  } else {
    retention_.Refused(usable);
    Refused(platform_.Now(), usable);
  }
}

// As many readings as the database may take now; 0: room for them is being made.
absl::StatusOr<size_t> Node::SealWhatFits(TimePoint start) {
  const Deadline deadline = Deadline::After(start, kStoreWithin);
  const Deadline lock = Deadline::After(start, kLockWithin);
  const size_t most = std::min(buffer_.size(), static_cast<size_t>(options_.batch));
  const absl::StatusOr<size_t> fits = retention_.MakeRoom(most, deadline, lock);
  if (!fits.ok() || *fits == 0) return fits;
  absl::StatusOr<size_t> stored = store_.Seal(buffer_, *fits, deadline, lock);
  if (stored.ok()) retention_.Sealed(*stored);
  return stored;
}

bool Node::NotSealed(TimePoint start, TimePoint now, const absl::Status& status) {
  if (IsStillLocked(start, now, status)) return false;
  ++counts_.refused;
  retention_.Refused(status);
  Refused(now, status);
  return false;
}

// One batch; false when it was refused.
bool Node::TrySeal() {
  const TimePoint start = platform_.Now();
  const absl::StatusOr<size_t> stored = SealWhatFits(start);
  const TimePoint now = platform_.Now();
  if (!stored.ok()) return NotSealed(start, now, stored.status());
  if (*stored == 0) {
    // The database answers, and the next turn goes on.
    answered_at_ = now;
    return false;
  }
  counts_.stored += *stored;
  ++counts_.batches;
  last_seal_ = telemetry::SealStatus{.boot_us = BootMicros(),
                                     .unix_us = platform_.UnixMicros(),
                                     .count = *stored,
                                     .took = now - start};
  seal_due_ = Deadline::After(now, options_.seal_every).time();
  seal_now_ = seal_now_ && !buffer_.empty();
  Answered(now);
  if (forward_ != nullptr) forward_->Sealed(now);
  messages_.Sealed(counts_, *stored, buffer_.size(), now - start);
  return true;
}

// Another process holds the database, and has not for long: it is asked again soon, and nothing is
// said.
bool Node::IsStillLocked(TimePoint start, TimePoint now, const absl::Status& status) {
  if (!absl::IsDeadlineExceeded(status)) return false;
  locked_since_ = std::min(locked_since_, start);
  if (now - locked_since_ >= kStoreWithin) return false;
  retry_at_ = now + kLockWithin;
  return true;
}

void Node::Answered(TimePoint now) {
  locked_since_ = TimePoint::max();
  usable_ = true;
  answered_at_ = now;
  refused_.clear();
  retry_pause_ = Duration::zero();
  retry_at_ = TimePoint::min();
  messages_.Accepted(buffer_.size());
}

void Node::Refused(TimePoint now, const absl::Status& status) {
  locked_since_ = TimePoint::max();
  answered_at_ = now;
  refused_ = decltype(refused_)(MessageOf(status));
  retry_pause_ = internal::NextPause(retry_pause_, kRetryMin, kRetryMax);
  retry_at_ = now + retry_pause_;
  messages_.Refused(status, buffer_.size(), buffer_.capacity());
}

Deadline Node::NextWakeup() const {
  TimePoint next = std::min({end_, next_sample_, reporter_.next(), next_answer_, power_.next()});
  if (RemoteWorks()) next = std::min(next, remote_->next());
  if (Forwards()) next = std::min(next, forward_->next());
  if (options_.from_stdin && lines_.AtEnd()) next = std::min(next, reopen_at_);
  if (!power_.good()) {
    return Deadline::At(power_.sealing() ? std::min(next, retry_at_) : next);
  }
  next = std::min(next, next_tick_);
  if (usable_ && retention_.IsBusy()) return Deadline::Past();
  if (!usable_) {
    next = std::min(next, retry_at_);
  } else if (!buffer_.empty()) {
    const bool now = seal_now_ || buffer_.size() >= static_cast<size_t>(options_.batch);
    next = std::min(next, std::max(now ? TimePoint::min() : seal_due_, retry_at_));
  }
  return Deadline::At(next);
}

void Node::Sleep(Deadline deadline, bool want_input) {
  std::array<DescriptorWait, Wakeup::kMostOthers> others;
  size_t count = 0;
  if (!finishing_) {
    count = power_.Descriptors(others);
    if (RemoteWorks()) count += remote_->Descriptors(std::span(others).subspan(count, kOfRemote));
    if (Forwards()) count += forward_->Descriptors(std::span(others).subspan(count, kOfForward));
    if (status_ != nullptr) {
      count += static_cast<size_t>(status_->Descriptors(std::span(others).subspan(count)));
    }
  }
  const TimePoint asleep = platform_.Now();
  const Wakeup::Seen seen = wakeup_.Wait(deadline, want_input, {others.data(), count});
  const TimePoint awake = platform_.Now();
  input_ready_ = seen.input;
  // Who waited was woken by the first byte, unless something stopped the whole process.
  const bool waited = awake - asleep > kWaited && !deadline.HasPassed(awake - kWaited);
  if (want_input && (!seen.input || waited)) lines_.SeenEmpty(awake);
  if (seen.signal == SIGPWR) {
    power_.OnPowerSignal(awake);
  } else if (seen.signal == SIGHUP) {
    power_.OnHangUp();
    seal_now_ = true;
    if (forward_ != nullptr) forward_->Retry(awake);
  } else if (seen.signal == SIGUSR1) {
    Report(pool_);
    if (remote_ != nullptr) Report(remote_->pool());
  } else if (seen.signal != 0) {
    signalled_ = true;
  }
}

// A line each, so that each has its severity in the journal.
void Node::Report(const Pool& pool) {
  std::array<char, 4096> buffer;
  std::string_view rest = pool.Report(buffer);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    messages_.Say("%.*s", static_cast<int>(end), rest.data());
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

// Seals everything that was taken or is in the pipe, also where the power has failed: whoever ends the
// node in order has the power for that. A database that refuses is waited for, but not for ever, and
// not after another signal.
void Node::Finish() {
  const Deadline deadline = Deadline::After(platform_.Now(), kFinishWithin);
  finishing_ = true;
  reporter_.Stopping(platform_.Now(), Facts());
  signalled_ = false;
  retry_pause_ = Duration::zero();
  // A pipe holds so much; a producer that goes on writing does not hold up the end.
  size_t reads_left = kPipeBytes / LineReader::kBufferBytes;
  for (TimePoint now = platform_.Now(); !signalled_ && !deadline.HasPassed(now);
       now = platform_.Now()) {
    TakeLines(now, std::exchange(input_ready_, false));
    if (!buffer_.empty() && !TrySeal()) {
      Sleep(std::min(Deadline::At(retry_at_), deadline), false);
    } else if (buffer_.empty()) {
      if (!options_.from_stdin || lines_.AtEnd() || reads_left-- == 0) break;
      Sleep(Deadline::Past(), true);
      if (!input_ready_) break;
    }
    reporter_.Turn(platform_.Now(), Facts());
  }
  if (forward_ != nullptr && usable_) forward_->Finish(platform_.Now());
  CountWhatIsLeft();
  if (counts_.lost > 0) {
    messages_.Fail("%llu readings are lost: the database refused them until the end",
                   static_cast<unsigned long long>(counts_.lost));
  }
}

// Readings that were not stored, also those in lines that were read and found no room.
void Node::CountWhatIsLeft() {
  counts_.lost = buffer_.size();
  if (!options_.from_stdin) return;
  while (const auto line = lines_.Next()) {
    if (ParseLine(*line).kind != ParsedLine::Kind::kReading) continue;
    ++counts_.taken;
    ++counts_.lost;
  }
  if (!lines_.HasPartial()) return;
  ++counts_.bad_lines;
  messages_.BadLine(lines_.number() + 1, "it was not complete when the program was ended");
}

}  // namespace roost::tools
