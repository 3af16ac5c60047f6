// tools/roost-node/pruner.h - which readings go: a step of a deletion, and what it records.
//
// What the server has goes first, and is no gap: by the table segment, all numbers of a segment up to its `sent`.
// Where nothing is forwarded that table is empty.
//
// Thinning takes every second reading of each sensor, from the oldest on; once it has come to the newest it
// begins again at the oldest. The readings that stay are written anew, next to each other: pages that were half
// empty would not be used again.
//
// Threads:  one
// Blocks:   for the statements of a step
// Memory:   where it thins, 28 KB that the constructor takes
// Errors:   those of the statements
#ifndef ROOST_TOOLS_ROOST_NODE_PRUNER_H_
#define ROOST_TOOLS_ROOST_NODE_PRUNER_H_

#include <array>
#include <bitset>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/pool.h"

namespace roost::tools {

class Pruner {
 public:
  // Readings that one step deletes or looks at, at most.
  static constexpr int64_t kStepRows = 500;
  // Why readings were given up. The numbers are in the database: gap.why.
  enum class Why : uint8_t { kFull = 1, kAge = 2, kThin = 3 };

  struct Settings {
    bool keep_unsent = false;  // for their age only those go that the server has
    bool thins = false;        // for want of room every second one goes
  };
  explicit Pruner(const Settings& settings) : settings_(settings) {
    if (settings.thins) rows_.reserve(kStepRows);
  }

  // What went in a step: what the server has, or else what is lost.
  struct Gone {
    int64_t settled = 0;
    int64_t dropped = 0;
    int64_t thinned = 0;
    int64_t last = 0;  // the greatest number of what was dropped

    int64_t all() const { return settled + dropped + thinned; }
  };
  // Of the readings below `before`. REQUIRES: a transaction; it is rolled back after an error.
  absl::StatusOr<Gone> Drop(Lease& lease, int64_t before, Why why);
  // Numbers that were thinned and are not recorded otherwise, about: of a database that earlier runs have thinned,
  // up to the number `up_to`, where thinning goes on.
  absl::StatusOr<int64_t> CountThinned(Lease& lease, int64_t up_to);

 private:
  // Numbers that go together: each of lo to hi was a reading of the epoch.
  struct Run {
    int64_t epoch = 0;
    int64_t lo = 0;
    int64_t hi = 0;
  };
  static constexpr size_t kMostRuns = 16;  // in one step
  struct Step {
    std::array<Run, kMostRuns> runs{};
    size_t count = 0;
    int64_t readings = 0;
    int64_t thinned = 0;  // of them, those that a gap of kThin records already
    int64_t last = 0;
  };
  // A reading that stays where others are thinned.
  struct Row {
    int64_t seq = 0;
    int64_t t_boot = 0;
    int64_t t_wall = 0;
    int64_t synced = 0;
    int64_t sensor = 0;
    double value = 0;
    int64_t source = 0;
  };

  static absl::StatusOr<Step> Settled(Lease& lease, int64_t before);
  static absl::StatusOr<Step> Oldest(Lease& lease, int64_t before);
  static bool Add(Step& step, int64_t seq, int64_t epoch, bool is_recorded);
  static absl::Status Record(Lease& lease, const Run& run, Why why);
  static absl::StatusOr<Gone> DropSettled(Lease& lease, int64_t before);
  static absl::StatusOr<Gone> DropOldest(Lease& lease, int64_t before, Why why);
  absl::StatusOr<int64_t> Thin(Lease& lease);
  absl::StatusOr<int64_t> ThinRun(Lease& lease, int64_t epoch, int64_t first);
  static absl::Status RecordThinned(Lease& lease, Run run, const Run& before);

  const Settings settings_;
  // Of thinning: where it goes on, which sensors' next reading goes, and whether any went since it began at the
  // oldest. Sensors that share a place take turns.
  std::vector<Row> rows_;
  int64_t thinned_to_ = 0;
  std::bitset<4096> goes_next_;
  bool thinned_any_ = true;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_PRUNER_H_
