// tests/bench/pools.cc - our pool, the plain ones, and what cannot be undercut. See contest.h for
// the arguments.
#include "tests/bench/contest.h"
#include "tests/bench/core_cycle.h"
#include "tests/bench/floor.h"
#include "tests/bench/plain_pools.h"
#include "tests/bench/roost_contestants.h"

namespace roost::bench {
namespace {

// The idle stack alone.
class AloneCore {
 public:
  static constexpr const char* kName = "core, idle stack";
  static constexpr const char* kNote = "the two compare-and-swaps of our cycle, 2 + 1 slots";
  void Cycle() {
    uint8_t slot = core_.Take();
    benchmark::DoNotOptimize(slot);
    core_.Give(slot);
  }

 private:
  CoreCycle<2> core_;
};

// A plain pool as a contestant; Text names it.
template <class Pool, class Text>
class Plain {
 public:
  static constexpr const char* kName = Text::kName;
  static constexpr const char* kNote = Text::kNote;
  using Lease = int;

  Lease Take() { return pool_.Take(by_); }
  void Give(Lease slot) { pool_.Give(slot); }
  bool TakeBy(std::chrono::milliseconds patience) {
    return pool_.Take(std::chrono::steady_clock::now() + patience) != kLate;
  }

 private:
  Pool pool_{kConnections};
  const SteadyTime by_ = std::chrono::steady_clock::now() + std::chrono::minutes(10);
};

struct BargingText {
  static constexpr const char* kName = "mutex + condvar";
  static constexpr const char* kNote = "plain barging pool that does what ours does in a cycle";
};
struct BareBargingText {
  static constexpr const char* kName = "mutex + condvar, bare";
  static constexpr const char* kNote = "plain barging pool; no age, generation, counts";
};
struct FifoText {
  static constexpr const char* kName = "FIFO mutex pool";
  static constexpr const char* kNote = "a condvar for each waiter, hand-off, the duties of ours";
};
struct BareFifoText {
  static constexpr const char* kName = "FIFO mutex pool, bare";
  static constexpr const char* kNote = "a condvar for each waiter; no age, generation, counts";
};

std::vector<Entry> Entries() {
  return EntriesOf<Floor, TwoAtomics, MutexPair, PriorityMutexPair, ClockRead<CLOCK_MONOTONIC>,
                   ClockRead<CLOCK_MONOTONIC_COARSE>, AloneCore, RoostPool<OfThePi>,
                   RoostPool<OfThePiDefaultTimeout>, RoostPool<WithoutHoldTimes>,
                   RoostPool<PingAfterIdle>, RoostPool<PingAlways>, RoostPool<Watched>,
                   RoostPool<Large>, RoostPool<Three>, RoostPool<ThreeStrict>,
                   KeptRoostPool<Lingering>, Plain<BargingPool<true>, BargingText>,
                   Plain<BargingPool<false>, BareBargingText>, Plain<FifoPool<true>, FifoText>,
                   Plain<FifoPool<false>, BareFifoText>>();
}

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) {
  return roost::bench::ContestMain(argc, argv, roost::bench::Entries());
}
