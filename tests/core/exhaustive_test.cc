// tests/core/exhaustive_test.cc - visits every reachable state of a lane, and checks the invariants
// in each. This test is the proof that the state table in src/README.md is complete: every event is
// tried in every state.

#include <gtest/gtest.h>

#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "tests/core/world.h"

namespace roost::core {
namespace {

using std::chrono::hours;

PoolSettings Settings(int core_size, int overflow) {
  PoolSettings s;
  s.pool_size = core_size;
  s.max_overflow = overflow;
  s.max_waiters = 4;
  s.pre_ping = PrePing::kAfterIdle;
  s.open_by = OpenBy::kCaller;
  s.when_away = WhenAway::kRefuse;
  s.pool_recycle = hours(100);
  s.ping_after = hours(10);
  s.keep_alive = hours(20);
  s.linger = hours(1);
  s.backoff_min = s.backoff_max = Duration(1);
  return s;
}

constexpr uint64_t Without(std::initializer_list<What> whats) {
  uint64_t bits = 0;
  for (const What what : whats) bits |= uint64_t{1} << static_cast<int>(what);
  return bits;
}

struct Visit {
  size_t states = 0;
  size_t steps = 0;
  std::string wrong;  // empty: nothing
};

// Stands for a state among those that are known, because a look at 16 bytes costs half of one at the text: two
// independent hashes of 64 bits. That two of 10^7 states have the same is less likely than 10^-24.
using Fingerprint = std::pair<size_t, size_t>;

Fingerprint FingerprintOf(const World& world) {
  const std::string key = world.Key();
  return {std::hash<std::string_view>()(key), absl::Hash<std::string_view>()(key)};
}

// Breadth first, so that the story of a fault is the shortest there is.
Visit VisitAll(const WorldSettings& settings) {
  struct Seen {
    size_t from;
    Step by;
  };
  Visit visit;
  auto world = std::make_unique<World>(settings);
  absl::flat_hash_map<Fingerprint, size_t> known;
  std::vector<Seen> story;
  std::deque<std::pair<size_t, World>> frontier;
  const auto tell = [&](size_t state, const char* what) {
    std::vector<Step> steps;
    for (size_t i = state; i != 0; i = story[i].from) steps.push_back(story[i].by);
    visit.wrong = what;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      visit.wrong += std::string("\n  ") + Name(step->what) + " " + std::to_string(step->index);
    }
    visit.wrong += "\n  state: " + world->Key();
  };
  known.emplace(FingerprintOf(*world), 0);
  story.push_back({0, {}});
  frontier.emplace_back(0, *world);
  while (!frontier.empty()) {
    const size_t from = frontier.front().first;
    const World saved = frontier.front().second;
    frontier.pop_front();
    *world = saved;
    for (const Step& step : world->Possible()) {
      *world = saved;
      world->Take(step);
      ++visit.steps;
      const auto [entry, fresh] = known.emplace(FingerprintOf(*world), story.size());
      if (!fresh) continue;
      story.push_back({from, step});
      if (const char* wrong = world->Wrong()) {
        tell(entry->second, wrong);
        visit.states = known.size();
        return visit;
      }
      frontier.emplace_back(entry->second, *world);
    }
  }
  visit.states = known.size();
  return visit;
}

void ExpectAllRight(const char* name, const WorldSettings& settings) {
  const Visit visit = VisitAll(settings);
  std::printf("%-44s %8zu states, %9zu steps\n", name, visit.states, visit.steps);
  EXPECT_EQ(visit.wrong, "") << name;
  EXPECT_GT(visit.states, 100u) << "the visit ended too early to mean anything";
}

TEST(LaneCoreExhaustive, OneAndOneWithEverythingThatCanHappen) {
  ExpectAllRight("1+1, 2 waiters, every event", {.lane = Settings(1, 1), .waiters = 2});
}

// What only changes the facts about one connection is left out of the larger visits: the visit
// above has tried it, and each such fact doubles the states.
constexpr uint64_t kFactsOfOne =
    Without({What::kGrowOld, What::kRestLong, What::kLingerEnd, What::kEvictOlder,
             What::kSuspectOlder, What::kArriveLate, What::kReturnForMaintenance,
             What::kMaintenance, What::kDoneForGood, What::kFill, What::kDoneCrowded});

PoolSettings Plain(int core_size, int overflow) {
  PoolSettings lane = Settings(core_size, overflow);
  lane.max_waiters = 8;
  lane.pre_ping = PrePing::kNever;
  lane.linger = Duration::zero();
  return lane;
}

TEST(LaneCoreExhaustive, TwoAndOneWithFourWaiters) {
  ExpectAllRight("2+1, 4 waiters, all but facts of one",
                 {.lane = Plain(2, 1), .waiters = 4, .without = kFactsOfOne});
}

// Newcomers may barge past a caller twice, and everything that the idle stack does beside the
// callers. Long holds only turn barging off: a visit of their own has them.
TEST(LaneCoreExhaustive, OvertakingAndTheIdleStack) {
  PoolSettings lane = Plain(2, 1);
  lane.max_overtakes = 2;
  ExpectAllRight("2+1, 3 waiters, overtaken at most twice",
                 {.lane = lane,
                  .waiters = 3,
                  .without = kFactsOfOne | Without({What::kHoldLong, What::kPause, What::kCancel,
                                                    What::kReturnDirty, What::kDetach})});
  lane = Settings(1, 1);
  lane.pre_ping = PrePing::kNever;
  lane.max_overtakes = 1;
  ExpectAllRight("1+1, 2 waiters, overtaken at most once, all events",
                 {.lane = lane, .waiters = 2, .without = Without({What::kHoldLong})});
  lane = Plain(1, 1);
  lane.max_overtakes = 1;
  ExpectAllRight("1+1, 2 waiters, the same, long holds",
                 {.lane = lane, .waiters = 2, .without = kFactsOfOne});
  lane = Plain(0, 1);
  lane.max_overtakes = 1;
  ExpectAllRight("0+1, 3 waiters, nothing is kept", {.lane = lane, .waiters = 3});
}

// The idle stack, of which the visits above have tried everything.
constexpr uint64_t kTheIdleStack =
    Without({What::kFastPop, What::kFastPush, What::kFastSwap, What::kReturnUnused});

TEST(LaneCoreExhaustive, FourAndTwoWithEviction) {
  ExpectAllRight("4+2, 3 waiters, evict, fail, detach, close",
                 {.lane = Plain(4, 2),
                  .waiters = 3,
                  .without = kFactsOfOne | kTheIdleStack |
                             Without({What::kPause, What::kCancel, What::kReturnDirty})});
}

TEST(LaneCoreExhaustive, FourAndTwoWithFourWaiters) {
  ExpectAllRight("4+2, 4 waiters, fail, break, detach, close",
                 {.lane = Plain(4, 2),
                  .waiters = 4,
                  .without = kFactsOfOne | kTheIdleStack |
                             Without({What::kPause, What::kCancel, What::kReturnDirty,
                                      What::kEvictAll, What::kCloseEvicted})});
}

TEST(LaneCoreExhaustive, WaitingWhileTheDatabaseIsAway) {
  PoolSettings lane = Plain(2, 1);
  lane.when_away = WhenAway::kWait;
  ExpectAllRight("2+1, 3 waiters, wait while away",
                 {.lane = lane, .waiters = 3, .without = kFactsOfOne | Without({What::kPause})});
}

// Other sizes, while leases, waiters, opens and everything else are under way.
TEST(LaneCoreExhaustive, OtherSizesAtRunTime) {
  const Duration stays = Settings(1, 1).linger;
  ExpectAllRight("1+1 to 1+0 to 2+0, 2 waiters, every event",
                 {.lane = Settings(1, 1),
                  .waiters = 2,
                  .without = Without({What::kReturnForMaintenance, What::kEvictOlder,
                                      What::kDoneForGood, What::kArriveLate}),
                  .tunings = {{{1, 1, stays}, {1, 0, stays}, {2, 0, Duration::zero()}}}});
  ExpectAllRight("2+1 to 1+0 to 3+0, 3 waiters, all but facts of one",
                 {.lane = Plain(2, 1),
                  .waiters = 3,
                  .without = kFactsOfOne | Without({What::kReturnDirty, What::kCancel}),
                  .tunings = {{{2, 1}, {1, 0}, {3, 0}}}});
  ExpectAllRight("2+1 to 1+1 to 1+2, 2 waiters, the same",
                 {.lane = Plain(2, 1),
                  .waiters = 2,
                  .without = kFactsOfOne | Without({What::kReturnDirty, What::kCancel}),
                  .tunings = {{{2, 1}, {1, 1}, {1, 2}}}});
  PoolSettings lane = Plain(1, 1);
  lane.max_overtakes = 1;
  ExpectAllRight("1+1 to 1+0 to 0+1, overtaken, lingering or not",
                 {.lane = lane,
                  .waiters = 2,
                  .without = (kFactsOfOne & ~Without({What::kLingerEnd, What::kMaintenance})) |
                             Without({What::kHoldLong}),
                  .tunings = {{{1, 1}, {1, 0, stays}, {0, 1}}}});
  lane = Settings(1, 1);
  lane.open_by = OpenBy::kHousekeeper;
  ExpectAllRight("1+1 to 1+0, the same, opened by the housekeeper",
                 {.lane = lane,
                  .waiters = 2,
                  .without = Without({What::kPause, What::kCancel, What::kReturnForMaintenance,
                                      What::kEvictOlder, What::kDoneForGood}),
                  .tunings = {{{1, 1, stays}, {1, 0, stays}}}});
}

TEST(LaneCoreExhaustive, OpenedByTheHousekeeper) {
  PoolSettings lane = Settings(1, 1);
  lane.open_by = OpenBy::kHousekeeper;
  ExpectAllRight("1+1, 2 waiters, opened by the housekeeper",
                 {.lane = lane, .waiters = 2, .without = Without({What::kPause, What::kCancel})});
  ExpectAllRight("1+1, 2 waiters, the same, callers with loops",
                 {.lane = lane,
                  .waiters = 2,
                  .without = Without({What::kPause, What::kCancel, What::kArriveLate}),
                  .in_steps = true});
  lane = Plain(2, 1);
  lane.open_by = OpenBy::kHousekeeper;
  lane.when_away = WhenAway::kWait;
  ExpectAllRight(
      "2+1, 3 waiters, the same, waiting while away",
      {.lane = lane,
       .waiters = 3,
       .without = (kFactsOfOne & ~Without({What::kMaintenance})) | Without({What::kPause})});
}

}  // namespace
}  // namespace roost::core
