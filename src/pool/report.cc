// report.cc - the pool in numbers and in words.

#include <algorithm>
#include <array>
#include <cinttypes>

#include "pool/pool_state.h"
#include "pool/text.h"

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
  text.Add("pool '%s' (%.*s, profile %s): %d of %d in use, %d idle, %d busy, %d waiting%s%s\n",
           name_, static_cast<int>(backend_.kind().size()), backend_.kind().data(),
           settings_.profile, stats.in_use, stats.capacity, stats.idle, stats.busy, stats.waiting,
           stats.paused ? ", paused" : "", stats.closed ? ", closed" : "");
  const uint64_t refused =
      stats.refused_full + stats.refused_away + stats.refused_nested + stats.refused_closed;
  text.Add("  %" PRIu64 " checkouts, %" PRIu64 " waited, %" PRIu64 " timeouts, %" PRIu64
           " refused; wait p99 ",
           stats.checkouts, stats.waited, stats.timeouts, refused);
  text.AddSpan(stats.wait.Percentile(0.99));
  text.Add("\n");
  if (Forked()) return text.view();
  Monitor monitor(mu_, *this, kBothLanes);
  const TimePoint now = platform_.Now();
  for (size_t lane = 0; lane < 2; ++lane) NoteHolders(lane, now);
  AddHolders(text, now, "  ", "\n");
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) {
    for (const core::Waiter* w = lanes_[lane].line().front(); w != nullptr; w = w->next) {
      text.Add("  %s:%d waits for a %s since ", FileOf(w->where), w->where.line,
               RoleName(role_[lane]));
      text.AddSpan(now - w->since);
      text.Add("\n");
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
      text.Add("%s%s held by %s:%d for %s", before, RoleName(role_[lane]), FileOf(s.where),
               s.where.line, s.lent_earlier ? "at least " : "");
      text.AddSpan(now - s.lent);
      text.Add("%s", after);
    }
  }
}

// What went wrong last with opening, and when it is tried again.
void PoolState::AddAway(Text& text, size_t lane, TimePoint now) const {
  if (last_error_[lane].ok()) return;
  const core::LaneCore& core = lanes_[lane];
  const std::string_view message(last_error_[lane].message().data(),
                                 last_error_[lane].message().size());
  if (core.failures() == 0) {
    text.Add("  last failed open of a %s ", RoleName(role_[lane]));
    text.AddSpan(now - failed_at_[lane]);
    text.Add(" ago: %.*s\n", static_cast<int>(message.size()), message.data());
    return;
  }
  text.Add("  %s away since ", AwayName(role_[lane]));
  text.AddSpan(now - away_since_[lane]);
  text.Add(", last error: %.*s, next try in ", static_cast<int>(message.size()), message.data());
  text.AddSpan(std::max(core.retry_at() - now, Duration::zero()));
  text.Add("\n");
}

std::string_view PoolState::Explain(const absl::Status& refusal, Duration asked,
                                    std::span<char> out) {
  Text text(out);
  if (Forked()) {
    text.Add(std::string_view(forked_.message().data(), forked_.message().size()));
    return text.view();
  }
  Monitor monitor(mu_, *this, kBothLanes);
  const TimePoint now = platform_.Now();
  for (size_t lane = 0; lane < 2; ++lane) NoteHolders(lane, now);
  if (refusal == timeout_default_ || refusal == timeout_deadline_) {
    text.Add("QueuePool limit of size %d overflow %d reached, connection timed out, timeout %.2f",
             settings_.pool_size, settings_.max_overflow, Seconds(asked));
  } else {
    text.Add(std::string_view(refusal.message().data(), refusal.message().size()));
  }
  AddHolders(text, now, "; ", "");
  text.Add("; %d waiting", Waiting());
  if (stats_.paused) text.Add("; paused");
  for (size_t lane = 0; lane < static_cast<size_t>(lane_count_); ++lane) {
    const core::LaneCore& core = lanes_[lane];
    if (core.failures() == 0) continue;
    text.Add("; %s away since ", AwayName(role_[lane]));
    text.AddSpan(now - away_since_[lane]);
    if (refusal != last_error_[lane]) {
      text.Add(", last error: %.*s", static_cast<int>(last_error_[lane].message().size()),
               last_error_[lane].message().data());
    }
    text.Add(", next try in ");
    text.AddSpan(std::max(core.retry_at() - now, Duration::zero()));
  }
  return text.view();
}

}  // namespace roost::internal
