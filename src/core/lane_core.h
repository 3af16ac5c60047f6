// lane_core.h - what a lane decides: who gets which connection, what is to be done next.
//
// Pure: it is told the time, calls nobody, and holds no lock. An event goes in, a Work comes out;
// whoever got the Work performs it with the pool's lock free and reports it with Done. Waiters
// whose fate is decided, and waiters that should look again, are collected as notices for the pool
// to deliver.
//
// Invariants, checked by CheckInvariants(); numbered as in src/README.md:
//  (1) slots that are not empty are at most kept + overflow.
//  (2) idle slots that do not linger are at most `kept`.
//  (3) nobody waits beside an idle slot, unless the lane is paused, or enough connections are on
//      their way, or some waiter is awake and about to take it.
//  (4) waiters are at most max_waiters, besides those for whom connections are on their way.
//  (5) while somebody waits, some slot is not empty, or a waiter is awake, or the housekeeper is
//      wanted, or the lane is paused.
//  (6) a leased slot was granted to exactly one lease: granted - returned = leased.
//  (7) every count equals a recount.
//  (8) no caller in line was overtaken by a newcomer more than max_overtakes times while it was
//      the next to be served.
#ifndef ROOST_CORE_LANE_CORE_H_
#define ROOST_CORE_LANE_CORE_H_

#include <array>
#include <cstdint>
#include <span>

#include "core/sizing.h"
#include "core/slot.h"
#include "core/waiter.h"
#include "roost/profile.h"

namespace roost::core {

enum class Act : uint8_t { kNone, kOpen, kPing, kMaintain, kReset, kClose };

// Something to be done to a slot with the lock free. The performer holds the slot until Done.
struct Work {
  Act act = Act::kNone;
  uint8_t slot = 0;
  CloseReason reason = CloseReason::kNone;  // for kClose
  explicit operator bool() const { return act != Act::kNone; }
};

// How a Work ended.
struct WorkResult {
  bool ok = false;
  bool permanent = false;  // kOpen: the error needs a person
  bool crowded = false;    // kOpen: the server has no room for one more
  // kOpen, kPing: the caller's own deadline ended it; it says nothing about the database.
  bool cut_short = false;
  TimePoint began;      // kOpen: when the open began
  uint32_t random = 0;  // kOpen: for the age limit or the pause
  // kOpen that failed: what that says about the connections that exist. For the pool.
  FaultScope fault_scope = FaultScope::kStatement;
};

// Why a newcomer may not stand in line.
enum class Refusal : uint8_t { kNone, kClosed, kFull, kAway };

// How a lease ended.
enum class ReturnAs : uint8_t { kClean, kWantsMaintenance, kDirty, kBroken };

struct LaneSettings {
  int kept = 0;
  int overflow = 0;
  int max_waiters = 0;
  int max_overtakes = 0;
  PrePing pre_ping{};
  OpenBy open_by{};
  WhenAway when_away{};
  Duration pool_recycle{};
  Duration ping_after{};
  Duration keep_alive{};
  Duration idle_limit{};
  Duration linger{};
  Duration backoff_min{};
  Duration backoff_max{};
};

class LaneCore {
 public:
  // `slots` has kept + overflow entries and outlives the lane.
  LaneCore() = default;
  void Init(const LaneSettings& settings, std::span<Slot> slots);
  // Copied only by tests that save a whole world and put it back in the same place: the line and
  // the slots are pointed to.
  LaneCore(const LaneCore&) = default;
  LaneCore& operator=(const LaneCore&) = default;

  // ---- While nobody has to wait ----

  // Lends the idle slot used last, if it needs neither ping nor replacement and nobody waits, or
  // the next in line may be overtaken once more. False: take the long way. `probe`: it has rested,
  // look at its socket or file before use.
  bool TryLend(TimePoint now, uint64_t thread, SourceLine where, uint8_t& slot, bool& probe);

  // ---- The word of fast_lane.h: idle slots lent and returned without asking the core ----

  // Nobody waits, and every idle slot may be lent as it is: the word may have them.
  bool Undisturbed() const;
  // The slots at rest, the one used last on top.
  uint8_t idle_top() const { return idle_top_; }
  // Grows whenever leased slots are marked: a slot lent before must come back to the core.
  uint32_t epoch() const { return epoch_; }
  // Takes over what happened while the word had the idle slots: first BeginResync; then AtRest for
  // each slot in the word, the lowest first; then IsLent for each other one that WasOut names; then
  // EndResync. `used`, `anew`: lent through the word since the last time. IsLent may be called again
  // when more is known of a lease.
  void BeginResync();
  void AtRest(uint8_t slot, bool used, TimePoint now);
  bool WasOut(uint8_t slot) const { return slots_[slot].state == SlotState::kLeased; }
  void IsLent(uint8_t slot, bool anew, uint64_t thread, SourceLine where, TimePoint now);
  void EndResync();
  // A slot that was taken out of the word and may not be lent as it is.
  void PutBack(uint8_t slot, TimePoint now);

  // ---- Callers in line ----

  Refusal Admit(TimePoint now) const;
  void Join(Waiter& waiter);
  // What the thread of `waiter` should do now; grants what can be granted on the way.
  // REQUIRES: the waiter is in line or decided.
  Work WorkFor(Waiter& waiter, TimePoint now);
  // The waiter's thread goes to sleep. Returns when it should wake without a notice, at the latest.
  TimePoint Sleep(Waiter& waiter, TimePoint deadline);
  // It gives up. REQUIRES: undecided.
  void Leave(Waiter& waiter, TimePoint now);
  // Decides every waiter with this token.
  void Cancel(const void* token, TimePoint now);

  // ---- Work ----

  // Reports a Work. `driver`: the waiter whose thread performed it, if it is one. Returns what the
  // same thread has to do next.
  Work Done(const Work& work, const WorkResult& result, Waiter* driver, TimePoint now);

  // ---- Leases ----

  // The lease ends. `reason`: why it is broken. Returns what the returning thread has to do.
  Work Return(uint8_t slot, ReturnAs as, CloseReason reason, TimePoint now);
  // Its connection was taken away; the slot is free.
  void Detach(uint8_t slot, TimePoint now);

  // ---- The state of the world ----

  // Connections opened before `moment` have to answer a ping before use.
  void SuspectOlder(TimePoint moment);
  // Connections opened before `moment` are closed at their next rest.
  void EvictOlder(TimePoint moment, CloseReason reason);
  // Every connection, also one that is being opened, is closed at its next rest.
  void EvictAll(CloseReason reason);
  void Pause() { paused_ = true; }
  void Resume(TimePoint now);
  // Nobody is lent anything again; everybody in line is sent away.
  void Close(TimePoint now);

  // ---- Housekeeping ----

  // The next thing that is due at `now`, if any.
  Work NextChore(TimePoint now);
  // When a chore is due that exists already; max(): none.
  TimePoint NextDue() const;
  // Opens towards `target` connections (Pool::Fill).
  Work NextFill(int target, TimePoint now);
  // Idle slots that are to be closed at their next rest rest now (after EvictAll and Close).
  Work NextEvicted();
  // An open is wanted that only the housekeeper may do. Reading clears it.
  bool TakeHousekeeperWanted();

  // ---- Looking ----

  // One of those to be told something: decided, or to look again. Null: none left.
  Waiter* NextNotice();
  const Line& line() const { return line_; }
  int long_holds() const { return long_holds_; }
  std::span<const Slot> slots() const { return slots_; }
  std::span<Slot> slots() { return slots_; }
  int count(SlotState state) const { return counts_[static_cast<size_t>(state)]; }
  // Connections that exist.
  int open() const;
  bool away() const { return away_; }
  bool drained() const {
    return count(SlotState::kEmpty) + count(SlotState::kBackingOff) ==
           static_cast<int>(slots_.size());
  }
  TimePoint retry_at() const { return retry_at_; }
  int failures() const { return failures_; }
  bool paused() const { return paused_; }
  bool closed() const { return closed_; }
  const LaneSettings& settings() const { return settings_; }

  // Null, or a sentence that begins with the number of the invariant that does not hold.
  const char* CheckInvariants() const;

 private:
  // At most 254; see CheckProfile.
  uint8_t Size() const { return static_cast<uint8_t>(slots_.size()); }
  void SetState(uint8_t slot, SlotState state);
  void PushIdle(uint8_t slot);
  void RemoveIdle(uint8_t slot);
  CloseReason WhyStale(const Slot& slot, TimePoint now) const;
  bool NeedsPing(const Slot& slot, TimePoint now) const;
  bool MayOpen(TimePoint now) const;
  int Coming() const;
  Work Begin(Act act, int slot, SlotState state, CloseReason reason = CloseReason::kNone);
  Work StartOpen();
  Work Offer(uint8_t slot, TimePoint now, bool handed_off);
  Work Rest(uint8_t slot);
  void LetLinger();
  bool MayBeOvertaken(const Waiter& next) const { return next.overtaken < settings_.max_overtakes; }
  bool LeaveIdleFor(Waiter& next, uint8_t slot);
  void NoteHold(const Slot& slot, TimePoint now);
  // More than every third of late.
  bool HoldsAreLong() const { return long_holds_ > kMostLongHolds / 2; }
  Work TakeIdle(Waiter& asker, TimePoint now);
  bool TakeTop(Waiter& waiter, TimePoint now);
  Work CloseIdle(uint8_t slot, CloseReason reason);
  bool NeedsProbe(const Slot& slot, TimePoint now) const;
  int Live() const;
  bool SomebodySeesToIt(TimePoint now) const;
  void Drive(Waiter* driver, const Work& work);
  void Grant(Waiter& waiter, uint8_t slot, TimePoint now, bool handed_off);
  void Decide(Waiter& waiter, Outcome outcome);
  void Notify(Waiter& waiter);
  void Lend(uint8_t slot, uint64_t thread, SourceLine where, TimePoint now);
  void Empty(uint8_t slot);
  Work Opened(uint8_t slot, const WorkResult& result, TimePoint now);
  void OpenFailed(uint8_t slot, const WorkResult& result, Waiter* driver, TimePoint now);
  void GiveRoom();
  void NoteFailure(uint8_t slot, const WorkResult& result, TimePoint now);
  void EndBackoff(TimePoint now);
  void Prod(TimePoint now);
  Work ChoreOf(uint8_t slot, TimePoint now);
  Duration KeepAliveAge(const Slot& slot) const;

  LaneSettings settings_;
  std::span<Slot> slots_;
  std::array<int, kSlotStates> counts_{};
  int lingering_ = 0;
  static constexpr int kMostLongHolds = 4;
  int long_holds_ = 0;  // of the latest leases, 0 to kMostLongHolds: see NoteHold
  uint32_t epoch_ = 0;
  uint8_t idle_top_ = kNoSlot;
  Line line_;
  Waiter* first_notice_ = nullptr;
  Waiter* last_notice_ = nullptr;
  int failures_ = 0;
  bool away_ = false;
  bool paused_ = false;
  bool closed_ = false;
  bool housekeeper_wanted_ = false;
  TimePoint retry_at_ = TimePoint::min();
  uint64_t granted_ = 0;
  uint64_t ended_ = 0;
};

// True when `thread`, which holds a lease, could only deadlock by waiting in `lanes[lane]`: every
// slot that could serve it is leased by threads that wait as well. Waiters that the pool cannot tie
// to a thread (id 0) are taken to move on. Cost: slots * waiters, once for each caller that has to
// wait while holding.
bool CouldOnlyDeadlock(std::span<const LaneCore* const> lanes, size_t lane, uint64_t thread);

}  // namespace roost::core

#endif  // ROOST_CORE_LANE_CORE_H_
