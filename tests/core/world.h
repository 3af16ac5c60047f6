// tests/core/world.h - a lane, its callers and its workers as one value: for visiting every
// reachable state.
//
// A World does what src/pool does around the core, but one step at a time: each Event is one
// critical section of one thread. Time does not run; what it would do to a connection (grow old,
// be idle for long) is an event of its own, so that a state is a finite thing.
#ifndef TESTS_CORE_WORLD_H_
#define TESTS_CORE_WORLD_H_

#include <array>
#include <string>
#include <vector>

#include "core/lane_core.h"

namespace roost::core {

enum class What : uint8_t {
  kArrive,        // a caller with time; takes an idle slot, is refused, or joins and looks for work
  kArriveLate,    // a caller whose deadline has passed
  kRecheck,       // a waiter that is awake, or wakes, looks for work and else sleeps
  kTimeOut,       // a waiter that is not at work looks a last time and leaves
  kTakeInstead,   // a waiter whose own open takes long takes what is idle
  kDoneOk,        // a worker reports success
  kDoneFailed,    // ... failure
  kDoneForGood,   // an open failed with an error that needs a person
  kDoneCut,       // an open or a ping was cut short by its caller's deadline
  kDoneCrowded,   // an open failed because the server has no room
  kFastPop,       // the idle stack lends its top slot
  kFastPush,      // the idle stack takes a slot back
  kFastSwap,      // the idle stack lends its two top slots and takes them back the other way round
  kReturnUnused,  // the idle stack has lent a slot that may not be lent as it is
  kReturnClean,
  kReturnForMaintenance,
  kReturnDirty,
  kReturnBroken,
  kDetach,
  kHoldLong,     // a lease becomes a long one
  kGrowOld,      // an idle or leased connection passes its age
  kRestLong,     // a connection was idle for long
  kLingerEnd,    // an idle connection's linger ends
  kMaintenance,  // the housekeeper asks
  kFill,
  kRetryTime,  // the back-off's time comes
  kSuspectOlder,
  kEvictOlder,
  kEvictAll,
  kCloseEvicted,
  kPause,
  kResume,
  kCancel,
  kClose,
  kTune,  // other sizes: index is that of WorldSettings::tunings
};
inline constexpr int kWhats = 35;
const char* Name(What what);

struct Step {
  What what{};
  uint8_t index = 0;  // of a waiter, a work, or a slot
};

// Sizes that Tune gives the lane. The slots are those of the first settings.
struct Tuned {
  int core_size = 0;
  int overflow = 0;
  Duration linger{};
  friend bool operator==(const Tuned&, const Tuned&) = default;
};

struct WorldSettings {
  PoolSettings lane = {};  // pool_size: its core_size
  int waiters = 4;
  uint64_t without = 0;  // bit set of What that do not happen
  // Callers have loops: a ping continues in steps, in no caller's thread.
  bool in_steps = false;
  std::array<Tuned, 3> tunings{};  // core_size and overflow 0: none
};

// Saved by copying, put back by copying into the very object it was saved from.
class World {
 public:
  explicit World(const WorldSettings& settings);
  World(const World&) = default;
  World& operator=(const World&) = default;

  // Everything that can happen next.
  std::vector<Step> Possible() const;
  void Take(const Step& step);
  // What of this world decides its future, the same for worlds that differ only in numbering.
  std::string Key() const;
  // Null, or what is wrong: an invariant, or a caller whose wait nothing will end.
  const char* Wrong() const;
  const LaneCore& core() const { return core_; }

 private:
  static constexpr int kMaxSlots = 6;
  static constexpr int kMaxWaiters = 8;
  enum class Where : uint8_t { kAbsent, kInLine, kDecided };
  struct Caller {
    Waiter node;
    Where where = Where::kAbsent;
  };
  struct Job {
    Action action;
    int performer = -1;  // index of the caller whose thread performs it
  };

  bool Happens(What what) const { return (settings_.without >> static_cast<int>(what) & 1) == 0; }
  int FreeCaller() const;
  bool OpensForItself(size_t caller) const;
  void Arrive(bool late);
  void Recheck(int caller);
  void SleepOrLeave(int caller);
  void Settle();
  void Start(const Action& action, int performer);
  void Finish(int job, const ActionResult& result);
  void Return(uint8_t slot, ReturnAs as);
  bool StackTakes(uint8_t slot) const;
  void Tune(const Tuned& wish);
  bool MayOpenForASleeper() const;
  Tuned Sizes() const {
    return {settings_.lane.pool_size, settings_.lane.max_overflow, settings_.lane.linger};
  }
  bool IsShort(const Slot& slot) const;
  int IdleToStay() const;
  void Reconcile(const std::vector<uint8_t>& top_first, uint8_t used);
  std::vector<uint8_t> IdleTopFirst() const;
  void Fast(What what, uint8_t slot);
  std::string SlotKey(uint8_t slot) const;

  WorldSettings settings_;
  std::array<Slot, kMaxSlots> slots_{};
  std::array<Caller, kMaxWaiters> callers_{};
  std::array<Job, kMaxSlots> jobs_{};  // by slot
  LaneCore core_;
  int stack_room_ = 0;            // what the idle stack knows
  bool opened_too_many_ = false;  // an open began above the limit
  TimePoint now_{std::chrono::seconds(1000000)};
};

}  // namespace roost::core

#endif  // TESTS_CORE_WORLD_H_
