// pool/report.cc - copies what is going on under the lock, and formats it after that.

#include "pool/report.h"

#include <algorithm>
#include <array>

#include "base/duration.h"
#include "base/text.h"
#include "roost/next_step.h"

namespace roost::internal {
namespace {

using core::SlotState;

// "writer", "reader", or "connection" where all are alike.
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

// A lease, or a waiter.
struct HoldInfo {
  SourceLine where;
  Duration span{};
  Role role = Role::kAny;
  bool at_least = false;  // it began before `span` ago
};

struct LaneInfo {
  Role role = Role::kAny;
  int failures = 0;
  absl::Status last_error;
  absl::Status told;  // as callers are refused with it
  Duration failed_ago{};
  Duration away_for{};
  Duration next_try_in{};
};

// What a text needs to know. 11 KB, on the caller's stack.
struct PoolInfo {
  static constexpr size_t kMostHolders = 254;
  static constexpr size_t kMostWaiters = 64;

  Stats stats;
  int waiting = 0;
  std::array<HoldInfo, kMostHolders> holders;
  size_t holder_count = 0;
  std::array<HoldInfo, kMostWaiters> waiters;
  size_t waiter_count = 0;
  std::array<LaneInfo, 2> lanes;
  size_t lane_count = 0;
};

void AddHolders(PoolInfo& info, Lane& lane, TimePoint now)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  for (const core::Slot& s : lane.core().slots().all()) {
    if (s.state != SlotState::kLeased) continue;
    info.holders[info.holder_count++] = {.where = s.where(),
                                         .span = now - s.leased_at,
                                         .role = lane.role(),
                                         .at_least = s.leased_at_is_upper_bound};
  }
}

void AddWaiters(PoolInfo& info, Lane& lane, TimePoint now)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  for (const core::Waiter* w = lane.core().queue().front();
       w != nullptr && info.waiter_count < info.waiters.size(); w = w->next) {
    info.waiters[info.waiter_count++] = {
        .where = w->where, .span = now - w->since, .role = lane.role()};
  }
}

void AddLane(PoolInfo& info, Lane& lane, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  const core::Availability& availability = lane.core().availability();
  const OpenErrors& errors = lane.errors();
  info.lanes[info.lane_count++] = {
      .role = lane.role(),
      .failures = availability.failures(),
      .last_error = errors.last,
      .told = errors.refusal(),
      .failed_ago = now - errors.failed_at,
      .away_for = now - errors.away_since,
      .next_try_in = std::max(availability.retry_at(), now) - now};  // min() would overflow
}

// Into `stats`, which is large: a result would be copied from a second one.
void ReadStats(PoolParts& pool, TimePoint now, Stats& stats)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  for (Lane& lane : pool.lanes.all()) lane.ReportFastLeases(now);
  stats = pool.recorder.counts();
  stats.peak_in_use = 0;
  stats.closed = pool.lanes.is_closed();
  for (Lane& lane : pool.lanes.all()) {
    const core::LaneCore& core = lane.core();
    const core::SlotTable& slots = core.slots();
    stats.open += slots.open();
    stats.idle += slots.count(SlotState::kIdle);
    stats.in_use += slots.count(SlotState::kLeased);
    stats.busy += slots.coming() + slots.count(SlotState::kClosing);
    stats.waiting += core.queue().length();
    stats.away = stats.away || core.availability().is_away();
    stats.paused = stats.paused || core.paused();
    stats.peak_in_use += lane.peak();
    for (const core::Slot& s : slots.all()) {
      if (s.state != SlotState::kLeased) continue;
      if (s.probing) {
        // Its caller still checks the connection; it is no checkout yet.
        --stats.in_use;
        ++stats.busy;
      }
      stats.longest_hold = std::max(stats.longest_hold, now - s.leased_at);
    }
  }
  stats.overflow_in_use = std::max(0, stats.open - stats.pool_size);
}

// In the child of a fork.
Stats ShapeOf(const PoolSettings& settings) {
  Stats shape;
  shape.pool_size = settings.pool_size;
  shape.max_overflow = settings.max_overflow;
  shape.capacity = settings.capacity();
  shape.closed = true;
  return shape;
}

void DescribeSlots(Lane& lane, TimePoint now, PoolDetails& out, std::span<SlotDetails> slots)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  for (const core::Slot& s : lane.core().slots().all()) {
    if (out.slot_count == slots.size()) return;
    SlotDetails& slot = slots[out.slot_count++];
    slot = {.slot = lane.NumberOf(s),
            .role = lane.role(),
            .state = core::Name(s.state),
            .uses = s.LeasesSoFar()};
    const bool connected = s.state != SlotState::kEmpty && s.state != SlotState::kOpening &&
                           s.state != SlotState::kBackingOff;
    if (connected) slot.age = now - s.opened_at;
    if (s.state == SlotState::kIdle) slot.rested = now - s.idle_since;
    if (s.state != SlotState::kLeased) continue;
    slot.held = now - s.leased_at;
    slot.where = s.where();
    slot.held_at_least = s.leased_at_is_upper_bound;
  }
}

void DescribeLane(Lane& lane, TimePoint now, LaneDetails& out)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
  const core::LaneCore& core = lane.core();
  const core::SlotTable& slots = core.slots();
  const core::Availability& availability = core.availability();
  const OpenErrors& errors = lane.errors();
  out = {.role = lane.role(),
         .open = slots.open(),
         .idle = slots.count(SlotState::kIdle),
         .in_use = slots.count(SlotState::kLeased),
         .busy = slots.coming() + slots.count(SlotState::kClosing),
         .waiting = core.queue().length(),
         .away = availability.is_away()};
  if (const core::Waiter* oldest = core.queue().front()) out.oldest_wait = now - oldest->since;
  if (out.away) {
    out.away_for = now - errors.away_since;
    out.next_try_in = std::max(availability.retry_at(), now) - now;
  }
  if (errors.last.ok()) return;
  out.error_code = errors.last.code();
  out.error_ago = now - errors.failed_at;
  Text text(out.error);
  text.Add(MessageOf(errors.last));
  out.error_size = text.view().size();
}

void Look(PoolParts& pool, PoolInfo& info) {
  if (pool.Forked()) {
    info.stats = ShapeOf(pool.config.settings.constants());
    return;
  }
  LaneGuard guard(pool.lanes);
  const TimePoint now = pool.config.platform.Now();
  ReadStats(pool, now, info.stats);
  for (Lane& lane : pool.lanes.all()) {
    AddHolders(info, lane, now);
    AddWaiters(info, lane, now);
    AddLane(info, lane, now);
  }
}

// The reference counts of a Status are changed in a library that the thread sanitizer does not see
// into: copies that were made under the lock are dropped under it.
void DropErrors(PoolParts& pool, PoolInfo& info) {
  if (info.lane_count == 0) return;
  PoolMutexLock lock(pool.lanes.mu());
  for (LaneInfo& lane : info.lanes) lane.last_error = lane.told = absl::OkStatus();
}

// It is a time-out while every connection that may be is lent.
bool NamesTheLimit(PoolParts& pool, const absl::Status& refusal) {
  PoolMutexLock lock(pool.lanes.mu());
  const LimitRefusals& limits = *pool.refusals.limits;
  return refusal == limits.all.by_setting || refusal == limits.all.by_deadline;
}

void WriteHolders(Text& text, const PoolInfo& info, const char* before, const char* after) {
  for (const HoldInfo& holder : std::span(info.holders).first(info.holder_count)) {
    text.Add(before, RoleName(holder.role), " held by ", FileOf(holder.where), ":",
             holder.where.line, holder.at_least ? " for at least " : " for ", Spoken{holder.span},
             after);
  }
}

void WriteWaiters(Text& text, const PoolInfo& info, Role role) {
  for (const HoldInfo& waiter : std::span(info.waiters).first(info.waiter_count)) {
    if (waiter.role != role) continue;
    text.Add("  ", FileOf(waiter.where), ":", waiter.where.line, " waits for a ",
             RoleName(waiter.role), " since ", Spoken{waiter.span}, "\n");
  }
}

// What went wrong last with opening, and when it is tried again.
void WriteErrors(Text& text, const LaneInfo& lane) {
  if (lane.last_error.ok()) return;
  const std::string_view message = MessageOf(lane.last_error);
  if (lane.failures == 0) {
    text.Add("  last failed open of a ", RoleName(lane.role), " ", Spoken{lane.failed_ago},
             " ago: ", message, "\n");
    return;
  }
  text.Add("  ", AwayName(lane.role), " away since ", Spoken{lane.away_for},
           ", last error: ", message, ", next try in ", Spoken{lane.next_try_in}, "\n");
}

}  // namespace

Stats TakeSnapshot(PoolParts& pool) {
  if (pool.Forked()) return ShapeOf(pool.config.settings.constants());
  Stats stats;
  LaneGuard guard(pool.lanes);
  ReadStats(pool, pool.config.platform.Now(), stats);
  return stats;
}

void Inspect(PoolParts& pool, PoolDetails& out, std::span<SlotDetails> slots,
             std::span<WaiterDetails> waiters) {
  out.lane_count = out.slot_count = out.waiter_count = 0;
  if (pool.Forked()) {
    out.stats = ShapeOf(pool.config.settings.constants());
    return;
  }
  LaneGuard guard(pool.lanes);
  const TimePoint now = pool.config.platform.Now();
  ReadStats(pool, now, out.stats);
  for (Lane& lane : pool.lanes.all()) {
    DescribeLane(lane, now, out.lanes[out.lane_count++]);
    DescribeSlots(lane, now, out, slots);
    for (const core::Waiter* w = lane.core().queue().front();
         w != nullptr && out.waiter_count < waiters.size(); w = w->next) {
      waiters[out.waiter_count++] = {
          .role = lane.role(), .since = now - w->since, .where = w->where};
    }
  }
}

std::string_view WriteReport(PoolParts& pool, std::span<char> out) {
  Text text(out);
  PoolInfo info;
  Look(pool, info);
  const Stats& stats = info.stats;
  text.Add("pool '", pool.config.name, "' (", pool.config.backend.kind(), ", profile ",
           pool.config.settings.constants().profile, "): ", stats.in_use, " of ", stats.capacity,
           " in use, ", stats.idle, " idle, ", stats.busy, " busy, ", stats.waiting, " waiting",
           stats.paused ? ", paused" : "", stats.closed ? ", closed\n" : "\n");
  const uint64_t refused =
      stats.refused_full + stats.refused_away + stats.refused_nested + stats.refused_closed;
  text.Add("  ", stats.checkouts, " checkouts, ", stats.waited, " waited, ", stats.timeouts,
           " timeouts, ", refused, " refused; wait p99 ", Spoken{stats.wait.Percentile(0.99)},
           "\n");
  WriteHolders(text, info, "  ", "\n");
  for (const LaneInfo& lane : std::span(info.lanes).first(info.lane_count)) {
    WriteWaiters(text, info, lane.role);
    WriteErrors(text, lane);
  }
  if (static_cast<size_t>(stats.waiting) > info.waiter_count && info.lane_count > 0) {
    text.Add("  and ", static_cast<size_t>(stats.waiting) - info.waiter_count, " more wait\n");
  }
  DropErrors(pool, info);
  return text.view();
}

std::string_view WriteExplanation(PoolParts& pool, const absl::Status& refusal, Duration asked,
                                  std::span<char> out) {
  Text text(out);
  if (pool.Forked()) {
    text.Add(MessageOf(pool.refusals.forked));
    return text.view();
  }
  PoolInfo info;
  Look(pool, info);
  std::string_view advice;
  if (NamesTheLimit(pool, refusal)) {
    text.Add("QueuePool limit of size ", info.stats.pool_size, " overflow ",
             info.stats.max_overflow, " reached, connection timed out, timeout ", Seconds{asked});
  } else {
    // Without the next try, which is told below as of now.
    const absl::Status* shown = &refusal;
    for (const LaneInfo& lane : std::span(info.lanes).first(info.lane_count)) {
      if (lane.failures > 0 && refusal == lane.told) shown = &lane.last_error;
    }
    // The numbers come here, and then what to do.
    const std::string_view message = MessageOf(*shown);
    const size_t end = message.find(kSeeExplain);
    text.Add(message.substr(0, end));
    if (end != std::string_view::npos) advice = message.substr(end + kSeeExplain.size());
  }
  WriteHolders(text, info, "; ", "");
  text.Add("; ", info.stats.waiting, " waiting");
  if (info.stats.paused) text.Add("; paused");
  for (const LaneInfo& lane : std::span(info.lanes).first(info.lane_count)) {
    if (lane.failures == 0) continue;
    text.Add("; ", AwayName(lane.role), " away since ", Spoken{lane.away_for});
    if (refusal != lane.last_error && refusal != lane.told)
      text.Add(", last error: ", MessageOf(lane.last_error));
    text.Add(", next try in ", Spoken{lane.next_try_in});
  }
  if (!advice.empty()) text.Add("; ", advice);
  DropErrors(pool, info);
  return text.view();
}

}  // namespace roost::internal
