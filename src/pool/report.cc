// report.cc - the pool in numbers and in words.

#include <algorithm>
#include <string_view>

#include "base/duration.h"
#include "base/text.h"
#include "pool/pool_state.h"

namespace roost::internal {
namespace {

using core::SlotState;

// "writer", "reader", or nothing where all are alike.
const char* RoleName(Role role) {
  switch (role) {
    case Role::kAny:
      return "connection";
    case Role::kWriter:
      return "writer";
    case Role::kReader:
      return "reader";
  }
  return "connection";
}

// What cannot be opened.
const char* AwayName(Role role) {
  switch (role) {
    case Role::kAny:
      return "database";
    case Role::kWriter:
      return "database (writer)";
    case Role::kReader:
      return "database (reader)";
  }
  return "database";
}

// The last part of a path is enough to find a line by.
const char* FileOf(const SourceLine& where) {
  const char* file = where.file;
  for (const char* c = where.file; *c != '\0'; ++c) {
    if (*c == '/') file = c + 1;
  }
  return file;
}

std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

Duration UntilRetry(const core::LaneCore& core, TimePoint now) {
  return std::max(core.retry_at() - now, Duration::zero());
}

}  // namespace

Stats PoolState::Snapshot() {
  if (Forked()) {
    // In the child the lock may be held for ever by a thread that only the parent has.
    Stats shape;
    shape.pool_size = settings_.pool_size;
    shape.max_overflow = settings_.max_overflow;
    shape.capacity = settings_.capacity();
    shape.closed = true;
    return shape;
  }
  Monitor monitor(mu_, *this, kBothLanes);
  const TimePoint now = platform_.Now();
  for (size_t lane = 0; lane < 2; ++lane) NoteHolders(lane, now);
  Stats stats = stats_;
  stats.peak_in_use = peak_[0] + peak_[1];
  for (const core::LaneCore& lane : lanes_) {
    stats.open += lane.open();
    stats.idle += lane.count(SlotState::kIdle);
    stats.in_use += lane.count(SlotState::kLeased);
    stats.busy += lane.count(SlotState::kOpening) + lane.count(SlotState::kPinging) +
                  lane.count(SlotState::kResetting) + lane.count(SlotState::kClosing);
    stats.waiting += lane.line().length();
    stats.away = stats.away || lane.away();
    for (const core::Slot& s : lane.slots()) {
      if (s.state == SlotState::kLeased) {
        stats.longest_hold = std::max(stats.longest_hold, now - s.lent);
      }
    }
  }
  stats.overflow_in_use = std::max(0, stats.open - stats.pool_size);
  return stats;
}

std::string_view PoolState::Report(std::span<char> out) {
  Text text(out);
  const Stats stats = Snapshot();
  text.Add("pool '", name_, "' (", backend_.kind(), ", profile ", settings_.profile,
           "): ", stats.in_use, " of ", stats.capacity, " in use, ", stats.idle, " idle, ",
           stats.busy, " busy, ", stats.waiting, " waiting", stats.paused ? ", paused" : "",
           stats.closed ? ", closed\n" : "\n");
  const uint64_t refused =
      stats.refused_full + stats.refused_away + stats.refused_nested + stats.refused_closed;
  text.Add("  ", stats.checkouts, " checkouts, ", stats.waited, " waited, ", stats.timeouts,
           " timeouts, ", refused, " refused; wait p99 ", Spoken{stats.wait.Percentile(0.99)},
           "\n");
  if (Forked()) return text.view();
  Monitor monitor(mu_, *this, kBothLanes);
  const TimePoint now = platform_.Now();
  for (size_t lane = 0; lane < 2; ++lane) NoteHolders(lane, now);
  AddHolders(text, now, "  ", "\n");
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) {
    for (const core::Waiter* w = lanes_[lane].line().front(); w != nullptr; w = w->next) {
      text.Add("  ", FileOf(w->where), ":", w->where.line, " waits for a ", RoleName(role_[lane]),
               " since ", Spoken{now - w->since}, "\n");
    }
    AddAway(text, lane, now);
  }
  return text.view();
}

// Who holds what since when.
void PoolState::AddHolders(Text& text, TimePoint now, const char* before, const char* after) const {
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) {
    for (const core::Slot& s : lanes_[lane].slots()) {
      if (s.state != SlotState::kLeased) continue;
      text.Add(before, RoleName(role_[lane]), " held by ", FileOf(s.where), ":", s.where.line,
               s.lent_earlier ? " for at least " : " for ", Spoken{now - s.lent}, after);
    }
  }
}

// What went wrong last with opening, and when it is tried again.
void PoolState::AddAway(Text& text, size_t lane, TimePoint now) const {
  if (last_error_[lane].ok()) return;
  const core::LaneCore& core = lanes_[lane];
  const std::string_view message = MessageOf(last_error_[lane]);
  if (core.failures() == 0) {
    text.Add("  last failed open of a ", RoleName(role_[lane]), " ", Spoken{now - failed_at_[lane]},
             " ago: ", message, "\n");
    return;
  }
  text.Add("  ", AwayName(role_[lane]), " away since ", Spoken{now - away_since_[lane]},
           ", last error: ", message, ", next try in ", Spoken{UntilRetry(core, now)}, "\n");
}

std::string_view PoolState::Explain(const absl::Status& refusal, Duration asked,
                                    std::span<char> out) {
  Text text(out);
  if (Forked()) {
    text.Add(MessageOf(forked_));
    return text.view();
  }
  Monitor monitor(mu_, *this, kBothLanes);
  const TimePoint now = platform_.Now();
  for (size_t lane = 0; lane < 2; ++lane) NoteHolders(lane, now);
  if (refusal == timeout_default_ || refusal == timeout_deadline_) {
    text.Add("QueuePool limit of size ", settings_.pool_size, " overflow ", settings_.max_overflow,
             " reached, connection timed out, timeout ", Seconds{asked});
  } else {
    text.Add(MessageOf(refusal));
  }
  AddHolders(text, now, "; ", "");
  text.Add("; ", Waiting(), " waiting");
  if (stats_.paused) text.Add("; paused");
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) {
    const core::LaneCore& core = lanes_[lane];
    if (core.failures() == 0) continue;
    text.Add("; ", AwayName(role_[lane]), " away since ", Spoken{now - away_since_[lane]});
    if (refusal != last_error_[lane]) text.Add(", last error: ", MessageOf(last_error_[lane]));
    text.Add(", next try in ", Spoken{UntilRetry(core, now)});
  }
  return text.view();
}

}  // namespace roost::internal
