#include "tools/roost-node/pruner.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace roost::tools {
namespace {

// Runs of numbers that one step of thinning looks at, at most: one of a single reading has nothing to give.
constexpr int kMostThinRuns = 64;
// Numbers among which what was thinned is counted at a start, at most, in so many places of a range.
constexpr int64_t kMostCounted = 200'000;
constexpr int64_t kPlaces = 50;
constexpr int64_t kEver = std::numeric_limits<int64_t>::max();

// The numbers from $1 on, below $2. The last column: one that went, too, would be recorded by that.
constexpr Sql kOldest{
    "SELECT seq, epoch, EXISTS (SELECT 1 FROM gap WHERE gap.epoch = reading.epoch AND lo <= seq "
    "AND "
    "hi >= seq AND why = 3) FROM reading WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3"};
// The oldest segment that has readings below $1 which the server has. Numbers of a segment beyond its last
// reading may be those of another epoch.
constexpr Sql kSettled{
    "SELECT epoch, lo, sent FROM segment WHERE epoch = (SELECT reading.epoch FROM reading WHERE "
    "seq >= "
    "lo AND seq <= sent AND seq < $1 ORDER BY seq LIMIT 1) ORDER BY lo LIMIT 1"};
constexpr Sql kDelete{"DELETE FROM reading WHERE seq >= $1 AND seq <= $2"};
constexpr Sql kLengthen{
    "UPDATE gap SET hi = $3 WHERE epoch = $1 AND hi = $2 - 1 AND why = $4 AND sent = 0"};
constexpr Sql kRecord{
    "INSERT INTO gap(epoch, lo, hi, why) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT(epoch, lo) DO UPDATE SET hi = max(hi, excluded.hi)"};
constexpr Sql kThinRows{
    "SELECT seq, t_boot, t_wall, synced, sensor, value, t_source, epoch FROM reading WHERE seq >= "
    "$1 "
    "ORDER BY seq LIMIT $2"};
constexpr Sql kPutBack{
    "INSERT INTO reading(seq, epoch, t_boot, t_wall, synced, sensor, value, t_source) VALUES ($1, "
    "$2, "
    "$3, $4, $5, $6, $7, $8)"};
constexpr Sql kThinnedGap{
    "SELECT lo, hi FROM gap WHERE epoch = $1 AND why = 3 AND hi >= $2 - 1 ORDER BY lo LIMIT 1"};
constexpr Sql kForgetGap{"DELETE FROM gap WHERE epoch = $1 AND lo = $2"};
constexpr Sql kAddThinned{"UPDATE thinned SET readings = readings + $1"};
constexpr Sql kThinned{"SELECT lo, hi FROM gap WHERE why = 3"};
constexpr Sql kCountBetween{"SELECT count(*) FROM reading WHERE seq >= $1 AND seq < $2"};

}  // namespace

// False: the step has no place for another run.
bool Pruner::Add(Step& step, int64_t seq, int64_t epoch, bool is_recorded) {
  Run* const last = step.count == 0 ? nullptr : &step.runs[step.count - 1];
  if (is_recorded) {
    ++step.thinned;
  } else if (last != nullptr && last->epoch == epoch && last->hi == seq - 1) {
    last->hi = seq;
  } else if (step.count == kMostRuns) {
    return false;
  } else {
    step.runs[step.count++] = {.epoch = epoch, .lo = seq, .hi = seq};
  }
  ++step.readings;
  step.last = seq;
  return true;
}

// Of what the server has, the oldest below `before`: one run, which `lo` begins.
absl::StatusOr<Pruner::Step> Pruner::Settled(Lease& lease, int64_t before) {
  Step step;
  const absl::StatusOr<Statement*> settled = lease.Prepare(kSettled);
  if (!settled.ok()) return settled.status();
  Run& run = step.runs[0];
  int64_t sent = 0;
  {
    Rows rows = (*settled)->Query(before);
    if (!rows.Next()) {
      if (!rows.status().ok()) return rows.status();
      return step;
    }
    run.epoch = rows.Get<int64_t>(0);
    run.lo = rows.Get<int64_t>(1);
    sent = rows.Get<int64_t>(2);
  }
  const absl::StatusOr<Statement*> oldest = lease.Prepare(kOldest);
  if (!oldest.ok()) return oldest.status();
  Rows rows = (*oldest)->Query(run.lo, std::min(before, sent + 1), kStepRows);
  while (rows.Next() && rows.Get<int64_t>(1) == run.epoch) {
    step.last = rows.Get<int64_t>(0);
    ++step.readings;
  }
  if (!rows.status().ok()) return rows.status();
  return step;
}

absl::StatusOr<Pruner::Step> Pruner::Oldest(Lease& lease, int64_t before) {
  const absl::StatusOr<Statement*> oldest = lease.Prepare(kOldest);
  if (!oldest.ok()) return oldest.status();
  Step step;
  Rows rows = (*oldest)->Query(int64_t{0}, before, kStepRows);
  while (rows.Next()) {
    if (!Add(step, rows.Get<int64_t>(0), rows.Get<int64_t>(1), rows.Get<int64_t>(2) != 0)) break;
  }
  if (!rows.status().ok()) return rows.status();
  return step;
}

absl::Status Pruner::Record(Lease& lease, const Run& run, Why why) {
  const absl::StatusOr<Statement*> lengthen = lease.Prepare(kLengthen);
  if (!lengthen.ok()) return lengthen.status();
  absl::Status status = (*lengthen)->Run(run.epoch, run.lo, run.hi, static_cast<int64_t>(why));
  if (!status.ok() || (*lengthen)->changes() > 0) return status;
  return lease.Run(kRecord, run.epoch, run.lo, run.hi, static_cast<int64_t>(why));
}

absl::StatusOr<Pruner::Gone> Pruner::DropSettled(Lease& lease, int64_t before) {
  const absl::StatusOr<Step> step = Settled(lease, before);
  if (!step.ok()) return step.status();
  if (step->readings == 0) return Gone{};
  if (absl::Status gone = lease.Run(kDelete, step->runs[0].lo, step->last); !gone.ok()) return gone;
  return Gone{.settled = step->readings};
}

absl::StatusOr<Pruner::Gone> Pruner::DropOldest(Lease& lease, int64_t before, Why why) {
  const absl::StatusOr<Step> step = Oldest(lease, before);
  if (!step.ok()) return step.status();
  if (step->readings == 0) return Gone{};
  absl::Status status = lease.Run(kDelete, int64_t{0}, step->last);
  for (size_t i = 0; status.ok() && i < step->count; ++i) {
    status = Record(lease, step->runs[i], why);
  }
  if (status.ok() && step->thinned > 0) status = lease.Run(kAddThinned, step->thinned);
  if (!status.ok()) return status;
  return Gone{
      .dropped = step->readings - step->thinned, .thinned = step->thinned, .last = step->last};
}

absl::StatusOr<Pruner::Gone> Pruner::Drop(Lease& lease, int64_t before, Why why) {
  const absl::StatusOr<Gone> settled = DropSettled(lease, before);
  if (!settled.ok() || settled->settled > 0) return settled;
  if (why == Why::kAge && settings_.keep_unsent) return Gone{};
  if (why == Why::kFull && settings_.thins) {
    const absl::StatusOr<int64_t> thinned = Thin(lease);
    // A row that somebody else has written, of other types, cannot be written anew.
    if (!thinned.ok() && !absl::IsInvalidArgument(thinned.status())) return thinned.status();
    if (thinned.ok() && *thinned > 0) return Gone{.thinned = *thinned};
  }
  return DropOldest(lease, before, why);
}

// ---- thinning -------------------------------------------------------------------------------------

// Every second reading of each sensor, of the next run of numbers. 0: nobody has a second one.
absl::StatusOr<int64_t> Pruner::Thin(Lease& lease) {
  const absl::StatusOr<Statement*> oldest = lease.Prepare(kOldest);
  if (!oldest.ok()) return oldest.status();
  for (int runs = 0; runs < kMostThinRuns; ++runs) {
    int64_t first = 0;
    int64_t epoch = 0;
    {
      Rows rows = (*oldest)->Query(thinned_to_ + 1, kEver, int64_t{1});
      if (rows.Next()) {
        first = rows.Get<int64_t>(0);
        epoch = rows.Get<int64_t>(1);
      } else if (!rows.status().ok()) {
        return rows.status();
      }
    }
    if (first == 0) {
      thinned_to_ = 0;
      goes_next_.reset();
      if (!std::exchange(thinned_any_, false)) return 0;
      continue;
    }
    const absl::StatusOr<int64_t> gone = ThinRun(lease, epoch, first);
    if (!gone.ok() || *gone > 0) return gone;
  }
  return 0;
}

// Numbers of one epoch without a hole among them, but for those that were thinned before.
absl::StatusOr<int64_t> Pruner::ThinRun(Lease& lease, int64_t epoch, int64_t first) {
  Run before{.epoch = epoch, .lo = kEver, .hi = kEver};
  const absl::StatusOr<Statement*> gap = lease.Prepare(kThinnedGap);
  if (!gap.ok()) return gap.status();
  {
    Rows rows = (*gap)->Query(epoch, first);
    if (rows.Next()) before = {epoch, rows.Get<int64_t>(0), rows.Get<int64_t>(1)};
    if (!rows.status().ok()) return rows.status();
  }
  const absl::StatusOr<Statement*> look = lease.Prepare(kThinRows);
  if (!look.ok()) return look.status();
  rows_.clear();
  int64_t last = first - 1;
  int64_t gone = 0;
  {
    Rows rows = (*look)->Query(first, kStepRows);
    while (rows.Next()) {
      const auto seq = rows.Get<int64_t>(0);
      const bool follows = seq == last + 1 || (last + 1 >= before.lo && seq - 1 <= before.hi);
      if (!follows || rows.Get<int64_t>(7) != epoch) break;
      last = seq;
      const auto sensor = rows.Get<int64_t>(4);
      const auto place = static_cast<size_t>(sensor) % goes_next_.size();
      goes_next_.flip(place);
      if (!goes_next_.test(place)) {
        ++gone;
        continue;
      }
      rows_.push_back({.seq = seq,
                       .t_boot = rows.Get<int64_t>(1),
                       .t_wall = rows.Get<int64_t>(2),
                       .synced = rows.Get<int64_t>(3),
                       .sensor = sensor,
                       .value = rows.Get<double>(5),
                       .source = rows.Get<int64_t>(6)});
    }
    if (!rows.status().ok()) return rows.status();
  }
  thinned_to_ = last;
  if (gone == 0) return 0;
  thinned_any_ = true;
  absl::Status status = lease.Run(kDelete, first, last);
  for (size_t i = 0; status.ok() && i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    status = lease.Run(kPutBack, row.seq, epoch, row.t_boot, row.t_wall, row.synced, row.sensor,
                       row.value, row.source);
  }
  if (status.ok()) status = lease.Run(kAddThinned, gone);
  if (status.ok()) status = RecordThinned(lease, {epoch, first, last}, before);
  if (!status.ok()) return status;
  return gone;
}

// Joined with `before`, the first thinned gap that ends beside the run or later, where they touch.
absl::Status Pruner::RecordThinned(Lease& lease, Run run, const Run& before) {
  if (before.lo <= run.lo && before.hi >= run.hi) return absl::OkStatus();
  if (before.lo <= run.hi) {
    absl::Status status = lease.Run(kForgetGap, before.epoch, before.lo);
    if (!status.ok()) return status;
    run.lo = std::min(run.lo, before.lo);
    run.hi = std::max(run.hi, before.hi);
  }
  return lease.Run(kRecord, run.epoch, run.lo, run.hi, static_cast<int64_t>(Why::kThin));
}

// ---- what was thinned before ----

// Of a long range, in some places.
absl::StatusOr<int64_t> Pruner::CountThinned(Lease& lease, int64_t up_to) {
  if (thinned_to_ == 0) thinned_to_ = up_to;
  const absl::StatusOr<Statement*> thinned = lease.Prepare(kThinned);
  if (!thinned.ok()) return thinned.status();
  const absl::StatusOr<Statement*> count = lease.Prepare(kCountBetween);
  if (!count.ok()) return count.status();
  Rows ranges = (*thinned)->Query();
  int64_t all = 0;
  for (int64_t looked = 0; looked < kMostCounted && ranges.Next();) {
    const auto lo = ranges.Get<int64_t>(0);
    const int64_t numbers = ranges.Get<int64_t>(1) - lo + 1;
    const int64_t each = std::max<int64_t>(numbers / kPlaces, 1);
    const int64_t counted = std::min(each, kMostCounted / kPlaces);
    int64_t there = 0;
    int64_t seen = 0;
    for (int64_t from = lo; from < lo + numbers; from += each) {
      const int64_t to = std::min(from + counted, lo + numbers);
      Rows rows = (*count)->Query(from, to);
      if (!rows.Next()) return rows.status();
      there += rows.Get<int64_t>(0);
      seen += to - from;
    }
    looked += seen;
    const double gone = 1 - static_cast<double>(there) / static_cast<double>(seen);
    all += static_cast<int64_t>(gone * static_cast<double>(numbers) + 0.5);
  }
  if (!ranges.status().ok()) return ranges.status();
  return all;
}

}  // namespace roost::tools
