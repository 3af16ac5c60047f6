#include "tools/roost-node/remote.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "backends/common/password.h"
#include "base/backoff.h"
#include "platform/rpi/board_health.h"
#include "tools/common/make_backend.h"
#include "tools/common/text.h"
#include "tools/roost-node/pool_status.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

// Between two tries of one heartbeat; doubles.
constexpr Duration kRetryMin = 1s;

int CheckedEvent(int event) {
  if (event < 0)
    throw std::system_error(EMFILE, std::generic_category(), "no descriptor for an event");
  return event;
}

// The link or the server, rather than what was asked of it.
bool IsAway(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsUnknown(status);
}

DatabaseKind KindOf(const std::string& uri) {
  const auto address = ParseAddress(uri, DatabaseKind::kPostgres);
  return address.has_value() ? address->kind : DatabaseKind::kPostgres;
}

// SQLSTATEs of a server without the schema roost.
constexpr std::string_view kNoSuchSchema = "3F000";
constexpr std::string_view kNoSuchFunction = "42883";

int64_t Signed(uint64_t count) { return static_cast<int64_t>(count); }

}  // namespace

const char* Remote::Name(State state) {
  switch (state) {
    case State::kConnecting:
      return "connecting";
    case State::kUp:
      return "up";
    case State::kRefusing:
      return "refusing";
    case State::kAway:
      return "away";
  }
  return "";
}

Remote::Remote(const Settings& settings, Platform& platform, Messages& messages)
    : settings_(settings),
      platform_(platform),
      messages_(messages),
      sql_(HeartbeatSqlOf(KindOf(settings.uri))),
      event_(CheckedEvent(platform.OpenEvent())),
      backend_(MakeRemoteBackend(settings.uri, {.setup = std::string(sql_.on_connect),
                                                .application_name = "roost-node@" + settings.name,
                                                .address_file = settings.address_file,
                                                .password_file = settings.password_file})),
      pool_(*backend_,
            {.name = "remote",
             .observer = this,
             .platform = &platform,
             .on_work = {.function = [](void* self) { static_cast<Remote*>(self)->Signal(); },
                         .context = this}}),
      queue_(
          {.function = [](void* self) { static_cast<Remote*>(self)->Signal(); }, .context = this},
          &platform),
      since_(platform.Now()) {}

Remote::~Remote() {
  // Before the members that OnEvent writes are gone.
  Close(Deadline::Past());
  platform_.CloseEvent(event_);
}

void Remote::Signal() { platform_.SignalEvent(event_); }

absl::Status Remote::Start() {
  const TimePoint now = platform_.Now();
  next_beat_ = now;
  Request(now);
  next_tick_ = pool_.Tick(now);
  if (absl::IsInvalidArgument(first_error_)) return first_error_;
  return absl::OkStatus();
}

void Remote::Turn(TimePoint now, const Heartbeat& heartbeat) {
  platform_.ClearEvent(event_);
  next_tick_ = pool_.Tick(now);
  next_run_ = queue_.Run(now);
  if (std::exchange(granted_, false)) Send(now, heartbeat);
  if (acquire_.pending() || now < std::min(next_beat_, retry_at_)) return;
  Request(now);
  next_run_ = queue_.Run(now);  // knows the new one's deadline
  if (granted_) Signal();
}

// Stands in line for the heartbeat that is due, until the next one is.
void Remote::Request(TimePoint now) {
  if (now >= next_beat_) {
    ++seq_;
    const auto passed = (now - next_beat_) / settings_.heartbeat;
    next_beat_ += (passed + 1) * settings_.heartbeat;
    retry_pause_ = Duration::zero();
  }
  due_ = true;
  retry_at_ = TimePoint::max();
  granted_ = acquire_.Start(
      queue_, pool_, {.deadline = Deadline::At(next_beat_)},
      [](void* self) { static_cast<Remote*>(self)->granted_ = true; }, this);
  if (granted_) Signal();  // the loop comes back at once
}

void Remote::Send(TimePoint now, const Heartbeat& heartbeat) {
  absl::StatusOr<Lease> lease = acquire_.Take();
  if (!lease.ok()) return OnFailure(now, State::kAway, lease.status());
  (*lease)->set_deadline(Deadline::After(now, kWithin));
  if (const absl::Status status = Insert(*lease, heartbeat); !status.ok()) {
    lease->Return();
    return OnFailure(platform_.Now(), IsAway(status) ? State::kAway : State::kRefusing, status);
  }
  ++sent_;
  due_ = false;
  sent_at_ = platform_.Now();
  SetState(State::kUp, sent_at_, absl::OkStatus());
}

// To the schema roost, which knows the node by its token.
absl::Status Remote::Beat(Lease& lease, const Heartbeat& beat) {
  const absl::StatusOr<std::string> token = backends::ReadPasswordFile(settings_.token_file);
  if (!token.ok()) return token.status();
  return lease.Run(sql_.beat, std::string_view(settings_.name), std::string_view(*token),
                   int64_t{settings_.epoch}, std::string_view(settings_.version),
                   int64_t{beat.uptime / std::chrono::seconds(1)}, Signed(beat.taken),
                   Signed(beat.sealed), Signed(beat.waiting), Signed(beat.dropped));
}

absl::Status Remote::Insert(Lease& lease, const Heartbeat& beat) {
  if (!settings_.token_file.empty() && beat.has_schema) {
    absl::Status status = Beat(lease, beat);
    const std::string code = ServerCode(status);
    if (code != kNoSuchSchema && code != kNoSuchFunction) return status;
  }
  const auto run = [&] {
    return lease.Run(sql_.insert, std::string_view(settings_.name), int64_t{settings_.epoch}, seq_,
                     platform_.UnixMicros(), WallClockIsSynchronised(),
                     std::string_view(settings_.version), InSeconds(beat.uptime),
                     Signed(beat.taken), Signed(beat.sealed), Signed(beat.waiting),
                     Signed(beat.dropped));
  };
  absl::Status status = run();
  if (!status.ok() && !sql_.create.empty() && ServerCode(status) == sql_.no_table) {
    status = lease.RunScript(sql_.create);
    if (status.ok()) status = run();
  }
  // It was sent before, and the answer was lost.
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

void Remote::OnFailure(TimePoint now, State state, const absl::Status& why) {
  ++failed_;
  retry_pause_ = internal::NextPause(retry_pause_, kRetryMin, Duration::max());
  retry_at_ = now + retry_pause_;
  // The end of the wait says less than the open that failed meanwhile.
  if (absl::IsDeadlineExceeded(why) && state_ == State::kAway) return;
  SetState(state, now, why);
}

void Remote::OnEvent(const Event& event) {
  if (settings_.events != nullptr) settings_.events->OnEvent(event);
  if (closing_) return;
  // A connection alone is no sign that rows arrive: kUp is for a heartbeat that was confirmed.
  if (event.kind == EventKind::kConnectFailed && event.status != nullptr) {
    if (pool_.stats().opens == 0 && first_error_.ok()) first_error_ = *event.status;
    next_try_ = event.at + event.span;
    SetState(State::kAway, event.at, *event.status);
  }
}

// The one writer of the state. Says so when it changes, not each time that it is confirmed; and once
// each other cause that does not pass by itself.
void Remote::SetState(State state, TimePoint now, const absl::Status& why) {
  if (!why.ok()) {
    // What libpq advises stands on lines of its own, and helps nobody who knows the address.
    const std::string_view message = MessageOf(why);
    last_error_ = TextLine(WithoutTarget(message.substr(0, message.find('\n'))));
    error_at_ = now;
  }
  const uint32_t cause = uint32_t{1} << static_cast<unsigned>(why.code());
  const std::string target(backend_->target());
  if (state == state_) {
    const bool passes = why.ok() || absl::IsUnavailable(why) || absl::IsDeadlineExceeded(why);
    if (passes || settings_.events_are_told || (told_causes_ & cause) != 0) return;
    told_causes_ |= cause;
    messages_.Warn("remote %s: %s", target.c_str(), Text(now).c_str());
    return;
  }
  told_causes_ = cause;
  const State before = std::exchange(state_, state);
  const Duration lasted = now - std::exchange(since_, now);
  ++changes_;
  if (settings_.events_are_told && (state == State::kAway || before == State::kAway)) return;
  if (state != State::kUp) {
    messages_.Warn("remote %s: %s", target.c_str(), Text(now).c_str());
  } else if (before == State::kConnecting) {
    messages_.Progress("remote %s: connected", target.c_str());
  } else {
    messages_.Say("remote %s: up again after %s", target.c_str(), FormatDuration(lasted).c_str());
  }
}

// The error without the name of the server, which is said before it.
std::string_view Remote::WithoutTarget(std::string_view message) const {
  const std::string_view target = backend_->target();
  if (message.starts_with(target) && message.substr(target.size()).starts_with(": ")) {
    message.remove_prefix(target.size() + 2);
  }
  return message;
}

TextLine Remote::Text(TimePoint now) const {
  TextLine text(Name(state_));
  if (state_ == State::kUp || state_ == State::kConnecting) return text;
  if (now - since_ >= 1s) text.Add(" for ", Brief{now - since_});
  text.Add(": ", last_error_);
  if (state_ == State::kAway && next_try_ > now) {
    text.Add("; next try in ", Brief{next_try_ - now});
  }
  return text;
}

TimePoint Remote::next() const {
  const TimePoint ask = acquire_.pending() ? TimePoint::max() : std::min(next_beat_, retry_at_);
  return std::min({next_tick_, next_run_, ask});
}

size_t Remote::Descriptors(std::span<DescriptorWait> out) const {
  out[0] = {.fd = event_, .wanted = {.readable = true}};
  return 1 + static_cast<size_t>(pool_.Descriptors(out.subspan(1)));
}

void Remote::Close(Deadline deadline) {
  closing_ = true;
  acquire_.Cancel();
  granted_ = false;
  const absl::Status closed = pool_.Close(deadline);
  if (!closed.ok()) messages_.Warn("closing the remote: %s", closed.ToString().c_str());
}

void Remote::ToStatus(telemetry::RemoteStatus& status) const {
  const TimePoint now = platform_.Now();
  const auto boot_us = [&](TimePoint at) { return BootMicrosAt(now, at); };
  const bool trying = state_ == State::kAway && next_try_ > now;
  status.state = Name(state_);
  status.since_boot_us = boot_us(since_);
  status.last_error = std::string_view(last_error_);
  status.last_error_boot_us = last_error_.empty() ? 0 : boot_us(error_at_);
  status.next_try_boot_us = trying ? boot_us(next_try_) : 0;
  status.heartbeats = sent_;
  status.failed_heartbeats = failed_;
  status.heartbeats_waiting = due_ ? 1 : 0;
  status.heartbeat_boot_us = sent_ > 0 ? boot_us(sent_at_) : 0;
  tools::ToStatus(pool_, status.pool);
}

}  // namespace roost::tools
