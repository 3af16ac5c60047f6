// pool_state.h - the pool behind Pool: lanes, lock, counters, and the doing of what the core
// decides.
//
// One lock for all lanes. Under it only the core, counters and stores to waiters' words; opening,
// pinging, resetting, closing, events and wakes happen with it free. The thread that got a Work
// from the core performs it and reports back. In front of each lane stands the word of
// roost/internal/fast_lane.h, which a Monitor closes and opens.
#ifndef ROOST_POOL_POOL_STATE_H_
#define ROOST_POOL_POOL_STATE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/base/thread_annotations.h"
#include "core/lane_core.h"
#include "pool/waker.h"
#include "roost/housekeeper.h"
#include "roost/internal/mutex.h"
#include "roost/pool.h"

namespace roost::internal {

class Text;

// A work that needs round trips and goes on in steps, by whoever calls Tick. Guarded by the pool's
// lock; while `busy`, one thread is inside Connection::Advance and alone may end it.
struct SteppedWork {
  core::Work work;  // kNone: nothing goes on in this slot
  bool busy = false;
  TimePoint began;
  Deadline deadline;
  Step step;  // how far it has come
};

// What the pool keeps of a slot besides the core's part and the word's.
struct SlotConnection {
  std::byte* memory = nullptr;
  SteppedWork stepped;
  uint32_t leases = 0;  // of the record, as far as they are counted; under the lock
};

// A caller in line: the core's node and the word its thread sleeps on.
struct PoolWaiter : core::Waiter {
  static constexpr uint32_t kNothing = 0;  // sleep on
  static constexpr uint32_t kLook = 1;     // take the lock and ask the core again
  static constexpr uint32_t kDecided =
      2;  // the outcome stands; nobody else touches this node any more
  // Set (release) under the lock, kDecided as the last access to the node; read (acquire) by its
  // owner, which thereby sees what was decided without the lock.
  std::atomic<uint32_t> word{kNothing};
  // Who is called when the word is set; null: a thread sleeps on the word. Constant while in line.
  Waker* waker = nullptr;
  bool asleep = false;  // its owner has left it to be told; under the lock
  // Its owner's alone:
  bool slept = false;
  int ahead = 0;  // callers, when it joined the line; 0 after its first sleep
  absl::Status open_error;
};

class PoolState : public FastPool {
 public:
  PoolState(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
            const PoolMemoryView& memory);
  ~PoolState();
  PoolState(const PoolState&) = delete;
  PoolState& operator=(const PoolState&) = delete;

  // ---- words.cc ----
  // Signs a slot that was taken out of the word, unless the core has to see to it first: then the
  // core has it back, and this is false.
  bool Claim(FastSlot& slot, Deadline not_after, SourceLine where);

  // ---- acquire.cc ----
  absl::StatusOr<Lease> Acquire(const AcquireOptions& options);
  absl::StatusOr<Lease> AcquireByLock(const AcquireOptions& options);
  absl::StatusOr<Lease> TryAcquire(Intent intent, Deadline work_by, SourceLine where);
  void Cancel(CancelToken& token);

  // ---- release.cc ----
  void Return(FastSlot& slot, bool discard);
  NativeHandle Detach(Lease& lease);
  void ReleaseThread(const Lease& lease);

  // ---- housekeeping.cc ----
  absl::Status Fill(int connections, Deadline deadline);
  TimePoint Tick(TimePoint now);
  int Descriptors(std::span<DescriptorWait> out) const;
  void InvalidateAll();
  void Pause();
  void Resume();
  absl::Status Close(Deadline deadline);
  // Whoever was called before is not called by this pool after this returns.
  void SetWorkCall(WakeCallback call);
  WakeCallback work_call() const { return on_work_; }

  // ---- report.cc ----
  Stats Snapshot();
  std::string_view Report(std::span<char> out);
  std::string_view Explain(const absl::Status& refusal, Duration asked, std::span<char> out);

  static PoolState& Of(const Lease& lease) { return *lease.lane_->pool; }
  static void Reset(Lease& lease) { lease.slot_ = nullptr; }

  const PoolSettings& settings() const { return settings_; }
  const char* name() const { return name_; }
  Backend& backend() const { return backend_; }
  Platform& platform() const { return platform_; }

  // For tests: the lock is free, and the lanes keep their invariants.
  bool LockIsFree() const;
  const char* CheckInvariants();

  // ---- For callers in line: AcquireByLock's thread, and PendingAcquire ----

  // AcquireOptions with the deadline filled in.
  struct Request {
    Intent intent;
    Deadline deadline;
    bool own_deadline;  // the caller's, not the profile's pool_timeout
    SourceLine where;
    CancelToken* cancel;
    bool may_wait;  // its thread has nothing else to do; false: a loop's
  };
  Request RequestFor(const AcquireOptions& options, TimePoint now) const;
  // An error in a child of fork().
  absl::Status CheckFork() const { return Forked() ? forked_ : absl::OkStatus(); }
  // How far an acquire has come.
  enum class Progress : uint8_t {
    kEnded,    // refused; the result is there
    kDecided,  // Settle has the result
    kSleeps,   // in line, no longer than waiter.wakes_at without another GoOn
  };
  // Lends at once what can be lent at once, else puts `waiter` in line, unless it is refused; then as
  // GoOn.
  Progress Enter(PoolWaiter& waiter, const Request& asked, TimePoint since,
                 std::optional<absl::StatusOr<Lease>>& result);
  // Goes on until the waiter's fate is decided or its deadline has passed, or until it has to sleep.
  // Performs the lane's works on the way.
  Progress GoOn(PoolWaiter& waiter, const Request& asked);
  // The lease, or why there is none, of a waiter that is decided, also by its word. Empty: the
  // connection was dead; enter again.
  std::optional<absl::StatusOr<Lease>> Settle(PoolWaiter& waiter, const Request& asked);
  // Takes back what a waiter has not fetched, and takes it out of line.
  void GiveUp(PoolWaiter& waiter, const Request& asked);
  absl::Status RefuseDying(const Request& asked);
  int attempts() const { return settings_.capacity() + 1; }

 private:
  // What a public call keeps in mind while it goes through the core: whom to wake with the lock
  // free. A sleeping thread by the address of its word, a loop by its announced call.
  struct Wakes {
    struct One {
      const std::atomic<uint32_t>* word;
      Waker* waker;
      WakeCallback call;
    };
    static constexpr size_t kMany = 8;
    std::array<One, kMany> ones;
    size_t count = 0;
  };

  // Who performs works, and under which conditions.
  struct Holding;
  struct Doer {
    core::Waiter* driver = nullptr;  // this thread's node in line, if it has one
    Deadline deadline = Deadline::Never();
    const Holding* returning = nullptr;  // a reset or a close is the end of this lease
    bool may_wait = false;               // for a server's round trips
    bool is_tick = false;                // the housekeeping loop: need not be told what it began
  };

  static constexpr unsigned kBothLanes = 3;
  // The lock, with the lanes that it names in the core's hands: their words are closed while it
  // lives, and opened at its end if they may be. One for a lane keeps the other lane's word out of
  // it.
  class ABSL_SCOPED_LOCKABLE Monitor {
   public:
    Monitor(Mutex& mu, PoolState& pool, unsigned lanes) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu)
        : pool_(pool), lanes_(lanes) {
      mu.Lock();
      pool_.CloseWords(lanes_);
    }
    ~Monitor() ABSL_UNLOCK_FUNCTION() { Free(); }
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;
    // The other lane, too, from now on.
    void TakeBoth() {
      pool_.CloseWords(kBothLanes);
      lanes_ = kBothLanes;
    }

   private:
    void Free() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      pool_.OpenWords(lanes_);
      pool_.mu_.Unlock();
    }
    PoolState& pool_;
    unsigned lanes_;
  };
  static constexpr unsigned Only(size_t lane) { return 1u << lane; }

  size_t LaneFor(Intent intent) const {
    return lane_count_ == 2 && intent == Intent::kRead ? 1u : 0u;
  }
  size_t LaneOf(int slot) const { return slot < lane_base_[1] ? 0u : 1u; }
  uint8_t Local(int slot) const { return static_cast<uint8_t>(slot - lane_base_[LaneOf(slot)]); }
  int Global(size_t lane, uint8_t slot) const { return lane_base_[lane] + slot; }
  SlotConnection& At(int slot) { return connections_[static_cast<size_t>(slot)]; }
  FastSlot& FastAt(int slot) { return fast_slots_[static_cast<size_t>(slot)]; }
  // Belongs to whoever holds the slot, or to its stepped work.
  Connection*& ConnectionAt(int slot) { return FastAt(slot).connection; }
  int Number(const FastSlot& slot) const { return static_cast<int>(&slot - fast_slots_.data()); }

  Lease MakeLease(int slot, Deadline work_by, uint64_t thread) {
    FastAt(slot).holder.store(static_cast<uintptr_t>(thread), std::memory_order_relaxed);
    return Lease(fast_[LaneOf(slot)], FastAt(slot), work_by);
  }

  // ---- words.cc ----
  bool LookAgain(FastSlot& slot);
  void MakeFastLane(size_t lane, int slots, int room);  // pool_state.cc, as the next
  void MakeRefusals();
  void CloseWords(unsigned lanes) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void OpenWords(unsigned lanes) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void CloseWord(size_t lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OpenWord(size_t lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The slots that were in the word, the top first, into `slots`. Returns how many.
  size_t TakeFromWord(size_t lane, std::span<uint8_t> slots) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GiveToWord(size_t lane, std::span<const uint8_t> slots) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool NoteLeases(size_t lane, uint8_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteHolder(size_t lane, uint8_t slot, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteHolders(size_t lane, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Prepare(size_t lane, uint8_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // This thread stands for a lease, maybe.
  bool HoldsSomething() const;

  // ---- acquire.cc ----
  std::optional<Lease> AcquireFromWord(const AcquireOptions& options);
  // `not_after`: a moment that has not passed.
  FastSlot* TakeFast(size_t lane, Deadline not_after, SourceLine where);
  // Who answers for a lease of this caller; 0: no thread.
  uint64_t ThreadOf(const Request& asked) const { return asked.may_wait ? ThisThread() : 0; }
  // Until when a round trip may be waited for before the connection is lent.
  static Deadline PingDeadline(const Request& asked) {
    return asked.may_wait ? asked.deadline : Deadline::Past();
  }
  void SleepIn(PoolWaiter& waiter);
  absl::Status RefuseNewcomer(const Request& asked, size_t lane, Monitor& monitor, TimePoint now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  core::Work NextFor(PoolWaiter& waiter, const Request& asked, Doer& doer, Wakes& wakes,
                     TimePoint now, Progress& progress) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Progress Continue(PoolWaiter& waiter, const Request& asked, Doer& doer, core::Work work,
                    Wakes& wakes, Progress progress);
  bool LendAtOnce(PoolWaiter& waiter, const Request& asked, size_t lane, TimePoint since,
                  TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Refused(const PoolWaiter& waiter, const Request& asked, size_t lane);
  bool ProvesAlive(size_t lane, int slot, Deadline deadline);
  void NoteLent(int slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountCheckout(TimePoint since, TimePoint now, bool waited, bool handed_off)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int Waiting() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return lanes_[0].line().length() + lanes_[1].line().length();
  }
  void EmitCheckout(int slot, Duration waited, SourceLine where, TimePoint now);
  void EmitRefused(const absl::Status& refusal, SourceLine where, TimePoint now);

  // ---- release.cc ----
  // What is known of a lease at its end.
  struct Holding {
    Duration held{};
    SourceLine where;
    bool leak_reported = false;
  };
  void ReturnClean(size_t lane, int slot, core::ReturnAs as, TimePoint now);
  void ReturnDirty(size_t lane, int slot, TimePoint now);
  void ReturnBroken(size_t lane, int slot, CloseReason reason, FaultScope scope, TimePoint now);
  void GiveBackBroken(size_t lane, int slot, CloseReason reason, FaultScope scope, TimePoint now,
                      const Holding* returning = nullptr);
  Holding HoldingOf(int slot, TimePoint now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountReturn(int slot, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Abandon(FastSlot& slot);
  void EmitInvalidate(int slot, CloseReason reason, TimePoint now);
  void EmitCheckin(int slot, TimePoint now, const Holding& holding);

  // ---- work.cc ----
  // Performs `work` and what follows from it. The lock is free before and after. Returns the error
  // of a failed open, else OK.
  absl::Status PerformAll(size_t lane, core::Work work, Doer doer);
  absl::Status Perform(size_t lane, const core::Work& work, const Doer& doer, TimePoint began,
                       core::WorkResult& result);
  // Tells everybody how `work` ended. Returns what has to be done next.
  core::Work Complete(size_t lane, const core::Work& work, const absl::Status& status,
                      core::WorkResult& result, Doer& doer);

  // ---- steps.cc ----
  // True: `work` needs a server's answer and whoever has it must not wait: Tick goes on with it.
  bool GoesInSteps(const core::Work& work, const Doer& doer) const;
  // Begins an open or a ping. The first step of it, or its error.
  absl::StatusOr<Step> BeginStepped(size_t lane, const core::Work& work, Deadline deadline,
                                    TimePoint now);
  // Goes on with it to its end, waiting.
  absl::Status WaitOut(int slot, absl::StatusOr<Step> step, Deadline deadline);
  // Begins it and leaves the rest to Tick. Ended already: returns what has to be done next.
  core::Work StartStepped(size_t lane, const core::Work& work, Doer& doer);
  core::Work NoteStep(size_t lane, int slot, absl::StatusOr<Step> step, Doer& doer);
  core::Work EndStepped(size_t lane, const SteppedWork& stepped, absl::Status status, Doer& doer);
  void GoOnWithSteps(TimePoint now);
  bool TakeStep(int slot, TimePoint now);
  void AbortSteps();
  TimePoint NextStep() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Deadline FullDeadline(const core::Work& work, TimePoint began) const;
  // A deadline of the pool's own that has passed: the database is away.
  static absl::Status Judged(const core::Work& work, absl::Status status);
  // Ends what an open that failed has left. What its failure says about the other connections.
  FaultScope Drop(int slot);
  // What `fault scope` says about the connections that exist.
  void Spread(FaultScope scope, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void CloseConnection(int slot, CloseReason reason, TimePoint now);
  void Count(size_t lane, const core::Work& work, const absl::Status& status, TimePoint now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EmitBefore(int slot, const core::Work& work, const absl::Status& status, TimePoint now);
  // Tells the core's notices to their waiters. The wakes are left for Deliver, with the lock free;
  // those beyond Wakes::kMany, which only a change for the whole line can cause (Close, Resume,
  // Cancel, a database going away), happen here.
  void Collect(size_t lane, Wakes& wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CallHousekeeper(Wakes& wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddWake(Wakes& wakes, const Wakes::One& one);
  void Wake(const Wakes::One& one);
  void Deliver(Wakes& wakes);
  void NoteDrained(Wakes& wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void Emit(const Event& event) { observer_->OnEvent(event); }
  Event MakeEvent(EventKind kind, int slot, TimePoint now) const {
    return Event{.kind = kind, .slot = slot, .pool = name_, .at = now};
  }

  // ---- housekeeping.cc ----
  absl::Status FillLane(size_t lane, int connections, Deadline deadline);
  // The same event for both lanes, and those it wakes.
  template <class Event>
  void TellLanes(Event event) {
    Wakes wakes;
    {
      Monitor monitor(mu_, *this, kBothLanes);
      const TimePoint now = platform_.Now();
      for (size_t lane = 0; lane < 2; ++lane) {
        event(lanes_[lane], now);
        Collect(lane, wakes);
      }
    }
    Deliver(wakes);
  }
  void GlanceAtOpens(Deadline deadline);
  void DoChores(size_t lane, TimePoint now);
  void ReportLeaks(TimePoint now);
  std::optional<Event> NextLeak(size_t lane, TimePoint now);
  void ReportLateTick(TimePoint now);
  void NoticeSuspend(TimePoint now);
  void CloseEvicted(size_t lane);
  bool Drained() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // ---- report.cc ----
  void AddHolders(Text& text, TimePoint now, const char* before, const char* after) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddAway(Text& text, size_t lane, TimePoint now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // ---- Constant after construction ----
  Backend& backend_;
  Platform& platform_;
  const PoolSettings settings_;
  const char* const name_;
  EchoObserver echo_;
  Observer* const observer_;    // null: nobody watches
  const WakeCallback on_work_;  // of the options
  // Nobody has to be told of a lease, and no clock has to be read for it: the words may be open.
  const bool words_;
  int lane_count_ = 1;
  std::array<int, 3> lane_base_{};
  std::array<Role, 2> role_{};
  Duration shortest_period_{};
  size_t connection_bytes_ = 0;
  std::span<SlotConnection> connections_;
  std::span<FastSlot> fast_slots_;
  // Refusals are made here and copied: a copy does not allocate.
  absl::Status timeout_default_;
  absl::Status timeout_deadline_;
  absl::Status nothing_free_;
  absl::Status dying_;
  absl::Status fill_late_;
  absl::Status full_;
  absl::Status closed_;
  absl::Status forked_;
  absl::Status nested_;
  absl::Status cancelled_;
  absl::Status still_out_;

  // ---- Own synchronisation ----
  std::array<FastLane, 2> fast_;
  std::atomic<uint32_t> drained_word_{0};  // grows when a slot is emptied while the pool is closed

  Waker work_waker_;  // calls the housekeeper; set and announced under mu_

  // ---- Guarded ----
  mutable Mutex mu_;
  std::array<core::LaneCore, 2> lanes_ ABSL_GUARDED_BY(mu_);
  Stats stats_ ABSL_GUARDED_BY(mu_);
  std::array<absl::Status, 2> last_error_ ABSL_GUARDED_BY(mu_);  // of the last failed open, by lane
  std::array<TimePoint, 2> failed_at_ ABSL_GUARDED_BY(mu_);
  std::array<TimePoint, 2> away_since_ ABSL_GUARDED_BY(mu_);
  std::array<bool, 2> word_is_open_ ABSL_GUARDED_BY(mu_){};
  std::array<int, 2> peak_ ABSL_GUARDED_BY(mu_){};                // most leases at once, by lane
  std::array<Linked::Word, 2> last_word_ ABSL_GUARDED_BY(mu_){};  // for its tag
  Duration suspended_ ABSL_GUARDED_BY(mu_){};                     // at the last look
  TimePoint promised_tick_ ABSL_GUARDED_BY(mu_) = TimePoint::max();
  bool connected_before_ ABSL_GUARDED_BY(mu_) = false;
  int stepping_ ABSL_GUARDED_BY(mu_) = 0;  // works that go on in steps
};

}  // namespace roost::internal

#endif  // ROOST_POOL_POOL_STATE_H_
